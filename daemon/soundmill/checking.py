"""`soundmill check`: read job files as the inbox would, and say what they would do."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from soundmill.config import Config
from soundmill.errors import InvalidJobFile, Problem
from soundmill.inbox.parse import read_jobs
from soundmill.jobs import BatchSpec
from soundmill.show import duration
from soundmill.wiring import rules_for

PREVIEW_JOBS = 5


def preview(file: Path, config: Config) -> dict[str, object]:
    """What `file` would become: counts and the first jobs, or its `problems`; `text` says it in words."""
    limit = int(config.inbox.max_file_mb * 1024 * 1024)
    try:
        if file.stat().st_size > limit:
            raise InvalidJobFile([Problem(message=f"larger than {config.inbox.max_file_mb:g} MB; split the file")])
        spec = read_jobs(file.read_bytes(), file.name, rules_for(config, file.absolute().parent)("check"))
    except InvalidJobFile as error:
        lines = [f"{file}: {len(error.problems)} problem{'s' * (len(error.problems) != 1)}"]
        lines += [f"  {problem}" for problem in error.problems]
        return {"file": str(file), "problems": [asdict(p) for p in error.problems], "text": "\n".join(lines)}
    return _summary(file, spec)


def _summary(file: Path, spec: BatchSpec) -> dict[str, object]:
    models: Counter[str] = Counter()
    audio_s = 0.0
    for job in spec.jobs:
        models[job.model] += 1
        audio_s += job.parameters.duration
    first = [
        {"job": job.name, "prompt": job.prompt, "model": job.model, **asdict(job.parameters)}
        for job in islice(spec.jobs, PREVIEW_JOBS)
    ]
    lines = [
        f"{file}: {spec.job_count} jobs, {duration(audio_s)} of audio, batch {spec.name}",
        *(f"  {count} x {model}" for model, count in models.most_common()),
        *(f"  {row['job']}: {row['prompt']}" for row in first),
    ]
    if spec.job_count > len(first):
        lines.append(f"  … and {spec.job_count - len(first)} more")
    return {
        "file": str(file),
        "problems": [],
        "batch": spec.name,
        "jobs": spec.job_count,
        "audio_s": audio_s,
        "models": dict(models),
        "first": first,
        "text": "\n".join(lines),
    }
