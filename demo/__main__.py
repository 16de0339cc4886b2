"""Finds Debian packages by what they do: real texts, a real model, an unmodified Milvus client, a Kite server.

Takes a fixed sample of the package descriptions of the Debian archive, embeds them, inserts them, builds an index, and
asks questions. Starts a server of its own on a free port with its data in a temporary folder; with --uri it uses one
that runs already.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from minilm import MiniLM
from pymilvus import DataType, MilvusClient
from tqdm import tqdm

COLLECTION = "debian_packages"
QUESTIONS = [
    ("resize photos from the shell", ""),
    ("play chess against the computer", ""),
    ("find out which process fills my disk", ""),
    ("turn a web page into a PDF", 'section != "doc"'),
    ("library to parse command line arguments", 'section == "python"'),
]
SEED = 7


def packages() -> list[dict]:
    """Name, section and description of every package that apt knows, by name."""
    dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    found: dict[str, dict] = {}
    for stanza in dump.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if line[:1].isalpha() and ": " in line)
        if fields.get("Package") and fields.get("Description"):
            section = fields.get("Section", "unknown").split("/")[-1]
            found[fields["Package"]] = {
                "name": fields["Package"],
                "section": section,
                "size_kb": int(fields.get("Installed-Size", 0)),
                "text": fields["Description"],
            }
    return [found[name] for name in sorted(found)]


@contextlib.contextmanager
def started_server(binary: str) -> Iterator[str]:
    """The URI of a Kite process with its data in a temporary folder; both are gone at the end."""
    with tempfile.TemporaryDirectory(prefix="kite-demo-") as folder, open(Path(folder) / "server.log", "wb") as log:
        data = Path(folder) / "data"
        command = [binary, "run", "standalone", "--data", str(data), "--port", "0", "--metrics-port", "0"]
        process = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            yield "http://" + json.loads(wait_for_file(data / "server.json", process).read_text())["grpc"]
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for_file(path: Path, process: subprocess.Popen) -> Path:
    """The file that the server writes once it can serve."""
    deadline = time.monotonic() + 30
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the server did not start:\n{(path.parent.with_name('server.log')).read_text()}")
        time.sleep(0.005)
    return path


def fill(client: MilvusClient, model: MiniLM, rows: list[dict]) -> None:
    schema = client.create_schema()
    schema.add_field("name", DataType.VARCHAR, max_length=200, is_primary=True)
    schema.add_field("section", DataType.VARCHAR, max_length=64)
    schema.add_field("size_kb", DataType.INT64)
    schema.add_field("text", DataType.VARCHAR, max_length=1000)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=MiniLM.DIM)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 200})
    if client.has_collection(COLLECTION):
        client.drop_collection(COLLECTION)
    client.create_collection(COLLECTION, schema=schema, index_params=index)

    embedding = inserting = 0.0
    with tqdm(total=len(rows), unit=" texts", desc="embed and insert") as bar:
        started = time.perf_counter()
        for indices, vectors in model.embed([row["text"] for row in rows]):
            embedded = time.perf_counter()
            batch = [rows[i] | {"vector": vector} for i, vector in zip(indices, vectors)]
            client.insert(COLLECTION, batch)
            now = time.perf_counter()
            embedding += embedded - started
            inserting += now - embedded
            started = now
            bar.update(len(batch))
    print(f"{len(rows)} texts: {embedding:.1f} s in the model, {inserting:.1f} s in insert calls")
    started = time.perf_counter()
    client.flush(COLLECTION)
    while client.describe_index(COLLECTION, "vector")["pending_index_rows"]:
        time.sleep(0.01)
    print(f"flush and HNSW index: {time.perf_counter() - started:.1f} s")


def ask(client: MilvusClient, model: MiniLM) -> None:
    for question, condition in QUESTIONS:
        vector = model.embed_all([question])[0]
        started = time.perf_counter()
        hits = client.search(
            COLLECTION, [vector], filter=condition, limit=4, output_fields=["section", "text"], consistency_level="Strong"
        )[0]
        elapsed = (time.perf_counter() - started) * 1000
        print(f"\n{question!r}" + (f"  where {condition}" if condition else "") + f"  ({elapsed:.1f} ms)")
        for hit in hits:
            print(f"  {hit['distance']:.3f}  {hit['name']:<28} {hit['entity']['text'][:70]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", help="a server that runs already; without it one is started")
    parser.add_argument("--texts", type=int, default=12000, help="size of the sample (default 12000)")
    options = parser.parse_args()
    everything = packages()
    if len(everything) < 1000:
        sys.exit("apt knows hardly any packages; run 'apt-get update' first")
    rows = random.Random(SEED).sample(everything, min(options.texts, len(everything)))
    model = MiniLM(Path(os.environ["KITE_MODEL"]))
    with contextlib.ExitStack() as stack:
        uri = options.uri or stack.enter_context(started_server(os.environ["KITE_BIN"]))
        client = stack.enter_context(contextlib.closing(MilvusClient(uri)))
        print(f"{len(everything)} descriptions in the archive, a sample of {len(rows)} is used")
        fill(client, model, rows)
        ask(client, model)


if __name__ == "__main__":
    # Ended from outside is ended like Ctrl-C: the server that was started goes too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nstopped")
