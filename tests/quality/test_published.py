"""What the checks say of published game music and effects, which their makers thought fit to ship."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.labelled import KINDS, side_by_side
from support.missing import missing
from support.published import PACKAGES, FewerPackages, Heard, Unavailable, cache, fetched, hear, published

LEAST_PER_PACKAGE = 10  # files, on average


@pytest.fixture(scope="module")
def files() -> list[Path]:
    try:
        return published(cache())
    except Unavailable as reason:
        missing(str(reason))


@pytest.fixture(scope="module")
def heard(files: list[Path]) -> list[Heard]:
    return [row for row in side_by_side(hear, files) if row]


@pytest.mark.filterwarnings("default::support.published.FewerPackages")
def test_published_music_and_effects_raise_next_to_no_false_alarm(files: list[Path], heard: list[Heard]) -> None:
    alarms = [row for row in heard if row.failed]
    unexplained = [row for row in alarms if set(row.failed) - set(row.plain)]
    for kind in KINDS:
        count = sum(row.kind == kind for row in heard)
        print(f"{kind}: {count} files, {sum(row.kind == kind for row in alarms)} alarms", end=", ")
        print(f"{sum(row.kind == kind for row in unexplained)} of them not plain to see")
    for row in alarms:
        print(f"  {row.kind} {row.file}: {', '.join(row.failed)} ({', '.join(row.plain) or 'not'} plain to see)")
    packages = {path.relative_to(cache()).parts[0] for path in files}
    assert len(heard) >= LEAST_PER_PACKAGE * len(packages)
    assert len(unexplained) <= 0.02 * len(heard)


def without(*gone: str) -> Callable[[str, Path], None]:
    """Fetches a package of one file, but for those that have left Debian."""

    def fetch(package: str, root: Path) -> None:
        if package in gone:
            raise Unavailable(f"apt-get download {package}: E: Unable to locate package {package}")
        (root / package / "usr").mkdir(parents=True)
        (root / package / "usr" / "theme.ogg").write_bytes(b"sound")

    return fetch


def test_a_package_that_has_left_debian_is_named_and_the_others_are_heard(tmp_path: Path) -> None:
    with pytest.warns(FewerPackages, match=f"4 of 8 packages cannot be had.*locate package {PACKAGES[1]}"):
        found = fetched(tmp_path, PACKAGES, without(*PACKAGES[:4]))
    assert [path.relative_to(tmp_path).parts[0] for path in found] == sorted(PACKAGES[4:])


def test_fewer_than_half_of_the_packages_are_not_enough(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"5 of 8 packages cannot be had.*locate package {PACKAGES[4]}"):
        fetched(tmp_path, PACKAGES, without(*PACKAGES[:5]))


def test_a_package_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    fetched(tmp_path, PACKAGES, without())
    assert len(fetched(tmp_path, PACKAGES, without(*PACKAGES))) == len(PACKAGES)
