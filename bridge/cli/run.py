"""``bridge run``: the daemon."""

import sys


def command() -> None:
    """Run the bridge until SIGTERM or Ctrl-C.

    Settings come from the environment and from .env; `bridge config` lists them.

    [dim]Example:[/dim]  BRIDGE_MQTT__HOST=broker.local bridge run
    """
    from bridge import daemon, logs, settings  # noqa: PLC0415 - heavy, and only for this command

    effective = settings.load()
    logs.configure(effective.log.level)
    sys.exit(daemon.run(effective))
