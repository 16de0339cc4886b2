#!/usr/bin/env python3
"""bm25s and tantivy on the texts that prepare.py wrote: peers.py FOLDER

One thread, CPU time, the median over the queries of the best of three runs, k = 10, a query per call. The time of
an empty Python call is subtracted. Each library scores by its own BM25 (k1 1.2, b 0.75); words are the prepared
ones, nothing dropped or stemmed. tantivy combines the words by OR.
"""

import os

os.environ.update({"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"})

import pathlib
import statistics
import sys
import tempfile
import time
from importlib import metadata

import bm25s
import tantivy

K = 10


def micros(call, query) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.thread_time_ns()
        call(query)
        best = min(best, time.thread_time_ns() - start)
    return best / 1000


def median(call, queries) -> float:
    nothing = statistics.median(micros(lambda _: None, q) for q in queries)
    return statistics.median(micros(call, q) for q in queries) - nothing


def make_bm25s(texts):
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    index.index([text.split() for text in texts], show_progress=False)

    def search(words):
        return index.retrieve([words], k=K, show_progress=False, n_threads=0)

    return search, [str.split]


def make_tantivy(texts, folder):
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("text", tokenizer_name="whitespace", index_option="freq")
    schema = builder.build()
    index = tantivy.Index(schema, path=folder)
    writer = index.writer(num_threads=1)
    for text in texts:
        writer.add_document(tantivy.Document(text=text))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(query):
        return searcher.search(query, K, count=False).hits

    def parse(text):
        words = [tantivy.Query.term_query(schema, "text", word, "freq") for word in dict.fromkeys(text.split())]
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, word) for word in words])

    return search, [parse]


def main():
    folder = pathlib.Path(sys.argv[1])
    texts = (folder / "base.txt").read_text().splitlines()
    with tempfile.TemporaryDirectory() as place:
        for name, (search, (prepare,)) in (
            (f"bm25s {bm25s.__version__}", make_bm25s(texts)),
            (f"tantivy {metadata.version('tantivy')}", make_tantivy(texts, place)),
        ):
            for kind in ("short", "whole"):
                queries = [prepare(text) for text in (folder / f"{kind}.txt").read_text().splitlines()]
                print(f"{name:16} {kind:6} {median(search, queries):9.1f} us", flush=True)


if __name__ == "__main__":
    main()
