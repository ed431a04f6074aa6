"""A diagram in the language of Graphviz, for who wants to lay it out with other tools."""

from __future__ import annotations

from exprc.pictures.diagram import Diagram, visible

_COLOURS = {
    "input": "#e7f0fb",
    "param": "#fdf0dc",
    "output": "#e6f4e8",
    "loss": "#fbe6e6",
    "derivative": "#f0e8fa",
}


def to_dot(diagram: Diagram, mark: str = "") -> str:
    """The text of the graph; names of boxes are numbers, so that no text needs to be a name."""
    lines = [f"// {visible(mark)}"] if mark else []
    lines += [f"digraph {dot_string(diagram.title)} {{", '  node [shape=box, style=filled, fontname="monospace"];']
    for number, section in enumerate(diagram.sections):
        prefix = f"s{number}_"
        lines += [f"  subgraph cluster_{number} {{", f"    label={dot_string(section.title)};"]
        for at, box in enumerate(section.boxes):
            text, colour = dot_string("\n".join(box.lines)), _COLOURS.get(box.style, "#f4f4f4")
            lines.append(f'    {prefix}{at} [label={text}, tooltip={dot_string(box.tooltip)}, fillcolor="{colour}"];')
        lines += [f"    {prefix}{source} -> {prefix}{target};" for source, target in section.edges]
        lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"


def dot_string(text: str) -> str:
    """A quoted string: Graphviz knows escapes, so every backslash is doubled."""
    lines = (visible(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'
