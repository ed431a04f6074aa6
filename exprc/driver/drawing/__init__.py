"""Pictures of a compilation: the model as it is written, its derivative, its kernels.

Owns what becomes a box and what an arrow; `exprc.pictures` owns how they look.
"""

from __future__ import annotations

from collections.abc import Callable

from exprc.diagnostics import InternalError
from exprc.driver.compilation import Compilation
from exprc.package.write import MARKER
from exprc.pictures import Diagram, Section, to_dot, to_svg

MODEL, DERIVATIVE, KERNELS = "model", "derivative", "kernels"
STAGE_OF = {MODEL: "check", DERIVATIVE: "differentiate", KERNELS: "schedule"}
MOST_BOXES = 40
SVG, DOT = "svg", "dot"


def draw(state: Compilation, what: str = MODEL, most: int = MOST_BOXES, form: str = SVG) -> str:
    """The text of a picture.  The state is that after the stage `STAGE_OF[what]`, or a later one."""
    title = f"{state.options.name}: {what}"
    diagram = Diagram(title, _sections_of(what)(state, most))
    return to_dot(diagram, MARKER) if form == DOT else to_svg(diagram, MARKER)


def _sections_of(what: str) -> Callable[[Compilation, int], tuple[Section, ...]]:
    if what == MODEL:
        from exprc.driver.drawing.model import model_sections

        return model_sections
    if what == DERIVATIVE:
        from exprc.driver.drawing.derivative import derivative_sections

        return derivative_sections
    if what == KERNELS:
        from exprc.driver.drawing.kernels import kernel_sections

        return kernel_sections
    raise InternalError(f"there is no picture of {what!r}")
