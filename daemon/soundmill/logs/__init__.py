"""The ground, logs: how a line of the log looks, in every process of ours.

On a terminal it is text with the time. Where standard error leads to systemd's journal, which has the time itself, an
event is one line that begins with its priority (sd-daemon(3)) and goes on in key=value pairs.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"
PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}
UNQUOTED = re.compile(r"[\w.:/@+,%-]+")
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def set_up(*, debug: bool) -> None:
    """For a process of its own: warnings on a terminal, also what tells that work goes on in a journal."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter())
    level = logging.DEBUG if debug else logging.INFO if leads_to_journal() else logging.WARNING
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("soundmill").setLevel(level)
    if debug:
        logging.getLogger().setLevel(level)


def formatter() -> logging.Formatter:
    return JournalFormatter() if leads_to_journal() else PlainFormatter(PLAIN)


def leads_to_journal(environ: Mapping[str, str] = os.environ, stream: int = 2) -> bool:
    """Whether a descriptor is the one that systemd has connected to its journal, as systemd.exec(5) says to ask."""
    named = environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(stream)
    except OSError:
        return False
    return named == f"{status.st_dev}:{status.st_ino}"


class JournalFormatter(logging.Formatter):
    """One line a record, whatever stands in it. `extra={"fields": {…}}` gives the pairs; without them they are the text
    and who says it."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, Any] = getattr(record, "fields", None) or {
            "text": record.getMessage(),
            "logger": record.name,
        }
        pairs = {name: value for name, value in fields.items() if value is not None}
        if record.exc_info and record.exc_info[0] is not None:
            pairs["traceback"] = self.formatException(record.exc_info)
        priority = next((number for level, number in PRIORITIES.items() if record.levelno >= level), 7)
        return f"<{priority}>" + " ".join(f"{name}={_value(value)}" for name, value in pairs.items())


class PlainFormatter(logging.Formatter):
    """As logging's own, but that a message stays on its line and cannot steer the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        return _escaped(super().formatMessage(record), quoted=False)


def _value(value: object) -> str:
    text = str(value)
    return text if UNQUOTED.fullmatch(text) else f'"{_escaped(text, quoted=True)}"'


def _escaped(text: str, *, quoted: bool) -> str:
    return "".join(
        ESCAPES[letter]
        if letter in ESCAPES and (quoted or letter not in '\\"')
        else letter
        if letter.isprintable()
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def teller(otherwise: Callable[[str], object]) -> Callable[[str], object]:
    """What prints a line for people to read: a line of the log where that is a journal's."""
    log = logging.getLogger("soundmill")
    return (lambda line: log.info("%s", line)) if leads_to_journal() else otherwise
