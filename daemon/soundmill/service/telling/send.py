"""How an alert leaves: posted to an address, or handed to a program. Addresses and tokens are never told or logged."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from soundmill.config import AlertsConfig
from soundmill.disk import read_plain
from soundmill.errors import AlertNotSent
from soundmill.faults import passing
from soundmill.words import shortened

SECRET_BYTES = 8192
SAID = 200  # characters of what a program said before it failed
WAYS = ("webhook", "command")

Send = Callable[[bytes], None]  # raises AlertNotSent


def ways(settings: AlertsConfig, folder: Path) -> dict[str, Send]:
    """How alerts go, by name, as soundmill.yaml says. A program runs in `folder`. Secrets are read for each alert."""
    found: dict[str, Send] = {}
    if settings.webhook is not None:
        address, token = settings.webhook, settings.token
        found["webhook"] = lambda body: post(
            _secret("alerts.webhook", address),
            body,
            token=None if token is None else _secret("alerts.token", token),
            timeout_s=settings.timeout_s,
        )
    if settings.command:
        found["command"] = lambda body: run(settings.command, body, folder=folder, timeout_s=settings.timeout_s)
    return found


def _secret(setting: str, text: str, environ: Mapping[str, str] = os.environ) -> str:
    """What `env:NAME` or `file:PATH` stands for; any other text is meant itself. Raises AlertNotSent."""
    kind, _, where = text.partition(":")
    if kind == "env":
        if not environ.get(where):
            raise AlertNotSent(f"{setting}: the daemon's environment has no {where}")
        return environ[where].strip()
    if kind == "file":
        try:
            return read_plain(Path(where).expanduser(), SECRET_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is no text"
            raise AlertNotSent(f"{setting}: {where}: {reason}") from None
    return text


def post(address: str, body: bytes, *, token: str | None, timeout_s: float) -> None:
    """POST a JSON body. Only an answer of 200 to 299 is a success: one that sends elsewhere would lose the body.

    `timeout_s` is for each wait. Raises AlertNotSent.
    """
    # Here: they take a tenth of a second, and most daemons post nothing.
    import urllib.error
    import urllib.request

    class NoOtherPlace(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    if not address.startswith(("http://", "https://")):
        raise AlertNotSent("alerts.webhook: what stands there is no address that begins with http:// or https://")
    headers = {"Content-Type": "application/json", "User-Agent": "soundmill"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        request = urllib.request.Request(address, data=body, headers=headers, method="POST")
        with urllib.request.build_opener(NoOtherPlace).open(request, timeout=timeout_s):
            return
    except urllib.error.HTTPError as error:
        error.close()
        raise AlertNotSent(f"the receiver answered {error.code}") from None
    except urllib.error.URLError as error:
        raise AlertNotSent(f"the receiver was not reached: {_reason(error.reason)}") from None
    except OSError as error:
        raise AlertNotSent(f"the receiver did not answer: {_reason(error)}") from None
    except http.client.InvalidURL:
        raise AlertNotSent("alerts.webhook: what stands there is no address") from None
    except http.client.HTTPException as error:
        raise AlertNotSent(f"the receiver answered no HTTP: {type(error).__name__}") from None
    except ValueError:  # its text may hold the address or the token
        raise AlertNotSent("alerts.webhook or alerts.token: cannot be sent as it stands there") from None


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def run(argv: Sequence[str], body: bytes, *, folder: Path, timeout_s: float) -> None:
    """Start a program with the alert on its standard input; it is ended, with all that it started, after `timeout_s`.

    No shell is between. Raises AlertNotSent.
    """
    with tempfile.TemporaryFile() as said:  # no pipe: what it starts and leaves behind may hold that open
        try:
            passing("alert.start")
            process = subprocess.Popen(
                argv,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise AlertNotSent(f"alerts.command: {argv[0]}: {getattr(error, 'strerror', None) or error}") from None
        try:
            process.communicate(body, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise AlertNotSent(f"{argv[0]} took longer than {timeout_s:g} s and was ended") from None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                passing("alert.end")
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
        if process.returncode != 0:
            said.seek(0)
            words = shortened(said.read(SAID * 4).decode(errors="replace"), SAID)
            raise AlertNotSent(f"{argv[0]} ended with {process.returncode}" + (f": {words}" if words else ""))
