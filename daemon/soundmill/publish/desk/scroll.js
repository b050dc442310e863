// A long page of cards: more come as somebody scrolls, and those far out of sight leave the document.

const NEAR = "1500px"; // from the window, within which cards stand in the page

/** `frame` holds chunks, each an element with data-page; `load(page)` promises {html, more}; `shown(chunk)` hears of
 * each that is filled. The first chunk is there already; `more`, whether others follow it. */
export class Scroll {
  constructor(frame, { more, load, shown }) {
    Object.assign(this, { frame, more, load, shown });
    this.loading = false;
    this.end = document.createElement("div");
    this.end.className = "sm-end";
    frame.after(this.end);
    this.seeing = new IntersectionObserver((seen) => seen.forEach((each) => this.moved(each)), { rootMargin: NEAR });
    this.seeing.observe(this.end);
    for (const chunk of frame.children) this.seeing.observe(chunk);
  }

  get chunks() {
    return [...this.frame.children];
  }

  moved({ target, isIntersecting, boundingClientRect }) {
    if (target === this.end) {
      this.nearEnd = isIntersecting;
      if (isIntersecting) this.next();
    } else if (isIntersecting) this.fill(target);
    else this.empty(target, boundingClientRect.height);
  }

  async next() {
    if (this.loading || !this.more) return;
    this.loading = true;
    try {
      const number = Number(this.frame.lastElementChild.dataset.page) + 1;
      const { html, more } = await this.load(number);
      this.more = more;
      const chunk = document.createElement("div");
      chunk.className = "sm-takes";
      chunk.dataset.page = number;
      chunk.innerHTML = html;
      this.frame.append(chunk);
      this.shown(chunk);
      this.seeing.observe(chunk);
    } catch {
      window.setTimeout(() => this.nearEnd && this.next(), 2000);
      return;
    } finally {
      this.loading = false;
    }
    // The observer tells of changes alone: still near, when what came was short.
    this.seeing.unobserve(this.end);
    this.seeing.observe(this.end);
  }

  /** Take a chunk's cards out of the page, and keep its room; not those that are heard, or that somebody is at. */
  empty(chunk, height) {
    if (chunk.kept !== undefined || !height || chunk.contains(document.activeElement)) return;
    if ([...chunk.querySelectorAll("audio")].some((audio) => !audio.paused)) return;
    chunk.kept = chunk.innerHTML;
    chunk.style.height = `${height}px`;
    chunk.replaceChildren();
  }

  fill(chunk) {
    if (chunk.kept === undefined) return;
    chunk.innerHTML = chunk.kept;
    chunk.kept = undefined;
    chunk.style.height = "";
    this.shown(chunk);
  }

  /** Load what stands in the page again: cards that differ are replaced, but one that is heard stays. */
  async renew(chunk) {
    const { html, more } = await this.load(Number(chunk.dataset.page));
    if (chunk === this.frame.lastElementChild) this.more = more;
    if (chunk.kept !== undefined) {
      chunk.kept = html;
      return;
    }
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const old = new Map([...chunk.children].map((card) => [card.id, card]));
    const cards = [...fresh.content.children].map((card) => {
      const before = old.get(card.id);
      card.said = card.outerHTML;
      const heard = before && [...before.querySelectorAll("audio")].some((audio) => !audio.paused);
      return before && (before.said === card.said || heard || before.contains(document.activeElement)) ? before : card;
    });
    if (cards.some((card, n) => chunk.children[n] !== card) || cards.length !== chunk.children.length) {
      cards.forEach((card, n) => {
        if (chunk.children[n] !== card) chunk.insertBefore(card, chunk.children[n] || null);
      });
      while (chunk.children.length > cards.length) chunk.lastElementChild.remove();
    }
    this.shown(chunk);
  }
}
