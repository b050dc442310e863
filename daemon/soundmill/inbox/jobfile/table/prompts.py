"""Inbox: prompts that are nobody's words — what stands for nothing, letters read wrongly, other programs' codes."""

from __future__ import annotations

import re
import unicodedata

_NOTHING = frozenset({"nan", "null", "none", "nil", "n/a", "undefined", "tbd", "todo", "k.a"})
_SUMS = (
    "total totals grand_total subtotal sub_total sum gesamt summe zwischensumme insgesamt somme sous_total totale suma "
    "totaal toplam итого сумма 合计 合計 总计 小计 小計"
)
_TOTALS = frozenset(_SUMS.split())
_CODE = re.compile(
    r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{2,6}|#x[0-9a-fA-F]{2,6});"
    r"|</?(?:br|p|b|i|u|em|strong|div|span|li|ul|font)(?:\s[^<>]{0,200})?/?>"
    r"|\\(?:[nrt\"]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})"
)
# What takes UTF-8 for the computer's own alphabet: Windows in two halves of Europe, and old Macs.
_ALPHABETS = ("cp1252", "cp1251", "mac_roman")
_BESIDE = re.compile("[^\\x00-\\x7f]{2}|\ufffd")  # a letter of more than one byte is two there
_WESTERN = re.compile("[\u00a0-\u00ff\u2010-\u2026]+")


def no_words(prompt: str) -> str | None:
    """Why these cannot be a person's words for a sound; None where they may be."""
    if len(prompt) < 20:
        word = re.sub(r"[\s-]+", "_", prompt.casefold().strip(" .:"))
        if word in _TOTALS:
            return "looks like a line of totals; delete it"
        if word in _NOTHING or not any(c.isalnum() or unicodedata.category(c) == "So" for c in prompt):
            return "stands for no words; say what the clip should sound like, or delete the line"
    if ("&" in prompt or "<" in prompt or "\\" in prompt) and (code := _CODE.search(prompt)):
        return f"{code[0]} is a code of a web page or a program; type the character that it stands for"
    return _garbled(prompt) if not prompt.isascii() and _BESIDE.search(prompt) else None


def _garbled(prompt: str) -> str | None:
    mend = "save the list as UTF-8 where it still looks right"
    if "\ufffd" in prompt:
        return f"has lost a letter to \ufffd; {mend}"
    for alphabet in _ALPHABETS:
        try:
            meant = prompt.encode(alphabet).decode("utf-8")
        except UnicodeError:
            continue
        letters = "".join(c for c in meant if not c.isascii())
        if len(letters) > 3 or _WESTERN.fullmatch(letters):  # É… is another letter's code, and may stand in a text
            return f"was taken for another alphabet; it says {meant!r} in UTF-8: {mend}"
    return None
