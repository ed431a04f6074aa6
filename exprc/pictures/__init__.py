"""Pictures of things that depend on each other: diagrams grouped, laid out in layers and written as SVG or DOT.

Knows nothing of what the boxes stand for.
"""

from exprc.pictures.diagram import Box, Diagram, Section
from exprc.pictures.dot import to_dot
from exprc.pictures.grouping import group_runs
from exprc.pictures.svg import to_svg

__all__ = ["Box", "Diagram", "Section", "group_runs", "to_dot", "to_svg"]
