"""Content Credentials, made with a certificate of the test's own and read back by C2PA's reader."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import c2pa
import mutagen
import pytest

from deliver.conftest import Takes, plan_of
from soundmill.audio.decode import read_audio
from soundmill.audio.tags import read_tags
from soundmill.deliver.signing import MADE_BY_A_MODEL, MEDIA_TYPES, Signing, check
from soundmill.deliver.work import deliver
from soundmill.errors import SoundmillError
from support.certificates import own_signing


@pytest.fixture
def signing(tmp_path: Path) -> Signing:
    return own_signing(tmp_path)


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_a_signed_file_says_who_delivered_it_and_that_a_machine_made_it(
    takes: Takes, tmp_path: Path, signing: Signing, format: str
) -> None:
    plan = replace(plan_of(takes(1), tmp_path / "outputs", format=format, sign=True), signing=signing)
    out = tmp_path / "out"
    deliver(plan, out, processes=1, replace=False, progress=lambda done, due: None)
    path = out / plan.files[0].path
    with c2pa.Reader(MEDIA_TYPES[format], io.BytesIO(path.read_bytes())) as reader:
        read = json.loads(reader.json())
    found = read["manifests"][read["active_manifest"]]
    assert read["validation_state"] == "Valid"
    assert {problem["code"] for problem in read.get("validation_status", [])} <= {"signingCredential.untrusted"}
    assert found["signature_info"]["common_name"] == "A Studio"
    (actions,) = (each for each in found["assertions"] if each["label"].startswith("c2pa.actions"))
    (action,) = actions["data"]["actions"]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", MADE_BY_A_MODEL)
    assert read_audio(path)[0].shape == (1, 48_000)
    assert read_tags(path)["job"] == "0001-tone"
    assert mutagen.File(path) is not None
    again = deliver(plan, out, processes=1, replace=False, progress=lambda done, due: None)
    assert again.made == 0


def test_a_changed_sample_breaks_the_signature(takes: Takes, tmp_path: Path, signing: Signing) -> None:
    plan = replace(plan_of(takes(1), tmp_path / "outputs", sign=True), signing=signing)
    deliver(plan, tmp_path / "out", processes=1, replace=False, progress=lambda done, due: None)
    data = bytearray((tmp_path / "out" / plan.files[0].path).read_bytes())
    data[5000] ^= 1
    with c2pa.Reader("audio/wav", io.BytesIO(bytes(data))) as reader:
        assert json.loads(reader.json())["validation_state"] == "Invalid"


def test_a_certificate_that_cannot_sign_is_told_before_anything_is_made(tmp_path: Path, signing: Signing) -> None:
    signing.key.write_text("no key")
    with pytest.raises(SoundmillError, match=r"chain\.pem: cannot sign"):
        check(signing)
    signing.key.unlink()
    with pytest.raises(SoundmillError, match=r"key\.pem: cannot be read"):
        check(signing)
