from __future__ import annotations

from commands.conftest import Command, parsed
from service.conftest import config, quick_engine, serving, until
from service.test_crash import rows
from soundmill.config import RetentionConfig
from soundmill.home import Home
from soundmill.service.daemon import Service

RETENTION = "retention: {after_d: 0.0000001}\n"
OF_IT = config().model_copy(update={"retention": RetentionConfig(after_d=0.0000001)})


def settings(home: Home, text: str) -> None:
    (home.root / "soundmill.yaml").write_text(text)


def once(home: Home) -> None:
    service = Service(home, OF_IT, devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine)
    assert service.run(once=True).ok


def test_without_retention_there_is_nothing_to_prune_by(worked_home: Home, soundmill: Command) -> None:
    refused = soundmill("prune")
    assert refused.exit_code == 2 and "retention is off: set after_d" in refused.output
    settings(worked_home, "retention: {after_d: 3650, max_gb: 1000}\n")
    assert soundmill("prune").output == "No take is due.\n"
    assert not list(worked_home.control.glob("*.json"))


def test_a_dry_run_says_what_would_go_and_leaves_all(worked_home: Home, soundmill: Command) -> None:
    settings(worked_home, RETENTION)
    said = soundmill("prune", "--dry-run")
    size = sum(path.stat().st_size for path in worked_home.outputs.rglob("*.wav"))
    assert said.exit_code == 0
    assert said.output.splitlines()[0].startswith("songs: 3 takes, ")
    listed = parsed(soundmill("prune", "--dry-run", "--json"))
    assert (listed["takes"], listed["bytes"], len(listed["files"])) == (3, size, 3)
    assert not list(worked_home.control.glob("*.json"))
    assert len(list(worked_home.outputs.rglob("*.wav"))) == 3


def test_what_was_asked_for_is_done_at_the_next_start_and_what_was_rated_stays(
    worked_home: Home, soundmill: Command
) -> None:
    settings(worked_home, RETENTION)
    soundmill("rate", "songs/0002-clip-number-1-of-songs-csv", "1")
    said = soundmill("prune").output
    assert "no daemon is running, it will be done at the next start" in said
    once(worked_home)
    assert [path.name for path in worked_home.outputs.rglob("*.wav")] == ["0002-clip-number-1-of-songs-csv.wav"]
    assert soundmill("prune").output == "No take is due.\n"
    assert soundmill("verify").exit_code == 0
    (message,) = rows(worked_home, "SELECT message FROM events WHERE kind = 'takes pruned'")[0]
    assert str(message).startswith("2 takes of 1 batch, ")


def test_a_daemon_that_goes_by_other_rules_is_not_asked(worked_home: Home, soundmill: Command) -> None:
    """It would let other takes go than those that were shown."""
    settings(worked_home, RETENTION)
    with serving(worked_home) as service:
        until(service, lambda: service.catalog.get_setting("retention") is not None)
        refused = soundmill("prune")
        assert refused.exit_code == 1 and "the daemon goes by another retention" in refused.output
        assert soundmill("prune", "--dry-run").exit_code == 0
    with serving(worked_home, settings=OF_IT) as service:
        until(service, lambda: str(service.catalog.get_setting("retention")).startswith('{"after_d": 1e-07'))
        assert soundmill("prune").output.endswith("handed to the daemon\n")
        until(service, lambda: not list(worked_home.outputs.rglob("*.wav")))


def test_the_list_of_jobs_says_what_was_pruned(worked_home: Home, soundmill: Command) -> None:
    settings(worked_home, RETENTION)
    soundmill("prune")
    once(worked_home)
    listed = parsed(soundmill("jobs", "--json"))
    assert [job["pruned_at"] is None for job in listed] == [False] * 3
