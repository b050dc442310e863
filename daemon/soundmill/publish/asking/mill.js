// What a page asks of the mill, and what became of it.

const PAUSES_MS = [60, 80, 120, 160, 200, 300]; // between looks for an answer; then the last again
const PATIENCE_MS = 6000; // then the daemon does not run, or is busy: the wish is not lost
const MOST = 500; // wishes in one request

/** The site has refused it for good. */
export class Refused extends Error {
  final = true;
}

/** The answer to a request, which may never come. */
export async function reach(url, options) {
  try {
    return await fetch(url, { cache: "no-store", ...options });
  } catch {
    throw new Error("The site does not answer");
  }
}

/** `addresses` has `me` and `wishes`, and `check`, `submit` and `arrivals` where files are asked for. */
export class Mill {
  constructor(addresses) {
    this.addresses = addresses;
    this.me = { actor: null, may: {}, token: "" };
    this.send = this.send.bind(this);
    this.answers = this.answers.bind(this);
  }

  /** Learn who somebody is here, and what they may ask for. */
  async meet() {
    const answer = await reach(this.addresses.me);
    if (answer.ok) this.me = await answer.json();
    return this.me;
  }

  /** POST; promises what the site says. Throws Refused, and Error where asking again may help. */
  async post(url, body, type = "application/json") {
    const headers = { "content-type": type, "x-soundmill-token": this.me.token };
    const answer = await reach(url, { method: "POST", headers, body });
    const data = await answer.json().catch(() => ({}));
    if (answer.ok) return data;
    const said = [data.error || `The site answers ${answer.status}`, ...(data.problems || []).map((each) => each.message)];
    if (answer.status >= 500) throw new Error(said[0]);
    throw new Refused(said.join("; "));
  }

  async send(wishes) {
    return (await this.post(this.addresses.wishes, JSON.stringify({ wishes }))).asked;
  }

  async answers(numbers) {
    const answer = await reach(`${this.addresses.wishes}?ids=${numbers.join(",")}`);
    if (!answer.ok) throw new Error(`The site answers ${answer.status}`);
    return (await answer.json()).answers;
  }

  /** Ask, and wait for what becomes of it: {done, refused: [reason], waiting}, in numbers of wishes and in words. */
  async ask(wishes) {
    const told = { done: 0, refused: [], waiting: 0 };
    for (let from = 0; from < wishes.length; from += MOST) {
      let open = await this.send(wishes.slice(from, from + MOST));
      const end = performance.now() + PATIENCE_MS;
      for (let look = 0; open.length && performance.now() < end; look += 1) {
        await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[Math.min(look, PAUSES_MS.length - 1)]));
        const heard = await this.answers(open);
        for (const number of open) {
          if (heard[number].state === "done") told.done += 1;
          if (heard[number].state === "refused") told.refused.push(heard[number].reason);
        }
        open = open.filter((number) => heard[number].state === "asked");
      }
      told.waiting += open.length;
    }
    return told;
  }
}

/** What became of it, in a sentence. */
export function sentence({ done, refused, waiting }) {
  const said = [];
  if (done) said.push(done === 1 ? "Done." : `${done} done.`);
  if (refused.length) said.push(`Refused: ${[...new Set(refused)].slice(0, 3).join("; ")}`);
  if (waiting) said.push("Asked. The daemon has not answered yet: it does so when it runs.");
  return said.join(" ");
}
