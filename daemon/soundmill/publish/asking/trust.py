"""Whether a request that changes something was meant by the person in whose browser it was made.

Every browser says with a POST from which origin the page is that makes it, and newer ones whether that is the site's
own; a page of another origin can neither change that nor read the token that a page of ours sends along. A program that
comes with a bearer token is no page that was lured here: none may send one to another origin. (A browser does send a
password of HTTP's own by itself.)
"""

from __future__ import annotations

import secrets
import urllib.parse
from collections.abc import Collection, Mapping
from typing import Any

from itsdangerous import BadSignature

from soundmill.publish.asking.permissions import Actor, who

TOKEN_HEADER = "x-soundmill-token"
NAMESPACE = "soundmill-token"


def token_for(datasette: Any, actor: Actor | None) -> str:
    """What a page sends along; another for each person."""
    return str(datasette.sign(who(actor) if actor else "", NAMESPACE))


def is_foreign(headers: Mapping[str, str], hosts: Collection[str]) -> bool:
    """Whether a page of another origin made the request, or nothing says that it was one of ours.

    `hosts` are the names besides this machine's own that the site is reached by. `headers` by lower-case names.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return True
    if origin is not None:
        return not _is_own(origin, headers.get("host", ""), hosts)
    return site is None and not _is_program(headers)


def _is_program(headers: Mapping[str, str]) -> bool:
    return headers.get("authorization", "").startswith("Bearer ")


def _is_own(origin: str, host: str, hosts: Collection[str]) -> bool:
    try:
        parts = urllib.parse.urlsplit(origin)
        name, asked = parts.hostname, urllib.parse.urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not name:
        return False
    if parts.netloc.lower() == host.lower():
        return True
    # A proxy may call us by another name than the browser calls it.
    return name != asked and name in hosts


def token_is_right(datasette: Any, actor: Actor, headers: Mapping[str, str]) -> bool:
    if _is_program(headers):
        return True
    try:
        meant = datasette.unsign(headers.get(TOKEN_HEADER, ""), NAMESPACE)
    except BadSignature:
        return False
    return isinstance(meant, str) and secrets.compare_digest(meant.encode(), who(actor).encode())
