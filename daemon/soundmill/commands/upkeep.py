"""The commands of whoever keeps a mill running, declared as those of cli.py are, which adds them: what its disk holds,
who is told, what systemd does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from soundmill.commands.cluster.declared import cluster
from soundmill.errors import UsageError
from soundmill.home import Home

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go, and how many bytes.")
@AS_JSON
@click.pass_obj
def prune(home: Home, dry_run: bool, as_json: bool) -> None:
    """Let the takes go that soundmill.yaml's retention lets go; never one that a person rated, picked or compared."""
    from soundmill.commands.keeping import prune as command

    command.prune(home, dry_run=dry_run, as_json=as_json, say=click.echo)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", type=click.IntRange(1), help="Remove the oldest backups beyond so many.")
@click.pass_obj
def backup(home: Home, folder: Path, keep: int | None) -> None:
    """Back the home up into DIR, also while the daemon runs; only what is new is copied."""
    import time

    from soundmill.commands.keeping import backup as command

    command.backup(home, folder, keep=keep, now=time.time, say=click.echo)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--backup", "name", metavar="NAME", help="Which backup [default: the newest].")
@click.option("--force", is_flag=True, help="Also into a home in use, whose catalogue is then moved aside.")
@click.option("--missing", is_flag=True, help="Only put back the takes that this home lacks, or has damaged.")
@click.pass_obj
def restore(home: Home, folder: Path, name: str | None, force: bool, missing: bool) -> None:
    """Restore the home from its backups in DIR, every file checked."""
    from soundmill.commands.keeping import restore as command

    if missing:
        if name or force:
            raise UsageError("--missing looks into all backups and replaces nothing that is whole; give it alone")
        command.restore_missing(home, folder, click.echo)
    else:
        command.restore(home, folder, name, force=force, say=click.echo)


@click.command()
@click.option("--quick", is_flag=True, help="Go by sizes, and read no audio.")
@click.option("--backups", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Read all files of the backups in DIR instead.")  # fmt: skip
@AS_JSON
@click.pass_obj
def verify(home: Home, quick: bool, backups: Path | None, as_json: bool) -> None:
    """Say whether every take's row has its file with its hash, and every file its row; 1 if not."""
    import time

    from soundmill.commands.keeping import verify as command

    if backups is not None:
        command.verify_backups(backups, as_json=as_json, say=click.echo)
    else:
        command.verify(home, quick=quick, as_json=as_json, now=time.time, say=click.echo)


@click.group()
def alerts() -> None:
    """Tell somebody what happens: alerts of soundmill.yaml."""


@alerts.command("test")
@click.pass_obj
def alerts_test(home: Home) -> None:
    """Send an alert now; 1 if it did not arrive."""
    from soundmill.commands.telling import alerts as command

    command.test(home, click.echo)


@click.command("install-service")
@click.option("--user", "own", is_flag=True, help="A service of your own, without root; it has your rights.")
@click.option(
    "--home",
    "chosen",
    metavar="DIR",
    help="Its home [default: that of the service there is, or /var/lib/soundmill; with --user ~/soundmill].",
)
@click.option("--model", metavar="NAME", help="The model for rows that name none; asked for where it is not given.")
@click.option("--droppers", metavar="GROUP", help="Who may drop files; made where there is none [default: soundmill].")
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be done.")
@click.pass_context
def install_service(
    ctx: click.Context, own: bool, chosen: str | None, model: str | None, droppers: str | None, dry: bool
) -> None:
    """Have systemd run the daemon and the site, from now on and after every start of the machine."""
    from soundmill.commands.machine import install_service as command

    chosen = chosen or ctx.find_root().params["home"]
    command.install(
        chosen, own=own, model=model, droppers=droppers, dry=dry, say=click.echo, ask=_asked_on_a_terminal()
    )


@click.command("uninstall-service")
@click.option("--user", "own", is_flag=True, help="The service of your own.")
@click.option("--purge", is_flag=True, help="Delete the home with every take, too; asks before it does.")
@click.option("--dry-run", "dry", is_flag=True, help="Only say what would be done.")
def uninstall_service(own: bool, purge: bool, dry: bool) -> None:
    """Stop the service and take it off this machine; its home stays."""
    from soundmill.commands.machine import uninstall_service as command

    command.uninstall(own=own, purge=purge, dry=dry, say=click.echo, ask=_asked_on_a_terminal())


def _asked_on_a_terminal() -> Callable[[str], str] | None:
    return click.prompt if sys.stdin.isatty() else None


COMMANDS: tuple[click.Command, ...] = (
    cluster, prune, backup, restore, verify, alerts, install_service, uninstall_service,
)  # fmt: skip
