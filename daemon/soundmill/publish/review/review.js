// The review: a line of takes, heard one after another and marked by keys, buttons or a thumb.

import { explain, listen } from "soundmill/keys";
import { Listening, pathUrl } from "soundmill/listening";
import { Marks } from "soundmill/marks";
import { Mill, reach } from "soundmill/mill";
import { Queue } from "soundmill/queue";
import { Strip } from "soundmill/strip";

const AHEAD = 3; // takes that are got ready
const ROW_PX = 52;
const SWIPE_PX = 60;
const { source, addresses, list: listed } = JSON.parse(document.getElementById("sm-data").textContent);
const root = document.querySelector(".sm-review");
const part = (name) => root.querySelector(`[data-part=${name}]`);
const shown = (name, text) => {
  part(name).textContent = text;
  part(name).hidden = text === "";
};

// --- what is asked of the site ---

const filters = document.getElementById("sm-filters");
const place = new URLSearchParams(location.search);

/** The filters as they stand, as a query string has them. */
function wanted() {
  return [...new FormData(filters)].filter(([, value]) => value !== "");
}

async function ask(parameters) {
  const query = new URLSearchParams([...source, ...wanted(), ...Object.entries(parameters)]);
  const answer = await reach(`${addresses.takes}?${query}`);
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error || `The site answers ${answer.status}`);
  return data;
}

// --- parts ---

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const queue = new Queue(ask);
const mill = new Mill(addresses);
const marks = new Marks({ send: mill.send, answers: mill.answers, storage: sessionStorage, later, now: () => performance.timeOrigin + performance.now() });
const listening = new Listening(root, addresses);
const strip = new Strip(part("strip"), { rowHeight: ROW_PX, row: makeRow, near: (side) => queue.grow(side) });
const playOn = remembered("sm-play-on", true);
const moveOn = remembered("sm-move-on", true);
const shortlist = document.getElementById("sm-shortlist");
shortlist.value = listed || localStorage.getItem("soundmill shortlist") || "picks";

/** A checkbox that is as it was left. */
function remembered(id, otherwise) {
  const box = document.getElementById(id);
  const key = `soundmill ${id}`;
  box.checked = (localStorage.getItem(key) ?? String(otherwise)) === "true";
  box.addEventListener("change", () => localStorage.setItem(key, String(box.checked)));
  return box;
}

function learn(take) {
  const mine = mill.me.actor ? take.mine : { stars: take.stars && Math.round(take.stars), rejected: take.rejected };
  const name = shortlist.value.trim().toLowerCase();
  marks.learn(take.output_id, {
    stars: mine.stars ?? null,
    rejected: Boolean(mine.rejected),
    note: mine.note ?? null,
    picked: take.picks.some((each) => each.toLowerCase() === name),
  });
}

// --- the take that is heard ---


function show({ play }) {
  const take = queue.current;
  root.classList.toggle("sm-none", !take);
  if (!take) {
    shown("problem", queue.offset || wanted().length ? "No take is like that: change what is shown." : "There is no take here yet.");
    shown("place", "");
    return;
  }
  shown("problem", "");
  const name = part("name");
  name.textContent = take.job;
  name.href = pathUrl(addresses.take, take.audio);
  shown("place", `${queue.offset + queue.index + 1} of ${total()}`);
  shown("prompt", take.prompt);
  const batch = part("batch");
  batch.textContent = take.batch;
  batch.href = pathUrl(addresses.batch, take.batch);
  part("compare").href = `${addresses.compare}?${new URLSearchParams({ batch: take.batch, row: take.position })}`;
  const verdict = part("verdict");
  verdict.className = `sm-badge sm-${take.verdict === "failed" ? "flagged" : take.verdict}`;
  verdict.textContent = take.verdict === "failed" ? "flagged" : take.verdict;
  part("score").hidden = take.score === null;
  part("score-number").textContent = take.score === null ? "" : take.score.toFixed(1);
  part("meter").value = take.score ?? 0;
  shown("problems", take.problems.join(" "));
  shown("facts", facts(take));
  chips(part("labels"), { ...take.condition, ...take.labels });
  showMarks();
  listening.show(take, { play, next: queue.takes.slice(queue.index + 1, queue.index + 1 + AHEAD) });
  strip.reveal(queue.index);
  paintCurrent();
  keepPlace(take);
}

function facts(take) {
  const loud = take.loudness_lufs === null ? "" : `, ${take.loudness_lufs.toFixed(1).replace("-", "−")} LUFS`;
  const settings = ["temperature", "top_k", "top_p", "cfg_coef"].map((key) => `${key} ${Number(take[key].toPrecision(6))}`);
  return `${take.model}, ${settings.join(", ")}, seed ${take.seed}${loud}, ${take.licence}`;
}

function chips(element, values) {
  element.replaceChildren(
    ...Object.entries(values).map(([name, value]) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "sm-chip";
      chip.textContent = `${name} ${value}`;
      chip.title = "Only takes with the same";
      chip.addEventListener("click", () => {
        filters.elements.label.value = `${name}=${value}`;
        refilter();
      });
      return chip;
    }),
  );
}

function total() {
  return queue.total > queue.mostCounted ? `over ${queue.mostCounted.toLocaleString("en")}` : queue.total.toLocaleString("en");
}

function keepPlace(take) {
  const query = new URLSearchParams([...source, ...wanted(), ["at", take.output_id]]);
  history.replaceState(null, "", `?${query}`);
  document.title = `${take.job} · review`;
}

function showMarks() {
  const take = queue.current;
  if (!take) return;
  const mine = marks.of(take.output_id);
  root.querySelectorAll("[data-stars]").forEach((button) => {
    const value = Number(button.dataset.stars);
    button.setAttribute("aria-pressed", String(mine.stars === value));
    button.classList.toggle("sm-lit", mine.stars !== null && value <= mine.stars);
  });
  for (const [field, does] of [["rejected", "reject"], ["picked", "pick"]]) {
    root.querySelector(`[data-does=${does}]`).setAttribute("aria-pressed", String(Boolean(mine[field])));
  }
  root.classList.toggle("sm-rejected", Boolean(mine.rejected));
  root.classList.toggle("sm-asked", mine.asked.length > 0);
  shown("note", mine.note || "");
}

// --- marking ---

function mark(field, value) {
  const take = queue.current;
  if (!take) return;
  if (!mill.me.may.rate) {
    part("login").classList.add("sm-look");
    say("You may not mark here");
    return;
  }
  marks.set(take, field, value, shortlist.value.trim() || "picks");
  say(`${said(field, value)}: ${take.job}`);
}

function said(field, value) {
  if (field === "stars") return value === null ? "No stars" : `${value} ${value === 1 ? "star" : "stars"}`;
  if (field === "note") return value ? "Noted" : "Note removed";
  if (field === "picked") return value ? "Picked" : "No longer picked";
  return value ? "Rejected" : "No longer rejected";
}

function star(value) {
  mark("stars", value);
  if (value !== null) thenOn();
}

function reject() {
  const on = !marks.of(queue.current?.output_id).rejected;
  mark("rejected", on);
  if (on) thenOn();
}

function thenOn() {
  if (moveOn.checked && mill.me.may.rate) step(1);
}

function pick() {
  mark("picked", !marks.of(queue.current?.output_id).picked);
}

async function undo() {
  const change = marks.undo();
  if (!change) {
    say("Nothing to undo");
    return;
  }
  say(`Undone, ${said(change.field, change.value).toLowerCase()}: ${change.name}`);
  const index = queue.find(change.id);
  if (index >= 0 && index !== queue.index) go(index, { play: listening.player.wanted });
}

const noting = document.getElementById("sm-noting");

function note() {
  if (!queue.current) return;
  if (!mill.me.may.rate) return void mark("note", "");
  noting.querySelector("textarea").value = marks.of(queue.current.output_id).note || "";
  noting.showModal();
}

noting.querySelector("form").addEventListener("submit", (event) => {
  if (event.submitter?.value === "save") mark("note", noting.querySelector("textarea").value.trim() || null);
});
noting.querySelector("textarea").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  noting.querySelector("[value=save]").click();
});

let quiet = 0;

function say(text) {
  part("said").textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => part("said").replaceChildren(), 4000);
}

marks.addEventListener("changed", ({ detail: { id } }) => {
  if (queue.current?.output_id === id) showMarks();
  const index = queue.find(id);
  if (index >= 0) strip.renew(index);
});
marks.addEventListener("refused", ({ detail: { change, reason } }) => {
  shown("trouble", `${said(change.field, change.value)} of ${change.name} was refused: ${reason}`);
});
marks.addEventListener("state", ({ detail: { waiting, slow, offline } }) => {
  const count = waiting === 1 ? "1 mark waits" : `${waiting} marks wait`;
  let text = "";
  if (waiting && offline) text = `${offline}; ${count} here.`;
  else if (waiting && slow) text = `${count} for the daemon, which does not answer: they will be done when it runs.`;
  shown("waiting", text);
});

// --- going on ---

function go(index, { play }) {
  queue.go(index);
  show({ play });
}

async function step(by) {
  if (!(await queue.step(by))) {
    say(by > 0 ? "This is the last one" : "This is the first one");
    return;
  }
  show({ play: true });
}

listening.player.addEventListener("ended", () => playOn.checked && step(1));
listening.player.addEventListener("failed", ({ detail }) => shown("trouble", `${queue.current.audio} cannot be played: ${detail.message}`));
queue.addEventListener("grown", ({ detail }) => {
  for (const take of queue.takes) if (!marks.knows(take.output_id)) learn(take); // what is known may be newer
  fill(detail.before);
});

function fill(added) {
  strip.show(queue.takes, { added, offset: queue.offset, total: queue.total });
  paintCurrent();
}

function makeRow(take, index) {
  const button = document.createElement("button");
  const mine = marks.of(take.output_id);
  button.type = "button";
  button.className = "sm-row";
  button.classList.toggle("sm-row-rejected", Boolean(mine.rejected));
  if (index === queue.index) button.setAttribute("aria-current", "true");
  const line = document.createElement("span");
  line.className = "sm-row-line";
  const name = document.createElement("span");
  name.className = "sm-row-name";
  name.textContent = take.job;
  const state = document.createElement("span");
  state.className = "sm-row-state";
  const stars = mine.stars ? "★".repeat(mine.stars) : "";
  state.textContent = [mine.picked ? "♥" : "", mine.note ? "✎" : "", mine.rejected ? "✕" : "", stars].filter(Boolean).join(" ");
  const told = [
    mine.stars ? said("stars", mine.stars) : "",
    mine.picked ? "picked" : "",
    mine.rejected ? "rejected" : "",
    mine.note ? "noted" : "",
    take.verdict === "failed" ? "flagged" : "",
  ];
  button.setAttribute("aria-label", [`${queue.offset + index + 1}. ${take.job}`, ...told.filter(Boolean)].join(", "));
  line.append(name, state);
  const prompt = document.createElement("span");
  prompt.className = "sm-row-prompt";
  prompt.textContent = take.prompt;
  button.append(line, prompt);
  if (take.verdict === "failed") button.classList.add("sm-row-flagged");
  button.addEventListener("click", () => go(index, { play: true }));
  return button;
}

let lit = -1;

function paintCurrent() {
  const before = lit;
  lit = queue.index;
  for (const index of new Set([before, lit])) if (index >= 0 && index < queue.takes.length) strip.renew(index);
}

// --- filters ---

/** Show the line anew, from that take on or from its start. */
async function refilter(at) {
  listening.player.pause();
  try {
    await queue.open(at);
  } catch (error) {
    root.classList.add("sm-none");
    shown("problem", error.message);
    return;
  }
  queue.takes.forEach(learn);
  fill(0);
  part("strip").scrollTop = 0;
  show({ play: false });
}

filters.addEventListener("submit", (event) => {
  event.preventDefault();
  refilter();
});
filters.addEventListener("change", () => refilter());
document.getElementById("sm-reset").addEventListener("click", () => {
  filters.querySelectorAll("input").forEach((field) => {
    if (field.type === "checkbox") field.checked = false;
    else field.value = "";
  });
  filters.querySelectorAll("select").forEach((field) => {
    field.selectedIndex = 0;
  });
  refilter(queue.current?.output_id);
});
shortlist.addEventListener("change", () => {
  localStorage.setItem("soundmill shortlist", shortlist.value.trim());
  refilter(queue.current?.output_id); // which says what was picked into that one
});

// --- keys, buttons, thumbs ---

const help = document.getElementById("sm-help");
const table = [
  listening.keys[0],
  { keys: ["j"], says: "next take", repeats: true, does: () => step(1) },
  { keys: ["k"], says: "previous take", repeats: true, does: () => step(-1) },
  ...listening.keys.slice(1),
  { keys: ["1", "2", "3", "4", "5"], says: "stars", does: (key) => star(Number(key)) },
  { keys: ["0"], says: "no stars", does: () => star(null) },
  { keys: ["x"], says: "reject, or no longer", does: reject },
  { keys: ["p"], says: "pick into the shortlist, or no longer", does: pick },
  { keys: ["n"], says: "note", does: note },
  { keys: ["u"], says: "undo", does: undo },
  { keys: ["?"], says: "these keys", does: () => help.showModal() },
];
listen(document, table);
explain(part("keys"), table);

const buttons = {
  next: () => step(1),
  previous: () => step(-1),
  reject,
  pick,
  note,
  undo,
  help: () => help.showModal(),
};
root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.stars) {
    const value = Number(button.dataset.stars);
    star(marks.of(queue.current?.output_id).stars === value ? null : value);
  } else {
    buttons[button.dataset.does]?.();
  }
});

// What a pointer pressed gives the keys back: the space bar is to play, not to press it again.
let pointed = false;
document.addEventListener("pointerdown", () => (pointed = true), true);
document.addEventListener("keydown", (event) => {
  pointed = false;
  if (event.key === "Escape" && event.target.closest?.("#sm-filters, .sm-toggles")) event.target.blur();
}, true);
for (const kind of ["click", "change"]) {
  root.addEventListener(kind, () => {
    const on = document.activeElement;
    if (pointed && on.matches("button, select, [type=checkbox], summary") && (kind === "change" || !on.matches("select"))) on.blur();
  });
}

let touch = null;
const card = part("card");
card.addEventListener("touchstart", (event) => {
  const on = event.target.closest("[data-part=wave], button, a, input");
  touch = event.touches.length === 1 && !on ? event.touches[0] : null;
}, { passive: true });
card.addEventListener("touchend", (event) => {
  if (!touch) return;
  const [x, y] = [event.changedTouches[0].clientX - touch.clientX, event.changedTouches[0].clientY - touch.clientY];
  touch = null;
  if (Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y)) step(x < 0 ? 1 : -1);
}, { passive: true });

// --- begin ---

async function begin() {
  await mill.meet().catch(() => {}); // who is not known can listen
  root.classList.toggle("sm-reads-only", !mill.me.may.rate);
  part("login").hidden = Boolean(mill.me.may.rate) || Boolean(mill.me.actor);
  shown("stranger", mill.me.actor && !mill.me.may.rate ? `You are ${mill.me.actor.name}, who may listen here and not mark.` : "");
  root.querySelectorAll("[data-marks] button").forEach((button) => {
    button.disabled = !mill.me.may.rate;
  });
  await refilter(Number(place.get("at")) || undefined);
  root.classList.remove("sm-loading");
}

begin();
