"""The pages and tables of the manual that are drawn from the tables of the program: operations, errors, numerics.

Every function gives Markdown; nothing here is written down that a table or the compiler itself could say.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import accuracy as measuring
import blocks
import mistakes
import numpy

from exprc.cli import doc
from exprc.errors import ErrorEntry, example_bytes, read_catalog
from exprc.ir.node import Node
from exprc.ir.op import LEAF, Op
from exprc.ops.table import TABLE
from exprc.rewrite.engine import ALL_RULES
from exprc.scalar import accuracy, math
from exprc.scalar.builder import Builder
from exprc.scalar.evaluate import evaluate

NOTE = "<!-- Written by `python tools/document.py`; change the tables instead. -->"
OPERATIONS_HEAD = f"""\
# Operations

{NOTE}

What can be called, and the operators, as `exprc doc` has them. `scan`, indexing, casts and array literals are forms of
the [language](language.md).

- *Dtypes*: what arguments are taken and, after the colon, what the result has.
- *Derivative*: what `exprc grad` prints where `r` is the call. For an array it is `vjp(r, x, u)`, the derivative
  weighted with an array `u` of the shape of `r`.
- *Error*: the most by which a result differs from the exact one, in units in the last place, for f64 and f32
  ([numerics](numerics.md)).
- *Laws*: what the rewriting and the tests know of it. `zero` and `one` are neutral elements; `nonempty` says that it
  has no value of no entries.

"""
ERRORS_HEAD = f"""\
# Errors

{NOTE}

Every message has a code; `exprc explain CODE` prints what stands here. `E` stops the compiler: exit code 1, or 3 for
what is not built yet (E0601, E0602). `L` is a lint: the program compiles. In an example `\\xNN` stands for a byte that
a page cannot hold.

- [How to read a message](#reading)
- [Messages for programs](#json)
- [Codes](#codes)
- [Thirty typical mistakes](#mistakes)
"""
MESSAGES_HEAD = """\

## <a id="reading"></a>How to read a message

The first line has the code and what is wrong. The carets point at the place; dashes point at what makes it wrong, for
instance at the declaration that fixed a size. `note` says why, `help` what to write instead. A mistake is told once,
and what follows from it is not told; at most 20 are printed. Very long names and lines are cut, never the place.

## <a id="json"></a>Messages for programs

With `--error-format json` each message is one JSON object on a line of the error stream, in ASCII:

| key | value |
| --- | --- |
| `code` | as below; may be empty for a bug of exprc |
| `severity` | `error`, `warning` or `lint` |
| `message` | one line |
| `labels` | the places, the primary one first: a span with `text` and `primary` |
| `notes`, `help` | lists of texts |
| `edits` | what to write so that the first help is followed: a list of spans with `replacement`, often empty |

A span has `file`; `line`, `column`, `end_line`, `end_column`, counted from 1 in characters, the end behind the last
character; `start` and `end`, offsets in bytes of the file. An edit replaces the bytes from `start` to `end`; where they
are equal it inserts. The edits of a message are to be made together; they do not overlap.

## <a id="codes"></a>Codes

"""
MISTAKES_HEAD = """\

## <a id="mistakes"></a>Thirty typical mistakes

What people write who come from another language, and what `exprc check` prints.
"""
STAGES_OF_CODES = {
    "E01": "Syntax",
    "E02": "Names",
    "E03": "Types and arguments",
    "E04": "Shapes and sizes",
    "E05": "Derivatives and losses",
    "E06": "Limits and targets",
    "E07": "Files and artefacts",
    "L01": "Lints",
    "L07": "Lints about data",
}
CATALOG_MODEL = "dim n\ninput x : f64[n]\nparam w : f64\nloss E = sum((x - w)^2)\n"
CATALOG_FILES = {
    "model.expr": CATALOG_MODEL,
    "noloss.expr": "param w : f64\noutput p = w^2\n",
    "taken/model.py": "print('mine')\n",
    "start.expr": "input x : f64\nparam w : f64 = 0\nloss E = (x - w)^2\n",
}
SPECIAL = ("-inf", "-1", "-0", "0", "1", "inf", "nan")


# ---- operations


def operations_page() -> str:
    """`docs/operations.md`."""
    families = doc.families()
    index = [f"- {f.title}: {', '.join(_link(op) for op in f.operations)}\n" for f in families]
    parts = [OPERATIONS_HEAD, *index]
    for family in families:
        parts.append(f"\n## {family.title}\n")
        parts += ["\n" + _operation(op) for op in family.operations]
    return "".join(parts)


def _link(op: Op) -> str:
    return f"[`{op.infix or op.name}`](#{op.name})"


def _operation(op: Op) -> str:
    facts = [f"- Dtypes: {text}\n" for text in ["; ".join(doc.dtype_texts(op))] if text]
    derivative = doc.derivative_texts(op)
    if op.no_gradient:
        facts.append(f"- No derivative: {op.no_gradient}\n")
    elif derivative == [doc.TOO_LONG]:
        facts.append(f"- Derivative: {doc.TOO_LONG}\n")
    elif derivative:
        lines = "".join(f"  {line}\n" for line in derivative)
        facts.append(f"- Derivative, where `r = {doc.called(op)}`:\n\n  ```text\n{lines}  ```\n")
    if (bound := _error_bound(op)) is not None:
        facts.append(f"- Error: {bound[0]:g} (f64), {bound[1]:g} (f32)\n")
    laws = sorted(op.laws - {doc.NOT_A_LAW})
    if laws:
        facts.append(f"- Laws: {', '.join(laws)}\n")
    is_prose = re.match(r"[a-z]{2,}(?![a-z0-9(])|a ", op.doc)
    about = f"{op.doc[0].upper()}{op.doc[1:]}." if is_prose else f"{op.doc}."
    middle = f"{''.join(facts)}\n" if facts else ""
    title = f'### <a id="{op.name}"></a>`{doc.signature_text(op)}`\n'
    example = doc.example_text(op)
    return f"{title}\n{about}\n\n{middle}```expr\n{example}```\n"


def _error_bound(op: Op) -> tuple[float, float] | None:
    if doc.NOT_A_LAW in op.laws:
        return None
    return accuracy.MAX_ULP.get({"power": "pow"}.get(op.name, op.name))


# ---- errors


def errors_page() -> str:
    """`docs/errors.md`."""
    entries = read_catalog()
    contents = [f"- [{entry.code}](#{entry.code.lower()}) {entry.title}\n" for entry in entries]
    parts = [ERRORS_HEAD, MESSAGES_HEAD, *contents]
    stage = ""
    for entry in entries:
        if entry.code[:3] != stage:
            stage = entry.code[:3]
            parts.append(f"\n## {STAGES_OF_CODES[stage]}\n")
        parts.append("\n" + _error(entry))
    parts.append(MISTAKES_HEAD)
    parts += [f"\n{_mistake(mistake)}" for mistake in mistakes.read_mistakes() if mistake.typical]
    return "".join(parts)


def _mistake(mistake: mistakes.Mistake) -> str:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("model.expr").write_text(mistake.text, encoding="utf-8")
        message = _message(blocks.output_of("exprc check model.expr"))
    title = f"{mistake.title[0].upper()}{mistake.title[1:]}"
    return f"### {title}\n\n```expr wrong\n{mistake.text}```\n\n```text\n{message}```\n"


def _error(entry: ErrorEntry) -> str:
    command = _commands if entry.is_command else _program
    return (
        f'### <a id="{entry.code.lower()}"></a>{entry.code}: {entry.title}\n\n{entry.explanation}\n\n'
        f"{command(entry)}"
        f"Right is\n\n```{'sh' if entry.is_command else 'expr'}\n{entry.good}```\n"
    )


def _program(entry: ErrorEntry) -> str:
    """The example and its message."""
    with _catalog_folder():
        Path("example.expr").write_bytes(example_bytes(entry.bad))
        message = _message(blocks.output_of("exprc check example.expr"))
    return f"```expr wrong\n{entry.bad}```\n\n```text\n{message}```\n\n"


def _commands(entry: ErrorEntry) -> str:
    """The command lines, each with its message, on a model that is correct."""
    lines = []
    with _catalog_folder():
        for line in entry.bad.splitlines():
            words = shlex.split(line.removeprefix(blocks.PROMPT))
            settings = dict(word.split("=", 1) for word in itertools.takewhile(lambda word: "=" in word, words))
            words = words[len(settings) :]
            with mock.patch.dict("os.environ", settings):
                lines += [line, _message(blocks.output_of(shlex.join(words))).rstrip("\n")]
    return "```text\n" + "\n".join(lines) + "\n```\n\n"


def _message(printed: str) -> str:
    """The message without the line that counts errors, nor what the command prints of a program that compiles."""
    kept = []
    for line in printed.splitlines():
        if line == "declared" or line == "defined" or "`exprc explain " in line:
            break
        if "it was in the stage" not in line:  # where a limit of time is reached is different each time
            kept.append(line.rstrip())
    while kept and not kept[-1]:
        kept.pop()
    return "".join(f"{line}\n" for line in kept)


@contextlib.contextmanager
def _catalog_folder() -> Iterator[None]:
    """A folder with what the command lines of the catalog name."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, text in CATALOG_FILES.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(text)
        numpy.savez("data.npz", x=numpy.arange(4.0), w=1.0)
        numpy.savez("other.npz", x=numpy.ones((4, 4)), w=1.0)
        for array in ("x", "w"):
            numpy.save(f"{array}.npy", 2.0)
        yield


# ---- tables of the numerics


def accuracy_table() -> str:
    """The stated and the largest measured error of each function, and what their unit is."""
    names = {**{op.name: op for op in doc.operations()}, "pow": TABLE["power"]}
    known = measuring.known_errors()
    rows = []
    for name, bounds in accuracy.MAX_ULP.items():
        cells = []
        for dtype, bound in zip(measuring.DTYPES, bounds, strict=True):
            entry = known.get((name, dtype))
            cells += [f"{bound:g}", "–" if entry is None else f"{entry['ulp']:.3f}"]
        rows.append((f"`{doc.signature_text(names[name])}`", *cells))
    counts = {entry["points"] for entry in known.values()}
    note = (accuracy.__doc__ or "").partition("A correctly rounded")
    text = f"{note[1]}{note[2].rstrip()}\n".replace(".  ", ". ")
    measured = f"Measured at {' or '.join(f'{count:,}' for count in sorted(counts))} points each.\n" if counts else ""
    head = ("function", "f64: at most", "measured", "f32: at most", "measured")
    return f"{_table(head, rows)}\n{measured}{text}"


def speed_table() -> str:
    """Nanoseconds an entry, as `benchmarks/vector_math.py --save` found them."""
    found = json.loads((Path(__file__).resolve().parent.parent / "docs" / "speed.json").read_text(encoding="utf-8"))
    rows = []
    for name, dtypes in found["times"].items():
        for dtype, times in dtypes.items():
            cells = [f"{times[peer]:.2f}" if peer in times else "" for peer in found["peers"]]
            ratio = f"{times['exprc'] / times['libmvec']:.2f}" if "libmvec" in times else ""
            rows.append((f"`{name}`", dtype, *cells, ratio))
    table = _table(("function", "dtype", *found["peers"], "exprc / libmvec"), rows)
    return f"{table}\nLeast times of {found['rounds']} rounds on {found['machine']}.\n"


def special_values_table() -> str:
    """What the functions of one argument give for special values, computed by their scalar programs."""
    points = numpy.array([float(text) for text in SPECIAL])
    rows = []
    for op in (TABLE[name] for name in accuracy.MAX_ULP if name in TABLE and len(TABLE[name].signature) == 1):
        builder = Builder()
        result = getattr(math, op.name)(builder, builder.input(0, "f64"))
        with numpy.errstate(all="ignore"):
            values = evaluate(builder, [result], {0: points})[0]
        rows.append((f"`{op.name}`", *(f"{value:.4g}" for value in values.tolist())))
    return _table(("x", *SPECIAL), rows)


def rules_table() -> str:
    """Every rewrite."""
    rows = [
        (f"`{rule.name}`", rule.group, rule.kind, f"`{_form(rule.before)}`", f"`{_form(rule.after)}`", rule.why)
        for rule in ALL_RULES
    ]
    return _table(("rule", "group", "class", "before", "after", "why"), rows)


def _form(form: Node | str) -> str:
    """A side of a rule, with all brackets; a pattern is small."""
    if isinstance(form, str):
        return form
    if form.kind == LEAF:
        return f"{form.attrs[1]:g}" if form.op is TABLE["constant"] else str(form.attrs[0])
    inner = [_form(argument) for argument in form.args]
    if form.op is TABLE["cast"]:
        return inner[0]
    if not form.op.infix:
        return f"{form.op.name}({', '.join(inner)})"
    closed = [
        f"({text})" if argument.op.infix and argument.args else text
        for text, argument in zip(inner, form.args, strict=True)
    ]
    if len(closed) == 1:
        return f"{form.op.infix}{' ' * form.op.infix.isalpha()}{closed[0]}"
    return f"{closed[0]} {form.op.infix} {closed[1]}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


TABLES = {
    "accuracy": accuracy_table, "speed": speed_table, "special values": special_values_table, "rewrites": rules_table,
}  # fmt: skip
