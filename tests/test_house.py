"""The rules of the house, held against the files themselves: who imports whom, sizes, docstrings, words.

The table of rooms is the one in the docstring of `exprc`.  Nothing here has exceptions but the ones named.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "exprc"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each room imports from the rooms named, and from itself.
BASE = {"source", "spelling", "diagnostics"}
GRAPH = BASE | {"ir", "scalar", "ops"}
ROOMS: dict[str, set[str]] = {
    "source": set(),
    "spelling": set(),
    "diagnostics": {"source"},
    "disk": set(),
    "errors": set(),
    "ir": BASE,
    "scalar": BASE | {"ir"},
    "ops": BASE | {"ir", "scalar"},
    "syntax": BASE,
    "rewrite": GRAPH,
    "autodiff": GRAPH,
    "check": GRAPH | {"syntax", "rewrite", "autodiff"},
    "printing": GRAPH | {"syntax", "rewrite", "autodiff", "check"},
    "pictures": set(),
    "schedule": GRAPH | {"rewrite", "autodiff", "check", "printing"},
    "lower": GRAPH | {"schedule"},
    "package": BASE | {"disk", "ir.sizes", "ir.types", "schedule", "lower"},
    "driver": GRAPH | {"syntax", "rewrite", "autodiff", "check", "printing", "pictures", "schedule", "lower",
               "package"},
    "cli": BASE | {"disk", "errors", "ir", "ops", "syntax", "rewrite", "driver"},
    "__main__": {"cli"},
    "__init__": set(),
}
# Who may import what exprc stands on; the standard library is everybody's.
FOREIGN = {"lark": {"syntax"}, "click": {"cli"}, "llvmlite": {"lower", "package"}, "numpy": set(ROOMS)}
NOT_AT_START = {"numpy"}

LONGEST_FILE = 450
LONGEST_FUNCTION = 60
GENERATED = {"syntax/tables.py"}
LANGUAGE_OF_OPERATIONS = {"ops"}
RULE_FILES = re.compile(r"rewrite/rules\w*(\.py|/\w+\.py)")
BANNED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")
TEXTS = (".py", ".md", ".expr", ".lark", ".toml", ".txt", ".c", ".h", ".sh")


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    return relative(path).split("/")[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def type_checking_nodes(tree: ast.Module) -> set[ast.AST]:
    guards = (node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    return {inner for guard in guards for statement in guard.body for inner in ast.walk(statement)}


def imported_modules(path: Path, nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports name their module in full"
            base = node.module or ""
            yield from (f"{base}.{alias.name}" for alias in node.names) if base.count(".") < 1 else (base,)


def allowed(room: str, target: str) -> bool:
    parts = target.split(".")
    grants = ROOMS[room] | {room}
    return len(parts) == 1 or parts[1] == "__version__" or parts[1] in grants or ".".join(parts[1:3]) in grants


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when the module is imported: not the insides of functions, not what only type checkers read."""
    pending: list[ast.AST] = [tree]
    skipped = type_checking_nodes(tree)
    while pending:
        node = pending.pop()
        if node in skipped or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        pending.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_follow_the_table_of_rooms(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"the room {room} is not in the table"
    for target in imported_modules(path, ast.walk(tree_of(path))):
        top = target.split(".")[0]
        if top == "exprc":
            assert allowed(room, target), f"{room} must not import {target}"
        elif top in FOREIGN:
            assert room in FOREIGN[top], f"{room} must not import {target}"
        else:
            assert top in sys.stdlib_module_names, f"{target} is no dependency of exprc"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_heavy_modules_are_imported_inside_functions(path: Path) -> None:
    imported = {target.split(".")[0] for target in imported_modules(path, at_import(tree_of(path)))}
    assert not imported & NOT_AT_START


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), "the module has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_files_and_functions_are_short(path: Path) -> None:
    if relative(path) in GENERATED:
        return
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines"
    long = [f"{function.name}: {length}" for function in functions(tree_of(path))
            if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION]  # fmt: skip
    assert not long, f"long functions: {', '.join(long)}"


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) != "cli"], ids=relative)
def test_only_the_command_line_prints_or_leaves(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        assert called not in ("print", "input", "exit", "quit", "sys.exit", "os._exit"), f"line {node.lineno}: {called}"
        assert not (isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr", "sys.stdin"))


def looks_at_an_operation_s_name(node: ast.AST) -> bool:
    """Whether the expression is `op.name`, or `something.op.name`."""
    return isinstance(node, ast.Attribute) and re.search(r"(^|\.)op\.name$", ast.unparse(node)) is not None


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_passes_look_at_kinds_and_never_at_names_of_operations(path: Path) -> None:
    if room_of(path) in LANGUAGE_OF_OPERATIONS or RULE_FILES.match(relative(path)):
        return
    for node in ast.walk(tree_of(path)):
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        sides += [node.subject] if isinstance(node, ast.Match) else []
        found = [ast.unparse(side) for side in sides if looks_at_an_operation_s_name(side)]
        assert not found, f"line {node.lineno}: a comparison with {found[0]}"


def test_no_unfinished_business() -> None:
    found = []
    folders = ("exprc", "tests", "grammar", "examples", "docs", "benchmarks", ".ci")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*")):
        if path.is_file() and (path.suffix in TEXTS or path.parent.name == ".ci"):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{path.relative_to(ROOT)}:{at}" for at, line in enumerate(lines, 1) if BANNED.search(line)]
    assert not found


def test_no_module_is_left_out_of_the_map() -> None:
    page = ast.get_docstring(tree_of(PACKAGE / "__init__.py")) or ""
    missing = [room for room in ROOMS if not room.startswith("_") and not re.search(rf"^\s.*\b{room}\b", page, re.M)]
    assert not missing


def test_every_operation_is_documented() -> None:
    importlib.import_module("exprc.ops")
    table = importlib.import_module("exprc.ops.table").TABLE
    bad = [op.name for op in table.values() if not op.doc.strip() or op.doc != op.doc.strip()]
    assert table
    assert not bad


def test_every_stage_is_documented() -> None:
    stages = importlib.import_module("exprc.driver").STAGES
    assert stages
    assert len({stage.name for stage in stages}) == len(stages)
    assert not [stage.name for stage in stages if not stage.doc.strip()]


def test_every_rule_is_documented_and_classified() -> None:
    rules = importlib.import_module("exprc.rewrite.engine").ALL_RULES
    assert rules
    assert len({rule.name for rule in rules}) == len(rules)
    assert not [rule.name for rule in rules if not rule.why.strip()]
    assert {rule.kind for rule in rules} <= {"exact", "rounding", "improving"}


def test_every_error_is_raised_somewhere_and_every_raised_error_is_in_the_catalog() -> None:
    from exprc.errors import read_catalog

    codes = {entry.code for entry in read_catalog()}
    raised = set()
    for path in MODULES:
        raised |= {node.value for node in ast.walk(tree_of(path))
                   if isinstance(node, ast.Constant) and isinstance(node.value, str)
                   and re.fullmatch(r"[EL]0\d\d\d", node.value)}  # fmt: skip
    assert raised - codes == set(), "codes without an entry"
    assert codes - raised == set(), "entries that nothing raises"
