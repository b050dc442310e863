// All shortlists: made, put away and brought back.

import { ask, begin, buttons, fetched, follow, renew, soon } from "soundmill/desk";

const refresh = async () => renew((await fetched({ live: "1" })).html);
const making = document.querySelector("[data-part=making]");
making.addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = await ask([{ action: "create_list", target: making.elements.name.value.trim() }]);
  if (told?.done) making.reset();
  await refresh();
});
buttons(refresh);
const later = soon(refresh);
follow({ answer: (answer) => /pick|list/.test(answer.action) && later(), reset: later });
begin();
