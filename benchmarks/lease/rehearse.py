"""A lease without a card: run.py on the CPU, where only what a card's machine has and what was packed can be imported.

    python benchmarks/lease/rehearse.py [SECONDS]

Run it in Soundmill's own environment. Packs for the card's Python and checks that; packs the same for this Python,
makes an empty environment that shows PyTorch and what else is there of this one, and lets run.py take SECONDS in it.
Fails unless every part was done.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

import prepare

CARD = "3.12"  # the Python of the card's machine
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
SECONDS = 180  # at most: it takes one to two minutes


def empty(folder: Path) -> Path:
    """An environment in `folder` that holds links to what a card's machine has, and nothing else; its Python."""
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib"))
    target = folder / "lib" / f"python{HERE}" / "site-packages"
    for name in sorted(prepare.there(prepare.environment_of(HERE))):
        for top in {file.parts[0] for file in metadata.files(name) or []} - {"..", "__pycache__"}:
            if not (target / top).exists():
                (target / top).symlink_to(site / top)
    return folder / "bin" / "python"


def modules(pack: Path) -> dict[tuple[str, str], set[str]]:
    """(name, release) of every wheel to the modules in it, compiled ones by the name they are imported under."""
    found: dict[tuple[str, str], set[str]] = {}
    for wheel in pack.glob("*.whl"):
        name, release, _, _ = parse_wheel_filename(wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            files = [Path(file) for file in archive.namelist() if file.endswith((".py", ".so"))]
        found[canonicalize_name(name), str(release)] = {str(file.parent / file.name.split(".")[0]) for file in files}
    return found


def missing(rehearsed: Path, card: Path) -> list[str]:
    """What one pack has and the other lacks: packages, and modules of those in the same release."""
    ours, theirs = modules(rehearsed), modules(card)
    lines = [f"{name}: not packed" for name in sorted({n for n, _ in ours} - {n for n, _ in theirs})]
    for key in sorted(ours.keys() & theirs.keys()):
        lines += [f"{key[0]}: lacks {module}" for module in sorted(ours[key] - theirs[key])]
    return lines


def main() -> int:
    seconds = sys.argv[1] if len(sys.argv) > 1 else str(SECONDS)
    card = prepare.pack(CARD)
    if lines := [] if HERE == CARD else missing(prepare.pack(HERE), card):
        raise SystemExit("\n".join([f"for Python {CARD}:", *lines]))
    with tempfile.TemporaryDirectory(prefix="soundmill-rehearsal-") as folder:
        python = empty(Path(folder) / "empty")
        out = Path(folder) / "lease.json"
        command = [str(python), "-I", str(prepare.HERE / "run.py"), "cpu", seconds, "--out", str(out)]
        return subprocess.run(command, env={"PATH": "/usr/bin:/bin", "HOME": folder}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
