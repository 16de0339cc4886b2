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
