#!/usr/bin/env python3
"""Fails when an #include breaks the direction of dependencies, and names the edge.

    apps/kite → cli, server → roles/<role> → query → channel → segment → engine, store → model → base
                server → api, rpc → roles.h → query → …
                server, cli → backup → store, model

A folder may include itself and what stands behind it in MAY_INCLUDE. Three more rules keep the build honest: roles
know one another only through roles/roles.h, third-party headers stay with the folder that wraps them, and no file
grows past 800 lines. Tests obey the same rules.
"""

import pathlib
import re
import sys

# The longest matching prefix decides; each entry lists all that may be included, not only the next layer.
MODEL = {"base", "model"}
STORE = MODEL | {"store"}
SEGMENT = STORE | {"engine", "segment"}
CHANNEL = SEGMENT | {"channel"}
QUERY = CHANNEL | {"query"}
MAY_INCLUDE = {
    "base": {"base"},
    "engine": {"base", "engine"},
    "model": MODEL,
    "store": STORE,
    "segment": SEGMENT,
    "channel": CHANNEL,
    "query": QUERY,
    # The interfaces of all roles, in terms of what queries and segments are; an implementation sits in a folder of
    # its own beside them.
    "roles": QUERY | {"roles"},
    "roles/*": QUERY | {"roles"},
    "api": MODEL | {"roles", "api"},
    "rpc": MODEL | {"roles", "rpc"},
    "backup": STORE | {"backup"},
    "webui": MODEL | {"webui"},
    "server": QUERY | {"roles", "roles/*", "api", "rpc", "backup", "webui", "server"},
    "cli": QUERY | {"roles", "api", "rpc", "backup", "server", "cli"},
}

# Third-party headers that only their wrapper may include.
WIRE = re.compile(r"^(grpc/|grpcpp/|google/protobuf/|[a-z_]+\.pb\.h$|kite_wire_methods\.h$)")
THIRD_PARTY = [
    (WIRE, ("api", "rpc"), "protobuf and gRPC"),
    (re.compile(r"^rocksdb/"), ("store/meta",), "RocksDB"),
    (re.compile(r"^(arrow|parquet)/"), ("segment", "store/object", "backup"), "Arrow and Parquet"),
    (re.compile(r"^librdkafka/"), ("store/log",), "librdkafka"),
]
# The etcd client speaks gRPC; nothing else of the stores does.
EXCEPTIONS = {("store/meta", "protobuf and gRPC")}

LINES_MAX = 800
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def layer_of(path):
    """The layer of a source below the root: engine, or the folder below src/, roles/<role> apart."""
    parts = path.parts
    if parts[0] == "engine":
        return "engine", "engine"
    folder = "/".join(parts[1:-1])
    if parts[1] == "roles" and len(parts) > 3:
        return "roles/*", folder
    return parts[1], folder


def target_of(include, layers):
    if include.startswith("kite/engine/"):
        return "engine", "engine"
    parts = include.split("/")
    if len(parts) < 2 or parts[0] not in layers:
        return None, None
    if parts[0] == "roles" and len(parts) > 2:
        return "roles/*", "/".join(parts[:2])
    return parts[0], "/".join(parts[:-1])


def within(folder, allowed):
    return any(folder == a or folder.startswith(a + "/") for a in allowed)


def check_include(where, layer, folder, include, layers):
    target, target_folder = target_of(include, layers)
    if target is None:
        for pattern, owners, what in THIRD_PARTY:
            if pattern.match(include) and not within(folder, owners):
                if not any(within(folder, [f]) and w == what for f, w in EXCEPTIONS):
                    yield f"{where}: {folder} includes {include}; {what} belongs to {', '.join(owners)}"
        return
    if layer == "roles/*" and target == "roles/*":
        own = "/".join(folder.split("/")[:2])
        if own != target_folder:
            yield f"{where}: {own} → {target_folder} ({include}); roles know one another through roles/roles.h"
        return
    if target not in MAY_INCLUDE[layer]:
        yield f"{where}: {folder} → {target_folder} ({include}) goes against the direction of dependencies"


def check_file(root, path, layers):
    relative = path.relative_to(root)
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.count("\n")
    if lines > LINES_MAX:
        yield f"{relative}: {lines} lines, {LINES_MAX} are allowed"
    layer, folder = layer_of(relative)
    if layer not in MAY_INCLUDE:
        yield f"{relative}: src/{layer} has no place in the picture; give it one in tools/check_layers.py"
        return
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield from check_include(f"{relative}:{line}", layer, folder, match[1] or match[2], layers)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    files = sorted(
        path
        for top in ("src", "engine")
        for path in (root / top).rglob("*")
        if path.suffix in (".h", ".cc", ".cpp", ".hpp", ".inc") and len(path.relative_to(root).parts) > 2
    )
    layers = set(MAY_INCLUDE) - {"roles/*", "engine"}
    problems = [problem for path in files for problem in check_file(root, path, layers)]
    for problem in problems:
        print(problem)
    print(f"layers: {len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
