"""What becomes of a request to the API server that gets no answer: the operator's, the plugin's, and the first look."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import ApiClient, Configuration

from crawl_operator.kube.api import Api, UnreachableError
from crawl_operator.plugin import cli
from crawl_operator.watch.access import ClusterUnavailableError, probe

NO_TLS = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
CUT_SHORT = b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"items": ['


@pytest.fixture
def answer() -> bytes:
    return NO_TLS


@pytest.fixture
def port(answer: bytes) -> Iterator[int]:
    """A server that answers whatever it hears with the same bytes, and ends the connection."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture
def client(port: int, scheme: str) -> ApiClient:
    settings = Configuration(host=f"{scheme}://127.0.0.1:{port}")
    settings.retries = False
    return ApiClient(settings)


@pytest.fixture
def kubeconfig(port: int, scheme: str, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {}}],"
        " contexts: [{name: c, context: {cluster: c, user: u}}],"
        f" clusters: [{{name: c, cluster: {{server: '{scheme}://127.0.0.1:{port}'}}}}]}}"
    )
    return path


no_answer = pytest.mark.parametrize(
    ("scheme", "answer"), [("https", NO_TLS), ("http", CUT_SHORT)], ids=["TLS fails", "the answer is cut short"]
)


@no_answer
async def test_the_operator_finds_the_api_server_out_of_reach(client: ApiClient) -> None:
    api = Api(client)
    with pytest.raises(UnreachableError, match=r"the API server is out of reach: .+"):
        await api.request("GET", "/api/v1/namespaces/music/pods")
    api.close()


@no_answer
def test_the_first_look_finds_the_api_server_out_of_reach(client: ApiClient) -> None:
    with pytest.raises(ClusterUnavailableError, match=r"the API server is out of reach: .+"):
        asyncio.run(probe(client, "music"))


@no_answer
def test_the_plugin_says_in_one_line_that_the_cluster_is_out_of_reach(kubeconfig: Path, port: int, capsys) -> None:
    assert cli.main(["status", "--kubeconfig", str(kubeconfig)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"127.0.0.1:{port} is out of reach: " in line


@pytest.mark.parametrize("scheme", ["https"])
def test_the_plugin_says_that_tls_failed(kubeconfig: Path, capsys) -> None:
    cli.main(["status", "--kubeconfig", str(kubeconfig)])
    assert "is out of reach: TLS failed: wrong version number" in capsys.readouterr().err
