// The button Deliver of a batch or a shortlist: by which profile, and what becomes of it.

import { addresses, ask, mill, say } from "soundmill/desk";
import { reach } from "soundmill/mill";

const part = document.querySelector("[data-part=deliver]");
const form = part.querySelector("form");
const { of, target } = part.dataset;
const SAID = { waiting: "waits for its turn", making: "is being made …" };
let profiles = [];

function element(name, text, more = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, more);
}

function line(delivery) {
  const item = element("li", "");
  item.dataset.state = delivery.state;
  item.append(element("strong", delivery.profile), ` ${delivery.said || SAID[delivery.state]}`);
  if (delivery.state === "failed") item.classList.add("sm-text-failed");
  if (delivery.zip_url) item.append(" ", element("a", delivery.zip_file, { href: delivery.zip_url, download: "" }));
  item.append(" ", element("span", `${delivery.who}, ${(delivery.ended_at || delivery.asked_at).slice(0, 16).replace("T", " ")} UTC`, { className: "sm-faint" }));
  return item;
}

function about() {
  const chosen = profiles.find((each) => each.name === form.elements.profile.value);
  part.querySelector("[data-part=about]").textContent = chosen ? `${chosen.about}. It goes into the folder deliveries/ of the home.` : "";
}

async function look() {
  const query = new URLSearchParams({ of, target });
  const answer = await reach(`${addresses.deliveries}?${query}`);
  const told = await answer.json();
  if (!answer.ok) return void say(told.error, true);
  const menu = form.elements.profile;
  if (!menu.options.length) {
    profiles = told.profiles;
    menu.append(...profiles.map((each) => element("option", each.name, { value: each.name })));
    about();
  }
  part.querySelector("[data-part=delivered]").replaceChildren(...told.deliveries.map(line));
}

/** What the daemon says of a delivery, anybody's. */
export function heard(delivery) {
  if (delivery.of_what !== of || delivery.target !== target || !mill.me.may.deliver) return;
  if (part.open) look();
  if (delivery.state === "made") say(`Delivered: ${delivery.said}`);
  if (delivery.state === "failed") say(`Not delivered: ${delivery.said}`, true);
}

part.addEventListener("toggle", () => part.open && look());
form.elements.profile.addEventListener("change", about);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { profile, zipped, rights } = form.elements;
  const wish = { action: "deliver", target, of, profile: profile.value, zipped: Boolean(zipped.value), rights: rights.checked };
  await ask([wish]);
  await look();
});
