"""What the options ask of a model: sizes fixed from outside, losses and outputs chosen, params to differentiate by."""

from __future__ import annotations

from exprc.check.model import Declaration, Definition, Model
from exprc.diagnostics import Diagnostic, KnownLimit, UserError
from exprc.driver.options import Options
from exprc.ir.sizes import constant
from exprc.source import Source
from exprc.spelling import nearest


def apply_dims(model: Model, options: Options, source: Source) -> Model:
    """The model with `--dim` values, after checking that the names exist and `--only`, `--wrt` name something."""
    _refuse_unknown(model, options)
    fixed = dict(options.dims)
    dims = tuple(d._replace(value=constant(fixed[d.name])) if d.name in fixed else d for d in model.dims)
    return model._replace(dims=dims)


def chosen(model: Model, options: Options) -> tuple[Definition, ...]:
    """The losses and outputs to build, and the definitions that `--show-value` makes outputs."""
    callable_ = [d for d in model.definitions if d.role in ("loss", "output")]
    wanted = [d for d in callable_ if not options.only or d.name in options.only]
    names = {d.name for d in wanted}
    values = [d for d in model.definitions if d.name in options.values and d.name not in names]
    return (*wanted, *(d._replace(role="output") for d in values))


def differentiated_by(declaration: Declaration, options: Options) -> bool:
    """Whether losses are differentiated by a declaration: params are, inputs where asked for."""
    if declaration.role == "param":
        return declaration.type.is_float
    return declaration.name in options.wrt


def refuse_wrong_loss(model: Model, options: Options) -> None:
    """That `exprc grad` has something to print: the loss that it names, or any."""
    losses = [d.name for d in model.of_role("loss")]
    if options.of in losses or (losses and not options.of):
        return
    if not options.of:
        raise UserError(Diagnostic("E0510", "the program has no loss to differentiate"))
    if model.definition(options.of) is not None:
        raise KnownLimit(Diagnostic("E0602", f"the derivative of `{options.of}`, which is no loss, is not built yet"))
    raise UserError(_unknown("E0210", f"grad {options.of}", options.of, losses, "loss"))


def _refuse_unknown(model: Model, options: Options) -> None:
    problems: list[Diagnostic] = []
    dims = {d.name: d.value.constant if d.value else None for d in model.dims}
    given: dict[str, int] = {}
    for name, value in options.dims:
        fixed = given.setdefault(name, value)
        if name in dims and dims[name] not in (None, value):
            problems.append(_already(f"--dim {name}={value}", f"the program says `dim {name} = {dims[name]}`"))
        elif fixed != value:
            problems.append(_already(f"--dim {name}={value}", f"`--dim {name}={fixed}` is given too"))
        elif name not in dims:
            problems.append(_unknown("E0210", f"--dim {name}={value}", name, list(dims), "size"))
    callable_ = [d.name for d in model.definitions if d.role in ("loss", "output")]
    for option, names, known, what in (
        ("--only", options.only, callable_, "loss or output"),
        ("--show-value", options.values, [d.name for d in model.definitions], "definition"),
        ("--wrt", options.wrt, [d.name for d in model.declarations], "input or param"),
    ):
        problems += [_unknown("E0210", f"{option} {name}", name, known, what) for name in names if name not in known]
    if problems:
        raise UserError(*problems)
    for name in options.wrt:
        declaration = model.declaration(name)
        if declaration is not None and not declaration.type.is_float:
            raise KnownLimit(Diagnostic("E0602", f"`--wrt {name}`: {declaration.type} has no derivative"))


def _already(option: str, reason: str) -> Diagnostic:
    return Diagnostic("E0212", f"`{option}`: the size has a value already", notes=(reason,), help=("give one of them",))


def _unknown(code: str, option: str, name: str, known: list[str], what: str) -> Diagnostic:
    near = nearest(name, known) or next((one for one in known if one in name), None)
    more = [f"{len(known) - 8} more"] if len(known) > 8 else []
    listed = ", ".join([f"`{one}`" for one in known[:8]] + more) or "none"
    hint = (f"did you mean `{near}`?",) if near else ()
    return Diagnostic(code, f"`{option}`: the program has no {what} `{name}`", notes=(f"it has {listed}",), help=hint)
