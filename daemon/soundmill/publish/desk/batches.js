// All batches: they change as they are worked on, and are put away and brought back.

import { begin, buttons, fetched, follow, renew, soon } from "soundmill/desk";

const refresh = async () => renew((await fetched({ live: "1" })).html);
const later = soon(refresh);
buttons(refresh);
follow({ batch: later, reset: later });
begin();
