"""Control files, worked off: each is applied or refused once, and then it goes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from soundmill.catalog import wishes
from soundmill.catalog.catalog import Catalog
from soundmill.disk import sync_folder
from soundmill.errors import InvalidControl
from soundmill.inbox import control
from soundmill.inbox.control import Control


class Controls:
    """Those of one folder. `cancelled(job_ids)` and `rated(batch_ids)` hear of what the catalogue has done already;
    `record(kind, message)` writes an event."""

    def __init__(
        self,
        folder: Path,
        catalog: Catalog,
        *,
        cancelled: Callable[[list[int]], None],
        rated: Callable[[set[int]], None],
        record: Callable[[str, str], None],
    ) -> None:
        self._folder = folder
        self._catalog = catalog
        self._cancelled = cancelled
        self._rated = rated
        self._record = record
        # Applied, and not removed so that a power cut leaves them so: applied again, a rating or a retry would do harm.
        self._done: set[Path] | None = None  # as the catalogue has them, by their names

    @property
    def waiting(self) -> bool:
        """Whether there are some that are still to be applied. Raises OSError."""
        return any(path not in (self._done or ()) for path, _ in control.pending(self._folder))

    def work_off(self) -> None:
        """Raises OSError for the first that can't be read or removed now, when all others are done."""
        trouble: OSError | None = None
        found = control.pending(self._folder)
        if not found and self._done is not None and not self._done:
            return
        if self._done is None:  # what a former daemon applied last
            self._done = {self._folder / name for name in self._catalog.applied()}
        for path, wish in found:
            if isinstance(wish, OSError):
                trouble = trouble or wish
                continue
            if path not in self._done:
                self._work_off(path.name, wish)
                self._done.add(path)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                trouble = trouble or error
        self._forget_removed(self._done)
        if trouble is not None:
            raise trouble

    def _forget_removed(self, done: set[Path]) -> None:
        """Those that are gone for good, also after a power cut. Raises OSError."""
        gone = {path for path in done if not os.path.lexists(path)}
        if not gone:
            return
        with contextlib.suppress(FileNotFoundError):  # the inbox was taken away, and they with it
            sync_folder(self._folder)
        self._catalog.forget_applied({path.name for path in gone})
        done -= gone

    def _work_off(self, name: str, wish: Control | InvalidControl) -> None:
        try:
            if isinstance(wish, InvalidControl):
                raise wish
            self._apply(name, wish)
        except InvalidControl as error:
            self._catalog.note_applied(name)
            self._record("control refused", str(error))
        else:
            self._record("control applied", f"{wish.action} {wish.target}")

    def _apply(self, name: str, wish: Control) -> None:
        once = self._catalog.once
        match wish.action:
            case "cancel":
                self._cancelled(once(name, wishes.cancel, wish.target))
            case "pause":
                once(name, wishes.pause, wish.target)
            case "resume":
                once(name, wishes.resume, wish.target)
            case "retry":
                once(name, wishes.retry, wish.target)
            case "rate":
                assert wish.stars is not None
                self._rated(once(name, wishes.rate, wish.target, wish.stars, wish.note))
