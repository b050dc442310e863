"""Deliver, signing: Content Credentials (C2PA) that say who delivered a file, and that a machine made it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundmill import __version__
from soundmill.errors import SoundmillError

MEDIA_TYPES: Mapping[str, str] = {"wav": "audio/wav", "bwf": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg"}
MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
INSTALL = "pip install c2pa-python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Whose signature. `certificate` is a PEM file with the chain, the signer's first; `key` its private key, PEM in
    PKCS 8. `algorithm`: es256, es384, es512, ps256, ps384, ps512 or ed25519. `timestamp_url`: an RFC 3161 authority
    that vouches for the time, None for none: nothing is asked over the network then."""

    certificate: Path
    key: Path
    algorithm: str
    timestamp_url: str | None


def check(signing: Signing) -> None:
    """Raises SoundmillError where a signature could not be made: what is missing, and the mend."""
    sign(_SHORTEST, "wav", signing, title="", model="")


def sign(data: bytes, format: str, signing: Signing, *, title: str, model: str) -> bytes:
    """The file with a signed manifest: it was created, by which software and model, as media of a trained algorithm
    (C2PA Technical Specification 2.2, assertion c2pa.actions).

    The format is one of MEDIA_TYPES. Two signatures of the same file differ. Raises SoundmillError.
    """
    try:
        import c2pa
    except ImportError:
        raise SoundmillError(f"signing needs a package that is not installed: {INSTALL}") from None
    created = {
        "action": "c2pa.created",
        "digitalSourceType": MADE_BY_A_MODEL,
        "softwareAgent": {"name": model or "Soundmill"},
    }
    manifest: dict[str, Any] = {
        "claim_generator_info": [{"name": "Soundmill", "version": __version__}],
        "title": title,
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [created]}}],
    }
    try:
        chain, key = signing.certificate.read_bytes(), signing.key.read_bytes()
    except OSError as error:
        raise SoundmillError(
            f"{error.filename}: cannot be read ({error.strerror}); see c2pa in soundmill.yaml"
        ) from error
    signed = io.BytesIO()
    try:
        kind = c2pa.C2paSigningAlg[signing.algorithm.upper()]
        info = c2pa.C2paSignerInfo(kind, chain, key, signing.timestamp_url)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(manifest) as builder:
            builder.sign(signer, MEDIA_TYPES[format], io.BytesIO(data), signed)
    except c2pa.C2paError as error:
        raise SoundmillError(
            f"{signing.certificate}: cannot sign with it and {signing.key} ({' '.join(str(error).split())})"
        ) from error
    return signed.getvalue()


# A WAV file of one silent sample, to try a certificate with.
_SHORTEST = bytes.fromhex(
    "524946462600000057415645666d74201000000001000100401f0000803e00000200100064617461020000000000"
)
