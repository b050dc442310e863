from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from soundmill.engine import models
from soundmill.errors import UnknownModel


@pytest.mark.parametrize("name", ["musicgen-small", "facebook/musicgen-small", " MusicGen-Small "])
def test_a_model_is_known_by_its_short_name_and_its_hub_id(name: str) -> None:
    spec = models.resolve(name)
    assert (spec.name, spec.short, spec.family.name) == ("facebook/musicgen-small", "musicgen-small", "musicgen")
    assert spec.is_hub


def test_every_model_of_the_table_resolves_to_itself() -> None:
    for spec in models.TABLE:
        assert models.resolve(spec.name) is spec
        assert models.resolve(spec.short) is spec
    assert len({spec.short for spec in models.TABLE}) == len(models.TABLE)


@pytest.mark.parametrize("name", ["tiny", "tiny-effects"])
def test_tiny_is_built_in_and_free(name: str) -> None:
    spec = models.resolve(name)
    assert not spec.is_hub
    assert spec.is_built_in
    assert spec.licence == "MIT"
    assert spec.download_gb == 0


def test_what_a_model_makes_goes_by_its_name() -> None:
    effects = {spec.short for spec in models.TABLE if spec.makes_sound_effects}
    assert effects == {"audiogen-medium", "audio-magnet-small", "audio-magnet-medium", "tiny-effects"}


def test_every_published_model_carries_its_licence() -> None:
    assert {spec.licence for spec in models.TABLE if not spec.is_built_in} == {"CC-BY-NC-4.0"}


def test_what_our_decode_loop_cannot_do_goes_through_audiocraft() -> None:
    through_audiocraft = {spec.short for spec in models.TABLE if spec.path == "audiocraft"}
    assert {s.short for s in models.TABLE if s.family.name == "magnet"} == through_audiocraft
    assert models.resolve("audiogen-medium").path == "decoder"


def test_magnet_is_no_longer_than_its_window() -> None:
    assert models.resolve("magnet-small-10secs").max_duration_s == 10
    assert models.resolve("musicgen-small").max_duration_s == 300


def test_an_unknown_hub_id_is_taken_on_trust() -> None:
    spec = models.resolve("somebody/musicgen-celtic")
    assert (spec.name, spec.family.name, spec.parameters_m) == ("somebody/musicgen-celtic", "unknown", None)
    assert spec.is_hub


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownModel, match=r"musicgen-smal: no such model; did you mean musicgen-small\?"):
        models.resolve("musicgen-smal")


def test_a_name_like_no_other_gets_no_guess() -> None:
    with pytest.raises(UnknownModel, match=r"^model zzz: no such model; name one of"):
        models.resolve("zzz")


def test_no_name_is_not_the_current_folder() -> None:
    with pytest.raises(UnknownModel, match="empty"):
        models.resolve("  ")


def test_a_model_too_new_for_audiocraft_says_so() -> None:
    with pytest.raises(UnknownModel, match=r"AudioCraft 1\.3\.0 cannot load it"):
        models.resolve("facebook/musicgen-style")


def test_a_checkpoint_folder_is_a_model(tmp_path: Path) -> None:
    for file in models.CHECKPOINT_FILES:
        (tmp_path / file).touch()
    spec = models.resolve(str(tmp_path))
    assert (spec.name, spec.family.name, spec.is_hub) == (str(tmp_path), "unknown", False)


def test_a_folder_without_weights_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "state_dict.bin").touch()
    with pytest.raises(UnknownModel, match=r"compression_state_dict.bin missing"):
        models.resolve(str(tmp_path))
    with pytest.raises(UnknownModel, match="no such folder"):
        models.resolve(str(tmp_path / "nowhere"))


def test_the_table_has_a_row_for_every_model() -> None:
    lines = models.models_table().splitlines()
    assert len(lines) == len(models.TABLE) + 2
    assert {line.count("|") for line in lines} == {9}
    assert "| `musicgen-stereo-small` | music | 32 kHz | stereo | 300 M | 2.5 GB | 2 GB | CC-BY-NC-4.0 |" in lines


def test_the_daemon_can_read_the_table_without_torch_or_numpy() -> None:
    code = "import sys, soundmill.engine.models; print({'torch', 'numpy', 'audiocraft'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
