"""Start, stop and look at a Cassandra on this machine, from its published jars.

    scripts/cassandra start             one node; prints its contact point when it answers
    scripts/cassandra start --nodes 3   a ring on 127.0.0.1, 127.0.0.2 and 127.0.0.3
    scripts/cassandra status            exit code 0 if all its nodes answer
    scripts/cassandra stop              ends its own processes and no others; the data stays

It needs Java 17, and Maven the first time; both come from the system's packages where that is
allowed. Servers with folders and ports of their own run beside each other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from node import Node, Options
from runtime import ROOT, CannotRun, prepare, version

_READY_WITHIN_S: Final = 180.0
_NODES: Final = (1, 2, 3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked.

    Returns:
        0, or 1 where it could not be done.
    """
    asked = _parser().parse_args(arguments)
    options = Options(
        data=asked.data.resolve(),
        port=asked.port,
        storage_port=asked.storage_port,
        sync=asked.sync,
        auth=asked.auth,
        heap_mb=asked.heap_mb,
    )
    try:
        return _VERBS[asked.verb](options, asked.nodes)
    except CannotRun as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


def start(options: Options, count: int | None) -> int:
    """Start the nodes that do not run yet, one after the other, and print the contact points."""
    nodes = [Node(number, options) for number in _NODES[: count or 1]]
    java, jars = prepare()
    for peers, node in enumerate(nodes):
        _start(node, java, jars)
        # The new one first: where it has given up, the others would wait for it in vain.
        for member in (node, *nodes[:peers]):  # the next one joins a ring that has settled
            member.wait_until_ready(peers, _READY_WITHIN_S)
    sys.stdout.write(",".join(node.address for node in nodes) + f":{options.port}\n")
    return 0


def _start(node: Node, java: Path, jars: Path) -> None:
    if node.pid is not None:
        return
    if node.is_ready():
        raise CannotRun(
            f"another server answers on {node.address}:{node.options.port}; choose a --port"
        )
    sys.stderr.write(f"Starting Cassandra {version()} on {node.address}\n")
    node.start(java, jars)


def stop(options: Options, _count: int | None) -> int:
    """Stop every node of this folder."""
    for node in _existing(options):
        node.stop()
    return 0


def status(options: Options, count: int | None) -> int:
    """Print a line for each node that was ever started in this folder.

    Returns:
        0 if all of them answer (and are ``count``, where that was asked), otherwise 1.
    """
    nodes = _existing(options)
    for node in nodes:
        sys.stdout.write(f"{node.address}:{node.options.port} {_state(node)}\n")
    ready = [node for node in nodes if node.pid and node.is_ready()]
    return 0 if ready and len(ready) == (count or len(nodes)) else 1


def _state(node: Node) -> str:
    if node.pid is None:
        return "stopped"
    return f"{'ready' if node.is_ready() else 'not ready'}, process {node.pid}"


def _existing(options: Options) -> list[Node]:
    """Return the nodes of this folder, on the ports that they were started with."""
    nodes = [Node(number, options) for number in _NODES]
    return [
        replace(node, options=replace(options, port=port))
        for node in nodes
        if (port := node.last_port) is not None
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/cassandra",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=_VERBS, help="what to do")
    parser.add_argument("--nodes", type=int, choices=(1, 3), help="how many nodes (start: 1)")
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT / "var" / "cassandra",
        help="folder of the server's files (var/cassandra)",
    )
    parser.add_argument("--port", type=int, default=9042, help="clients' port (9042)")
    parser.add_argument("--storage-port", type=int, default=7000, help="the nodes' port (7000)")
    parser.add_argument(
        "--sync",
        choices=("periodic", "batch"),
        default="periodic",
        help="commit log: every 10 s, or before each acknowledgement (a kill loses nothing)",
    )
    parser.add_argument("--auth", action="store_true", help="ask clients to log in")
    parser.add_argument("--heap-mb", type=int, default=512, help="heap of a node (512)")
    return parser


_VERBS: Final = {"start": start, "stop": stop, "status": status}


if __name__ == "__main__":
    sys.exit(main())
