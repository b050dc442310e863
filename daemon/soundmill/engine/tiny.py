"""The built-in model: a trained checkpoint if the package ships one, else one made on first use."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from soundmill.engine.models import CHECKPOINT_FILES
from soundmill.errors import ModelUnavailable

SHIPPED = Path(__file__).parent / "weights" / "tiny"

SEED = 20_240_229
_REVISION = 1  # raise it when checkpoint.py changes what it writes for the same shape


def cache_root() -> Path:
    """Where Soundmill keeps what it can make again: $XDG_CACHE_HOME/soundmill, or ~/.cache/soundmill."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "soundmill"


def folder(cache: Path | None, shipped: Path = SHIPPED) -> Path:
    """The checkpoint folder of `tiny`: the `shipped` one; where a source tree lacks it, one of random weights that is
    made under `cache` (None: the user's cache) if need be.

    Several processes may call this at once: each builds in a folder of its own, the first rename wins.

    Raises ModelUnavailable when the cache cannot be written.
    """
    if is_complete(shipped):
        return shipped
    from soundmill.engine import checkpoint  # only needed to build

    root = cache if cache is not None else cache_root()
    target = root / f"tiny-{checkpoint.TINY.digest}-{_REVISION}"
    if is_complete(target):
        return target
    try:
        root.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".tiny-", dir=root))
        try:
            made = checkpoint.build(workshop / "made", checkpoint.TINY, SEED)
            try:
                made.rename(target)
            except OSError:
                if not is_complete(target):  # else another process was first, with the same files
                    raise
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    except OSError as error:
        raise ModelUnavailable(
            f"model tiny: cannot be kept in {root} ({error.strerror}); set XDG_CACHE_HOME to a writable folder"
        ) from error
    return target


def is_complete(checkpoint: Path) -> bool:
    return all((checkpoint / file).is_file() for file in CHECKPOINT_FILES)
