"""The commands of a cluster, declared as those of cli.py are, which adds them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from soundmill.home import Home

GPUS = click.option("--gpus", type=click.IntRange(0), help="GPUs of this machine that take part [default: all].")
CPUS = click.option("--cpus", type=click.IntRange(0), help="CPUs of this machine that take part [default: all].")
REMOTE = click.option(
    "--soundmill", default="soundmill", show_default=True, metavar="COMMAND", help="What it is called on the hosts."
)


@click.group()
def cluster() -> None:
    """Tie machines into one mill, with Ray."""


@cluster.command()
@click.argument("hosts", nargs=-1, metavar="[HOST]…")
@click.option("--address", metavar="IP", help="This machine's, as the hosts reach it [default: the way to the first].")
@click.option("--port", type=click.IntRange(1, 65535), default=6379, show_default=True, help="Of the head.")
@GPUS
@CPUS
@REMOTE
@click.pass_obj
def up(
    home: Home, hosts: tuple[str, ...], address: str | None, port: int, gpus: int | None, cpus: int | None,
    soundmill: str,
) -> None:  # fmt: skip
    """Make this machine the head of a cluster, and have each HOST join it over ssh."""
    from soundmill.commands.cluster import workstations

    workstations.up(home, hosts, address=address, port=port, gpus=gpus, cpus=cpus, soundmill=soundmill, say=click.echo)


@cluster.command(hidden=True)
@click.argument("address")
@click.argument("hosts", nargs=-1)
@GPUS
@CPUS
@click.pass_obj
def head(home: Home, address: str, hosts: tuple[str, ...], gpus: int | None, cpus: int | None) -> None:
    """The process that `up` leaves running."""
    from soundmill.commands.cluster import node

    node.take_part(home, node.Part(address=address, head=True, gpus=gpus, cpus=cpus), click.echo, hosts=hosts)


@cluster.command()
@click.argument("address", metavar="HOST:PORT")
@click.option("--name", help="What the machine is called [default: its host name].")
@GPUS
@CPUS
@click.option("--token-stdin", is_flag=True, help="Read the head's token from standard input and keep it.")
@click.option("--detach", is_flag=True, help="Go on in the background.")
@click.pass_obj
def join(
    home: Home, address: str, name: str | None, gpus: int | None, cpus: int | None, token_stdin: bool, detach: bool
) -> None:
    """Have this machine work for the head at HOST:PORT, and join again whenever that comes back."""
    from soundmill.commands.cluster import node

    if token_stdin:
        node.token_from(sys.stdin.read(), home)
    if detach:
        given = [("--name", name), ("--gpus", gpus), ("--cpus", cpus)]
        options = [str(text) for pair in given if pair[1] is not None for text in pair]
        node.detach(home, ["join", address, *options], click.echo)
    else:
        node.take_part(home, node.Part(address=address, head=False, name=name, gpus=gpus, cpus=cpus), click.echo)


@cluster.command()
@REMOTE
@click.pass_obj
def down(home: Home, soundmill: str) -> None:
    """Have this machine leave: it finishes what it has begun. As the head, also the machines that `up` had join."""
    from soundmill.commands.cluster import workstations

    workstations.down(home, soundmill=soundmill, say=click.echo)


@cluster.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
@click.pass_obj
def status(home: Home, as_json: bool) -> None:
    """Show the machines that the daemon sees."""
    from soundmill.commands import look

    look.machines(home, as_json=as_json)


@cluster.command()
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines.")
@click.option("--gpus", type=click.IntRange(0), default=1, show_default=True, help="GPUs of each.")
@click.option("--cpus", type=click.IntRange(1), default=8, show_default=True, help="CPUs of each.")
@click.option("--time", default="04:00:00", show_default=True, help="How long they are wanted.")
@click.option("--partition", help="SLURM's partition.")
@click.option("--account", help="SLURM's account.")
@click.option("--port", type=click.IntRange(1, 65535), default=6379, show_default=True, help="Of the head.")
@click.option("--stay", is_flag=True, help="Go on for the whole time, and not only until everything is worked off.")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="[default: soundmill.sbatch in the home]")
@click.option("--submit", is_flag=True, help="Hand it to sbatch.")
@click.pass_obj
def slurm(
    home: Home, nodes: int, gpus: int, cpus: int, time: str, partition: str | None, account: str | None, port: int,
    stay: bool, file: Path | None, submit: bool,
) -> None:  # fmt: skip
    """Write the batch file that runs the daemon on machines of a SLURM cluster."""
    from soundmill.commands.cluster import slurm as command

    wanted = command.Wanted(
        nodes=nodes, gpus=gpus, cpus=cpus, time=time, partition=partition, account=account, port=port, once=not stay
    )
    command.slurm(home, wanted, file=file, submit=submit, say=click.echo)
