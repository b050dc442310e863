// What every page has on which something is asked for: who somebody is, buttons that ask, and pieces that are renewed.

import { Mill, sentence } from "soundmill/mill";

export const { addresses, page } = JSON.parse(document.getElementById("sm-data").textContent);
export const mill = new Mill(addresses);

const SOON_MS = 400; // until it is looked at what has changed
const APART_MS = 1000; // between two such looks

const line = document.querySelector("[data-part=said]");

export function say(text, isTrouble = false) {
  line.textContent = text;
  line.classList.toggle("sm-text-failed", isTrouble);
}

/** Ask for all of this, and say what becomes of it. Promises what became of it, or null. */
export async function ask(wishes, words = "Asked …") {
  say(words);
  try {
    const told = await mill.ask(wishes);
    say(sentence(told), told.refused.length > 0);
    return told;
  } catch (error) {
    say(error.message, true);
    return null;
  }
}

/** Show within `root` what somebody may use. */
export function allow(root = document) {
  for (const each of root.querySelectorAll("[data-may]")) each.hidden = !mill.me.may[each.dataset.may];
}

/** Buttons with data-asks ask for that wish; `done` hears when it was answered. */
export function buttons(done) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-asks]");
    if (!button || (button.dataset.sure && !window.confirm(button.dataset.sure))) return;
    const wish = JSON.parse(button.dataset.asks);
    const field = button.dataset.value && document.getElementById(button.dataset.value);
    if (field) wish[field.name] = field.type === "number" ? Number(field.value) : field.value;
    button.disabled = true;
    await ask([wish]);
    button.disabled = false;
    await done(wish);
  });
}

/** Put fresh pieces in place of those that differ, but not of one that is being used. */
export function renew(html) {
  for (const [name, text] of Object.entries(html)) {
    const section = document.querySelector(`[data-section="${CSS.escape(name)}"]`);
    if (!section || section.shown === text) continue;
    const used = section.contains(document.activeElement) && document.activeElement !== document.body;
    if (used && document.activeElement.matches("input:not([type=checkbox]), select, textarea")) continue;
    const at = used ? document.activeElement.getAttribute("data-asks") : null;
    section.shown = text;
    section.innerHTML = text;
    allow(section);
    if (at) section.querySelector(`[data-asks="${CSS.escape(at)}"]`)?.focus();
  }
}

/** The answer to this page's own address with something changed, as data. */
export async function fetched(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value);
  const answer = await fetch(url, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The site answers ${answer.status}`);
  return answer.json();
}

/** A function that calls `does` soon, once for all who wanted it meanwhile, and not while nobody looks. However often
 * it is wanted, it is called again; never twice at once, so that an older answer cannot come last; again if it fails. */
export function soon(does) {
  let timer = 0;
  let working = false;
  let wanted = false;
  let ended = -APART_MS;
  const work = async () => {
    timer = 0;
    working = true;
    wanted = false;
    try {
      await does();
    } catch {
      wanted = true;
    }
    working = false;
    ended = performance.now();
    if (wanted) call();
  };
  const call = () => {
    wanted = true;
    if (document.hidden || working || timer) return;
    timer = window.setTimeout(work, Math.max(SOON_MS, ended + APART_MS - performance.now()));
  };
  document.addEventListener("visibilitychange", () => wanted && call());
  return call;
}

/** Hear what is new: `heard` has a function for each kind of event. Its `reset` is also called whenever hearing
 * begins: what happened after the page was made and before, or while the line was down, is told by nobody else. */
export function follow(heard) {
  const source = new EventSource(addresses.events);
  source.addEventListener("open", () => heard.reset());
  for (const [name, does] of Object.entries(heard)) {
    source.addEventListener(name, (event) => does(JSON.parse(event.data)));
  }
  window.addEventListener("pagehide", () => source.close());
}

export async function begin() {
  await mill.meet().catch(() => {});
  document.querySelector("[data-part=login]").hidden = Boolean(mill.me.actor);
  allow();
}
