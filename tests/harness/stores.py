"""The servers behind a Kite under test: etcd, Kafka and MinIO as child processes, by what KITE_STORES says.

    KITE_STORES=embedded            the default: nothing to start
    KITE_STORES=etcd                metadata in etcd
    KITE_STORES=etcd+kafka+s3       all three; any mix is possible

They are started once per test run and shared; each data folder gets a prefix, a topic and a root path of its own.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

KNOWN = ("etcd", "kafka", "s3")
ACCESS_KEY, SECRET_KEY = "kite-access", "kite-secret"


def chosen() -> list[str]:
    """The stores that are not embedded."""
    text = os.environ.get("KITE_STORES", "embedded")
    names = [] if text == "embedded" else text.split("+")
    if unknown := set(names) - set(KNOWN):
        raise ValueError(f"KITE_STORES={text}: {', '.join(sorted(unknown))} is none of {', '.join(KNOWN)}, embedded")
    return names


def cache() -> Path:
    """Where tools/setup.sh puts what is not in the distribution."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(os.environ.get("KITE_CACHE", home / "kite"))


def pinned(name: str) -> str:
    """A version of tools/versions."""
    versions = Path(__file__).resolve().parents[2] / "tools" / "versions"
    return next(line.split("=", 1)[1] for line in versions.read_text().splitlines() if line.startswith(f"{name}="))


_given_ports: set[int] = set()


def free_port() -> int:
    """Below the range of outgoing connections, so that a server can be restarted on it; each port once."""
    while True:
        port = random.randrange(12_000, 32_000)
        if port in _given_ports:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given_ports.add(port)
        return port


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


class StoreServer:
    """One server program."""

    def __init__(self, name: str, command: Sequence[str], ready: Callable[[], bool], log: Path, **environment: str):
        self.name = name
        # It dies with the test run, also when that is killed. (Python's own hook for this is not safe beside gRPC.)
        self._command = ["setpriv", "--pdeathsig", "KILL", *command]
        self._ready = ready
        self._log = log
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen | None = None

    def start(self, seconds: float = 120) -> StoreServer:
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        deadline = time.monotonic() + seconds
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def restart(self) -> None:
        """kill -9 and start again."""
        self.kill()
        self.start()

    def pause(self, seconds: float) -> None:
        """Answers nothing for a while, and keeps its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)


class Stores:
    """The store servers of one test run."""

    def __init__(self, names: Sequence[str], log_requests: bool = False):
        """`log_requests`: so that requests() knows those to Kafka, which takes time."""
        self.names = list(names)
        self._log_requests = log_requests
        self.servers: dict[str, StoreServer] = {}
        self._ports: dict[str, int] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="kite-stores-")) if names else None
        for name in names:
            self._ports[name] = free_port()
            self.servers[name] = getattr(self, f"_{name}")(self._ports[name])
        for server in self.servers.values():
            server.start()

    def settings(self, data: Path) -> dict[str, object]:
        """What a Kite with this data folder needs to use them."""
        own = hashlib.blake2b(str(Path(data).resolve()).encode(), digest_size=8).hexdigest()
        settings: dict[str, object] = {}
        if "etcd" in self.names:
            settings |= {"etcd.endpoints": f"127.0.0.1:{self._ports['etcd']}", "etcd.rootPath": own}
        if "s3" in self.names:
            settings |= {
                "minio.address": f"127.0.0.1:{self._ports['s3']}",
                "minio.bucketName": "kite-test",
                "minio.rootPath": own,
                "minio.accessKeyID": ACCESS_KEY,
                "minio.secretAccessKey": SECRET_KEY,
                "kite.cache.maxBytes": 1 << 30,
            }
        if "kafka" in self.names:
            settings |= {
                "mq.type": "kafka",
                "kafka.brokerList": f"127.0.0.1:{self._ports['kafka']}",
                "kite.kafka.topic": f"log-{own}",
                "kite.kafka.replicas": 1,
                "kite.kafka.minInsyncReplicas": 1,
            }
        return settings

    def folder(self, name: str) -> Path:
        """Where a server keeps its data."""
        return self._folder / {"etcd": "etcd", "kafka": "kafka/data", "s3": "minio"}[name]

    def requests(self) -> dict[str, int]:
        """What each store was asked since it started, by kind: "kafka Fetch"."""
        counts: dict[str, int] = {}
        if "etcd" in self.names:
            # Of a stream each message counts: a lease is kept alive by one.
            pattern = r'^grpc_server_msg_received_total\{grpc_method="(\w+)",[^}]*\} (\S+)$'
            counts |= self._counters("etcd", "metrics", pattern)
        if "s3" in self.names:
            counts |= self._counters(
                "s3", "minio/v2/metrics/cluster", r'^minio_s3_requests_total\{api="(\w+)",[^}]*\} (\S+)$'
            )
        if "kafka" in self.names and self._log_requests:
            for line in (self._folder / "kafka.log").read_text(errors="replace").splitlines():
                if '"clientId":"kite"' in line and (found := re.search(r'"requestApiKeyName":"(\w+)"', line)):
                    counts[f"kafka {found[1]}"] = counts.get(f"kafka {found[1]}", 0) + 1
        return counts

    def _counters(self, name: str, page: str, pattern: str) -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._ports[name]}/{page}", timeout=10) as reply:
            found = re.findall(pattern, reply.read().decode(), re.MULTILINE)
        return {f"{name} {kind}": int(float(count)) for kind, count in found}

    def stop(self) -> None:
        for server in self.servers.values():
            server.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    # -- the programs -------------------------------------------------------------------------

    def _etcd(self, port: int) -> StoreServer:
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        command = [
            "etcd",
            "--name=test",
            f"--data-dir={self._folder}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}",
            "--logger=zap",
            "--log-level=warn",
        ]
        return StoreServer("etcd", command, lambda: answers(f"{client}/health"), self._folder / "etcd.log")

    def _s3(self, port: int) -> StoreServer:
        program = cache() / f"minio-{pinned('MINIO_VERSION')}" / "minio"
        address = f"127.0.0.1:{port}"
        command = [str(program), "server", "--quiet", "--address", address, f"{self._folder}/minio"]
        return StoreServer(
            "s3",
            command,
            lambda: answers(f"http://{address}/minio/health/live"),
            self._folder / "minio.log",
            MINIO_ROOT_USER=ACCESS_KEY,
            MINIO_ROOT_PASSWORD=SECRET_KEY,
            MINIO_BROWSER="off",
            MINIO_UPDATE="off",
            MINIO_CI_CD="on",  # the data may be on the device of the root file system
            MINIO_PROMETHEUS_AUTH_TYPE="public",
            HOME=str(self._folder),
        )

    def _kafka(self, port: int) -> StoreServer:
        jars = cache() / f"kafka-{pinned('KAFKA_VERSION')}"
        controller, folder = free_port(), self._folder / "kafka"
        folder.mkdir()
        properties = folder / "server.properties"
        properties.write_text(
            f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
num.network.threads=2
num.io.threads=2
log.cleaner.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""
        )
        java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        java += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        if self._log_requests:
            java.append("-Dorg.slf4j.simpleLogger.log.kafka.request.logger=debug")
        java += ["-cp", f"{jars}/*"]
        subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", "-t", "a2l0ZS1rYWZrYS10ZXN0cw", "-c", str(properties)],
            check=True,
            capture_output=True,
        )
        return StoreServer(
            "kafka", [*java, "kafka.Kafka", str(properties)], lambda: accepts(port), self._folder / "kafka.log"
        )


_stores: Stores | None = None


def stores(log_requests: bool = False) -> Stores:
    """Those of this run, started by the first call, which decides whether they log requests."""
    global _stores
    if _stores is None:
        _stores = Stores(chosen(), log_requests)
        atexit.register(_stores.stop)
    return _stores
