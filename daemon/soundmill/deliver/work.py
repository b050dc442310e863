"""Deliver, the work: a plan of files to a folder, by several processes; cut short at any moment, it goes on."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundmill.deliver import manifest
from soundmill.deliver.journal import Journal, open_journal, remove_journal
from soundmill.deliver.names import Named
from soundmill.deliver.orders import Plan, orders_of
from soundmill.deliver.profile import Profile
from soundmill.deliver.tables import tables
from soundmill.deliver.takes import Take
from soundmill.disk import PART, sync_folder, write_whole
from soundmill.errors import SoundmillError, UsageError
from soundmill.words import count

if TYPE_CHECKING:
    from soundmill.deliver.making import Made, Order

LATELY_SHORT_LU = 0.3  # less is no shortfall
BYTES_PER_SAMPLE = 60  # of a process's memory, at the rate of the delivered file
PROCESS_BYTES = 150e6
FILES_PER_PROCESS = 4  # fewer do not pay for starting one
PART_NAME = re.compile(rf"\.[0-9a-f]{{24}}{re.escape(PART)}")  # as disk.part_of makes them
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Progress = Callable[[int, int], None]  # files finished, files due


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A delivery that stands. `made` files were written in this run; `entries` are the manifest's; `left` names files
    of an earlier delivery that somebody changed since."""

    entries: Sequence[Mapping[str, Any]]
    made: int
    removed: int
    left: Sequence[str]


def deliver(
    plan: Plan,
    folder: Path,
    *,
    processes: int,
    replace: bool,
    progress: Progress,
    waiting: Callable[[], None] = lambda: None,
) -> Delivered:
    """Bring the folder to what the plan says: files that are there as they should be stay, others are made, those of an
    earlier delivery that this one has no place for go. The manifest comes last. Where another delivery is being written
    there, `waiting` is called, and its end waited for.

    Raises UsageError where the folder holds another delivery or files of others are in the way, SoundmillError where
    takes could not be delivered: what could be done stays, and the same command goes on with the rest.
    """
    _must_be_ours(folder, plan, replace)
    folder.mkdir(parents=True, exist_ok=True)
    with open_journal(folder, waiting) as journal:
        former = _must_be_ours(folder, plan, replace)
        was = {str(entry["file"]): entry for entry in (former or {}).get("files", [])}
        known = {str(entry["recipe"]): entry for entry in was.values()} | journal.done
        orders = orders_of(plan, folder)
        _nobody_elses(folder, plan, {*was, *journal.planned})
        _sweep(folder, plan)
        journal.plan([each.path for each in plan.files])
        results = {path: known[order.recipe] for path, order in orders.items() if _stands(order, known)}
        due = {path: order for path, order in orders.items() if path not in results}
        made = len(due)
        if due:
            results |= _make(due, journal, processes, len(orders), progress)
        entries = [_entry(each, orders[each.path], results[each.path]) for each in plan.files]
        removed, left = _remove_former(folder, was, {each.path for each in plan.files})
        _settle(folder / path for path in due)
        _write_lists(folder, plan, entries)
        remove_journal(folder)
    return Delivered(entries=entries, made=made, removed=removed, left=left)


def _must_be_ours(folder: Path, plan: Plan, replace: bool) -> Mapping[str, Any] | None:
    """The manifest of the delivery that stands there, None where there is none. Raises UsageError for another one's."""
    former = manifest.read(folder)
    if former is not None and not replace and (other := _other(former, plan)):
        raise UsageError(
            f"{folder}: holds the delivery of {other}; deliver into another folder, or --replace it with this one"
        )
    return former


def _other(former: Mapping[str, Any], plan: Plan) -> str | None:
    if former.get("of") == plan.asked and former.get("profile") == plan.profile_name:
        return None
    return f"{former.get('of')} by the profile {former.get('profile')}"


def _nobody_elses(folder: Path, plan: Plan, ours: set[str]) -> None:
    foreign = [each.path for each in plan.files if each.path not in ours and (folder / each.path).exists()]
    if foreign:
        more = f" ({count(len(foreign), 'file')} like it)" if len(foreign) > 1 else ""
        raise UsageError(f"{folder / foreign[0]}: is there already, and not from a delivery; move it away{more}")


def _sweep(folder: Path, plan: Plan) -> None:
    """Part files of a delivery that was killed."""
    for inner in {(folder / each.path).parent for each in plan.files} | {folder}:
        if inner.is_dir():
            for part in inner.glob(f".*{PART}"):
                if PART_NAME.fullmatch(part.name):
                    part.unlink(missing_ok=True)


def _stands(order: Order, known: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an earlier run made this file, and it still is what it made."""
    return order.recipe in known and digest(order.target) == known[order.recipe]["sha256"]


def digest(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


# -- the pool --------------------------------------------------------------------------------


def at_once(takes: Sequence[Take], profile: Profile, processes: int, free_bytes: float) -> int:
    """How many processes: as many as half of the free memory holds, each with the longest clip, up to `processes`; and
    none that would end before it has begun."""
    longest = max((take.duration_s * max(take.channels, 2) for take in takes), default=0.0) * profile.sample_rate
    return max(
        1,
        min(
            processes,
            len(takes) // FILES_PER_PROCESS,
            int(free_bytes / 2 / (PROCESS_BYTES + BYTES_PER_SAMPLE * longest)),
        ),
    )


def _make(
    due: Mapping[str, Order], journal: Journal, processes: int, total: int, progress: Progress
) -> dict[str, Mapping[str, Any]]:
    results, failed, done = dict[str, Mapping[str, Any]](), list[str](), total - len(due)
    progress(done, total)
    for path, made in _each(due, processes):
        if isinstance(made, SoundmillError):
            failed.append(str(made))
            continue
        results[path] = asdict(made)
        journal.finished(due[path].recipe, results[path])
        done += 1
        progress(done, total)
    if failed:
        more = f"; {count(len(failed) - 1, 'more take')} could not be delivered either" if len(failed) > 1 else ""
        raise SoundmillError(f"{min(failed)}{more}; the others are there, and the same command goes on")
    return results


def _each(due: Mapping[str, Order], processes: int) -> Iterator[tuple[str, Made | SoundmillError]]:
    """What became of each order, as it comes; in this process where one is enough."""
    if processes == 1:
        for path, order in due.items():
            yield path, _tried(order)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start_process) as pool:
        waiting = {pool.submit(_tried, order): path for path, order in due.items()}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            raise SoundmillError(
                "a process that makes files was ended, perhaps for want of memory; the same command goes on"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _tried(order: Order) -> Made | SoundmillError:
    from soundmill.deliver.making import make

    try:
        return make(order)
    except SoundmillError as error:
        return error


def _start_process() -> None:
    """One core for each process, and none that outlives its parent: a killed delivery leaves nobody at work."""
    for name in ONE_THREAD:
        os.environ[name] = "1"
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


# -- what stands beside the files ------------------------------------------------------------


def _entry(each: Named, order: Order, made: Mapping[str, Any]) -> dict[str, Any]:
    take = each.take
    measured = {
        name: round(made[name], digits)
        if isinstance(made[name], float)
        else made[name]
        for name, digits in (
            ("duration_s", 6), ("sample_rate", 0), ("channels", 0), ("loudness_asked_lufs", 2), ("loudness_lufs", 2),
            ("true_peak_dbtp", 2), ("gain_db", 2), ("limited_db", 2), ("limited_share", 3), ("trimmed_start_s", 4),
            ("trimmed_end_s", 4), ("loop_seam", 3), ("size_bytes", 0), ("sha256", 0),
        )
    }  # fmt: skip
    short = made["short_by_lu"]
    return {
        "file": each.path,
        **measured,
        "short_by_lu": 0.0 if short is None or abs(short) < LATELY_SHORT_LU else round(short, 2),
        "take": take.name,
        "batch": take.batch,
        "job": take.job,
        "row": take.position,
        "attempt": take.attempt,
        "prompt": take.prompt,
        "model": take.model,
        "licence": take.licence,
        "seed": take.seed,
        "settings": dict(take.settings),
        "labels": dict(take.labels),
        "factors": dict(take.condition),
        "picks": take.picks,
        "stars": take.stars,
        "category": "" if each.category is None else each.category.cat_id,
        "identifier": take.identifier,
        "source": f"outputs/{take.file}",
        "source_sha256": take.sha256,
        "recipe": order.recipe,
    }


def _remove_former(folder: Path, was: Mapping[str, Mapping[str, Any]], planned: set[str]) -> tuple[int, list[str]]:
    """Take away what the former delivery had and this one has not, but for what somebody changed; how many, and
    those."""
    removed, left = 0, list[str]()
    for path, entry in was.items():
        target = folder / path
        if path in planned or not target.exists():
            continue
        if digest(target) != entry["sha256"]:
            left.append(path)
            continue
        target.unlink()
        removed += 1
        for parent in target.relative_to(folder).parents[:-1]:
            with suppress(OSError):  # it is not empty
                (folder / parent).rmdir()
    return removed, left


def _settle(files: Iterable[Path]) -> None:
    """Have files and their names outlive a power cut, all of them at once: the disk takes them together, where one by
    one each would wait for it."""
    folders = set[Path]()
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)


def _write_lists(folder: Path, plan: Plan, entries: Sequence[Mapping[str, Any]]) -> None:
    for name, content in tables(plan.profile, entries).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
    write_whole(folder / manifest.CSV_NAME, manifest.as_csv(entries))
    head = {
        "delivery": manifest.VERSION,
        "of": plan.asked,
        "chosen": plan.chosen,
        "profile": plan.profile_name,
        "settings": plan.profile.model_dump(mode="json", exclude={"like"}),
    }
    write_whole(folder / manifest.JSON_NAME, manifest.as_json(head, entries))
