"""The request log loses nothing that it promised to keep."""

import json
from pathlib import Path

from crawl_sandbox.requestlog import Arrival, RequestLog


def fill(log: RequestLog, count: int) -> None:
    for number in range(count):
        log.note(Arrival(1_000_000 * number + 1, "me", ("127.0.0.1", 80), f"q{number}", 0, 50, 200))


def read(log: RequestLog, since_s: float = 0.0) -> list[str]:
    return [json.loads(line)["query"] for line in b"".join(log.chunks(since_s=since_s)).splitlines()]


def test_the_last_arrivals_stay_in_memory_and_all_of_them_in_the_file(tmp_path: Path) -> None:
    log = RequestLog(size=3, file=tmp_path / "log")
    fill(log, 5)
    log.flush()
    assert (read(log), log.arrivals, log.forgotten) == (["q2", "q3", "q4"], 5, 2)
    assert [json.loads(line)["query"] for line in (tmp_path / "log").read_text().splitlines()] == [
        "q0", "q1", "q2", "q3", "q4",
    ]  # fmt: skip
    log.close()


def test_a_reader_can_ask_for_what_came_since_an_instant() -> None:
    log = RequestLog()
    fill(log, 4)
    assert read(log, since_s=2.000001) == ["q2", "q3"]


def test_a_line_says_what_arrived_when_from_whom() -> None:
    log = RequestLog()
    log.note(Arrival(1_764_000_000_123_456, None, None, "th", 50, 10, 401))
    assert json.loads(b"".join(log.chunks())) == {
        "received_at_s": 1764000000.123456,
        "client_id": None,
        "peer": None,
        "query": "th",
        "offset": 50,
        "limit": 10,
        "status": 401,
    }
