"""What people mistype: one message for each mistake, where it is, with a remedy that repairs it when followed."""

from __future__ import annotations

import itertools
import json

import pytest
from mistakes import Mistake, read_mistakes

from exprc.check import check_program
from exprc.cli.render import to_json, to_text
from exprc.diagnostics import Diagnostic, ExprcError, apply_edits
from exprc.errors import example_bytes, find_entry, read_catalog
from exprc.source import Source
from exprc.syntax.characters import read_source
from exprc.syntax.parse import parse

MISTAKES = read_mistakes()
NOT_BUILT = "E0601"
EXAMPLES = [entry for entry in read_catalog() if not entry.is_command]


def mistakes_of(source: Source) -> list[Diagnostic]:
    try:
        check_program(parse(source), source)
    except ExprcError as error:
        return list(error.diagnostics)
    return []


def mistakes_in(text: str) -> list[Diagnostic]:
    return mistakes_of(Source("model.expr", text))


def codes(diagnostics: list[Diagnostic]) -> list[str]:
    """What is wrong, without what is only not built yet."""
    return [diagnostic.code for diagnostic in diagnostics if diagnostic.code != NOT_BUILT]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_what_is_said_and_where(mistake: Mistake) -> None:
    found = mistakes_in(mistake.text)
    said = [(d.code, d.message, d.help[0].partition("\n")[0] if d.help else "-") for d in found]
    assert said == [(e.code, e.message, e.help) for e in mistake.expected]
    assert tuple((d.labels[0].span.start, d.labels[0].span.end) for d in found) == mistake.spans
    assert all(find_entry(d.code) for d in found)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_following_the_help_repairs(mistake: Mistake) -> None:
    found = mistakes_in(mistake.text)
    for diagnostic, expected in zip(found, mistake.expected, strict=True):
        if expected.fixed:
            assert diagnostic.help
            after = codes(mistakes_in(apply_edits(mistake.text, diagnostic.edits)))
            assert len(after) < len(found) and (len(found) > 1 or not after)


@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda entry: entry.code)
def test_following_the_help_repairs_the_examples_of_the_catalog(entry: object) -> None:
    data = example_bytes(entry.bad)  # type: ignore[attr-defined]
    try:
        source = read_source("model.expr", data)
    except ExprcError:
        return  # no text at all: there is nothing to edit
    for diagnostic in mistakes_of(source):
        if diagnostic.edits:
            repaired = apply_edits(source.text, diagnostic.edits)
            assert diagnostic.code not in codes(mistakes_in(repaired)), repaired


def test_there_are_thirty_typical_ones() -> None:
    assert sum(mistake.typical for mistake in MISTAKES) == 30
    assert len({mistake.title for mistake in MISTAKES}) == len(MISTAKES) > 300
    assert sum(expected.fixed for mistake in MISTAKES for expected in mistake.expected) > 200


def test_edits_in_json_repair_the_file_byte_by_byte() -> None:
    """With a byte order mark, carriage returns and characters of several bytes before the place."""
    data = "\ufeff# größer\r\nparam w : f64\r\nloss ß = w *\t.5 + 日本\r\n".encode()
    source = read_source("model.expr", data)
    lines = [json.loads(line) for line in to_json(mistakes_of(source)).splitlines()]
    (edit,) = lines[0]["edits"]
    assert (edit["line"], edit["column"], edit["replacement"]) == (3, 14, "0.5")
    assert data[edit["start"] : edit["end"]] == b".5"
    repaired = data[: edit["start"]] + edit["replacement"].encode() + data[edit["end"] :]
    assert [d.message for d in mistakes_of(read_source("model.expr", repaired))] == ["unknown name `日本`"]


@pytest.mark.parametrize("text", ["loss E = «\ud800»", "x = \x1b[31m \x00", "x = 'a\u2028b'", "x = " + "é" * 3000])
def test_json_is_one_object_a_line_for_any_text(text: str) -> None:
    lines = to_json(mistakes_in(text)).split("\n")
    assert lines.pop() == "" and lines
    for line in lines:
        assert line.isascii()
        told = json.loads(line)
        assert set(told) == {"code", "severity", "message", "labels", "notes", "help", "edits"}
        assert told["labels"][0].keys() >= {"file", "line", "column", "end_line", "end_column", "start", "end"}


# ---- long names and lines

LONG = "a" * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        f"loss E = {LONG}",
        f"param w : f64\nloss E = {LONG}(w)",
        f"param {LONG} : f64\nparam {LONG} : f64",
        f"input x : f64[{LONG}]\nloss E = x",
        f"dim {LONG}\ninput x : f64[{LONG}]\nparam w : f64\nloss E = w * x",
        f"dim {LONG}, n\ninput x : f64[{LONG}]\nparam w : f64[n]\nloss E = sum(x + w)",
        f"loss E = 1.5{LONG}",
        f'use "{LONG}',
        f"param w : f64 {LONG}",
        f"{LONG} x = 3",
        f"x = {LONG} = 3",
        f"w = 3\nloss E = w.{LONG}",
        f"loss E = sum(1, {LONG}=3)",
        f"fn {LONG}(x) = x\nloss E = {LONG}(1, 2)",
        f"w = 1\n{LONG} <- w",
    ],
    ids=lambda text: text[:12],
)
def test_a_name_of_a_megabyte_is_cut_everywhere(text: str) -> None:
    found = mistakes_in(text)
    assert found
    printed = to_text(found)
    assert max(map(len, printed.splitlines())) < 400
    plain = [{**json.loads(line), "edits": []} for line in to_json(found).splitlines()]
    assert max(len(json.dumps(told)) for told in plain) < 4000


def test_lints_cut_long_names_too() -> None:
    source = Source("model.expr", f"param {LONG} : f64\nparam w : f64\n{LONG}2 = w\nloss E = w^2\n")
    lints = check_program(parse(source), source).lints
    assert [lint.code for lint in lints] == ["L0104", "L0102"]
    assert max(map(len, to_text(lints).splitlines())) < 200


@pytest.mark.parametrize(
    ("before", "columns"),
    [
        ("x", 1),
        ("\t", 4),
        ("日本", 4),
        ("e\u0301", 1),
        ("\u200b", 6),
        ("#" + "z" * 40, 41),
    ],
    ids=["ascii", "tab", "wide", "combining", "hidden", "comment"],
)
def test_the_caret_stands_under_its_character(before: str, columns: int) -> None:
    """Measured in columns of the screen: the caret line is as wide as the text before the mark."""
    from exprc.cli.text import width
    from exprc.diagnostics import Label
    from exprc.source import Span

    source = Source("model.expr", f"{before}!")
    mark = Label(Span(source, len(before), len(before) + 1))
    text, caret = to_text([Diagnostic("E0106", "wrong", (mark,))]).splitlines()[3:5]
    assert width(text[: text.index("!")]) == caret.index("^") == columns + len("1 | ")


@pytest.mark.parametrize("place", [0, 1, 59, 130, 5_000, 9_990])
def test_the_caret_stands_under_its_character_in_a_cut_line(place: int) -> None:
    text = "é" * place + "!" + "日" * (10_000 - place)
    from exprc.cli.text import width
    from exprc.diagnostics import Label
    from exprc.source import Span

    source = Source("model.expr", text)
    lines = to_text([Diagnostic("E0106", "wrong", (Label(Span(source, place, place + 1), "here"),))]).splitlines()
    shown, caret = lines[3:5]
    assert width(shown[: shown.index("!")]) == caret.index("^")
    assert width(shown) < 260


def test_a_path_is_never_cut() -> None:
    path = "/tmp/" + "folder-" * 20 + "/" + "x" * 100 + "/model.expr"
    assert path in to_text([Diagnostic("E0704", "cannot read", notes=(f"the file is {path}",))])


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_a_text_that_ends_anywhere_has_messages_and_edits_that_can_be_made(mistake: Mistake) -> None:
    for end in range(0, len(mistake.text), 3):
        text = mistake.text[:end]
        for diagnostic in mistakes_in(text):
            spans = sorted((edit.span.start, edit.span.end) for edit in diagnostic.edits)
            assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
            assert diagnostic.help or not diagnostic.edits
            assert apply_edits(text, diagnostic.edits) != text or not diagnostic.edits


# ---- edits over several lines

STAN = """data {
  int<lower=0> N;  // rows
  int K;
  matrix[N, K] X;
  array[N] int<lower=0, upper=1> y;
  real scale[3];
}
transformed data {
  real z;
}
parameters {
  vector[K] beta;
  real<lower=0> sigma;
  real<lower=-1, upper=1> rho;
  simplex[K] theta;
}
model {
  y ~ bernoulli_logit(X * beta);
}
"""


def test_declarations_of_stan_are_translated() -> None:
    (only,) = mistakes_in(STAN)
    assert [line.strip() for line in only.help[0].splitlines()[1:]] == [
        "dim N", "dim K", "input X : f64[N, K]", "input y : i64[N]", "input scale : f64[3]", "param beta : f64[K]",
        "param sigma : f64 > 0", "param rho : f64 in (-1, 1)", "param theta : f64[K] simplex",
    ]  # fmt: skip
    lines = [line for line in only.help[0].splitlines()[1:] if not line.endswith(("> 0", ")", "simplex"))]
    assert mistakes_in("\n".join(lines) + "\nloss E = sum(beta^2)\n") == []


@pytest.mark.parametrize("text", ["data {" * 50_000, "data { int N; }\n" * 20_000, "data {" + "int " * 100_000 + "}"])
def test_stan_of_any_length(text: str) -> None:
    assert len(mistakes_in(text)) == 1


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("param w : f64\nloss E = a * w\na = 2.0", "param w : f64\na = 2.0\nloss E = a * w\n"),
        ("loss E = f(w)\nfn f(x) = x^2\nparam w : f64\n", "fn f(x) = x^2\nloss E = f(w)\nparam w : f64\n"),
        ("param w : f64\nloss E = a * w\nb = 2.0\na = b\n", None),  # what it needs comes later too
        ("param w : f64\nloss E = a * w\n## documented\na = 2.0\n", None),
        ("param w : f64\n## documented\nloss E = a * w\na = 2.0\n", None),
        ("param w : f64\nloss E = a * w\na = 2.0  # with a remark\n", None),
        ("param w : f64\nloss E = a * w; a = 2.0\n", None),
    ],
)
def test_a_definition_is_moved_only_where_that_repairs(text: str, after: str | None) -> None:
    edits = mistakes_in(text)[0].edits
    assert bool(edits) == (after is not None)
    assert after is None or apply_edits(text, edits) == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (
            "param w : f64\na = w\na = a + 1\nb = a * a  # a\nloss E = f(b, a=2) + a\n",
            "param w : f64\na = w\na_next = a + 1\nb = a_next * a_next  # a\nloss E = f(b, a=2) + a_next\n",
        ),
        ("param w : f64\na = w\na = a + 1\na = a + 2\nloss E = a\n", None),
        ("param w : f64\na = w\na = w^2\nfn f(a) = a\nloss E = f(a)\n", None),
        ("param w : f64\nparam w : f64\nloss E = w\n", None),
        ("param w : f64\na = w\na = w^2\na_next = 1\nloss E = a\n", None),
    ],
)
def test_a_second_value_is_renamed_only_where_that_is_clear(text: str, after: str | None) -> None:
    edits = next(found for found in mistakes_in(text) if found.code == "E0202").edits
    assert bool(edits) == (after is not None)
    assert after is None or apply_edits(text, edits) == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("param loss : f64\nloss E = loss^2\n", "param loss_ : f64\nloss E = loss_^2\n"),
        ("input = 3\nparam w : f64\nloss E = w * input\n", "input_ = 3\nparam w : f64\nloss E = w * input_\n"),
        ("param next, next_ : f64\nloss E = next\n", None),
        ("param true : f64\nloss E = true\n", None),
    ],
)
def test_a_keyword_is_renamed_where_it_is_a_name(text: str, after: str | None) -> None:
    edits = mistakes_in(text)[0].edits
    assert bool(edits) == (after is not None)
    assert after is None or apply_edits(text, edits) == after


def test_a_prefix_is_removed_everywhere() -> None:
    text = (
        "import numpy as np\ndim n\ninput x : f64[n]\nparam a : f64\nfn f(z) = np.log(1 + np.exp(z))\n"
        "y = np.where(x > 0, np.maximum(x, a), np.linalg.norm(x))\nloss E = np.sum(f(a * y)) + np.power(a, 2)\n"
    )
    (line,) = mistakes_in(text)
    (only,) = mistakes_in(apply_edits(text, line.edits))
    assert only.help == ("operations have no prefix: write `where`, and so at 6 more places",)
    assert mistakes_in(apply_edits(apply_edits(text, line.edits), only.edits)) == []


def test_a_repeated_slip_is_told_once() -> None:
    """A way of writing once in a file, what may be several mistakes once in a line."""
    text = "param a, b : f64\nloss E = |a| + |b| + |a|\nz = 1. + .5 + 2.\ny = |b| + 3. * a² + 4. + b² + 5. + 6.\n"
    found = mistakes_in(text)
    places = [(d.code, d.labels[0].span.line, len(d.edits)) for d in found]
    assert places == [("E0106", 2, 3), ("E0104", 3, 7), ("E0106", 4, 1), ("E0110", 4, 2)]
    assert [label.text for label in found[0].labels[1:]] == ["and here: write `abs(b)`", "and here"]
    assert found[1].notes[-1] == "7 times in this file"
    assert mistakes_in(apply_edits(text, [edit for d in found for edit in d.edits])) == []
