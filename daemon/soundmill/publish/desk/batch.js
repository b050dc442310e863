// A batch: it changes as it is worked on, goes on as somebody scrolls, and its takes are marked by the dozen.

import { addresses, allow, ask, begin, buttons, fetched, follow, page, renew, soon } from "soundmill/desk";
import { Scroll } from "soundmill/scroll";
import { Selection } from "soundmill/selection";

const PROGRESS_MS = 3000; // between looks at what runs
const MOST_IN_ADDRESS = 200;
const bar = document.querySelector("[data-part=bar]");
const frame = document.querySelector(".sm-scrolled");
const list = document.getElementById("sm-list");
const stars = document.getElementById("sm-stars");
const selection = new Selection(frame);

const scroll = new Scroll(frame, {
  more: page.more,
  load: async (number) => {
    const { html, more } = await fetched({ live: "1", page: String(number) });
    if (number === page.page) renew({ head: html.head, tabs: html.tabs });
    return { html: html.cards, more };
  },
  shown: (chunk) => selection.show(chunk),
});
document.querySelector(".sm-pages a[rel=next]")?.remove();

const near = () => scroll.chunks.filter((chunk) => chunk.kept === undefined);
async function refresh() {
  const { html } = await fetched({ live: "1", page: String(page.page) });
  renew({ head: html.head, tabs: html.tabs });
  for (const chunk of near()) await scroll.renew(chunk);
}
const later = soon(refresh);
const isOurs = (data) => data.batch === page.batch && later();
buttons(refresh);
follow({ batch: isOurs, take: isOurs, reset: later });
window.setInterval(() => {
  if (!document.hidden && frame.querySelector("[data-waits] progress")) later();
}, PROGRESS_MS);

// --- what is selected ---

selection.addEventListener("changed", () => {
  const count = selection.ticked.size;
  bar.hidden = count === 0;
  bar.querySelector("[data-part=count]").textContent = `${count} selected`;
});
list.value = localStorage.getItem("soundmill shortlist") || "picks";

function marking(action, more = {}) {
  return [...selection.ticked].map((target) => ({ action, target, ...more }));
}

function go(address, name) {
  const query = new URLSearchParams([...selection.ticked].slice(0, MOST_IN_ADDRESS).map((file) => [name, file]));
  location.href = `${address}?${query}`;
}

const DOES = {
  pick: () => {
    const shortlist = list.value.trim() || "picks";
    localStorage.setItem("soundmill shortlist", shortlist);
    return marking("pick", { shortlist });
  },
  rate: () => marking("rate", { stars: Number(stars.value) || null }),
  reject: () => marking("reject"),
  unreject: () => marking("unreject"),
  review: () => go(addresses.review, "files"),
  compare: () => go(addresses.compare, "files"),
  more: () => go(`${addresses.compose}`, "more"),
  all: () => selection.all(),
  none: () => selection.clear(),
};

async function does(name) {
  const wishes = DOES[name]();
  if (!Array.isArray(wishes) || !wishes.length) return;
  await ask(wishes);
  await refresh();
}

bar.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-does]");
  if (button) does(button.dataset.does);
});
stars.addEventListener("change", async () => {
  if (stars.value !== "") await does("rate");
  stars.value = "";
});

await begin();
allow(bar);
document.querySelector("[data-part=hint]").hidden = false;
selection.show();
