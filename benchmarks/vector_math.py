"""The elementary functions: nanoseconds an entry of an array that stays in the first caches.

`python benchmarks/vector_math.py` compares what `exprc build` makes with C that gcc vectorises with glibc's libmvec
(-O3 -march=native -ffast-math) and with NumPy.  Each runs in processes of its own, in turn: loading a library that was
linked with -ffast-math would flush subnormal numbers of the whole process.  Names as arguments choose functions;
`--save` writes docs/speed.json, the source of a table of docs/numerics.md.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

COUNT, CALLS, ROUNDS = 2048, 300, 7
SAVED = Path(__file__).resolve().parent.parent / "docs" / "speed.json"
DTYPES = {"f64": "double", "f32": "float"}


class Timed(NamedTuple):
    """A function, the interval its argument is drawn from, its name in C's math library and in NumPy, "" for none."""

    call: str
    low: float
    high: float
    c: str = ""
    numpy: str = ""


FUNCTIONS = {
    "exp": Timed("exp(x)", -20, 20, "exp(x)", "exp"),
    "exp2": Timed("exp2(x)", -20, 20, "exp2(x)", "exp2"),
    "expm1": Timed("expm1(x)", -2, 2, "expm1(x)", "expm1"),
    "log": Timed("log(x)", 0.01, 100, "log(x)", "log"),
    "log2": Timed("log2(x)", 0.01, 100, "log2(x)", "log2"),
    "log10": Timed("log10(x)", 0.01, 100, "log10(x)", "log10"),
    "log1p": Timed("log1p(x)", -0.9, 10, "log1p(x)", "log1p"),
    "log1mexp": Timed("log1mexp(x)", -10, -0.01),
    "logaddexp": Timed("logaddexp(x, 1.0)", -10, 10),
    "sigmoid": Timed("sigmoid(x)", -10, 10, "1 / (1 + exp(-x))"),
    "softplus": Timed("softplus(x)", -10, 10, "log1p(exp(x))"),
    "tanh": Timed("tanh(x)", -4, 4, "tanh(x)", "tanh"),
    "sinh": Timed("sinh(x)", -4, 4, "sinh(x)", "sinh"),
    "cosh": Timed("cosh(x)", -4, 4, "cosh(x)", "cosh"),
    "sin": Timed("sin(x)", -20, 20, "sin(x)", "sin"),
    "cos": Timed("cos(x)", -20, 20, "cos(x)", "cos"),
    "tan": Timed("tan(x)", -20, 20, "tan(x)", "tan"),
    "asin": Timed("asin(x)", -1, 1, "asin(x)", "arcsin"),
    "acos": Timed("acos(x)", -1, 1, "acos(x)", "arccos"),
    "atan": Timed("atan(x)", -4, 4, "atan(x)", "arctan"),
    "atan2": Timed("atan2(x, 1.25)", -4, 4, "atan2(x, 1.25)"),
    "erf": Timed("erf(x)", -3, 3, "erf(x)"),
    "erfc": Timed("erfc(x)", -3, 6, "erfc(x)"),
    "lgamma": Timed("lgamma(x)", 0.1, 20),
    "digamma": Timed("digamma(x)", 0.1, 20),
    "trigamma": Timed("trigamma(x)", 0.1, 20),
    "sqrt": Timed("sqrt(x)", 0.01, 100, "sqrt(x)", "sqrt"),
    "rsqrt": Timed("rsqrt(x)", 0.01, 100, "1 / sqrt(x)"),
    "power": Timed("x ^ 2.7", 0.01, 100, "pow(x, 2.7)"),
}

CLOCK = r"""
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
"""

OURS = r"""
#include <dlfcn.h>
typedef int run_t(int64_t, const void *, void *, void *, void *);
int main(int argc, char **argv) {
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) { fprintf(stderr, "%s\n", dlerror()); return 1; }
#define TIME(NAME, DTYPE, TYPE, LOW, HIGH) { \
    run_t *run = (run_t *)dlsym(library, "timed_" NAME "_" DTYPE); \
    static TYPE x[COUNT] __attribute__((aligned(64))), r[COUNT] __attribute__((aligned(64))); \
    srand(1); for (int i = 0; i < COUNT; i++) x[i] = (TYPE)(LOW + (HIGH - LOW) * (rand() / (double)RAND_MAX)); \
    double best = 1e300; \
    for (int round = 0; round < 5; round++) { double start = now(); \
        for (int call = 0; call < CALLS; call++) run(COUNT, x, r, 0, 0); \
        double spent = now() - start; if (spent < best) best = spent; } \
    printf("%s %s %.4f\n", NAME, DTYPE, best / CALLS / COUNT); }
"""

THEIRS = r"""
#include <math.h>
#define FUNCTION(NAME, DTYPE, TYPE, EXPRESSION) \
__attribute__((noinline)) static void run_##NAME##_##DTYPE(const TYPE *restrict in, TYPE *restrict out) { \
    for (int i = 0; i < COUNT; i++) { TYPE x = in[i]; out[i] = EXPRESSION; } }
#define TIME(NAME, DTYPE, TYPE, LOW, HIGH) { \
    static TYPE x[COUNT] __attribute__((aligned(64))), r[COUNT] __attribute__((aligned(64))); \
    srand(1); for (int i = 0; i < COUNT; i++) x[i] = (TYPE)(LOW + (HIGH - LOW) * (rand() / (double)RAND_MAX)); \
    double best = 1e300; \
    for (int round = 0; round < 5; round++) { double start = now(); \
        for (int call = 0; call < CALLS; call++) run_##NAME##_##DTYPE(x, r); \
        double spent = now() - start; if (spent < best) best = spent; } \
    printf("%s %s %.4f\n", #NAME, #DTYPE, best / CALLS / COUNT); }
"""

NUMPY = """
import sys, timeit, numpy
for line in sys.argv[1:]:
    name, function, low, high = line.split()
    for dtype, kind in (("f64", numpy.float64), ("f32", numpy.float32)):
        x = numpy.random.default_rng(1).uniform(float(low), float(high), {count}).astype(kind)
        r, f = numpy.empty_like(x), getattr(numpy, function)
        print(name, dtype, min(timeit.repeat(lambda: f(x, out=r), number={calls}, repeat=5)) / {calls} / {count} * 1e9)
"""

Found = dict[tuple[str, str], list[float]]


def main(chosen: list[str], save: bool) -> None:
    """Builds, runs in turn, and writes a line for each function and dtype."""
    functions = {name: timed for name, timed in FUNCTIONS.items() if name in chosen or not chosen}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = {
            "exprc": ours(functions, folder),
            "libmvec": theirs(functions, folder),
            "NumPy": of_numpy(functions),
        }
        found: dict[str, Found] = {peer: {} for peer in commands}
        for _ in range(ROUNDS):
            for peer, command in commands.items():
                done = subprocess.run(command, capture_output=True, check=True, text=True)
                for line in done.stdout.splitlines():
                    function, dtype, time = line.split()
                    found[peer].setdefault((function, dtype), []).append(float(time))
    sys.stdout.write(table(found))
    if save:
        SAVED.write_text(saved(found))


def saved(found: dict[str, Found]) -> str:
    """The least times as JSON, which `tools/document.py` puts into docs/numerics.md."""
    times: dict[str, dict[str, dict[str, float]]] = {}
    for peer, own in found.items():
        for (name, dtype), values in own.items():
            times.setdefault(name, {}).setdefault(dtype, {})[peer] = round(min(values), 3)
    described = {"machine": machine(), "rounds": ROUNDS, "peers": list(found), "times": times}
    return json.dumps(described, indent=1) + "\n"


def machine() -> str:
    """The processor and what it compiled with."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    wide = "AVX-512" if any(line.startswith("flags") and "avx512f" in line for line in lines) else "AVX2"
    libraries = platform.libc_ver()
    gcc = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{model} with {wide}, {libraries[0]} {libraries[1]}, gcc {gcc}"


def table(found: dict[str, Found]) -> str:
    """Least times in nanoseconds an entry, and the ratio to libmvec's."""
    lines = [f"{'function':12} {'dtype':6} {'exprc':>8} {'libmvec':>8} {'NumPy':>8} {'ratio':>6}"]
    for key, times in found["exprc"].items():
        least = {peer: min(own[key]) for peer, own in found.items() if key in own}
        texts = [f"{least[peer]:8.3f}" if peer in least else " " * 8 for peer in found]
        ratio = f"{least['exprc'] / least['libmvec']:6.2f}" if "libmvec" in least else ""
        assert times
        lines.append(f"{key[0]:12} {key[1]:6} {' '.join(texts)} {ratio}")
    return "\n".join(lines) + "\n"


def ours(functions: dict[str, Timed], folder: Path) -> list[str]:
    """The command that times a library of exprc."""
    program = "dim n\ninput x : f64[n]\ninput y : f32[n]\n"
    for name, timed in functions.items():
        of_y = re.sub(r"\bx\b", "y", timed.call)
        program += f"output {name}_f64 = {timed.call}\noutput {name}_f32 = {of_y}\n"
    (folder / "timed.expr").write_text(program)
    build = [sys.executable, "-m", "exprc", "build", str(folder / "timed.expr"), "-o", str(folder)]
    subprocess.run(build, check=True, capture_output=True, cwd=Path(__file__).parent.parent)
    body = "".join(
        f'TIME("{name}", "{dtype}", {kind}, {timed.low}, {timed.high})\n'
        for name, timed in functions.items()
        for dtype, kind in DTYPES.items()
    )
    compiled = compile_c(folder, "ours", OURS + body + "return 0; }", ["-O2", "-ldl"])
    return [compiled, str(folder / "libtimed.so")]


def theirs(functions: dict[str, Timed], folder: Path) -> list[str]:
    """The command that times C with libmvec."""
    text, body = THEIRS, ""
    for name, timed in functions.items():
        if timed.c:
            text += f"FUNCTION({name}, f64, double, {timed.c})\nFUNCTION({name}, f32, float, {single(timed.c)})\n"
            for dtype, kind in DTYPES.items():
                body += f"TIME({name}, {dtype}, {kind}, {timed.low}, {timed.high})\n"
    flags = ["-O3", "-march=native", "-ffast-math", "-lm"]
    return [compile_c(folder, "theirs", text + "int main(void) {\n" + body + "return 0; }", flags)]


def single(expression: str) -> str:
    """The f32 form of a C expression."""
    for name in ("exp2", "expm1", "log2", "log10", "log1p", "atan2", "sqrt", "pow"):
        expression = expression.replace(name + "(", name + "f(")
    for name in ("exp", "log", "tanh", "sinh", "cosh", "asin", "acos", "atan", "erfc", "erf"):
        expression = expression.replace(name + "(", name + "f(")
    for name in ("sin", "cos", "tan"):
        expression = f"{name}f(x)" if expression == f"{name}(x)" else expression
    return expression.replace("1.25", "1.25f").replace("2.7", "2.7f")


def of_numpy(functions: dict[str, Timed]) -> list[str]:
    """The command that times NumPy."""
    lines = [f"{name} {t.numpy} {t.low} {t.high}" for name, t in functions.items() if t.numpy]
    return [sys.executable, "-c", NUMPY.format(count=COUNT, calls=CALLS), *lines]


def compile_c(folder: Path, name: str, text: str, flags: list[str]) -> str:
    """A program of C."""
    (folder / f"{name}.c").write_text(f"#define COUNT {COUNT}\n#define CALLS {CALLS}\n{CLOCK}{text}\n")
    compiler, libraries = [f for f in flags if f[:2] != "-l"], [f for f in flags if f[:2] == "-l"]
    subprocess.run(["gcc", *compiler, str(folder / f"{name}.c"), "-o", str(folder / name), *libraries], check=True)
    return str(folder / name)


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name != "--save"], "--save" in sys.argv)
