"""Reads soundmill.yaml."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import ValidationError

from soundmill.config.faults import faults, given_twice
from soundmill.config.settings import Config
from soundmill.errors import ConfigError, Problem
from soundmill.home import Home


def load(home: Home) -> Config:
    """Read soundmill.yaml; a missing file means all defaults.

    Raises ConfigError naming every key that is wrong.
    """
    try:
        text = home.config_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{home.config_file}: cannot be read ({error})") from error
    try:
        node, data, problems = _read(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{home.config_file}: {_slip(error)}") from error
    try:
        config = Config.model_validate({} if data is None else data)
    except ValidationError as error:
        problems += faults(error, node)
    if problems:
        raise ConfigError(str(home.config_file), sorted(problems, key=lambda problem: problem.line or 0))
    return config


def _read(text: str) -> tuple[yaml.Node | None, Any, list[Problem]]:
    """Where all of it stands, what it says, and what stands there twice. Raises yaml.YAMLError."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        twice = given_twice(node)  # before YAML puts what << takes over among a mapping's own keys
        return node, None if node is None else loader.construct_document(node), twice
    finally:
        loader.dispose()


def _slip(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"not valid YAML: {' '.join(str(error).split())}"
    mend = "; indent with spaces, not with tabs" if "'\\t'" in (error.problem or "") else ""
    said = " ".join(part for part in (error.context, error.problem) if part)
    return f"line {error.problem_mark.line + 1}: not valid YAML: {said}{mend}"
