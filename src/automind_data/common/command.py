"""The command line: finds the verbs, and says a refusal in one sentence."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

import click

from automind_data.common.errors import AutomindError

__all__ = ["main"]

VERBS = "automind_data.cli"
VERB = "verb_"


class _Verbs(click.Group):
    """The modules of `automind_data.cli`, each with a `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        package = importlib.import_module(VERBS)
        names = (module.name for module in pkgutil.iter_modules(package.__path__))
        verbs = (name for name in names if name.startswith(VERB))
        return [name.removeprefix(VERB).replace("_", "-") for name in verbs]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{VERBS}.{VERB}{name.replace('-', '_')}")
        command: click.Command = module.command
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="automind-data")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """The AutoMIND data release: verified tables, density estimators and samples.

    \b
    Example: automind-data info
    """
    ctx.obj = {"debug": debug}


def main() -> None:
    """Run the command line; a refusal is one sentence on stderr and exit code 1."""
    debug = "--debug" in sys.argv[1:]
    try:
        cli(standalone_mode=True)
    except AutomindError as error:
        if debug:
            raise
        click.echo(f"automind-data: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except MemoryError:
        if debug:
            raise
        click.echo("automind-data: needs more memory than there is; next: free some.", err=True)
        sys.exit(1)
    except OSError as error:
        if debug:
            raise
        what = error.filename or "the system"
        reason = error.strerror or str(error)
        click.echo(f"automind-data: {what}: {reason}; next: mend that and run it again.", err=True)
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        what = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        step = "add --debug before the verb and report what it shows"
        click.echo(f"automind-data: stopped by a fault of its own, {what}; next: {step}.", err=True)
        sys.exit(1)
