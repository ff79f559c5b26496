"""What a person asks of a CrawlJob: suspend and resume in its spec, the rest once, by an annotation with the time.

The operator does it, and says so in the status.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from crawl_core.wording import number
from crawl_operator.plugin import jobs
from crawl_operator.plugin.follow import Scope, listed
from crawl_operator.plugin.output import remark, say
from crawl_operator.plugin.server import PluginClient, crawljobs_path, deployments_path
from crawl_operator.values import names

Crawljob = Mapping[str, Any]


def suspend(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Let the workers finish the requests under way, and go."""
    crawljob = jobs.crawljob(server, arguments.name)
    if _state(crawljob) == "Succeeded":
        return _said(f"{full_name(crawljob)} is done; there is nothing to suspend")
    if crawljob["spec"].get("suspend"):
        say(f"{full_name(crawljob)} is suspended already")
    else:
        crawljob = patch(server, arguments.name, {"spec": {"suspend": True}})
        say(f"{full_name(crawljob)} suspended; to go on: kubectl crawl resume {arguments.name}{_in(server, arguments)}")
    return wait(server, arguments, lambda now: _caught_up(crawljob, now) and _rests(now))


def resume(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Go on where it stopped."""
    crawljob = jobs.crawljob(server, arguments.name)
    if not crawljob["spec"].get("suspend"):
        past = _state(crawljob) == "Suspended" and crawljob["spec"].get("deadlinePolicy") == "Suspend"
        why = ": its deadline has passed; raise spec.deadline, or write spec.deadlinePolicy: Alert" if past else ""
        return _said(f"{full_name(crawljob)} is not suspended by spec.suspend{why}")
    crawljob = patch(server, arguments.name, {"spec": {"suspend": False}})
    say(f"{full_name(crawljob)} resumed; it goes on where it stopped")
    return wait(server, arguments, lambda now: _caught_up(crawljob, now) and _state(now) != "Suspended")


def restart(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Replace the workers one at a time, by ones with the operator's present image."""
    crawljob = jobs.crawljob(server, arguments.name)
    if _state(crawljob) == "Succeeded":
        return _said(f"{full_name(crawljob)} is done; it has no workers to restart")
    scope = Scope(deployments_path(server.namespace), {"labelSelector": names.selector_text(arguments.name)})
    before = _templates(server, scope) if arguments.wait else set()
    _ask(server, arguments.name, names.ANNOTATION_RESTART)
    say(f"restart of {full_name(crawljob)} asked for: its workers are replaced one at a time")
    if arguments.wait and not before:
        return _said("there are no workers now; the next ones are new")
    if arguments.wait:
        timeout_s = arguments.timeout.seconds
        jobs.wait_until(server, scope, lambda now: _rolled_out(now, before), name=arguments.name, timeout_s=timeout_s)
        say("done")
    return 0


def retry_dead_letters(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Search the strings again that were given up, or that ended with fewer results than their total said."""
    crawljob = jobs.crawljob(server, arguments.name)
    field, what = ("incomplete", "incomplete strings") if arguments.incomplete else ("deadLetters", "dead letters")
    count = (crawljob.get("status") or {}).get(field, 0)
    if not count:
        return _said(f"{full_name(crawljob)} has no {what} to search again")
    ending = "-incomplete" if arguments.incomplete else ""
    value = _ask(server, arguments.name, names.ANNOTATION_RETRY_DEAD_LETTERS, ending=ending)
    say(f"{number(count)} strings of {full_name(crawljob)} will be searched again by its workers")
    return wait(server, arguments, lambda now: handled(now, "retryDeadLetters") >= value)


def unfreeze(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Lift the pause that a 429 put on the CrawlJob's rate limit."""
    crawljob = jobs.crawljob(server, arguments.name)
    if not (crawljob.get("status") or {}).get("frozenUntil"):
        remark(f"{full_name(crawljob)} is not frozen, as far as its status says")
    value = _ask(server, arguments.name, names.ANNOTATION_UNFREEZE)
    say(f"unfreeze of {full_name(crawljob)} asked for; workers notice within 10 s of the operator")
    return wait(server, arguments, lambda now: handled(now, "unfreeze") >= value)


def _ask(server: PluginClient, name: str, annotation: str, *, ending: str = "") -> str:
    """Ask for something once. The value by which the operator will say that it is done; later ones sort behind it."""
    value = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") + ending
    patch(server, name, {"metadata": {"annotations": {annotation: value}}})
    return value


def patch(server: PluginClient, name: str, changes: Mapping[str, Any]) -> Crawljob:
    """Change a CrawlJob; what it is then."""
    return server.patch(crawljobs_path(server.namespace, name), changes)


def wait(server: PluginClient, arguments: argparse.Namespace, holds: Callable[[Crawljob], bool]) -> int:
    """With --wait: return when the CrawlJob is as it should be."""
    if arguments.wait:
        scope = jobs.scope_of(server, arguments.name)
        jobs.wait_until(server, scope, holds, name=arguments.name, timeout_s=arguments.timeout.seconds)
        say("done")
    return 0


def _templates(server: PluginClient, scope: Scope) -> set[str]:
    """What the workers are made from; nothing where there are none."""
    return {_template(item) for item in listed(server, scope)[0].values()}


def _template(deployment: Mapping[str, Any]) -> str:
    template: str = (deployment["metadata"].get("annotations") or {}).get(names.ANNOTATION_TEMPLATE, "")
    return template


def _rolled_out(deployment: Mapping[str, Any], before: set[str]) -> bool:
    """Whether it has another template than before, and all its pods are of that one and ready."""
    status, replicas = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")}
    return bool(_template(deployment) not in before and observed and counts == {replicas})


def _caught_up(asked: Crawljob, now: Crawljob) -> bool:
    """Whether the status speaks of the spec that was asked for, or of a later one."""
    observed, asked_for = (now.get("status") or {}).get("observedGeneration", 0), asked["metadata"]["generation"]
    return bool(observed >= asked_for)


def handled(crawljob: Crawljob, what: str) -> str:
    """The value of an annotation that the operator has acted on last."""
    value: str = ((crawljob.get("status") or {}).get("handled") or {}).get(what, "")
    return value


def _rests(crawljob: Crawljob) -> bool:
    workers = (crawljob.get("status") or {}).get("workers") or {}
    return _state(crawljob) == "Suspended" and not workers.get("ready")


def _state(crawljob: Crawljob) -> str:
    return str((crawljob.get("status") or {}).get("state", ""))


def full_name(crawljob: Crawljob) -> str:
    """NAMESPACE/NAME."""
    return f"{crawljob['metadata']['namespace']}/{crawljob['metadata']['name']}"


def _in(server: PluginClient, arguments: argparse.Namespace) -> str:
    """The flag that a command to be pasted needs, where this one had it."""
    return f" -n {server.namespace}" if arguments.namespace else ""


def _said(text: str) -> int:
    say(text)
    return 0
