"""Keeps what AudioCraft's libraries print to themselves out of the log, one known message at a time."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# xformers says that its kernels do not match this torch; AudioCraft is told to use torch's instead.
logging.getLogger("xformers").setLevel(logging.ERROR)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what building and reading a model prints: nothing in it is of use to an operator. transformers' progress
    bars are silenced where it is imported by then."""
    library: Any = None
    if "transformers" in sys.modules:
        from transformers.utils import logging as library
    bars = library is not None and library.is_progress_bar_enabled()
    if bars:
        library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # AudioCraft's codec is saved in the older parametrization; changing it would not load.
            warnings.filterwarnings("ignore", message=".*weight_norm.* is deprecated", category=FutureWarning)
            yield
    finally:
        if bars:
            library.enable_progress_bar()
