"""Slips that are right elsewhere: statements and forms of Python, Stan, MATLAB and C, with what is written here.

Each function looks at a `Situation`, and if it is the slip that it knows, reports it and returns True.  Owns no form of
the language itself.  Names that mean something else here, or nothing, are `exprc.check.vocabulary`'s.
"""

from __future__ import annotations

from exprc.diagnostics import Edit
from exprc.spelling import nearest
from exprc.syntax.situation import Situation
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import DECLARING, END, KEYWORDS, NAME, NUMBER, SEPARATOR, STRING, terminals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VALUE_STARTS = terminals("true false None if scan not") | {NAME, NUMBER, STRING}
MOST_SHOWN_HEAD = 40

_FUNCTION = "write `fn f(x) = ...`"
_LOOPS = (
    "to compute all entries at once, write the formula with whole arrays",
    "to write an array by its entries, use an index: `y[i] = ...`; for a sum, `sum[i](...)`",
    "if each step needs the one before, write `scan h = h0 over x in X { ... }`",
)
# words that start a statement elsewhere
_WORDS = {
    **dict.fromkeys(("let", "var", "val", "const", "auto"), "a definition needs no word before it: `x = ...`"),
    **dict.fromkeys(("def", "function", "func", "fun", "define"), _FUNCTION),
    **dict.fromkeys(("include", "load", "open"), 'to include another file, write `use "file.expr"`'),
    **dict.fromkeys(("import", "from", "using"), "remove this line: operations need no import"),
    **dict.fromkeys(("for", "foreach", "loop"), _LOOPS[0]),
    **dict.fromkeys(("return", "yield"), "remove it: the last line of a block is its result"),
    **dict.fromkeys(("elif", "elseif", "when", "unless"), "write one value: `if a then x else if b then y else z`"),
    **dict.fromkeys(("data", "array", "tensor"), "declare data with `input X : f64[n, d]`"),
    **dict.fromkeys(("parameter", "parameters", "variable", "weight"), "declare parameters with `param w : f64[d]`"),
    **dict.fromkeys(("minimize", "minimise", "objective", "target"), "declare what is differentiated: `loss E = ...`"),
    **dict.fromkeys(("maximize", "maximise"), "to maximise something, minimise its negative: `loss E = -(...)`"),
    **dict.fromkeys(("size", "sizes", "dims", "shape"), "declare sizes with `dim n, d`"),
    **dict.fromkeys(("assert", "check", "assume"), "state facts about sizes with `require a == b`"),
    **dict.fromkeys(("print", "show"), "`output x` returns a value; `exprc run` shows it"),
    **dict.fromkeys(
        ("class", "struct", "module"), "there are no such groups: a file is a model, `use` takes in another"
    ),
}
_SHORTER = {"params": "param", "parameter": "param", "parameters": "param", "data": "input", "inputs": "input"}
_SHORTER |= {"losses": "loss", "outputs": "output", "sizes": "dim", "dims": "dim", "func": "fn", "function": "fn"}
_SHORTER |= {"def": "fn", "fun": "fn", "define": "fn", "include": "use", "variable": "param", "weight": "param"}
TYPE_WORDS = frozenset(
    (
        "f64", "f32", "i64", "i32", "bool", "real", "float", "double", "int", "integer", "vector",
        "row_vector", "matrix", "array", "complex", "f16", "void", "float64", "float32", "int64", "int32",
        "simplex", "ordered", "unit_vector", "cholesky_factor_corr", "corr_matrix", "cov_matrix",
    )
)  # fmt: skip
_STAN_BLOCKS = frozenset(("data", "parameters", "model", "functions", "transformed", "generated"))
_STARTS = ("init", "start", "initial", "default", "value")
_BOUNDS = {"lower": ">", "upper": "<"}


def find_foreign(situation: Situation) -> bool:
    """Report the first slip that fits."""
    return any(slip(situation) for slip in _SLIPS)


# ---- statements


def _stan_block(s: Situation) -> bool:
    """`data {`, `transformed parameters {`: from here on the file is another language's, and nothing more is told."""
    tokens, first = s.tokens, s.statement_start()
    if tokens.lexemes[first] not in _STAN_BLOCKS or "{" not in tokens.lexemes[first + 1 : first + 3]:
        return False
    from exprc.syntax.stan import translated

    note = "a program has no blocks: it declares data with `input` and parameters with `param`, each on its own line"
    lines = translated(tokens.source.text)
    declared = "\n".join(["replace the declarations by", *(f"  {line}" for line in lines)])
    help_ = (
        declared if lines else "declare data and parameters, for instance `input y : f64[n]`, `param mu : f64`",
        "write the model as `loss E = ...`, its negative log density, or as `density lp = ...`",
    )
    word = tokens.lexemes[first]
    tokens.hush(first)
    tokens.report("E0101", f"there is no block `{word}`", tokens.span(first), "this is Stan", (note,), help_)
    return True


def _stan_bound(s: Situation) -> bool:
    """`param s : f64<lower=0>`."""
    lexemes, first = s.tokens.lexemes, s.statement_start()
    if s.kind in DECLARING:  # the statement went on over the end of its line
        first = s.statement_start(s.index - 1)
    place = next((i for i in range(first, s.index + 1) if lexemes[i] == "<" and lexemes[i + 1] in _BOUNDS), None)
    if place is None or lexemes[place + 2] != "=":
        return False
    bounds, last = {}, place
    while lexemes[last] in ("<", ",") and lexemes[last + 1] in _BOUNDS and lexemes[last + 2] == "=":
        stop = last + 3
        while lexemes[stop] not in (",", ">", "", "\n"):
            stop += 1
        if stop == last + 3:
            return False
        bounds[lexemes[last + 1]] = s.tokens.written(last + 3, stop - 1)
        last = stop
    both = len(bounds) == 2
    text = (
        f"in ({bounds['lower']}, {bounds['upper']})" if both else "".join(f"{_BOUNDS[b]} {bounds[b]}" for b in bounds)
    )
    span = s.tokens.span(place).to(s.tokens.span(last))
    note = "a constraint follows the type: `> a`, `< b` or `in (a, b)`"
    edits = (Edit(span, f" {text}"),) if lexemes[last] == ">" else ()
    s.tokens.report("E0101", "a bound in `< >`", span, "", (note,), (f"write `{text}`",), edits=edits)
    return True


def _word(s: Situation) -> bool:
    """`let x = 3`, `inptu X : f64`, `for (i in 1:n)`: a name that starts a statement, and what cannot follow a name."""
    first = s.statement_start()
    word, behind = s.tokens.lexemes[first], first + 1
    if s.tokens.kinds[first] != NAME or s.index < behind or s.tokens.lexemes[behind] == "=":
        return False
    if s.kind in (SEPARATOR, END):
        return False
    known = _WORDS.get(word.lower())
    near = s.index == behind and s.kind in VALUE_STARTS
    if not near and (known is None or (s.index > behind and s.tokens.lexemes[behind] not in ("(", "{"))):
        return False
    help_, edits = known, _word_edits(s, first)
    if known is None:
        spelled = [keyword for keyword in KEYWORDS if KEYWORDS[keyword] in DECLARING]
        close = nearest(word, spelled)
        if close is None:
            return False
        help_, edits = f"did you mean `{close}`?", (s.tokens.replacing(first, first, close),)
    assert help_ is not None
    if word == "return" and not s.in_block():
        help_, edits = "to return a value, write `output p = ...`", (s.tokens.replacing(first, first, "output p ="),)
    helps: tuple[str, ...] = (help_,)
    label, note = "not a keyword", "a statement starts with a keyword or with the name that it defines"
    if word in ("for", "foreach", "loop"):
        label, note = "a loop of statements", "a program is a set of formulas; statements are not repeated"
        helps = _LOOPS
    elif word in ("import", "from", "using"):
        label, note = "not needed", "every file has all operations"
    elif known == _FUNCTION:
        label, note = f"`{word}` declares a function elsewhere", "a function is `fn f(x, y) = ...`, a formula in a name"
        helps = (_function_help(s, first),)
    s.tokens.report("E0101", f"`{word}` does not start a statement", s.tokens.span(first), label, (note,), helps,
                    edits=edits)  # fmt: skip
    return True


def _function_help(s: Situation, first: int) -> str:
    """The head of the function that is meant, as far as it is written."""
    lexemes, stop = s.tokens.lexemes, s.statement_end()
    if lexemes[first + 2 : first + 3] == ["("] and ")" in lexemes[first:stop]:
        head = s.tokens.written(first + 1, lexemes.index(")", first))
        if len(head) <= MOST_SHOWN_HEAD and ":" not in head:
            return f"write `fn {head} = ...`"
    return _FUNCTION


def _word_edits(s: Situation, first: int) -> tuple[Edit, ...]:
    """What to write for the word, where that alone makes it right."""
    tokens, word = s.tokens, s.tokens.lexemes[first].lower()
    after = tokens.lexemes[first + 1 : first + 3]
    stop = s.statement_end()
    if word in ("let", "var", "val", "const", "auto", "return"):
        return (tokens.deleting(first, first + 1),)
    if word in ("import", "from", "using"):
        return (tokens.replacing(first, stop - 1, ""),)
    if word in ("minimize", "minimise", "objective"):
        return (tokens.replacing(first, first, "loss E ="),)
    if word in _SHORTER and (after[1:] in ([":"], ["("], [","]) or tokens.kinds[first + 1] == STRING):
        meant = _SHORTER[word]
        closed = "=" in tokens.lexemes[first:stop] and ":" not in tokens.lexemes[first:stop]
        return (tokens.replacing(first, first, meant),) if meant != "fn" or closed else ()
    return ()


def _type_first(s: Situation) -> bool:
    """`real x`, `f64[n] x`, `vector[n] mu = ...`."""
    tokens, first = s.tokens, s.statement_start()
    if tokens.lexemes[first] not in TYPE_WORDS or s.kind != NAME or first == s.index:
        return False
    name, written = s.lexeme(), tokens.written(first, s.index - 1)
    if tokens.lexemes[s.index + 1] == "=":
        note = "a definition takes the type of its value"
        help_, edits = f"write `{name} = ...`", (tokens.deleting(first, s.index),)
    else:
        dtype = {"int": "i64", "integer": "i64"}.get(tokens.lexemes[first], "f64")
        dtype = tokens.lexemes[first] if tokens.lexemes[first] in ("f32", "i32", "i64", "bool") else dtype
        sizes = written[len(tokens.lexemes[first]) :].strip()
        note = "the type comes after the name"
        fitted = f"`param {name} : {dtype}{sizes}` for what is fitted"
        other = f"`dim {name}` for a size" if dtype[0] == "i" else fitted
        help_ = f"write `input {name} : {dtype}{sizes}` for data, {other}"
        edits = (tokens.replacing(first, s.index, f"input {name} : {dtype}{sizes}"),)
    span = tokens.span(first).to(tokens.span(s.index - 1))
    tokens.report("E0101", "a type in front of a name", span, "", (note,), (help_,), edits=edits)
    return True


def _start_word(s: Situation) -> bool:
    """`param w : f64 init 0`."""
    place = s.index - 1
    if s.previous != NAME or s.tokens.lexemes[place] not in _STARTS or s.kind not in VALUE_STARTS:
        return False
    if s.tokens.lexemes[s.statement_start()] != "param":
        return False
    edits = (s.tokens.replacing(place, place, "="),)
    s.tokens.report("E0101", f"`{s.tokens.lexemes[place]}` before a start value", s.tokens.span(place), "",
                    ("the start value of a param comes after `=`",), ("write `=`",), edits=edits)  # fmt: skip
    return True


def _line_of_before(s: Situation) -> bool:
    """`while w > 0 {` as a statement of its own."""
    lexeme = s.lexeme()
    if lexeme not in ("while", "over", "emit", "then", "else") or s.first_on_line() != s.index:
        return False
    help_ = {
        "while": ("a loop is `scan h = h0 over x in X while c { ... }`",),
        "else": ("`if` is a value: `x = if a then b else c`",),
    }.get(lexeme, ())
    note = f"a line that starts with `{lexeme}` goes on with the line before"
    message = f"`{lexeme}` does not start a statement"
    s.tokens.report("E0101", message, s.span(), "", (note,), help_)
    return True


# ---- values


def _lambda(s: Situation) -> bool:
    """`f = lambda x: x^2`, `f = x -> x^2`."""
    tokens, first = s.tokens, s.statement_start()
    start = first + 2
    is_definition = tokens.kinds[first] == NAME and tokens.lexemes[first + 1] == "="
    if s.lexeme() == "->" and is_definition and s.index > start:
        arguments, last = tokens.written(start, s.index - 1).strip("()"), s.index
    elif s.previous == NAME and tokens.lexemes[s.index - 1] == "lambda":
        start = s.index - 1
        last = next((i for i in range(s.index, s.statement_end()) if tokens.lexemes[i] == ":"), s.index)
        arguments = tokens.written(s.index, last - 1) if last > s.index else "x"
        is_definition = is_definition and start == first + 2 and tokens.lexemes[last] == ":"
    else:
        return False
    note = "a function is declared with a name and then called"
    help_: tuple[str, ...]
    edits: tuple[Edit, ...]
    if is_definition:
        head = f"fn {tokens.lexemes[first]}({arguments}) ="
        help_, edits = (f"write `{head} ...`",), (tokens.replacing(first, last, head),)
    else:
        help_, edits = ("declare it above: `fn f(x) = ...`",), ()
    span = tokens.span(start).to(tokens.span(last))
    tokens.report("E0101", "a function without a name", span, "", (note,), help_, edits=edits)
    return True


def _comprehension(s: Situation) -> bool:
    """`[x[i] * w for i in range(n)]`."""
    if s.lexeme() != "for" or not s.after_value:
        return False
    if s.nearest_bracket() is None and "scan" in (s.tokens.lexemes[token] for token in s.pending()):
        note = "a scan is `scan h = h0 over x in X { ... }`"
        edits = (s.tokens.replacing(s.index, s.index, "over"),)
        s.tokens.report("E0101", "`for` in a scan", s.span(), "", (note,), ("write `over`",), edits=edits)
        return True
    note = "there are no comprehensions"
    helps = ("an array by its entries is a definition of its own, `y[i] = ...`; a sum is `sum[i](...)`",)
    s.tokens.report("E0101", "`for` inside an expression", s.span(), "", (note,), helps)
    return True


def _slice_in_parentheses(s: Situation) -> bool:
    """`x(1:3)`, and `f(x, axis: 1)`."""
    bracket = s.nearest_bracket()
    tokens = s.tokens
    if s.lexeme() != ":" or bracket is None or tokens.lexemes[bracket] != "(":
        return False
    edits: tuple[Edit, ...]
    if s.previous == NAME and tokens.lexemes[s.index - 2] == ",":
        edits = (tokens.replacing(s.index, s.index, " ="),)
        tokens.report("E0101", "`:` in an argument", s.span(), "", ("arguments are passed by name with `=`",),
                      ("write `=`",), edits=edits)  # fmt: skip
        return True
    close = s.closing(bracket)
    if close is None or bracket == 0 or tokens.kinds[bracket - 1] != NAME:
        return False
    inside = tokens.written(bracket + 1, close - 1)
    name = tokens.lexemes[bracket - 1]
    edits = (tokens.replacing(bracket, bracket, "["), tokens.replacing(close, close, "]"))
    note = "parentheses call a function; a slice starts at 0 and ends before its end"
    help_ = (f"write `{name}[{inside}]`",)
    tokens.report("E0101", "a slice in parentheses", s.span(), "", (note,), help_, edits=edits)
    return True


def _python_range(s: Situation) -> bool:
    """`sum[i in 0:n](...)`, `sum[i in range(n)](...)`."""
    if LITERALS[".."] not in s.expected or s.nearest() not in ("in", "(", "["):
        return False
    tokens = s.tokens
    place = s.index - 1
    if s.lexeme() == ":":
        edits, text = (tokens.replacing(s.index, s.index, ".."),), "write `..`"
    elif tokens.lexemes[place] == ")" and (opened := s.opening(place)) and tokens.lexemes[opened - 1] == "range":
        inside = tokens.written(opened + 1, place - 1)
        bounds = inside.replace(" ", "").replace(",", "..") if "," in inside else f"0..{inside}"
        edits, text = (tokens.replacing(opened - 1, place, bounds),), f"write `{bounds}`"
    else:
        return False
    note = "a range is `0..n`, its end not included"
    tokens.report("E0101", "a range without `..`", s.span(), "", (note,), (text,), edits=edits)
    return True


def _ellipsis(s: Situation) -> bool:
    if s.lexeme() != ".." or s.tokens.lexemes[s.index + 1] not in (".", "..") or s.after_value:
        return False
    note = "an index has an item for each axis, from the first on; axes that are left out at the end are kept whole"
    span = s.span().to(s.tokens.span(s.index + 1))
    s.tokens.report("E0101", "`...` in an index", span, "", (note,), ("write a `:` for each axis before the last",))
    return True


def _comment(s: Situation) -> bool:
    """`param w : f64 // the weight`: at the operator, or at the second of the words behind it."""
    tokens = s.tokens
    place = next(
        (i for i in range(s.index, max(s.first_on_line(), s.index - 4) - 1, -1) if tokens.lexemes[i] == "//"), None
    )
    if place is None or (place != s.index and s.kind != NAME):
        return False
    note = "`//` divides and rounds down"
    help_, edits = ("a comment starts with `#`",), (tokens.replacing(place, place, "#"),)
    tokens.report("E0101", "`//` before words", tokens.span(place), "", (note,), help_, edits=edits)
    return True


def _subscript(s: Situation) -> bool:
    """`w_{1}`."""
    tokens, place = s.tokens, s.index - 1
    if s.lexeme() != "{" or s.previous != NAME or not tokens.lexemes[place].endswith("_"):
        return False
    close = s.closing(s.index)
    if "_{" in tokens.keywords_told:
        return True
    tokens.keywords_told.add("_{")
    inside = tokens.written(s.index + 1, close - 1) if close and close > s.index + 1 else "1"
    name = tokens.lexemes[place] + inside
    edits = tuple(_braces_out(s)) if name.isidentifier() else ()
    tokens.report("E0101", "`{` after a name", s.span(), "", ("names hold letters, digits and `_`",),
                  (f"write `{name}`",) if name.isidentifier() else (), edits=edits)  # fmt: skip
    return True


def _braces_out(s: Situation) -> Iterator[Edit]:
    """Every `w_{1}` of the text as `w_1`."""
    tokens = s.tokens
    for place in range(len(tokens.kinds) - 3):
        written = tokens.lexemes[place : place + 4]
        if written[1] == "{" and written[3] == "}" and written[0].endswith("_") and tokens.kinds[place] == NAME:
            yield tokens.replacing(place, place + 3, written[0] + written[2])


def _cast(s: Situation) -> bool:
    """`(double)k`."""
    tokens, close = s.tokens, s.index - 1
    if s.kind not in (NAME, NUMBER) or close < 2 or tokens.lexemes[close] != ")" or tokens.lexemes[close - 2] != "(":
        return False
    if tokens.lexemes[close - 1] not in TYPE_WORDS:
        return False
    dtype = {"int": "i64", "f32": "f32", "float32": "f32", "i32": "i32", "bool": "bool"}.get(
        tokens.lexemes[close - 1], "f64"
    )
    text = f"{dtype}({s.lexeme()})"
    edits = (tokens.replacing(close - 2, s.index, text),)
    tokens.report("E0101", "a type in parentheses", tokens.span(close - 1), "", ("a cast is a call",),
                  (f"write `{text}`",), edits=edits)  # fmt: skip
    return True


_SLIPS: tuple[Callable[[Situation], bool], ...] = (
    _stan_block,
    _stan_bound,
    _lambda,
    _comment,
    _type_first,
    _start_word,
    _word,
    _line_of_before,
    _comprehension,
    _slice_in_parentheses,
    _python_range,
    _ellipsis,
    _subscript,
    _cast,
)
