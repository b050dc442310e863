// Takes side by side: heard at the same place, one let through at a time; of two, which is better; a listening test of all.

import { deckKeys, Deck, follow } from "soundmill/deck";
import { Picture } from "soundmill/drawing";
import { explain, listen } from "soundmill/keys";
import { clock, pathUrl } from "soundmill/listening";
import { compute, unpack } from "soundmill/peaks";
import { Mill } from "soundmill/mill";

const { takes, all, addresses } = JSON.parse(document.getElementById("sm-data").textContent);
const part = (name) => document.querySelector(`[data-part=${name}]`);
const mill = new Mill(addresses);
const deck = new Deck();
const sides = [...document.querySelectorAll("[data-side]")];
const peaks = takes.map(() => null);
const picture = new Picture(part("wave"), { seek: (seconds) => deck.seek(seconds) });
let drawn = -1;

function trouble(text) {
  part("trouble").textContent = text;
  part("trouble").hidden = !text;
}

async function audioOf(take) {
  const answer = await fetch(pathUrl(addresses.audio, take.audio));
  if (!answer.ok) throw new Error(`${take.job}: its file is not there any more`);
  return answer.arrayBuffer();
}

async function peaksOf(take) {
  if (!take.drawn) return null;
  const answer = await fetch(`${addresses.peaks}${take.output_id}?${take.sha256.slice(0, 12)}`);
  return answer.ok ? unpack(await answer.arrayBuffer()) : null;
}

/** The picture of the take that is let through, on the common scale of time. */
function draw() {
  const take = takes[deck.index];
  picture.show(take, peaks[deck.index]);
  drawn = deck.index;
}

deck.addEventListener("changed", () => {
  if (drawn !== deck.index) draw();
});
follow(deck, { play: part("play"), loop: part("loop"), sides, now: part("now"), clock, moved: (at) => picture.follow(at) });

// --- what is said of two ---

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const choices = [...document.querySelectorAll("[data-answer]")];

async function prefer(answer) {
  if (choices[0]?.disabled !== false) return;
  choices.forEach((choice) => (choice.disabled = true));
  const said = { first: "A is better", second: "B is better", tie: "No difference" }[answer];
  part("said").textContent = `${said}: asked`;
  try {
    const [number] = await mill.send([{ action: "compare", target: takes[0].audio, second: takes[1].audio, answer }]);
    for (let look = 0; ; look += 1) {
      await later(Math.min(150 * (look + 1), 2000));
      const found = (await mill.answers([number]))[number];
      if (found.state === "asked") continue;
      part("said").textContent = found.state === "done" ? `${said}: noted` : `Refused: ${found.reason}`;
      break;
    }
  } catch (error) {
    part("said").textContent = error.message;
  }
  choices.forEach((choice) => (choice.disabled = false));
}
for (const choice of choices) choice.addEventListener("click", () => prefer(choice.dataset.answer));

// --- a test of all of them ---

part("make")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = new FormData(event.target);
  try {
    const made = await mill.post(addresses.studies, JSON.stringify({
      name: given.get("name"),
      questions: Number(given.get("questions")),
      takes: all,
    }));
    const link = part("link");
    link.href = made.link;
    link.textContent = new URL(made.link, location.href).href;
    part("made").hidden = false;
    trouble("");
  } catch (error) {
    trouble(error.message);
  }
});

// --- start ---

const keys = [
  ...deckKeys(deck, takes.length),
  ...(takes.length === 2
    ? [
        { keys: ["Enter"], says: "the one that is heard is better", does: () => prefer(deck.index === 0 ? "first" : "second") },
        { keys: ["t"], says: "no difference", does: () => prefer("tie") },
      ]
    : []),
];
listen(document, keys);
explain(part("keys"), keys);
draw();
mill.meet().catch(() => mill.me).then((me) => {
  choices.forEach((choice) => (choice.disabled = !me.may.rate));
  if (part("making")) part("making").hidden = !me.may.control;
  part("login").hidden = Boolean(me.actor);
});
try {
  const [data] = await Promise.all([
    Promise.all(takes.map(audioOf)),
    ...takes.map(async (take, n) => {
      peaks[n] = await peaksOf(take);
    }),
  ]);
  await deck.load(data.map((each, n) => ({ data: each, gain_db: takes[n].gain_db })));
  takes.forEach((take, n) => (peaks[n] ??= compute(deck.buffers[n], take.sample_rate / 2)));
  part("length").textContent = clock(deck.duration);
  draw();
  document.querySelector(".sm-compare").classList.remove("sm-loading");
} catch (error) {
  trouble(error.message);
}
