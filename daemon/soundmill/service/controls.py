"""Control files, worked off: each wish is applied or refused once, and then its file goes."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ulid import ULID

from soundmill.catalog import wishes
from soundmill.catalog.asking import comparisons, ratings, shortlists
from soundmill.catalog.asking.answers import Answer, Wish
from soundmill.catalog.catalog import Catalog
from soundmill.disk import sync_folder
from soundmill.errors import InvalidControl
from soundmill.faults import passing
from soundmill.inbox import control
from soundmill.inbox.control import STEERING, Control, Wished

log = logging.getLogger(__name__)

UNREADABLE = "?"  # the action of a wish that makes no sense


class Controls:
    """Those of one folder. `cancelled(job_ids)` and `rated(batch_ids)` hear of what the catalogue has done already;
    `prune()` begins what goes on for longer."""

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        *,
        cancelled: Callable[[list[int]], None],
        rated: Callable[[set[int]], None],
        prune: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._cancelled = cancelled
        self._rated = rated
        self._prune = prune
        self._clock = clock
        self._done: set[Path] = set()  # but they can't be removed, and need not be read again

    @property
    def waiting(self) -> bool:
        """Whether there are some that are still to be applied. Raises OSError."""
        return any(path not in self._done for path, _ in control.pending(self._folder))

    def work_off(self) -> None:
        """Raises OSError for the first that can't be read or removed now, when all others are done."""
        trouble: OSError | None = None
        removed = False
        found = control.waiting(self._folder)
        self._done &= {path for path, _ in found}
        for path, wished in found:
            if isinstance(wished, OSError):
                trouble = trouble or wished
                continue
            if path not in self._done:
                passing("control.apply")
                self._work_off(wished)
                self._done.add(path)
            try:
                passing("control.remove")
                path.unlink(missing_ok=True)
            except OSError as error:
                trouble = trouble or error
            else:
                removed = True
                self._done.discard(path)
        if removed:
            sync_folder(
                self._folder
            )  # answers are kept for a while only: later, a file that came back would be done again
        if trouble is not None:
            raise trouble

    def _work_off(self, wished: list[Wished]) -> None:
        """All wishes of a file in one transaction."""
        for answer in self._catalog.answer([self._wish(ulid, wish) for ulid, wish in wished]):
            wish = answer.wish
            if answer.reason is not None:
                log.info("control refused: %s", answer.reason)
                continue
            log.info("control applied: %s %s", wish.action, wish.target)
            self._tell(answer)

    def _tell(self, answer: Answer) -> None:
        if not answer.effect:
            return
        if answer.wish.action == "cancel":
            self._cancelled(list(answer.effect))
        elif answer.wish.action not in STEERING:
            self._rated(set(answer.effect))

    def _wish(self, ulid: str, wish: Control | InvalidControl) -> Wish:
        said = (UNREADABLE, "", "") if isinstance(wish, InvalidControl) else (wish.action, wish.target, wish.who)
        action, target, who = said
        return Wish(
            ulid=ulid,
            action=action,
            target=target,
            who=who,
            asked_at=self._asked_at(ulid),
            told=action in STEERING,
            effect=lambda db, now: self._prune() if action == "prune" else _apply(db, now, ulid, wish),
        )

    def _asked_at(self, ulid: str) -> float:
        try:
            return ULID.from_str(ulid).timestamp
        except ValueError:  # somebody wrote the file by hand
            return self._clock()


def _apply(db: sqlite3.Connection, now: float, ulid: str, wish: Control | InvalidControl) -> Collection[int] | None:
    """Do what a wish asks for. The jobs that were running, of a cancel; the batches whose reports tell of it, of what
    somebody thinks. Raises InvalidControl."""
    if isinstance(wish, InvalidControl):
        raise wish
    target, who = wish.target, wish.who
    match wish.action:
        case "cancel":
            return wishes.cancel(db, now, target)
        case "pause":
            wishes.pause(db, now, target)
        case "resume":
            wishes.resume(db, now, target)
        case "retry":
            wishes.retry(db, now, target)
        case "priority":
            assert wish.priority is not None
            wishes.prioritise(db, now, target, wish.priority)
        case "archive" | "unarchive":
            wishes.archive(db, now, target, archived=wish.action == "archive")
        case "rate":
            return ratings.rate(
                db, now, target, wish.stars or None, wish.note, who, keep_note=wish.keep_note, rejected=wish.rejected
            )
        case "reject" | "unreject":
            return ratings.reject(db, now, target, who, rejected=wish.action == "reject")
        case "note":
            return ratings.annotate(db, now, target, who, wish.note)
        case "pick":
            shortlists.pick(db, now, target, wish.shortlist, who, wish.note, keep_note=wish.keep_note)
        case "unpick":
            shortlists.unpick(db, target, wish.shortlist)
        case "compare":
            assert wish.second is not None and wish.answer is not None
            return comparisons.compare(
                db,
                now,
                ulid,
                who,
                first=target,
                second=wish.second,
                answer=wish.answer,
                blind=wish.blind,
                attention=wish.attention,
                expected=wish.expected,
                study=wish.study,
            )
        case "create_list":
            shortlists.create(db, now, target, wish.note, who)
        case "rename_list":
            assert wish.name is not None
            shortlists.rename(db, target, wish.name)
        case "archive_list" | "unarchive_list":
            shortlists.archive(db, now, target, archived=wish.action == "archive_list")
        case "delete_list":
            shortlists.delete(db, target)
    return None
