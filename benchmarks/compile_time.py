"""How compile time grows with the length and depth of programs, and what a cold build is made of:

    python benchmarks/compile_time.py [--quick] [--only definitions]

Generates the programs of `tests/long_programs.py` in sizes from 10 to the full one, builds each in a process of its
own, compares value and gradient with plain Python, and fits exponents (least squares over logarithms) to the seconds of
every stage.  The full sizes also go through `grad` and `check`.  `--quick` stops at a tenth.  A program of 1000
definitions has a bar of its own, in processor time.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from long_programs import PROGRAMS, LongProgram  # noqa: E402

MOST_SECONDS, MOST_MEGABYTES, MOST_EXPONENT = 60.0, 2048.0, 1.15
SHORT, MOST_SECONDS_OF_SHORT = 1000, 2.0  # definitions, and how long their whole build may take
LEAST_FITTED = 0.05  # seconds: what is shorter is noise and start-up


class Run(NamedTuple):
    """One command on one program."""

    seconds: float
    processor: float
    megabytes: float
    stages: dict[str, float]


def main() -> None:
    """Runs what the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", help="the name of one program")
    options.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="exprc-") as folder:
        _cold_build(Path(folder))
        _short_program(Path(folder))
        for program in PROGRAMS:
            if chosen.only in (None, program.name):
                _measure(program, program.full // (10 if chosen.quick else 1), Path(folder))


def _cold_build(folder: Path) -> None:
    example = ROOT / "examples" / "logistic_regression.expr"
    runs = [_run(["build", str(example), "-o", str(folder), "--time"]) for _ in range(5)]
    best = min(runs, key=lambda run: run.seconds)
    print(f"cold build of {example.name}: {best.seconds:.3f} s, {best.megabytes:.0f} MB; {_shown(best.stages)}\n")


def _short_program(folder: Path) -> None:
    """The whole build of a program of a size that people write, against its bar; the least of three runs."""
    path = folder / "short.expr"
    path.write_text(PROGRAMS[0].text(SHORT))
    runs = [_run(["build", str(path), "-o", str(folder), "--time"]) for _ in range(3)]
    run = min(runs, key=lambda run: run.processor)
    verdict = "" if run.processor <= MOST_SECONDS_OF_SHORT else f"  (above {MOST_SECONDS_OF_SHORT} s)"
    text = f"{run.processor:.2f} s of processors, {run.seconds:.2f} s, {run.megabytes:.0f} MB{verdict}"
    print(f"{SHORT} {PROGRAMS[0].name}: {text}; {_shown(run.stages)}\n")


def _measure(program: LongProgram, largest: int, folder: Path) -> None:
    sizes = [10**k for k in range(1, round(math.log10(largest)) + 1)]
    builds: list[Run] = []
    for size in sizes:
        name = f"{program.name.replace(' ', '_')}_{size}"
        path = folder / f"{name}.expr"
        path.write_text(program.text(size))
        run = _run(["build", str(path), "-o", str(folder), "--time"])
        builds.append(run)
        print(f"{program.name} {size}: {_limits(run)}, {_error(program, size, folder, name)}; {_shown(run.stages)}")
    for command in ("grad", "check"):
        print(f"{program.name} {sizes[-1]} {command}: {_limits(_run([command, str(path)]))}")
    fitted = {stage: _exponent(sizes, [run.stages.get(stage, 0.0) for run in builds]) for stage in builds[-1].stages}
    shown = ", ".join(f"{stage} {exponent:.2f}" for stage, exponent in fitted.items() if exponent is not None)
    total = fitted.get("total")
    verdict = "" if total is None or total <= MOST_EXPONENT else f"  (above {MOST_EXPONENT})"
    print(f"{program.name} exponents: {shown}{verdict}\n", flush=True)


def _run(arguments: list[str]) -> Run:
    """A command in a process of its own: seconds, of the clock and of processors, the largest memory, its stages."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-m", "exprc", *arguments]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if status:
        raise SystemExit(f"exprc {' '.join(arguments)}: {text[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, _stages(text))


def _stages(text: str) -> dict[str, float]:
    """The seconds of each stage from what `--time` prints."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if line.endswith("%") and len(words) >= 3:
            found[words[0]] = float(words[1]) * {"ms": 1e-3, "s": 1.0}[words[2]]
    return found


def _error(program: LongProgram, size: int, folder: Path, name: str) -> str:
    """How far value and derivative are from those of plain Python."""
    model = _imported(folder, name)
    value, (derivative,) = model.E.value_and_grad(x=program.at)
    expected, slope = program.value(size, program.at)
    errors = [abs(found - true) / (abs(true) or 1.0) for found, true in ((value, expected), (float(derivative), slope))]
    return "relative errors " + " ".join(f"{error:.0e}" for error in errors)


def _imported(folder: Path, name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


def _exponent(sizes: list[int], seconds: list[float]) -> float | None:
    """The slope of seconds over sizes in logarithms, of what takes long enough to be measured."""
    points = [(math.log(n), math.log(s)) for n, s in zip(sizes, seconds) if s >= LEAST_FITTED]
    if len(points) < 2:
        return None
    middle = [sum(column) / len(points) for column in zip(*points)]
    above: float = sum((x - middle[0]) * (y - middle[1]) for x, y in points)
    below: float = sum((x - middle[0]) ** 2 for x, _ in points)
    return above / below


def _limits(run: Run) -> str:
    over = run.seconds > MOST_SECONDS or run.megabytes > MOST_MEGABYTES
    return f"{run.seconds:.2f} s, {run.megabytes:.0f} MB{' (OVER THE LIMIT)' if over else ''}"


def _shown(stages: dict[str, float]) -> str:
    return ", ".join(f"{stage} {seconds:.3f}" for stage, seconds in stages.items())


if __name__ == "__main__":
    main()
