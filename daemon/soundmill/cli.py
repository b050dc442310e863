"""The `soundmill` command: each declares what it is called with, and hands that to one function of commands/.

Exit status: 0 did it; 1 the work failed (a job failed, a check did not pass, a file was rejected);
2 the command makes no sense. A function is imported by the command that calls it, so that no command loads another's
libraries and help is there at once.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soundmill import __version__, logs
from soundmill.commands.upkeep import AS_JSON
from soundmill.commands.upkeep import COMMANDS as OF_UPKEEP
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home, find_home
from soundmill.jobs import QualityKind

if TYPE_CHECKING:
    from soundmill.inbox.control import Action

# What `soundmill schema` prints: the function that makes it, imported when it is asked for.
SCHEMAS = {
    "job": "soundmill.inbox.jobfile.schema:schema",
    "settings": "soundmill.config:schema",
    "sidecar": "soundmill.service.sidecar:schema",
    "summary": "soundmill.report.schema:schema",
}
JOB_FILES = click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


class Group(click.Group):
    """Turns the errors Soundmill raises on purpose, and the disk's, into one line and an exit status.

    Its help lists the commands in the order one meets them, each with its whole sentence.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(200)) for name, command in self.commands.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (SoundmillError, OSError) as error:
            if ctx.params.get("debug") or (isinstance(error, OSError) and error.filename is None):
                raise  # without a file it is the other end of a pipe that has gone, which click knows
            said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error.told
            click.echo(f"soundmill: {said}", err=True)
            ctx.exit(2 if isinstance(error, UsageError) else 1)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 did it; 1 the work failed (a job failed, a check did not pass, a file was rejected); "
    "2 wrong usage.",
)
@click.option("--home", "home", metavar="DIR", help="The home folder [default: $SOUNDMILL_HOME or ~/soundmill].")
@click.option("--debug", is_flag=True, help="Show tracebacks and what every thread does.")
@click.version_option(__version__, prog_name="soundmill")
@click.pass_context
def main(ctx: click.Context, home: str | None, debug: bool) -> None:
    """An audio factory fed by dropping files: every row of a CSV or YAML job file becomes a clip,
    measured, judged and catalogued."""
    logs.set_up(debug=debug)
    ctx.obj = find_home(home)


@main.command()
@click.option("--model", metavar="NAME", help="The model for rows that name none.")
@click.pass_obj
def init(home: Home, model: str | None) -> None:
    """Make a home folder with a commented soundmill.yaml."""
    from soundmill.commands.init import create
    from soundmill.engine.models import resolve

    settings = {"default_model": resolve(model).name} if model else {}
    made = create(home, settings)
    click.echo(f"{home.root}: ready" if made else f"{home.root}: was set up already; soundmill.yaml left as it is")
    click.echo(f"Drop job files into {home.inbox}, then start the mill: soundmill run")


@main.command()
@click.option("--once", is_flag=True, help="Work the inbox off, then exit; 1 if anything failed.")
@click.option("--no-web", is_flag=True, help="Do not serve the site.")
@click.pass_obj
def run(home: Home, once: bool, no_web: bool) -> None:
    """Watch the inbox and run its jobs until stopped."""
    from soundmill.commands import run as command

    command.run(home, once=once, site=not (no_web or once), say=logs.teller(click.echo))


@main.command()
@click.option(
    "--dir",
    "folder",
    default="soundmill-demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The home folder to make; where it is in use, one with a number behind its name.",
)
def demo(folder: Path) -> None:
    """Run the small examples with the built-in model, in a fresh home."""
    from soundmill.commands import demo as command

    command.demo(folder, click.echo)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Another port than soundmill.yaml's; 0 takes a free one.")
@click.option("--link", is_flag=True, help="Only print a link by which you may mark and steer on the site that runs.")
@click.pass_obj
def web(home: Home, port: int | None, link: bool) -> None:
    """Serve the catalogue's site, without the daemon."""
    if link:
        from soundmill.commands.asking.link import link as new_link

        click.echo(new_link(home))
        return
    from soundmill.commands import look

    look.web(home, port, logs.teller(click.echo))


@main.command()
@JOB_FILES
@click.option("--again", is_flag=True, help="Run the same content once more, with new seeds.")
@click.option("--rest", is_flag=True, help="Run only the rows that the batch of the accepted file of this name lacks.")
@click.option("--wait", is_flag=True, help="Wait for the jobs to end; 1 if any failed.")
@click.pass_obj
def submit(home: Home, files: tuple[Path, ...], again: bool, rest: bool, wait: bool) -> None:
    """Put job files into the inbox."""
    from soundmill.commands import submit as command

    command.hand_in(home, files, again=again, rest=rest, wait=wait, say=click.echo)


@main.command()
@JOB_FILES
@AS_JSON
@click.pass_obj
def check(home: Home, files: tuple[Path, ...], as_json: bool) -> None:
    """Say what job files would do, or everything that is wrong with them."""
    from soundmill.commands import check as command

    command.check(home, files, as_json=as_json)


@main.command()
@click.option("--watch", is_flag=True, help="Keep showing progress until stopped.")
@AS_JSON
@click.pass_obj
def status(home: Home, watch: bool, as_json: bool) -> None:
    """Show what waits, runs and is done."""
    from soundmill.commands import look

    if watch:
        look.watch(home)
    else:
        look.status(home, as_json=as_json)


@main.command()
@click.argument("batch", required=False)
@click.option("--status", "wanted", help="Only jobs in this status.",
              type=click.Choice(["queued", "running", "succeeded", "failed", "cancelled"]))  # fmt: skip
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="At most so many.")
@AS_JSON
@click.pass_obj
def jobs(home: Home, batch: str | None, wanted: str | None, limit: int, as_json: bool) -> None:
    """List jobs, of one BATCH or of all."""
    from soundmill.commands import look

    look.jobs(home, batch, wanted, limit, as_json=as_json)


def _control_command(action: Action, target: str, help_text: str) -> None:
    @main.command(action, help=help_text)
    @click.argument("target", metavar=target)
    @click.pass_obj
    def command(home: Home, target: str) -> None:
        from soundmill.commands.asking.ask import ask

        click.echo(ask(home, action, target))


_control_command(
    "cancel", "BATCH|JOB", "Cancel the waiting and running jobs of a batch, or one job (an id or batch/job)."
)
_control_command("pause", "BATCH", "Start no more jobs of a batch; those running end.")
_control_command("resume", "BATCH", "Go on with a paused batch.")
_control_command("retry", "BATCH|JOB", "Queue failed and cancelled jobs of a batch, or one job, again.")


@main.command()
@click.argument("target", metavar="BATCH|JOB")
@click.argument("priority", type=click.IntRange(-1000, 1000))
@click.pass_obj
def priority(home: Home, target: str, priority: int) -> None:
    """Set the PRIORITY of a batch or a job; higher runs earlier (put -- before a negative one)."""
    from soundmill.commands.asking import ask

    click.echo(ask.prioritise(home, target, priority))


@main.command()
@click.argument("batch")
@click.option("--undo", is_flag=True, help="Take it out of the archive.")
@click.pass_obj
def archive(home: Home, batch: str, undo: bool) -> None:
    """Put a BATCH that has ended out of the way of lists; nothing of it is lost."""
    from soundmill.commands.asking import ask

    click.echo(ask.archive(home, batch, archived=not undo))


@main.command()
@click.argument("take", metavar="JOB|FILE")
@click.argument("stars", type=click.IntRange(1, 5), required=False)
@click.option("--note", help="A word about it.")
@click.option("--reject", is_flag=True, help="It is not to be used, however good its score.")
@click.option("--clear", is_flag=True, help="Take back what you said.")
@click.pass_obj
def rate(home: Home, take: str, stars: int | None, note: str | None, reject: bool, clear: bool) -> None:
    """Give a take one to five STARS, or reject it, by its JOB or by the FILE you heard.

    JOB is a number or batch/job, and means the take that counts. FILE is a path to an audio file in the
    outputs folder, from wherever you are, or batch/file as it stands there.
    """
    from soundmill.commands.asking import ask

    if clear == (stars is not None or reject) or (clear and note is not None):
        raise UsageError("say one to five STARS, --reject or both; or only --clear, to take them back")
    click.echo(ask.rate(home, take, stars, note, reject=reject))


@main.command()
@click.argument("takes", metavar="JOB|FILE…", nargs=-1, required=True)
@click.option("--list", "shortlist", default="picks", show_default=True, metavar="NAME", help="Of which shortlist.")
@click.option("--note", help="A word about them.")
@click.option("--remove", is_flag=True, help="Take them off the shortlist.")
@click.pass_obj
def pick(home: Home, takes: tuple[str, ...], shortlist: str, note: str | None, remove: bool) -> None:
    """Put takes on a shortlist, named as for rate; a new name begins a new list."""
    from soundmill.commands.asking import ask

    click.echo(ask.pick(home, takes, shortlist, note, remove=remove))


@main.command()
@click.argument("shortlist", metavar="NAME", required=False)
@click.option("--missing", metavar="BATCH", help="Which rows of a batch's file have no pick yet.")
@AS_JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def picks(home: Home, shortlist: str | None, missing: str | None, as_json: bool, as_csv: bool) -> None:
    """List the shortlists, or the picks on the one of that NAME."""
    from soundmill.commands.asking import picks as command

    command.picks(home, shortlist, missing, as_json=as_json, as_csv=as_csv)


@main.command()
@click.argument("job")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Keep the new audio in this file.")
@AS_JSON
@click.pass_obj
def rerun(home: Home, job: str, save: Path | None, as_json: bool) -> None:
    """Generate a JOB's take again from its row, and compare the samples; 1 if they differ."""
    from soundmill.commands import rerun as command

    command.rerun(home, job, save, as_json=as_json)


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
    from soundmill.commands import qc as command

    command.qc(home, paths, QualityKind(kind), as_json=as_json, as_csv=as_csv)


@main.command()
@click.argument("batch")
@click.pass_obj
def report(home: Home, batch: str) -> None:
    """Write a BATCH's report into its folder: report.html, README.md, tables, pictures and plots."""
    from soundmill.commands.report import make_report, progress_bar

    with progress_bar(batch) as progress:
        page = make_report(home, batch, progress)
    click.echo(page)


@main.command()
@click.pass_obj
def score(home: Home) -> None:
    """Have the scorers of soundmill.yaml hear every take they have not heard yet, without the daemon."""
    from soundmill.commands.score import score as command

    click.echo(command(home))


@main.command()
@click.argument("targets", nargs=-1, required=True, metavar="BATCH|SHORTLIST|QUERY|TAKE...")
@click.option("--to", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to fill.")
@click.option("--profile", default="game", show_default=True, help="A profile, built in or of soundmill.yaml.")
@click.option("--list", "is_list", is_flag=True, help="The target is a shortlist, though a batch has its name.")
@click.option("--zip", "zipped", is_flag=True, help="Pack the folder into a zip file beside it, too.")
@click.option("--commercial", is_flag=True, help="Refuse takes whose model's licence does not allow selling them.")
@click.option("--allow-non-commercial", is_flag=True, help="Deliver them nevertheless.")
@click.option("--replace", is_flag=True, help="Put this delivery in place of another one in the folder.")
@click.option("--dry-run", is_flag=True, help="Only say which files it would make.")
@click.option("--processes", type=click.IntRange(1, 256), help="At most so many at a time [default: the processors].")
@click.pass_obj
def deliver(
    home: Home,
    targets: tuple[str, ...],
    to: Path,
    profile: str,
    is_list: bool,
    zipped: bool,
    commercial: bool,
    allow_non_commercial: bool,
    replace: bool,
    dry_run: bool,
    processes: int | None,
) -> None:
    """Make takes into the files a game, film or site takes: rate, level, names, marks, import tables, manifest.

    Of a BATCH the takes that were picked; else those rated four stars or more; else those kept. QUERY is SQL with a
    column output_id or audio, as in "SELECT * FROM takes WHERE score > 80". The same command again goes on where it was
    cut short, and leaves what stands.
    """
    from soundmill.commands.delivering import deliver as command

    command.deliver(
        home,
        targets,
        to,
        profile,
        is_list=is_list,
        commercial=commercial,
        allow_non_commercial=allow_non_commercial,
        zipped=zipped,
        replace=replace,
        dry_run=dry_run,
        processes=processes,
        say=click.echo,
    )


@main.command()
@click.argument("to", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--batch", "batches", multiple=True, metavar="NAME", help="The takes of this batch; more than once.")
@click.option("--list", "shortlists", multiple=True, metavar="NAME", help="The takes of this shortlist.")
@click.option("--format", "format_", default="ogg", show_default=True, type=click.Choice(["ogg", "mp3", "as-is"]))
@click.option("--static", is_flag=True, help="A page that opens from the folder, with no server.")
@click.option("--title", help="What the copy is called [default: its batches and shortlists].")
@click.pass_obj
def publish(
    home: Home,
    to: Path,
    batches: tuple[str, ...],
    shortlists: tuple[str, ...],
    format_: str,
    static: bool,
    title: str | None,
) -> None:
    """Make a frozen copy of takes in DIR, to be served elsewhere or opened from the folder; again renews it.

    All takes that count, are kept and are not rejected; or those of some batches and shortlists. Nothing of the home's
    own business is in it: docs/publish.md.
    """
    import time

    from soundmill.commands.publishing import publish as command

    wanted = command.Wanted(batches=batches, shortlists=shortlists, format=format_, static=static, title=title)
    command.publish(home, to, wanted, now=time.time(), say=click.echo)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@AS_JSON
@click.option("--rerun", "again", is_flag=True, help="Generate the take again, too, and compare.")
@click.pass_obj
def identify(home: Home, file: Path, as_json: bool, again: bool) -> None:
    """Say which take a FILE was made from, also renamed, encoded anew or cut."""
    from soundmill.commands.delivering import identify as command

    command.identify(home, file, as_json=as_json, again=again)


@main.command()
@click.argument("take")
@click.option("-n", "--most", type=click.IntRange(min=1), default=10, show_default=True, help="How many to show.")
@AS_JSON
@click.pass_obj
def like(home: Home, take: str, most: int, as_json: bool) -> None:
    """Show the takes that sound most like a TAKE, or like any audio file."""
    from soundmill.commands.delivering import like as command

    command.like(home, take, most, as_json=as_json)


@main.group()
def models() -> None:
    """List, download and verify models."""


@models.command("list")
@AS_JSON
def models_list(as_json: bool) -> None:
    """Show the models known by name."""
    from soundmill.commands import doctor as command

    command.models(as_json=as_json)


@models.command("pull")
@click.argument("name")
@click.option("--everywhere", is_flag=True, help="Send them to every machine of the cluster that lacks them, too.")
@click.pass_obj
def models_pull(home: Home, name: str, everywhere: bool) -> None:
    """Download a model's weights."""
    from soundmill.commands import doctor as command

    if everywhere:
        command.pull_everywhere(home, name, click.echo)
    else:
        command.pull_model(name, click.echo)


@models.command("verify")
@click.argument("name")
@AS_JSON
def models_verify(name: str, as_json: bool) -> None:
    """Load a model's weights and say whether they are whole."""
    from soundmill.commands.doctor import verify_model

    verify_model(name, as_json=as_json)


@main.command()
@click.argument("what", type=click.Choice(list(SCHEMAS)), default="job")
def schema(what: str) -> None:
    """Print the JSON Schema of a YAML job file, or of another kind of file, for editors."""
    module, _, function = SCHEMAS[what].partition(":")
    click.echo(json.dumps(getattr(importlib.import_module(module), function)(), indent=2))


@main.command()
@AS_JSON
@click.pass_obj
def doctor(home: Home, as_json: bool) -> None:
    """Say in plain words what is missing on this machine, and the mend."""
    from soundmill.commands import doctor as command

    command.doctor(home, as_json=as_json)


@main.command()
@click.option("--model", metavar="NAME", help="Which model [default: default_model of soundmill.yaml].")
@click.option("--clips", type=click.IntRange(1), help="How many clips [default: three for each slot].")
@click.option("--duration", type=click.FloatRange(0.5, 300), default=5.0, show_default=True, help="Seconds of a clip.")
@AS_JSON
@click.pass_obj
def bench(home: Home, model: str | None, clips: int | None, duration: float, as_json: bool) -> None:
    """Measure how fast each device of this machine makes clips; writes nothing anywhere."""
    from soundmill.commands import bench as command

    command.bench(home, model, clips, duration, as_json=as_json)


for of_upkeep in OF_UPKEEP:
    main.add_command(of_upkeep)
