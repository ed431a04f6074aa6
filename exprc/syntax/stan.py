"""The declarations of a program in Stan, written in exprc.

Reached only after an error.  Owns the reading of such declarations, line by line and as far as they are plain; must not
know the tokens of exprc.
"""

from __future__ import annotations

import re
from itertools import islice

MOST_TRANSLATED = 12
MOST_BLOCKS = 8
_BLOCK = re.compile(r"\b(data|parameters)\s*\{([^{}]*)\}")
_DECLARATION = re.compile(
    r"(?:array\s*\[(?P<before>[^\]]*)\]\s*)?(?P<type>int|real|vector|row_vector|matrix|simplex|ordered|cov_matrix)\b\s*"
    r"(?:<(?P<bounds>[^>]*)>)?\s*(?:\[(?P<sizes>[^\]]*)\])?\s*(?P<name>[^\W\d]\w*)\s*(?:\[(?P<behind>[^\]]*)\])?\s*$"
)


def translated(text: str) -> list[str]:
    """A line of exprc for each declaration that could be read."""
    lines: list[str] = []
    for block in islice(_BLOCK.finditer(text), MOST_BLOCKS):
        if text[text.rfind("\n", 0, block.start()) + 1 : block.start()].strip():
            continue  # `transformed data`: values, not declarations
        body = re.sub(r"//[^\n]*", "", block[2])
        found = [_DECLARATION.match(" ".join(part.split())) for part in body.split(";")]
        sizes = {size.strip() for one in found if one for size in _sizes(one)}
        lines += [_line(one, block[1], sizes) for one in found if one]
    return lines[:MOST_TRANSLATED]


def _sizes(found: re.Match[str]) -> list[str]:
    groups = [found["before"], found["behind"], found["sizes"]]
    return [size.strip() for group in groups if group for size in group.split(",")]


def _line(found: re.Match[str], block: str, sizes: set[str]) -> str:
    name, type = found["name"], found["type"]
    if type == "int" and name in sizes:
        return f"dim {name}"
    shape = ", ".join(_sizes(found))
    dtype = "i64" if type == "int" else "f64"
    role = "input" if block == "data" else "param"
    constraint = _bounds(found["bounds"] or "") if role == "param" else ""
    word = f" {type}" if type in ("simplex", "ordered") and role == "param" else constraint
    return f"{role} {name} : {dtype}{f'[{shape}]' if shape else ''}{word}"


def _bounds(text: str) -> str:
    bounds = dict(re.findall(r"(lower|upper)\s*=\s*([^,]+)", text))
    lower, upper = bounds.get("lower", "").strip(), bounds.get("upper", "").strip()
    if lower and upper:
        return f" in ({lower}, {upper})"
    return f" > {lower}" if lower else f" < {upper}" if upper else ""
