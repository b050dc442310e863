"""The system's Firefox without a window, driven over Marionette, the protocol that it speaks by itself: Playwright has
a build of its own. https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from support.conformance import wait_until
from support.missing import missing

PREFERENCES: dict[str, object] = {
    "marionette.port": 0,  # one that is free; it stands in MarionetteActivePort
    "devtools.console.stdout.content": True,  # what pages write to the console
    "media.autoplay.default": 0,
    "services.settings.server": "data:,",  # nothing is fetched from elsewhere
    "media.volume_scale": "0.0",
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "security.sandbox.content.level": 0,  # a container may forbid what the sandbox needs
}
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "ArrowLeft": "\ue012", "ArrowRight": "\ue014"}  # WebDriver's
PATIENCE_S = 120.0
LEFT = "The site does not answer"  # what a page says that is left while it asks for something
ERRS = ("JavaScript error: http", 'console.error: "', "JavaScript warning: http")


def firefox() -> str:
    """Its binary: the one that FIREFOX names, or the first on the PATH."""
    found = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
    return found or missing("no firefox on the PATH, and FIREFOX names none")


class Firefox:
    """One window. Scripts are bodies of functions: what they return comes back; they get `args` as `arguments`."""

    def __init__(self, stream: IO[bytes], printed: Path) -> None:
        self._stream = stream
        self._printed = printed
        self._numbers = itertools.count(1)
        self._receive()  # it says who it is
        self._ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": False}}})
        self._ask("WebDriver:SetTimeouts", {"script": int(1000 * PATIENCE_S), "pageLoad": int(1000 * PATIENCE_S)})

    def open(self, url: str) -> None:
        """Raises RuntimeError where it does not load."""
        self._ask("WebDriver:Navigate", {"url": url})

    def run(self, script: str, *args: object) -> Any:
        return self._ask("WebDriver:ExecuteScript", {"script": script, "args": list(args)})["value"]

    def until(self, expression: str, *args: object) -> None:
        """Wait until it holds. Raises AssertionError."""
        held = wait_until(lambda: bool(self.run(f"return Boolean({expression})", *args)), PATIENCE_S)
        assert held, f"it did not become true: {expression}"

    def press(self, keys: str) -> None:
        """One key by its name, or letter after letter."""
        for key in [KEYS[keys]] if keys in KEYS else keys:
            actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
            self._ask("WebDriver:PerformActions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def click(self, selector: str) -> None:
        found = self._ask("WebDriver:FindElement", {"using": "css selector", "value": selector})["value"]
        self._ask("WebDriver:ElementClick", {"id": next(iter(found.values()))})

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def picture(self) -> bytes:
        """The window as PNG."""
        return base64.b64decode(self._ask("WebDriver:TakeScreenshot", {"full": False})["value"])

    def errors(self) -> list[str]:
        """What erred on the pages until now."""
        lines = self._printed.read_text(errors="replace").splitlines()
        return [line for line in lines if line.startswith(ERRS) and LEFT not in line]

    def _ask(self, command: str, content: dict[str, Any]) -> Any:
        number = next(self._numbers)
        said = json.dumps([0, number, command, content]).encode()
        self._stream.write(b"%d:%s" % (len(said), said))
        self._stream.flush()
        _, answered, error, result = self._receive()
        assert answered == number
        if error is not None:
            raise RuntimeError(f"{command}: {error['error']}: {error['message']}")
        return result

    def _receive(self) -> Any:
        length = bytearray()
        while (character := self._stream.read(1)) != b":":
            if not character:
                raise RuntimeError(f"Firefox has gone: {self._printed.read_text(errors='replace')[-2000:]}")
            length += character
        return json.loads(self._stream.read(int(length)))


@contextmanager
def running(folder: Path, *, sounds: bool = False) -> Iterator[Firefox]:
    """One with a fresh profile in that folder, and a sound device where it `sounds`: without one it plays nothing."""
    binary, profile, printed = firefox(), folder / "profile", folder / "printed.txt"
    profile.mkdir(parents=True)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    command = [binary, "--headless", "--marionette", "--no-remote", "--profile", str(profile), "about:blank"]
    device = _sound_device(folder) if sounds else nullcontext("")
    with device as server, _process(command, printed, HOME=str(folder), PULSE_SERVER=server) as process:
        port = _port(profile, process)
        address = ("127.0.0.1", port)
        with socket.create_connection(address, PATIENCE_S) as connection, connection.makefile("rwb") as stream:
            yield Firefox(stream, printed)


@contextmanager
def _sound_device(folder: Path) -> Iterator[str]:
    """The address of one that plays at its time to nobody."""
    if not shutil.which("pulseaudio"):
        missing("no pulseaudio on the PATH")
    with tempfile.TemporaryDirectory(prefix="pulse-") as short:  # the name of a socket has 107 bytes at most
        place = Path(short) / "native"
        command = [
            "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
            "--load=module-null-sink", f"--load=module-native-protocol-unix socket={place} auth-anonymous=1",
        ]  # fmt: skip
        with _process(command, folder / "pulseaudio.txt", HOME=short, XDG_RUNTIME_DIR=short):
            assert wait_until(place.exists, PATIENCE_S), (folder / "pulseaudio.txt").read_text()
            yield f"unix:{place}"


@contextmanager
def _process(command: list[str], printed: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    with printed.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | variables
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    told = profile / "MarionetteActivePort"

    def there() -> bool:
        assert process.poll() is None, f"Firefox has ended with {process.poll()}"
        return told.is_file() and told.read_text().isdigit()

    assert wait_until(there, PATIENCE_S), "Firefox does not come up"
    return int(told.read_text())
