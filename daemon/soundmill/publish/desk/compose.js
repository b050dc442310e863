// Job files: checked as they are typed, and put into the inbox.

import { addresses, begin, mill, page, say } from "soundmill/desk";

const CHECK_MS = 350; // without a key, before a file is checked
const PATIENCE_MS = 20_000;
const STORE = "soundmill draft";
const part = (name) => document.querySelector(`[data-part=${name}]`);
const name = document.getElementById("sm-name");
const text = document.getElementById("sm-text");
const again = document.getElementById("sm-again");
const submit = part("submit");

let sheet = null; // a file that is no text, as bytes
let asked = 0; // checks; answers to an earlier one are dropped
let timer = 0;
let wrong = new Set(); // lines

const isSheet = (file) => /\.(xlsx|ods)$/i.test(file);

function lines() {
  const count = text.value.split("\n").length;
  part("lines").replaceChildren(
    ...Array.from({ length: Math.min(count, 5000) }, (_, n) => {
      const line = document.createElement("span");
      line.textContent = `${n + 1}\n`;
      line.classList.toggle("sm-wrong", wrong.has(n + 1));
      return line;
    }),
  );
  part("lines").scrollTop = text.scrollTop;
}

function verdict(said, kind = "") {
  part("verdict").textContent = said;
  part("verdict").className = `sm-verdict ${kind}`;
}

function show({ problems = [], jobs, audio_s, seconds, batch, text: whole }) {
  wrong = new Set(problems.filter((each) => !each.place).map((each) => each.line));
  part("problems").replaceChildren(...problems.slice(0, 200).map(problem));
  part("again").hidden = !problems.some((each) => /again/.test(each.message));
  submit.disabled = problems.length > 0 || !mill.me.may.submit;
  part("preview").hidden = problems.length > 0 || !whole;
  part("preview").textContent = problems.length ? "" : whole || "";
  if (problems.length) verdict(problems.length === 1 ? "One problem" : `${problems.length} problems`, "sm-text-failed");
  else verdict([`${jobs.toLocaleString("en")} ${jobs === 1 ? "job" : "jobs"}`, `${span(audio_s)} of audio`, `batch ${batch}`, ...(seconds ? [`about ${span(seconds)}`] : [])].join(", "), "sm-good");
  lines();
}

function span(seconds) {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

function problem({ line, place, field, value, message }) {
  const item = document.createElement("li");
  if (line) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sm-plain sm-button";
    button.textContent = `${place || "line"} ${line}`;
    button.disabled = Boolean(place);
    button.addEventListener("click", () => goTo(line));
    item.append(button, " ");
  }
  if (field) {
    const code = document.createElement("code");
    code.textContent = value ? `${field} = ${value}` : field;
    item.append(code, ": ");
  }
  item.append(message);
  return item;
}

function goTo(line) {
  const before = text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  const length = text.value.split("\n")[line - 1]?.length ?? 0;
  text.focus();
  text.setSelectionRange(before, before + length);
  text.scrollTop = Math.max(0, (line - 4) * Number.parseFloat(getComputedStyle(text).lineHeight));
}

function body() {
  const named = name.value.trim() || "untitled.yaml";
  if (sheet) return [`?name=${encodeURIComponent(named)}${again.checked ? "&again=1" : ""}`, sheet, "application/octet-stream"];
  return ["", JSON.stringify({ name: named, text: text.value, again: again.checked }), "application/json"];
}

async function check() {
  const turn = (asked += 1);
  if (!sheet && !text.value.trim()) {
    wrong = new Set();
    part("problems").replaceChildren();
    part("preview").hidden = true;
    submit.disabled = true;
    verdict("");
    return;
  }
  if (!mill.me.may.submit) return void verdict(mill.me.actor ? "You may look here, and submit nothing." : "");
  try {
    const [query, content, type] = body();
    const found = await mill.post(addresses.check + query, content, type);
    if (turn === asked) show(found);
  } catch (error) {
    if (turn !== asked) return;
    submit.disabled = true;
    verdict(error.message, "sm-text-failed");
  }
}

function changed() {
  if (!sheet) sessionStorage.setItem(STORE, JSON.stringify([name.value, text.value]));
  asked += 1; // what is on its way speaks of another text
  submit.disabled = true;
  if (text.value.trim() || sheet) verdict("Checking …");
  lines();
  window.clearTimeout(timer);
  timer = window.setTimeout(check, CHECK_MS);
}

async function take(file) {
  name.value = file.name;
  sheet = isSheet(file.name) ? new Uint8Array(await file.arrayBuffer()) : null;
  text.value = sheet ? "" : await file.text();
  part("editor").hidden = Boolean(sheet);
  part("sheet").hidden = !sheet;
  part("sheet").textContent = sheet ? `${file.name}, ${Math.ceil(file.size / 1000)} kB: a spreadsheet is changed where it was made.` : "";
  changed();
}

/** What becomes of the file: the daemon takes it within a second or two. */
async function arrival(file, since) {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    const answer = await fetch(`${addresses.arrivals}?${new URLSearchParams({ file, since })}`, { cache: "no-store" });
    const found = await answer.json();
    if (found.state !== "waiting") return found;
  }
  return null;
}

async function drop() {
  submit.disabled = true;
  say("Put into the inbox …");
  try {
    const [query, content, type] = body();
    const { file, at } = await mill.post(addresses.submit + query, content, type);
    const found = await arrival(file, String(Math.floor(at) - 1));
    if (!found) return void say(`${file} is in the inbox. The daemon has not taken it yet: it does so when it runs.`);
    if (found.state === "accepted") {
      sessionStorage.removeItem(STORE);
      location.href = addresses.batch + encodeURIComponent(found.batch);
      return;
    }
    say("Rejected", true);
    show({ problems: found.problems });
  } catch (error) {
    say(error.message, true);
    submit.disabled = false;
  }
}

text.addEventListener("input", changed);
name.addEventListener("input", changed);
again.addEventListener("change", changed);
text.addEventListener("scroll", () => {
  part("lines").scrollTop = text.scrollTop;
});
submit.addEventListener("click", drop);
document.getElementById("sm-file").addEventListener("change", ({ target }) => target.files[0] && take(target.files[0]));
part("clear").addEventListener("click", () => take(new File([], "untitled.yaml")));
const where = part("compose");
for (const kind of ["dragenter", "dragover"]) {
  where.addEventListener(kind, (event) => {
    event.preventDefault();
    where.classList.add("sm-over");
  });
}
for (const kind of ["dragleave", "drop"]) where.addEventListener(kind, () => where.classList.remove("sm-over"));
where.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
});

await begin();
if (!page.drafted && !text.value) {
  const kept = JSON.parse(sessionStorage.getItem(STORE) || "null");
  if (kept) [name.value, text.value] = kept;
}
lines();
check();
