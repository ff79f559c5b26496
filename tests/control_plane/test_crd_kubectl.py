"""What people meet: kubectl apply, get, explain, scale and wait; and a CRD that is brought up to date."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from support import former
from support.processes.api_server import ApiServer, Done

from crawl_core.spec import canonical, crawljob_of, identity

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((ROOT / "k8s" / "samples").glob("*.yaml"))
CRD = yaml.safe_load((ROOT / "k8s" / "crds" / "crawljobs.artistcrawl.dev.yaml").read_text())
JOB = "apiVersion: artistcrawl.dev/v1alpha1\nkind: CrawlJob\nmetadata: {name: artists}\nspec: {}\n"
STATUS = {
    "state": "Crawling",
    "progress": "42.31%",
    "artists": 1234,
    "requestsPerMinute": 20,
    "timeLeft": "57d4h",
    "workers": {"desired": 3, "current": 3, "ready": 2},
    "selector": "artistcrawl.dev/crawljob=artists",
    "conditions": [
        {
            "type": "Succeeded",
            "status": "Unknown",
            "reason": "RateLimitBinds",
            "message": "One worker is enough",
            "lastTransitionTime": "2026-11-23T06:00:00Z",
        }
    ],
}

Kubectl = Callable[..., Done]


@pytest.fixture
def kubectl(control_plane: ApiServer, namespace: str) -> Kubectl:
    """Kubectl in the test's namespace."""

    def run(*arguments: str, **options: Any) -> Done:
        return control_plane.kubectl("-n", namespace, *arguments, **options)

    return run


@pytest.fixture
def crawling(kubectl: Kubectl) -> Kubectl:
    """The same, where the CrawlJob `artists` is under way."""
    kubectl("apply", "-f", "-", stdin=JOB)
    kubectl("patch", "crawl/artists", "--subresource=status", "--type=merge", "-p", json.dumps({"status": STATUS}))
    return kubectl


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["apply", "server-side apply"])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_applied_twice_without_a_change(sample: Path, how: tuple[str, ...], kubectl: Kubectl) -> None:
    text = sample.read_text().replace("termsAccepted: false", "termsAccepted: true")
    kubectl("apply", *how, "-f", "-", stdin=text)
    again = kubectl("apply", *how, "-f", "-", "-o", "jsonpath={.metadata.generation}", stdin=text)
    assert again.stdout == "1"


def test_the_spotify_sample_is_refused_until_the_terms_are_accepted(kubectl: Kubectl) -> None:
    refused = kubectl("apply", "-f", str(ROOT / "k8s" / "samples" / "spotify.yaml"), check=False)
    assert refused.returncode == 1
    assert "write true only when you have read them" in refused.stderr


def test_get_shows_what_people_ask_first(crawling: Kubectl) -> None:
    header, row = crawling("get", "crawl").stdout.splitlines()
    assert header.split() == ["NAME", "STATE", "PROGRESS", "ARTISTS", "RATE", "WORKERS", "ETA", "AGE"]
    assert row.split()[:7] == ["artists", "Crawling", "42.31%", "1234", "20", "2", "57d4h"]


def test_get_wide_shows_the_reason(crawling: Kubectl) -> None:
    wide = crawling("get", "artistcrawl", "-o", "wide").stdout
    assert "RateLimitBinds" in wide
    assert "One worker is enough" in wide


def test_wait_knows_the_conditions(crawling: Kubectl) -> None:
    crawling("wait", "crawl/artists", "--for=condition=Succeeded=Unknown", "--timeout=5s")


@pytest.mark.parametrize(("selector", "found"), [("status.state=Crawling", "artists"), ("status.state=Frozen", "")])
def test_crawljobs_are_selected_by_state(selector: str, found: str, crawling: Kubectl) -> None:
    jobs = crawling("get", "crawl", f"--field-selector={selector}", "-o", "jsonpath={.items[*].metadata.name}")
    assert jobs.stdout == found


def test_crawljobs_are_selected_by_source(crawling: Kubectl) -> None:
    jobs = crawling("get", "crawl", "--field-selector=spec.source.type=Sandbox", "-o", "name")
    assert jobs.stdout == "crawljob.artistcrawl.dev/artists\n"


def test_scale_sets_the_number_of_workers(crawling: Kubectl) -> None:
    crawling("scale", "crawl/artists", "--replicas=5")
    assert crawling("get", "crawl/artists", "-o", "jsonpath={.spec.workers.replicas}").stdout == "5"


def test_an_autoscaler_finds_selector_and_workers(crawling: Kubectl) -> None:
    crawling("scale", "crawl/artists", "--replicas=5")
    scale = json.loads(crawling("get", "crawl/artists", "--subresource=scale", "-o", "json").stdout)
    assert scale["spec"] == {"replicas": 5}
    assert scale["status"] == {"replicas": 3, "selector": "artistcrawl.dev/crawljob=artists"}


def test_scale_is_bounded(crawling: Kubectl) -> None:
    refused = crawling("scale", "crawl/artists", "--replicas=501", check=False)
    assert "should be less than or equal to 500" in refused.stderr


def test_the_operator_chooses_again_without_replicas(crawling: Kubectl) -> None:
    crawling("scale", "crawl/artists", "--replicas=5")
    crawling("patch", "crawl/artists", "--type=json", "-p", '[{"op": "remove", "path": "/spec/workers/replicas"}]')
    assert crawling("get", "crawl/artists", "-o", "jsonpath={.spec.workers.replicas}").stdout == ""


@pytest.mark.parametrize("field", ["keyspace", "source.queryTemplate", "workers.tolerations", "rateLimit.spacing"])
def test_explain_tells_what_a_field_is(field: str, kubectl: Kubectl) -> None:
    told = kubectl("explain", f"crawljob.spec.{field}").stdout
    assert "<empty>" not in told.split("FIELDS:")[0]


def test_server_side_apply_refuses_null(kubectl: Kubectl) -> None:
    text = JOB.replace("spec: {}", "spec: {rateLimit: {bucketName: null}}")
    assert kubectl("apply", "--server-side", "-f", "-", stdin=text, check=False).returncode == 1


# --- A CRD that is brought up to date ---------------------------------------------------------------------------------

# Under another name, since the tests beside this one use ours.
FORMER_GROUP = "former.artistcrawl.dev"


def renamed(crd: dict[str, Any]) -> dict[str, Any]:
    crd = copy.deepcopy(crd)
    crd["metadata"]["name"], crd["spec"]["group"] = f"crawljobs.{FORMER_GROUP}", FORMER_GROUP
    # Short names and categories would be taken.
    crd["spec"]["names"] |= {"shortNames": [], "categories": []}
    return crd


def of_group(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "apiVersion": f"{FORMER_GROUP}/v1alpha1"}


@pytest.fixture
def stored(
    install_crd: Callable[[dict[str, Any]], None], bare_kube: client.ApiClient, namespace: str
) -> Callable[[str], Any]:
    """CrawlJobs that the CRD of before has stored, and the present one serves."""
    install_crd(renamed(former.CRD))
    api, where = client.CustomObjectsApi(bare_kube), (FORMER_GROUP, "v1alpha1", namespace, "crawljobs")
    for each in former.CRAWLJOBS:
        made = api.create_namespaced_custom_object(*where, of_group({**each.stored, "spec": each.applied}))
        assert made["spec"] == each.stored["spec"]
    install_crd(renamed(CRD))

    def read(name: str) -> Any:
        return api.get_namespaced_custom_object(*where, name)

    give_up = time.monotonic() + 30
    while "deadlinePolicy" not in read("nothing")["spec"]:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return read


def contained(part: Any, whole: Any) -> bool:
    """Whether all that a part says stands in the whole as well."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(contained(value, whole.get(name)) for name, value in part.items())
    return bool(part == whole)


def test_crawljobs_of_before_are_served_as_they_were_and_can_be_written_back(
    stored: Callable[[str], Any], bare_kube: client.ApiClient, namespace: str
) -> None:
    api, where = client.CustomObjectsApi(bare_kube), (FORMER_GROUP, "v1alpha1", namespace, "crawljobs")
    for each in former.CRAWLJOBS:
        read = stored(each.name)
        assert contained(each.stored["spec"], read["spec"])
        spec = crawljob_of({**each.stored, "spec": read["spec"]}, origin="the API server").spec
        assert identity(spec) == canonical(each.identity)
        read["spec"]["suspend"] = not read["spec"]["suspend"]
        written = api.replace_namespaced_custom_object(*where, each.name, read)
        assert written["spec"] == read["spec"]


def test_what_was_flat_is_moved_to_the_member_by_an_apply(
    stored: Callable[[str], Any], bare_kube: client.ApiClient, namespace: str
) -> None:
    source = stored("imitation")["spec"]["source"]
    flat: dict[str, Any] = {name: source[name] for name in ("market", "termsAccepted")}
    patch = {"spec": {"source": {**dict.fromkeys(flat), "spotify": flat}}}
    client.CustomObjectsApi(bare_kube).patch_namespaced_custom_object(
        FORMER_GROUP,
        "v1alpha1",
        namespace,
        "crawljobs",
        "imitation",
        patch,
        _content_type="application/merge-patch+json",
    )
    source = stored("imitation")["spec"]["source"]
    assert (source["spotify"], flat.keys() & source.keys()) == (flat, set())
