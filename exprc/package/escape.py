"""How text that a stranger wrote enters Python, C and JSON.

Docs, names and paths go into generated files through these functions and through no other way.
"""

from __future__ import annotations


def python_literal(value: object, indent: int = 0) -> str:
    """A Python literal of dicts, lists, tuples, strings, numbers and None: long collections with an entry a line."""
    if isinstance(value, str):
        return _double_quoted(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f'float("{value}")'
    if not isinstance(value, (dict, list, tuple)):
        return repr(value)
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]") if isinstance(value, list) else ("(", ")")
    if isinstance(value, dict):
        entries = [f"{python_literal(k)}: {python_literal(v, indent + 4)}" for k, v in value.items()]
    else:
        entries = [python_literal(entry, indent + 4) for entry in value]
    short = ", ".join(entries)
    if len(short) + indent <= 100 and "\n" not in short:
        return opening + short + ("," if isinstance(value, tuple) and len(entries) == 1 else "") + closing
    space = " " * (indent + 4)
    return f"{opening}\n" + "".join(f"{space}{entry},\n" for entry in entries) + " " * indent + closing


def python_docstring(text: str, indent: int = 0) -> str:
    """A triple-quoted string whose lines after the first are indented."""
    space = " " * indent
    shown = _visible(text.replace("\\", "\\\\"))
    if '"""' in shown or shown.endswith('"'):
        shown = shown.replace('"', '\\"')
    lines = [line.rstrip() for line in shown.split("\n")]
    body = "\n".join([lines[0], *(space + line if line else "" for line in lines[1:])])
    return f'"""{body}\n{space}"""' if len(lines) > 1 else f'"""{body}"""'


def python_comment(text: str) -> str:
    """Text for one line after `# `."""
    return _visible(text).replace("\n", " ")


def c_comment(text: str) -> str:
    """Text for the inside of a block comment: it neither ends the comment nor opens one, and has no trigraphs."""
    shown = _visible(text)
    for sequence in ("*/", "/*", "??"):
        while sequence in shown:
            shown = shown.replace(sequence, f"{sequence[0]} {sequence[1]}")
    lines = (line.rstrip() for line in shown.split("\n"))
    return "\n".join(f"{line[:-1]}(backslash)" if line.endswith("\\") else line for line in lines)


def json_text(value: object) -> str:
    """JSON in ASCII, one key a line.  A float that JSON cannot hold becomes a string."""
    import json

    return json.dumps(_finite(value), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _double_quoted(text: str) -> str:
    if "\\" in text or '"' in text or not text.isprintable():
        return '"' + "".join(_in_quotes(character) for character in text) + '"'
    return f'"{text}"'


def _in_quotes(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    if character == "\n":
        return "\\n"
    return character if character.isprintable() else _code_point(character)


def _visible(text: str) -> str:
    """Controls, bidirectional marks, separators and lone surrogates as escapes; newlines stay."""
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else _code_point(c) for c in text)


def _code_point(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value
