"""Derivatives: forward and reverse over the rules that operations state, each rule written once.

Must not know any operation by name.
"""

from exprc.autodiff.derivatives import expand_derivatives, gradient
from exprc.autodiff.errors import NotDifferentiable
from exprc.autodiff.forward import pushforward
from exprc.autodiff.merging import merge_scans
from exprc.autodiff.reverse import pullback

__all__ = ["NotDifferentiable", "expand_derivatives", "gradient", "merge_scans", "pullback", "pushforward"]
