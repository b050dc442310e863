// The page of one take: heard as in the review.

import { listen } from "soundmill/keys";
import { Listening } from "soundmill/listening";

const { take, addresses } = JSON.parse(document.getElementById("sm-data").textContent);
const listening = new Listening(document.querySelector(".sm-review"), addresses);
listening.show(take, { play: false, next: [] });
listen(document, listening.keys);
