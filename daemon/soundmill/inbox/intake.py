"""Inbox: from the folder into the catalogue, each file exactly once, whatever happens in between.

Every step can be the last before a crash. The ulid in the claimed file's name is the key: what the
catalogue already has under it was ingested or rejected, and only the move is still due.
"""

from __future__ import annotations

import contextlib
import errno
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soundmill.errors import CatalogError, InvalidJobFile, Problem, StorageUnavailable
from soundmill.inbox.aftermath import MOST_WATCHED, Aftermath
from soundmill.inbox.jobfile.context import Rules
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.inbox.names import asks_again, rest_of
from soundmill.inbox.notices import Notices
from soundmill.inbox.rest import rest
from soundmill.inbox.spool import Claimed, Content, Spool
from soundmill.jobs import Batch, BatchSpec, Job, Source

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0
# A burst is taken in by parts, so that whoever calls can stop or show signs of life between.
FILES_PER_SCAN = 1000
SCAN_S = 10.0  # a file whose design has to be drawn takes a second or two


class CatalogPort(Protocol):
    """What the intake asks of the catalogue."""

    def batch_by_ulid(self, ulid: str) -> Batch | None: ...

    def rejection_exists(self, ulid: str) -> bool: ...

    def batch_by_sha256(self, sha256: str) -> Batch | None: ...

    def kept_files(self, most: int) -> list[tuple[str, Source]]: ...

    def kept_as(self, name: str) -> Batch | None: ...

    def tell_jobs(self, batch_id: int, tell: Callable[[Job], None]) -> None: ...

    def ingest(self, spec: BatchSpec, source: Source) -> Batch:
        """One transaction; lets an InvalidJobFile out of `spec.jobs` through after rolling back."""
        ...

    def event(self, kind: str, message: str) -> None: ...

    def get_setting(self, key: str) -> str | None: ...

    def set_setting(self, key: str, value: str) -> None: ...

    def record_rejection(self, ulid: str, file_name: str, sha256: str | None, problems: Sequence[Problem]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file: a batch, or problems, or (neither of them yet) an error, and it is tried again."""

    file_name: str
    ulid: str
    batch: Batch | None = None
    problems: tuple[Problem, ...] = ()
    error: Exception | None = None

    @property
    def reason(self) -> str:
        """Why it was not accepted, in one line; blank if it was."""
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}; it stays claimed and is tried again"
        return str(InvalidJobFile(self.problems)) if self.problems else ""

    @property
    def accepted(self) -> bool:
        return self.batch is not None and self.error is None

    @property
    def rejected(self) -> bool:
        return bool(self.problems) and self.error is None


@dataclass(frozen=True, slots=True)
class _Wait:
    until: float
    length_s: float


class Intake:
    """Works the inbox off. `max_bytes` is the size above which a file is rejected unread."""

    def __init__(self, spool: Spool, catalog: CatalogPort, rules_for: Callable[[str], Rules], max_bytes: int) -> None:
        self._spool = spool
        self._catalog = catalog
        self._rules_for = rules_for
        self._max_bytes = max_bytes
        self._more = self._recalled = False
        self._aftermath = Aftermath(spool.clock, self._is_accepted, command=spool.command)
        self._notices = Notices(catalog)
        self._waits: dict[str, _Wait] = {}  # by ulid, or by name for a file that cannot be claimed

    def use(self, rules_for: Callable[[str], Rules], max_bytes: int, *, settle_s: float, patience_s: float) -> None:
        """Take files in by other rules from the next one on."""
        self._rules_for, self._max_bytes = rules_for, max_bytes
        self._spool.use(settle_s=settle_s, patience_s=patience_s)

    @property
    def waiting(self) -> bool:
        """Whether the last scan left files that have not settled yet."""
        return self._spool.unsettled > 0

    @property
    def more(self) -> bool:
        """Whether the last scan left settled files for the next one."""
        return self._more

    @property
    def postponed(self) -> frozenset[str]:
        """The ulids of claimed files and the names of others that could not be taken in and are tried again."""
        return frozenset(self._waits)

    def scan(self) -> list[Outcome]:
        """Resume what was claimed before, then take in what has settled, up to FILES_PER_SCAN files or for SCAN_S.

        Raises OSError if the inbox can't be listed.

        What goes wrong with one file is its Outcome's `error`; it stays claimed and is tried again
        after a while that doubles each time.
        """
        if not self._recalled:
            self._recall()
        pending = self._spool.pending()
        self._forget_gone(pending)
        pending = [claimed for claimed in pending if self._is_due(claimed.ulid)]
        fresh = [path for path in self._spool.settled() if self._is_due(path.name)]
        self._more = len(pending) + len(fresh) > FILES_PER_SCAN
        until = self._spool.clock() + SCAN_S
        outcomes = []
        work: list[Claimed | Path] = [*pending, *fresh]
        for one in work[:FILES_PER_SCAN]:
            if self._spool.clock() >= until:
                self._more = True
                break
            outcome = self._finish(one, resumed=True) if isinstance(one, Claimed) else self._take(one)
            if outcome is not None:
                outcomes.append(outcome)
        with contextlib.suppress(CatalogError, StorageUnavailable):  # said at the next scan then
            self._notices.post([*self._spool.notices, *self._aftermath.notices(self._max_bytes)])
        return outcomes

    def _recall(self) -> None:
        """Have the files watched that a former daemon accepted last."""
        with contextlib.suppress(CatalogError, StorageUnavailable):  # asked for at the next scan then
            for batch, source in self._catalog.kept_files(MOST_WATCHED):
                self._aftermath.watch(self._spool.inbox / "accepted" / str(source.kept_as), batch=batch, source=source)
            self._recalled = True

    def _take(self, path: Path) -> Outcome | None:
        """Claim a fresh file and take it to its end; None if it has gone meanwhile."""
        try:
            claimed = self._spool.claim(path)
        except OSError as error:
            self._postpone(path.name)
            return Outcome(file_name=path.name, ulid="", error=error)
        if claimed is None:
            return None
        self._waits.pop(path.name, None)
        return self._finish(claimed, resumed=False)

    def _finish(self, claimed: Claimed, resumed: bool) -> Outcome | None:
        """Take one claimed file to its end, or note why not and when to try again; None if it went back."""
        try:
            outcome = self._ingest(claimed, resumed)
        except Exception as error:  # whatever it is, the other files must go on
            self._postpone(claimed.ulid)
            return Outcome(file_name=claimed.file_name, ulid=claimed.ulid, error=error)
        self._waits.pop(claimed.ulid, None)
        return outcome

    def _ingest(self, claimed: Claimed, resumed: bool) -> Outcome | None:
        batch = self._catalog.batch_by_ulid(claimed.ulid) if resumed else None
        if batch is not None:
            self._spool.accept(claimed)
            return Outcome(file_name=claimed.file_name, ulid=claimed.ulid, batch=batch)
        if resumed:
            self._spool.keep(claimed)
        recorded = resumed and self._catalog.rejection_exists(claimed.ulid)
        if resumed and not recorded and self._spool.is_back(claimed):
            self._spool.let_go(claimed)
            return None
        content = None
        try:
            content = self._spool.read(claimed, self._max_bytes)
            batch, source = self._read_and_ingest(claimed, content, recorded)
        except InvalidJobFile as refused:
            if content is not None and not recorded and not self._spool.is_still(claimed, content):
                self._give_back(claimed)
                return None
            return self._reject(claimed, content.sha256 if content else None, refused.problems, recorded)
        except BlockingIOError:
            self._give_back(claimed)
            return None
        accepted = self._spool.accept(claimed)
        self._aftermath.watch(accepted, batch=batch.name, source=source)
        return Outcome(file_name=claimed.file_name, ulid=claimed.ulid, batch=batch)

    def _read_and_ingest(self, claimed: Claimed, content: Content, recorded: bool) -> tuple[Batch, Source]:
        """Raises InvalidJobFile; BlockingIOError if the file is not what was read any more."""
        source = Source(
            ulid=claimed.ulid,
            file_name=claimed.file_name,
            sha256=content.sha256,
            size_bytes=len(content.data),
            again=asks_again(claimed.file_name),
            kept_as=str(self._spool.place_for(claimed, "accepted").relative_to(self._spool.inbox / "accepted")),
            modified_ns=content.state[1],
            rest_of=self._completed_by(claimed),
        )
        if not source.again:
            self._refuse_repeated(claimed, content.sha256)
        if source.rest_of is None:
            spec = read_jobs(content.data, claimed.file_name, self._rules_for(claimed.ulid))
        else:
            spec = read_jobs(content.data, claimed.file_name, self._rules_for(source.rest_of.ulid))
            spec = rest(spec, source.rest_of, self._catalog.tell_jobs)
        if recorded:
            message = "was rejected before Soundmill stopped; the catalogue's rejected_files says why"
            raise InvalidJobFile([Problem(message=message)])
        if not self._spool.is_still(claimed, content):
            raise BlockingIOError(errno.EAGAIN, "was written to while it was read", claimed.file_name)
        return self._catalog.ingest(spec, source), source

    def _completed_by(self, claimed: Claimed) -> Batch | None:
        """The batch whose missing rows a file's name asks for. Raises InvalidJobFile where there is none."""
        original = rest_of(claimed.file_name)
        batch = None if original is None else self._catalog.kept_as(original)
        if original is not None and batch is None:
            message = f"asks for the rest of {original}, and no accepted file has that name; for all of it, rename it"
            raise InvalidJobFile([Problem(message=message)])
        return batch

    def _give_back(self, claimed: Claimed) -> None:
        """It was not whole after all: the inbox has it again, and it is taken when it has rested."""
        back = self._spool.give_back(claimed)
        with contextlib.suppress(CatalogError, StorageUnavailable):
            self._catalog.event("file put back", f"{back.name}: was written to while it was read; it is read again")

    def _is_accepted(self, sha256: str) -> bool:
        return self._catalog.batch_by_sha256(sha256) is not None

    def _refuse_repeated(self, claimed: Claimed, sha256: str) -> None:
        earlier = self._catalog.batch_by_sha256(sha256)
        if earlier is not None:
            path = shlex.quote(str(self._spool.place_for(claimed, "rejected").absolute()))
            message = (
                f"has the same content as batch {earlier.name}, which was accepted earlier; "
                f"to run it once more: {self._spool.command} submit --again {path}"
            )
            raise InvalidJobFile([Problem(message=message)])

    def _reject(self, claimed: Claimed, sha256: str | None, problems: tuple[Problem, ...], recorded: bool) -> Outcome:
        if not recorded:
            self._catalog.record_rejection(claimed.ulid, claimed.file_name, sha256, problems)
        self._spool.reject(claimed, problems)
        return Outcome(file_name=claimed.file_name, ulid=claimed.ulid, problems=problems)

    def _is_due(self, key: str) -> bool:
        wait = self._waits.get(key)
        return wait is None or self._spool.clock() >= wait.until

    def _forget_gone(self, pending: Sequence[Claimed]) -> None:
        """Somebody may have taken away what was waited for."""
        ulids = {claimed.ulid for claimed in pending}
        for key in [key for key in self._waits if key not in ulids and not self._spool.has(key)]:
            del self._waits[key]

    def _postpone(self, key: str) -> None:
        before = self._waits.get(key)
        length = FIRST_WAIT_S if before is None else min(2 * before.length_s, LONGEST_WAIT_S)
        self._waits[key] = _Wait(self._spool.clock() + length, length)
