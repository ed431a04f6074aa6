"""Options that several commands share, options that are not built yet, and their way into `driver.Options`.

Owns the reading of option values.  Knows nothing of what the options do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from exprc.cli.session import JSON, TEXT, session
from exprc.diagnostics import Diagnostic, KnownLimit
from exprc.spelling import nearest_few, normal

if TYPE_CHECKING:
    from exprc.driver import Options
    from exprc.source import Source

Function = TypeVar("Function", bound=Callable[..., Any])
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class AsWritten(click.Path):
    """A path that a shell completes; what is wrong with it is told by who opens it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as it was written."""
        return value


PATH, FOLDER = AsWritten(), AsWritten(file_okay=False)


def file_argument(function: Function) -> Function:
    """FILE, a program, `-` being standard input."""
    return click.argument("file", metavar="FILE", type=PATH)(function)


def message_form_option(function: Function) -> Function:
    """Whether messages are for people or for programs."""
    return click.option(
        "--error-format", type=click.Choice((TEXT, JSON)), default=TEXT, expose_value=False, is_eager=True,
        callback=_remember_message_form, help="The form of messages: text, or one JSON object a line.",
    )(function)  # fmt: skip


def common_options(function: Function) -> Function:
    """What every command that reads a program takes."""
    for option in (
        message_form_option,
        not_built("--include", multiple=True, metavar="DIR", help="A folder that `use` may read besides its own."),
        click.option("--dim", "dims", multiple=True, metavar="NAME=N", callback=_read_dims,
                     help="Fix a size, as in n=1000. May be repeated."),
        click.option("--name", metavar="NAME", help="The model's name; by default the file's."),
    ):  # fmt: skip
        function = option(function)
    return function


def rewrite_options(function: Function) -> Function:
    """Which rewrites are left out."""
    for option in (
        click.option("--no-rewrite", "without_rewrites", multiple=True, metavar="NAME", callback=_known_rewrites,
                     help="Leave out a rule, a class or a group of rewrites. May be repeated."),
        click.option("--no-stabilize", "stabilize", flag_value=False, default=True, type=bool,
                     help="Compute formulas as written, without rewriting them for accuracy."),
    ):  # fmt: skip
        function = option(function)
    return function


def limit_options(function: Function) -> Function:
    """What the work may take at most."""
    for option in (
        click.option("--max-memory", metavar="SIZE", callback=_read_memory,
                     help="Give up, with exit code 3, when the work takes more memory, as in 500M or 2G."),
        click.option("--max-time", metavar="S", type=click.FloatRange(min=0, min_open=True), callback=_a_number,
                     help="Give up, with exit code 3, when the work takes more seconds."),
    ):  # fmt: skip
        function = option(function)
    return function


def within_limits(given: dict[str, Any], work: Callable[[], None]) -> None:
    """Do the work, watched where `limit_options` were given; they are taken out of `given`."""
    memory, seconds = given.pop("max_memory"), given.pop("max_time")
    if memory is None and seconds is None:
        work()
        return
    from exprc.cli.limits import Limits, run_within

    size, text = memory or (None, "")
    run_within(Limits(size, seconds, text), work)


def stage_options(function: Function) -> Function:
    """Looking into the pipeline."""
    for option in (
        click.option("--time", "with_times", is_flag=True, help="Print how long each stage took."),
        click.option("--stop-after", metavar="STAGE", callback=_known_stage, help="Stop when this stage is done."),
        click.option("--show", "show_stage", metavar="STAGE", callback=_known_stage,
                     help="Print what this stage makes, and stop."),
    ):  # fmt: skip
        function = option(function)
    return function


def names_option(*declarations: str, **attributes: Any) -> Callable[[Function], Function]:
    """An option that takes names separated by commas and may be repeated."""
    return click.option(*declarations, multiple=True, callback=_split_names, **attributes)


def not_built(*declarations: str, **attributes: Any) -> Callable[[Function], Function]:
    """An option of the final command line that this version refuses as a known limit."""
    attributes["help"] = attributes["help"] + " [not built yet]"
    return click.option(*declarations, expose_value=False, callback=_refuse, **attributes)


def refuse(what: str) -> KnownLimit:
    """The error for an option or command that is not built yet."""
    return KnownLimit(Diagnostic("E0602", f"{what} is not built yet"))


def make_options(source: Source, **given: Any) -> Options:
    """The driver's options from those that were given, the others keeping their defaults there."""
    from exprc.driver import Options

    if not given.get("name"):
        given["name"] = _model_name(source.name)
    return Options(**{name: value for name, value in given.items() if value not in (None, ())})


def _model_name(file_name: str) -> str:
    base = os.path.basename(file_name)
    return "model" if base == "<stdin>" else os.path.splitext(base)[0]


def _remember_message_form(context: click.Context, parameter: click.Parameter, value: str) -> None:
    session().message_form = value


def _read_dims(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(_read_dim(value) for value in values)


def _read_dim(text: str) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    try:
        value = int(number)
    except ValueError:
        value = -1
    if not (equals and name.strip().isidentifier() and value >= 0):
        reason = f"{text!r} is not of the form NAME=N with a whole number, as n=1000"
        raise click.BadParameter(reason, param_hint="--dim")
    if value >= 2**63:
        raise click.BadParameter(f"{text!r}: a size fits 64 bits, so it is less than 2^63", param_hint="--dim")
    return normal(name.strip()), value


def _a_number(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """NaN is in every range, and no time is longer than it."""
    if value is not None and value != value:
        raise click.BadParameter("nan is no number of seconds", context, parameter)
    return value


def _read_memory(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, str] | None:
    """A number of bytes with its text: `500M`, `2G`, `1.5 GiB`, `8e9`."""
    if text is None:
        return None
    import re

    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?(?:e\d+)?)\s*([kmgt]?)(i?b?)\s*", text, re.IGNORECASE)
    size = float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " ") if found else 0.0
    if not 0 < size < 2**62:
        raise click.BadParameter(f"{text!r} is no amount of memory, as 500M or 2G", context, parameter)
    return int(size), text.strip()


def _split_names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(normal(name.strip()) for value in values for name in value.split(",") if name.strip())


def _known_stage(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from exprc.driver import STAGES

        names = [stage.name for stage in STAGES]
        if value not in names:
            reason = f"there is no stage {value!r}; the stages are {', '.join(names)}"
            raise click.BadParameter(reason, context, parameter)
    return value


def _known_rewrites(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    if values:
        from exprc.rewrite.engine import ALL_RULES

        known = {name: None for rule in ALL_RULES for name in (rule.group, rule.kind, rule.name)}
        for value in (value for value in values if value not in known):
            near = nearest_few(value, known) or sorted({rule.group for rule in ALL_RULES})
            reason = f"there is no rule, class or group {value!r} of rewrites; near it are {', '.join(near)}"
            raise click.BadParameter(reason, context, parameter)
    return values


def _refuse(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value not in (None, False, ()):
        raise refuse(f"the option `{parameter.opts[-1]}`")
