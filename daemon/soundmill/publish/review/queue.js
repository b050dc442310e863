// The line of takes: a window of it, which grows in both directions as far as somebody walks.

/** `ask(parameters)` promises what review.json answers. Events: "grown" with {before}, the number of takes that came
 * in front, and "moved". */
export class Queue extends EventTarget {
  constructor(ask) {
    super();
    this.ask = ask;
    this.clear();
  }

  clear() {
    this.takes = [];
    this.index = -1;
    this.offset = 0; // how many stand before the window
    this.total = 0;
    this.mostCounted = Infinity;
    this.more = { before: false, after: false };
    this.growing = { before: null, after: null };
    this.turn = (this.turn || 0) + 1; // answers to an earlier question are dropped
  }

  get current() {
    return this.takes[this.index] || null;
  }

  /** Begin anew, at the take of that number or, if it is not known, at the start. */
  async open(at) {
    this.clear();
    const turn = this.turn;
    const answer = await this.ask({ count: 1, ...(at ? { at } : {}) });
    if (turn !== this.turn) return;
    this.takes = answer.takes;
    this.total = answer.total;
    this.mostCounted = answer.most_counted;
    this.offset = answer.place;
    this.more = { before: answer.place > 0, after: answer.more };
    if (!this.takes.length && answer.place > 0) {
      // What stood there and after it is filtered out by now.
      const earlier = await this.ask({ before: at });
      if (turn !== this.turn) return;
      this.takes = earlier.takes;
      this.offset = answer.place - earlier.takes.length;
      this.more.before = earlier.more;
      this.index = earlier.takes.length - 1;
    } else {
      this.index = this.takes.length ? 0 : -1;
    }
    this.dispatchEvent(new Event("moved"));
  }

  /** Whether there was a take to step to. */
  async step(by) {
    const turn = this.turn;
    const side = by < 0 ? "before" : "after";
    if (by > 0 && this.takes.length) this.more.after ||= !this.takes[this.index + by]; // a batch may have gone on
    if (!this.takes[this.index + by]) await this.grow(side);
    if (turn !== this.turn || !this.takes[this.index + by]) return false;
    this.go(this.index + by);
    return true;
  }

  go(index) {
    this.index = index;
    this.dispatchEvent(new Event("moved"));
    if (index + 20 > this.takes.length) this.grow("after");
    if (index < 20) this.grow("before");
  }

  find(id) {
    return this.takes.findIndex((take) => take.output_id === id);
  }

  grow(side) {
    if (!this.more[side] || !this.takes.length) return Promise.resolve();
    this.growing[side] ??= this.fetchMore(side).finally(() => {
      this.growing[side] = null;
    });
    return this.growing[side];
  }

  async fetchMore(side) {
    const turn = this.turn;
    const end = side === "before" ? this.takes[0] : this.takes.at(-1);
    const answer = await this.ask({ [side]: end.output_id });
    if (turn !== this.turn) return;
    this.more[side] = answer.more;
    if (side === "before") {
      this.takes = [...answer.takes, ...this.takes];
      this.index += answer.takes.length;
      this.offset = Math.max(0, this.offset - answer.takes.length);
    } else {
      this.takes = [...this.takes, ...answer.takes];
      this.total = Math.max(this.total, this.offset + this.takes.length);
    }
    this.dispatchEvent(new CustomEvent("grown", { detail: { before: side === "before" ? answer.takes.length : 0 } }));
  }
}
