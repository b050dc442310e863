// One take to be heard: player, picture, and the buttons and keys that both pages have.

import { Picture, failedOf } from "soundmill/drawing";
import { compute, unpack } from "soundmill/peaks";
import { Player } from "soundmill/player";

const BUDGET = { small: 96e6, large: 256e6 }; // bytes of decoded audio; a phone has less to give
const STEP_S = 1;

export function pathUrl(prefix, path) {
  return prefix + path.split("/").map(encodeURIComponent).join("/");
}

/** 63.25 as 1:03.2 */
export function clock(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

async function fetchAudio(url) {
  const answer = await fetch(url);
  if (answer.status === 404) throw new Error("The file is not there any more");
  if (!answer.ok) throw new Error(`The site answers ${answer.status}`);
  return answer.arrayBuffer();
}

/** `root` holds [data-part=wave|now|length|found] and buttons [data-does=play|loop]. */
export class Listening {
  constructor(root, addresses) {
    this.root = root;
    this.addresses = addresses;
    this.take = null;
    this.drawn = new Map(); // take to its peaks, or the promise of them
    const budget = matchMedia("(max-width: 700px)").matches ? BUDGET.small : BUDGET.large;
    this.player = new Player({ fetchAudio, budget });
    this.picture = new Picture(this.part("wave"), { seek: (seconds) => this.player.seek(seconds) });
    this.play = root.querySelector("[data-does=play]");
    this.loop = root.querySelector("[data-does=loop]");
    this.play.addEventListener("click", () => this.player.toggle());
    this.loop.addEventListener("click", () => this.setLoop(!this.player.loop));
    for (const kind of ["playing", "paused", "ended", "seeked", "ready", "failed"]) {
      this.player.addEventListener(kind, () => this.heard(kind));
    }
    this.keys = [
      { keys: [" "], says: "play or pause", does: () => this.player.toggle() },
      { keys: ["ArrowLeft", "ArrowRight"], says: "1 s back or on", repeats: true, does: (key) => this.skip(key, STEP_S) },
      {
        keys: ["Shift+ArrowLeft", "Shift+ArrowRight"],
        says: "5 s back or on",
        repeats: true,
        does: (key) => this.skip(key, 5 * STEP_S),
      },
      { keys: ["l"], says: "loop, without a gap", does: () => this.setLoop(!this.player.loop) },
    ];
  }

  part(name) {
    return this.root.querySelector(`[data-part=${name}]`);
  }

  addressOf(take) {
    return pathUrl(this.addresses.audio, take.audio);
  }

  skip(key, seconds) {
    this.player.seek(this.player.position + (key === "ArrowLeft" ? -seconds : seconds));
  }

  setLoop(on) {
    this.player.loop = on;
    this.loop.setAttribute("aria-pressed", String(on));
  }

  /** Make this the take that is heard; `play` at once. `next` are got ready behind it. */
  show(take, { play, next }) {
    this.take = take;
    const peaks = this.drawn.get(take.output_id);
    this.draw(peaks && !peaks.then ? peaks : null);
    this.part("length").textContent = clock(take.duration_s);
    this.found(take);
    const heard = this.player.select(this.addressOf(take), { play });
    this.follow();
    this.peaksOf(take).then((found) => {
      if (this.take === take) found ? this.draw(found) : this.drawFromAudio();
    });
    heard.then(async () => {
      if (this.take !== take) return;
      for (const other of next) this.peaksOf(other);
      await this.player.prefetch(next.map((other) => this.addressOf(other)));
      if (this.drawn.size > 300) for (const id of [...this.drawn.keys()].slice(0, 200)) this.drawn.delete(id);
    });
  }

  draw(peaks) {
    this.picture.show(this.take, peaks);
    this.picture.follow(this.player.position);
  }

  /** The peaks on record, or null where there are none and the audio has to come first. */
  peaksOf(take) {
    const known = this.drawn.get(take.output_id);
    if (known) return Promise.resolve(known);
    if (!take.drawn) return Promise.resolve(null); // made of the audio when it is there
    const promise = fetch(`${this.addresses.peaks}${take.output_id}?${take.sha256.slice(0, 12)}`)
      .then((answer) => (answer.ok ? answer.arrayBuffer() : null))
      .then((buffer) => {
        const found = buffer && unpack(buffer);
        if (found) this.drawn.set(take.output_id, found);
        else this.drawn.delete(take.output_id);
        return found;
      })
      .catch(() => null);
    this.drawn.set(take.output_id, promise);
    return promise;
  }

  /** What a take from before there were peaks looks like, once its audio is there. */
  drawFromAudio() {
    const { audio, url } = this.player;
    if (!audio || url !== this.addressOf(this.take) || this.drawn.has(this.take.output_id)) return;
    const made = compute(audio, this.take.sample_rate / 2);
    this.drawn.set(this.take.output_id, made);
    this.draw(made);
  }

  /** The places where something was found, as buttons that play from shortly before. */
  found(take) {
    const { defects } = take;
    const failed = failedOf(take);
    const list = this.part("found");
    list.hidden = defects.length === 0;
    list.replaceChildren(
      ...defects.slice(0, 30).map((defect) => {
        const item = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.className = failed.includes(defect.name) ? "sm-found" : "sm-found sm-noted";
        button.textContent = `${clock(defect.start_s)} ${defect.name.replaceAll("_", " ")}`;
        button.title = `${defect.detail || ""}${failed.includes(defect.name) ? "" : " (noted: the check is passed)"}`.trim();
        button.addEventListener("click", () => {
          this.player.wanted = true;
          this.player.seek(defect.start_s - 0.5);
        });
        item.append(button);
        return item;
      }),
    );
  }

  heard(kind) {
    if (kind === "ready") this.drawFromAudio();
    const on = this.player.wanted;
    this.play.setAttribute("aria-label", on ? "Pause" : "Play");
    this.play.classList.toggle("sm-on", on);
    this.follow();
  }

  follow() {
    this.part("now").textContent = clock(this.player.position);
    this.picture.follow(this.player.position);
    if (this.player.playing && !this.frame) {
      this.frame = requestAnimationFrame(() => {
        this.frame = null;
        this.follow();
      });
    }
  }
}
