"""A container engine of the tests' own, with the images that the compose files name, made here: no registry is asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.server import REPOSITORY, kite_binary, wait_until

CACHE = Path(os.environ.get("KITE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kite")
ETCD_IMAGE = "quay.io/coreos/etcd:v3.5.25"
MINIO_IMAGE = "minio/minio:RELEASE.2024-12-18T13-15-44Z"
KITE_IMAGE = "kite:latest"


def run(*command: str, environment: dict[str, str] | None = None, seconds: float = 120, check: bool = True) -> str:
    """What the command writes; CalledProcessError with it when it fails."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def pinned(name: str) -> str:
    for line in (REPOSITORY / "tools/versions").read_text().splitlines():
        if line.startswith(name + "="):
            return line.partition("=")[2]
    raise KeyError(name)


class Engine:
    """dockerd as a child process, with its data in a temporary folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="kite-docker-"))
        self.environment = {"DOCKER_HOST": f"unix://{self._folder}/socket", "DOCKER_BUILDKIT": "0"}
        self._log = open(self._folder / "log", "wb")  # noqa: SIM115
        self._process = subprocess.Popen(
            [
                "/usr/sbin/dockerd",
                f"--data-root={self._folder}/data",
                f"--exec-root={self._folder}/exec",
                f"--pidfile={self._folder}/pid",
                f"--host=unix://{self._folder}/socket",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        try:
            wait_until(self._answers, "the container engine", 60, interval=0.2)
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"dockerd ended:\n{(self._folder / 'log').read_text()[-3000:]}")
        done = subprocess.run(
            ["docker", "info"], env={**os.environ, **self.environment}, capture_output=True, check=False
        )
        return done.returncode == 0

    def docker(self, *arguments: str, seconds: float = 300) -> str:
        return run("docker", *arguments, environment=self.environment, seconds=seconds)

    def stop(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self._process.kill()
        self._process.wait(30)
        self._log.close()
        host = self._folder / "exec/netns/default"  # stays mounted when a build used the host's network
        if host.exists():
            subprocess.run(["umount", str(host)], capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def make_images(self) -> None:
        self.docker("import", str(CACHE / "debian-bookworm-slim.tar"), "debian:bookworm-slim")
        with tempfile.TemporaryDirectory() as work:
            self._make_kite(Path(work) / "kite")
            self._make_server(Path(work) / "etcd", ETCD_IMAGE, "etcd", "etcdctl")
            minio = CACHE / f"minio-{pinned('MINIO_VERSION')}" / "minio"
            self._make_server(Path(work) / "minio", MINIO_IMAGE, str(minio), "curl")

    def _make_kite(self, folder: Path) -> None:
        run(str(REPOSITORY / "deploy/docker/stage.sh"), str(folder), str(kite_binary().parent))
        dockerfile = REPOSITORY / "deploy/docker/Dockerfile"
        self.docker("build", "-f", str(dockerfile), "--target", "staged", "-t", KITE_IMAGE, str(folder))

    def compile_kite(self, image: str) -> None:
        """Builds the Dockerfile as a user does, from a checkout of what is committed."""
        with tempfile.TemporaryDirectory() as work:
            self._make_machines_base(Path(work) / "base")
            checkout = Path(work) / "checkout"
            checkout.mkdir()
            archive = subprocess.run(["git", "-C", str(REPOSITORY), "archive", "HEAD"], check=True, capture_output=True)
            subprocess.run(["tar", "-x", "-C", str(checkout)], check=True, input=archive.stdout)
            dockerfile = str(checkout / "deploy/docker/Dockerfile")
            arguments = ("--network", "host", "-f", dockerfile, "-t", image, str(checkout))
            self.docker("build", *arguments, seconds=90 * 60)

    def _make_machines_base(self, folder: Path) -> None:
        """The base, asking the mirrors that this machine asks, and trusting whom it trusts. A compiler cache (CCACHE_DIR)
        is taken along."""
        for path in ("etc/apt/sources.list.d", "usr/local/share/ca-certificates"):
            if Path("/", path).is_dir():
                shutil.copytree(Path("/", path), folder / path)
        for path in ("etc/apt/sources.list", "etc/pip.conf"):
            if Path("/", path).is_file():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path("/", path), folder / path)
        if cache := os.environ.get("CCACHE_DIR"):
            shutil.copytree(cache, folder / "root/.cache/ccache")
        # The compiler cache knows the language of messages, too.
        lines = ["FROM debian:bookworm-slim", "COPY . /", f"ENV LANG={os.environ.get('LANG') or 'C'}"]
        (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
        self.docker("build", "-t", "debian:bookworm-slim", str(folder), seconds=600)

    def _make_server(self, folder: Path, image: str, *programs: str) -> None:
        run(str(REPOSITORY / "deploy/docker/stage.sh"), str(folder), "--program", *programs)
        (folder / "Dockerfile").write_text("FROM debian:bookworm-slim\nCOPY usr /usr\nRUN ldconfig\n")
        self.docker("build", "-t", image, str(folder))


class Compose:
    """One compose project: a file, or several on top of one another."""

    def __init__(self, engine: Engine, folder: Path, *files: Path, project: str = "kite-test"):
        self._engine = engine
        self._base = ["docker-compose", "-p", project]
        for file in files:
            self._base += ["-f", str(file)]
        self._environment = {**engine.environment, "DOCKER_VOLUME_DIRECTORY": str(folder)}

    def __call__(self, *arguments: str, seconds: float = 180) -> str:
        return run(*self._base, *arguments, environment=self._environment, seconds=seconds)

    def container(self, service: str) -> str:
        return self("ps", "-q", service).strip()

    def health(self, service: str) -> str:
        return self._engine.docker("inspect", "-f", "{{.State.Health.Status}}", self.container(service)).strip()

    def wait_healthy(self, service: str, seconds: float = 120) -> None:
        wait_until(lambda: self.health(service) == "healthy", f"{service} to be healthy", seconds, interval=0.2)
