"""How the stages fit: each function turns the configuration into what one stage is handed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from soundmill import __version__
from soundmill.audio.lengths import length_s
from soundmill.catalog.keeping.retention import Rules as Retention
from soundmill.config import Config
from soundmill.deliver.names import check_patterns
from soundmill.deliver.profile import BUILT_IN
from soundmill.engine.devices import find_devices
from soundmill.engine.models import resolve
from soundmill.engine.process.engine import ProcessEngine
from soundmill.errors import ConfigError, SoundmillError, UnknownModel
from soundmill.home import Home
from soundmill.inbox.jobfile.cells import Wrong
from soundmill.inbox.jobfile.context import EarlierExperiment, Rules, no_experiments
from soundmill.inbox.jobfile.naming.pattern import Naming, Pattern
from soundmill.inbox.jobfile.naming.safe import safe_name
from soundmill.jobs import (
    Attempt,
    AudioFormat,
    Check,
    Generated,
    GenerationRequest,
    Judge,
    Judgement,
    Parameters,
    QualityKind,
)
from soundmill.music.asked import asked_tempo_key
from soundmill.quality.judging import judge
from soundmill.quality.limits import Limits, ruleset
from soundmill.schedule.trade import Policy, Trade
from soundmill.words import closest, did_you_mean


def engine_for(config: Config) -> Callable[[str], ProcessEngine]:
    """Makes the engine of a device: a process of its own."""
    slots = None if config.engine.slots == "auto" else config.engine.slots
    return lambda device: ProcessEngine(device, slots=slots, load_deadline_s=config.schedule.load_deadline_s)


def devices_of(config: Config) -> list[str]:
    """This machine's devices that engines run on; none beside a cluster, unless they are named. Raises ConfigError."""
    if config.cluster.address is not None and config.engine.devices == "auto":
        return []
    return find_devices(config.engine.devices)


def place_of(config: Config, devices: Sequence[str]) -> str:
    """Where the engines are, in a person's words."""
    cluster = f"the cluster {config.cluster.address}" if config.cluster.address is not None else ""
    return ", ".join([*devices, cluster] if cluster else devices)


def rules_for(
    config: Config,
    folder: Path,
    find_experiment: Callable[[str], EarlierExperiment] = no_experiments,
    folders: tuple[Path, ...] | None = None,
    deliveries: Path | None = None,
) -> Callable[[str], Rules]:
    """The rules a job file is read by; melody files are looked for in `folder`, and allowed in `folders`, None for
    anywhere; batches to extend by `find_experiment`; deliveries go below `deliveries` or where soundmill.yaml allows,
    None for anywhere. Raises ConfigError where a pattern of names in soundmill.yaml is none."""
    naming = None
    if config.name:
        try:
            naming = Naming(pattern=Pattern(config.name), key="name", line=None)
        except Wrong as wrong:
            raise ConfigError(f"soundmill.yaml: name: {wrong}") from wrong

    for profile in config.profiles.values():
        check_patterns(profile, pattern_of)
    profiles = frozenset((*BUILT_IN, *config.profiles))
    others = tuple(Path(each).expanduser() for each in config.delivery_folders)
    allowed = () if deliveries is None else (deliveries, *others)

    def rules(ulid: str) -> Rules:
        return Rules(
            ulid=ulid,
            folder=folder,
            resolve_model=resolve,
            default_model=config.default_model,
            default_duration=config.default_duration,
            default_format=config.audio.format,
            default_on_qc_fail=config.on_qc_fail,
            max_jobs=config.inbox.max_jobs,
            find_experiment=find_experiment,
            length_of=length_s,
            input_folders=folders,
            profiles=profiles,
            delivery_folders=allowed,
            naming=naming,
        )

    return rules


def pattern_of(text: str) -> Callable[[Mapping[str, str]], str]:
    """What a pattern makes of fields by their names, as delivered files and folders are called. A pattern without
    fields is a name. Raises ConfigError where it is none; what it returns, SoundmillError where a field is missing or
    leaves no name."""
    try:
        if "{" not in text and "}" not in text:
            fixed = safe_name(text)
            return lambda _: fixed
        pattern = Pattern(text)
    except Wrong as wrong:
        raise ConfigError(f"pattern {text}: {wrong}") from wrong

    def render(fields: Mapping[str, str]) -> str:
        missing = next((each for each in pattern.fields if each.key not in fields), None)
        if missing is not None:
            guess = did_you_mean(closest(missing.key, fields))
            raise SoundmillError(f"has no {missing.name}, which {text} names{guess}")
        try:
            pieces = (p if isinstance(p, str) else p.render(fields[p.key]) for p in pattern.pieces)
            return safe_name("".join(pieces))
        except Wrong as wrong:
            raise SoundmillError(f"{text}: {wrong}") from wrong

    return render


def input_folders(config: Config, home: Home) -> tuple[Path, ...]:
    """Where melody and continue_from may be."""
    return home.inbox, home.outputs, *(Path(folder).expanduser() for folder in config.inbox.input_folders)


def request_of(
    config: Config,
    key: tuple[int, int],
    *,
    prompt: str,
    parameters: Parameters,
    seed: int,
    format: AudioFormat,
    melody: Path | None = None,
    continue_from: Path | None = None,
    tags: Mapping[str, str] | None = None,
    folders: tuple[Path, ...] | None = None,
    columns: Mapping[str, str] | None = None,
) -> GenerationRequest:
    """What an engine is asked for one clip, finished as soundmill.yaml says; `key` is (job id, attempt), `columns` are
    the job's labels and levels, which may ask for a key."""
    asked = asked_tempo_key(prompt, {**(columns or {}), "bpm": parameters.bpm})
    return GenerationRequest(
        job_id=key[0],
        attempt=key[1],
        prompt=prompt,
        parameters=parameters,
        seed=seed,
        format=format,
        normalization=config.audio.normalization,
        normalization_target=config.audio.normalization_target,
        deadline_s=config.schedule.clip_deadline_s(parameters.made_s),
        melody=melody,
        continue_from=continue_from,
        fade_s=0.0 if parameters.loop else config.audio.fade_ms / 1000,
        tags=tags or {},
        input_folders=folders,
        asked={name: float(value) for name, value in asdict(asked).items() if value is not None},
    )


def request_for(config: Config, home: Home) -> Callable[[Attempt], GenerationRequest]:
    folders = input_folders(config, home)

    def request(attempt: Attempt) -> GenerationRequest:
        job = attempt.job
        return request_of(
            config,
            (job.id, attempt.number),
            prompt=job.prompt,
            parameters=job.parameters,
            seed=attempt.seed,
            format=job.format,
            melody=job.melody,
            continue_from=job.continue_from,
            tags={"batch": job.batch_name, "job": job.name},
            folders=folders,
            columns={**job.labels, **job.condition},
        )

    return request


def sidecar_for(attempt: Attempt, clip: Generated, judgement: Judgement) -> Mapping[str, object]:
    """Everything known of a take, as the JSON file beside it."""
    job = attempt.job
    return {
        "soundmill": __version__,
        "batch": job.batch_name,
        "job": job.name,
        "position": job.position,
        "replicate": job.replicate,
        "prompt": job.prompt,
        "model": job.model,
        **asdict(job.parameters),
        "seed": attempt.seed,
        "attempt": attempt.number,
        "melody": str(job.melody) if job.melody else None,
        "continue_from": str(job.continue_from) if job.continue_from else None,
        "labels": dict(job.labels),
        "condition": dict(job.condition),
        "format": clip.format,
        "sample_rate": clip.sample_rate,
        "channels": clip.channels,
        "duration_s": clip.duration_s,
        "generation_s": clip.generation_s,
        "device_s": clip.device_s,
        "row_steps": clip.row_steps,
        "verdict": judgement.verdict,
        "score": judgement.score,
        "ruleset": judgement.ruleset,
        "checks": [_told(check) for check in judgement.checks],
        "measurements": dict(clip.measurements),
        "defects": [dict(defect) for defect in clip.defects],
        "licence": clip.licence,
        "versions": dict(clip.versions),
    }


def _told(check: Check) -> dict[str, object]:
    """A check that passed has nothing to say that its numbers do not: a third of the file would be such sentences."""
    told = asdict(check)
    if check.passed:
        del told["message"]
    return told


def retention_of(config: Config) -> Retention:
    return Retention(**config.retention.model_dump())


def limits_of(config: Config, kind: QualityKind) -> Limits:
    limits: Limits = getattr(config.quality, kind.value).model_dump()
    return limits


def kind_of(model: str, chosen: QualityKind | None) -> QualityKind:
    """Whose limits judge a take: the job's choice, or what its model makes."""
    if chosen is not None:
        return chosen
    try:
        effects = resolve(model).makes_sound_effects
    except UnknownModel:  # a checkpoint folder that has gone since
        effects = False
    return QualityKind.SOUND_EFFECTS if effects else QualityKind.MUSIC


def judge_with(config: Config) -> Judge:
    limits = {kind: limits_of(config, kind) for kind in QualityKind}

    def judged(
        model: str,
        chosen: QualityKind | None,
        measurements: Mapping[str, float | None],
        defects: Sequence[Mapping[str, object]],
    ) -> Judgement:
        kind = kind_of(model, chosen)
        return judge(measurements, limits[kind], defects, kind)

    return judged


def rulesets_of(config: Config) -> frozenset[str]:
    """The names of all rules that a take may be judged by."""
    return frozenset(ruleset(kind, limits_of(config, kind)) for kind in QualityKind)


def places_of(config: Config) -> dict[str, tuple[str, ...]]:
    """Which machines make the clips of the models of cluster.models. Raises ConfigError where one is unknown."""
    try:
        return {resolve(model).name: machines for model, machines in config.cluster.models.items()}
    except UnknownModel as error:
        raise ConfigError(f"soundmill.yaml: cluster.models: {error}") from error


def trade_of(config: Config, home: Home) -> Trade:
    """Raises ConfigError."""
    schedule = config.schedule
    return Trade(
        request_for=request_for(config, home),
        sidecar_for=sidecar_for,
        judge=judge_with(config),
        policy=Policy(
            max_attempts=schedule.max_attempts,
            qc_retries=schedule.qc_retries,
            backoff_max_s=schedule.backoff_max_s,
            pass_over_s=schedule.pass_over_s,
            load_deadline_s=schedule.load_deadline_s,
        ),
        jitter=random.random,
        places=places_of(config),
    )
