"""The programs beside the daemon: those that drop job files, in all the ways that people's programs do, and commands.

What they have not fsynced a power cut may take; what `soundmill submit` and control.drop have told them is done may
not get lost.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from simulate.disk import Change
from simulate.observer import Observer
from simulate.scenario import Drop, Wish
from simulate.world import Mode, World
from soundmill.inbox import control
from soundmill.inbox.names import is_candidate
from soundmill.inbox.spool import submit

STEM = re.compile(r"d\d{5}")
MOST_BYTES = 40_000  # of a job file; a huge one has more
UNLUCKY = ("slow", "torn", "growing")  # of these nobody knows when they are whole


def stem_of(name: str) -> str | None:
    """The drop that a file belongs to."""
    found = STEM.search(name)
    return None if found is None else found[0]


class Writers:
    """`arrived` counts the files that came to stand in the inbox under a drop's name, `rows` what its batch has."""

    def __init__(self, world: World, observer: Observer) -> None:
        self._world = world
        self._observer = observer
        self._inbox = world.home / "inbox"
        self._control = self._inbox / ".control"
        self._due: list[tuple[float, int, Iterator[float]]] = []
        self._numbers = itertools.count()
        self._handles: dict[int, int] = {}  # inode by descriptor
        self._mtime_ns = itertools.count(1_750_000_000_000_000_000, 1_000_000)
        self._used: set[tuple[str, str]] = set()
        self._contents: list[bytes] = []
        self.arrived: Counter[str] = Counter()
        self.rows: dict[str, int] = {}
        self.told: set[str] = set()  # drops of which somebody was told that they are there
        self.wishes: dict[str, tuple[str, str]] = {}  # those that must be applied once: action and label, by file name
        self.notes: set[str] = set()  # ratings that must be given once

    # -- time --------------------------------------------------------------------------------

    def begin(self, drops: Sequence[Drop], wishes: Sequence[Wish]) -> None:
        start = self._world.steady()
        for drop in drops:
            self._at(start + drop.at_s, self._drop(drop))
        for wish in wishes:
            self._at(start + wish.at_s, self._wish(wish))

    def go(self) -> None:
        """All that is due by now."""
        while self._due and self._due[0][0] <= self._world.steady():
            due, _, work = heapq.heappop(self._due)
            wait = next(work, None)
            if wait is not None:
                self._at(due + wait, work)

    @property
    def next_due(self) -> float | None:
        return self._due[0][0] if self._due else None

    def _at(self, when: float, work: Iterator[float]) -> None:
        heapq.heappush(self._due, (when, next(self._numbers), work))

    def power_cut(self, undone: Sequence[Change]) -> None:
        """Everybody's memory is gone; what was never on the disk never arrived."""
        began = {id(work) for _, _, work in self._due if work.gi_frame is not None and work.gi_frame.f_lasti > 5}  # type: ignore[attr-defined]
        self._due = [each for each in self._due if id(each[2]) not in began]
        heapq.heapify(self._due)
        for handle in list(self._handles):
            self._close(handle)
        for change in undone:
            name = change.b or change.a
            if change.kind not in ("create", "rename", "link") or not self._is_arrival(name) or change.kept is not None:
                continue
            if change.kind != "create" and (self._is_arrival(change.a) or not change.a.startswith(f"{self._inbox}/")):
                continue
            if "/.claimed/" in change.a:
                continue
            stem = str(stem_of(name.rpartition("/")[2]))
            self.arrived[stem] -= 1

    def _is_arrival(self, path: str) -> bool:
        folder, name = os.path.split(path)
        return folder == str(self._inbox) and is_candidate(name)

    # -- files as programs write them --------------------------------------------------------

    def _open(self, path: Path, *, append: bool = False) -> int:
        name = str(path)
        new = not os.path.lexists(name)
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC), 0o644)
        self._world.disk.written(name, new=new)
        inode = os.fstat(handle).st_ino
        self._handles[handle] = inode
        self._world.open_inodes.add(inode)
        return handle

    def _write(self, handle: int, data: bytes) -> None:
        os.write(handle, data)
        os.utime(handle, ns=(0, next(self._mtime_ns)))

    def _close(self, handle: int) -> None:
        self._world.open_inodes.discard(self._handles.pop(handle))
        os.close(handle)

    def _write_all(self, path: Path, data: bytes) -> None:
        handle = self._open(path)
        self._write(handle, data)
        self._close(handle)

    def _rename(self, a: Path, b: Path) -> None:
        if not os.path.lexists(b):
            self._came(b)
        self._world.disk.rename(str(a), str(b))

    def _came(self, path: Path) -> None:
        self.arrived[str(stem_of(path.name))] += 1

    # -- drops -------------------------------------------------------------------------------

    def _drop(self, drop: Drop) -> Iterator[float]:
        rng = random.Random(f"drop {drop.number} {drop.pick}")
        stem = f"d{drop.number:05d}"
        ways: dict[str, Callable[[str, Drop, random.Random], Iterator[float]]] = {
            "slow": self._slowly, "torn": self._torn, "growing": self._growing, "submitted": self._submitted,
            "renamed": self._renamed, "replaced": self._replaced,
        }  # fmt: skip
        yield from ways.get(drop.kind, self._at_once)(stem, drop, rng)

    def _content(self, stem: str, drop: Drop, rng: random.Random) -> tuple[str, bytes]:
        """A suffix and the bytes of a file that is whole."""
        priority = rng.choice(["", "", "0", "5"])
        model = rng.choice(["", "", "tiny", "facebook/musicgen-small"])
        prompts = [f"clip {row} of {stem} {drop.pick}" for row in range(drop.rows)]
        if drop.kind == "invalid":
            return ".csv", b"prompt,duration\n" + b"".join(b"%s,never\n" % p.encode() for p in prompts)
        if drop.kind == "huge":
            return ".csv", b"prompt\n" + b"x" * 60 + b"\n" * MOST_BYTES
        if drop.kind == "best of":
            count = rng.choice([2, 3])
            self.rows[stem] = drop.rows * count
            lines = [f"{p},{count},{rng.randrange(1, count)},0.5" for p in prompts]
            return ".csv", ("prompt,count,keep_best,duration\n" + "\n".join(lines) + "\n").encode()
        self.rows[stem] = drop.rows
        if drop.kind in ("checked", "delivered"):
            action = rng.choice(["keep", "retry", "quarantine"])
            jobs = "".join(f"  - {p}\n" for p in prompts)
            deliver = "deliver: game\n" if drop.kind == "delivered" else ""
            return ".yaml", f"on_qc_fail: {action}\n{deliver}defaults:\n  duration: 0.5\njobs:\n{jobs}".encode()
        lines = [f"{p},{model},{priority},0.5" for p in prompts]
        return ".csv", ("prompt,model,priority,duration\n" + "\n".join(lines) + "\n").encode()

    def _at_once(self, stem: str, drop: Drop, rng: random.Random) -> Iterator[float]:
        suffix, data = self._content(stem, drop, rng)
        if drop.kind in ("duplicate", "again") and self._contents:
            data = rng.choice(self._contents)
            self.rows.pop(stem, None)
        elif drop.kind == "whole":
            self._contents.append(data)
        path = self._inbox / (f"{stem}.again{suffix}" if drop.kind == "again" else f"{stem}{suffix}")
        self._came(path)
        self._write_all(path, data)
        yield 0.0

    def _submitted(self, stem: str, drop: Drop, rng: random.Random) -> Iterator[float]:
        suffix, data = self._content(stem, drop, rng)
        source = self._world.home.parent / f"{stem}{suffix}"
        source.write_bytes(data)
        with self._world.acting(Mode.OTHERS):
            target = submit(source, self._inbox)
        source.unlink()
        os.utime(target, ns=(0, next(self._mtime_ns)))
        self._came(target)
        self.told.add(stem)
        yield 0.0

    def _slowly(self, stem: str, drop: Drop, rng: random.Random) -> Iterator[float]:
        suffix, data = self._content(stem, drop, rng)
        self.rows.pop(stem)
        path = self._inbox / f"{stem}{suffix}"
        self._came(path)
        handle = self._open(path, append=True)
        pieces = rng.randrange(2, 6)
        size = len(data) // pieces + 1
        for start in range(0, len(data), size):
            if handle not in self._handles:
                return
            self._write(handle, data[start : start + size])
            yield rng.choice([0.1, 0.5, 3.0, 8.0, 15.0])
        if handle in self._handles:
            self._close(handle)

    def _torn(self, stem: str, drop: Drop, rng: random.Random) -> Iterator[float]:
        suffix, data = self._content(stem, drop, rng)
        self.rows.pop(stem)
        path = self._inbox / f"{stem}{suffix}"
        self._came(path)
        self._write_all(path, data[: rng.randrange(len(data))])
        yield 0.0

    def _growing(self, stem: str, drop: Drop, rng: random.Random) -> Iterator[float]:
        """A program that opens its file anew for each row, or holds it open long after it was taken."""
        suffix, data = self._content(stem, drop, rng)
        self.rows.pop(stem)
        path = self._inbox / f"{stem}{suffix}"
        self._came(path)
        handle = self._open(path, append=True)
        self._write(handle, data)
        holds = rng.random() < 0.5
        if not holds:
            self._close(handle)
        for number in range(rng.randrange(1, 5)):
            yield rng.choice([0.9, 1.0, 1.1, 2.0, 12.0])
            if holds:
                if handle not in self._handles:
                    return
            else:
                try:
                    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
                except FileNotFoundError:
                    return
                self._handles[handle] = os.fstat(handle).st_ino
                self._world.disk.written(str(path), new=False)
            self._write(handle, f"one more row {number} of {stem}\n".encode())
            if not holds:
                self._close(handle)
        if holds and handle in self._handles:
            self._close(handle)

    def _renamed(self, stem: str, drop: Drop, rng: random.Random) -> Iterator[float]:
        suffix, data = self._content(stem, drop, rng)
        part = self._inbox / f"{stem}{suffix}.tmp"
        path = self._inbox / f"{stem}{suffix}"
        self._write_all(part, data)
        yield rng.choice([0.0, 0.5, 5.0])
        if not part.exists():
            return
        self._rename(part, path)
        if rng.random() < 0.5:
            yield rng.choice([0.3, 1.0, 2.0])
            if path.exists():
                self._rename_away(path, self._inbox / f"{stem}b{suffix}")

    def _rename_away(self, a: Path, b: Path) -> None:
        self._world.disk.rename(str(a), str(b))

    def _replaced(self, stem: str, drop: Drop, rng: random.Random) -> Iterator[float]:
        suffix, data = self._content(stem, drop, rng)
        path = self._inbox / f"{stem}{suffix}"
        part = self._inbox / f"{stem}{suffix}.tmp"
        self._came(path)
        self._write_all(path, data)
        yield rng.choice([0.5, 1.0, 1.5])
        self._write_all(part, data.replace(b"clip", b"clop"))
        self._rename(part, path)

    # -- wishes ------------------------------------------------------------------------------

    def _wish(self, wish: Wish) -> Iterator[float]:
        rng = random.Random(f"wish {wish.number} {wish.pick}")
        name = f"{wish.number:026d}"
        if wish.action == "invalid":
            self._write_all(
                self._control / f"{name}.json", rng.choice([b"", b"{}", b'{"action": "dance"}', b"[" * 9999])
            )
            return
        if wish.action in ("rate", "pick", "several", "by hand"):
            self._say(wish, rng, name)
            return
        batches = sorted(self._observer.batches)
        if not batches:
            return
        batch = rng.choice(batches)
        label = "retention" if wish.action == "prune" else batch
        if wish.action == "cancel job":
            jobs = sorted(self._observer.labels[self._observer.batches[batch]].values())
            label = rng.choice(jobs) if jobs else batch
        action: control.Action = "cancel" if wish.action == "cancel job" else wish.action  # type: ignore[assignment]
        if not self._ask(action, label, name):
            return
        if action == "pause":
            yield rng.choice([5.0, 40.0])
            self._ask("resume", label, f"{wish.number:025d}R")

    def _say(self, wish: Wish, rng: random.Random, name: str) -> None:
        """What somebody thinks of takes; each wish by a note of its own."""
        takes = sorted(self._observer.takes)
        if not takes:
            return

        def one(number: int) -> control.Control:
            target = self._observer.label(self._observer.takes[rng.choice(takes)].job_id)
            note, who = f"note {wish.number}.{number}", rng.choice(["owner", "another"])
            if wish.action == "pick" or (wish.action == "several" and rng.random() < 0.5):
                return control.Control(action="pick", target=target, who=who, note=note)
            return control.Control(action="rate", target=target, who=who, stars=rng.randrange(1, 6), note=note)

        if wish.action == "by hand":  # by a program that knows nothing of ulids, and reuses a name
            path = self._control / "mine.json"
            if not path.exists():
                self._write_all(path, json.dumps(control.plain(one(0))).encode())
            return
        if wish.action == "several":
            wishes = [(f"{wish.number:024d}{number}S", one(number)) for number in range(rng.randrange(2, 5))]
            with self._world.acting(Mode.OTHERS):
                control.drop_all(self._control, wishes)
        else:
            wishes = [(name, one(0))]
            self._leave(wishes[0][1], name)
        self.notes |= {str(said.note) for _, said in wishes}

    def _ask(self, action: control.Action, label: str, name: str) -> bool:
        """Once each, so that the catalogue's events tell which was applied."""
        if (action, label) in self._used and action != "prune":
            return False
        self._used.add((action, label))
        self._leave(control.Control(action=action, target=label), name)
        self.wishes[name] = (action, label)
        return True

    def cancel(self, label: str, name: str) -> None:
        """Ask for it now."""
        self._ask("cancel", label, name)

    def resume_all(self) -> None:
        """Nothing stays paused at the end."""
        for action, label in sorted(self._used):
            if action == "pause":
                self._ask("resume", label, f"{len(self._used):025d}E")

    def _leave(self, wish: control.Control, name: str) -> None:
        with self._world.acting(Mode.OTHERS):
            control.drop(self._control, wish, name)
