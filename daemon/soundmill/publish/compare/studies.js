// The listening tests: a link is taken back.

import { Mill } from "soundmill/mill";

const { addresses } = JSON.parse(document.getElementById("sm-data").textContent);
const mill = new Mill(addresses);
const trouble = document.querySelector("[data-part=trouble]");

mill.meet().catch(() => {}); // who is not known is refused, and told so
for (const button of document.querySelectorAll("[data-end]")) {
  button.addEventListener("click", async () => {
    if (!confirm("Nobody can go on with this test then. Its answers stay.")) return;
    try {
      await mill.post(addresses.studies, JSON.stringify({ end: button.dataset.end }));
      location.reload();
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
  });
}
