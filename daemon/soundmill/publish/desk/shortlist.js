// One shortlist: heard from its first take to its last, and put in order.

import { allow, ask, begin, fetched, follow, page, renew, soon } from "soundmill/desk";
import { Selection } from "soundmill/selection";

const frame = document.querySelector(".sm-picked");
const bar = document.querySelector("[data-part=bar]");
const to = document.getElementById("sm-list");
const selection = new Selection(frame);
const isHeard = () => [...frame.querySelectorAll("audio")].some((audio) => !audio.paused);

async function refresh() {
  const { html } = await fetched({ live: "1" });
  if (isHeard()) delete html.picks; // what is heard is not cut off
  renew(html);
  selection.show();
}

selection.addEventListener("changed", () => {
  bar.hidden = selection.ticked.size === 0;
  bar.querySelector("[data-part=count]").textContent = `${selection.ticked.size} selected`;
});

const wishes = (action, shortlist) => [...selection.ticked].map((target) => ({ action, target, shortlist }));

async function remove() {
  const told = await ask(wishes("unpick", page.list));
  if (told) selection.clear();
}

/** Off this list only once they are on the other. */
async function move() {
  const list = to.value.trim();
  if (!list || list === page.list) return void to.focus();
  const told = await ask(wishes("pick", list));
  if (told && !told.refused.length && !told.waiting) await remove();
}

const DOES = { remove, move, all: () => selection.all(), none: () => selection.clear() };
bar.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-does]");
  if (!button) return;
  await DOES[button.dataset.does]();
  if (/remove|move/.test(button.dataset.does)) await refresh();
});

// --- from the first to the last ---

const through = document.querySelector("[data-part=through]");
let playing = false;

function play(audio) {
  playing = Boolean(audio);
  if (!audio) return;
  audio.closest("tr").scrollIntoView({ block: "center" });
  audio.play();
}
through?.addEventListener("click", () => play(frame.querySelector("audio")));
frame.addEventListener("ended", (event) => {
  const players = [...frame.querySelectorAll("audio")];
  if (playing) play(players[players.indexOf(event.target) + 1]);
}, true);
frame.addEventListener("playing", (event) => {
  for (const row of frame.querySelectorAll("tr")) row.toggleAttribute("aria-current", row.contains(event.target));
}, true);

const later = soon(refresh);
follow({ answer: (answer) => /pick|list|rate|reject/.test(answer.action) && later(), reset: later });
await begin();
allow(bar);
selection.show();
