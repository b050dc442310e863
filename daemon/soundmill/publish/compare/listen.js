// A listening test: two sounds, which is better, and the next two.

import { deckKeys, Deck, follow } from "soundmill/deck";
import { explain, listen } from "soundmill/keys";
import { clock } from "soundmill/listening";

const { token, ask, sounds } = JSON.parse(document.getElementById("sm-data").textContent);
const STORE = `soundmill listener ${token}`;
const part = (name) => document.querySelector(`[data-part=${name}]`);
const deck = new Deck();
const choices = [...document.querySelectorAll("[data-answer]")];
const sides = [...document.querySelectorAll("[data-side]")];
let question = null;
let busy = false;

async function say(content) {
  let answer;
  try {
    answer = await fetch(ask, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token, ...content }),
      cache: "no-store",
    });
  } catch {
    throw Object.assign(new Error("The site does not answer"), { status: 0 });
  }
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(data.error || `The site answers ${answer.status}`), { status: answer.status });
  return data;
}

function only(name) {
  for (const each of ["join", "test", "end"]) part(each).hidden = each !== name;
}

function trouble(text) {
  part("trouble").textContent = text;
  part("trouble").hidden = !text;
}

async function fetchSound(name) {
  const answer = await fetch(`${sounds}${token}/${name}`);
  if (!answer.ok) throw new Error("A sound is not there any more: load the page again");
  return answer.arrayBuffer();
}

async function next(content = {}) {
  if (busy) return;
  busy = true;
  allow();
  deck.pause();
  try {
    const given = await say({ listener: localStorage.getItem(STORE), ...content });
    trouble(given.gone ? "That question was no longer open; here is another." : "");
    question = null;
    part("done").textContent = String(given.done);
    part("of").textContent = String(given.of);
    part("bar").max = given.of;
    part("bar").value = given.done;
    if (given.question === null) {
      only("end");
      return;
    }
    only("test");
    const data = await Promise.all(given.sounds.map(fetchSound));
    await deck.load(data.map((each) => ({ data: each, gain_db: 0 })));
    question = given.question;
    part("length").textContent = clock(deck.duration);
    await deck.play();
  } catch (error) {
    if (error.status === 401) {
      localStorage.removeItem(STORE);
      only("join");
    } else {
      trouble(error.message);
    }
  } finally {
    busy = false;
    allow();
  }
}

/** An answer can be given once both were heard. */
function allow() {
  const both = question !== null && !busy && deck.heard?.size === 2;
  for (const choice of choices) choice.disabled = !both;
  part("hint").hidden = both || question === null;
}

function answer(value) {
  if (!choices[0].disabled) next({ question, answer: value });
}

follow(deck, { play: part("play"), loop: part("loop"), sides, now: part("now"), clock });
deck.addEventListener("heard", allow);
for (const choice of choices) choice.addEventListener("click", () => answer(choice.dataset.answer));
const keys = [
  ...deckKeys(deck, 2),
  { keys: ["Enter"], says: "the one that is heard is better", does: () => answer(deck.index === 0 ? "first" : "second") },
  { keys: ["t"], says: "no difference", does: () => answer("tie") },
];
listen(document, keys);
explain(part("keys"), keys);
part("joining").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const { listener } = await say({ name: new FormData(event.target).get("name") });
    localStorage.setItem(STORE, listener);
    trouble("");
    await next();
  } catch (error) {
    trouble(error.message);
  }
});
if (localStorage.getItem(STORE)) next();
else only("join");
