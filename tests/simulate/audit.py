"""What must be true of folders and catalogue together: after a power cut, and when all is worked off."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

from simulate.disk import Loss
from simulate.engine import is_whole
from simulate.observer import PAST, Observer
from simulate.world import Violation, World
from simulate.writers import Writers, stem_of

ERRORS = ".errors.txt"


def after_power_cut(world: World, observer: Observer, writers: Writers, loss: Loss) -> None:
    """What it took, and what it may not have taken."""
    outputs, inbox = f"{world.root}outputs/", f"{world.root}inbox/"
    for path in loss.torn:
        name = path.rpartition("/")[2]
        stem = stem_of(name)
        if stem is not None and path.startswith(inbox):
            ours = path.removeprefix(inbox).startswith((".claimed/", "accepted/", "rejected/"))
            if ours and stem in writers.rows:
                raise Violation(f"{path}: was claimed as whole, and is torn after a power cut")
            writers.rows.pop(stem, None)  # whoever wrote it has lost it
        if path.startswith(outputs) and not name.startswith("."):
            raise Violation(f"{path}: stands torn under its final name after a power cut")
        if path.startswith(f"{inbox}rejected/") and name.endswith(ERRORS):
            raise Violation(f"{path}: an explanation is torn after a power cut")
    touched = {path.removesuffix(".json") for path in loss.paths if path.startswith(outputs)}
    for take in observer.takes.values():
        if outputs + take.path in touched:
            observer.must_be_whole(take)


def at_the_end(world: World, observer: Observer, writers: Writers) -> None:
    _every_file_once(world, observer, writers)
    _every_job_once(observer, writers)
    _every_take_whole(world, observer)
    _every_wish_once(observer, writers)


def left(world: World, observer: Observer) -> str:
    """What a run did not work off."""
    inbox = Path(world.root) / "inbox"
    names = [path.relative_to(inbox).as_posix() for path in inbox.rglob("*") if path.is_file()]
    waiting = [name for name in names if not name.startswith(("accepted/", "rejected/"))]
    open_jobs = {batch: dict(observer.counts[i]) for batch, i in observer.batches.items()}
    unfinished = {batch: n for batch, n in open_jobs.items() if n.get("queued") or n.get("running")}
    return f"files {waiting[:5]}, jobs {dict(list(unfinished.items())[:3])}"


def _every_file_once(world: World, observer: Observer, writers: Writers) -> None:
    inbox = Path(world.root) / "inbox"
    there: dict[str, dict[str, list[str]]] = {}
    for folder in ("accepted", "rejected", ".claimed", "."):
        found: dict[str, list[str]] = defaultdict(list)
        depth = "*/*" if folder in ("accepted", "rejected") else "*"
        for path in (inbox / folder).glob(depth):
            if path.is_file() and not path.name.startswith(".") and (stem := stem_of(path.name)) is not None:
                found[stem].append(path.relative_to(inbox / folder).as_posix())
        there[folder] = found
    if there["."] or there[".claimed"]:
        remaining = [n for names in (*there["."].values(), *there[".claimed"].values()) for n in names]
        remaining = [name for name in remaining if not name.endswith(".tmp")]
        if remaining:
            raise Violation(f"files are left in the inbox: {remaining[:5]}")
    accepted = Counter(str(stem_of(name)) for name, _ in observer.accepted)
    refused = Counter(str(stem_of(name)) for name, _ in observer.refused)
    for stem in sorted(writers.arrived.keys() | accepted.keys() | refused.keys()):
        arrived, ends = writers.arrived[stem], accepted[stem] + refused[stem]
        if arrived != ends:
            raise Violation(
                f"{stem} came {arrived} times, and was accepted {accepted[stem]} and refused {refused[stem]} times"
            )
        explained = [name for name in there["rejected"][stem] if name.endswith(ERRORS)]
        files = [name for name in there["rejected"][stem] if not name.endswith(ERRORS)]
        if sorted(name + ERRORS for name in files) != sorted(explained):
            raise Violation(f"{stem}: rejected as {files}, explained by {explained}")
        if len(files) != refused[stem] or len(there["accepted"][stem]) != accepted[stem]:
            raise Violation(
                f"{stem}: accepted {accepted[stem]} times, its files {there['accepted'][stem]}; "
                f"refused {refused[stem]} times, its files {files}"
            )
    for name, kept_as in observer.kept_as.items():
        if not (inbox / "accepted" / kept_as).is_file():
            raise Violation(f"batch {name}: its file is not accepted/{kept_as}, where the catalogue has it")
    for name in there["rejected"]:
        for each in there["rejected"][name]:
            if each.endswith(ERRORS) and "claim " not in (inbox / "rejected" / each).read_text():
                raise Violation(f"{each}: is no explanation")


def _every_job_once(observer: Observer, writers: Writers) -> None:
    for batch_name, number in observer.batches.items():
        counts = observer.counts[number]
        if counts["queued"] or counts["running"]:
            raise Violation(f"batch {batch_name} is not worked off: {dict(counts)}")
    for name, batch in observer.accepted:
        stem = str(stem_of(name))
        rows = observer.counts[batch].total()
        if rows != writers.rows.get(stem, rows):
            raise Violation(f"{stem} has {writers.rows[stem]} rows, and its batch {rows} jobs")


def _every_take_whole(world: World, observer: Observer) -> None:
    outputs = Path(world.root) / "outputs"
    known = {take.path for take in observer.takes.values() if not take.pruned}
    for take in observer.takes.values():
        observer.must_be_whole(take)
    for folder, _, names in os.walk(outputs):
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(outputs).as_posix()
            if name.endswith(".part"):
                raise Violation(f"{relative}: a part file is left")
            if relative == ".soundmill":
                continue
            if relative.removesuffix(".json") not in known:
                raise Violation(f"{relative}: no row of the catalogue has it")
            if not name.endswith(".json") and not is_whole(path.read_bytes()):
                raise Violation(f"{relative}: is half a file")


def _every_wish_once(observer: Observer, writers: Writers) -> None:
    for ulid, (action, label) in writers.wishes.items():
        if ulid not in observer.answers:
            raise Violation(f"the wish {ulid} ({action} {label}) has no answer")
        state, reason = observer.answers[ulid]
        if state != "done" and not (action == "archive" and "still at work" in str(reason)):
            raise Violation(f"the wish {ulid} ({action} {label}) was refused: {reason}")
        if action in PAST and (times := observer.wishes[PAST[action], label]) != 1:
            raise Violation(f"the wish {ulid} ({action} {label}) was done {times} times")
    for note, times in observer.notes.items():
        if times != 1:
            raise Violation(f"the {note} was given {times} times")
    if missing := writers.notes - set(observer.notes):
        raise Violation(f"ratings or picks were lost: {sorted(missing)}")
