"""Who asks, and what they may ask for: four permissions by name.

Whoever came by the local link may do everything. Others come by whatever plugin logs people in, and may do what
`permissions:` of site.yaml, or a plugin, allows them by name. Reading needs none of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from datasette.utils import actor_matches_allow

from soundmill.publish import datasettes

RATE, SUBMIT, CONTROL, DELIVER = "soundmill-rate", "soundmill-submit", "soundmill-control", "soundmill-deliver"
DESCRIPTIONS = {
    RATE: "Rate, reject, pick and compare takes",
    SUBMIT: "Check job files and put them into the inbox",
    CONTROL: "Cancel, pause, resume, retry and archive batches, change their priority, make listening tests",
    DELIVER: "Have picks made into files for a game engine",
}
LOCAL: dict[str, Any] = {"id": "owner", "name": "owner", "soundmill": "local"}
LONGEST_WHO = 100  # characters, as a control file may hold

Actor = Mapping[str, Any]


def is_local(actor: Actor | None) -> bool:
    return actor is not None and actor.get("soundmill") == LOCAL["soundmill"]


def who(actor: Actor) -> str:
    """What a person's opinions are kept under: the actor's id."""
    name = str(actor.get("id") or "")
    if len(name) <= LONGEST_WHO:
        return name
    return f"{name[:80]}#{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:16]}"


def shown(actor: Actor | None) -> dict[str, str] | None:
    """An actor as pages are told."""
    if actor is None:
        return None
    name = next((actor[key] for key in ("name", "display", "username", "id") if actor.get(key)), "")
    return {"id": who(actor), "name": str(name)}


async def may(datasette: Any, actor: Actor | None, action: str) -> bool:
    """Whether somebody may do what is called `action`; nobody is, who is not logged in."""
    if actor is None or not who(actor):
        return False
    if is_local(actor):
        return True
    return await datasettes.may(datasette, actor, action)


def decide(datasette: Any, actor: Actor | None, action: str) -> bool | None:
    """The answer of Datasette's hook before 1.0, which knows no `permissions:` of its own; None: no opinion."""
    if action not in DESCRIPTIONS:
        return None
    if is_local(actor):
        return True
    allow = (datasette.metadata("permissions") or {}).get(action)
    return None if allow is None else bool(actor_matches_allow(actor, allow))


def actions() -> list[Any]:
    """The permissions as Datasette wants them declared from 1.0 on."""
    from datasette.permissions import Action

    return [Action(name=name, description=description) for name, description in DESCRIPTIONS.items()]
