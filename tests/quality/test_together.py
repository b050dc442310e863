"""All checks together on published music, effects and speech: what one more of them costs shows here, for each may be
rare by itself and their sum is what people see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.full import FULL, many
from support.missing import missing
from support.published import Unavailable, cache, failed

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "defects"
# Of what limits have learned from, so no more than a bound for other sounds, the packages of 5 MB at most: 72 MB.
SMALL = (
    "ballz-data", "biniax2-data", "blinken", "briquolo-data", "csmash-data", "deepin-sound-theme", "eiskaltdcpp-sounds",
    "etw-data", "funnyboat", "gamine-data", "gl-117-data", "gnome-audio", "gnome-taquin", "gnujump-data", "hannah-data",
    "instead-data", "madbomber-data", "manaplus-data", "meritous-data", "micropolis-data", "monsterz-data",
    "moon-lander-data", "njam-data", "overgod-data", "pangzero", "rrootage-data", "sdl-ball-data",
    "seahorse-adventures", "solarwolf", "sound-icons", "starvoyager-data", "val-and-rick-data", "vonsh",
    "whichwayisup", "wing-data",
)  # fmt: skip
ENOUGH = 300  # files, of which half are clips of half a second and more
MOST = 0.01  # of clips may have an alarm that no plain look shows


def only_what_is_there(package: str, root: Path) -> None:
    raise Unavailable(f"{package} is not in {root}")


@pytest.mark.timeout(1200)  # a full run fetches what is not there
@pytest.mark.filterwarnings("default::support.published.FewerPackages")
def test_clean_clips_have_next_to_no_alarm_of_any_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARK))
    import sounds

    root = cache().with_name("defects")
    try:
        paths = sounds.files_of(SMALL, root, None if FULL else only_what_is_there)
    except Unavailable as reason:
        missing(f"{reason}; benchmarks/defects/run.py --half fetches them")
    heard, alarms = 0, []
    for path in paths[:: many(1, max(1, len(paths) // ENOUGH))]:
        clip = sounds.clip_of(path, root)
        if clip is None:
            continue
        heard += 1
        said = failed(np.ascontiguousarray(clip.samples, np.float32), clip.rate, clip.limits)
        if names := [check.name for check, plain in said if not plain]:
            alarms.append((clip.kind, clip.name, names))
    assert heard > 100
    assert len(alarms) <= MOST * heard, alarms
