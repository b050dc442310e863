// Which of many boxes are ticked, with Shift from the last one to this, and by keys; also of those that left the page.

import { listen } from "soundmill/keys";

/** `frame` holds boxes of the class sm-select. Event: "changed". */
export class Selection extends EventTarget {
  constructor(frame) {
    super();
    this.frame = frame;
    this.ticked = new Set();
    this.last = null; // the box of the last click, by its value
    frame.addEventListener("click", (event) => {
      const box = event.target.closest("input.sm-select");
      if (box) this.clicked(box, event.shiftKey);
    });
    listen(document, [
      { keys: ["j"], repeats: true, does: () => this.go(1) },
      { keys: ["k"], repeats: true, does: () => this.go(-1) },
      { keys: ["Shift+j"], repeats: true, does: () => this.go(1, true) },
      { keys: ["Shift+k"], repeats: true, does: () => this.go(-1, true) },
      { keys: ["x"], does: () => this.at()?.click() },
      { keys: ["Escape"], does: () => this.clear() },
    ]);
  }

  get boxes() {
    return [...this.frame.querySelectorAll("input.sm-select")];
  }

  /** The box of the card that has the focus. */
  at() {
    return document.activeElement.closest(".sm-take, tr")?.querySelector("input.sm-select");
  }

  clicked(box, upTo) {
    const boxes = this.boxes;
    const [from, to] = [boxes.findIndex((each) => each.value === this.last), boxes.indexOf(box)];
    if (upTo && from >= 0) {
      for (const each of boxes.slice(Math.min(from, to), Math.max(from, to) + 1)) this.tick(each.value, box.checked);
    } else this.tick(box.value, box.checked);
    this.last = box.value;
    this.show();
  }

  tick(value, on) {
    if (on) this.ticked.add(value);
    else this.ticked.delete(value);
  }

  go(by, extends_ = false) {
    const boxes = this.boxes;
    const here = this.at();
    const next = boxes[here ? boxes.indexOf(here) + by : by > 0 ? 0 : boxes.length - 1];
    if (!next) return;
    if (extends_) {
      if (here) this.tick(here.value, true);
      this.tick(next.value, true);
      this.show();
    }
    next.focus();
    next.closest(".sm-take, tr").scrollIntoView({ block: "nearest" });
  }

  all() {
    for (const box of this.boxes) this.tick(box.value, true);
    this.show();
  }

  clear() {
    this.ticked.clear();
    this.show();
  }

  /** Tick what is ticked within `root`, which has just come into the page. */
  show(root = this.frame) {
    for (const box of root.querySelectorAll("input.sm-select")) {
      box.hidden = false;
      box.checked = this.ticked.has(box.value);
      box.closest(".sm-take, tr").classList.toggle("sm-ticked", box.checked);
    }
    this.dispatchEvent(new Event("changed"));
  }
}
