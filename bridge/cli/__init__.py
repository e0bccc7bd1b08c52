"""The commands: ``bridge run``, ``bridge ask`` and their like, one thin file each.

Only the file of the command that was called is loaded: ``bridge run`` must be up in no time, and
knows no paho.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from bridge.errors import BridgeError, ConfigurationError

COMMANDS = (
    "run",
    "demo",
    "ask",
    "watch",
    "calls",
    "stats",
    "correct",
    "devices",
    "store",
    "config",
)
"""Each is a module here, with a function ``command``, or an ``app`` of several."""

_INTERRUPTED = 130  # 128 + SIGINT, as shells say it


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code: 2 is a wrong setting or a wrong call."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        _app(arguments)(list(arguments), prog_name="bridge")
    except ConfigurationError as error:
        _leave(error, 2)
    except BridgeError as error:
        _leave(error, 1)
    except BrokenPipeError:  # `bridge calls … | head`
        sys.stderr.close()
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None


def _app(arguments: Sequence[str]) -> typer.Typer:
    app = typer.Typer(
        name="bridge",
        help="Spam verdicts for MQTT devices.",
        epilog="Start with: bridge demo",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_commands)
    called = [name for name in COMMANDS if name in arguments[:1]]
    for name in called or COMMANDS:
        module = import_module(f"{__name__}.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(module.command)
    return app


def _commands() -> None:
    """Spam verdicts for MQTT devices: run the bridge, try it, look into it."""


def _leave(error: BridgeError, code: int) -> None:
    for line in str(error).splitlines():
        sys.stderr.write(f"bridge: {line}\n")
    raise SystemExit(code) from None
