"""The public surface of scalar programs: build, read, check and run them."""

from exprc.scalar.builder import Builder, Instruction, Instructions, Program, reachable
from exprc.scalar.evaluate import evaluate
from exprc.scalar.instructions import BITCAST, CONVERSIONS, INSTRUCTIONS, Rule
from exprc.scalar.text import show, verify

Value = int  # a handle: the position of an instruction in its builder or program

__all__ = [
    "BITCAST",
    "CONVERSIONS",
    "INSTRUCTIONS",
    "Builder",
    "Instruction",
    "Instructions",
    "Program",
    "Rule",
    "Value",
    "evaluate",
    "reachable",
    "show",
    "verify",
]
