"""What replaces workers, and what does not: an upgrade, a default and a number must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.fakes.observations import SETTINGS, actions_of, crawling, view_of, workers_of

from crawl_operator.decide import digests
from crawl_operator.decide.digests import inputs_digest, template_digest
from crawl_operator.decide.plan import plan
from crawl_operator.values import names
from crawl_operator.values.model import ApplyDeployment, Trouble


def digest(spec: dict[str, Any] | None = None, **more: Any) -> str:
    return template_digest(view_of(spec, **more))


@pytest.mark.parametrize(
    "spec",
    [
        {"workers": {"resources": {"limits": {"memory": "1Gi"}}}},
        {"workers": {"nodeSelector": {"disk": "ssd"}}},
        {"workers": {"tolerations": [{"key": "spot", "operator": "Exists"}]}},
        {"workers": {"priorityClassName": "low"}},
        {"workers": {"labels": {"team": "data"}}},
        {"workers": {"labels": {"kueue.x-k8s.io/queue-name": "crawls"}}},
        {"backendsSecretRef": {"name": "other"}},
        {"source": {"credentialsSecretRef": {"name": "mine"}}},
        {"source": {"proxy": "FromEnvironment"}},
    ],
)
def test_what_a_pod_is_made_from_changes_the_digest(spec: dict[str, Any]) -> None:
    assert digest(spec) != digest()


@pytest.mark.parametrize(
    "spec",
    [
        {"workers": {"min": 2, "max": 20, "replicas": 3, "concurrency": 8}},
        {"rateLimit": {"requests": 100}},
        {"retry": {"maxAttempts": 3}},
        {"suspend": True},
        {"deadline": "1h", "ttlAfterFinished": "1h", "dataPolicy": "Delete", "requestLogRetention": "1h"},
    ],
)
def test_what_is_live_does_not(spec: dict[str, Any]) -> None:
    assert digest(spec) == digest()


def test_a_default_that_is_spelled_out_does_not() -> None:
    spelled = {
        "workers": {"resources": {}, "labels": {}, "tolerations": []},
        "backendsSecretRef": {"name": "artistcrawl-backends"},
    }
    assert digest(spelled) == digest()


def test_it_is_the_same_in_each_version() -> None:
    """Another digest would replace all workers of all users at an upgrade: change it only with what it is made from, or
    where they could not go on."""
    spec = {"workers": {"resources": {"requests": {"cpu": "1"}}, "labels": {"team": "data"}}}
    assert (digest(), digest(spec)) == ("54b3bf44dad126a2", "9fdb096d2a519421")


def test_workers_of_a_schema_that_is_gone_are_replaced_once_the_ledger_is_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They could commit nothing, exit 78 after five minutes, and keep the crawl waiting for a person."""
    seen = crawling()
    monkeypatch.setattr(digests, "NEWEST_BREAKING_SCHEMA", digests.NEWEST_BREAKING_SCHEMA + 1)
    assert actions_of(seen) == ["ApplyDeployment"]
    migrating = replace(seen, trouble=Trouble("LedgerUnavailable", "it is being migrated", permanent=False))
    assert actions_of(migrating) == []


def test_a_restart_that_is_asked_for_changes_it() -> None:
    assert digest(annotations={names.ANNOTATION_RESTART: "1"}) != digest()


def test_another_annotation_does_not() -> None:
    assert digest(annotations={"note": "1", names.ANNOTATION_UNFREEZE: "1"}) == digest()


def test_an_upgrade_of_the_operator_touches_no_workers() -> None:
    upgraded = replace(
        SETTINGS,
        image="artistcrawl/worker:next",
        labels={"a": "b"},
        annotations={"c": "d"},
        environment={"E": "f"},
        service_account="other",
        sandbox_url="http://elsewhere",
    )
    assert plan(crawling(), settings=upgraded).actions == ()


def test_an_image_that_differs_from_the_settings_stays() -> None:
    assert actions_of(crawling(workers={"image": "artistcrawl/worker:previous"})) == []


def test_a_changed_template_is_applied_with_the_present_image_and_number() -> None:
    seen = crawling(workers={"template": "another", "replicas": 1})
    (action,) = plan(seen, settings=SETTINGS).actions
    assert isinstance(action, ApplyDeployment)
    assert action.manifest["spec"]["replicas"] == 1


def test_a_deployment_that_lost_its_annotation_is_applied_again() -> None:
    assert actions_of(crawling(workers={"template": ""})) == ["ApplyDeployment"]


def test_a_deployment_that_lost_its_owner_is_taken_back() -> None:
    assert actions_of(crawling(workers={"owner_uid": ""})) == ["ApplyDeployment"]


def test_inputs_of_a_try_are_the_generation_and_the_secrets() -> None:
    seen = crawling()
    other = replace(seen, crawljob=replace(seen.crawljob, generation=3))
    assert len({inputs_digest(each) for each in (seen, other, replace(seen, secrets="99"))}) == 3
    assert inputs_digest(replace(seen, deployment=workers_of(seen.crawljob, replicas=5))) == inputs_digest(seen)
