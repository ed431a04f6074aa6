"""Parser, checker, formatter and messages on one program: what must hold for any text whatever.

Owns the properties; each that fails is a `Fault` with a class.  Compiles nothing.
"""

from __future__ import annotations

import json
import re
import traceback
from typing import NamedTuple

from exprc.check import check_program
from exprc.check.model import Model
from exprc.cli.render import to_json, to_text
from exprc.diagnostics import Diagnostic, ExprcError
from exprc.ir.show import show
from exprc.source import Source
from exprc.syntax.characters import read_source
from exprc.syntax.format import format_program
from exprc.syntax.parse import parse

ACCEPTED, REFUSED, LIMIT = "accepted", "refused", "limit"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Fault(NamedTuple):
    """What is wrong: a class, by which faults are counted, and the details of one."""

    kind: str
    details: str


class Outcome(NamedTuple):
    """What became of a program, and the faults that this showed."""

    verdict: str
    faults: tuple[Fault, ...] = ()
    model: Model | None = None


def crash(stage: str, error: BaseException) -> Fault:
    """A fault for an exception that is no diagnostic, of the class of the place that raised it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/exprc/" in f.filename]
    where = f"{frames[-1].filename.rpartition('/exprc/')[2]}:{frames[-1].name}" if frames else "?"
    return Fault(f"crash in {stage}: {type(error).__name__} at {where}", str(error)[:300])


def examine(data: bytes, expected: str = "") -> Outcome:
    """A program through everything that comes before compilation; `expected` says what is known of it."""
    try:
        source = read_source("program.expr", data)
        program = parse(source)
    except ExprcError as error:
        return Outcome(_verdict(error), (*_messages(error.diagnostics), *_unexpected(expected, error)))
    except Exception as error:
        return Outcome(REFUSED, (crash("parse", error),))
    faults: list[Fault] = []
    model, refusal = None, None
    try:
        model = check_program(program, source)
        faults += _messages(model.lints)
    except ExprcError as error:
        refusal = error
        faults += _messages(error.diagnostics)
    except Exception as error:
        return Outcome(REFUSED, (crash("check", error),))
    faults += _unexpected(expected, refusal)
    faults += _formatted(source, model, refusal)
    return Outcome(_verdict(refusal), tuple(faults), model)


def _verdict(error: ExprcError | None) -> str:
    return ACCEPTED if error is None else LIMIT if error.exit_code == 3 else REFUSED


def _unexpected(expected: str, error: ExprcError | None) -> list[Fault]:
    found = _verdict(error)
    if not expected or found == expected:
        return []
    if error is None:
        return [Fault("a mistake that is not noticed", "")]
    return [Fault(f"{expected} expected, {found}: {error.diagnostics[0].code}", error.diagnostics[0].message)]


def _messages(diagnostics: tuple[Diagnostic, ...]) -> list[Fault]:
    """Messages can be written, hold nothing that a terminal acts on, and are JSON."""
    if not diagnostics:
        return []
    try:
        text = to_text(diagnostics)
        for line in to_json(diagnostics).splitlines():
            json.loads(line)
    except Exception as error:
        return [crash("messages", error)]
    found = _CONTROL.search(text)
    faults = [Fault("a control character in a message", repr(found.group()))] if found else []
    lone = [d for d in diagnostics if d.severity == "error" and (not d.labels or not d.code)]
    return faults + [Fault(f"a message without a place: {d.code}", d.message) for d in lone]


def _formatted(source: Source, model: Model | None, refusal: ExprcError | None) -> list[Fault]:
    """The canonical form reads back, means the same, and is its own canonical form."""
    try:
        text = format_program(source)
        again = Source(source.name, text)
        program = parse(again)
        twice = format_program(again)
    except ExprcError as error:
        return [
            Fault(f"fmt makes a program that is refused: {error.diagnostics[0].code}", error.diagnostics[0].message)
        ]
    except Exception as error:
        return [crash("fmt", error)]
    faults = []
    if twice != text:
        faults.append(Fault("fmt twice is not once", _first_difference(text, twice)))
    if _comments(source.text) != _comments(text):
        faults.append(Fault("fmt loses comments", ""))
    try:
        other = check_program(program, again)
    except ExprcError as error:
        found = sorted(d.code for d in error.diagnostics)
        if refusal is None or found != sorted(d.code for d in refusal.diagnostics):
            faults.append(Fault("fmt changes what is refused", error.diagnostics[0].message))
        return faults
    except Exception as error:
        return [*faults, crash("check", error)]
    if model is None or _meaning(model) != _meaning(other):
        faults.append(Fault("fmt changes the meaning", ""))
    return faults


def _comments(text: str) -> int:
    """How many comments there are: `#` outside of strings starts one."""
    return sum("#" in re.sub(r'"(?:[^"\\\n]|\\[^\n])*"', "", line) for line in text.split("\n"))


def _meaning(model: Model) -> tuple[object, ...]:
    declared = tuple((d.name, d.role, d.node, d.doc, d.start) for d in model.declarations)
    defined = tuple((d.name, d.role, d.doc) for d in model.definitions)
    dims = tuple((d.name, d.value) for d in model.dims)
    return model.doc, dims, declared, defined, show(tuple(d.node for d in model.definitions))


def _first_difference(one: str, two: str) -> str:
    for left, right in zip(one.split("\n"), two.split("\n")):
        if left != right:
            return f"{left!r} | {right!r}"
    return "the number of lines"
