"""Graphs as formulas a person reads, in the program's own names.  Knows nothing of kernels."""

from exprc.printing.text import Formula, print_formula, print_formulas

__all__ = ["Formula", "print_formula", "print_formulas"]
