// The listening tests: a link is taken back.

import { Site } from "soundmill/wishing";

const { addresses } = JSON.parse(document.getElementById("sm-data").textContent);
const site = new Site(addresses);
const trouble = document.querySelector("[data-part=trouble]");

site.learn();
for (const button of document.querySelectorAll("[data-end]")) {
  button.addEventListener("click", async () => {
    if (!confirm("Nobody can go on with this test then. Its answers stay.")) return;
    try {
      await site.post(addresses.studies, { end: button.dataset.end });
      location.reload();
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
    }
  });
}
