// The strip: the line of takes as a list of which only what is seen is in the page, however long the line is.

const SPARE = 6; // rows beyond the edges

/** `list` scrolls and holds one <ol>; `rowHeight` in CSS pixels; `row(take, index)` makes a row's button, `near()` is
 * told when an end comes near. */
export class Strip {
  constructor(list, { rowHeight, row, near }) {
    Object.assign(this, { list, rowHeight, row, near });
    this.inner = list.querySelector("ol");
    this.takes = [];
    this.rows = new Map(); // index to element
    list.addEventListener("scroll", () => this.paint(), { passive: true });
    new ResizeObserver(() => this.paint()).observe(list);
  }

  /** Show these takes, of which `added` came in front since the last time. */
  show(takes, { added, offset, total }) {
    Object.assign(this, { takes, offset, total });
    this.inner.style.height = `${takes.length * this.rowHeight}px`;
    this.rows.forEach((element) => element.remove());
    this.rows.clear();
    if (added) this.list.scrollTop += added * this.rowHeight;
    this.paint();
  }

  paint() {
    const { scrollTop, clientHeight } = this.list;
    const first = Math.max(0, Math.floor(scrollTop / this.rowHeight) - SPARE);
    const last = Math.min(this.takes.length, Math.ceil((scrollTop + clientHeight) / this.rowHeight) + SPARE);
    for (const [index, element] of this.rows) {
      if (index >= first && index < last) continue;
      if (element.contains(document.activeElement)) continue; // focus is not to be lost by scrolling
      element.remove();
      this.rows.delete(index);
    }
    for (let index = first; index < last; index += 1) if (!this.rows.has(index)) this.put(index);
    if (last > this.takes.length - 2 * SPARE) this.near("after");
    if (first < 2 * SPARE && scrollTop < this.rowHeight) this.near("before");
  }

  put(index) {
    const item = document.createElement("li");
    item.style.transform = `translateY(${index * this.rowHeight}px)`;
    item.style.height = `${this.rowHeight}px`;
    item.setAttribute("aria-posinset", String(this.offset + index + 1));
    item.setAttribute("aria-setsize", String(this.total));
    item.append(this.row(this.takes[index], index));
    this.rows.set(index, item);
    const after = [...this.rows.keys()].filter((other) => other > index).sort((a, b) => a - b)[0];
    this.inner.insertBefore(item, after === undefined ? null : this.rows.get(after));
  }

  /** Make a row anew, if it is in the page. */
  renew(index) {
    const item = this.rows.get(index);
    if (!item) return;
    const focused = item.contains(document.activeElement);
    item.replaceChildren(this.row(this.takes[index], index));
    if (focused) item.firstElementChild.focus();
  }

  /** Bring a row into sight, and no further than it needs. */
  reveal(index) {
    const top = index * this.rowHeight;
    const { scrollTop, clientHeight } = this.list;
    if (top < scrollTop) this.list.scrollTop = Math.max(0, top - this.rowHeight);
    else if (top + 2 * this.rowHeight > scrollTop + clientHeight) this.list.scrollTop = top + 2 * this.rowHeight - clientHeight;
    this.paint();
  }
}
