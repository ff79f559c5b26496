"""The running sandbox: tokens, its limit, what it remembers, and what can be changed meanwhile."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes.sandbox_process import SandboxProcess, sandbox


@pytest.fixture(scope="module")
def shared() -> Iterator[SandboxProcess]:
    with sandbox(size=200) as api:
        yield api


@pytest.fixture
def api(shared: SandboxProcess) -> SandboxProcess:
    """A running sandbox without limit, faults or memory of earlier tests."""
    shared.control(limit="none", latency_in="none", latency_out="none", faults=None, outage=None, mode="extended")
    shared.control(clear=True)
    return shared


def post_token(
    api: SandboxProcess, authorization: str, form: bytes = b"grant_type=client_credentials"
) -> tuple[int, dict]:
    request = urllib.request.Request(api.token_url, data=form, headers={"Authorization": authorization})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_token_is_granted_in_the_real_shape(api: SandboxProcess) -> None:
    status, answer = post_token(api, basic("id:secret"))
    assert (status, sorted(answer)) == (200, ["access_token", "expires_in", "token_type"])
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)


@pytest.mark.parametrize("authorization", ["", "Basic !!", basic(":"), basic("id:"), "Bearer x"])
def test_bad_credentials_are_refused_in_the_token_endpoints_own_shape(api: SandboxProcess, authorization: str) -> None:
    expected = (400, {"error": "invalid_client", "error_description": "Invalid client"})
    assert post_token(api, authorization) == expected


def test_another_grant_is_refused(api: SandboxProcess) -> None:
    status, answer = post_token(api, basic("id:secret"), b"grant_type=password")
    assert (status, answer["error"]) == (400, "unsupported_grant_type")


def test_only_named_credentials_are_good_when_some_are_named() -> None:
    with sandbox(size=1, credentials=["a:1", "b:2"]) as api:
        statuses = [post_token(api, basic(text))[0] for text in ("a:1", "b:2", "a:2", "c:1")]
    assert statuses == [200, 200, 400, 400]


@pytest.mark.parametrize(("token", "message"), [(None, "No token provided"), ("made-up", "Invalid access token")])
def test_a_request_without_a_good_token_is_refused(api: SandboxProcess, token: str | None, message: str) -> None:
    status, _, body = api.get("/v1/search", token=token, q="a", type="artist")
    assert (status, json.loads(body)) == (401, {"error": {"status": 401, "message": message}})


def test_a_token_expires(api: SandboxProcess) -> None:
    token = api.token()
    api.control(expire_tokens=True)
    assert api.search("a", token=token) == (401, {"error": {"status": 401, "message": "The access token expired"}})
    assert api.search("a", token=api.token())[0] == 200


def test_an_artist_is_answered_by_id(api: SandboxProcess) -> None:
    token = api.token()
    _, found = api.search("a", token=token, limit=1)
    item = found["artists"]["items"][0]
    status, _, body = api.get(f"/v1/artists/{item['id']}", token=token)
    assert (status, json.loads(body)) == (200, item)


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/artists/zzz", 404), ("/v1/artists/z-z", 400), ("/v1/albums", 404), ("/nothing", 404)]
)
def test_what_is_not_there_is_refused(api: SandboxProcess, path: str, status: int) -> None:
    assert api.get(path, token=api.token())[0] == status


def test_too_many_requests_are_told_when_to_come_back(api: SandboxProcess) -> None:
    api.control(limit="2/20s")
    token = api.token()
    answers = [api.get("/v1/search", token=token, q="a", type="artist") for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert 0 < int(answers[2][1]["retry-after"]) <= 20
    assert json.loads(answers[2][2]) == {"error": {"status": 429, "message": "API rate limit exceeded"}}


def test_each_client_has_its_own_budget(api: SandboxProcess) -> None:
    api.control(limit="1/20s")
    one, two = api.token("one"), api.token("two")
    statuses = [api.search("a", token=token)[0] for token in (one, two, one)]
    assert statuses == [200, 200, 429]
    assert api.stats()["clients"]["one"]["max_in_window"] == 2


def test_all_clients_of_a_peer_share_its_budget() -> None:
    with sandbox(size=1, limit="1/20s", limit_by="peer") as api:
        assert [api.search("a", token=api.token(name))[0] for name in ("one", "two")] == [200, 429]


def test_every_request_is_remembered_in_order_with_what_became_of_it(api: SandboxProcess) -> None:
    api.control(limit="1/20s")
    token = api.token("me")
    before_s = time.time()
    api.search("a b", token=token, limit=7, offset=3)
    api.search("a", token=token)
    api.get("/v1/search", q="c", type="artist")
    requests = api.requests()
    assert [(r["client_id"], r["query"], r["offset"], r["limit"], r["status"]) for r in requests] == [
        ("me", "a b", 3, 7, 200),
        ("me", "a", 0, 20, 429),
        (None, "c", 0, 20, 401),
    ]
    assert before_s - 1 < requests[0]["received_at_s"] < requests[1]["received_at_s"] < time.time() + 1
    assert api.requests(since_s=requests[1]["received_at_s"]) == requests[1:]


def test_the_counts_agree_with_the_log(api: SandboxProcess) -> None:
    api.control(limit="3/20s")
    token = api.token()
    for _ in range(5):
        api.search("a", token=token)
    stats = api.stats()
    assert [stats[key] for key in ("arrivals", "accepted", "rate_limited", "max_in_window", "windows_over_limit")] == [
        5, 3, 2, 5, 2,
    ]  # fmt: skip
    assert stats["by_status"] == {"200": 3, "429": 2}
    assert stats["first_arrival_s"] == api.requests()[0]["received_at_s"]


def test_all_requests_are_in_the_log_file(tmp_path: Path) -> None:
    with sandbox(size=1, log_file=tmp_path / "log", log_size=2) as api:
        token = api.token()
        for query in ("a", "b", "c"):
            api.search(query, token=token)
        assert [request["query"] for request in api.requests()] == ["b", "c"]
        assert api.stop() == 0
    assert [json.loads(line)["query"] for line in (tmp_path / "log").read_text().splitlines()] == ["a", "b", "c"]


def test_an_outage_begins_and_ends_for_requests_and_tokens_alike(api: SandboxProcess) -> None:
    token = api.token()
    api.control(outage={"status": 503})
    assert api.search("a", token=token)[0] == 503
    assert post_token(api, basic("id:secret"))[0] == 503
    api.control(outage=None)
    assert api.search("a", token=api.token())[0] == 200
    assert [request["status"] for request in api.requests()] == [503, 200]


def test_a_change_of_something_else_leaves_faults_as_they_are(api: SandboxProcess) -> None:
    api.control(faults={"rules": [{"match": {"first_n": 1}, "action": {"status": 500}}]})
    token = api.token()
    assert api.search("a", token=token)[0] == 500
    api.control(latency="1ms", mode="development")
    assert api.search("a", token=token)[0] == 200
    assert api.stats()["faults"] == [{"name": "", "matched": 2, "fired": 1}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": "ten"}, "write requests/window"),
        ({"latency": "slow"}, "write none, 50ms"),
        ({"limits": "1/1s"}, "unknown field `limits`"),
        ({"outage": {"status": 1}}, ">= 200"),
        ({"limit": "1/1s", "faults": {"rules": [{}]}}, "missing required field `action`"),
    ],
)
def test_a_change_that_is_wrong_changes_nothing(api: SandboxProcess, change: dict[str, object], message: str) -> None:
    before = api.control()
    with pytest.raises(AssertionError, match=message):
        api.control(**change)
    assert api.control() == before


def test_delay_on_the_way_in_makes_the_arrival_later(api: SandboxProcess) -> None:
    token = api.token()
    api.control(latency_in="300ms")
    sent_s = time.time()
    api.search("a", token=token)
    assert api.requests()[0]["received_at_s"] - sent_s >= 0.29


def test_delay_on_the_way_out_makes_only_the_answer_later(api: SandboxProcess) -> None:
    token = api.token()
    api.control(latency="300ms")
    api.search("a", token=token)
    answered_s = time.time()
    assert answered_s - api.requests()[0]["received_at_s"] >= 0.29


def test_development_mode_refuses_long_pages(api: SandboxProcess) -> None:
    api.control(mode="development")
    token = api.token()
    assert api.search("a", token=token, limit=11) == (400, {"error": {"status": 400, "message": "Invalid limit"}})
    assert api.search("a", token=token, limit=10)[0] == 200
