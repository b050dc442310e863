"""Deliver, orders: what each file of a plan is to be made of, and by which recipe it is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundmill.deliver.names import Named
from soundmill.deliver.profile import Profile
from soundmill.deliver.signing import Signing
from soundmill.deliver.takes import Take
from soundmill.jobs import OF_THE_CLIP

if TYPE_CHECKING:
    from soundmill.deliver.making import Order

MADE_ANEW = 1  # counted up when the same order would make another file


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be delivered. `asked` says of what, as a person called it; `chosen` why these takes; the order of the
    files is that of `files`."""

    asked: str
    chosen: str
    profile_name: str
    profile: Profile
    files: Sequence[Named]
    outputs: Path
    music: frozenset[int]  # output ids of takes of music
    signing: Signing | None = None


def orders_of(plan: Plan, folder: Path) -> dict[str, Order]:
    """What each file is to be made of, by its path below the folder."""
    from soundmill.deliver.making import Order

    gains = gains_together([each.take for each in plan.files], plan.profile)
    orders = {}
    for each in plan.files:
        take, ucs = each.take, plan.profile.ucs
        music = take.output_id in plan.music
        category = {}
        if ucs is not None and each.category is not None:
            category = {
                "category": each.category.category,
                "subCategory": each.category.subcategory,
                "catId": each.category.cat_id,
                "fxName": each.title.split("_")[1],
                "creatorId": ucs.creator,
                "sourceId": ucs.source,
            }
        about: dict[str, Any] = {
            "title": each.title,
            "prompt": take.prompt,
            "licence": take.licence,
            "project": take.batch,
            "identifier": take.identifier,
            "created_at": take.created_at,
            "model": take.model,
            "tags": tags_of(take),
            "aswg": {
                "contentType": "music" if music else "sfx",
                "project": take.batch,
                "originator": f"Soundmill ({take.model})",
                "notes": take.prompt,
                **({"songTitle": each.title} if music else {}),
                **category,
            },
        }
        gain = gains.get(take.output_id, 0.0)
        settings = plan.profile.model_dump(mode="json")
        made_of = [MADE_ANEW, take.sha256, settings, gain, each.path, about, str(plan.signing)]
        orders[each.path] = Order(
            source=plan.outputs / take.file,
            target=folder / each.path,
            sha256=take.sha256,
            profile=plan.profile,
            gain_db=gain,
            looped=bool(take.settings.get("loop")),
            signing=plan.signing,
            recipe=hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32],
            **about,
        )
    return orders


def tags_of(take: Take) -> dict[str, str]:
    """What leads back to the take, and how to make it again; the names are those of the take's own file."""
    return {
        "batch": take.batch,
        "job": take.job,
        "attempt": str(take.attempt),
        "batch_ulid": take.batch_ulid,
        "prompt": take.prompt,
        "model": take.model,
        "seed": str(take.seed),
        **{name: f"{value:g}" for name, value in take.settings.items() if value or name not in OF_THE_CLIP},
        **({"picks": take.picks} if take.picks else {}),
        "licence": take.licence,
        "source_sha256": take.sha256,
        **{f"version_{name}": version for name, version in sorted(take.versions.items())},
    }


def gains_together(takes: Sequence[Take], profile: Profile) -> dict[int, float]:
    """For each take the gain that keeps the differences between all of them, in dB; none for other profiles.

    What normalisation did to a take when it was made is undone first. The loudness of all is the mean of their powers,
    each as long as it lasts, as if they were played one after the other; it comes to the profile's.
    """
    if profile.level != "together":
        return {}
    as_made = {
        take.output_id: (take.loudness_lufs - (take.gain_db or 0.0), take.duration_s)
        for take in takes
        if take.loudness_lufs is not None
    }
    seconds = sum(duration for _, duration in as_made.values())
    if seconds <= 0:
        return {}
    mean = 10 * log10(sum(duration * 10 ** (level / 10) for level, duration in as_made.values()) / seconds)
    return {take.output_id: profile.loudness_lufs - mean - (take.gain_db or 0.0) for take in takes}
