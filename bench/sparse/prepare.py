#!/usr/bin/env python3
"""Sparse vectors of the Debian package descriptions: prepare.py FOLDER

Texts are `apt-cache dumpavail` (synopsis and long description, one per package name, duplicates
left out). Words are runs of letters and digits in lower case; nothing is dropped or stemmed. Writes
base.csr with BM25 weights (k1 1.2, b 0.75, the idf included), short.csr (2 to 4 words that follow
each other in a synopsis) and whole.csr (whole texts) with the counts of the words, 1000 queries each,
drawn with a fixed seed, and the texts beside them (base.txt, short.txt, whole.txt) for other
libraries.
"""

import collections
import math
import pathlib
import random
import re
import subprocess
import sys

import numpy as np

QUERIES = 1000
K1, B = 1.2, 0.75
WORD = re.compile(r"[a-z0-9]+")


def packages():
    """(name, synopsis, text) of each package, in order of names."""
    dump = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    found = {}
    for paragraph in dump.split("\n\n"):
        name = re.search(r"^Package: (.+)$", paragraph, re.M)
        text = re.search(r"^Description(?:-en)?: (.*(?:\n .*)*)", paragraph, re.M)
        if name and text:
            lines = text.group(1).split("\n")
            body = " ".join("" if line.strip() == "." else line.strip() for line in lines)
            found[name.group(1)] = (lines[0], " ".join(body.split()))
    seen = set()
    for name, (synopsis, text) in sorted(found.items()):
        if text not in seen:
            seen.add(text)
            yield name, synopsis, text


def words(text):
    return WORD.findall(text.lower())


def write_csr(path, rows, columns):
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum([len(row) for row in rows])
    with open(path, "wb") as out:
        np.array([len(rows), columns, offsets[-1]], dtype=np.int64).tofile(out)
        offsets.tofile(out)
        np.concatenate([np.array([i for i, _ in row], dtype=np.int32) for row in rows]).tofile(out)
        np.concatenate([np.array([v for _, v in row], dtype=np.float32) for row in rows]).tofile(out)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    texts = list(packages())
    counts = [collections.Counter(words(text)) for _, _, text in texts]
    vocabulary = {word: i for i, word in enumerate(sorted(set().union(*counts)))}
    frequency = collections.Counter(word for count in counts for word in count)
    n = len(texts)
    idf = {word: math.log(1 + (n - df + 0.5) / (df + 0.5)) for word, df in frequency.items()}
    lengths = [sum(count.values()) for count in counts]
    mean = sum(lengths) / n

    def weights(count, length):
        norm = K1 * (1 - B + B * length / mean)
        return sorted((vocabulary[w], idf[w] * tf * (K1 + 1) / (tf + norm)) for w, tf in count.items())

    write_csr(folder / "base.csr", [weights(c, l) for c, l in zip(counts, lengths)], len(vocabulary))

    shuffled = random.Random(4711)
    order = list(range(n))
    shuffled.shuffle(order)
    short, whole = [], []
    for i in order:
        synopsis = words(texts[i][1])
        length = shuffled.randint(2, 4)
        if len(short) < QUERIES and len(synopsis) >= length:
            begin = shuffled.randint(0, len(synopsis) - length)
            part = synopsis[begin : begin + length]
            if all(word in vocabulary for word in part):
                short.append(" ".join(part))
    for i in order[::-1][:QUERIES]:
        whole.append(texts[i][2])
    for name, queries in (("short", short), ("whole", whole)):
        rows = [sorted((vocabulary[w], c) for w, c in collections.Counter(words(q)).items()) for q in queries]
        write_csr(folder / f"{name}.csr", rows, len(vocabulary))
        (folder / f"{name}.txt").write_text("\n".join(" ".join(words(q)) for q in queries) + "\n")
    (folder / "base.txt").write_text("\n".join(" ".join(words(t)) for _, _, t in texts) + "\n")
    print(f"{n} texts, {len(vocabulary)} words, {sum(len(c) for c in counts)} entries")


if __name__ == "__main__":
    main()
