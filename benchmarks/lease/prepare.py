"""Packs what a lent card's machine lacks, so that run.py needs no package registry there.

    python benchmarks/lease/prepare.py [--python 3.12]

Run it in Soundmill's own environment, on a machine where pip finds packages. Such a machine is taken to have Python
3.12, PyTorch, torchaudio, transformers, NumPy, SciPy and what those bring along; packed, as wheels of the releases in
requirements.lock, is all else that Soundmill and AudioCraft import. Prints each wheel and the sum, and fails when a
wheel does not fit that Python, when a package that a packed one needs is neither packed, nor there, nor known to be
left out, or when the pack is larger than it may be.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

HERE = Path(__file__).resolve().parent
LOCK = HERE.parents[1] / "requirements.lock"
PACK = HERE / "pack"
MOST_MB = 50

THERE = ("torch", "torchaudio", "transformers", "numpy", "scipy")
# Not every release of those brings these along, or one that is new enough.
UNSURE = {"annotated-types", "click", "pydantic", "pydantic-core", "typing-extensions", "typing-inspection"}
# What AudioCraft and Soundmill name but a machine of this kind never imports: AudioCraft's training and its melodies
# (engine/audiocraft/lean.py holds their places), the site, and pip, which sqlite-utils wants for its plugins.
LEFT_OUT = {
    "av", "datasette", "demucs", "encodec", "gradio", "hydra-colorlog", "librosa", "pip", "protobuf", "sentencepiece",
    "spacy", "torchmetrics", "torchtext", "torchvision", "xformers",
}  # fmt: skip
FROM_SOURCE = {"antlr4-python3-runtime", "audiocraft", "docopt", "flashy"}  # published without wheels; all are pure
GLIBC_MINORS = range(39, 4, -1)  # of the manylinux wheels that are taken, newest first


def environment_of(python: str) -> dict[str, str]:
    """What the markers of requirements are compared with, for CPython `python` ("3.12") on 64-bit Linux."""
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}
    found = {name: str(value) for name, value in default_environment().items()}
    return {**found, **linux, "python_version": python, "python_full_version": f"{python}.0", "extra": ""}


def needs(name: str, environment: Mapping[str, str]) -> list[str]:
    """The packages that an installed one asks for. Raises metadata.PackageNotFoundError."""
    wanted = [Requirement(text) for text in metadata.requires(name) or []]
    return [canonicalize_name(r.name) for r in wanted if r.marker is None or r.marker.evaluate(dict(environment))]


def closure(roots: Iterable[str], environment: Mapping[str, str], without: Collection[str] = ()) -> set[str]:
    """`roots` and all that they need, themselves and through others."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in without:
            found.add(name)
            waiting += needs(name, environment)
    return found


def there(environment: Mapping[str, str]) -> set[str]:
    """What the card's machine has for certain."""
    return closure(THERE, environment, UNSURE)


def to_pack(environment: Mapping[str, str]) -> set[str]:
    return closure(["soundmill"], environment, LEFT_OUT) - there(environment) - {"soundmill"}


def locked(environment: Mapping[str, str]) -> dict[str, str]:
    """name to "name==release" of the lock's lines that hold in `environment`."""
    lines = [line for line in LOCK.read_text().splitlines() if line and not line.lstrip().startswith("#")]
    wanted = [Requirement(line) for line in lines]
    return {
        canonicalize_name(r.name): f"{r.name}{r.specifier}"
        for r in wanted
        if r.marker is None or r.marker.evaluate(dict(environment))
    }


def platforms() -> list[str]:
    return [f"manylinux_2_{minor}_x86_64" for minor in GLIBC_MINORS] + ["manylinux2014_x86_64", "manylinux1_x86_64"]


def tags(python: str) -> set[Tag]:
    """What a wheel may be tagged to be installed with CPython `python` on 64-bit Linux."""
    version = tuple(int(part) for part in python.split("."))
    return {
        *cpython_tags(version, platforms=platforms()),
        *compatible_tags(version, f"cp{version[0]}{version[1]}", platforms()),
    }


def pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *words, "-qq"], check=True)


def fetch(requirements: Mapping[str, str], python: str, target: Path) -> None:
    """Wheels of the requirements for CPython `python`."""
    choice = ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    choice += [word for name in platforms() for word in ("--platform", name)]
    ready = [text for name, text in requirements.items() if name not in FROM_SOURCE]
    built = [text for name, text in requirements.items() if name in FROM_SOURCE]
    pip("download", "--no-deps", *choice, "-d", str(target), *ready)
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(target), *built)


def faults(wheels: Collection[Path], python: str) -> list[str]:
    """A line for each thing that would be missing there."""
    environment, fitting = environment_of(python), tags(python)
    names = {canonicalize_name(parse_wheel_filename(wheel.name)[0]) for wheel in wheels}
    wanted = to_pack(environment)
    known = names | there(environment) | LEFT_OUT
    lines = [f"{name}: not packed" for name in sorted(wanted - names)]
    for wheel in sorted(wheels):
        name, _, _, its = parse_wheel_filename(wheel.name)
        if not its & fitting:
            lines.append(f"{wheel.name}: not for CPython {python} on 64-bit Linux")
        lines += [f"{name} needs {other}, which is nowhere" for other in needs(name, environment) if other not in known]
    return lines


def pack(python: str) -> Path:
    """Fill pack/`python` anew and return it. Raises SystemExit where something is missing or too large."""
    environment = environment_of(python)
    releases, target = locked(environment), PACK / python
    with tempfile.TemporaryDirectory() as fresh:
        fetch({name: releases[name] for name in sorted(to_pack(environment))}, python, Path(fresh))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(fresh, target)
    wheels = sorted(target.glob("*.whl"))
    size_mb = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    for wheel in wheels:
        print(f"{wheel.stat().st_size / 1e6:6.2f} MB  {wheel.name}")
    print(f"{size_mb:6.2f} MB  {len(wheels)} wheels for Python {python} in {target}")
    if size_mb > MOST_MB:
        raise SystemExit(f"the pack may be at most {MOST_MB} MB")
    if lines := faults(wheels, python):
        raise SystemExit("\n".join(lines))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.12", help="the Python to pack for; default: 3.12, the card's machine's")
    pack(parser.parse_args().python)


if __name__ == "__main__":
    main()
