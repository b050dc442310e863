from __future__ import annotations

import csv
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from commands.conftest import Command, parsed
from service.conftest import config, never_ending, quick_engine, until
from soundmill.catalog.catalog import Catalog
from soundmill.catalog.reader import Reader
from soundmill.cli import SCHEMAS
from soundmill.config import Config
from soundmill.home import Home
from soundmill.inbox import control
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import Source
from soundmill.service.daemon import Service
from soundmill.service.wiring import rules_for
from support.terminal import seen_on

EXAMPLES = Path(__file__).resolve().parents[2] / "inbox_examples"


def test_init_makes_a_home_and_says_where_to_drop_files(soundmill: Command, home: Home) -> None:
    result = soundmill("init", "--model", "tiny")
    assert result.exit_code == 0 and str(home.inbox) in result.output
    assert yaml.safe_load(home.config_file.read_text())["default_model"] == "tiny"
    assert "left as it is" in soundmill("init").output


def test_init_refuses_a_model_that_is_none(soundmill: Command) -> None:
    result = soundmill("init", "--model", "musicgen-smal")
    assert result.exit_code == 1
    assert "musicgen-small" in result.output


def test_check_counts_and_previews(soundmill: Command) -> None:
    result = soundmill("check", str(EXAMPLES / "themes.yaml"))
    assert result.exit_code == 0
    assert "300 jobs" in result.output and "… and 295 more" in result.output


def test_check_lists_every_problem_and_fails(soundmill: Command, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("prompt,duration,temperature\nx,ten,1\n,5,99\n")
    result = soundmill("check", str(bad))
    assert result.exit_code == 1
    assert all(word in result.output for word in ("line 2", "line 3", "duration", "temperature", "prompt"))
    assert {p["line"] for p in parsed(soundmill("check", "--json", str(bad)))[0]["problems"]} == {2, 3}


def test_check_names_the_columns_that_became_labels(soundmill: Command, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("prompt,Duration (s),scene,cue\nx,2,lake,a\n")
    assert "kept as labels, setting nothing: scene, cue" in soundmill("check", str(listed)).output
    assert parsed(soundmill("check", "--json", str(listed)))[0]["labels"] == ["scene", "cue"]


def test_check_names_the_columns_that_are_compared_with_what_is_heard(soundmill: Command, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("prompt,key,Tempo,scene\nx,D minor,90,lake\ny,h-moll,fast,sea\nz,Dur,,sea\n")
    told = soundmill("check", str(listed)).output.splitlines()[1:5]
    assert [line.strip() for line in told] == [
        "kept as labels, setting nothing: scene",
        "compared with what is heard, setting nothing: key, Tempo",
        "key = h-moll of 0002-y names none, so nothing is compared with it",
        "Tempo = fast of 0002-y names none, so nothing is compared with it",
    ]


def test_check_counts_only_what_the_extended_batch_lacks(soundmill: Command, home: Home) -> None:
    more = str(EXAMPLES / "more-replicates.yaml")
    without = soundmill("check", more)
    assert without.exit_code == 1 and "there is no catalogue here, and so no batch to extend" in without.output
    home.create()
    data = (EXAMPLES / "factorial.yaml").read_bytes()
    spec = read_jobs(data, "factorial.yaml", rules_for(Config(), home.inbox)("01F"))
    catalog = Catalog.open(home.catalog, clock=lambda: 0.0)
    catalog.ingest(spec, Source(ulid="01F", file_name="factorial.yaml", sha256="f", size_bytes=1))
    catalog.close()
    checked = parsed(soundmill("check", "--json", more))[0]
    assert (checked["jobs"], checked["extends"]) == (34, "temperature-by-guidance")
    assert "only what batch temperature-by-guidance lacks" in checked["text"]
    assert "0001-temperature-0.7_cfg_coef-2-r6" in checked["text"]


def test_check_says_what_a_sampled_design_would_do(soundmill: Command) -> None:
    result = soundmill("check", str(EXAMPLES / "sobol.yaml"))
    assert result.exit_code == 0
    assert "sobol, 8 conditions, 1 replicate each" in result.output


def test_submit_puts_a_copy_into_the_inbox(soundmill: Command, home: Home) -> None:
    soundmill("init")
    source = EXAMPLES / "template.yaml"
    result = soundmill("submit", str(source))
    assert result.exit_code == 0 and "soundmill run" in result.output
    assert (home.inbox / "template.yaml").read_bytes() == source.read_bytes()


def test_submit_again_says_so_in_the_name(soundmill: Command, home: Home) -> None:
    soundmill("init")
    soundmill("submit", "--again", str(EXAMPLES / "template.yaml"))
    assert (home.inbox / "template.again.yaml").exists()


def test_submit_rest_says_so_in_the_name_and_not_together_with_again(soundmill: Command, home: Home) -> None:
    soundmill("init")
    soundmill("submit", "--rest", str(EXAMPLES / "template.yaml"))
    assert (home.inbox / "template.rest.yaml").is_file()
    both = soundmill("submit", "--rest", "--again", str(EXAMPLES / "template.yaml"))
    assert both.exit_code == 2 and "choose one" in both.output


@pytest.mark.parametrize("words", [["submit", "x.csv"], ["status"], ["jobs"], ["cancel", "x"]])
def test_a_home_that_is_not_set_up_is_named_with_the_mend(soundmill: Command, words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("prompt\nx\n")
    result = soundmill(*[str(file) if word == "x.csv" else word for word in words])
    assert result.exit_code in (1, 2)
    assert "soundmill init" in result.output or "soundmill run" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_waiting_without_a_daemon_is_refused(soundmill: Command, home: Home) -> None:
    soundmill("init")
    result = soundmill("submit", "--wait", str(EXAMPLES / "template.yaml"))
    assert result.exit_code == 2 and "soundmill run" in result.output
    assert not (home.inbox / "template.yaml").exists()


def test_status_and_jobs_tell_what_happened(soundmill: Command, worked_home: Home) -> None:
    text = soundmill("status").output
    assert "not running" in text and "3 succeeded" in text and "songs" in text
    status = parsed(soundmill("status", "--json"))
    assert status["overview"]["succeeded"] == 3 and status["daemon_running"] is False
    rows = parsed(soundmill("jobs", "songs", "--json"))
    assert [row["position"] for row in rows] == [1, 2, 3]
    assert all((worked_home.outputs / row["audio"]).is_file() for row in rows)
    assert parsed(soundmill("jobs", "--status", "failed", "--json")) == []
    assert "songs" in soundmill("jobs").output


def test_an_unknown_batch_is_answered_with_the_nearest_name(soundmill: Command, worked_home: Home) -> None:
    for words in (["jobs", "song"], ["cancel", "song"]):
        result = soundmill(*words)
        assert result.exit_code == 1 and "songs" in result.output
    assert control.pending(worked_home.control) == []


def test_a_command_is_handed_over_and_done_by_the_next_daemon(soundmill: Command, worked_home: Home) -> None:
    assert "next start" in soundmill("rate", "1", "5", "--note", "keep").output
    assert len(control.pending(worked_home.control)) == 1
    Service(worked_home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine).run(
        once=True
    )
    with_stars = parsed(soundmill("jobs", "songs", "--json"))
    assert control.pending(worked_home.control) == [] and len(with_stars) == 3


def heard(home: Home, position: int) -> Path:
    """The file of a take of the finished batch."""
    (path,) = (home.outputs / "songs").glob(f"{position:04}-*.wav")
    return path


@pytest.mark.parametrize("named", ["batch/file", "absolute", "relative", "through a link"])
def test_a_take_is_rated_by_the_file_that_was_heard(
    soundmill: Command, worked_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    file = heard(worked_home, 2)
    if named == "batch/file":
        word = f"songs/{file.name}"
    elif named == "absolute":
        word = str(file)
    elif named == "relative":
        monkeypatch.chdir(worked_home.outputs / "songs")
        word = file.name
    else:
        (tmp_path / "favourite.wav").symlink_to(file)
        word = str(tmp_path / "favourite.wav")
    answer = soundmill("rate", word, "4", "--note", "warm")
    assert (answer.exit_code, answer.output.count("\n")) == (0, 1)
    Service(worked_home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=quick_engine).run(
        once=True
    )
    with Reader.open(worked_home.catalog) as reader:
        rated = [(row["position"], row["stars"], row["note"]) for row in reader.takes("songs") if row["stars"]]
    assert rated == [(2, 4, "warm")]


def test_what_is_no_take_cannot_be_rated(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    file = heard(worked_home, 1)
    (tmp_path / "other.wav").write_bytes(file.read_bytes())
    file.with_name("mine.wav").write_bytes(file.read_bytes())
    for word, said in (
        (str(tmp_path / "other.wav"), f"is not in {worked_home.outputs}; name its home with --home"),
        (str(file.with_name("mine.wav")), "belongs to no take; name an audio file that `soundmill jobs` lists"),
        (f"{file}.json", "belongs to no take"),
        (str(file.with_name("gone.wav")), "no such file among the outputs"),
        ("nosuch.WAV", "nosuch.WAV: no such file among the outputs; `soundmill jobs` lists them"),
        ("nosuch", "nosuch: no such batch or job"),
        (f"songs/{file.stem}.flac", f"no such file among the outputs; did you mean songs/{file.stem}?"),
        ("x" * 5000, "no such batch or job"),
        ("songs", "is a batch; rate one job of it"),
        (str(file.parent), "no such batch or job"),
    ):
        answer = soundmill("rate", word, "4")
        assert answer.exit_code == 1 and said in answer.output and answer.output.count("\n") == 1, word
    assert control.pending(worked_home.control) == []


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    time_s = np.arange(3 * 16000) / 16000
    music = sum(0.1 * np.sin(2 * np.pi * f * time_s * (1 + 0.1 * time_s)) for f in (110, 220, 331, 447))
    soundfile.write(folder / "good.wav", music, 16000)
    soundfile.write(folder / "silent.flac", np.zeros(3 * 16000), 16000)
    (folder / "broken.ogg").write_bytes(b"not audio")
    return folder


def test_qc_judges_a_folder(soundmill: Command, sounds: Path) -> None:
    result = soundmill("qc", "--json", str(sounds))
    assert result.exit_code == 1
    rows = {Path(row["file"]).name: row for row in parsed(result)}
    assert rows["good.wav"]["verdict"] == "passed"
    assert "silence" in rows["silent.flac"]["failed_checks"]
    assert rows["broken.ogg"]["verdict"] == "unreadable" and rows["broken.ogg"]["error"]


def test_qc_writes_csv_and_passes_what_is_good(soundmill: Command, sounds: Path) -> None:
    result = soundmill("qc", "--csv", str(sounds / "good.wav"))
    assert result.exit_code == 0
    [row] = csv.DictReader(io.StringIO(result.stdout))
    assert row["verdict"] == "passed" and float(row["duration_s"]) == 3.0


def test_qc_says_where_the_defects_are(soundmill: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    sound = np.cumsum(rng.standard_normal((8 * 22050, 2)), axis=0)
    sound -= np.linspace(0, 1, len(sound))[:, None] * sound[-1]
    sound = 0.3 * (sound - sound.mean(axis=0)) / np.abs(sound).max()
    sound[2 * 22050 :] = 0
    soundfile.write(tmp_path / "ends.wav", sound, 22050)
    result = soundmill("qc", "--csv", str(tmp_path / "ends.wav"))
    [row] = csv.DictReader(io.StringIO(result.stdout))
    assert result.exit_code == 1 and "silence_tail" in row["failed_checks"]
    assert "silence_tail 2.0114-8" in row["defects"]
    assert "to the end" in soundmill("qc", str(tmp_path / "ends.wav")).output


def test_qc_judges_effects_by_their_own_limits(soundmill: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    hiss = 0.1 * rng.standard_normal(3 * 16000)
    soundfile.write(tmp_path / "rain.wav", hiss, 16000)
    assert soundmill("qc", str(tmp_path / "rain.wav")).exit_code == 1
    assert soundmill("qc", "--kind", "sound_effects", str(tmp_path / "rain.wav")).exit_code == 0
    assert soundmill("qc", "--kind", "speech", str(tmp_path / "rain.wav")).exit_code == 2


@pytest.mark.parametrize("rate", [8000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_qc_reads_mono_to_five_point_one_at_any_rate(
    soundmill: Command, tmp_path: Path, rate: int, channels: int
) -> None:
    time_s = np.arange(3 * rate) / rate
    sweep = sum(0.1 * np.sin(2 * np.pi * f * time_s * (1 + 0.1 * time_s)) for f in (110, 220, 331, 447))
    sound = np.stack([sweep] * channels, axis=1)
    if channels == 6:
        sound[:, 3] = 0  # nothing in the LFE is no fault
    soundfile.write(tmp_path / "sound.wav", sound, rate)
    rows = parsed(soundmill("qc", "--json", str(tmp_path / "sound.wav")))
    assert (rows[0]["verdict"], rows[0]["channels"]) == ("passed", channels), rows[0].get("reasons")


def test_qc_of_nothing_is_wrong_usage(soundmill: Command, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert soundmill("qc", str(empty)).exit_code == 2
    assert soundmill("qc", str(tmp_path / "nowhere")).exit_code == 2


def test_models_list_shows_the_names_people_know(soundmill: Command) -> None:
    text = soundmill("models", "list").output
    assert "musicgen-small" in text and "audiogen-medium" in text and "tiny" in text
    rows = {row["short"]: row for row in parsed(soundmill("models", "list", "--json"))}
    assert rows["tiny"]["here"] is True


def test_doctor_finds_the_machine_fit_and_names_the_mends(soundmill: Command) -> None:
    result = soundmill("doctor")
    assert result.exit_code == 0, result.output
    assert "ffmpeg: not needed" in result.output
    assert "soundmill models pull facebook/musicgen-small" in result.output
    findings = {f["about"]: f for f in parsed(soundmill("doctor", "--json"))}
    assert findings["sqlite"]["level"] == "ok"


def test_an_error_is_one_line_and_a_traceback_only_with_debug(soundmill: Command, home: Home) -> None:
    home.create()
    home.config_file.write_text("defaultmodel: x\n")
    result = soundmill("run")
    assert result.exit_code == 1 and result.output.count("\n") == 1 and "defaultmodel" in result.output
    done = subprocess.run(
        [sys.executable, "-m", "soundmill", "--debug", "--home", str(home.root), "run"], capture_output=True, text=True
    )
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_status_watch_draws_a_bar_on_a_terminal(worked_home: Home) -> None:
    (worked_home.inbox / "slow.csv").write_text("prompt\n" + "x\n" * 3)
    service = Service(
        worked_home, config(), devices=["cpu"], with_site=False, with_reports=False, engine_for=never_ending
    )
    until(service, lambda: service.inbox.accepted == 1)
    service.stop(0.0)
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "soundmill", "--home", str(worked_home.root), "status", "--watch"],
        stdout=side,
        stderr=side,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(side)
    try:
        seen = seen_on(terminal, until=b"slow")
    finally:
        process.terminate()
        process.wait()
        os.close(terminal)
    assert b"slow" in seen and "━".encode() in seen


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_only_a_whole_batch_is_paused_and_that_is_said_at_once(
    soundmill: Command, worked_home: Home, action: str
) -> None:
    result = soundmill(action, f"songs/{heard(worked_home, 1).stem}")
    assert result.exit_code == 1 and "is a job, not a batch" in result.output
    assert control.pending(worked_home.control) == []


def test_a_rerun_that_could_not_be_kept_does_not_begin(soundmill: Command, worked_home: Home, tmp_path: Path) -> None:
    result = soundmill("rerun", "1", "--save", str(tmp_path / "nowhere" / "take.wav"))
    assert result.exit_code == 2 and "no such folder" in result.output and result.output.count("\n") == 1


def test_what_the_disk_refuses_is_one_line(soundmill: Command, home: Home, tmp_path: Path) -> None:
    home.create()
    home.inbox.rename(home.root / "elsewhere")
    home.inbox.symlink_to(home.inbox)  # a circle, which stops root as well
    result = soundmill("init")
    assert result.exit_code == 1 and str(home.inbox) in result.output and result.output.count("\n") == 1


def test_every_schema_that_help_names_is_printed(soundmill: Command) -> None:
    assert parsed(soundmill("schema")) == parsed(soundmill("schema", "job"))
    for name in SCHEMAS:
        assert parsed(soundmill("schema", name))["properties"]
    assert soundmill("schema", "song").exit_code == 2


def test_help_lists_the_commands_in_the_order_one_meets_them_and_whole(soundmill: Command) -> None:
    text = soundmill("--help").output
    assert "…" not in text and "..." not in text.split("Commands:")[1]
    assert text.index("  init ") < text.index("  submit ") < text.index("  cancel ") < text.index("  doctor ")


@pytest.mark.parametrize(
    ("words", "limit_s"), [(["--version"], 0.15), (["--help"], 0.15), (["status"], 0.2), (["rate", "1", "5"], 0.2)]
)
def test_what_only_asks_starts_at_once(worked_home: Home, words: list[str], limit_s: float) -> None:
    """Word is left for the daemon without loading it, the settings, or what computes. Seconds of one core's work, the
    best of five."""
    probe = (
        "import sys, resource; from soundmill.cli import main\n"
        f"try: main(['--home', {str(worked_home.root)!r}, *{words!r}])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "names = ('soundmill.service', 'soundmill.config', 'pydantic', 'yaml', 'numpy', 'rich', 'torch')\n"
        "print([name for name in names if name in sys.modules], used.ru_utime + used.ru_stime, file=sys.stderr)"
    )
    runs = [subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True) for _ in range(5)]
    assert {run.stderr.rsplit(" ", 1)[0] for run in runs} == {"[]"}, runs[0].stderr
    assert min(float(run.stderr.rsplit(" ", 1)[1]) for run in runs) < limit_s
