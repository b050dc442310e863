"""`soundmill deliver`: takes to files a game engine takes, in a folder of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.commands.delivering.selecting import Selection, select, select_picks
from soundmill.config import Config, load
from soundmill.deliver import manifest
from soundmill.deliver.names import named
from soundmill.deliver.orders import Plan
from soundmill.deliver.profile import Profile, find
from soundmill.deliver.signing import Signing, check
from soundmill.deliver.takes import Take, is_non_commercial
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home
from soundmill.jobs import QualityKind
from soundmill.service import wiring
from soundmill.words import count, have, listed, number, size

MOST_NAMED = 5  # of files that a summary names
SHOWN = {"file": "file", "take": "take", "licence": "licence"}


def deliver(
    home: Home,
    targets: Sequence[str],
    to: Path,
    profile_name: str,
    *,
    is_list: bool = False,
    commercial: bool,
    allow_non_commercial: bool,
    zipped: bool,
    replace: bool,
    dry_run: bool,
    processes: int | None,
    say: Callable[[str], None],
) -> None:
    """Bring the folder `to` to what was asked, and say what came of it.

    Raises UsageError for a folder that holds something else, SoundmillError where licences or names do not allow it, or
    takes could not be delivered.
    """
    config = load(home)
    profile = find(config.profiles, profile_name)
    with Reader.open(home.catalog) as reader:
        selection = select_picks(reader, targets) if is_list else select(reader, targets)
    _licences_allow(selection.takes, profile_name, commercial or profile.commercial, allowed=allow_non_commercial)
    signing = _signing(config, profile_name, profile)
    plan = planned(home, selection, profile_name, profile, signing)
    if dry_run:
        rows = [{"file": each.path, "take": each.take.name, "licence": each.take.licence} for each in plan.files]
        show.table(rows, SHOWN, "")
        return
    _not_into_the_mill(home, to)
    from soundmill.deliver.work import at_once
    from soundmill.deliver.work import deliver as work

    def waiting() -> None:
        say(f"{to}: another delivery is being written there; waiting for it to end")

    free = _free_bytes()
    workers = at_once(selection.takes, profile, processes or _processors(), free)
    with show.progress(str(to)) as progress:
        done = work(plan, to, processes=workers, replace=replace, progress=progress, waiting=waiting)
    for line in summary(done.entries, done.made, profile):
        say(line)
    for line in twins(home, selection.takes):
        say(line)
    if done.removed:
        say(f"{count(done.removed, 'file')} of the delivery before {have(done.removed)} been taken away.")
    if done.left:
        say(f"Left, because somebody changed them: {listed(done.left[:MOST_NAMED])}")
    if zipped:
        say(_zip(to))


def planned(home: Home, selection: Selection, profile_name: str, profile: Profile, signing: Signing | None) -> Plan:
    """Which file each take becomes. Raises ConfigError for a pattern that is none, SoundmillError where a take lacks
    what one names."""

    def is_music(take: Take) -> bool:
        return wiring.kind_of(take.model, None) is not QualityKind.SOUND_EFFECTS

    files = named(selection.takes, profile, wiring.pattern_of, is_music=is_music)
    return Plan(
        asked=selection.asked,
        chosen=selection.chosen,
        profile_name=profile_name,
        profile=profile,
        files=files,
        outputs=home.outputs,
        music=frozenset(take.output_id for take in selection.takes if is_music(take)),
        signing=signing,
    )


def _signing(config: Config, profile_name: str, profile: Profile) -> Signing | None:
    """Whose signature the files get; it is tried first, for a wrong one would be found out file by file."""
    if not profile.sign:
        return None
    c2pa = config.c2pa
    if c2pa.certificate is None or c2pa.key is None:
        raise UsageError(
            f"profile {profile_name}: its files are to be signed; soundmill.yaml needs c2pa: certificate and key"
        )
    signing = Signing(
        certificate=Path(c2pa.certificate).expanduser(),
        key=Path(c2pa.key).expanduser(),
        algorithm=c2pa.algorithm,
        timestamp_url=c2pa.timestamp_url,
    )
    check(signing)
    return signing


def _licences_allow(takes: Sequence[Take], profile: str, commercial: bool, *, allowed: bool) -> None:
    if not commercial or allowed:
        return
    bad = [take for take in takes if is_non_commercial(take.licence) or take.licence.lower() in ("", "unknown")]
    if bad:
        licences = listed(sorted({f"{take.model}: {take.licence or 'unknown'}" for take in bad})[:MOST_NAMED])
        raise SoundmillError(
            f"{count(len(bad), 'take')} of {len(takes)} may not be sold ({licences}), and the delivery is commercial; "
            "leave them out, or say that you have the rights: --allow-non-commercial"
        )


def _not_into_the_mill(home: Home, to: Path) -> None:
    """The inbox and the outputs are the daemon's."""
    real = to.resolve()
    for folder in (home.outputs.resolve(), home.inbox.resolve()):
        if real == folder or real.is_relative_to(folder):
            raise UsageError(f"{to}: is the daemon's folder; deliver elsewhere, as into {home.deliveries / 'first'}")
    if real in (home.root.resolve(), *home.root.resolve().parents):
        raise UsageError(f"{to}: holds the home folder; deliver into a folder of its own")


def summary(entries: Sequence[manifest.Entry], made: int, profile: Profile) -> Iterator[str]:
    """What came of it, every loop whose seam may be heard, and every file that is not as loud as was asked."""
    total = sum(int(entry["size_bytes"]) for entry in entries)
    stood = len(entries) - made
    yield f"{count(len(entries), 'file')}, {size(total)}" + (f"; {stood} stood already" if stood else "")
    for entry in [entry for entry in entries if (entry["loop_seam"] or 0) > 1][:MOST_NAMED]:
        yield f"{entry['file']}: its loop's seam is {number(entry['loop_seam'])} times as rough as its own points"
    if profile.level != "each":
        return
    reached = [entry for entry in entries if entry["loudness_lufs"] is not None and not entry["short_by_lu"]]
    yield f"{len(reached)} of {len(entries)} at {number(profile.loudness_lufs)} LUFS"
    short = sorted((entry for entry in entries if entry["short_by_lu"] > 0), key=lambda entry: -entry["short_by_lu"])
    for entry in short[:MOST_NAMED]:
        why = f"more would take more than {number(profile.most_limiting_db)} dB of limiting"
        if entry["gain_db"] == 0:
            why = "too quiet to be brought up"
        yield f"{entry['file']}: {number(entry['short_by_lu'])} LU under it; {why}"
    if silent := [entry["file"] for entry in entries if entry["loudness_lufs"] is None]:
        yield f"silent: {listed(silent[:MOST_NAMED])}" + (" and more" if len(silent) > MOST_NAMED else "")
    if len(short) > MOST_NAMED:
        yield f"and {len(short) - MOST_NAMED} more, by how much each: {manifest.CSV_NAME}"


def twins(home: Home, takes: Sequence[Take]) -> Iterator[str]:
    """Takes of a delivery that are the same sound."""
    from soundmill.commands.delivering.recognizing import same

    files = {take.output_id: home.outputs / take.file for take in takes}
    names = {take.output_id: take.name for take in takes}
    with Reader.open(home.catalog) as reader:
        pairs = same(reader, home.outputs, files)
    for first, second in pairs[:MOST_NAMED]:
        yield f"{names[second]}: is the same sound as {names[first]}"
    if len(pairs) > MOST_NAMED:
        yield f"and {len(pairs) - MOST_NAMED} more that are the same as others; soundmill like TAKE names each one's"


def _zip(folder: Path) -> str:
    from soundmill.deliver.archive import archive

    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    target = folder.absolute().with_name(f"{folder.absolute().name}.zip")
    archive(folder.absolute(), [name for name in files if not Path(name).name.startswith(".")], target)
    return f"{target}: {size(target.stat().st_size)}"


def _free_bytes() -> float:
    import psutil

    return float(psutil.virtual_memory().available)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
