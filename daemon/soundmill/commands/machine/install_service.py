"""`soundmill install-service`: the daemon and its site as services of systemd.

Done again it is an upgrade: what is there is kept, what differs is written anew, and the service starts again.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from soundmill.commands.init import create
from soundmill.commands.machine import units
from soundmill.commands.machine.accounts import make_accounts, must_reach, name_of, take
from soundmill.commands.machine.inbox_access import open_inbox
from soundmill.commands.machine.manager import Manager, log_of, manager_of, must_be_possible
from soundmill.commands.machine.steps import Steps, run
from soundmill.config import Config, load
from soundmill.engine.models import ModelSpec, resolve
from soundmill.engine.models import known as all_models
from soundmill.errors import SoundmillError, UsageError
from soundmill.home import Home, daemon_running, find_home
from soundmill.publish import site
from soundmill.words import size

SITE_PATIENCE_S = 60.0
LOCAL = ("127.0.0.1", "::1", "localhost")

Ask = Callable[[str], str]


def install(
    chosen: str | None,
    *,
    own: bool,
    model: str | None,
    droppers: str | None,
    dry: bool,
    say: Callable[[str], None],
    ask: Ask | None,
) -> None:
    """Set up, start and wait. `chosen` is the home, by default that of the units there are; `ask` puts a question on
    the terminal, where there is one. With `dry` nothing is done. Raises SoundmillError."""
    manager, steps = manager_of(own=own), Steps(say, dry=dry)
    must_be_possible(manager, dry, "install-service")
    former = manager.installed() or ""
    known = units.home_of(former)
    home = find_home(chosen or (str(known) if known else manager.home), os.environ if own else {})
    group = droppers or units.droppers_of(former)
    if own and droppers is not None:
        raise UsageError("--droppers needs the machine's own service: leave --user out, and use sudo")
    _must_be_fit(home, known)
    program = program_of(sys.executable)
    wanted = _model_for(home, model, say, ask)
    if known is not None and known != home.root:
        say(f"The service's home was {known}; it stays as it is, and {home.root} takes its place.")
    if own:
        steps.do(f"make the home {home.root}", lambda: create(home, {"default_model": wanted.name} if wanted else {}))
    else:
        make_accounts(steps, group)
        must_reach(program, dry)
        _make_home(steps, home, program, wanted, group)
    config = load(home)
    place = place_of(home, config, program, None if group == units.ACCOUNT else group, own=own)
    texts = {name: units.rendered(name, place) for name in units.NAMES}
    _verify(steps, manager, texts)
    for name, text in texts.items():
        steps.write(manager.path(name), text)
    _start(steps, manager, config, after_upgrade=bool(former))
    _say_how_to_go_on(say, home, manager, group or units.ACCOUNT, config, wanted)


def program_of(python: str) -> tuple[str, ...]:
    """How to call soundmill as it was called now."""
    script = Path(python).parent / "soundmill"
    return (str(script),) if os.access(script, os.X_OK) else (python, "-m", "soundmill")


def place_of(home: Home, config: Config, program: Sequence[str], droppers: str | None, *, own: bool) -> units.Place:
    """What the units need to know. Links in the home lead to where they lead today."""
    real = {Path(os.path.realpath(each)) for each in (home.inbox, home.outputs)}
    inputs = [Path(os.path.realpath(Path(each).expanduser())) for each in config.inbox.input_folders]
    model = Path(config.default_model).expanduser()
    code = {Path(sys.prefix), Path(sys.base_prefix), Path(__file__).resolve().parents[3]}
    return units.Place(
        home=home.root,
        program=program,
        droppers=droppers,
        reads=sorted({*code, *inputs, *([model] if model.is_absolute() else [])}),
        writes=sorted(each for each in real if not each.is_relative_to(os.path.realpath(home.root))),
        site_is_open=config.web.host not in LOCAL,
        own=own,
    )


def _must_be_fit(home: Home, former: Path | None) -> None:
    if any(home.root.is_relative_to(folder) for folder in units.FLEETING):
        raise UsageError(f"{home.root}: what lies there is gone after the next start; choose another home with --home")
    if home.root != former and home.root.is_dir() and daemon_running(home):
        raise SoundmillError(f"{home.root}: a daemon that was started by hand works there; stop it first")


def _model_for(home: Home, model: str | None, say: Callable[[str], None], ask: Ask | None) -> ModelSpec | None:
    """The model of a new home, of which none is fetched unless somebody said so; None where soundmill.yaml says it."""
    if home.config_file.exists():
        if model is not None:
            say(f"--model changes nothing: {home.config_file} is there, and says default_model")
        return None
    if model is None and ask is not None:
        for spec in all_models():
            needs = "built in" if not spec.download_gb else f"{size(round(spec.download_gb * 1e9))} to download"
            say(f"  {spec.short:<30} {'sound effects' if spec.makes_sound_effects else 'music'}, {needs}")
        model = ask("Model for rows that name none")
    if model is None:
        raise UsageError(
            "which model is for rows that name none? --model tiny is built in, --model musicgen-small is fetched "
            "(2 GB); all of them: soundmill models list"
        )
    return resolve(model)


def _make_home(steps: Steps, home: Home, program: Sequence[str], model: ModelSpec | None, group: str | None) -> None:
    mode = units.CLOSED if group in (None, units.ACCOUNT) else units.THROUGH
    steps.do(f"give {home.root} to {units.ACCOUNT}, mode {mode:04o}", lambda: take(home.root, mode))
    # As its user: root follows no path that somebody else can bend.
    init = (*program, "--home", str(home.root), "init", *(("--model", model.name) if model else ()))
    steps.run(*init, user=units.ACCOUNT)
    droppers = group or units.ACCOUNT

    def give_access() -> None:
        account = pwd.getpwnam(units.ACCOUNT)
        for note in open_inbox(home, account.pw_uid, grp.getgrnam(droppers).gr_gid, account.pw_gid):
            steps.say(f"  {note}")

    steps.do(f"let group {droppers} drop files into {home.inbox}, and read {home.outputs}", give_access)


def _verify(steps: Steps, manager: Manager, texts: dict[str, str]) -> None:
    """Have systemd read the units before they are put in place."""
    if shutil.which("systemd-analyze") is None:
        steps.say("- systemd-analyze is not installed: the units are not verified")
        return

    def verify() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in texts.items():
                Path(folder, name).write_text(text, encoding="utf-8")
            paths = [str(Path(folder, name)) for name in texts]
            done = run("systemd-analyze", *manager.flags, "verify", "--man=no", "--recursive-errors=no", *paths)
        said = [line for line in done.stderr.splitlines() if "soundmill" in line]
        for line in said:
            steps.say(f"  {line.replace(folder, str(manager.folder))}")
        if done.returncode != 0:
            raise SoundmillError(
                "systemd does not take the units, for the reason above; nothing of the service changed"
            )

    steps.do("systemd-analyze verify", verify)


def _start(steps: Steps, manager: Manager, config: Config, *, after_upgrade: bool) -> None:
    systemctl = ("systemctl", *manager.flags)
    steps.run(*systemctl, "daemon-reload")
    steps.run(*systemctl, "enable", *units.NAMES)
    if manager.own:
        user = name_of(os.getuid())
        mend = f"the service ends when you log out, unless root says: loginctl enable-linger {user}"
        steps.run("loginctl", "enable-linger", user, otherwise=mend)
    steps.run(*systemctl, "reset-failed", *units.NAMES, otherwise="")
    try:
        steps.run(*systemctl, "restart" if after_upgrade else "start", *units.NAMES)
    except SoundmillError as error:
        raise SoundmillError(f"{error}\n{log_of(manager)}") from error
    host, port = config.web.host, config.web.port

    def wait() -> None:
        if not site.wait_until_up(host, port, SITE_PATIENCE_S):
            raise SoundmillError(f"the site does not answer on {host} port {port}; its log:\n{log_of(manager)}")

    if port:
        steps.do(f"wait until the site answers on {host} port {port}", wait)
    # What answered may be another's, who had the port before.
    steps.run(*systemctl, "is-active", *units.NAMES)


def _say_how_to_go_on(
    say: Callable[[str], None], home: Home, manager: Manager, group: str, config: Config, model: ModelSpec | None
) -> None:
    flags = "".join(f" {flag}" for flag in manager.flags)
    as_it = "" if manager.own else f"sudo -u {units.ACCOUNT} "
    called = shlex.join(program_of(sys.executable))
    say("")
    say(f"Drop job files into {home.inbox}")
    if not manager.own:
        asks = "; they may use the commands, too" if group == units.ACCOUNT else ""
        say(f"  who may: people of the group {group} (sudo usermod -aG {group} NAME, then log in anew){asks}")
    if config.web.port:
        say(f"Browse and listen: http://{config.web.host}:{config.web.port}/")
    say(f"What it does: {as_it}{called} --home {shlex.quote(str(home.root))} status")
    say(f"Its log: journalctl{flags} -u soundmill -u soundmill-web -f")
    say(f"After a change of {home.config_file}: systemctl{flags} reload soundmill")
    if model is not None and model.is_hub:
        cache = "" if manager.own else f"env HF_HOME={units.CACHE} "
        say(f"The first job fetches {model.name}; to do that now: {as_it}{cache}{called} models pull {model.short}")
