"""Each internal of the other libraries, and of Python itself, that this program hooks; and that all have bounds."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import re
import socket
import subprocess
import threading
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError

from crawl_core.metrics.exposition import of_process, text_of
from crawl_core.metrics.labels import LabelValue
from crawl_core.spec.crawljob import CrawlJob, Metadata
from crawl_core.spec.documents import read_documents
from crawl_operator.crd.resource import _Plain
from crawl_sandbox.app import RECEIVED_US
from crawl_sandbox.delivery import TRANSPORT
from crawl_sandbox.server import SandboxServer, StampingProtocol
from crawl_worker.commands.ends import CommandLine, WrongCommandLine
from crawl_worker.embedded.valkey import _valkey_program
from crawl_worker.embedded.wheel import programs
from crawl_worker.machine.processes import Daemon

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


async def test_uvicorn_calls_our_protocol_and_our_start_and_leaves_the_signals_to_us(monkeypatch) -> None:
    scopes: list[dict[str, Any]] = []
    announced = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    monkeypatch.setattr(SandboxServer, "capture_signals", lambda self: pytest.fail("uvicorn takes the signals"))
    words = {"loop": "asyncio", "lifespan": "off", "interface": "asgi3", "log_config": None, "ws": "none"}
    server = SandboxServer(uvicorn.Config(app, http=StampingProtocol, **words), announced.set)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        await announced.wait()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 204")
        writer.close()
        server._stop()
        await serving
    (scope,) = scopes
    assert isinstance(scope[RECEIVED_US], int)
    assert isinstance(scope[TRANSPORT], asyncio.Transport)


def test_prometheus_client_reads_any_collector_and_makes_no_created_series() -> None:
    registry = CollectorRegistry()
    Counter("events", "Events.", registry=registry).inc()
    assert "_created" not in text_of(registry).decode()

    class Ours(Collector):
        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("state", "A state.", value=1)

    text = text_of(registry, Ours(), labels={"worker": "w-1"}).decode()
    assert 'events_total{worker="w-1"} 1.0' in text
    assert 'state{worker="w-1"} 1.0' in text
    assert "process_cpu_seconds_total" in of_process(read=lambda: (), labels={})().decode()


def test_pyyaml_asks_our_resolvers_and_our_dumper() -> None:
    (read,) = read_documents("{a: 1e10, b: 0o17, c: 2001-01-01, d: 0999}", origin="test")
    assert {name: type(value) for name, value in read.data.items()} == {"a": float, "b": int, "c": str, "d": float}
    assert read.written[("b",)] == "0o17"
    same = {"x": 1}
    dumped = yaml.dump([same, same], Dumper=_Plain, default_flow_style=None)
    assert "&" not in dumped
    assert "{x: 1}" in dumped


def test_pydantic_has_its_errors_and_schemas_in_the_shape_that_is_read() -> None:
    with pytest.raises(ValidationError) as refused:
        Metadata.model_validate({"name": "x", "namespace": 7, "uids": "u", "annotations": {1: "a"}})
    kinds = {(error["type"], error["loc"]) for error in refused.value.errors()}
    assert {("extra_forbidden", ("uids",)), ("string_type", ("namespace",))} <= kinds
    assert any(location[-1] == "[key]" for _, location in kinds)
    schema = CrawlJob.model_json_schema(by_alias=True)
    uid = schema["$defs"]["Metadata"]["properties"]["uid"]
    # An optional field is anyOf [what it is, null], of which the first is taken, and its default is none.
    assert (uid["type"], uid["maxLength"], "anyOf" in uid, "default" in uid) == ("string", 64, False, False)


def test_the_wheels_have_their_programs_where_they_are_looked_for() -> None:
    assert (programs() / "initdb").is_file()
    assert b"\0getpwuid\0" in (programs() / "initdb").read_bytes()
    assert _valkey_program().is_file()


def test_python_reads_the_proxies_variables_as_they_are_passed(monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "api.example")
    found = urllib.request.getproxies_environment()  # type: ignore[attr-defined]
    assert (found["http"], found["no"]) == ("http://proxy.example:3128", "api.example")
    assert urllib.request.proxy_bypass_environment("api.example:80", found)  # type: ignore[attr-defined]
    assert not urllib.request.proxy_bypass_environment("other.example:80", found)  # type: ignore[attr-defined]


def test_python_ends_a_process_by_our_del_and_tells_argparse_s_refusal_by_ours(capsys) -> None:
    child = Daemon(["/bin/true"])
    pid = child.pid
    assert Daemon.__del__ is not subprocess.Popen.__del__
    child.wait()
    del child
    assert not Path(f"/proc/{pid}").exists()
    assert callable(argparse.ArgumentParser._print_message)
    with pytest.raises(WrongCommandLine) as refused:
        CommandLine(prog="x").parse_args(["--no"])
    assert "unrecognized arguments: --no" in refused.value.message
    assert "x: error: unrecognized arguments: --no" in capsys.readouterr().err


def test_python_raises_in_a_thread_what_is_set_there_from_outside() -> None:
    class Out(BaseException):
        pass

    begun, left = threading.Event(), threading.Event()

    def work() -> None:
        try:
            begun.set()
            while not left.wait(0.01):
                pass
        except Out:
            left.set()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Out))
    assert left.wait(60)
    thread.join(60)


def test_an_enums_member_has_the_value_that_is_set_in_its_making() -> None:
    class Label(LabelValue):
        ONE = "one", "is the first"

    assert [(label, label.value, label.meaning) for label in Label] == [(Label.ONE, "one", "is the first")]


def leaned_on() -> set[str]:
    """The libraries in the list of the page."""
    section = PAGE.split("\n## What we lean on\n")[1].split("\n## ")[0]
    return set(re.findall(r"^- \*\*([\w-]+): ", section, re.MULTILINE)) - {"Python"}


def requirements() -> dict[str, list[Requirement]]:
    """Every line of pyproject.toml about a library that a user installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    parsed = [Requirement(line) for line in lines]
    return {wanted.name: [other for other in parsed if other.name == wanted.name] for wanted in parsed}


@pytest.mark.parametrize("library", sorted(leaned_on()))
def test_what_we_lean_on_has_an_upper_bound_wherever_it_is_named(library: str) -> None:
    for wanted in requirements()[library]:
        assert any(part.operator == "<" for part in wanted.specifier), wanted


@pytest.mark.parametrize("file", ["constraints.txt", "worker/requirements.txt", "operator/requirements.txt"])
def test_what_is_pinned_is_within_the_bounds(file: str) -> None:
    wanted = requirements()
    for name, pin in re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE):
        for requirement in wanted.get(name, ()):
            assert Version(pin) in requirement.specifier, f"{name}=={pin}: run make constraints"
