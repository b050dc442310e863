"""The `soundmill` command. Each command parses, calls one function, and prints.

Exit status: 0 did it; 1 the work failed (a job failed, a check did not pass, a file was rejected);
2 the command makes no sense. Heavy modules are imported by the commands that need them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soundmill import __version__
from soundmill import home as homes
from soundmill.commands import terminal as show
from soundmill.config import Config, Home, find_home, load
from soundmill.errors import SoundmillError, UsageError
from soundmill.jobs import QualityKind
from soundmill.words import span

if TYPE_CHECKING:
    from soundmill.catalog.reader import Reader
    from soundmill.inbox.control import Action

JOB_FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
SITE_PATIENCE_S = 60.0  # how long the site waits for a daemon to make the catalogue
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")


class Group(click.Group):
    """Turns the errors Soundmill raises on purpose into one line and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SoundmillError as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"soundmill: {error}", err=True)
            ctx.exit(2 if isinstance(error, UsageError) else 1)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--home", "home", metavar="DIR", help="The home folder [default: $SOUNDMILL_HOME or ~/soundmill].")
@click.option("--debug", is_flag=True, help="Show tracebacks and what every thread does.")
@click.version_option(__version__, prog_name="soundmill")
@click.pass_context
def main(ctx: click.Context, home: str | None, debug: bool) -> None:
    """An audio factory fed by dropping files: every row of a CSV or YAML job file becomes a clip,
    measured, judged and catalogued."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    ctx.obj = find_home(home)


@main.command()
@click.option("--model", metavar="NAME", help="The model for rows that name none.")
@click.pass_obj
def init(home: Home, model: str | None) -> None:
    """Make a home folder with a commented soundmill.yaml."""
    from soundmill.engine.models import resolve

    settings = {"default_model": resolve(model).name} if model else {}
    made = homes.create(home, settings)
    click.echo(f"{home.root}: ready" if made else f"{home.root}: was set up already; soundmill.yaml left as it is")
    click.echo(f"Drop job files into {home.inbox}, then start the mill: soundmill run")


@main.command()
@click.option("--once", is_flag=True, help="Work the inbox off, then exit; 1 if anything failed.")
@click.option("--no-web", is_flag=True, help="Do not serve the site.")
@click.pass_obj
def run(home: Home, once: bool, no_web: bool) -> None:
    """Watch the inbox and run its jobs until stopped."""
    _run(home, load(home), once=once, site=not (no_web or once))


def _run(home: Home, config: Config, *, once: bool, site: bool) -> None:
    from soundmill.commands.run import run as work

    work(home, config, once=once, site=site, say=click.echo)


@main.command()
@click.option("--dir", "folder", default="soundmill-demo", show_default=True, type=click.Path(path_type=Path))
def demo(folder: Path) -> None:
    """Run the small examples with the built-in model, in a fresh home."""
    from soundmill.commands.demo import drop_examples, fresh_home

    home = fresh_home(folder)
    click.echo(f"Dropped {', '.join(drop_examples(home))} into {home.inbox}")
    _run(home, load(home), once=True, site=False)
    click.echo(f"\nAudio    {home.outputs}\nCatalog  {home.catalog}\nSettings {home.config_file}")
    again = f"soundmill --home {home.root}"
    click.echo(f"More     {again} submit FILE, {again} run, {again} web")
    if show.is_terminal():
        _serve(home, load(home))


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Another port than soundmill.yaml's; 0 takes a free one.")
@click.pass_obj
def web(home: Home, port: int | None) -> None:
    """Serve the catalogue's site, without the daemon."""
    config = load(home)
    if port is not None:
        config = config.model_copy(update={"web": config.web.model_copy(update={"port": port})})
    _serve(home, config)


def _serve(home: Home, config: Config) -> None:
    from soundmill.publish.site import free_port, serve

    port = config.web.port or free_port(config.web.host)
    click.echo(f"site: http://{config.web.host}:{port}/ (Ctrl-C ends it)")
    serve(home.catalog, home.outputs, config.web.host, port, wait_s=SITE_PATIENCE_S)


@main.command()
@JOB_FILES
@click.option("--again", is_flag=True, help="Run the same content once more, with new seeds.")
@click.option("--wait", is_flag=True, help="Wait for the jobs to end; 1 if any failed.")
@click.pass_obj
def submit(home: Home, files: tuple[Path, ...], again: bool, wait: bool) -> None:
    """Put job files into the inbox."""
    from soundmill.commands import wait as waiting
    from soundmill.inbox.spool import submit as put

    homes.must_be_set_up(home)
    running = homes.daemon_running(home)
    if wait and not running:
        raise UsageError(f"no daemon works on {home.root}, so there is nothing to wait for; start it: soundmill run")
    since = time.time()
    for file in files:
        click.echo(f"{file} -> {put(file, home.inbox, again=again)}")
    if wait:
        waiting.wait_for(home, files, since)
    elif not running:
        click.echo("No daemon is running; the files wait for: soundmill run")


@main.command()
@JOB_FILES
@AS_JSON
@click.pass_obj
def check(home: Home, files: tuple[Path, ...], as_json: bool) -> None:
    """Say what job files would do, or everything that is wrong with them."""
    from soundmill.commands.check import preview

    config = load(home)
    previews = [preview(file, config, home) for file in files]
    if as_json:
        show.as_json(previews)
    else:
        for found in previews:
            click.echo(found["text"])
    if any(found["problems"] for found in previews):
        raise SoundmillError("a file would be rejected")


@main.command()
@click.option("--watch", is_flag=True, help="Keep showing progress until stopped.")
@AS_JSON
@click.pass_obj
def status(home: Home, watch: bool, as_json: bool) -> None:
    """Show what waits, runs and is done."""
    with _reader(home) as reader:
        if watch:
            _watch(reader)
            return
        overview, batches, workers = reader.overview(), reader.batches(limit=20), reader.workers()
        notices = reader.inbox_notices()
        running = homes.daemon_running(home)
    if as_json:
        show.as_json(
            {"daemon_running": running, "overview": overview, "batches": batches, "workers": workers, "inbox": notices}
        )
        return
    click.echo(f"daemon: {'running' if running else 'not running'} on {home.root}")
    click.echo(", ".join(f"{overview[key]} {key}" for key in ("queued", "running", "succeeded", "failed", "flagged")))
    for notice in notices:
        click.echo(f"inbox: {notice['kind']}: {notice['file']} {notice['message']}")
    click.echo()
    show.table(
        batches,
        {"batch": "batch", "status": "status", "done": "done", "job_count": "of", "n_failed": "failed",
         "flagged": "flagged", "jobs_per_hour": "per hour"},
        "No batch yet.",
    )  # fmt: skip
    click.echo()
    show.table(
        workers,
        {
            "name": "worker",
            "status": "status",
            "model": "model",
            "running": "clips",
            "slots": "slots",
            "error": "error",
        },
        "No worker yet.",
    )


def _watch(reader: Reader) -> None:
    bars = show.BatchBars(time.monotonic)
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(bars):
        while True:
            bars.update(reader.batches(limit=50))
            time.sleep(0.5)


@main.command()
@click.argument("batch", required=False)
@click.option("--status", "wanted", help="Only jobs in this status.",
              type=click.Choice(["queued", "running", "succeeded", "failed", "cancelled"]))  # fmt: skip
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many.")
@AS_JSON
@click.pass_obj
def jobs(home: Home, batch: str | None, wanted: str | None, limit: int, as_json: bool) -> None:
    """List jobs, of one BATCH or of all."""
    with _reader(home) as reader:
        rows = reader.jobs(batch, status=wanted, limit=limit)
    if as_json:
        show.as_json(rows)
        return
    show.table(
        rows,
        {"batch": "batch", "job": "job", "status": "status", "model": "model", "seed": "seed", "attempts": "attempts",
         "prompt": "prompt", "audio": "audio", "error": "error"},
        "No such jobs.", names=2,
    )  # fmt: skip


def _control_command(action: Action, help_text: str) -> None:
    @main.command(action, help=help_text)
    @click.argument("target", metavar="BATCH|JOB")
    @click.pass_obj
    def command(home: Home, target: str) -> None:
        from soundmill.commands.asking import ask

        click.echo(ask(home, action, target, lambda reader: reader.find(target)))


_control_command("cancel", "Cancel the waiting and running jobs of a batch, or one job (an id or batch/job).")
_control_command("pause", "Start no more jobs of a batch; those running end.")
_control_command("resume", "Go on with a paused batch.")
_control_command("retry", "Queue failed and cancelled jobs of a batch, or one job, again.")


@main.command()
@click.argument("take", metavar="JOB|FILE")
@click.argument("stars", type=click.IntRange(1, 5))
@click.option("--note", help="A word about it.")
@click.pass_obj
def rate(home: Home, take: str, stars: int, note: str | None) -> None:
    """Give a take one to five STARS, by its JOB or by the FILE you heard.

    JOB is a number or batch/job, and means the take that counts. FILE is a path to an audio file in the
    outputs folder, from wherever you are, or batch/file as it stands there.
    """
    from soundmill.commands.asking import ask
    from soundmill.commands.takes import take_meant

    click.echo(ask(home, "rate", take, lambda reader: take_meant(reader, home.outputs, take), stars=stars, note=note))


@main.command()
@click.argument("job")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Keep the new audio in this file.")
@AS_JSON
@click.pass_obj
def rerun(home: Home, job: str, save: Path | None, as_json: bool) -> None:
    """Generate a JOB's take again from its row, and compare the samples; 1 if they differ."""
    from dataclasses import asdict

    from soundmill.commands import rerun as reruns
    from soundmill.engine.devices import find_devices
    from soundmill.service.wiring import engine_for

    config = load(home)
    with _reader(home) as reader:
        row = reader.attempt_for_rerun(job)
    devices = find_devices(config.engine.devices)
    device = str(row["device"]) if row["device"] in devices else devices[0]
    with contextlib.closing(engine_for(config)(device)) as engine:
        comparison, audio = reruns.again(row, config, home, engine)
    if save:
        save.write_bytes(audio)
    if as_json:
        show.as_json(asdict(comparison))
    else:
        click.echo(str(comparison))
    if not comparison.identical:
        raise SoundmillError("the samples are not the same")


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@AS_JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in QualityKind]),
    default=QualityKind.MUSIC.value,
    show_default=True,
    help="Whose limits, as in soundmill.yaml.",
)
@click.pass_obj
def qc(home: Home, paths: tuple[Path, ...], as_json: bool, as_csv: bool, kind: str) -> None:
    """Judge audio files and folders with the daemon's quality checks."""
    from soundmill.commands import qc as judging
    from soundmill.service.wiring import thresholds_of

    files = judging.audio_files(paths)
    whose = QualityKind(kind)
    rows = list(judging.judge_files(files, thresholds_of(load(home), whose), whose, os.cpu_count() or 1))
    if as_json:
        show.as_json(rows)
    elif as_csv:
        judging.write_csv(rows, sys.stdout)
    else:
        columns = {"file": "file", "verdict": "verdict", "score": "score", "why": "why"}
        show.table([{**row, "why": judging.why(row)} for row in rows], columns, "")
    failed = sum(not judging.passed(row) for row in rows)
    if failed:
        raise SoundmillError(f"{failed} of {len(rows)} files did not pass")


@main.command()
@click.argument("batch")
@click.pass_obj
def report(home: Home, batch: str) -> None:
    """Write a BATCH's report into its folder: report.html, README.md, tables, pictures and plots."""
    from soundmill.service.reporter import make_report, progress_bar

    with progress_bar(batch) as progress:
        page = make_report(home, batch, progress)
    click.echo(page)


@main.command()
@click.pass_obj
def score(home: Home) -> None:
    """Have the scorers of soundmill.yaml hear every take they have not heard yet, without the daemon."""
    from soundmill.service import scoring

    config = load(home)
    with _reader(home), homes.lock_home(home):  # the reader says when there is no catalogue yet
        count = scoring.score_all(home, config, clock=time.time)
    click.echo(f"{count} takes scored by {' and '.join(config.scoring.scorers)}")


@main.group()
def models() -> None:
    """List, download and verify models."""


@models.command("list")
@AS_JSON
def models_list(as_json: bool) -> None:
    """Show the models known by name."""
    from dataclasses import asdict

    from soundmill.commands.doctor import weights_cached
    from soundmill.engine.models import TABLE

    rows = [{**asdict(spec), "here": spec.is_built_in or weights_cached(spec)} for spec in TABLE]
    if as_json:
        show.as_json(rows)
        return
    show.table(
        rows,
        {"short": "name", "name": "Hugging Face id", "parameters_m": "M parameters", "gpu_gb": "GPU GB",
         "download_gb": "download GB", "licence": "licence", "here": "here"},
        "",
    )  # fmt: skip


@models.command("pull")
@click.argument("name")
def models_pull(name: str) -> None:
    """Download a model's weights."""
    from soundmill.engine.audiocraft.loading import pull
    from soundmill.engine.models import resolve

    spec = resolve(name)
    click.echo(f"{spec.name}: licence of the weights: {spec.licence}")
    click.echo(f"{spec.name}: {pull(spec, report=None if show.is_terminal() else click.echo)}")


@models.command("verify")
@click.argument("name")
@AS_JSON
def models_verify(name: str, as_json: bool) -> None:
    """Load a model's weights and say whether they are whole."""
    from dataclasses import asdict

    from soundmill.engine.audiocraft.loading import verify
    from soundmill.engine.models import resolve

    report = verify(resolve(name))
    if as_json:
        show.as_json(asdict(report))
    else:
        click.echo(str(report))
    if not report.ok:
        raise SoundmillError(f"{name}: not whole; fetch it again: soundmill models pull {name}")


@main.command()
def schema() -> None:
    """Print the JSON Schema of a YAML job file, for editors."""
    from soundmill.inbox.jobfile.read import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@main.command()
@AS_JSON
@click.pass_obj
def doctor(home: Home, as_json: bool) -> None:
    """Say in plain words what is missing on this machine, and the mend."""
    from dataclasses import asdict

    from soundmill.commands.doctor import examine

    findings = list(examine(home, load(home), homes.daemon_running))
    if as_json:
        show.as_json([asdict(finding) for finding in findings])
    else:
        marks = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
        for found in findings:
            click.echo(f"{marks[found.level]}  {found.about}: {found.finding}")
            if found.mend:
                click.echo(f"         -> {found.mend}")
    if any(found.level == "problem" for found in findings):
        raise SoundmillError("something needed is missing")


@main.command()
@click.option("--model", help="Which model [default: default_model of soundmill.yaml].")
@click.option("--clips", type=click.IntRange(1), help="How many clips [default: three for each slot].")
@click.option("--duration", type=click.FloatRange(0.5, 300), default=5.0, show_default=True, help="Seconds of a clip.")
@AS_JSON
@click.pass_obj
def bench(home: Home, model: str | None, clips: int | None, duration: float, as_json: bool) -> None:
    """Measure how fast each device of this machine makes clips; writes nothing anywhere."""
    from soundmill.commands import bench as benches
    from soundmill.engine.devices import find_devices
    from soundmill.service.wiring import engine_for

    config = load(home)
    if homes.daemon_running(home):
        click.echo("a daemon works in this home: what it does meanwhile slows the figures down", err=True)
    speeds = benches.measure_each(
        find_devices(config.engine.devices),
        engine_for(config),
        config,
        model=model or config.default_model,
        clips=clips,
        duration_s=duration,
        clock=time.monotonic,
    )
    rows = [speed.row() for speed in speeds]
    if as_json:
        show.as_json(rows)
        return
    show.table(rows, benches.COLUMNS, "no device")
    together = sum(speed.clips_per_h for speed in speeds)
    click.echo(f"300 clips of {duration:g} s would take about {span(round(300 * 3600 / together))}")


def _reader(home: Home) -> Reader:
    from soundmill.catalog.reader import Reader

    return Reader.open(home.catalog)
