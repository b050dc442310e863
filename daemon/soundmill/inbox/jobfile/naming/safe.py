"""Naming: names that every file system takes as they are, for batches and for clips whose name a person has chosen."""

from __future__ import annotations

from pathlib import PurePath

from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.naming.letters import as_written, invisible
from soundmill.inbox.jobfile.naming.slugs import LONGEST, slug
from soundmill.inbox.jobfile.written import LONGEST_ID
from soundmill.words import same_name

LONGEST_BATCH_NAME = 160  # size

# Source: "Naming Files, Paths, and Namespaces" of the Windows documentation, where ¹, ² and ³ count as digits too.
_WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)
LONGEST_DEVICE = max(map(len, _WINDOWS_DEVICES))


def is_device(name: str) -> bool:
    """Whether Windows keeps the name for a device, whatever follows a dot in it."""
    stem = name.split(".", 1)[0].rstrip()
    return len(stem) <= LONGEST_DEVICE and same_name(stem) in _WINDOWS_DEVICES


def batch_name(wanted: str | None, file_name: str) -> str:
    """The batch's name: what the file asks for, or its own name without suffix and `.again`."""
    stem = PurePath(file_name).stem
    if stem.lower().endswith(".again"):
        stem = stem[: -len(".again")]
    name = slug(wanted or stem, LONGEST_BATCH_NAME, "batch")
    return f"{name}-jobs" if is_device(name) else name


def name_from_id(wanted: str) -> str:
    """The job name for a person's id. Raises Wrong."""
    if len(wanted) > LONGEST_ID:
        raise Wrong(f"becomes a file name, so it must have at most {LONGEST_ID} characters ({LONGEST} bytes)")
    return safe_name(wanted)


def safe_name(wanted: str) -> str:
    """The name as a person wants it, but for spaces and punctuation. Raises Wrong.

    Refused is what some file system would take for a path, hide, or not store at all.
    """
    if "/" in wanted or "\\" in wanted:
        raise Wrong("becomes a file name, so it must not contain / or \\")
    if ".." in wanted or wanted.startswith("."):
        raise Wrong("becomes a file name, so it must not start with a dot or contain ..")
    if unseen := invisible(wanted):
        raise Wrong(
            "becomes a file name, so it must be on one line and without characters that nobody sees: "
            f"there is {unseen} in it; delete it, or type the name again"
        )
    name = as_written(wanted)
    if (size := len(name.encode())) > LONGEST:
        raise Wrong(f"becomes a file name, so it must have at most {LONGEST} bytes; in UTF-8 it has {size}")
    if not name:
        raise Wrong("becomes a file name, so it needs at least one letter or digit")
    if is_device(name) or (name != wanted and is_device(wanted)):
        raise Wrong("is a name that Windows keeps for a device; add a word to it")
    return name
