"""`exprc completion`: the script by which a shell completes commands, options and files."""

from __future__ import annotations

import click

from exprc.cli.options import HELP_NAMES
from exprc.cli.session import say

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_EXPRC_COMPLETE"


@click.command("completion", context_settings=HELP_NAMES)
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL")
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL: bash, zsh or fish.

    \b
    For bash put the line `eval "$(exprc completion bash)"` into ~/.bashrc, for zsh
    the same with zsh into ~/.zshrc; for fish write the script to
    ~/.config/fish/completions/exprc.fish.

    \b
    Example:
      exprc completion bash > exprc.bash
      exprc completion fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    # click's bash class asks which bash is installed before it prints a script that needs no answer
    script = found(context.find_root().command, {}, "exprc", VARIABLE)
    say(script.source_template % script.source_vars() + "\n")
