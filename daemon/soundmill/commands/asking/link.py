"""The local link: it makes whoever opens it the owner of this mill on its site."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from soundmill.errors import SoundmillError
from soundmill.home import Home, must_be_set_up
from soundmill.publish.asking import keys
from soundmill.words import span


def offer(home: Home, url: str, say: Callable[[str], object], environ: Mapping[str, str] = os.environ) -> None:
    """Say a fresh link to a site that is at `url`; to a journal, which more people read, only how to get one."""
    if "JOURNAL_STREAM" in environ:
        say("to mark, pick and steer on the site, make a link: soundmill web --link")
        return
    try:
        token = keys.new_link(keys.folder_of(home.root), time.time())
    except OSError as error:
        say(f"no link to mark, pick and steer on the site: {error.filename}: {error.strerror}")
        return
    say(f"to mark, pick and steer there, open once within {span(keys.LINK_S)}: {keys.link(url, token)}")


def link(home: Home) -> str:
    """A fresh link to the site of a home. Raises UsageError where no home is set up, SoundmillError where no site ran,
    OSError."""
    must_be_set_up(home)
    url = keys.address(keys.folder_of(home.root))
    if url is None:
        raise SoundmillError(f"{home.root}: no site has run here yet; start one: soundmill run, or soundmill web")
    return keys.link(url, keys.new_link(keys.folder_of(home.root), time.time()))
