"""The numbered programs of the fuzzer and what is tried on each: number and kind determine all of it."""

from __future__ import annotations

from typing import NamedTuple

from fuzz.front import ACCEPTED, Fault, crash, examine
from fuzz.generate import draw_program
from fuzz.mistakes import draw_mistaken_program
from fuzz.mutate import draw_mutated_program

ALL, FRONT, COMPILED = "all", "front", "compiled"  # parts: all of it, without compiling, only those that are compiled
TYPED, MISTAKEN, MUTATED = "typed", "mistaken", "mutated"
UNNOTICED = "a mistake that is not noticed"
_KINDS = (TYPED, TYPED, TYPED, TYPED, MISTAKEN, MISTAKEN, MISTAKEN, MUTATED, MUTATED, MUTATED)
PERIOD = len(_KINDS)


class Report(NamedTuple):
    """What trying one program gave."""

    verdict: str
    was_compiled: bool
    faults: tuple[Fault, ...]


def kind_of(number: int) -> str:
    """Which generator draws the program of a number."""
    return _KINDS[number % PERIOD]


def draw(number: int) -> bytes:
    """The program of a number."""
    kind = kind_of(number)
    if kind == TYPED:
        return draw_program(number).encode()
    return draw_mistaken_program(number).encode() if kind == MISTAKEN else draw_mutated_program(number)


def is_compiled(number: int, every: int) -> bool:
    """Whether a program goes beyond the checker: one typed and one mutated in `every`."""
    return bool(every) and number % every in (0, PERIOD - 1)


def belongs(number: int, every: int, part: str) -> bool:
    """Whether a part has the program of a number."""
    return part != COMPILED or is_compiled(number, every)


def try_program(number: int, every: int) -> Report:
    """Draw a program and try everything on it."""
    return try_text(draw(number), kind_of(number), number, is_compiled(number, every))


def try_text(data: bytes, kind: str, number: int, compiles: bool) -> Report:
    """Try everything on a program; `kind` tells what is known of it, `number` draws its data."""
    outcome = examine(data, ACCEPTED if kind == TYPED else "")
    faults = list(outcome.faults)
    if kind == MISTAKEN and outcome.verdict == ACCEPTED:
        faults.append(Fault(UNNOTICED, ""))
    compiles = compiles and outcome.model is not None
    if compiles and not faults:
        from fuzz.differential import compare

        try:
            faults += compare(data.decode("utf-8-sig").replace("\r\n", "\n"), number)
        except MemoryError:
            compiles = False
        except ValueError as error:
            compiles = False
            if "array is too big" not in str(error):  # NumPy has two ways to say so
                faults.append(crash("the comparison", error))
        except Exception as error:
            faults.append(crash("the comparison", error))
    return Report(outcome.verdict, compiles, tuple(faults))
