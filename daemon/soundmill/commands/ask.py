"""Commands that change something: they leave word for the daemon, the one writer, which does it now or at its start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ulid import ULID

from soundmill.catalog.reader import Reader
from soundmill.errors import InvalidControl
from soundmill.home import Home, daemon_running, must_be_set_up
from soundmill.inbox.control import Action, Control, drop


def ask(home: Home, action: Action, target: str) -> str:
    """Ask the daemon to do something to a batch or a job; returns what there is to say of it.

    Raises UsageError where no home is set up, CatalogError where there is no catalogue yet, InvalidControl where there
    is no such batch or job.
    """

    def wish(reader: Reader) -> Control:
        """Only a whole batch can be paused, which the daemon would say when nobody listens."""
        whole = action in ("pause", "resume")
        return Control(action=action, target=str(reader.batch(target)["batch"]) if whole else reader.find(target))

    return _leave_word(home, target, wish)


def rate(home: Home, take: str, stars: int, note: str | None) -> str:
    """Ask the daemon to note what somebody thinks of a take, as `ask` does."""
    return _leave_word(
        home,
        take,
        lambda reader: Control(action="rate", target=_take_meant(reader, home.outputs, take), stars=stars, note=note),
    )


def _leave_word(home: Home, named: str, wish: Callable[[Reader], Control]) -> str:
    must_be_set_up(home)
    with Reader.open(home.catalog) as reader:
        control = wish(reader)
    drop(home.control, control, str(ULID()))
    later = "" if daemon_running(home) else "; no daemon is running, it will be done at the next start"
    return f"{control.action} {named}: handed to the daemon{later}"


def _take_meant(reader: Reader, outputs: Path, named: str) -> str:
    """Which take somebody means who has just heard it, as the daemon is to be told.

    A job (its number or `batch/job`) and a file as it stands in the outputs folder (`batch/job.wav`) are passed on as
    they are; a path to a file that is there, from anywhere, becomes the latter. Raises InvalidControl when there is no
    such take.
    """
    try:
        reader.find_take(named)
        return named
    except InvalidControl as unknown:
        try:
            file = Path(named).resolve(strict=True)
        except (OSError, RuntimeError):  # RuntimeError: links that lead in a circle
            raise unknown from None
        if not file.is_file():
            raise
    try:
        path = file.relative_to(outputs.resolve()).as_posix()
    except ValueError:
        raise InvalidControl(f"{named}: is not in {outputs}; name its home with --home") from None
    try:
        reader.find_take(path)
    except InvalidControl:
        raise InvalidControl(f"{named}: belongs to no take; name an audio file that `soundmill jobs` lists") from None
    return path
