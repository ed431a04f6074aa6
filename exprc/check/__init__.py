"""Names, types, shapes and sizes: a syntax tree becomes graphs, or a list of every mistake."""

from exprc.check.model import Declaration, Definition, Dim, Fact, Model
from exprc.check.program import check_program

__all__ = ["Declaration", "Definition", "Dim", "Fact", "Model", "check_program"]
