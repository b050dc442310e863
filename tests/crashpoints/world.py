"""The inbox that the lives work off, what people do meanwhile, and what must have become of it all.

A prompt's first words steer the engine (engine.py): `refused` is never made, `refused once` not at the first try, `oom
once` and `deadly once` take the engine's other clips along, `silence` fails its checks, `late` is cancelled by a person
in the moment in which its take is filed, `endless` while it is made.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crashpoints.diary import Diary
from soundmill.home import Home
from soundmill.inbox.control import Control, drop
from soundmill.inbox.spool import submit

OLD = "prompt\ncalm waves\nrefused once and then made\nput off by somebody\n"
RATED, PUT_OFF = "old/0001-calm-waves", "old/0003-put-off-by-somebody"
FILES = {
    "themes.csv": "prompt,scene\ncalm dawn,a\noom once by night,b\ndeadly once at sea,c\n"
    "refused for good,d\nlate guest,e\nendless rain,f\n",
    "best.yaml": "name: best\njobs:\n  - {prompt: bright bells, count: 3, keep_best: 1}\n  - calm bells\n",
    "again.yaml": "name: tries\non_qc_fail: retry\njobs: [silence and no sound]\n",
    "aside.yaml": "name: aside\non_qc_fail: quarantine\njobs: [silence in a room, calm room]\n",
    "broken.csv": "prompt,duration\nlong,many\n",
    "slow-writer.csv": "prompt\ncalm first row\n",
}
TWIN = "twin.csv"  # of the same content as themes.csv: one of the two is refused
LATE_ROW = "calm row that came late\n"
MADE_BEFORE = {
    "old.csv": OLD,
    "held.csv": "prompt\ncalm hold\ncalm hold too\n",
    "stop.csv": "prompt\ncalm end\ncalm end too\n",
}
REFUSED = {"broken.csv"}
# What `submit` gives the inbox, from a folder of the person's own.
SUBMITTED = {"old.again.csv": OLD, "old.rest.csv": OLD + "calm new row\n"}


@dataclass(frozen=True, slots=True)
class World:
    """`prepared`: the home has been in use before. `without_links`: its file system makes no hard links. `by_process`:
    engines are processes. `reports`: they are made. `stopped_at`: the first life gets SIGTERM there.
    `taken`: somebody takes a take away that is about to be moved. `folder_gone`: .claimed is removed at a claim."""

    prepared: bool = True
    without_links: bool = False
    by_process: bool = False
    reports: bool = True
    stopped_at: tuple[str, int] | None = None  # a point, and which pass of it
    taken: bool = False
    folder_gone: bool = False
    older: bool = False  # the catalogue is a former Soundmill's, and copies of it lie about

    @property
    def somebody_cancels(self) -> bool:
        """A `late` job. Where the daemon is stopped meanwhile it need not hear of it."""
        return not (self.by_process or self.stopped_at)


WORLDS = {
    "used": World(),
    "fresh": World(prepared=False),
    "quick": World(reports=False),
    "no links": World(without_links=True),
    "process": World(by_process=True, reports=False),
    "stopped": World(stopped_at=("worker.submit", 2), reports=False),
    "stopped in a report": World(stopped_at=("report.start", 1)),
    "taken": World(taken=True, reports=False),
    "older": World(prepared=False, reports=False, older=True),
    "folder gone": World(folder_gone=True, reports=False),
}


def put(folder: Path, name: str, text: str) -> None:
    """Drop a file as a careful person does: whole, and safe from a power cut."""
    part = folder / f".{name}.tmp"
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / name)


def files_of(seed: int) -> dict[str, str]:
    """The job files that are dropped, in an order of the seed."""
    files = FILES | {TWIN: FILES["themes.csv"]}
    names = list(files)
    random.Random(seed).shuffle(names)
    return {name: files[name] for name in names}


def people(world: World, home: Home, diary: Diary, desk: Path) -> None:
    """What people do before the daemon looks: each act once, and again where a kill broke it off."""
    done = {note["act"] for note in diary.notes("did")}
    for act, perform in acts(home, desk).items() if world.prepared else ():
        if act not in done:
            perform()
            diary.note("did", act=act)


def acts(home: Home, desk: Path) -> dict[str, Callable[[], None]]:
    wishes = (
        Control(action="retry", target="old"),
        Control(action="rate", target=RATED, stars=4),
        Control(action="resume", target="held"),
        Control(action="pause", target="stop"),
        Control(action="cancel", target="stop"),
    )
    return {f"submit {name}": partial(_submit, home, desk, name, text) for name, text in SUBMITTED.items()} | {
        f"{wish.action} {wish.target}": partial(_wish, home, wish, f"01HZZZZZZZZZZZZZZZZZZZZZ{number:02}")
        for number, wish in enumerate(wishes)
    }


def _submit(home: Home, desk: Path, name: str, text: str) -> None:
    """The file for the rest is sent from elsewhere, the one that is wanted again lies in the inbox already."""
    again = ".again" in name
    own = (home.inbox if again else desk) / "old.csv"
    if (home.inbox / name).exists():  # it was broken off after the file had got its new name
        own.unlink(missing_ok=True)
        return
    if not own.exists():
        put(own.parent, own.name, text)
    submit(own, home.inbox, again=again, rest=not again)


def _wish(home: Home, wish: Control, ulid: str) -> None:
    if not (home.control / f"{ulid}.json").exists():
        drop(home.control, wish, ulid)


def append_late_row(home: Home, name: str = "slow-writer.csv") -> None:
    """Somebody writes on, after the daemon looked and before it claims."""
    path = home.inbox / name
    if path.exists() and LATE_ROW not in path.read_text(encoding="utf-8"):
        with path.open("a", encoding="utf-8") as file:
            file.write(LATE_ROW)
            file.flush()
            os.fsync(file.fileno())
