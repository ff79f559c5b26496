"""Which of a CrawlJob's pods have a log to show."""

from __future__ import annotations

from typing import Any

from crawl_operator.plugin.logs import without_log


def pod(restarts: int, **status: Any) -> dict[str, Any]:
    worker = {"name": "worker", "restartCount": restarts, **status}
    return {"metadata": {"name": "artists-workers-1"}, "status": {"containerStatuses": [worker]}}


def test_a_pod_that_runs_has_a_log() -> None:
    assert without_log(pod(0, containerID="containerd://1"), previous=False) == ""


def test_one_that_never_died_keeps_nobody_from_the_last_words_of_the_others() -> None:
    assert "has not been restarted" in without_log(pod(0, containerID="containerd://1"), previous=True)
    assert without_log(pod(2, containerID="containerd://3"), previous=True) == ""


def test_one_that_waits_says_for_what() -> None:
    waiting = pod(0, state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    assert without_log(waiting, previous=False) == "has no log yet: ImagePullBackOff no such image"
