"""Crash oracle: mixed writes against a server that is killed at random points; nothing acknowledged may be missing.

Several threads insert, upsert, delete, flush, build indexes and compact, each on keys of its own, and write down what
the server acknowledged. `kill -9` comes while calls are in flight. After the restart every collection must hold exactly
what was acknowledged; a call that was in flight may have happened or not, but as a whole. Vectors are derived from
(key, version), so that a row can be checked bit by bit without keeping it.

    python tests/soak/oracle.py --cycles 300 --seed 7

The same seed makes the same operations and the same moments of the kills; how far the server gets until then is up to
the machine.

With KITE_STORES (harness/stores.py) the stores are servers, and --victim names who is hit instead of Kite: `etcd`,
`kafka` or `s3` is killed with -9 and started again, or stopped for a while and continued, in turns. The server goes on
then; what was in flight ends with success or an error.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.clients import connect
from harness.collections import create, create_index, key_field, vector_field, wait_indexed
from harness.server import SLOWNESS, Server, wait_until
from harness.stores import chosen, stores
from pymilvus import DataType, MilvusClient

DIM = 24
KEYS_PER_THREAD = 1500
THREADS = 3
INDEXES = [
    ("FLAT", {}),
    ("IVF_FLAT", {"nlist": 16}),
    ("HNSW", {"M": 8, "efConstruction": 40}),
    ("IVF_SQ8", {"nlist": 16}),
]
SETTINGS = {"log.level": "warn"}
# A call that the kill cuts off fails; the SDK does not send it again to the restarted server.
ONCE = {"retry_times": 0}


def vector_of(key: int, version: int) -> np.ndarray:
    """The vector that this version of this key has, and no other."""
    digest = hashlib.blake2b(f"{key}/{version}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest)).standard_normal(DIM, dtype=np.float32)


def row_of(key: int, version: int) -> dict:
    return {"id": key, "version": version, "text": f"{key}:{version}" * (key % 5), "vec": vector_of(key, version)}


@dataclass
class Operation:
    """What one call does to the keys of its thread: key -> version, or None where it is deleted."""

    kind: str
    effect: dict[int, int | None] = field(default_factory=dict)


@dataclass
class Owner:
    """A thread's keys: the acknowledged state, and the call whose outcome is not known."""

    number: int
    state: dict[int, int] = field(default_factory=dict)
    unknown: Operation | None = None
    versions: itertools.count = field(default_factory=lambda: itertools.count(1))
    acknowledged: int = 0

    @property
    def first(self) -> int:
        return self.number * KEYS_PER_THREAD

    def generate(self, random: np.random.Generator) -> Operation:
        kind = str(random.choice(["insert", "upsert", "delete", "filter"], p=[0.4, 0.35, 0.2, 0.05]))
        size = int(random.choice([1, 5, 40, 250]))
        if kind == "filter":
            low = self.first + int(random.integers(KEYS_PER_THREAD - 30))
            return Operation(kind, dict.fromkeys(range(low, low + 30)))
        if kind == "insert":
            free = [k for k in range(self.first, self.first + KEYS_PER_THREAD) if k not in self.state]
            keys = random.permutation(free)[:size]
        else:
            keys = self.first + random.choice(KEYS_PER_THREAD, size, replace=False)
        version = next(self.versions)
        return Operation(kind, {int(key): None if kind == "delete" else version for key in keys})

    def apply(self, operation: Operation) -> None:
        self.state = applied(self.state, operation)


def applied(state: dict[int, int], operation: Operation) -> dict[int, int]:
    merged = {**state, **operation.effect}
    return {key: version for key, version in merged.items() if version is not None}


def call(client: MilvusClient, collection: str, operation: Operation) -> None:
    effect = operation.effect
    if not effect:
        return
    if operation.kind == "insert":
        client.insert(collection, [row_of(key, version) for key, version in effect.items()], **ONCE)
    elif operation.kind == "upsert":
        client.upsert(collection, [row_of(key, version) for key, version in effect.items()], **ONCE)
    elif operation.kind == "delete":
        client.delete(collection, ids=list(effect), **ONCE)
    else:
        client.delete(collection, filter=f"{min(effect)} <= id <= {max(effect)}", **ONCE)


class Wrong(AssertionError):
    """The database does not hold what it acknowledged."""


class Oracle:
    """One server, one collection, and what is known of it."""

    def __init__(self, data: Path, seed: int, victim: str = "kite"):
        self.server = Server(data, settings=SETTINGS)
        self.victim = victim
        self.seed = seed
        self.collection = "oracle"
        self.owners = [Owner(number) for number in range(THREADS)]
        self.cycle = 0
        self.index = 0

    def prepare(self) -> None:
        self.server.start()
        client = connect(self.server)
        fields = [
            key_field(),
            ("version", DataType.INT64, {}),
            ("text", DataType.VARCHAR, {"max_length": 200}),
            vector_field(DIM),
        ]
        kind, params = INDEXES[0]
        create(client, self.collection, fields, index=kind, params=params)
        create(client, "bystander", fields)
        client.insert("bystander", [row_of(key, 1) for key in range(100)])
        client.close()

    # -- one cycle ----------------------------------------------------------------------------

    def run_cycle(self) -> None:
        """Work, kill -9 while it is under way, restart, verify."""
        random = np.random.default_rng([self.seed, self.cycle])
        stop = threading.Event()
        failures: list[BaseException] = []
        clients = [connect(self.server) for _ in range(THREADS + 1)]
        workers = [
            threading.Thread(target=self._work, args=(owner, client, stop, failures))
            for owner, client in zip(self.owners, clients[1:], strict=True)
        ]
        workers.append(threading.Thread(target=self._maintain, args=(clients[0], stop)))
        for worker in workers:
            worker.start()
        time.sleep(float(random.uniform(0.05, 0.7)) * SLOWNESS)
        if self.victim == "kite":
            stop.set()  # no new calls; those in flight are cut off
            self._kill_kite()
        else:
            self._hit_store(random)
            stop.set()
        if not self.server.alive() and self.victim != "kite":
            raise Wrong("the server died by itself")
        for worker in workers:
            worker.join(60 * SLOWNESS)
            if worker.is_alive():
                raise Wrong(f"a call does not end after {self.victim} was hit")
        for client in clients:
            client.close()  # not earlier: gRPC for Python may crash on a call that begins on a channel being closed
        if failures:
            raise failures[0]
        if self.victim == "kite":
            self.server.start()
        else:
            wait_until(lambda: self.server.http_get("/readyz")[0] == 200, "the server to recover", 60)
        self.verify()
        self.cycle += 1

    def _kill_kite(self) -> None:
        if not self.server.alive():
            raise Wrong("the server died by itself")
        self.server.kill()

    def _hit_store(self, random: np.random.Generator) -> None:
        """Calls go on meanwhile and after it."""
        store = stores().servers[self.victim]
        if self.cycle % 2 == 0:
            store.restart()
        else:
            store.pause(float(random.uniform(0.1, 3)))
        time.sleep(float(random.uniform(0.05, 0.5)) * SLOWNESS)

    def _work(self, owner: Owner, client: MilvusClient, stop: threading.Event, failures: list[BaseException]) -> None:
        random = np.random.default_rng([self.seed, self.cycle, owner.number])
        try:
            while not stop.is_set():
                operation = owner.generate(random)
                owner.unknown = operation
                call(client, self.collection, operation)
                owner.apply(operation)
                owner.unknown = None
                owner.acknowledged += 1
        except Exception as error:  # noqa: BLE001 - the SDK raises many kinds when its server dies
            # A store that is hit fails calls while the server lives: the thread rests until the next cycle.
            if not stop.is_set() and self.victim == "kite":
                failures.append(error)

    def _maintain(self, client: MilvusClient, stop: threading.Event) -> None:
        """Flushes, compactions, and now and then another index; failures are the kill's."""
        random = np.random.default_rng([self.seed, self.cycle, 1000])
        with contextlib.suppress(Exception):
            if random.random() < 0.15:
                self._change_index(client)
            while not stop.is_set():
                client.flush(self.collection, **ONCE)
                if random.random() < 0.5:
                    client.compact(self.collection, **ONCE)
                stop.wait(float(random.uniform(0, 0.15)))

    def _change_index(self, client: MilvusClient) -> None:
        self.index = (self.index + 1) % len(INDEXES)
        kind, params = INDEXES[self.index]
        client.release_collection(self.collection, **ONCE)
        client.drop_index(self.collection, "vec", **ONCE)
        create_index(client, self.collection, "vec", kind, "L2", params, **ONCE)
        client.load_collection(self.collection, **ONCE)

    # -- verification -------------------------------------------------------------------------

    def verify(self) -> None:
        client = connect(self.server)
        self._repair_index(client)
        rows = client.query(
            self.collection, filter="id >= 0", output_fields=["version", "text", "vec"], consistency_level="Strong"
        )
        self._check_rows(rows)
        for owner in self.owners:
            self._settle(
                owner,
                {row["id"]: row["version"] for row in rows if owner.first <= row["id"] < owner.first + KEYS_PER_THREAD},
            )
        expected = sum(len(owner.state) for owner in self.owners)
        self._check_counts(client, expected, len(rows))
        self._check_search(client, rows)
        bystanders = client.query(
            "bystander", filter="id >= 0", output_fields=["version", "text", "vec"], consistency_level="Strong"
        )
        if [row["id"] for row in bystanders] != list(range(100)):
            raise Wrong(f"the other collection holds {len(bystanders)} rows, not 100")
        self._check_rows(bystanders)
        client.close()

    def _repair_index(self, client: MilvusClient) -> None:
        """The kill may have come between dropping an index and loading again."""
        kind, params = INDEXES[self.index]
        if client.describe_index(self.collection, "vec") is None:
            create_index(client, self.collection, "vec", kind, "L2", params)
        client.load_collection(self.collection)

    def _check_rows(self, rows: list[dict]) -> None:
        keys = [row["id"] for row in rows]
        if len(set(keys)) != len(keys):
            raise Wrong("a key is there twice")
        for row in rows:
            true = row_of(row["id"], row["version"])
            if np.asarray(row["vec"], np.float32).tobytes() != true["vec"].tobytes() or row["text"] != true["text"]:
                raise Wrong(f"row {row['id']} is not its version {row['version']}")

    def _settle(self, owner: Owner, found: dict[int, int]) -> None:
        """What is there must be the acknowledged state, with or without the call that was in flight."""
        outcomes = [owner.state]
        if owner.unknown is not None:
            outcomes.append(applied(owner.state, owner.unknown))
        if found not in outcomes:
            raise Wrong(
                f"thread {owner.number}, in flight {owner.unknown and owner.unknown.kind}: "
                f"{difference(owner.state, found)}"
            )
        owner.state, owner.unknown = found, None

    def _check_counts(self, client: MilvusClient, expected: int, rows: int) -> None:
        counted = client.query(self.collection, output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]
        stored = client.get_collection_stats(self.collection)["row_count"]
        if not expected == rows == counted == stored:
            raise Wrong(
                f"{expected} rows were acknowledged, {rows} are there, count(*) says {counted}, num_entities {stored}"
            )

    def _check_search(self, client: MilvusClient, rows: list[dict]) -> None:
        """Some rows are their own nearest neighbours; what comes back exists."""
        if not rows:
            return
        random = np.random.default_rng([self.seed, self.cycle, 2000])
        some = [rows[i] for i in random.integers(len(rows), size=10)]
        result = client.search(
            self.collection,
            data=[np.asarray(row["vec"], np.float32) for row in some],
            limit=3,
            anns_field="vec",
            # As good as exact: a graph of 8 links a node may not reach a far-out row sooner.
            search_params={"params": {"ef": 2000, "nprobe": 16}},
        )
        known = {row["id"] for row in rows}
        for row, hits in zip(some, result, strict=True):
            keys = [hit.id for hit in hits]
            if row["id"] not in keys or not set(keys) <= known:
                raise Wrong(f"a search for row {row['id']} found {keys}")

    def finish(self) -> None:
        """A clean stop, a check of every checksum, and one more look."""
        from harness.server import run_kite

        client = connect(self.server)
        client.flush(self.collection)
        wait_indexed(client, self.collection, "vec")
        client.close()
        self.server.stop()
        report = run_kite("check", str(self.server.data), *self.server.sets(), seconds=300)
        if report.returncode != 0:
            raise Wrong(f"kite check: {report.stdout}{report.stderr}")
        self.server.start()
        self.verify()
        self.server.stop()


def difference(state: dict[int, int], found: dict[int, int]) -> str:
    missing = sorted(set(state) - set(found))
    extra = sorted(set(found) - set(state))
    changed = sorted(key for key in set(state) & set(found) if state[key] != found[key])
    return (
        f"missing {missing[:10]} ({len(missing)}), unexpected {extra[:10]} ({len(extra)}), "
        f"other version {[(k, state[k], found[k]) for k in changed[:5]]} ({len(changed)})"
    )


def run(data: Path, cycles: int, seed: int, report=print, victim: str = "kite") -> Oracle:
    """`cycles` crashes; raises Wrong with what was found. The data stays where it is for a look."""
    oracle = Oracle(data, seed, victim)
    started = time.monotonic()
    report(f"seed {seed}, {cycles} cycles of {victim}, data in {data}")
    try:
        oracle.prepare()
        for number in range(cycles):
            oracle.run_cycle()
            if number % 10 == 9 or number + 1 == cycles:
                acknowledged = sum(owner.acknowledged for owner in oracle.owners)
                rows = sum(len(owner.state) for owner in oracle.owners)
                report(
                    f"cycle {number + 1}/{cycles}: {acknowledged} calls acknowledged, {rows} rows, "
                    f"{time.monotonic() - started:.0f} s"
                )
        oracle.finish()
    except Exception as error:
        report(f"seed {seed}, cycle {oracle.cycle}: {error}\n{oracle.server.log_tail()}")
        raise
    finally:
        oracle.server.kill()
    return oracle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=300)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--data", type=Path, help="an empty folder to use; a temporary one otherwise")
    parser.add_argument("--victim", choices=["kite", *chosen()], default="kite", help="who is killed or stopped")
    arguments = parser.parse_args()
    folder = arguments.data or Path(tempfile.mkdtemp(prefix="kite-oracle-")) / "data"
    folder.parent.mkdir(parents=True, exist_ok=True)
    run(folder, arguments.cycles, arguments.seed, victim=arguments.victim)
    print("everything that was acknowledged is there, and nothing else")


if __name__ == "__main__":
    main()
