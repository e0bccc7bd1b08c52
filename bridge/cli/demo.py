"""``bridge demo``: the whole path, real, on this machine, in a few seconds."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from bridge import logs
from bridge.cli import children as kids
from bridge.cli.children import PROJECT, Children
from bridge.cli.demo_cassandra import DemoCassandra, taught
from bridge.cli.display import label, out, waiting
from bridge.cli.questions import Instances
from bridge.doors import Door
from bridge.errors import BridgeError, Unavailable
from bridge.settings import Account, Model, Mqtt, load
from bridge.topics import Topics

_ROOT = "spam/v1"
_SECOND_ROOT = "spam/second"
_DEVICES = 20
_MESSAGES = 400
_RATE = 100
_SHOWN = 14
_BROKER_WITHIN_S = 10
_BRIDGE_WITHIN_S = 30
_VERDICT = re.compile(r"^ *(?P<device>\S+)  (?P<label>\w+) +(?P<score>\d\.\d+)  (?P<text>.*)$")


def command(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay until Ctrl-C, for you to try it yourself.")
    ] = False,
    cassandra: Annotated[
        bool, typer.Option("--cassandra", help="With a Cassandra, and a second bridge on it.")
    ] = False,
) -> None:
    """Show the whole path: a broker, the bridge and 20 devices, on free ports of this machine.

    Nothing is left behind. Needs Mosquitto; with --cassandra, Java 17 and the repository.

    [dim]Example:[/dim]  bridge demo --keep
    """
    logs.configure("error")
    model = load().model  # a wrong setting is told before anything is started
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="bridge-demo-"))
    try:
        with ExitStack() as stack:
            database = DemoCassandra(folder) if cassandra else None
            if database:
                stack.callback(database.stop)
            children = stack.enter_context(Children(folder))
            Demo(children, folder, model, database).tell(keep=keep)
    except BridgeError as error:
        raise type(error)(f"{error}\nthe logs are in {folder}") from None
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        if not keep:
            raise
        out.print("\n[dim]Broker and bridge are ended, and nothing is left behind.[/]\n")
    else:
        shutil.rmtree(folder)


class Demo:
    """The story, chapter by chapter.

    Args:
        children: Who starts and ends processes.
        folder: Where journal and logs go.
        model: Which model serves.
        database: The fleet's memory, if there is one.
    """

    def __init__(
        self, children: Children, folder: Path, model: Model, database: DemoCassandra | None = None
    ) -> None:
        self._children = children
        self._folder = folder
        self._model = model
        self._database = database
        self._port = kids.free_port()

    def tell(self, *, keep: bool) -> None:
        """Tell it.

        Raises:
            BridgeError: It did not come to its good end.
        """
        out.print("\n[bold]Texts in, verdicts out: an MQTT spam bridge, all of it real[/]\n")
        self._broker()
        if self._database:
            with waiting("starting Cassandra", out):
                address = self._database.start()
            _done("cassandra", f"a real one on {address}")
        self._bridge("bridge", _ROOT)
        self._devices()
        if self._database:
            self._bridge("second", _SECOND_ROOT)
            self._learn()
        if keep:
            self._stay()
        else:
            _what_next()

    def _broker(self) -> None:
        program = kids.mosquitto()
        config = kids.mosquitto_config(self._folder, self._port)
        with waiting("starting the broker", out):
            self._children.start("broker", [program, "-c", str(config)], kids.environment())
            self._children.wait_until(
                "broker", lambda: kids.listens(self._port), within_s=_BROKER_WITHIN_S
            )
        _done("broker", f"Mosquitto {_version(program)} on 127.0.0.1:{self._port}")

    def _bridge(self, name: str, root: str) -> None:
        model = self._model
        directory = model.directory if model.directory.is_dir() else PROJECT / "models"
        environment = kids.environment(
            BRIDGE_INSTANCE=f"demo-{name}",
            BRIDGE_MQTT__PORT=str(self._port),
            BRIDGE_TOPICS__ROOT=root,
            BRIDGE_JOURNAL__PATH=str(self._folder / f"{name}-journal"),
            BRIDGE_MODEL__DIRECTORY=str(directory.resolve()),
            BRIDGE_MODEL__ACTIVE=model.active,
            **(self._database.settings if self._database else {}),
        )
        since_s = time.monotonic()
        mqtt = Mqtt(port=self._port)
        with waiting("starting a bridge", out), Door(mqtt, Account()) as door:
            instances = Instances(door, Topics(root))
            self._children.start(name, kids.python("bridge", "run"), environment)
            self._children.wait_until(
                name, lambda: bool(instances.answering), within_s=_BRIDGE_WITHIN_S
            )
        _done(name, f"model {model.active}, up after {time.monotonic() - since_s:.1f} s")

    def _devices(self) -> None:
        arguments = {
            "port": self._port,
            "root": _ROOT,
            "devices": _DEVICES,
            "messages": _MESSAGES,
            "rate": _RATE,
            "show": _SHOWN,
        }
        options = [str(part) for name, value in arguments.items() for part in (f"--{name}", value)]
        simulator = self._children.start(
            "simulator",
            kids.python("edge_simulator", *options, "--json"),
            kids.environment(),
            piped=True,
        )
        _done("devices", f"{_DEVICES} of them send {_MESSAGES} texts; the first verdicts:\n")
        out.print("    [dim]device  label   spam  text[/]")
        summary, told = _listen(simulator)
        self._children.end("simulator")
        _judge(summary, told)

    def _learn(self) -> None:
        mqtt = Mqtt(port=self._port)
        with waiting("two bridges, one text", out):
            text, first, second = taught(mqtt, Topics(_ROOT), Topics(_SECOND_ROOT))
        _done("learned", f"[dim]{text}[/]")
        for name, said in (("bridge", first), ("second", second)):
            known = "from the store" if said.get("cached") == "store" else "new"
            out.print(Text.assemble((f"    {name:<8}", "cyan"), label(said), f"  {known}"))
        out.print()

    def _stay(self) -> None:
        ask = f"BRIDGE_MQTT__PORT={self._port} {_program()} ask 'See you at lunch?'"
        topic = f"{_ROOT}/devices/me"
        out.print("  [bold]Your turn.[/] In another window, one after the other:\n")
        for line in (
            f"mosquitto_sub -p {self._port} -v -t '{topic}/#' &",
            f"mosquitto_pub -p {self._port} -q 1 -t {topic}/in -m 'You have WON a free prize'",
            ask,
        ):
            out.print(Text(f"    {line}", style="cyan"))
        out.print("\n  [dim]Ctrl-C ends.[/]")
        while True:
            self._children.check()
            time.sleep(0.5)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _listen(simulator: "subprocess.Popen[str]") -> tuple[str, list[str]]:
    """Show verdicts as they come; return the summary, and what else was said."""
    told: list[str] = []
    reader = threading.Thread(target=_show, args=(simulator, told), daemon=True)
    reader.start()
    with waiting("the devices are talking", out):
        summary = simulator.stdout.read() if simulator.stdout else ""
        simulator.wait()
        reader.join()
    return summary, told


def _show(simulator: "subprocess.Popen[str]", told: list[str]) -> None:
    for line in simulator.stderr or ():
        match = _VERDICT.match(line.rstrip("\n"))
        if match is None:
            told.append(line.strip())
            continue
        style = "bold red" if match["label"] == "spam" else "bold green"
        out.print(
            Text.assemble(
                (f"    {match['device']:<8}", "cyan"),
                (f"{match['label']:<5}", style),
                (f"{float(match['score']):>6.1%}  ", ""),
                (match["text"], "dim"),
            )
        )


def _judge(summary: str, told: list[str]) -> None:
    """Say how it ended.

    Raises:
        Unavailable: Not well.
    """
    try:
        counts = json.loads(summary)
    except ValueError:
        raise Unavailable(f"the devices have ended: {' '.join(told[-1:])}") from None
    latency = counts["latency_ms"]
    style = "bold red" if counts["lost"] else "bold green"
    out.print()
    _done(
        "result",
        f"{counts['sent']} sent, {counts['answered']} answered, [{style}]{counts['lost']} lost[/];"
        f" [dim]half within {latency['p50']:.0f} ms, 99% within {latency['p99']:.0f} ms[/]\n",
    )
    if counts["lost"]:
        raise Unavailable(f"{counts['lost']} messages were not answered")


def _what_next() -> None:
    out.print("  [bold]What to try next[/]\n")
    for line, why in (
        (f"{_program()} demo --keep", "the same, and then it is your turn"),
        (f"{_program()} config", "everything that can be set"),
        (f"{_program()} --help", "ask, watch, look up what was answered"),
    ):
        out.print(Text.assemble((f"    {line:<32}", "cyan"), (why, "dim")))
    out.print()


def _done(what: str, how: str) -> None:
    out.print(f"  [green]✓[/] [bold]{what:<9}[/] {how}")


def _program() -> str:
    """Return what to type for ``bridge`` here: Debian has another one, for Ethernet."""
    ours = Path(sys.executable).parent / "bridge"
    found = shutil.which("bridge")
    return "bridge" if found and Path(found).samefile(ours) else os.path.relpath(ours)


def _version(program: str) -> str:
    told = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\S+)", told)
    return found[1] if found else ""
