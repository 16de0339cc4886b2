#!/usr/bin/env python3
"""Copies etcd's message definitions without what only its own Go code needs.

    tools/etcd_protocol.py <folder of etcd's sources> <folder to write to>

Left out are the imports of gogoproto and google.api with the options that they define; messages, fields and services
stay as they are. Writes etcd_kv.proto, etcd_auth.proto and etcd_rpc.proto.
"""

import pathlib
import re
import sys

FILES = {
    "mvcc/mvccpb/kv.proto": "etcd_kv.proto",
    "auth/authpb/auth.proto": "etcd_auth.proto",
    "etcdserver/etcdserverpb/rpc.proto": "etcd_rpc.proto",
}
FOREIGN_IMPORT = re.compile(r'^import "(gogoproto|google/api)/[^"]*";\n', re.MULTILINE)
FIELD_OPTION = re.compile(r"\s*\[\(gogoproto\.[^\]]*\]")
OPTION = re.compile(r"^[ \t]*option \((gogoproto|google\.api)\.", re.MULTILINE)


def without_options(text):
    """Removes option statements up to their semicolon, braces inside of them included."""
    while match := OPTION.search(text):
        depth, end = 0, match.end()
        while depth > 0 or text[end] != ";":
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[: match.start()] + text[end + 1 :]
    return text


def main():
    source, target = map(pathlib.Path, sys.argv[1:3])
    target.mkdir(parents=True, exist_ok=True)
    for path, name in FILES.items():
        text = (source / path).read_text(encoding="utf-8")
        text = without_options(FIELD_OPTION.sub("", FOREIGN_IMPORT.sub("", text)))
        for other, other_name in FILES.items():
            text = text.replace(f'"etcd/{other}"', f'"{other_name}"')
        (target / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
