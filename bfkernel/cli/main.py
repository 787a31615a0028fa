# SPDX-License-Identifier: BSD-3-Clause
"""The ``bfkernel`` command: finds the subcommand, and turns what goes wrong into one sentence and a code."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence

import click

from bfkernel import __version__
from bfkernel.remote.client.errors import PoolError
from bfkernel.remote.state_dir import ConfigurationError

from .exits import SIGNALLED, exit_code

# Imported when called, so that `bfkernel run` does not load a web server.
COMMANDS = {
    "serve": "serving",
    "pool": "serving",
    "agent": "serving",
    "run": "running",
    "request-gpus": "requesting",
    "client": "requesting",
    "release-gpus": "requesting",
    "keep-gpus": "requesting",
    "list-gpus": "listing",
    "smi": "smi",
    "leases": "listing",
    "queue": "listing",
    "servers": "listing",
    "quota": "accounting",
    "usage": "accounting",
    "health": "health",
    "admin": "admin",
    "kernelspec": "kernelspec",
}


# Errors whose message is meant for the user. Anything else is a defect, and shows its traceback.
_SENTENCES = (
    click.ClickException,
    ConfigurationError,
    PoolError,
    FileNotFoundError,
    PermissionError,
    ValueError,
)


class _Commands(click.Group):
    """The subcommands, by their names with dashes or, as Bitfusion wrote them, with underscores."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = cmd_name.replace("_", "-")
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"bfkernel.cli.{COMMANDS[name]}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bfkernel")
def cli() -> None:
    """Leased shares of remote GPUs for Jupyter kernels and commands.

    The pool's address comes from BFKERNEL_POOL_URL (http://127.0.0.1:8765 without it), the token that it
    may ask for from BFKERNEL_TOKEN.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. The entry point of ``bfkernel``."""
    try:
        code = cli.main(args=arguments, prog_name="bfkernel", standalone_mode=False)
    except _SENTENCES as error:
        sentence = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"bfkernel: {sentence}", err=True)
        sys.exit(exit_code(error))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(SIGNALLED + signal.SIGINT)
    except BrokenPipeError:
        # The reader of our table has gone, as `head` does.
        sys.stderr.close()
        sys.exit(SIGNALLED + signal.SIGPIPE)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
