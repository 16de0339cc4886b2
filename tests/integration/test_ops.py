"""Operations: health, metrics, commands, configuration, safe defaults."""

from __future__ import annotations

import json
import re
import socket

import pytest
from harness.collections import count, insert, simple, simple_rows
from harness.oracle import vectors
from harness.server import Server, run_kite, wait_until


def test_health_pages(server):
    for page in ("/healthz", "/livez", "/readyz"):
        status, _ = server.http_get(page)
        assert status == 200, page
    assert server.http_get("/no-such-page")[0] == 404


def test_metrics_carry_milvus_names(server, client, name):
    simple(client, name)
    insert(client, name, simple_rows(vectors(10, 8)))
    client.search(name, data=[[0.0] * 8], limit=1)
    status, text = server.http_get("/metrics")
    assert status == 200
    names = set(re.findall(r"^([a-z_]+)[{ ]", text, re.MULTILINE))
    for wanted in (
        "milvus_proxy_req_count",
        "milvus_proxy_req_latency_bucket",
        "milvus_proxy_search_vectors_count",
        "milvus_proxy_insert_vectors_count",
        "milvus_rootcoord_collection_num",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    ):
        assert wanted in names, f"{wanted} is not among {sorted(names)}"
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-zA-Z_:][\w:]*(\{[^}]*\})? \S+( \d+)?", line), line


def test_metrics_count_requests(server, client):
    def requests() -> float:
        text = server.http_get("/metrics")[1]
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("milvus_proxy_req_count")
        )

    before = requests()
    for _ in range(10):
        client.list_collections()
    assert requests() - before >= 10


def test_version():
    result = run_kite("version")
    assert result.returncode == 0 and re.search(r"\d+\.\d+\.\d+", result.stdout)


def test_help_and_unknown_commands():
    assert run_kite("--help").returncode == 0
    result = run_kite("frobnicate")
    assert result.returncode == 2 and "frobnicate" in result.stderr


def test_config_show_says_where_each_value_comes_from(tmp_path):
    file = tmp_path / "milvus.yaml"
    file.write_text("proxy:\n  maxNameLength: 99\nlog:\n  level: warn\n")
    result = run_kite(
        "config",
        "show",
        "--config",
        str(file),
        "--set",
        "proxy.maxDimension=1024",
        environment={"PROXY_MAXFIELDNUM": "33", "PATH": ""},
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()

    def line_of(key: str) -> str:
        return next(line for line in lines if key.lower() in line.lower())

    assert "99" in line_of("proxy.maxNameLength") and "milvus.yaml" in line_of("proxy.maxNameLength")
    assert "1024" in line_of("proxy.maxDimension") and "--set" in line_of("proxy.maxDimension")
    assert "33" in line_of("proxy.maxFieldNum") and "PROXY_MAXFIELDNUM" in line_of("proxy.maxFieldNum")


def test_the_environment_beats_the_file(tmp_path):
    file = tmp_path / "milvus.yaml"
    file.write_text("proxy:\n  maxNameLength: 99\n")
    result = run_kite(
        "config", "show", "--config", str(file), environment={"MILVUS_CONF_PROXY_MAXNAMELENGTH": "55", "PATH": ""}
    )
    line = next(line for line in result.stdout.splitlines() if "proxy.maxNameLength" in line)
    assert "55" in line and "99" not in line


def test_ports_of_the_kubernetes_kind_are_ignored(tmp_path):
    result = run_kite("config", "show", environment={"PROXY_PORT": "tcp://10.0.0.1:19530", "PATH": ""})
    assert result.returncode == 0
    line = next(line for line in result.stdout.splitlines() if "proxy.port" in line)
    assert "19530" in line and "tcp" not in line


def test_unknown_keys_warn_with_the_nearest(tmp_path):
    file = tmp_path / "milvus.yaml"
    file.write_text("proxy:\n  maxNameLenght: 99\n")
    result = run_kite("config", "show", "--config", str(file))
    assert "maxNameLenght" in result.stderr and "maxNameLength" in result.stderr


def test_a_file_that_is_no_yaml_is_refused_with_its_name(tmp_path):
    file = tmp_path / "milvus.yaml"
    file.write_text("proxy: [unclosed\n  : :\n")
    result = run_kite("config", "show", "--config", str(file))
    assert result.returncode != 0 and "milvus.yaml" in result.stderr


@pytest.mark.parametrize("setting", ["proxy.port=notaport", "proxy.port=99999999"])
def test_values_that_make_no_sense_are_refused(tmp_path, setting):
    result = run_kite("run", "standalone", "--data", str(tmp_path / "data"), "--metrics-port", "0", "--set", setting)
    assert result.returncode != 0 and "proxy.port" in result.stderr


def test_another_address_than_loopback_needs_words(tmp_path):
    result = run_kite(
        "run",
        "standalone",
        "--data",
        str(tmp_path / "data"),
        "--port",
        "0",
        "--metrics-port",
        "0",
        "--address",
        "0.0.0.0",
    )
    assert result.returncode != 0
    assert "security.allowInsecure" in result.stderr and "0.0.0.0" in result.stderr


def test_with_those_words_it_serves(private_server, connection):
    server = private_server(arguments=["--address", "0.0.0.0"], settings={"security.allowInsecure": "true"})
    server._addresses["grpc"] = f"127.0.0.1:{server.port}"
    assert connection(server).list_collections() == []
    assert "there is no authentication yet" in server.log()


def test_health_command(private_server):
    server = private_server()
    where = ("--data", str(server.data), "--metrics-port", "0")
    for words in (("health",), ("health", "--live")):
        result = run_kite(*words, *where)
        assert (result.returncode, result.stdout) == (0, "OK\n"), result
    server.stop()
    result = run_kite("health", *where)
    assert result.returncode == 1 and str(server.data) in result.stderr
    result = run_kite("health", "--metrics-port", "1")
    assert result.returncode == 1 and "127.0.0.1:1" in result.stderr


def test_it_listens_on_loopback_only(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5):
        pass
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, server.port), timeout=1).close()


def test_the_log_is_structured_and_quiet(private_server, connection):
    server = private_server()
    client = connection(server)
    simple(client, "c")
    before = len(server.log())
    for i in range(50):
        client.insert("c", simple_rows(vectors(2, 8), first=i * 2))
        client.search("c", data=[[0.0] * 8], limit=1)
    assert count(client, "c") == 100
    assert len(server.log()) - before < 2000, server.log()[before:]
    lines = server.log().splitlines()
    assert any(
        "listening" in line and f"grpc={server.address}" in line and f"http={server.http}" in line for line in lines
    )
    assert all(re.search(r"INFO|WARN|DEBUG|ERROR", line) for line in lines if line.strip())


def test_the_address_file_names_the_process(server):
    addresses = json.loads((server.data / "server.json").read_text())
    assert addresses["pid"] == server.pid and addresses["grpc"] == server.address


def test_settings_change_what_the_server_does(private_server, connection):
    server = private_server(settings={"proxy.maxNameLength": 10})
    client = connection(server)
    simple(client, "short", index=None)
    with pytest.raises(Exception, match="10"):
        simple(client, "much_too_long_a_name", index=None)


def test_not_ready_while_starting_is_said_as_such(tmp_path):
    """As soon as the metrics port answers, /readyz is 503 with a reason or 200, and /healthz is 200."""
    server = Server(tmp_path / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server._arguments = ["--metrics-port", str(port)]
    server._addresses = {"http": f"127.0.0.1:{port}"}
    server.spawn()
    try:

        def answered() -> tuple[int, str] | None:
            try:
                return server.http_get("/readyz")
            except OSError:
                return None

        status, text = wait_until(answered, "the metrics port")
        assert status == 200 or (status == 503 and text.strip())
        wait_until(lambda: server.http_get("/readyz")[0] == 200, "readiness")
    finally:
        server.stop()
