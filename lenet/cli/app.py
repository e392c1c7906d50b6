"""The application itself: its global options, and how errors reach the user."""

import atexit
import errno
import gc
import io
import os
import re
import shutil
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lenet import __version__
from lenet.cli.completion import whole_words
from lenet.errors import LenetError, UsageError

INTERRUPTED = 130
DEBUG = "--debug"
NO_BREAK = "\N{NO-BREAK SPACE}"


class Group(TyperGroup):
    """Turns errors that a user can mend into a few lines and an exit code."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run, or complete a word for the shell."""
        with whole_words(os.environ):
            return super().main(*args, **options)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--debug`` wherever it stands."""
        end = args.index("--") if "--" in args else len(args)
        if DEBUG in args[:end]:
            args = [DEBUG, *(word for n, word in enumerate(args) if n >= end or word != DEBUG)]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except LenetError as error:
            if ctx.params.get("debug"):
                raise
            if error.exit_code == UsageError.exit_code and not is_first_process():
                raise typer.Exit(error.exit_code) from error
            for line in str(error).splitlines():
                say(f"error: {line}")
            raise typer.Exit(error.exit_code) from error
        except OSError as error:  # a file that no sentence of the command speaks of
            if ctx.params.get("debug") or error.errno == errno.EPIPE:
                raise
            what = f"{error.filename}: " if error.filename else ""
            say(f"error: {what}{error.strerror or error}")
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    help="LeNet-5 as it was in 1998 and as it is trained today.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lenet {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error.")] = False,
) -> None:
    """Take the global options."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files need not be UTF-8
            stream.reconfigure(errors="backslashreplace")
    # Python looks for unused objects while PyTorch is imported and once more at the end, through
    # all that it imported, in vain: more than a second of each command.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)


def say(line: str) -> None:
    """Write a message to standard error; if that was closed meanwhile, go on in silence."""
    try:
        typer.echo(_coloured(_fitted(line) if is_terminal() else line), err=True)
    except OSError:  # the terminal is gone, or nobody reads the pipe: whatever comes is dropped
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)


def print_text(text: str) -> None:
    """Print a few lines, broken between words where the terminal ends."""
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    typer.echo(_fitted(text) if on_terminal else text)


def _fitted(text: str) -> str:
    """Break lines between words where the terminal ends, but no command nor ``95 %``."""
    width, lines = shutil.get_terminal_size().columns, []
    for line in text.splitlines():
        # People copy commands; a list of counts breaks between its items.
        whole = r"(?<=:  ).*|`[^`]*`|(?<= · )[^·]*(?= ·|$)| (?=%)| ± "
        kept = re.sub(whole, lambda match: match[0].replace(" ", NO_BREAK), line)
        wrapped = textwrap.wrap(kept, width, break_long_words=False, break_on_hyphens=False)
        lines += wrapped or [""]
    return "\n".join(lines).replace(NO_BREAK, " ")


def _coloured(line: str) -> str:
    """Colour the first word of an error or a warning, on a terminal and without ``NO_COLOR``."""
    word, colon, rest = line.partition(":")
    colour = {"error": "red", "warning": "yellow"}.get(word)
    if colour is None or not is_terminal() or os.environ.get("NO_COLOR"):
        return line
    return typer.style(word + colon, fg=colour, bold=True) + rest


def is_first_process() -> bool:
    """Say whether this process is the one to speak, of several that torchrun started."""
    return "TORCHELASTIC_RUN_ID" not in os.environ or os.environ["RANK"] == "0"


def is_terminal() -> bool:
    """Say whether progress may be animated."""
    return sys.stderr is not None and sys.stderr.isatty()
