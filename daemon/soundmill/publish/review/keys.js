// The keys of a page: one table, which the page listens by and its help is made of.

/** `table` holds {keys, says, does, repeats}; a key is that of KeyboardEvent, letters small, with "Shift+" before it
 * where that is meant. What is typed into a field, and what a focused button or link is pressed by, is left alone. */
export function listen(target, table) {
  const known = new Map(table.flatMap((entry) => entry.keys.map((key) => [key, entry])));
  target.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const on = event.target instanceof Element ? event.target : document.body;
    if (on.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog")) return;
    const pressed = event.key === " " || event.key === "Enter";
    if (pressed && on.closest("button, a, summary, label, input")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const entry = (event.shiftKey && known.get(`Shift+${key}`)) || known.get(key);
    if (!entry || (event.repeat && !entry.repeats)) return;
    event.preventDefault();
    entry.does(key, event);
  });
}

const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", "Shift+ArrowLeft": "Shift ←", "Shift+ArrowRight": "Shift →" };

/** The rows of the help: a term with the keys, a description. */
export function explain(list, table) {
  list.replaceChildren(
    ...table.flatMap(({ keys, says }) => {
      const term = document.createElement("dt");
      keys.forEach((key, n) => {
        const shown = document.createElement("kbd");
        shown.textContent = NAMES[key] || key.toUpperCase();
        term.append(n ? " " : "", shown);
      });
      const description = document.createElement("dd");
      description.textContent = says;
      return [term, description];
    }),
  );
}
