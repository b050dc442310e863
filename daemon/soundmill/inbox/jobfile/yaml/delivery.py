"""Inbox: understands `deliver` of a YAML job file: what becomes of the takes when the batch ends."""

from __future__ import annotations

from pathlib import PurePath

from soundmill.disk import is_below
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.problems import Problems
from soundmill.inbox.jobfile.suggest import closest
from soundmill.inbox.jobfile.written import Deliver
from soundmill.inbox.jobfile.yaml.nodes import Node, Pairs, Scalar
from soundmill.inbox.jobfile.yaml.values import pairs, plain_text, unknown_key, words
from soundmill.jobs import DeliveryAsked
from soundmill.words import did_you_mean, listed

EXAMPLE = "{profile: game, to: castle}"


def read_delivery(line: int, node: Node, rules: Rules, problems: Problems) -> DeliveryAsked | None:
    """A profile's name, or a mapping of the keys of `Deliver`; None after telling what is wrong, and for a blank."""
    entries = {"profile": (line, node)} if isinstance(node, Scalar) else pairs(node, "deliver", EXAMPLE, problems)
    told = len(problems)
    for key, (at, _) in entries.items():
        if key not in Deliver.model_fields:
            unknown_key(key, at, "under deliver", Deliver.model_fields, problems)
    texts = {key: words(entries[key][1], key, problems) if key in entries else None for key in ("profile", "to")}
    zipped = _yes(entries["zip"], problems) if "zip" in entries else False
    profile, to = texts["profile"], texts["to"]
    if not profile:
        if isinstance(node, Pairs) and len(problems) == told:
            problems.add(f"needs a profile, as in {EXAMPLE}", line, "deliver")
        return None
    if rules.profiles is not None and profile not in rules.profiles:
        guess = (
            did_you_mean(closest(profile, sorted(rules.profiles))) or f"; there are {listed(sorted(rules.profiles))}"
        )
        problems.add(f"there is no such profile{guess}", entries["profile"][0], "profile", profile)
    if to:
        to = _folder(to, entries["to"][0], rules, problems)
    return DeliveryAsked(profile=profile, to=to or None, zipped=zipped) if len(problems) == told else None


def _folder(to: str, line: int, rules: Rules, problems: Problems) -> str | None:
    """The whole path of a folder that deliveries may go to: what a job file says must not lead anywhere else."""
    if not rules.delivery_folders:
        return to
    home = rules.delivery_folders[0]
    folder = home / PurePath(to).as_posix()
    if folder != home and ".." not in PurePath(to).parts and is_below(folder, rules.delivery_folders):
        return str(folder)
    where = listed([str(each) for each in rules.delivery_folders])
    problems.add(f"must lead below {where}; delivery_folders of soundmill.yaml allows others", line, "to", to)
    return None


def _yes(entry: tuple[int, Node], problems: Problems) -> bool:
    line, node = entry
    text = plain_text(node, "zip", problems) or ""
    if text.lower() in ("true", "yes", "on", "false", "no", "off", ""):
        return text.lower() in ("true", "yes", "on")
    problems.add("must be true or false", line, "zip", text)
    return False
