"""Fetches published weights from the Hugging Face hub, and says plainly when they cannot be had.

The cache is asked first, so a model that is on the disk loads without the network. The hub's own
client repeats a failed connection for half a minute per file; here one short question decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants, errors
from tqdm import tqdm  # type: ignore[import-untyped]

from soundmill.engine.failures import text_of
from soundmill.errors import ModelUnavailable, UnknownModel

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A hub and the cache beside it; None stands for the client's own setting (HF_ENDPOINT, HF_HOME).

    `timeout_s` is how long the hub may take to say anything before it counts as out of reach;
    `report_every_s` the time between two lines of progress.
    """

    endpoint: str | None = None
    cache: Path | None = None
    timeout_s: float = 5.0
    report_every_s: float = 5.0

    def fetch(self, repository: str, files: Sequence[str], report: Report | None, *, also: Sequence[str] = ()) -> Path:
        """The folder that holds `files` of `repository`, downloaded if the cache lacks one of them.

        Files matching a pattern of `also` come along where the repository has them. Progress goes to
        `report` a line at a time, or with None to a bar on the terminal.

        Raises ModelUnavailable when the hub cannot be reached, refuses, or lacks a file;
        UnknownModel when it has no such repository.
        """
        options: dict[str, Any] = {
            "allow_patterns": [*files, *also],
            "cache_dir": self.cache,
            "endpoint": self.endpoint,
            "library_name": "soundmill",
        }
        if (cached := _cached(repository, files, options)) is not None:
            return cached
        self.require_network(repository)
        if report is not None:
            options["tqdm_class"] = _lines(repository, report, self.report_every_s)
        try:
            folder = Path(huggingface_hub.snapshot_download(repository, **options))
        except errors.GatedRepoError as error:
            raise ModelUnavailable(f"{repository}: its publisher asks for a login; run `hf auth login`") from error
        except errors.RepositoryNotFoundError as error:
            raise UnknownModel(f"{repository}: not on Hugging Face, or private") from error
        except Exception as error:  # the classes the client lets through differ between its releases
            raise ModelUnavailable(f"{repository}: download failed ({text_of(error)}); {mend(repository)}") from error
        missing = [file for file in files if not (folder / file).is_file()]
        if missing:
            raise ModelUnavailable(f"{repository}: has no {' and no '.join(missing)}, which AudioCraft needs")
        return folder

    def require_network(self, repository: str) -> None:
        """Raises ModelUnavailable within seconds when `repository` cannot be asked for."""
        endpoint = self.endpoint or constants.ENDPOINT
        if constants.HF_HUB_OFFLINE:
            raise ModelUnavailable(f"{repository}: not on this machine, and HF_HUB_OFFLINE is set; {mend(repository)}")
        try:
            huggingface_hub.get_session().head(endpoint, timeout=self.timeout_s)
        except Exception as error:  # as above
            raise ModelUnavailable(
                f"{repository}: not on this machine, and {endpoint} cannot be reached ({text_of(error)}); "
                + mend(repository)
            ) from error


def _cached(repository: str, files: Sequence[str], options: dict[str, Any]) -> Path | None:
    try:
        folder = Path(huggingface_hub.snapshot_download(repository, local_files_only=True, **options))
    except (errors.LocalEntryNotFoundError, errors.HFValidationError):
        return None
    return folder if all((folder / file).is_file() for file in files) else None


def mend(repository: str) -> str:
    return f"run `soundmill models pull {repository}` when online, or set `default_model: tiny`"


@contextmanager
def offline() -> Iterator[None]:
    """Keep libraries from asking the hub for news of what was fetched already."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _lines(repository: str, report: Report, every_s: float) -> Any:
    """A progress bar that says where it is in a line now and then, for logs."""
    said_at, said = time.monotonic(), 0

    class Lines(tqdm):  # type: ignore[misc]
        def display(self, msg: str | None = None, pos: int | None = None) -> bool:
            nonlocal said_at, said
            now = time.monotonic()
            if self.unit == "B" and self.n > said and now - said_at >= every_s:
                said_at, said = now, self.n
                of = f" of {self.total / 1e6:.0f}" if self.total else ""
                report(f"{repository}: {self.n / 1e6:.0f}{of} MB")
            return True

    return Lines
