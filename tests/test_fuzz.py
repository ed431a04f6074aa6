"""A slice of the fuzzer (`python -m tests.fuzz`), every program that once showed a fault, and what it would notice."""

from __future__ import annotations

import faulthandler
import os
from pathlib import Path

import numpy as np
import pytest
from fuzz import differential, minimise, mutate
from fuzz.command import add, new_state, summary
from fuzz.front import Fault, examine
from fuzz.generate import draw_program
from fuzz.mistakes import draw_mistaken_program
from fuzz.programs import draw, kind_of, try_program, try_text

CORPUS = sorted((Path(__file__).parent / "fuzz" / "corpus").iterdir())
SOFT = {differential.LOST}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_once_was_a_fault(path: Path) -> None:
    for number in range(3):
        assert try_text(path.read_bytes(), "stored", number, True).faults == ()


@pytest.mark.parametrize("start", range(0, 500, 100))
def test_parser_checker_and_formatter(start: int) -> None:
    state = new_state(start)
    for number in range(start, start + 100):
        add(state, number, try_program(number, 0))
    assert not state["faults"], summary(state)


@pytest.mark.parametrize("start", range(1_000_000, 1_000_300, 100))
def test_compiled_programs(start: int) -> None:
    faults = [fault for number in range(start, start + 100, 10) for fault in try_program(number, 10).faults]
    assert [fault for fault in faults if fault.kind not in SOFT] == []


def test_a_number_is_a_program() -> None:
    assert [draw(number) for number in range(40)] == [draw(number) for number in range(40)]
    assert len({draw(number) for number in range(200)}) > 190
    assert draw_program(3) != draw_program(4)
    assert {kind_of(number) for number in range(10)} == {"typed", "mistaken", "mutated"}


# ---- that it would notice


def test_wrong_code_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "dim n\ninput x : f64[n]\nparam w : f64\nloss E = sum(x * w)\n"
    assert differential.compare(text, 1) == []
    honest = differential.Library.__call__

    def slightly_wrong(library, symbol, *given, **more):
        status, results = honest(library, symbol, *given, **more)
        return status, {name: value * (1 + 1e-12) for name, value in results.items()}

    monkeypatch.setattr(differential.Library, "__call__", slightly_wrong)
    assert {fault.kind for fault in differential.compare(text, 1)} >= {"wrong value", "wrong gradient"}


def test_a_wrong_derivative_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that interpreter and compiled code agree about."""
    text = "dim n\ninput x : f64[n]\nparam w : f64\nloss E = sum(exp(x * w))\n"
    honest = differential.Library.__call__

    def shifted(library, symbol, dims, arrays, *rest, **more):
        return honest(library, symbol, dims, {**arrays, "w": np.asarray(arrays["w"] * 2)}, *rest, **more)

    monkeypatch.setattr(differential, "_judge", lambda *_: [])
    assert differential.compare(text, 1) == []
    monkeypatch.setattr(differential.Library, "__call__", shifted)
    assert next(fault.kind for fault in differential.compare(text, 1)) == "gradient is not the difference"


def test_reads_beyond_an_operand_end_the_process() -> None:
    """The page after an array cannot be touched: asked in a process of its own."""
    child = os.fork()
    if not child:
        faulthandler.disable()
        array = differential.arena().array((5,), np.float64)
        os.close(2)
        np.lib.stride_tricks.as_strided(array, (6,))[5]
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_formatter_that_changes_something_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from fuzz import front

    honest = front.format_program
    monkeypatch.setattr(front, "format_program", lambda source: honest(source).replace("+", "-"))
    kinds = [fault.kind for fault in examine(b"input x : f64  # why\noutput a = x + 1\n").faults]
    assert kinds == ["fmt changes the meaning"]
    monkeypatch.setattr(front, "format_program", lambda source: honest(source).replace("# why", ""))
    assert "fmt loses comments" in [f.kind for f in examine(b"input x : f64  # why\noutput a = x + 1\n").faults]


def test_mistaken_programs_are_refused() -> None:
    assert {examine(draw_mistaken_program(seed).encode()).verdict for seed in range(20)} == {"refused"}


def test_programs_are_minimised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimise, "faults_of", lambda data, *_: ["wrong"] if b"tan(" in data else [])
    text = b"dim n\ninput x : f64[n]\noutput a = sin(x)\noutput b = sum(tan(x) + 2 * x) / n\noutput c = x\n"
    smaller = minimise.minimise(text, "typed", 0, False, "wrong")
    assert b"tan(" in smaller and len(smaller) < 20


def test_mutated_programs_start_from_what_is_stored() -> None:
    assert len(mutate.stored_programs()) > 40
    assert Fault("a", "b") == Fault(kind="a", details="b")
