"""Inbox: control files. A command that changes something leaves one; the daemon, the one writer, applies it.

A file holds one wish, or several under `wishes`. Each is known by a ulid, the file's name or its own; one in a file
that somebody named otherwise is known by that name and the file's time, for such a name may be used again.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from soundmill.disk import NotPlain, TooLarge, read_plain, sync_folder, write_whole
from soundmill.errors import InvalidControl
from soundmill.faults import passing

Action = Literal[
    "cancel", "pause", "resume", "retry", "rate", "prune",
    "priority", "archive", "unarchive", "deliver",
    "reject", "unreject", "note", "pick", "unpick", "compare",
    "create_list", "rename_list", "archive_list", "unarchive_list", "delete_list", "fingerprint",
]  # fmt: skip
ACTIONS: tuple[str, ...] = get_args(Action)
# What steers the mill; all others only say what somebody thinks.
STEERING: frozenset[str] = frozenset(
    {"cancel", "pause", "resume", "retry", "priority", "archive", "unarchive", "prune", "deliver"}
)
# What only commands of this machine leave, who have heard the take.
LOCAL: frozenset[str] = frozenset({"fingerprint"})
ANSWERS = ("first", "second", "tie")
DELIVERED = ("batch", "shortlist")
DEFAULT_LIST = "picks"
OWNER = "owner"  # whoever uses the command line of this machine

MOST_BYTES = 65_536
MOST_WISHES = 500  # in one file
LONGEST_NOTE = 2_000  # characters
LONGEST_WHO = 100
LONGEST_NAME = 100  # of a shortlist
LONGEST_STUDY = 200
LONGEST_PROFILE = 100
LONGEST_TARGET = 500
LONGEST_FINGERPRINT = 40_000  # characters: some twenty minutes of sound
MOST_PRIORITY = 1000
ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One change asked for, by `who`. `target` is a batch, a job, a take or a shortlist as the command names it, of
    `prune` what it goes by.

    rate: `stars` 1 to 5, or 0 to take them back, and `rejected` where that is said too. rate, pick and note replace a
    note with `note`, unless `keep_note`. pick, unpick: `shortlist`. rename_list: `name`. priority: `priority`.
    deliver: `of` says whether `target` is a batch or a shortlist, `profile` how its files are made, `zipped` whether
    they are packed too, and `rights` that somebody may sell what its licence does not allow to be sold.
    compare: `target` was heard first, `second` after it; which was better in `answer`; `blind` when names were hidden,
    `attention` when it was asked to see whether somebody listens, and then who does answers as `expected`; `study` what
    it belongs to. fingerprint: what `target`, a take from before there were any, is known by, in base64.
    """

    action: Action
    target: str
    who: str = OWNER
    stars: int | None = None
    rejected: bool | None = None
    note: str | None = None
    keep_note: bool = False
    shortlist: str = DEFAULT_LIST
    name: str | None = None
    priority: int | None = None
    second: str | None = None
    answer: str | None = None
    blind: bool = False
    attention: bool = False
    expected: str | None = None
    study: str | None = None
    of: str | None = None
    profile: str | None = None
    zipped: bool = False
    rights: bool = False
    fingerprint: str | None = None


# What goes without saying.
UNSAID = {each.name: each.default for each in fields(Control) if each.name not in ("action", "target", "who")}


def plain(control: Control) -> dict[str, Any]:
    """The wish as plain data: what `check` reads."""
    said = {name: value for name, value in asdict(control).items() if name not in UNSAID or value != UNSAID[name]}
    said.pop("keep_note", None)
    if not control.keep_note:
        said["note"] = control.note
    if control.stars == 0:
        said["stars"] = None
    return said


def drop(folder: Path, control: Control, ulid: str) -> Path:
    """Leave a control file for the daemon; it appears whole or not at all, and outlives a power cut from then on.

    Raises InvalidControl, OSError.
    """
    data = plain(control)
    check(data)
    return _write(folder, ulid, data)


def drop_all(folder: Path, wishes: Sequence[tuple[str, Control]]) -> list[Path]:
    """Leave several wishes, each with its ulid, in as few files as hold them; they are worked off in this order.

    Raises InvalidControl before any is left; OSError.
    """
    files: list[list[dict[str, Any]]] = []
    room = 0
    for ulid, control in wishes:
        data = {**plain(control), "ulid": ulid}
        check(data)
        size = len(_json(data)) + 2
        if size > room or len(files[-1]) == MOST_WISHES:
            files.append([])
            room = MOST_BYTES - len(_json({"wishes": []}))
        files[-1].append(data)
        room -= size
    return [_write(folder, str(several[0]["ulid"]), {"wishes": several}) for several in files]


def _write(folder: Path, ulid: str, data: Mapping[str, Any]) -> Path:
    passing("control.leave")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ulid}.json"
    write_whole(path, _json(data))
    sync_folder(folder)
    return path


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8")


# One of a file's wishes: what it is known by, and what it says or why it makes no sense.
Wished = tuple[str, Control | InvalidControl]


def pending(folder: Path) -> list[tuple[Path, Control | InvalidControl | OSError]]:
    """The wishes that wait, each with its file, as `waiting` has them."""
    found: list[tuple[Path, Control | InvalidControl | OSError]] = []
    for path, wished in waiting(folder):
        found += [(path, wished)] if isinstance(wished, OSError) else [(path, wish) for _, wish in wished]
    return found


def waiting(folder: Path) -> list[tuple[Path, list[Wished] | OSError]]:
    """The control files that wait, in the order they were left, with their wishes; an OSError where one can't be read
    now, but perhaps later.

    Raises OSError when the folder can't be listed.
    """
    names: list[str] = []
    # Where something else stands in place of the inbox, its scan says so.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.name.endswith(".json") and not e.name.startswith("."))
    found: list[tuple[Path, list[Wished] | OSError]] = []
    for name in names:
        path = folder / name
        try:
            found.append((path, read(path)))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            found.append((path, error))
    return found


def read(path: Path) -> list[Wished]:
    """The wishes of one control file. Raises OSError if it can't be read now, FileNotFoundError if it has gone."""
    whole = path.stem if ULID.fullmatch(path.stem) else f"{printable(path.stem)}@{path.lstat().st_mtime_ns}"
    try:
        content = _content(path)
    except InvalidControl as error:
        return [(whole, error)]
    if not isinstance(content, dict) or "wishes" not in content:
        return [_wished(path, whole, content)]
    several = content["wishes"]
    if not isinstance(several, list) or not 1 <= len(several) <= MOST_WISHES:
        name = printable(path.name)
        return [(whole, InvalidControl(f"{name}: wishes must be a list of 1 to {MOST_WISHES} wishes"))]
    return [_wished(path, _known_by(wish, f"{whole}-{number}"), wish) for number, wish in enumerate(several, 1)]


def _known_by(wish: Any, otherwise: str) -> str:
    ulid = wish.get("ulid") if isinstance(wish, dict) else None
    return ulid if isinstance(ulid, str) and ULID.fullmatch(ulid) else otherwise


def printable(name: str) -> str:
    """A file's name as text that can be stored: what is no UTF-8 in it is replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def _content(path: Path) -> Any:
    name = printable(path.name)
    try:
        data = read_plain(path, MOST_BYTES)
    except NotPlain:
        raise InvalidControl(f"{name}: is not a plain file") from None
    except TooLarge:
        raise InvalidControl(f"{name}: is larger than {MOST_BYTES:,} bytes") from None
    except PermissionError as error:
        raise InvalidControl(f"{name}: cannot be read: {error.strerror}") from error
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidControl(f"{name}: is not JSON") from error


def _wished(path: Path, ulid: str, content: Any) -> Wished:
    try:
        return ulid, check(content)
    except InvalidControl as error:
        return ulid, InvalidControl(f"{printable(path.name)}: {error}")


# -- what a wish may say ---------------------------------------------------------------------


def check(content: Any) -> Control:
    """The Control that plain data stands for. Raises InvalidControl."""
    if not isinstance(content, dict):
        raise InvalidControl("must be a JSON object with action and target")
    action = content.get("action")
    if action not in ACTIONS:
        raise InvalidControl(f"action must be one of {', '.join(ACTIONS)}")
    target = _text(content, "target", LONGEST_TARGET)
    if target is None or not target.strip():
        raise InvalidControl("target must name a batch or a job")
    return Control(
        action=action,
        target=target,
        who=_text(content, "who", LONGEST_WHO) or OWNER,
        note=_text(content, "note", LONGEST_NOTE),
        keep_note="note" not in content,
        **_more(action, content),
    )


def _more(action: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What an action has beyond a target and a note."""
    if content.get("stars") is not None and action != "rate":
        raise InvalidControl("stars belong to the action rate alone")
    match action:
        case "rate":
            stars = 0 if content.get("stars") is None else content["stars"]
            if "stars" not in content or type(stars) is not int or not 0 <= stars <= 5:
                raise InvalidControl("stars must be a whole number from 1 to 5, or null to take them back")
            return {"stars": stars, "rejected": _flag(content, "rejected")}
        case "note":
            if "note" not in content:
                raise InvalidControl("note must be a text, or null to take it back")
        case "pick" | "unpick":
            return {"shortlist": _text(content, "shortlist", LONGEST_NAME) or DEFAULT_LIST}
        case "rename_list":
            return {"name": _needed(content, "name", LONGEST_NAME)}
        case "priority":
            priority = content.get("priority")
            if type(priority) is not int or abs(priority) > MOST_PRIORITY:
                raise InvalidControl(f"priority must be a whole number from -{MOST_PRIORITY} to {MOST_PRIORITY}")
            return {"priority": priority}
        case "deliver":
            of = content.get("of")
            if of not in DELIVERED:
                raise InvalidControl(f"of must be one of {', '.join(DELIVERED)}")
            return {
                "of": of,
                "profile": _needed(content, "profile", LONGEST_PROFILE),
                "zipped": bool(_flag(content, "zipped")),
                "rights": bool(_flag(content, "rights")),
            }
        case "compare":
            answer = content.get("answer")
            if answer not in ANSWERS:
                raise InvalidControl(f"answer must be one of {', '.join(ANSWERS)}")
            expected = content.get("expected")
            if expected is not None and expected not in ANSWERS:
                raise InvalidControl(f"expected must be one of {', '.join(ANSWERS)}")
            if expected is not None and not content.get("attention"):
                raise InvalidControl("expected is of attention checks alone")
            return {
                "second": _needed(content, "second", LONGEST_TARGET),
                "answer": answer,
                "blind": bool(_flag(content, "blind")),
                "attention": bool(_flag(content, "attention")),
                "expected": expected,
                "study": _text(content, "study", LONGEST_STUDY),
            }
        case "fingerprint":
            packed = _needed(content, "fingerprint", LONGEST_FINGERPRINT)
            try:
                base64.b64decode(packed, validate=True)
            except ValueError:
                raise InvalidControl("fingerprint must be in base64") from None
            return {"fingerprint": packed}
    return {}


def _needed(content: Mapping[str, Any], name: str, longest: int) -> str:
    text = _text(content, name, longest)
    if text is None or not text.strip():
        raise InvalidControl(f"{name} must be a text of 1 to {longest:,} characters")
    return text


def _text(content: Mapping[str, Any], name: str, longest: int) -> str | None:
    value = content.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise InvalidControl(f"{name} must be a text of at most {longest:,} characters")
    try:
        value.encode("utf-8")  # JSON can write half a letter, which no database stores
    except UnicodeEncodeError:
        raise InvalidControl(f"{name} must be a text; this one holds half a letter") from None
    return value


def _flag(content: Mapping[str, Any], name: str) -> bool | None:
    value = content.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise InvalidControl(f"{name} must be true or false")
