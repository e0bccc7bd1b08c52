"""What a server needs to run: Java 17, and Cassandra's jars from Maven."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
POM: Final = HERE / "pom.xml"

JAVA_VERSION: Final = 17
"""What Cassandra 5.0 runs on, and what its flags here are written for."""

_JAVA_PACKAGES: Final = (
    *("--apt", f"openjdk-{JAVA_VERSION}-jre-headless"),
    *("--dnf", f"java-{JAVA_VERSION}-openjdk-headless"),
    *("--apk", f"openjdk{JAVA_VERSION}-jre-headless"),
    *("--brew", f"openjdk@{JAVA_VERSION}"),
)
_MAVEN_PACKAGES: Final = ("--apt", "maven", "--dnf", "maven", "--apk", "maven", "--brew", "maven")


class CannotRun(Exception):
    """The server cannot run here; the message is for the person who asked."""


def prepare() -> tuple[Path, Path]:
    """Return the Java executable and the folder of jars, fetching what is missing.

    Raises:
        CannotRun: Something is missing and may not be installed; what to type was printed.
    """
    jars = jar_folder()
    java = find_java()
    needs_maven = not jars.exists() and shutil.which("mvn") is None
    # Both before giving up, so that whoever has to type the lines sees them all.
    refused = [
        program
        for program, packages, needed in (
            (f"Java {JAVA_VERSION}", _JAVA_PACKAGES, java is None),
            ("Maven", _MAVEN_PACKAGES, needs_maven),
        )
        if needed and not _install(program, packages)
    ]
    if refused:
        raise CannotRun(f"Cassandra needs {' and '.join(refused)}")
    java = java or find_java()
    if java is None:
        raise CannotRun(f"Java {JAVA_VERSION} was installed and cannot be found; set JAVA_HOME")
    fetch(jars, java)
    return java, jars


def version() -> str:
    """Return the version of Cassandra that the POM names."""
    found = re.search(r"cassandra-all</artifactId>\s*<version>([^<]+)<", POM.read_text("utf-8"))
    if found is None:
        raise CannotRun(f"{POM} names no version of cassandra-all")
    return found[1]


def jar_folder() -> Path:
    """Return where this version's jars are, or will be once they have been fetched."""
    return ROOT / ".cache" / "cassandra" / version()


def find_java() -> Path | None:
    """Return a Java of the right version: JAVA_HOME's, the PATH's, or where packages put it."""
    return next((java for java in _candidates() if _is_right(java)), None)


def fetch(jars: Path, java: Path) -> None:
    """Copy Cassandra's jars into ``jars``, once; Maven checks every checksum.

    Raises:
        CannotRun: Maven failed; what it said was printed.
    """
    jars.parent.mkdir(parents=True, exist_ok=True)
    with (jars.parent / "lock").open("w") as lock:  # suites may start servers at the same time
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars.exists():
            return
        sys.stderr.write(f"Fetching Cassandra {version()} with Maven (66 MB, once)\n")
        unfinished = jars.with_name(f"{jars.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        told = subprocess.run(
            [
                *("mvn", "--batch-mode", "--quiet", "--strict-checksums", "--file", str(POM)),
                *("dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"),
            ],
            env=os.environ | {"JAVA_HOME": str(java.resolve().parent.parent)},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
        )
        if told.returncode != 0:
            raise CannotRun("Maven could not fetch Cassandra; its own words stand above")
        unfinished.rename(jars)  # what is there is whole


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        yield Path(found)
    for folder in (Path("/usr/lib/jvm"), Path("/opt/homebrew/opt"), Path("/usr/local/opt")):
        yield from folder.glob(f"*{JAVA_VERSION}*/bin/java")


def _is_right(java: Path) -> bool:
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return re.search(rf'version "{JAVA_VERSION}[."]', told.stderr) is not None


def _install(program: str, packages: tuple[str, ...]) -> bool:
    told = subprocess.run(
        [ROOT / "scripts" / "install-package", program, *packages], stdout=sys.stderr, check=False
    )
    return told.returncode == 0
