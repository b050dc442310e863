"""A control file is applied once, also where its removal does not outlive the daemon or the machine's power."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soundmill.catalog.catalog import Catalog
from soundmill.inbox import control
from soundmill.inbox.control import Control
from soundmill.jobs import BatchSpec, JobSpec, Parameters, Source
from soundmill.service.controls import Controls


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog.open(tmp_path / "catalog.db", clock=lambda: 1000.0)
    parameters = Parameters(duration=1.0, temperature=1.0, top_k=250, top_p=0.0, cfg_coef=3.0)
    job = JobSpec(position=1, name="1", prompt="rain", model="tiny", parameters=parameters, seed=1)
    source = Source(ulid="01HA", file_name="themes.csv", sha256="", size_bytes=1)
    opened.ingest(BatchSpec(name="themes", jobs=[job], job_count=1), source)
    yield opened
    opened.close()


def controls(catalog: Catalog, folder: Path) -> Controls:
    """Those of a daemon that has just started."""
    return Controls(folder, catalog, cancelled=lambda ids: None, rated=lambda ids: None, record=lambda *_: None)


def events(catalog: Catalog, kind: str) -> int:
    with catalog.connected() as db:
        return int(db.execute("SELECT count(*) FROM events WHERE kind = ?", (kind,)).fetchone()[0])


@pytest.mark.parametrize("action", ["cancel", "pause"])
def test_a_control_file_that_outlived_its_daemon_is_not_applied_again(
    action: control.Action, catalog: Catalog, tmp_path: Path
) -> None:
    """As after a kill between the transaction and the removal."""
    folder = tmp_path / ".control"
    path = control.drop(folder, Control(action=action, target="themes"), "01HB")
    killed = controls(catalog, folder)
    killed._apply(path.name, control.read(path))
    controls(catalog, folder).work_off()
    assert events(catalog, {"cancel": "cancelled", "pause": "paused"}[action]) == 1
    assert not path.exists()


def test_what_came_after_it_stands(catalog: Catalog, tmp_path: Path) -> None:
    """A cancel that a power cut brings back does not cancel what was taken up again since."""
    folder = tmp_path / ".control"
    cancel = control.drop(folder, Control(action="cancel", target="themes"), "01HB")
    retry = control.drop(folder, Control(action="retry", target="themes"), "01HC")
    killed = controls(catalog, folder)
    for path in (cancel, retry):
        killed._apply(path.name, control.read(path))
    retry.unlink()  # its removal reached the disk, the other's did not
    controls(catalog, folder).work_off()
    assert catalog.unfinished() == 1


def test_what_is_done_with_is_forgotten_once_the_file_is_gone(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / ".control"
    for number in range(3):
        control.drop(folder, Control(action="pause", target=f"nothing-{number}"), f"01H{number}")
    daemon = controls(catalog, folder)
    daemon.work_off()
    assert catalog.applied() == [] and not daemon.waiting
    control.drop(folder, Control(action="pause", target="themes"), "01H0")  # by hand, under a name used before
    daemon.work_off()
    assert events(catalog, "paused") == 1
