"""Graphs as formulas a person reads, in the program's own names.  Knows nothing of kernels."""

from exprc.printing.loops import LoopHead, loop_head
from exprc.printing.text import Formula, names_within, print_formula, print_formulas
from exprc.printing.views import with_transposes

__all__ = ["Formula", "LoopHead", "loop_head", "names_within", "print_formula", "print_formulas", "with_transposes"]
