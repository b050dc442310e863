"""Retention: the takes that soundmill.yaml lets go, pruned a few at a time, once an hour and when somebody asks.

It goes on while the outputs folder is there, also where its disk is full: then it makes the room that is waited for.
After a start, and whenever the date was changed, nothing goes by itself for an hour: by a wrong date all takes are old.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.keeping.retention import Rules, Stored, plan
from soundmill.catalog.shelf import files
from soundmill.errors import InvalidControl
from soundmill.words import count, size

INTERVAL_S = 3600.0
AT_ONCE = 50  # files in one step: a few milliseconds each, and the daemon has other things to do
DATE_MOVED_S = 60.0
SETTING = "retention"  # the rules the daemon goes by, for `soundmill prune`


class Pruning:
    """`clock` gives Unix seconds, `steady` seconds that no change of the date moves; `record(kind, message)` writes an
    event."""

    def __init__(
        self,
        catalog: Catalog,
        outputs: Path,
        rules: Rules,
        *,
        record: Callable[[str, str], None],
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._outputs = outputs
        self._rules = rules
        self._record = record
        self._clock = clock
        self._steady = steady
        self._round: Iterator[None] | None = self._remove()  # what a daemon that was killed has marked
        self._due_at = steady() + INTERVAL_S
        self._date = clock() - steady()
        self._asked = self._deciding = False
        self._noted = False

    def use(self, rules: Rules) -> None:
        """Go by other rules from now on, beginning anew."""
        if rules != self._rules:
            self._rules, self._round, self._deciding, self._noted = rules, self._remove(), False, False

    def ask(self) -> None:
        """Have a round begin at the next step. Raises InvalidControl where no rule is set."""
        if not self._rules.any:
            raise InvalidControl("prune: retention is off; set it in soundmill.yaml, then SIGHUP")
        self._asked = True

    @property
    def idle(self) -> bool:
        """True when nothing is under way, or was asked for."""
        return self._round is None and not self._asked

    def step(self) -> None:
        """Look at, or prune, a few takes. Raises StorageUnavailable, CatalogError; the next step begins a new round."""
        if not self._noted:
            self._catalog.set_setting(SETTING, json.dumps(asdict(self._rules)))
            self._noted = True
        self._mind_the_date()
        if self._round is None and (self._asked or (self._rules.any and self._steady() >= self._due_at)):
            self._round, self._deciding, self._asked = self._work(asked=self._asked), True, False
        if self._round is None:
            return
        try:
            next(self._round)
        except StopIteration:
            self._round, self._deciding = None, False
        except BaseException:
            self._round, self._deciding = self._remove(), False
            raise

    def _mind_the_date(self) -> None:
        date = self._clock() - self._steady()
        if abs(date - self._date) > DATE_MOVED_S:
            self._date, self._due_at = date, self._steady() + INTERVAL_S
            if self._asked or self._deciding:
                self._round, self._asked, self._deciding = self._remove(), False, False
                self._record("takes kept", "the date was changed while takes were pruned: ask again once it is right")

    def _work(self, *, asked: bool) -> Iterator[None]:
        self._due_at = self._steady() + INTERVAL_S
        yield from self._remove()
        gone: list[Stored] = []
        for going in plan(self._catalog.stored, self._rules, self._catalog.needed_takes(), self._clock()):
            takes = iter(going)
            while some := list(islice(takes, AT_ONCE)):
                marked = self._catalog.prune([take.id for take in some])
                yield from self._remove()
                gone += [take for take in some if take.id in marked]
            yield
        if gone or asked:
            self._record("takes pruned", _said(gone))

    def _remove(self) -> Iterator[None]:
        while marked := self._catalog.files_to_go(AT_ONCE):
            for _, path in marked:
                files.discard(self._outputs, path)
            self._catalog.pruned([output_id for output_id, _ in marked])
            yield


def _said(gone: list[Stored]) -> str:
    if not gone:
        return "none was due"
    batches = len({take.batch for take in gone})
    taken = size(sum(take.size_bytes for take in gone))
    of = f"{batches} batch{'' if batches == 1 else 'es'}"
    return f"{count(len(gone), 'take')} of {of}, {taken}; their rows stay, and soundmill rerun makes one again"
