// A batch as a grid: arrows go from cell to cell, each plays its takes one after another.

import { addresses, begin, fetched, follow, page, renew, soon } from "soundmill/desk";

const section = document.querySelector("[data-section=grid]");
const said = document.querySelector("[data-part=heard]");
const axes = document.querySelector("[data-part=axes]");
const audio = new Audio();
const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
let heard = null; // {at: [line, column], place: of the take in its cell}
let last = [0, 0]; // the cell that Tab comes to

const rows = () => [...section.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("td")]);
const cell = ([line, column]) => rows()[line]?.[column];
const takes = (at) => JSON.parse(cell(at)?.dataset.takes || "[]");
const encoded = (file) => file.split("/").map(encodeURIComponent).join("/");

function place(td) {
  const line = rows().findIndex((row) => row.includes(td));
  return [line, rows()[line].indexOf(td)];
}

function show() {
  for (const each of section.querySelectorAll("td")) {
    each.tabIndex = -1;
    each.classList.remove("sm-plays");
  }
  const entrance = cell(last) || cell([0, 0]);
  if (entrance) entrance.tabIndex = 0;
  if (heard) cell(heard.at)?.classList.add("sm-plays");
}

function stop() {
  audio.pause();
  heard = null;
  said.textContent = "";
  show();
}

function play(at, number = 0) {
  const files = takes(at);
  if (number >= files.length) return void stop();
  heard = { at, place: number };
  audio.src = addresses.audio + encoded(files[number]);
  audio.play().catch((error) => {
    if (error.name !== "AbortError") said.textContent = `It cannot be played: ${error.message}`;
  });
  const link = Object.assign(document.createElement("a"), {
    href: addresses.take + encoded(files[number]),
    textContent: files[number],
  });
  said.replaceChildren(`${number + 1} of ${files.length}: `, link);
  show();
}

const isHeard = (at) => heard && heard.at[0] === at[0] && heard.at[1] === at[1];
const toggle = (at) => (isHeard(at) ? stop() : play(at));

function go(at) {
  const next = cell(at);
  if (!next) return;
  last = at;
  show();
  next.focus();
  if (heard && takes(at).length) play(at);
}

function open(at) {
  const file = takes(at)[isHeard(at) ? heard.place : 0];
  if (file) location.href = addresses.take + encoded(file);
}

section.addEventListener("click", (event) => {
  const td = event.target.closest("td");
  if (!td) return;
  last = place(td);
  show();
  td.focus();
  toggle(last);
});
section.addEventListener("keydown", (event) => {
  const td = event.target.closest("td");
  if (!td || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = place(td);
  const step = STEPS[event.key];
  if (step) go([at[0] + step[0], at[1] + step[1]]);
  else if (event.key === "Home") go([at[0], 0]);
  else if (event.key === "End") go([at[0], rows()[at[0]].length - 1]);
  else if (event.key === " ") toggle(at);
  else if (event.key === "Enter") open(at);
  else return;
  event.preventDefault();
});
audio.addEventListener("ended", () => heard && play(heard.at, heard.place + 1));
axes?.addEventListener("change", () => axes.requestSubmit());

async function refresh() {
  const focused = section.contains(document.activeElement);
  renew((await fetched({ live: "1" })).html);
  show();
  if (focused) cell(last)?.focus();
}
const later = soon(refresh);
follow({ take: (take) => take.batch === page.batch && later(), reset: later });
show();
await begin();
