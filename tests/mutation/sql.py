"""The small changes of SQL, on its words and signs."""

from __future__ import annotations

import re
from collections.abc import Iterator

IS_SQL = re.compile(
    r"\b(SELECT|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE \w+|WHERE|ORDER BY|GROUP BY|JOIN|UNION)\b"
    r"|\bIS (NOT )?NULL\b|\w = [?:'{]"
)
TOKEN = re.compile(
    r"(?P<comment>--[^\n]*)|(?P<text>'[^'\n]*')|(?P<number>\b\d+\b)|(?P<sign><=|>=|!=|<>|\|\||[<>=+*/%(),;-])"
    r"|(?P<word>[:@?]?[A-Za-z_][\w.]*)"
)
WORDS = {
    "AND": "OR", "OR": "AND", "DESC": "ASC", "ASC": "DESC", "MIN": "MAX", "MAX": "MIN", "DISTINCT": "",
    "EXISTS": "NOT EXISTS", "LEFT": "",
}  # fmt: skip
SIGNS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "!=": "=", "<>": "=", "+": "-", "-": "+"}
Found = tuple[str, int, int, str]  # what, from, to, what becomes of it


def sql_changes(text: str, *, in_python: bool = False) -> Iterator[Found]:
    """Of a script, or with `in_python` of a literal as it stands in the code, f-strings with their braces."""
    masked = re.sub(r"\{[^{}]*\}", lambda m: "x" * len(m[0]), text) if in_python else text
    tokens = [m for m in TOKEN.finditer(masked) if m.lastgroup != "comment"]
    words = [m[0].upper() for m in tokens]
    assigning = between = False
    depth, set_depth = 0, -1
    for index, token in enumerate(tokens):
        word = words[index]
        before = words[index - 1] if index else ""
        after = words[index + 1] if index + 1 < len(words) else ""
        start, end = token.span()
        depth += (word == "(") - (word == ")")
        if word == "SET":
            assigning, set_depth = True, depth
        elif word in {"WHERE", ";", "RETURNING"} and depth <= set_depth:
            assigning = False
        elif word == "BETWEEN":
            between = True
        if token.lastgroup == "number":
            if words[max(index - 3, 0) : index] == ["EXISTS", "(", "SELECT"] or (words[:index], after) == (
                ["SELECT"],
                "FROM",
            ):
                continue  # what is selected there nobody looks at
            if before != "(" or after != ")" or words[index - 2] not in {"VARCHAR", "CHAR"}:
                # Who wants one row reads one.
                yield "sql constant", start, end, "0" if (before, word) == ("LIMIT", "1") else str(int(word) + 1)
        elif token.lastgroup == "text":
            yield "sql constant", start, end, "''" if len(word) > 2 else "'changed'"
        elif token.lastgroup == "sign":
            if word == "=" and not (assigning and depth == set_depth):
                yield "sql comparison", start, end, "!="
            elif word in SIGNS and not (word in "+-" and before in {"(", ",", "=", "THEN", "LIMIT", ""}):
                yield "sql arithmetic" if word in "+-" else "sql comparison", start, end, SIGNS[word]
        elif word == "AND" and between:
            between = False
        elif word in WORDS:
            if word == "OR" and after in {"IGNORE", "REPLACE", "ABORT"}:
                yield "sql clause", start, tokens[index + 1].end(), ""
            elif word == "LEFT" and after == "JOIN":
                yield "sql clause", start, end, ""
            elif word == "EXISTS" and before != "NOT" and before != "IF":
                yield "sql condition", start, end, WORDS[word]
            elif (word in {"MIN", "MAX"} and after != "(") or word in {"LEFT", "EXISTS"}:
                pass
            else:
                yield "sql logic", start, end, WORDS[word]
        elif word == "NOT" and after in {"EXISTS", "IN", "LIKE", "GLOB"}:
            yield "sql condition", start, end, ""
        elif word == "IN" and before not in {"NOT", "DEFAULT"} and after == "(":
            yield "sql condition", start, end, "NOT IN"
        elif word == "IS":
            if after == "NOT":
                yield "sql condition", start, tokens[index + 1].end(), "IS"
            else:
                yield "sql condition", start, end, "IS NOT"
        elif word == "ALL" and before == "UNION":
            yield "sql clause", start, end, ""
        elif before == "BY" and index > 1 and words[index - 2] == "ORDER" and after not in {"DESC", "ASC", "(", "."}:
            yield "sql clause", end, end, " DESC"
