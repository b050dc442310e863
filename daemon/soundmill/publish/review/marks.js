// What somebody says of takes: shown at once, asked of the daemon, done or refused with its reason, and taken back.

const STORE = "soundmill asked";
const PAUSES_MS = [120, 120, 160, 200, 300, 500, 1000, 2000]; // between looks for an answer; then the last for ever
const SLOW_MS = 3000; // then the daemon does not run, or is busy
const MOST = 500; // wishes in one request
const FIELDS = ["stars", "rejected", "note", "picked"];

/** The wish that the site is sent for a change: an action on a take's file. */
export function wish({ target, field, value, list }) {
  if (field === "stars") return { action: "rate", target, stars: value };
  if (field === "rejected") return { action: value ? "reject" : "unreject", target };
  if (field === "note") return { action: "note", target, note: value };
  return { action: value ? "pick" : "unpick", target, shortlist: list };
}

/** `send(wishes)` promises their numbers, or throws an error, `final` where the site has refused them all;
 * `answers(numbers)` promises {number: {state, reason}}. `storage` is sessionStorage, where what is asked outlives a
 * reload; `later(ms)` promises to come back.
 *
 * Events: "changed" with {id} for every take that looks different, "refused" with {change, reason}, and "state" with
 * {waiting, slow, offline}, where `offline` says why the site takes nothing now. */
export class Marks extends EventTarget {
  constructor({ send, answers, storage, later, now }) {
    super();
    Object.assign(this, { send, answers, storage, later, now });
    this.base = new Map(); // of each take what the catalogue says
    this.done = []; // what can be undone, the latest last
    this.changes = restored(storage);
    this.running = false;
    this.offline = null; // why the site takes nothing now
    if (this.changes.length) this.run();
  }

  /** Learn what the catalogue says of a take; what is asked and not answered stands above it. */
  learn(id, said) {
    this.base.set(id, { stars: null, rejected: false, note: null, picked: false, ...said });
  }

  knows(id) {
    return this.base.has(id);
  }

  /** What is to be shown of a take; `asked` names the fields that wait for the daemon. */
  of(id) {
    const shown = { ...this.base.get(id), asked: [] };
    for (const change of this.changes) {
      if (change.id !== id) continue;
      shown[change.field] = change.value;
      shown.asked.push(change.field);
    }
    return shown;
  }

  set(take, field, value, list) {
    const before = this.of(take.output_id)[field];
    if (before === value || !FIELDS.includes(field)) return;
    const change = { id: take.output_id, target: take.audio, name: take.job, field, value, before, list };
    this.done.push(change);
    this.add(change);
  }

  /** Take the latest change back; returns it, or null where there is none. */
  undo() {
    const change = this.done.pop();
    if (!change) return null;
    this.add({ ...change, value: change.before, before: change.value });
    return change;
  }

  add(change) {
    this.changes.push({ ...change, state: "new", number: null, since: this.now() });
    this.tell(change.id);
    this.run();
  }

  async run() {
    if (this.running) return;
    this.running = true;
    for (let look = 0; this.changes.length; ) {
      if (await this.sendNew()) look = 0;
      await this.later(PAUSES_MS[Math.min(look, PAUSES_MS.length - 1)]);
      look += 1;
      await this.hear();
      this.say();
    }
    this.running = false;
    this.say();
  }

  async sendNew() {
    const fresh = this.changes.filter((change) => change.state === "new").slice(0, MOST);
    if (!fresh.length) return false;
    try {
      const numbers = await this.send(fresh.map(wish));
      fresh.forEach((change, n) => Object.assign(change, { state: "asked", number: numbers[n] }));
      this.offline = null;
      this.keep();
      return true;
    } catch (error) {
      this.offline = error.final ? null : error.message;
      if (error.final) for (const change of fresh) this.refuse(change, error.message);
      return false;
    }
  }

  async hear() {
    const asked = this.changes.filter((change) => change.state === "asked").slice(0, MOST);
    if (!asked.length) return;
    let heard;
    try {
      heard = await this.answers(asked.map((change) => change.number));
      this.offline = null;
    } catch (error) {
      this.offline = error.message;
      return;
    }
    for (const change of asked) {
      const answer = heard[change.number];
      if (answer?.state === "done") {
        const said = this.base.get(change.id);
        if (said) said[change.field] = change.value;
        this.drop(change);
      } else if (answer?.state === "refused") {
        this.refuse(change, answer.reason);
      }
    }
  }

  refuse(change, reason) {
    this.done = this.done.filter((one) => one.id !== change.id || one.field !== change.field);
    this.drop(change);
    this.dispatchEvent(new CustomEvent("refused", { detail: { change, reason } }));
  }

  drop(change) {
    this.changes = this.changes.filter((one) => one !== change);
    this.keep();
    this.tell(change.id);
  }

  keep() {
    this.storage.setItem(STORE, JSON.stringify(this.changes));
  }

  tell(id) {
    this.dispatchEvent(new CustomEvent("changed", { detail: { id } }));
  }

  say() {
    const oldest = Math.min(...this.changes.map((change) => change.since));
    const slow = this.changes.length > 0 && this.now() - oldest > SLOW_MS;
    this.dispatchEvent(
      new CustomEvent("state", { detail: { waiting: this.changes.length, slow, offline: this.offline } }),
    );
  }
}

function restored(storage) {
  try {
    return JSON.parse(storage.getItem(STORE) || "[]");
  } catch {
    return [];
  }
}
