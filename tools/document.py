"""Writes what in `docs/` is drawn from the program: two whole pages, some tables, and the output of commands.

`python tools/document.py` brings all of it up to date; with `--check` it changes nothing, names the pages that are out
of date and exits with 1 if there are any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import blocks  # noqa: E402
import reference  # noqa: E402

DOCS = ROOT / "docs"
WHOLE = {"operations.md": reference.operations_page, "errors.md": reference.errors_page}
PICTURE = "logistic_regression.svg"  # of the program that begins the README
WRITTEN = (
    "language.md", "commands.md", "using-a-library.md", "how-it-works.md", "adding-an-operation.md", "numerics.md",
)  # fmt: skip
_TABLE = re.compile(r"(<!-- table: (?P<name>[\w ]+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


def pages(names: Sequence[str] = (*WHOLE, *WRITTEN)) -> Iterator[tuple[Path, str]]:
    """Pages and what they should be."""
    for name in names:
        path = DOCS / name
        if name in WHOLE:
            yield path, WHOLE[name]()
        else:
            yield path, blocks.refreshed(_with_tables(path.read_text(encoding="utf-8")))


def picture() -> tuple[Path, str]:
    """The picture in the README, and what it should be."""
    from exprc import driver
    from exprc.source import Source

    program = (ROOT / "README.md").read_text(encoding="utf-8").split("```\n")[1]
    options = driver.Options(name=PICTURE.removesuffix(".svg"))
    return DOCS / PICTURE, driver.graph(Source("model.expr", program), options, "model", 40, "svg")


def _with_tables(page: str) -> str:
    return _TABLE.sub(lambda found: f"{found[1]}\n{reference.TABLES[found['name']]()}\n", page)


def main(arguments: list[str]) -> int:
    """The command line."""
    stale = []
    names = [name for name in (*WHOLE, *WRITTEN) if name in WHOLE or (DOCS / name).exists()]
    for path, text in (*pages(names), picture()):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT))
            if "--check" not in arguments:
                path.write_text(text, encoding="utf-8")
    verb = "is out of date" if "--check" in arguments else "written"
    sys.stdout.write("".join(f"{path} {verb}\n" for path in stale))
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
