"""Reads soundmill.yaml."""

from __future__ import annotations

import yaml
from pydantic import ValidationError

from soundmill.config.settings import Config
from soundmill.errors import ConfigError
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
        data = yaml.safe_load(text)
        return Config.model_validate({} if data is None else data)
    except yaml.YAMLError as error:
        raise ConfigError(f"{home.config_file}: not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{home.config_file}: {faults}") from error
