"""Published audio for the benchmark of defects: Debian's packages of games, sounds and speech, each with its licence.

Which half one of PACKAGES is of is fixed by a hash of its name: limits and detectors once learned from the one and were
tried on the other, and have learned from both since. FRESH were chosen by their names alone, from those that no file of
the repository named, before anything was learned a second time, and have been learned from since. UNSEEN were chosen
alike after that, by their names and by the number of audio files that they list: nothing may be learned from them, and
nobody looks at them while a limit is being chosen. None of any is among those of tests/support/published.py.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundmill.audio.decode import read_audio
from soundmill.audio.fade import fade
from soundmill.errors import MissingInput
from support.published import cache, fetched

Samples = NDArray[np.float32]
Fetch = Callable[[str, Path], None]

PACKAGES = (
    "amoebax-data", "asterisk-core-sounds-en-wav", "asterisk-moh-opsound-wav", "asterisk-prompt-it-menardi-wav",
    "blobandconquer-data", "blobwars-data", "bucklespring-data", "caveexpress-data", "ceferino-data",
    "deepin-sound-theme", "dustracing2d-data", "extremetuxracer-data", "fillets-ng-data", "freedroid-data",
    "freegish-data", "fretsonfire-songs-muldjord", "fretsonfire-songs-sectoid", "garden-of-coloured-lights-data",
    "gcompris-qt-data", "glob2-data", "gnome-audio", "gunroar-data", "instead-data", "klettres-data",
    "kobodeluxe-data", "kraptor-data", "lomiri-sounds", "megaglest-data", "meritous-data", "mu-cade-data",
    "neverball-data", "nexuiz-music", "open-invaders-data", "overgod-data", "oxygen-sounds", "pekka-kana-2-data",
    "phlipple-data", "plee-the-bear-data", "pushover-data", "raincat-data", "ri-li-data", "rrootage-data",
    "sdl-ball-data", "sound-theme-freedesktop", "tomatoes-data", "trigger-rally-data", "ufoai-sound",
    "val-and-rick-data", "warzone2100-music", "wing-data", "wordwarvi-sound", "xblast-tnt-sounds", "zaz-data",
)  # fmt: skip
FRESH = (
    "airstrike-common", "alex4-data", "angband-data", "asterisk-core-sounds-es-wav", "asterisk-core-sounds-fr-wav",
    "asterisk-core-sounds-ru-wav", "asterisk-prompt-es-co", "asylum-data", "ballz-data", "biniax2-data", "blinken",
    "blobby-data", "bloboats", "blockattack", "briquolo-data", "csmash-data", "eiskaltdcpp-sounds", "etw-data",
    "fb-music-high", "freetennis-common", "funnyboat", "gamine-data", "gav-themes", "gl-117-data", "gnome-taquin",
    "gnujump-data", "hamradio-digitalvoice", "hannah-data", "hydrogen-data", "ironseed-data", "kanagram", "kball-data",
    "ketm-data", "khangman", "ktuberling-data", "late-data", "lierolibre-data", "lightyears", "linphone-common",
    "liquidwar-data", "lmms-common", "luola-data", "madbomber-data", "manaplus-data", "miceamaze", "micropolis-data",
    "mixxx-data", "monsterz-data", "moon-lander-data", "njam-data", "openssn-data", "pangzero", "planetblupi-common",
    "powermanga-data", "pysiogame", "rafkill-data", "seahorse-adventures", "solarwolf", "sonic-pi-samples",
    "sound-icons", "starvoyager-data", "tennix", "trophy-data", "viruskiller", "vonsh", "whichwayisup", "xbubble-data",
)  # fmt: skip
UNSEEN = (
    "asterisk-core-sounds-it-wav", "barrage", "blockout2", "burgerspace", "cinnamon-common", "codec2-examples",
    "crrcsim-data", "excellent-bifurcation", "fillets-ng-data-cs", "fillets-ng-data-nl", "flare-game", "flobopuyo",
    "freeciv-data", "freecol", "gajim", "gbrainy", "gcin-voice", "geki2", "geki3", "gemdropx", "gltron",
    "gnome-nibbles", "gnome-robots", "gnubg-data", "granatier", "gweled", "heroes-sound-effects", "iagno", "kajongg",
    "kapman", "kgoldrunner", "knights", "kolf", "kpat", "krank", "ksirk", "laby", "ltris", "mate-media-common",
    "minetest-mod-mesecons", "minetest-mod-nether", "penguin-command", "performous", "pidgin-data",
    "pinball-table-hurd-data", "pipewalker", "pocketsphinx-testdata", "psi", "psi-plus-sounds", "quadrapassel",
    "rockdodger", "simutrans-pak64", "spacearyarya", "spacezero", "supercollider-common", "supertransball2-data",
    "tkabber", "toppler", "triplea", "twinkle-common", "tworld-data", "vectoroids", "vodovod", "yaru-theme-sound",
)  # fmt: skip
CHOSEN = {"fresh": FRESH, "unseen": UNSEEN}
HALVES = ("learn", "test", *CHOSEN)
LEAST_S, EXCERPT_S, FADE_S = 0.5, 10.0, 0.01
MUSIC_FROM_S = 20.0
NO_MUSIC = re.compile(r"/(sounds?|sfx|fx|speech|voices?|units?|wavs?|effects?|alphabet|words)/", re.IGNORECASE)
SPEECH = re.compile(
    r"asterisk-(core|prompt)|klettres|codec2-|gcin-voice|pocketsphinx|/voices?/|/speech/|/alphabet/|/words/|dialog",
    re.IGNORECASE,
)
MOST_PER_PACKAGE = 60  # files: one game's thousand voices are not a thousand sounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """At most 10 s of a file, faded where they are cut. kind: music, sound_effects or speech"""

    name: str
    package: str
    kind: str
    samples: Samples
    rate: int

    @property
    def limits(self) -> str:
        """Whose limits judge it."""
        return "music" if self.kind == "music" else "sound_effects"


def packages(half: str) -> list[str]:
    """Those of a half: learn, test or, for all four are called halves, fresh and unseen."""
    if half in CHOSEN:
        return list(CHOSEN[half])
    return [each for each in PACKAGES if (hashlib.sha256(each.encode()).digest()[0] % 2 == 0) == (half == "learn")]


def paths(half: str, root: Path | None = None) -> list[Path]:
    """The audio files of a half, fetched where they are not there: at most 60 of a package, by a hash of their names.
    Raises support.published.Unavailable."""
    return files_of(packages(half), root or cache().with_name("defects"))


def files_of(names: Sequence[str], root: Path, fetch: Fetch | None = None) -> list[Path]:
    """The same of packages, with `fetch` if it is given."""
    by_package: dict[str, list[Path]] = {}
    for path in fetched(root, names, fetch):
        by_package.setdefault(path.relative_to(root).parts[0], []).append(path)
    for files in by_package.values():
        files.sort(key=lambda path: hashlib.sha256(str(path.relative_to(root)).encode()).digest())
    return [path for files in by_package.values() for path in sorted(files[:MOST_PER_PACKAGE])]


def licences(root: Path) -> list[Path]:
    """The copyright file of each package that was fetched."""
    return sorted(root.glob("*/usr/share/doc/*/copyright"))


def clip_of(path: Path, root: Path) -> Clip | None:
    """None for what cannot be read, is shorter than half a second or all silence, or has more than two channels."""
    try:
        samples, rate = read_audio(path)
    except MissingInput:
        return None
    if samples.shape[1] < LEAST_S * rate or len(samples) > 2 or not np.abs(samples).max() > 1e-3:
        return None
    name = str(path.relative_to(root))
    whole_s = samples.shape[1] / rate
    speech = bool(SPEECH.search(name))
    music = whole_s >= MUSIC_FROM_S and not NO_MUSIC.search(name) and not speech
    length = round(EXCERPT_S * rate)
    if samples.shape[1] > length:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        start = int(rng.integers(0, samples.shape[1] - length + 1))
        samples = fade(np.ascontiguousarray(samples[:, start : start + length]), rate, FADE_S, start=start > 0)
    if np.sqrt(np.mean(np.square(samples, dtype=np.float64))) < 1e-3:
        return None
    return Clip(
        name=name,
        package=path.relative_to(root).parts[0],
        kind="music" if music else "speech" if speech else "sound_effects",
        samples=samples,
        rate=rate,
    )


def clips(half: str, root: Path | None = None) -> Iterator[Clip]:
    """Every clip of a half once, whatever it is called."""
    root = root or cache().with_name("defects")
    seen: set[bytes] = set()
    for path in paths(half, root):
        clip = clip_of(path, root)
        if clip is None:
            continue
        key = hashlib.sha256(clip.samples.tobytes()).digest()
        if key not in seen:
            seen.add(key)
            yield clip
