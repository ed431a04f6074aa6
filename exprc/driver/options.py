"""What a run of the compiler is asked for, as one immutable record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from exprc.rewrite import Settings
from exprc.rewrite.rule import STABILIZE


class Options(NamedTuple):
    """The options of all commands; each stage reads what concerns it.

    `dims` are pairs of a size's name and its value; `only` and `wrt` are names, empty for the default.
    """

    name: str = "model"
    out_dir: str = "."
    target: str = "cpu"
    cpu: str = "native"
    dims: tuple[tuple[str, int], ...] = ()
    only: tuple[str, ...] = ()
    wrt: tuple[str, ...] = ()
    emit: tuple[str, ...] = ()
    order: int = 1
    include: tuple[str, ...] = ()
    force: bool = False
    stabilize: bool = True
    without_rewrites: tuple[str, ...] = ()
    simplify: bool = True
    expand: bool = False
    of: str = ""
    format: str = "text"
    sizes: bool = False
    rewrites: bool = False
    gradients: bool = False
    values: tuple[str, ...] = ()


class Given(NamedTuple):
    """The data: arrays by name, which of them were written as text, and why further names have no array."""

    arrays: Mapping[str, Any]
    texts: Collection[str] = ()
    problems: Mapping[str, str] = MappingProxyType({})


def rewrite_settings(options: Options) -> Settings:
    """Which rewrites are switched off."""
    without = frozenset(options.without_rewrites)
    return Settings(without if options.stabilize else without | {STABILIZE})
