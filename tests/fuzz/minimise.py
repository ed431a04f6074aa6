"""Programs made smaller while they show the same fault: lines, then pieces of expressions, are left out."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator

from fuzz.programs import try_text

MOST_TRIES = 400


def minimise(data: bytes, kind: str, number: int, compiles: bool, wanted: str) -> bytes:
    """A smaller program with a fault of the class `wanted`."""
    tries = 0

    def shows(candidate: bytes) -> bool:
        nonlocal tries
        tries += 1
        return tries <= MOST_TRIES and wanted in faults_of(candidate, kind, number, compiles)

    for separator in (b"\n", None):
        data = _without_parts(data, separator, shows)
    changed = True
    while changed and tries < MOST_TRIES:
        changed = False
        for candidate in _simpler(data):
            if len(candidate) < len(data) and shows(candidate):
                data, changed = candidate, True
                break
    return data


def faults_of(data: bytes, kind: str, number: int, compiles: bool) -> list[str]:
    """The classes of the faults of a program, tried in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(30)
        found = ["crash"]
        try:
            report = try_text(data, kind, number, compiles)
            found = [fault.kind for fault in report.faults]
        finally:
            os.write(writer, "\n".join(found).encode())
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        text = file.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number_ = os.WTERMSIG(status)
        return ["does not end in 300 s" if number_ == signal.SIGALRM else f"ends the process: {number_}"]
    return text.split("\n")


def _without_parts(data: bytes, separator: bytes | None, shows: Callable[[bytes], bool]) -> bytes:
    """Parts left out, first many at once."""
    glue = separator or b""
    parts = data.split(separator) if separator else re.findall(rb"\w+|\s+|[^\w\s]", data)
    if not separator and len(parts) > 400:
        return data
    step = max(1, len(parts) // 2)
    while step:
        place = 0
        while place < len(parts):
            fewer = parts[:place] + parts[place + step :]
            if fewer and shows(glue.join(fewer)):
                parts = fewer
            else:
                place += step
        step //= 2
    return glue.join(parts)


def _simpler(data: bytes) -> Iterator[bytes]:
    """The program with one bracket opened up or one call replaced by one of its arguments."""
    text = data.decode(errors="replace")
    for start, end in _brackets(text):
        inner = text[start + 1 : end]
        name = re.search(r"\w*$", text[:start])
        assert name is not None
        for piece in (*_arguments(inner), inner):
            for head in {name.start(), start}:
                yield (text[:head] + piece.strip() + text[end + 1 :]).encode()
                yield (text[:head] + f"({piece.strip()})" + text[end + 1 :]).encode()
    for found in re.finditer(r"(?<=[-+*/@^ ]) *[-+*/@^] *[\w.]+|[\w.]+ *[-+*/@^] *", text):
        yield (text[: found.start()] + text[found.end() :]).encode()


def _brackets(text: str) -> list[tuple[int, int]]:
    """The places of matching round brackets, longest first."""
    open_, found = [], []
    for place, character in enumerate(text):
        if character == "(":
            open_.append(place)
        elif character == ")" and open_:
            found.append((open_.pop(), place))
    return sorted(found, key=lambda pair: pair[0] - pair[1])


def _arguments(text: str) -> list[str]:
    depth, parts = 0, [""]
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts if len(parts) > 1 else []
