"""`make grafana`: what is sent, that it may be sent again, and what a person reads where Grafana refuses.

Grafana's side is `grafana_api`, which answers as its documentation says: see there what that proves and what not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.fakes.grafana_api import TOKEN, GrafanaApi, serving_grafana

from grafana.install import __main__ as command
from grafana.install.sources import InstallError, board_request, postgres_source, prometheus_source

PROVISIONING = Path(__file__).parents[2] / "grafana" / "provisioning"
PROMETHEUS_URL = "http://prometheus:9090"
POSTGRES_URL = "postgresql://grafana:secret@db:5432/crawl"
Install = Callable[..., int]
BOARD: dict[str, Any] = {
    "uid": "a",
    "title": "A",
    "templating": {
        "list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            {"name": "postgres", "type": "datasource", "query": "grafana-postgresql-datasource"},
            {"name": "namespace", "type": "query", "query": "prometheus"},
            {"name": "runbooks", "type": "constant", "query": "https://ours.example/runbooks"},
        ]
    },
}


@pytest.fixture
def api() -> Iterator[GrafanaApi]:
    with serving_grafana() as served:
        yield served


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    (tmp_path / "a.json").write_text(json.dumps(BOARD))
    return tmp_path


@pytest.fixture
def install(api: GrafanaApi, boards: Path) -> Install:
    """The command, with a board of ours: its exit status."""

    def run(**environment: str) -> int:
        return command.main(["--boards", str(boards)], {"GRAFANA_URL": api.address()} | environment)

    return run


# --- What is sent -----------------------------------------------------------------------------------------------------


def test_the_ledger_is_read_with_few_connections_and_the_password_is_sent_as_a_secret() -> None:
    source = postgres_source("postgresql://grafana:p%2Fw@db.example/crawl")
    assert (source["url"], source["user"], source["secureJsonData"]) == (
        "db.example:5432",
        "grafana",
        {"password": "p/w"},
    )
    assert source["jsonData"]["maxOpenConns"] <= 5
    assert source["jsonData"]["database"] == "crawl"


@pytest.mark.parametrize(
    ("url", "address", "mode"),
    [
        ("postgresql://u:p@db:6432/c", "db:6432", "require"),
        ("postgres://u:p@db/c?sslmode=verify-full", "db:5432", "verify-full"),
        ("postgresql://u:p@localhost/c", "localhost:5432", "disable"),
        ("postgresql://u:p@[2001:db8::1]:1234/c", "[2001:db8::1]:1234", "require"),
        ("postgresql://u@/c?host=/var/run/postgresql", "/var/run/postgresql", "disable"),
        ("postgresql://u@/c?host=%2Fdata%2Fpostgres", "/data/postgres", "disable"),
    ],
)
def test_a_postgresql_url_is_taken_apart_as_grafana_wants_it(url: str, address: str, mode: str) -> None:
    source = postgres_source(url)
    assert (source["url"], source["jsonData"]["sslmode"]) == (address, mode)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:hidden@db/c", r"POSTGRES_URL: write postgresql://USER"),
        ("postgresql://u:hidden@db", r"lacks a host, a user or a database"),
        ("postgresql://db/c", r"lacks a host, a user or a database"),
        ("postgresql://u:hid/den@db/c", r"cannot be read.*%2F for each /"),
        ("postgresql://u:hidden@db:port/c", r"cannot be read: write postgresql://USER"),
        ("postgresql://u:hidden@db/c?sslmode=prefer", r"no sslmode prefer: write one of disable, require"),
    ],
)
def test_a_wrong_postgresql_url_is_answered_with_what_to_write_and_without_its_password(url: str, message: str) -> None:
    with pytest.raises(InstallError, match=message) as refused:
        postgres_source(url)
    assert "hid" not in str(refused.value)


def test_the_password_of_prometheus_is_no_part_of_its_address() -> None:
    source = prometheus_source("https://me:secret@prometheus.example/path/", scrape_interval="30s")
    assert source["url"] == "https://prometheus.example/path"
    assert (source["basicAuthUser"], source["secureJsonData"]) == ("me", {"basicAuthPassword": "secret"})
    assert source["jsonData"]["timeInterval"] == "30s"


@pytest.mark.parametrize(
    ("url", "interval", "message"),
    [("prometheus:9090", "15s", "write http://HOST:9090"), (PROMETHEUS_URL, "15", "write it as 15s or 1m")],
)
def test_a_wrong_prometheus_is_answered_with_what_to_write(url: str, interval: str, message: str) -> None:
    with pytest.raises(InstallError, match=message):
        prometheus_source(url, scrape_interval=interval)


def test_a_board_opens_at_the_data_sources_that_were_made_with_it() -> None:
    sources = [prometheus_source(PROMETHEUS_URL, scrape_interval="15s"), postgres_source(POSTGRES_URL)]
    variables = board_request(BOARD, sources)["dashboard"]["templating"]["list"]
    assert [each.get("current", {}).get("value") for each in variables] == [
        "artistcrawl-prometheus", "artistcrawl-postgres", None, None,
    ]  # fmt: skip


def test_a_board_links_to_the_runbooks_that_are_named() -> None:
    (*_, runbooks) = board_request(BOARD, [], runbook_url="https://wiki.example/x")["dashboard"]["templating"]["list"]
    assert (runbooks["query"], runbooks["current"]["value"]) == ("https://wiki.example/x", "https://wiki.example/x")


def test_a_board_is_left_as_it_is_where_no_data_source_is_made() -> None:
    assert board_request(BOARD, [])["dashboard"] == {**BOARD, "id": None}


# --- What becomes of it -----------------------------------------------------------------------------------------------


def test_everything_is_there_afterwards_and_the_boards_links_are_printed(
    install: Install, api: GrafanaApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(PROMETHEUS_URL=PROMETHEUS_URL, POSTGRES_URL=POSTGRES_URL) == 0
    assert set(api.sources) == {"artistcrawl-prometheus", "artistcrawl-postgres"}
    assert api.boards["a"]["folderUid"] in api.folders
    assert capsys.readouterr().out == f"A: {api.url}/d/a/a-board\n"


def test_the_same_again_changes_nothing(install: Install, api: GrafanaApi) -> None:
    install(PROMETHEUS_URL=PROMETHEUS_URL, POSTGRES_URL=POSTGRES_URL)
    before = json.dumps([api.folders, api.boards])
    assert install(PROMETHEUS_URL=PROMETHEUS_URL, POSTGRES_URL=POSTGRES_URL) == 0
    assert json.dumps([api.folders, api.boards]) == before
    assert api.asked.count("POST /api/datasources") == 2
    assert api.asked.count("POST /api/folders") == 1


def test_a_data_source_is_brought_up_to_date_and_stays_the_default_one(install: Install, api: GrafanaApi) -> None:
    install(PROMETHEUS_URL=PROMETHEUS_URL)
    api.sources["artistcrawl-prometheus"]["isDefault"] = True
    install(PROMETHEUS_URL="http://elsewhere:9090")
    source = api.sources["artistcrawl-prometheus"]
    assert (source["url"], source["isDefault"]) == ("http://elsewhere:9090", True)


def test_without_urls_the_boards_use_what_grafana_has(install: Install, api: GrafanaApi) -> None:
    assert install() == 0
    assert (list(api.boards), api.sources) == (["a"], {})


def test_a_token_takes_the_place_of_a_password(install: Install, api: GrafanaApi) -> None:
    assert install(GRAFANA_URL=api.url, GRAFANA_TOKEN=TOKEN) == 0


def test_the_committed_boards_are_what_is_sent_unasked(api: GrafanaApi) -> None:
    assert command.main([], {"GRAFANA_URL": api.address()}) == 0
    committed = PROVISIONING.parent / "dashboards"
    assert {json.loads(path.read_text())["uid"] for path in committed.glob("*.json")} == set(api.boards)


# --- What a person reads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status", "said", "message"),
    [
        ("GET /api/health", 404, {}, "not as Grafana does (status 404 at /api/health): write the address"),
        ("GET /api/health", 301, {}, "not as Grafana does (status 301"),
        (
            "POST /api/folders",
            403,
            {"message": "Permissions needed: folders:create"},
            "create: the user or service account",
        ),
        (
            "POST /api/datasources",
            409,
            {"message": "data source with the same name already exists"},
            "exists: another data source has this name: rename it",
        ),
        (
            "POST /api/dashboards/db",
            400,
            {"message": "Cannot save provisioned dashboard"},
            "a sidecar's, brings this board",
        ),
        ("POST /api/dashboards/db", 500, {}, "Grafana refuses POST /api/dashboards/db: status 500\n"),
    ],
)
def test_a_refusal_comes_with_grafanas_words_and_what_to_do(
    install: Install,
    api: GrafanaApi,
    capsys: pytest.CaptureFixture[str],
    request_: str,
    status: int,
    said: dict[str, str],
    message: str,
) -> None:
    api.answers[request_] = status, said
    assert install(PROMETHEUS_URL=PROMETHEUS_URL) == 1
    assert message in capsys.readouterr().err


def test_a_wrong_password_is_answered_with_where_to_write_the_right_one(
    install: Install, api: GrafanaApi, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(GRAFANA_URL=api.url.replace("://", "://admin:wrong@")) == 1
    said = capsys.readouterr().err
    assert "Invalid username or password: write USER:PASSWORD into GRAFANA_URL, or the token" in said
    assert "wrong" not in said


def test_a_data_source_from_grafanas_own_files_is_left_to_them(
    install: Install, api: GrafanaApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.sources["artistcrawl-prometheus"] = {"uid": "artistcrawl-prometheus", "name": "x", "readOnly": True}
    assert install(PROMETHEUS_URL=PROMETHEUS_URL) == 1
    assert "read-only data source: one of Grafana's own files" in capsys.readouterr().err


def test_a_data_source_without_an_answer_fails_with_grafanas_words_when_all_else_is_done(
    install: Install, api: GrafanaApi, capsys: pytest.CaptureFixture[str]
) -> None:
    details = {"verboseMessage": "dial tcp 10.0.0.1:5432: connect: connection refused"}
    answer = {"status": "ERROR", "message": "Network error", "details": details}
    api.answers["GET /api/datasources/uid/artistcrawl-postgres/health"] = 400, answer
    assert install(PROMETHEUS_URL=PROMETHEUS_URL, POSTGRES_URL=POSTGRES_URL) == 1
    assert list(api.boards) == ["a"]
    said = capsys.readouterr().err
    assert said.startswith("artistcrawl PostgreSQL is made, but gives no data: Network error (dial tcp 10.0.0.1:5432")


def test_an_old_grafana_is_told_so(install: Install, api: GrafanaApi, capsys: pytest.CaptureFixture[str]) -> None:
    api.version = "10.4.2"
    assert install() == 0
    assert "this is Grafana 10.4.2: the boards are made for 11" in capsys.readouterr().err


def test_nobody_there_is_answered_with_the_address(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(GRAFANA_URL="http://admin:secret@127.0.0.1:1") == 1
    said = capsys.readouterr().err
    assert said.startswith("http://127.0.0.1:1 does not answer (")
    assert "secret" not in said


@pytest.mark.parametrize("url", ["", "localhost:3000", "http://"])
def test_no_address_is_answered_with_what_to_write(
    install: Install, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(GRAFANA_URL=url) == 1
    assert "write http://USER:PASSWORD@HOST:3000" in capsys.readouterr().err


def test_a_folder_without_boards_is_said_to_be_one(
    install: Install, api: GrafanaApi, boards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (boards / "a.json").unlink()
    assert install() == 1
    assert capsys.readouterr().err == f"{boards} holds no boards\n"


# --- The same by Grafana's own files ----------------------------------------------------------------------------------


def test_grafanas_own_files_make_the_same_data_sources() -> None:
    environment = {
        "$PROMETHEUS_URL": PROMETHEUS_URL,
        "$SCRAPE_INTERVAL": "15s",
        "$POSTGRES_ADDRESS": "db:5432",
        "$POSTGRES_USER": "grafana",
        "$POSTGRES_PASSWORD": "secret",
        "$POSTGRES_DATABASE": "crawl",
        "$POSTGRES_SSLMODE": "require",
    }
    text = (PROVISIONING / "datasources" / "artistcrawl.yaml").read_text()
    for name, value in environment.items():
        text = text.replace(name, value)
    assert yaml.safe_load(text)["datasources"] == [
        prometheus_source(PROMETHEUS_URL, scrape_interval="15s"), postgres_source(POSTGRES_URL),
    ]  # fmt: skip


def test_grafanas_own_files_put_the_boards_into_the_same_folder(install: Install, api: GrafanaApi) -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "artistcrawl.yaml").read_text())["providers"]
    install()
    assert api.folders[provider["folderUid"]]["title"] == provider["folder"]
