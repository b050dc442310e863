"""Deliver, names: the folder and name of every file of a delivery, by its profile's patterns, and no two the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soundmill.deliver.profile import Profile
from soundmill.deliver.takes import Take, short_model
from soundmill.deliver.ucs import CAT_ID, Category, categories, category_of, fx_name, ucs_name
from soundmill.errors import SoundmillError
from soundmill.words import closest, count, did_you_mean, normal, number, same_name

# A pattern read once, and what it makes of the fields of a take. Both raise SoundmillError. Handed in, because it is
# the inbox that knows how names of clips are made, and delivered files follow the same rules.
Render = Callable[[Mapping[str, str]], str]
Patterns = Callable[[str], Render]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A take and what its file is called: `path` below the delivery's folder, with /; `title` is for people."""

    take: Take
    path: str
    title: str
    category: Category | None


def fields_of(take: Take) -> dict[str, str]:
    """What a pattern may name: the take's own columns and factors, else these."""
    own = {normal(name): text for name, text in {**take.labels, **take.condition}.items()}
    return {
        "batch": take.batch,
        "job": take.job,
        "position": str(take.position),
        "take": str(take.replicate),
        "attempt": str(take.attempt),
        "prompt": take.prompt,
        "model": short_model(take.model),
        "seed": str(take.seed),
        "duration": number(take.duration_s),
        **own,
    }


def check_patterns(profile: Profile, patterns: Patterns) -> None:
    """Raises SoundmillError where a pattern of the profile is none."""
    for pattern in (*_segments(profile.folder), profile.name):
        patterns(pattern)


def named(
    takes: Sequence[Take], profile: Profile, patterns: Patterns, *, is_music: Callable[[Take], bool]
) -> list[Named]:
    """The files of these takes, in their order. Names that would be the same get -2, -3 … in that order.

    Raises SoundmillError with the first take for which a pattern lacks something, and how many there are.
    """
    folders = [patterns(segment) for segment in _segments(profile.folder)]
    name = patterns(profile.name)
    used, found, wrong = dict[str, int](), list[Named](), list[str]()
    for take in takes:
        try:
            fields, category = fields_of(take), None
            stem, title = "", take.job
            if profile.ucs is not None:
                category = _category(take, profile.ucs.category, music=is_music(take))
                title = fx_name(take.prompt)
            else:
                stem = name(fields)
            folder = "/".join(render(fields) for render in folders)
        except SoundmillError as error:
            wrong.append(f"{take.name}: {error}")
            continue
        copy = 1
        while True:
            ending = "" if copy == 1 else f" {copy:02}" if profile.ucs else f"-{copy}"
            if profile.ucs is not None and category is not None:
                stem = ucs_name(category.cat_id, f"{title}{ending}", profile.ucs.creator, profile.ucs.source)
                path = f"{stem}.{profile.suffix}"
            else:
                path = f"{stem}{ending}.{profile.suffix}"
            path = f"{folder}/{path}" if folder else path
            first = used.setdefault(same_name(path), take.output_id)
            if first == take.output_id:
                break
            copy += 1
        found.append(Named(take=take, path=path, title=PurePosixPath(path).stem, category=category))
    if wrong:
        more = f" ({count(len(wrong), 'take')} like it)" if len(wrong) > 1 else ""
        raise SoundmillError(f"{wrong[0]}{more}")
    return found


def _segments(folder: str) -> list[str]:
    return [segment for segment in folder.split("/") if segment.strip()]


def _category(take: Take, column: str | None, *, music: bool) -> Category:
    """The category in the take's column, else the one found. Raises SoundmillError for one that is not in the list."""
    own = {normal(name): text for name, text in {**take.labels, **take.condition}.items()}
    written = own.get(normal(column), "").strip() if column else ""
    if not written:
        return category_of(take.prompt, music=music)
    if (known := categories().get(written)) is None:
        what = did_you_mean(closest(written, categories())) if CAT_ID.fullmatch(written) else ""
        raise SoundmillError(f"{column} {written}: is no CatID of the Universal Category System{what}")
    return known
