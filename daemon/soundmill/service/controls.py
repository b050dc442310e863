"""Control files, worked off: each is applied or refused once, and then it goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from soundmill.catalog.catalog import Catalog
from soundmill.disk import sync_folder
from soundmill.errors import InvalidControl
from soundmill.faults import passing
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
        self._done: set[Path] = set()  # but they can't be removed: applied again, a rating or a retry would do harm

    @property
    def waiting(self) -> bool:
        """Whether there are some that are still to be applied. Raises OSError."""
        return any(path not in self._done for path, _ in control.pending(self._folder))

    def work_off(self) -> None:
        """Raises OSError for the first that can't be read or removed now, when all others are done."""
        trouble: OSError | None = None
        removed = False
        found = control.pending(self._folder)
        self._done &= {path for path, _ in found}
        for path, wish in found:
            if isinstance(wish, OSError):
                trouble = trouble or wish
                continue
            if path not in self._done:
                passing("control.apply")
                self._work_off(wish)
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
            sync_folder(self._folder)  # or a power cut brings them back: a retry would be done again
        if trouble is not None:
            raise trouble

    def _work_off(self, wish: Control | InvalidControl) -> None:
        try:
            if isinstance(wish, InvalidControl):
                raise wish
            self._apply(wish)
        except InvalidControl as error:
            self._record("control refused", str(error))
        else:
            self._record("control applied", f"{wish.action} {wish.target}")

    def _apply(self, wish: Control) -> None:
        match wish.action:
            case "cancel":
                self._cancelled(self._catalog.cancel(wish.target))
            case "pause":
                self._catalog.pause(wish.target)
            case "resume":
                self._catalog.resume(wish.target)
            case "retry":
                self._catalog.retry(wish.target)
            case "rate":
                assert wish.stars is not None
                self._rated(self._catalog.rate(wish.target, wish.stars, wish.note))
