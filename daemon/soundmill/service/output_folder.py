"""The home's outputs folder as the shelf that workers file takes on, while it is there.

A disk that is not mounted leaves an empty folder, or none, where takes would vanish under the mount. So the folder is
marked by a file when it is first used, and takes nothing without it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping

from soundmill.catalog.catalog import Catalog
from soundmill.catalog.shelf import files
from soundmill.disk import unavailable
from soundmill.errors import StorageUnavailable
from soundmill.faults import passing
from soundmill.home import Home
from soundmill.jobs import Job

MIN_FREE_BYTES = 64 * 1024 * 1024  # below this the outputs folder counts as full
MARKED = "outputs marked"  # settings in the catalogue
SWEPT = "outputs swept"  # up to the attempt of this id
ABOUT = b"Soundmill's takes are filed in this folder. Without this file it takes none: its disk would not be mounted.\n"


class OutputFolder:
    """`interrupted` attempts are those that the last daemon left running. What they and others had filed and not
    recorded is removed when the folder is first seen, like half-written files. `record(kind, message)` writes an
    event."""

    def __init__(self, home: Home, catalog: Catalog, interrupted: int, record: Callable[[str, str], None]) -> None:
        self._root = home.outputs
        self._marker = home.marker
        self._catalog = catalog
        self._interrupted = interrupted
        self._newest = catalog.newest_attempt()  # of those that the last daemons began
        self._record = record
        self._swept = False

    @property
    def is_there(self) -> bool:
        return self._marker.exists()

    def path_of(self, job: Job, *, quarantined: bool, attempt: int) -> str:
        return files.take_path(job.batch_name, job.name, job.format, quarantined, attempt)

    def file(self, relative: str, audio: bytes, sidecar: Mapping[str, object]) -> files.FiledTake:
        self._must_be_there()
        return files.file_take(self._root, relative, audio, sidecar)

    def discard(self, relative: str) -> None:
        passing("outputs.discard")
        files.discard(self._root, relative)

    def probe(self) -> None:
        """Raise StorageUnavailable when a take could not be filed now."""
        if self._catalog.get_setting(MARKED) is None:
            self._mark()
        self._must_be_there()
        files.probe(self._root, MIN_FREE_BYTES)
        if not self._swept:
            self._sweep()

    def _mark(self) -> None:
        """On the first use; of a home that was in use before there were markers the folder holds something."""
        try:
            if self._catalog.has_takes() and not any(self._root.iterdir()):
                raise self._not_there()
            passing("outputs.mark")
            self._marker.write_bytes(ABOUT)
        except OSError as error:
            raise unavailable(self._root, error) from error
        self._catalog.set_setting(MARKED, "yes")

    def _must_be_there(self) -> None:
        if not self.is_there:
            raise self._not_there()

    def _not_there(self) -> StorageUnavailable:
        return StorageUnavailable(
            f"{self._root}: {self._marker.name}, the file that marks it, is not there: mount its disk; if takes are to "
            f"go here from now on: mkdir -p {shlex.quote(str(self._root))}; touch {shlex.quote(str(self._marker))}"
        )

    def _sweep(self) -> None:
        """Before anything is written: remove what no row knows."""
        swept = files.sweep_parts(self._root)
        # The daemon may have been killed at this, too: what is left to do is all since the last sweep that ended.
        for attempt in self._catalog.unfiled(int(self._catalog.get_setting(SWEPT) or 0)):
            for quarantined in (False, True):
                path = self.path_of(attempt.job, quarantined=quarantined, attempt=attempt.number)
                if not self._catalog.knows_output(path) and files.is_of(self._root, path, attempt.number):
                    self.discard(path)
        self._catalog.set_setting(SWEPT, str(self._newest))
        self._swept = True
        if self._interrupted or swept:
            self._record("recovered", f"{self._interrupted} interrupted attempts, {swept} half-written files removed")
