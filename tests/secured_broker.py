"""Brokers that ask who is there: by password, or by certificate."""

import shutil
import subprocess
from pathlib import Path

from conftest import BROKER_OPTIONS, Broker, free_port, start_mosquitto, stop

MOSQUITTO_PASSWD = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
OPENSSL = shutil.which("openssl") or "/usr/bin/openssl"


class OwnMosquitto:
    """A broker of one test's own, that can be stopped and started again on its port.

    Args:
        folder: For its configuration and its sessions, which outlive a restart.
        options: More lines of configuration.
    """

    def __init__(self, folder: Path, options: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        kept = f"persistence true\npersistence_location {folder}/\n"
        self._options = BROKER_OPTIONS.replace("persistence false\n", kept) + options
        self._folder = folder
        self.at = Broker("127.0.0.1", free_port(), "")
        self.start()

    def start(self) -> None:
        """Start it."""
        self._process = start_mosquitto(self._folder, self.at.port, self._options)

    def stop(self) -> None:
        """Stop it; it writes its sessions first."""
        stop(self._process)


class PasswordFile:
    """Who may log in at a broker, and with what."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600)

    @property
    def options(self) -> str:
        """The lines of configuration that make a broker ask."""
        return f"allow_anonymous false\npassword_file {self._path}\n"

    def set(self, username: str, password: str) -> None:
        """Let a user in with this password from the broker's next start on."""
        command = [MOSQUITTO_PASSWD, "-b", str(self._path), username, password]
        subprocess.run(command, check=True, capture_output=True)


class Authority:
    """A certificate authority, and the certificates that it signed.

    Args:
        folder: For keys and certificates.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._openssl("req", "-x509", *_new_key(folder / "ca.key"), "-subj", "/CN=authority")

    def sign(self, name: str) -> tuple[Path, Path]:
        """Return certificate and key of a name that stands for 127.0.0.1."""
        key, request = self._folder / f"{name}.key", self._folder / f"{name}.csr"
        certificate, extension = self._folder / f"{name}.pem", self._folder / f"{name}.ext"
        extension.write_text("subjectAltName=IP:127.0.0.1\n", encoding="utf-8")
        self._openssl("req", *_new_key(key), "-subj", f"/CN={name}", out=request)
        ca = ("-CA", str(self.certificate), "-CAkey", str(self._folder / "ca.key"))
        signing = (*ca, "-CAcreateserial", "-days", "2", "-extfile", str(extension))
        self._openssl("x509", "-req", "-in", str(request), *signing, out=certificate)
        return certificate, key

    def _openssl(self, *arguments: str, out: Path | None = None) -> None:
        command = [OPENSSL, *arguments, "-out", str(out or self.certificate)]
        subprocess.run(command, check=True, capture_output=True)


def _new_key(path: Path) -> tuple[str, ...]:
    curve = ("-pkeyopt", "ec_paramgen_curve:prime256v1")
    return ("-newkey", "ec", *curve, "-nodes", "-keyout", str(path))
