// Plays decoded takes: at once, from anywhere, and round without a gap. Keeps some of them decoded, in bounded memory.

const FADE_S = 0.004; // against a click where one take is left for another

/** `fetchAudio(url)` promises an ArrayBuffer; `budget` is in bytes of decoded audio. The take that is heard and the one
 * after it are kept even where they alone exceed it.
 *
 * Events: "playing" with {url, startedAt}, once its sound is on its way (startedAt in ms of performance.now()),
 * "paused", "ended", "seeked" and "failed" with {url, message}. */
export class Player extends EventTarget {
  constructor({ fetchAudio, budget }) {
    super();
    this.fetchAudio = fetchAudio;
    this.budget = budget;
    this.kept = new Map(); // url to { promise, audio }, the least lately used first
    this.ahead = []; // what comes next, the nearest first
    this.decoder = new OfflineAudioContext(1, 1, 48000); // decodes before anybody has touched the page
    this.context = null;
    this.url = null;
    this.audio = null;
    this.source = null;
    this.offset = 0; // where in the take it stands, or stood when it was started, in s
    this.startedAt = 0;
    this.wanted = false; // whether it is to sound as soon as it can
    this.looped = false;
  }

  get playing() {
    return this.source !== null;
  }

  get duration() {
    return this.audio ? this.audio.duration : 0;
  }

  /** Where it is heard, in s. */
  get position() {
    if (!this.source) return this.offset;
    const at = this.offset + Math.max(0, this.context.currentTime - (this.context.outputLatency || 0) - this.startedAt);
    return this.looped && this.duration ? at % this.duration : Math.min(at, this.duration);
  }

  /** Decode these in the background, the most wanted first, as far as the memory allows. */
  async prefetch(urls) {
    const { url: heard } = this;
    this.ahead = urls;
    for (const url of urls) {
      if (this.url !== heard) return; // somebody went on: others are wanted now
      if (url !== urls[0] && this.used([heard, ...urls]) >= this.budget) return;
      await this.load(url).catch(() => null);
    }
  }

  /** Bytes of all decoded takes, or of those. */
  used(urls = [...this.kept.keys()]) {
    const audios = urls.map((url) => this.kept.get(url)?.audio).filter(Boolean);
    return audios.reduce((bytes, audio) => bytes + audio.length * audio.numberOfChannels * 4, 0);
  }

  /** Promises the decoded take. */
  load(url) {
    const known = this.kept.get(url);
    if (known) {
      this.kept.delete(url);
      this.kept.set(url, known);
      return known.promise;
    }
    const entry = { audio: null, promise: null };
    entry.promise = this.fetchAudio(url)
      .then((data) => this.decoder.decodeAudioData(data))
      .then((audio) => {
        entry.audio = audio;
        this.tidy();
        return audio;
      })
      .catch((error) => {
        this.kept.delete(url);
        throw error;
      });
    this.kept.set(url, entry);
    return entry.promise;
  }

  /** Let go of takes until they fit: first those that are behind, then what is furthest ahead. */
  tidy() {
    const behind = [...this.kept.keys()].filter((url) => url !== this.url && !this.ahead.includes(url));
    for (const url of [...behind, ...this.ahead.slice(1).reverse()]) {
      if (this.used() <= this.budget) return;
      if (this.kept.get(url)?.audio) this.kept.delete(url);
    }
  }

  /** Make `url` the take that is heard, silent until `play` unless `wanted`. */
  async select(url, { play }) {
    this.stop();
    this.url = url;
    this.audio = null;
    this.offset = 0;
    this.wanted = play;
    try {
      const audio = await this.load(url);
      if (this.url !== url) return; // somebody went on while it came
      this.audio = audio;
      this.dispatchEvent(new CustomEvent("ready", { detail: { url } }));
      if (this.wanted) await this.start();
    } catch (error) {
      if (this.url === url) this.dispatchEvent(new CustomEvent("failed", { detail: { url, message: error.message } }));
    }
  }

  async play() {
    this.wanted = true;
    if (!this.audio || this.source) return;
    if (this.offset >= this.duration) this.offset = 0;
    await this.start();
  }

  pause() {
    this.wanted = false;
    this.offset = this.position;
    this.stop();
    this.dispatchEvent(new Event("paused"));
  }

  toggle() {
    if (this.wanted) this.pause();
    else this.play();
  }

  seek(seconds) {
    this.stop();
    this.offset = Math.max(0, Math.min(seconds, this.duration));
    if (this.wanted && this.audio && this.offset < this.duration) this.start();
    this.dispatchEvent(new Event("seeked"));
  }

  set loop(on) {
    this.offset = this.position;
    this.looped = on;
    if (!this.source) return;
    this.stop();
    this.start();
  }

  get loop() {
    return this.looped;
  }

  async start() {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    const { url, context } = this;
    if (context.state !== "running") await context.resume();
    if (this.url !== url || this.source || !this.wanted) return;
    const source = context.createBufferSource();
    const gain = context.createGain();
    source.buffer = this.audio;
    source.loop = this.looped;
    source.connect(gain).connect(context.destination);
    gain.gain.setValueAtTime(this.offset > 0 ? 0 : 1, context.currentTime); // an attack at the start stays sharp
    if (this.offset > 0) gain.gain.linearRampToValueAtTime(1, context.currentTime + FADE_S);
    source.onended = () => {
      if (this.source !== source) return;
      this.source = null;
      this.offset = this.duration;
      this.wanted = false;
      this.dispatchEvent(new Event("ended"));
    };
    this.source = source;
    this.gain = gain;
    this.startedAt = context.currentTime;
    source.start(0, this.offset);
    this.tell(url, source);
  }

  /** Say that it plays once the clock of the sound card has gone past its start. */
  tell(url, source) {
    if (this.source !== source) return;
    if (this.context.currentTime <= this.startedAt) {
      setTimeout(() => this.tell(url, source), 2);
      return;
    }
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    const startedAt = performanceTime ? performanceTime + (this.startedAt - contextTime) * 1000 : performance.now();
    this.dispatchEvent(new CustomEvent("playing", { detail: { url, startedAt } }));
  }

  stop() {
    if (!this.source) return;
    const { source, gain, context } = this;
    this.source = null;
    source.onended = null;
    gain.gain.cancelScheduledValues(context.currentTime);
    gain.gain.setValueAtTime(gain.gain.value, context.currentTime);
    gain.gain.linearRampToValueAtTime(0, context.currentTime + FADE_S);
    source.stop(context.currentTime + FADE_S);
  }
}
