"""A Kite server as a child process: start it, find its addresses, stop it, kill it, look at its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import sanitizers
from .stores import stores

REPOSITORY = Path(__file__).resolve().parents[2]

# Builds with sanitizers take several times as long; every bound here is multiplied by this.
SLOWNESS = float(os.environ.get("KITE_SLOWNESS", "1"))


def kite_binary() -> Path:
    """The server under test: KITE_BIN, else the newest build in the checkout."""
    if named := os.environ.get("KITE_BIN"):
        return Path(named)
    built = [path for path in (REPOSITORY / "build").glob("*/kite") if os.access(path, os.X_OK)]
    if not built:
        raise FileNotFoundError("there is no build/*/kite; build it or set KITE_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30, interval: float = 0.01):
    """The first true value of `condition`; TimeoutError that says `what` was awaited."""
    deadline = time.monotonic() + seconds * SLOWNESS
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds * SLOWNESS:.0f} s for {what}")
        time.sleep(interval)
    return value


def sanitized() -> bool:
    """Whether the server under test was built with sanitizers, which make figures of memory meaningless."""
    return sanitizers.instrumented(kite_binary())


def run_kite(
    *arguments: str, seconds: float = 60, environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """Runs a command of the binary to its end, with its output as text."""
    done = subprocess.run(
        [str(kite_binary()), *arguments],
        capture_output=True,
        text=True,
        timeout=seconds * SLOWNESS,
        check=False,
        env={**environment, **sanitizers.options(kite_binary())},
    )
    sanitizers.check(done.stderr)
    return done


class ServerDied(RuntimeError):
    """The process ended when it should have been serving."""


class Server:
    """One standalone server on free loopback ports, with its data in `data`.

    The log of every start is appended to a file beside the data directory.
    """

    def __init__(
        self,
        data: Path,
        settings: Mapping[str, object] | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ):
        self.data = Path(data)
        self.log_path = self.data.with_name(self.data.name + ".log")
        self._settings = {**stores().settings(self.data), **(settings or {})}
        self._arguments = list(arguments)
        self._environment = {**os.environ, **sanitizers.options(kite_binary()), **(environment or {})}
        self._checked_bytes = 0
        self._process: subprocess.Popen | None = None
        self._addresses: dict = {}

    # -- life ---------------------------------------------------------------------------------

    def sets(self) -> list[str]:
        """Its configuration as arguments of a command."""
        return [part for key, value in self._settings.items() for part in ("--set", f"{key}={value}")]

    def command(self) -> list[str]:
        return [
            str(kite_binary()),
            "run",
            "standalone",
            "--data",
            str(self.data),
            "--port",
            "0",
            "--metrics-port",
            "0",
            *self._arguments,
            *self.sets(),
        ]

    def start(self, seconds: float = 30) -> Server:
        """Starts the process and returns once it can serve."""
        self.spawn()
        self.wait_ready(seconds)
        return self

    def spawn(self) -> Server:
        """Starts the process without waiting for it."""
        assert not self.alive(), "the server runs already"
        self._address_file().unlink(missing_ok=True)
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        return self

    def wait_ready(self, seconds: float = 30) -> None:
        self._addresses = wait_until(self._read_addresses, "the server to be ready", seconds)

    def stop(self, seconds: float = 20) -> int:
        """SIGTERM, and the exit code. The clean end is part of what every test checks."""
        process = self._process
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerDied(f"no end within {seconds} s of SIGTERM:\n{self.log_tail()}") from None
        self._process = None
        self.check_log()
        return code

    def kill(self) -> None:
        """SIGKILL: what a crash or a pulled plug leaves behind."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None
            self.check_log()

    def restart(self) -> Server:
        self.stop()
        return self.start()

    def crash(self) -> Server:
        """kill -9 and start again."""
        self.kill()
        return self.start()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_exit(self, seconds: float = 30) -> int:
        """The exit code of a server that ends by itself."""
        assert self._process is not None
        code = self._process.wait(seconds * SLOWNESS)
        self._process = None
        self.check_log()
        return code

    # -- addresses ----------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def address(self) -> str:
        """host:port of gRPC."""
        return self._addresses["grpc"]

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    @property
    def uri(self) -> str:
        return f"http://{self.address}"

    @property
    def http(self) -> str:
        """host:port of health and metrics."""
        return self._addresses["http"]

    def http_get(self, path: str) -> tuple[int, str]:
        """Status code and body of a page of the metrics port."""
        try:
            with urllib.request.urlopen(f"http://{self.http}{path}", timeout=10 * SLOWNESS) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    # -- log ----------------------------------------------------------------------------------

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def check_log(self) -> None:
        """Fails on what a sanitizer has reported since the last look."""
        if not self.log_path.exists():
            return
        with open(self.log_path, "rb") as log:
            log.seek(self._checked_bytes)
            text = log.read()
        self._checked_bytes += len(text)
        sanitizers.check(text.decode(errors="replace"))

    # -- figures ------------------------------------------------------------------------------

    def cpu_seconds(self) -> float:
        """User and system time that the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    # -- internals ----------------------------------------------------------------------------

    def _address_file(self) -> Path:
        return self.data / "server.json"

    def _read_addresses(self) -> dict | None:
        process = self._process
        if process is None or process.poll() is not None:
            raise ServerDied(f"the server ended while starting:\n{self.log_tail()}")
        try:
            addresses = json.loads(self._address_file().read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return addresses if addresses.get("pid") == process.pid else None

    def __enter__(self) -> Server:
        return self if self.alive() else self.start()

    def __exit__(self, *_) -> None:
        if self.alive():
            self.stop()
        else:
            self.kill()


def disk_bytes(folder: Path) -> int:
    """Bytes that the files under `folder` occupy on the disk; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total
