// The page of takes that opens from a folder: found by words, heard one after another, marked by nobody.

import { Picture } from "soundmill/drawing";
import { explain, listen } from "soundmill/keys";
import { unpack } from "soundmill/peaks";
import { Strip } from "soundmill/strip";

const ROW_PX = 52;
const { takes: all, peaks_at: peaksAt } = window.SOUNDMILL;
const root = document.querySelector(".sm-review");
const part = (name) => root.querySelector(`[data-part=${name}]`);
const filters = document.getElementById("sm-filters");
const audio = new Audio();
audio.preload = "auto";
const ahead = new Audio(); // the next one, got ready
ahead.preload = "auto";
const drawn = new Map(); // take's number to its peaks
const asked = new Set(); // scripts with peaks
let shown = all;
let index = -1;
let frame = 0;

const normal = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
for (const take of all) {
  const told = [take.job, take.prompt, take.batch, take.model, take.picks, ...Object.entries({ ...take.condition, ...take.labels }).flat()];
  take.words = normal(told.join(" "));
}
const address = (take) => take.audio.split("/").map(encodeURIComponent).join("/");
const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;

// --- peaks come in scripts, a hundred takes each ---

window.SOUNDMILL_PEAKS = (found) => {
  for (const [number, text] of Object.entries(found)) {
    drawn.set(Number(number), unpack(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer));
  }
  if (shown[index]) draw(shown[index]);
};

function askForPeaks(take) {
  const file = take && peaksAt[take.output_id];
  if (!file || asked.has(file)) return;
  asked.add(file);
  document.head.append(Object.assign(document.createElement("script"), { src: file }));
}

// --- the take that is heard ---

const picture = new Picture(part("wave"), { seek: (seconds) => seek(seconds) });

function draw(take) {
  picture.show(take, drawn.get(take.output_id) || null);
  picture.follow(audio.currentTime);
}

function seek(seconds) {
  audio.currentTime = Math.max(0, Math.min(seconds, audio.duration || seconds));
  follow();
}

function show(number, { play }) {
  index = number;
  const take = shown[index];
  root.classList.toggle("sm-none", !take);
  part("problem").hidden = Boolean(take);
  part("place").textContent = take ? `${index + 1} of ${shown.length.toLocaleString("en")}` : "";
  audio.pause();
  if (!take) return;
  audio.src = address(take);
  ahead.src = shown[index + 1] ? address(shown[index + 1]) : "";
  part("name").textContent = take.job;
  part("name").href = address(take);
  part("batch").textContent = take.batch;
  const verdict = part("verdict");
  verdict.className = `sm-badge sm-${take.verdict === "failed" ? "flagged" : take.verdict}`;
  verdict.textContent = take.verdict === "failed" ? "flagged" : take.verdict;
  part("score").hidden = take.score === null;
  part("score-number").textContent = take.score === null ? "" : take.score.toFixed(0);
  part("meter").value = take.score ?? 0;
  part("prompt").textContent = take.prompt;
  part("length").textContent = clock(take.duration_s);
  part("stars").textContent = take.stars ? `★ ${Number(take.stars.toFixed(1))} of 5` : "";
  part("facts").textContent = take.facts;
  part("labels").replaceChildren(
    ...Object.entries({ ...take.condition, ...take.labels }).map(([name, value]) => {
      const chip = Object.assign(document.createElement("button"), { type: "button", className: "sm-chip", textContent: `${name} ${value}` });
      chip.title = "Only takes with the same";
      chip.addEventListener("click", () => {
        filters.elements.q.value = String(value);
        filter();
      });
      return chip;
    }),
  );
  askForPeaks(take);
  askForPeaks(shown[index + 1]);
  draw(take);
  strip.reveal(index);
  [...strip.rows.keys()].forEach((row) => strip.renew(row));
  document.title = `${take.job} · ${window.SOUNDMILL.title}`;
  history.replaceState(null, "", `#${take.output_id}`);
  if (play) start();
  follow();
}

function start() {
  audio.play().catch((error) => {
    if (error.name !== "AbortError") part("said").textContent = `It cannot be played: ${error.message}`;
  });
}

const toggle = () => (audio.paused ? start() : audio.pause());
const step = (by) => shown[index + by] && show(index + by, { play: true });

function follow() {
  part("now").textContent = clock(audio.currentTime);
  picture.follow(audio.currentTime);
  if (audio.paused || frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    follow();
  });
}

for (const kind of ["play", "pause", "ended"]) {
  audio.addEventListener(kind, () => {
    const button = root.querySelector("[data-does=play]");
    button.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
    button.classList.toggle("sm-on", !audio.paused);
    follow();
  });
}
audio.addEventListener("ended", () => document.getElementById("sm-play-on").checked && step(1));

// --- the line of takes ---

function row(take, number) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "sm-row" });
  button.classList.toggle("sm-row-flagged", take.verdict === "failed");
  if (number === index) button.setAttribute("aria-current", "true");
  const line = Object.assign(document.createElement("span"), { className: "sm-row-line" });
  line.append(
    Object.assign(document.createElement("span"), { className: "sm-row-name", textContent: take.job }),
    Object.assign(document.createElement("span"), { className: "sm-row-state", textContent: take.stars ? "★".repeat(Math.round(take.stars)) : "" }),
  );
  button.append(line, Object.assign(document.createElement("span"), { className: "sm-row-prompt", textContent: take.prompt }));
  button.addEventListener("click", () => show(number, { play: true }));
  return button;
}
const strip = new Strip(part("strip"), { rowHeight: ROW_PX, row, near: () => {} });

const ORDERS = {
  file: () => 0,
  best: (one, other) => Math.round(other.score ?? -1) - Math.round(one.score ?? -1),
  stars: (one, other) => (other.stars ?? 0) - (one.stars ?? 0),
  long: (one, other) => other.duration_s - one.duration_s,
};

function filter() {
  const { q, batch, order } = filters.elements;
  const words = normal(q.value).split(/\s+/).filter(Boolean);
  shown = all
    .filter((take) => (!batch.value || take.batch === batch.value) && words.every((word) => take.words.includes(word)))
    .sort(ORDERS[order.value]);
  index = -1;
  strip.show(shown, { added: 0, offset: 0, total: shown.length });
  show(shown.length ? 0 : -1, { play: false });
}

const batches = [...new Set(all.map((take) => take.batch))];
filters.elements.batch.append(...batches.map((name) => Object.assign(document.createElement("option"), { value: name, textContent: name })));
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());

const help = document.getElementById("sm-help");
const KEYS = [
  { keys: ["j", "ArrowDown"], says: "next take", repeats: true, does: () => step(1) },
  { keys: ["k", "ArrowUp"], says: "previous take", repeats: true, does: () => step(-1) },
  { keys: [" "], says: "play or pause", does: toggle },
  { keys: ["ArrowLeft", "ArrowRight"], says: "1 s back or on", repeats: true, does: (key) => seek(audio.currentTime + (key === "ArrowLeft" ? -1 : 1)) },
  { keys: ["l"], says: "loop", does: () => loop() },
  { keys: ["/"], says: "search", does: () => filters.elements.q.focus() },
  { keys: ["?", "Shift+?"], says: "these keys", does: () => help.showModal() },
];
explain(part("keys"), KEYS.map(({ keys, ...more }) => ({ keys: keys.filter((key) => key !== "Shift+?"), ...more })));
listen(document, KEYS);

function loop() {
  audio.loop = !audio.loop;
  root.querySelector("[data-does=loop]").setAttribute("aria-pressed", String(audio.loop));
}
const DOES = { previous: () => step(-1), next: () => step(1), play: toggle, loop, help: () => help.showModal() };
root.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-does]");
  if (button) DOES[button.dataset.does]();
});

const wanted = Number(location.hash.slice(1));
filter();
const at = shown.findIndex((take) => take.output_id === wanted);
if (at > 0) show(at, { play: false });
root.classList.remove("sm-loading");
