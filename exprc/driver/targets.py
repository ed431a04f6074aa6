"""The machines that the options name."""

from __future__ import annotations

from exprc.diagnostics import Diagnostic, KnownLimit, UserError
from exprc.driver.options import Options
from exprc.lower import Target, best_first, host_triple, known_triple, named_target

THIS_SYSTEM = "cpu"


def targets_of(options: Options) -> tuple[Target, ...]:
    """The processors to compile for, all of one system, in the order in which a library tries them."""
    if options.target == "ptx":
        raise KnownLimit(Diagnostic("E0602", "`--target ptx`: models are not built for GPUs yet"))
    triple = host_triple() if options.target == THIS_SYSTEM else known_triple(options.target)
    names = [name.strip() for name in options.cpu.split(",") if name.strip()]
    if not names:
        raise UserError(Diagnostic("E0603", "`--cpu` names no processor", help=("leave it out for this machine's",)))
    found = best_first(tuple(dict.fromkeys(named_target(name, triple) for name in names)))
    if len(found) > 1 and not all(target.asks_processor for target in found):
        help_text = ("name one processor with `--cpu`",)
        limit = "a library that chooses between processors is built for x86-64, and on x86-64, only"
        raise KnownLimit(Diagnostic("E0602", limit, help=help_text))
    if len({target.cpu for target in found}) < len(found):
        raise UserError(Diagnostic("E0603", f"`--cpu {options.cpu}` names one processor twice"))
    return found


def target_of(options: Options) -> Target:
    """The machine for everything that is the same for all of them: of several the least demanding."""
    return targets_of(options)[-1]


def is_this_system(triple: str) -> bool:
    """Whether a target runs where the compiler does, its processor aside."""
    return triple == host_triple()
