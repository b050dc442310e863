"""Keeps what AudioCraft's libraries print to themselves out of the log, one known message at a time."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# xformers says that its kernels do not match this torch; AudioCraft is told to use torch's instead.
logging.getLogger("xformers").setLevel(logging.ERROR)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what building and reading a model prints: nothing in it is of use to an operator."""
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            # AudioCraft's codec is saved in the older parametrization; changing it would not load.
            warnings.filterwarnings("ignore", message=".*weight_norm.* is deprecated", category=FutureWarning)
            yield
    finally:
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
