"""systemd's units of one machine: those of systemd/, which the package holds too, with this machine's paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

DAEMON, SITE = NAMES = ("soundmill.service", "soundmill-web.service")
ACCOUNT = "soundmill"  # user and group that the system's service runs as
STATE = Path("/var/lib")  # where systemd makes a service's folder, and opens it to the service
CLOSED, THROUGH = 0o750, 0o751  # modes of the home; others go through it to its inbox, and see nothing on their way
CACHE = Path("/var/cache/soundmill/huggingface")
PROGRAM = "/opt/soundmill/.venv/bin/soundmill"
HOME_IS = "Environment=SOUNDMILL_HOME="
GROUP_IS = "SupplementaryGroups="
# What ProtectHome= hides, and PrivateTmp=.
PEOPLES = (Path("/home"), Path("/root"), Path("/run/user"))
FLEETING = (Path("/tmp"), Path("/var/tmp"), Path("/run"), Path("/dev"), Path("/proc"), Path("/sys"))
# What a user's own manager may not do, or has no use for: accounts, mounts, devices, capabilities, filters of packets.
SYSTEM_ONLY = (
    "After=local", "User=", "Group=", "StateDirectory", "CacheDirectory=", "Protect", "Private", "ProcSubset=",
    "Device", "IPAddress", "SocketBind", "CapabilityBoundingSet=", "AmbientCapabilities=", "RemoveIPC=",
)  # fmt: skip
_Edit = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What differs between machines.

    `program` is how soundmill is called; `droppers` a group beside the service's own that may use the inbox; `reads`
    and `writes` are folders beside the home that the service needs, wherever they are; `site_is_open` says that the
    site is to be reached from other machines; `own` units are of a user's own manager.
    """

    home: Path
    program: Sequence[str]
    droppers: str | None = None
    reads: Sequence[Path] = ()
    writes: Sequence[Path] = ()
    site_is_open: bool = False
    own: bool = False


def template(name: str) -> str:
    """The unit as systemd/ has it."""
    return resources.files("soundmill.commands.machine").joinpath("units", name).read_text(encoding="utf-8")


def rendered(name: str, place: Place) -> str:
    """The text of a unit for this machine."""
    kept = _for_a_user(template(name)) if place.own else template(name)
    instead = _edits(place)
    lines = []
    for line in kept.splitlines():
        start = next((start for start in instead if line.startswith(start)), None)
        lines += [line] if start is None else instead[start](line)
    return "\n".join(lines) + "\n"


def home_of(unit: str) -> Path | None:
    """The home that a rendered unit is for."""
    return next((Path(_unquoted(value)) for value in _values(unit, HOME_IS)), None)


def droppers_of(unit: str) -> str | None:
    """The group that a rendered unit's inbox is open to, where that is not the service's own."""
    return next(_values(unit, GROUP_IS), None)


def quoted(words: str) -> str:
    """One word of a unit: no blank, quote, specifier or variable in it means anything (systemd.syntax(7))."""
    escaped = words.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(escaped) & set(" \t'\"\\;:") else escaped


def _edits(place: Place) -> dict[str, _Edit]:
    home = quoted(str(place.home))
    in_state = place.home.is_relative_to(STATE) and place.home != STATE
    hidden = [each for each in (place.home, *place.writes) if _is_in(each, PEOPLES)]
    elsewhere = [each for each in (place.home, *place.writes) if each not in hidden]
    if in_state:
        elsewhere.remove(place.home)
    shown = [each for each in place.reads if _is_in(each, PEOPLES) and not _is_in(each, hidden)]
    program = " ".join(quoted(word).replace("$", "$$") for word in place.program)
    edits: dict[str, _Edit] = {
        f"ExecStart={PROGRAM}": lambda line: [line.replace(PROGRAM, program, 1)],
        HOME_IS: lambda _: [f"Environment={quoted(f'SOUNDMILL_HOME={place.home}')}"],
    }
    if place.own:
        return edits | {
            "Environment=": lambda _: [],  # a user has folders for weights
            "WantedBy=": lambda line: [line.replace("multi-user.target", "default.target")],
        }
    if in_state:
        edits["StateDirectory="] = lambda _: [f"StateDirectory={quoted(str(place.home.relative_to(STATE)))}"]
    else:
        edits["After="] = lambda line: [line, f"RequiresMountsFor={home}"]
        edits["StateDirectory"] = lambda _: []
    if place.droppers is not None:
        if in_state:
            edits["StateDirectoryMode="] = lambda _: [f"StateDirectoryMode={THROUGH:04o}"]
        edits["Group="] = lambda line: [line, f"{GROUP_IS}{place.droppers}"]
    if elsewhere:
        edits["ProtectSystem="] = lambda line: [line, *(f"ReadWritePaths={quoted(str(each))}" for each in elsewhere)]
    if hidden or shown:
        # An empty folder in place of people's, with nothing in it but what is needed.
        edits["ProtectHome="] = lambda _: [
            "ProtectHome=tmpfs",
            *(f"BindPaths={quoted(str(each))}" for each in hidden),
            *(f"BindReadOnlyPaths={quoted(f'-{each}')}" for each in shown),
        ]
    if place.site_is_open:
        edits["IPAddressDeny=any"] = lambda _: []
        edits["IPAddressAllow=localhost"] = lambda _: []
    # The more exact first: `StateDirectoryMode=` before `StateDirectory`.
    return dict(sorted(edits.items(), key=lambda edit: -len(edit[0])))


def _is_in(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _for_a_user(text: str) -> str:
    """Without what a user's own manager cannot do, and the comments before it."""
    lines: list[str] = []
    comments: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            comments.append(line)
            continue
        if not line.startswith(SYSTEM_ONLY):
            lines += [*comments, line]
        comments = []
    return "\n".join(lines) + "\n"


def _values(unit: str, start: str) -> Iterator[str]:
    for line in unit.splitlines():
        for opening in (start, start.replace("=", '="', 1)):
            if line.startswith(opening):
                yield line.removeprefix(opening)


def _unquoted(value: str) -> str:
    return value.removesuffix('"').replace("%%", "%").replace('\\"', '"').replace("\\\\", "\\")
