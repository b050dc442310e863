// Plays several takes as one: all run from the same moment and only one is let through, so that going from one to the
// other leaves no gap and no place is lost.

const FADE_S = 0.008; // from one to another: too short to hear, too long to click
const LEAD_S = 0.03; // so that all are ready when they start

export const linear = (db) => 10 ** (db / 20);

/** `buffers` as long as the longest, so that they go round together. */
export function level(buffers) {
  const longest = Math.max(...buffers.map((buffer) => buffer.length));
  return buffers.map((buffer) => {
    if (buffer.length === longest) return buffer;
    const { numberOfChannels, sampleRate } = buffer;
    const padded = new AudioBuffer({ length: longest, numberOfChannels, sampleRate });
    for (let n = 0; n < numberOfChannels; n += 1) padded.copyToChannel(buffer.getChannelData(n), n);
    return padded;
  });
}

/** Events: "changed" whenever it plays, pauses, ends or another take is let through; "heard" with {index} once a take
 * has sounded. `context` is an AudioContext, made when it is first needed. */
export class Deck extends EventTarget {
  constructor({ context = null } = {}) {
    super();
    this.context = context;
    this.decoder = new OfflineAudioContext(1, 1, 48000); // decodes before anybody has touched the page
    this.buffers = [];
    this.gains_db = [];
    this.sources = [];
    this.index = 0;
    this.offset = 0;
    this.wanted = false;
    this.looped = false;
  }

  /** Take these {data: ArrayBuffer, gain_db}; whatever played before ends. */
  async load(takes) {
    this.stop();
    const decoded = await Promise.all(takes.map((take) => this.decoder.decodeAudioData(take.data)));
    this.use(decoded, takes.map((take) => take.gain_db));
  }

  use(buffers, gains) {
    this.stop();
    this.buffers = level(buffers);
    this.gains_db = gains;
    this.index = 0;
    this.offset = 0;
    this.heard = new Set();
  }

  get duration() {
    return this.buffers.length ? this.buffers[0].duration : 0;
  }

  get playing() {
    return this.sources.length > 0;
  }

  get position() {
    if (!this.playing) return this.offset;
    const at = this.offset + Math.max(0, this.context.currentTime - (this.context.outputLatency || 0) - this.startedAt);
    return this.looped ? at % this.duration : Math.min(at, this.duration);
  }

  async play() {
    if (!this.buffers.length) return;
    this.wanted = true;
    if (this.playing) return;
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    if (this.context.state === "suspended" && this.context.resume) await this.context.resume();
    if (!this.wanted || this.playing) return;
    if (this.offset >= this.duration) this.offset = 0;
    this.start(this.context.currentTime + LEAD_S);
  }

  start(at) {
    const { context } = this;
    this.startedAt = at;
    this.nodes = this.buffers.map((buffer, n) => {
      const source = context.createBufferSource();
      const gain = context.createGain();
      source.buffer = buffer;
      source.loop = this.looped;
      gain.gain.setValueAtTime(n === this.index ? linear(this.gains_db[n]) : 0, context.currentTime);
      source.connect(gain).connect(context.destination);
      source.start(at, this.offset);
      return { source, gain: gain.gain };
    });
    this.sources = this.nodes.map(({ source }) => source);
    const [first] = this.sources;
    first.onended = () => {
      if (this.sources[0] !== first) return;
      this.sources = [];
      this.offset = this.duration;
      this.wanted = false;
      this.tell();
    };
    this.hear();
    this.tell();
  }

  /** Let another take through, at the same place. */
  choose(index) {
    if (index === this.index || index < 0 || index >= this.buffers.length) return;
    const before = this.index;
    this.index = index;
    if (this.playing) {
      const now = this.context.currentTime;
      this.fade(this.nodes[before].gain, linear(this.gains_db[before]), 0, now);
      this.fade(this.nodes[index].gain, 0, linear(this.gains_db[index]), now);
      this.hear();
    }
    this.tell();
  }

  fade(gain, from, to, now) {
    gain.cancelScheduledValues(now);
    gain.setValueAtTime(from, now);
    gain.linearRampToValueAtTime(to, now + FADE_S);
  }

  hear() {
    this.heard.add(this.index);
    this.dispatchEvent(new CustomEvent("heard", { detail: { index: this.index } }));
  }

  pause() {
    this.wanted = false;
    this.stop();
    this.tell();
  }

  toggle() {
    if (this.wanted) this.pause();
    else this.play();
  }

  seek(seconds) {
    const on = this.wanted;
    this.stop();
    this.offset = Math.max(0, Math.min(seconds, this.duration));
    if (on && this.offset < this.duration) this.start(this.context.currentTime + LEAD_S);
    this.tell();
  }

  set loop(on) {
    const playing = this.playing;
    this.stop();
    this.looped = on;
    if (playing) this.start(this.context.currentTime + LEAD_S);
    this.tell();
  }

  get loop() {
    return this.looped;
  }

  stop() {
    if (!this.playing) return;
    this.offset = this.position;
    const { sources, nodes } = this;
    this.sources = [];
    const now = this.context.currentTime;
    nodes.forEach(({ gain }, n) => {
      this.fade(gain, n === this.index ? linear(this.gains_db[n]) : 0, 0, now);
    });
    for (const source of sources) {
      source.onended = null;
      source.stop(now + FADE_S);
    }
  }

  tell() {
    this.dispatchEvent(new Event("changed"));
  }
}

/** The keys of a deck; `sides` takes have one each. */
export function deckKeys(deck, sides) {
  const letters = [...Array(sides)].map((_, n) => String.fromCharCode(97 + n));
  return [
    { keys: [" "], says: "play or pause", does: () => deck.toggle() },
    ...letters.map((letter, n) => ({
      keys: [String(n + 1), letter],
      says: `hear ${letter.toUpperCase()}, at the same place`,
      does: () => deck.choose(n),
    })),
    {
      keys: ["ArrowLeft", "ArrowRight"],
      says: "1 s back or on",
      repeats: true,
      does: (key) => deck.seek(deck.position + (key === "ArrowLeft" ? -1 : 1)),
    },
    { keys: ["l"], says: "loop, without a gap", does: () => (deck.loop = !deck.loop) },
  ];
}

/** Keep buttons and clock as the deck is; `sides` are the buttons of the takes. */
export function follow(deck, { play, loop, sides, now, clock, moved }) {
  let frame = null;
  const show = () => {
    play.setAttribute("aria-label", deck.wanted ? "Pause" : "Play");
    play.classList.toggle("sm-on", deck.wanted);
    loop.setAttribute("aria-pressed", String(deck.loop));
    sides.forEach((side, n) => side.setAttribute("aria-pressed", String(n === deck.index)));
    now.textContent = clock(deck.position);
    moved?.(deck.position);
    if (deck.playing && frame === null) {
      frame = requestAnimationFrame(() => {
        frame = null;
        show();
      });
    }
  };
  play.addEventListener("click", () => deck.toggle());
  loop.addEventListener("click", () => (deck.loop = !deck.loop));
  sides.forEach((side, n) => side.addEventListener("click", () => deck.choose(n)));
  deck.addEventListener("changed", show);
  show();
}
