"""`soundmill check`: read job files as the inbox would, and say what they would do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from soundmill.catalog.reader import Reader
from soundmill.commands import terminal as show
from soundmill.commands.doctor import free_gb_at, hub_cache, weights_cached
from soundmill.config import Config, load
from soundmill.engine.devices import find_devices, memory_gb
from soundmill.engine.models import resolve
from soundmill.errors import InvalidJobFile, Problem, SoundmillError
from soundmill.home import Home
from soundmill.inbox.jobfile.context import EarlierExperiment, no_experiments
from soundmill.inbox.jobfile.read import read_jobs
from soundmill.jobs import BatchSpec
from soundmill.music.asked import Asked, asked_tempo_key, is_compared
from soundmill.service.wiring import input_folders, rules_for
from soundmill.words import count, span

PREVIEW_JOBS = 5
CPU_TIMES_GPU = 2.0  # weights are float32 on a CPU, float16 on a GPU


def check(home: Home, files: Iterable[Path], *, as_json: bool) -> None:
    """Print what job files would do; raises SoundmillError when one would be rejected."""
    config = load(home)
    previews = [preview(file, config, home) for file in files]
    if as_json:
        show.print_json(previews)
    else:
        for found in previews:
            print(found["text"])
    if any(found["problems"] for found in previews):
        raise SoundmillError("a file would be rejected")


def preview(file: Path, config: Config, home: Home) -> dict[str, object]:
    """What `file` would become: counts and the first jobs, or its `problems`; `text` says it in words.

    What it extends is looked for in the home's catalogue, where there is one.

    Raises SoundmillError when the catalogue or a design cannot be read.
    """
    limit = _most_bytes(config)
    # A larger one need not be read to be refused.
    content = b"" if (size := file.stat().st_size) > limit else file.read_bytes()
    return preview_of(content, str(file), file.absolute().parent, config, home, size=size)


def preview_of(
    content: bytes, name: str, folder: Path, config: Config, home: Home, *, size: int | None = None
) -> dict[str, object]:
    """As `preview`, of a file that is called `name` and would lie in `folder`; `size` where there is more of it."""
    try:
        if (len(content) if size is None else size) > _most_bytes(config):
            raise InvalidJobFile([Problem(message=f"larger than {config.inbox.max_file_mb:g} MB; split the file")])
        allowed = (folder, *input_folders(config, home))  # the folder stands for the inbox
        rules = rules_for(config, folder, _experiments_of(home), allowed, home.deliveries)("check")
        spec = read_jobs(content, Path(name).name, rules)
    except InvalidJobFile as error:
        lines = [f"{name}: {len(error.problems)} problem{'s' * (len(error.problems) != 1)}"]
        lines += [f"  {problem}" for problem in error.problems]
        return {"file": name, "problems": [asdict(p) for p in error.problems], "text": "\n".join(lines)}
    return _summary(name, spec, config, home)


def _labels(spec: BatchSpec) -> Iterator[str]:
    compared = [name for name in spec.labels if is_compared(name)]
    if rest := [name for name in spec.labels if name not in compared]:
        yield f"  kept as labels, setting nothing: {', '.join(rest)}"
    if compared:
        yield f"  compared with what is heard, setting nothing: {', '.join(compared)}"
    for name in compared:
        for job in spec.jobs:
            text = job.labels.get(name)
            if text and asked_tempo_key("", {name: text}) == Asked():
                yield f"  {name} = {text} of {job.name} names none, so nothing is compared with it"
                break


def _most_bytes(config: Config) -> int:
    return int(config.inbox.max_file_mb * 1024 * 1024)


def _experiments_of(home: Home) -> Callable[[str], EarlierExperiment]:
    def find(name: str) -> EarlierExperiment:
        if not home.catalog.is_file():
            return no_experiments(name)
        with Reader.open(home.catalog) as reader:
            return reader.find_experiment(name)

    return find


def _speeds(home: Home) -> dict[str, float]:
    if not home.catalog.is_file():
        return {}
    with Reader.open(home.catalog) as reader:
        return reader.speeds()


def _summary(name: str, spec: BatchSpec, config: Config, home: Home) -> dict[str, object]:
    models: Counter[str] = Counter()
    audio_of: defaultdict[str, float] = defaultdict(float)
    for job in spec.jobs:
        models[job.model] += 1
        audio_of[job.model] += job.parameters.duration
    audio_s = sum(audio_of.values())
    found = needs(models, audio_of, _speeds(home), find_devices(config.engine.devices))
    seconds, takes = duration(found)
    first = [
        {"job": job.name, "prompt": job.prompt, "model": job.model, **asdict(job.parameters)}
        for job in islice(spec.jobs, PREVIEW_JOBS)
    ]
    shows, table = _shows(spec)
    lines = [
        f"{name}: {count(spec.job_count, 'job')}, {span(round(audio_s))} of audio, batch {spec.name}",
        *(f"  {note}" for note in _experiment(spec)),
        *_delivery(spec, home),
        *(f"  {line}" for line in table),
        *_labels(spec),
        *(f"  {need}" for need in found),
        *([f"  {takes}"] if takes else []),
        *(f"  {row['job']}: {row['prompt']}" for row in first),
    ]
    if spec.job_count > len(first):
        lines.append(f"  … and {spec.job_count - len(first)} more")
    return {
        "file": name,
        "problems": [],
        "batch": spec.name,
        "jobs": spec.job_count,
        "audio_s": audio_s,
        "models": dict(models),
        "needs": [asdict(need) for need in found],
        "seconds": seconds,
        "experiment": None if spec.experiment is None else dict(spec.experiment),
        "shows": shows,
        "extends": spec.extends,
        "labels": list(spec.labels),
        "deliver": None if spec.deliver is None else asdict(spec.deliver),
        "first": first,
        "text": "\n".join(lines),
    }


def _delivery(spec: BatchSpec, home: Home) -> list[str]:
    if spec.deliver is None:
        return []
    return [f"  delivered when it ends, by {spec.deliver.profile}, to {spec.deliver.to or home.deliveries / spec.name}"]


def _experiment(spec: BatchSpec) -> Iterator[str]:
    """What there is to say of an experiment beyond its jobs."""
    if spec.experiment is None:
        return
    conditions = len({tuple(job.condition.items()) for job in spec.jobs if job.condition})
    replicates = spec.experiment["replicates"]
    assert isinstance(replicates, int)
    design = str(spec.experiment["design"]).replace("_", " ")
    yield f"{design}, {count(conditions, 'condition')}, {count(replicates, 'replicate')} each"
    if spec.extends is not None:
        yield f"only what batch {spec.extends} lacks; its seeds and controls"
    elif "n" in spec.experiment:
        yield "the batch itself draws other points: they follow from its id"


def _shows(spec: BatchSpec) -> tuple[list[dict[str, object]], list[str]]:
    """What an experiment on listed levels will show: how large differences have to be, by replicates."""
    listed = ("full_factorial", "one_factor_at_a_time")
    if spec.experiment is None or spec.experiment["design"] not in listed or spec.extends is not None:
        return [], []  # of one that extends another, the file's own jobs are a part only
    from soundmill.report.planning import as_table, what_it_shows  # brings SciPy, which only experiments wait for

    conditions = {tuple(job.condition.items()): job.condition for job in spec.jobs if job.condition}
    replicates = spec.experiment["replicates"]
    assert isinstance(replicates, int)
    crossed = spec.experiment["design"] == "full_factorial"
    shown = what_it_shows(list(conditions.values()), replicates, crossed=crossed)
    return [asdict(one) for one in shown], as_table(shown)


# -- what a batch needs of this machine: weights, memory, time ----------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One model of a batch. Gigabytes are 10⁹ bytes; None: nobody says."""

    model: str
    jobs: int
    here: bool  # nothing needs to be downloaded
    download_gb: float | None  # about, where it is not here
    free_gb: float | None  # where it would be downloaded to
    licence: str
    memory_needed_gb: float | None  # about, on the devices of this machine
    memory_gb: float | None  # of the smallest of them
    fits: bool | None
    seconds: float | None  # about, at the speed measured here, with all devices at work

    def __str__(self) -> str:
        said = [f"{self.jobs} x {self.model}"]
        if not self.here:
            size = "size unknown" if self.download_gb is None else f"about {self.download_gb:g} GB"
            said.append(f"to be downloaded: {size}, {self.free_gb:.1f} GB free, licence: {self.licence}")
            if self.download_gb is not None and self.free_gb is not None and self.download_gb > self.free_gb:
                said.append(f"TOO LITTLE ROOM in {hub_cache()}")
        if self.fits is False:
            said.append(
                f"MAY NOT FIT: it needs about {self.memory_needed_gb:g} GB of memory, of {self.memory_gb:.1f} GB"
            )
        return "; ".join(said)


def needs(
    jobs: Mapping[str, int], audio_s: Mapping[str, float], speeds: Mapping[str, float], devices: Sequence[str]
) -> list[Need]:
    """What each model needs for its `jobs` with so many seconds of audio, the one with most jobs first."""
    memories = [memory for device in devices if (memory := memory_gb(device)) is not None]
    memory = min(memories, default=None)
    on_gpu = all(device.startswith("cuda") for device in devices)
    found = []
    for name, wanted in sorted(jobs.items(), key=lambda each: -each[1]):
        spec = resolve(name)
        here = not spec.is_hub or weights_cached(spec)
        needed = None if spec.gpu_gb is None else spec.gpu_gb * (1.0 if on_gpu else CPU_TIMES_GPU)
        found.append(
            Need(
                model=name,
                jobs=wanted,
                here=here,
                download_gb=None if here else spec.download_gb,
                free_gb=None if here else free_gb_at(hub_cache())[1],
                licence=spec.licence,
                memory_needed_gb=needed,
                memory_gb=memory,
                fits=None if needed is None or memory is None else needed <= memory,
                seconds=audio_s[name] * speeds[name] / len(devices) if name in speeds else None,
            )
        )
    return found


def duration(found: Sequence[Need]) -> tuple[float | None, str]:
    """Seconds that all of it will take, None where a model has not been measured, and what there is to say of it."""
    unmeasured = [each.model for each in found if each.seconds is None]
    seconds = sum(each.seconds for each in found if each.seconds is not None)
    if not unmeasured:
        return seconds, f"about {span(seconds)} of work at the speed measured here"
    if len(unmeasured) == len(found):
        return None, ""
    return (
        None,
        f"about {span(seconds)} of work at the speed measured here, and {', '.join(unmeasured)}, never timed here",
    )
