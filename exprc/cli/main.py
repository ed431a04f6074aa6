"""The entry point: finds the command, runs it, turns whatever happens into an exit code.

Owns the list of commands, each imported only when it is called, and the classes of failure.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence

import click

from exprc import __version__
from exprc.cli.session import Session
from exprc.cli.text import cut
from exprc.diagnostics import EXIT_BUG, EXIT_LIMIT, EXIT_USER, Diagnostic, ExprcError

COMMANDS = {
    "build": "Compile a program to a library, its C header and a Python module.",
    "grad": "Print derivatives in closed form.",
    "check": "Report mistakes, lints, types, and how each size is used.",
    "run": "Evaluate a program on data.",
    "explain": "Explain the code of an error.",
    "doc": "Describe the operations.",
    "fmt": "Bring programs into the canonical form.",
    "graph": "Draw a picture of a program.",
    "completion": "Print the script by which a shell completes commands.",
}
INTERRUPTED, PIPE_CLOSED = 130, 141
_STREAM_ERRORS = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT)  # what a stream says that cannot be written


class Commands(click.Group):
    """Commands that live in modules of their own, `exprc.cli.NAME`, and are described by the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table, which is that of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            from exprc.spelling import nearest

            near = None if ctx.resilient_parsing else nearest(cmd_name, COMMANDS)
            if near:
                ctx.fail(f"No such command {cmd_name!r}; did you mean {near!r}?")
            return None
        command = importlib.import_module(f"exprc.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing what it describes."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="exprc")
def command_line() -> None:
    """Compile models written as formulas to native libraries with exact derivatives.

    \b
    Example:
      exprc check model.expr
      exprc grad model.expr
      exprc build model.expr -o build
    """


COMPLETING = "_EXPRC_COMPLETE"


def main() -> None:
    """The console script.  It ends at once: taking graphs of 10^6 nodes apart takes seconds, and nobody needs it."""
    _open_closed_streams()
    gc.disable()  # one program's graphs fit memory, and looking for cycles among 10^6 nodes takes longer than the work
    status = complete() if COMPLETING in os.environ else run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = status or PIPE_CLOSED
    os._exit(status)


def complete() -> int:
    """Answer a shell that asks how a command line may go on."""
    from click.shell_completion import shell_complete

    return shell_complete(command_line, {"obj": Session()}, "exprc", COMPLETING, os.environ[COMPLETING])


def _open_closed_streams() -> None:
    """A stream that the caller closed is None, and its number would go to the next file that is opened."""
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; the exit code."""
    session = Session()
    session.arguments = tuple(arguments)

    def work() -> None:
        with command_line.make_context("exprc", list(arguments), obj=session) as context:
            command_line.invoke(context)

    return outcome(work, session)


def outcome(work: Callable[[], None], session: Session) -> int:
    """Do the work and tell what went wrong; the exit code."""
    try:
        work()
        sys.stdout.flush()
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as problem:
        vars(problem)["message"] = cut(problem.message)  # `show` prints it; click declares it final
        problem.show()
        return problem.exit_code
    except ExprcError as error:
        session.report(error.diagnostics)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except MemoryError as error:
        from exprc.cli.stages import stage_of_failure

        session.report((limit_reached(session.memory_limit, stage_of_failure(error.__traceback__)),))
        return EXIT_LIMIT
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _STREAM_ERRORS and error.filename is None:
            reason = (error.strerror or str(error)).lower()
            session.report((Diagnostic("E0705", f"cannot write to standard output: {reason}"),))
            return EXIT_USER
        from exprc.cli.bug import report_bug

        report_bug(error, session.arguments, session)
        return EXIT_BUG


def limit_reached(memory: str, stage: str, seconds: float | None = None) -> Diagnostic:
    """The diagnostic of work that was ended by a limit: of memory as the user wrote it, empty for the machine's, or of
    time."""
    if seconds is not None:
        message = f"the work took more than the {seconds:g} s that `--max-time` allows"
    elif memory:
        message = f"the work took more than the {memory} of memory that `--max-memory` allows"
    else:
        message = "the work took more memory than there is"
    return Diagnostic("E0604", message, notes=(f"it was in the stage `{stage or 'start'}`",))
