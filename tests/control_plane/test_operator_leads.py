"""Two operators: one acts, the other takes over, and a leader that slept does no harm."""

from __future__ import annotations

import urllib.request

from support.processes.operator_process import OperatorProcess, Scene


def holder(scene: Scene) -> str:
    """Who has the Lease."""
    return str((scene.get("lease", "artistcrawl-operator").get("spec") or {}).get("holderIdentity", ""))


def pair(scene: Scene) -> tuple[OperatorProcess, OperatorProcess]:
    """A leader, and one that stands by."""
    leader = scene.leader()
    standby = scene.operator()
    standby.did("watches.complete")
    assert not standby.lines("lease.acquired")
    return leader, standby


def test_a_killed_leader_is_followed(scene: Scene) -> None:
    """Within 20 s, as test_operator_elector shows on a clock that a busy machine does not slow down."""
    leader, standby = pair(scene)
    leader.kill()
    standby.did("lease.acquired", timeout_s=60)
    scene.apply()
    scene.wait("condition=Seeded")


def test_a_leader_that_is_stopped_io_over_at_once(scene: Scene) -> None:
    leader, standby = pair(scene)
    leading = holder(scene)
    assert leader.stop() == 0
    # It gave the Lease up: nobody has to wait for its end.
    assert holder(scene) != leading
    standby.did("lease.acquired")


def test_a_leader_that_slept_finds_another_and_stands_by(scene: Scene) -> None:
    leader, standby = pair(scene)
    scene.apply()
    scene.wait("condition=Seeded")
    scene.until(scene.deployment, "a Deployment")
    leader.pause()
    standby.did("lease.acquired")
    scene.kubectl("patch", "crawljob", "artists", "--type=merge", "-p", '{"spec":{"workers":{"replicas":3}}}')
    scene.until(lambda: scene.deployment()["spec"]["replicas"] == 3, "3 workers")
    leader.wake()
    leader.did("lease.lost")
    assert (holder(scene) in standby.log.read_text(), scene.deployment()["spec"]["replicas"]) == (True, 3)


def test_a_standby_is_ready_and_writes_nothing(scene: Scene) -> None:
    _, standby = pair(scene)
    with urllib.request.urlopen(f"http://127.0.0.1:{standby.port}/readyz") as answer:
        assert answer.status == 200
    assert holder(scene) not in standby.log.read_text()
