"""`kubectl crawl` against a real API server; the test writes the status as the operator would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from kubernetes import client
from support.processes.api_server import ApiServer
from support.processes.tcp_proxy import TcpProxy

from crawl_operator.plugin import cli, complete
from crawl_operator.plugin.follow import Follower, Picture, Scope, pictures
from crawl_operator.plugin.server import Access, PluginClient, WatchExpiredError, connect, crawljobs_path
from crawl_operator.values import names

WITHIN_S = 30.0
CRAWLING = {"state": "Crawling", "progress": "10.00%", "observedGeneration": 99}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def crawl(control_plane: ApiServer, namespace: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; its exit status, result and remarks."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["--kubeconfig", str(control_plane.kubeconfig), "-n", namespace, *arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def jobs(kube: client.ApiClient, namespace: str) -> CrawlJobs:
    return CrawlJobs(kube, namespace)


@pytest.fixture
def server(control_plane: ApiServer, namespace: str) -> PluginClient:
    return connect(Access(kubeconfig=str(control_plane.kubeconfig), namespace=namespace))


class CrawlJobs:
    """What a user and the operator do beside the plugin."""

    def __init__(self, kube: client.ApiClient, namespace: str) -> None:
        self._api = client.CustomObjectsApi(kube)
        self._where = (names.GROUP, names.VERSION, namespace, names.PLURAL)

    def create(self, name: str = "artists", **spec: Any) -> None:
        body = {"apiVersion": "artistcrawl.dev/v1alpha1", "kind": "CrawlJob", "metadata": {"name": name}, "spec": spec}
        self._api.create_namespaced_custom_object(*self._where, body)

    def get(self, name: str = "artists") -> dict[str, Any]:
        crawljob: Any = self._api.get_namespaced_custom_object(*self._where, name)
        return dict(crawljob)

    def tell(self, name: str = "artists", **status: Any) -> None:
        merge = {"_content_type": "application/merge-patch+json"}
        self._api.patch_namespaced_custom_object_status(*self._where, name, {"status": status}, **merge)

    def delete(self, name: str = "artists") -> None:
        self._api.delete_namespaced_custom_object(*self._where, name)


@contextmanager
def meanwhile(action: Callable[[], Any]) -> Iterator[None]:
    """Do something in another thread, which must end well."""
    failed: list[BaseException] = []

    def act() -> None:
        try:
            action()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    yield
    thread.join(WITHIN_S)
    assert not failed


def until(follower: Follower, holds: Callable[[Picture], Any]) -> Picture:
    """The first picture that is as expected."""
    for _ in range(100):
        picture = follower.next(WITHIN_S)
        assert picture is not None, "no picture came"
        if holds(picture):
            return picture
    raise AssertionError("no picture was as expected")


# --- status


def test_status_shows_all_of_a_namespace(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create("one")
    jobs.create("two")
    jobs.tell("two", **CRAWLING)
    status, out, _ = crawl("status")
    assert status == 0
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["JOB", "STATE", "PROGRESS"],
        ["one", "Pending", "0.00%"],
        ["two", "Crawling", "10.00%"],
    ]


def test_status_of_all_namespaces_names_them(crawl: Run, jobs: CrawlJobs, namespace: str) -> None:
    jobs.create()
    assert f"{namespace}/artists" in crawl("status", "-A")[1]


def test_without_crawljobs_status_says_how_to_start(crawl: Run) -> None:
    status, out, err = crawl("status")
    assert (status, out) == (0, "")
    assert "kubectl apply -f k8s/samples/quickstart.yaml" in err


def test_status_of_one_tells_all_about_it(crawl: Run, jobs: CrawlJobs, namespace: str) -> None:
    jobs.create(keyspace={"minLength": 2, "maxLength": 2})
    jobs.tell(**CRAWLING, artists=1234, artistsNew=1000)
    _, out, _ = crawl("status", "crawljob/artists")
    assert f"{namespace}/artists" in out
    assert "1,234 (1,000 new)" in out
    assert "10.00% of 1,296 strings" in out


@pytest.mark.parametrize(("name", "kind"), [(["artists"], "CrawlJob"), ([], "List")])
def test_json_is_what_kubectl_prints(name: list[str], kind: str, crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    found = json.loads(crawl("status", *name, "-o", "json")[1])
    assert found["kind"] == kind
    assert [item["kind"] for item in found.get("items", [found])] == ["CrawlJob"]


def test_watching_one_ends_when_it_is_done(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    jobs.tell(**CRAWLING)
    with meanwhile(lambda: jobs.tell(state="Succeeded", progress="100.00%")):
        status, out, _ = crawl("status", "artists", "-w")
    assert status == 0
    assert out.splitlines()[-1].split()[1:3] == ["Succeeded", "100.00%"]


def test_watching_one_ends_when_it_is_deleted(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    deletion = threading.Timer(1.0, jobs.delete)
    deletion.start()
    status, _, err = crawl("status", "artists", "-w")
    assert status == 78
    assert "was deleted" in err


# --- what is asked for


def test_suspend_and_resume_write_the_spec_in_the_plugins_name(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    assert crawl("suspend", "artists")[0] == 0
    assert jobs.get()["spec"]["suspend"] is True
    assert "kubectl-crawl" in [entry["manager"] for entry in jobs.get()["metadata"]["managedFields"]]
    assert crawl("resume", "artists")[0] == 0
    assert jobs.get()["spec"]["suspend"] is False


def test_what_is_so_already_is_not_written(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create(suspend=True)
    assert "is suspended already" in crawl("suspend", "artists")[1]
    jobs.tell(state="Succeeded")
    assert "there is nothing to suspend" in crawl("suspend", "artists")[1]
    assert "has no dead letters" in crawl("retry-dead-letters", "artists")[1]
    assert jobs.get()["metadata"]["generation"] == 1
    assert "annotations" not in jobs.get()["metadata"]


@pytest.mark.parametrize(
    ("command", "annotation"),
    [
        ("restart", names.ANNOTATION_RESTART),
        ("retry-dead-letters", names.ANNOTATION_RETRY_DEAD_LETTERS),
        ("unfreeze", names.ANNOTATION_UNFREEZE),
    ],
)
def test_each_request_is_a_new_value_that_sorts_behind_the_last(
    command: str, annotation: str, crawl: Run, jobs: CrawlJobs
) -> None:
    jobs.create()
    jobs.tell(**CRAWLING, deadLetters=2)
    values = []
    for _ in range(3):
        assert crawl(command, "artists")[0] == 0
        values.append(jobs.get()["metadata"]["annotations"][annotation])
    assert values == sorted(set(values))


def test_wait_returns_when_the_operator_has_done_it(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    jobs.tell(**CRAWLING, deadLetters=2)

    def operator() -> None:
        wanted = names.ANNOTATION_RETRY_DEAD_LETTERS
        while wanted not in (annotations := jobs.get()["metadata"].get("annotations", {})):
            pass
        jobs.tell(handled={"retryDeadLetters": annotations[wanted]})

    with meanwhile(operator):
        status, out, _ = crawl("retry-dead-letters", "artists", "--wait", "--timeout", "30s")
    assert status == 0
    assert out.splitlines()[-1] == "done"


def test_wait_for_a_suspended_crawl_is_over_when_no_worker_is_left(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    jobs.tell(state="Suspended", observedGeneration=2, workers={"desired": 0, "ready": 1})
    assert crawl("suspend", "artists", "--wait", "--timeout", "1s")[0] == 1
    jobs.tell(workers={"desired": 0, "ready": 0})
    assert crawl("suspend", "artists", "--wait", "--timeout", "30s")[0] == 0


def test_wait_for_a_restart_is_over_when_the_workers_are_of_another_template(
    kube: client.ApiClient, crawl: Run, jobs: CrawlJobs, namespace: str
) -> None:
    jobs.create()
    apps, labels = client.AppsV1Api(kube), names.selector_of("artists")
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "worker", "image": "none"}]}}
    metadata = {"name": "workers", "labels": labels, "annotations": {names.ANNOTATION_TEMPLATE: "a"}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pods}
    apps.create_namespaced_deployment(namespace, {"metadata": metadata, "spec": spec})
    assert crawl("restart", "artists", "--wait", "--timeout", "1s")[0] == 1
    another = {"metadata": {"annotations": {names.ANNOTATION_TEMPLATE: "b"}}}
    operator = threading.Timer(1.0, apps.patch_namespaced_deployment, ("workers", namespace, another))
    operator.start()
    assert crawl("restart", "artists", "--wait", "--timeout", "30s")[0] == 0


def test_a_restart_without_workers_has_nothing_to_wait_for(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    assert "the next ones are new" in crawl("restart", "artists", "--wait")[1]


def test_wait_ends_with_the_question_whether_an_operator_runs(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    status, _, err = crawl("unfreeze", "artists", "--wait", "--timeout", "1s")
    assert status == 1
    assert "is the operator running? kubectl get pods" in err


# --- runs

ENDED = {
    "state": "Succeeded",
    "run": 2,
    "completionTime": "2026-01-03T00:00:00Z",
    "runs": [
        {
            "number": 2,
            "startTime": "2026-01-02T00:00:00Z",
            "completionTime": "2026-01-03T00:00:00Z",
            "requests": 1300,
            "artists": 812,
            "new": 12,
            "gone": 3,
        },
        {"number": 1, "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-02T00:00:00Z", "artists": 803},
    ],
}


def test_again_asks_for_the_run_after_the_current_one_and_twice_is_once(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    jobs.tell(**ENDED)
    assert "run 3 of" in crawl("again", "artists")[1]
    assert crawl("again", "artists")[0] == 0
    assert (jobs.get()["spec"]["run"], jobs.get()["metadata"]["generation"]) == (3, 2)


def test_again_while_the_current_run_goes_on_is_refused_unless_it_is_to_begin_later(
    crawl: Run, jobs: CrawlJobs
) -> None:
    jobs.create()
    jobs.tell(**CRAWLING, run=1)
    status, _, err = crawl("again", "artists")
    assert (status, "write kubectl crawl again artists --when-ended" in err) == (78, True)
    assert "run" not in jobs.get()["spec"]
    assert "Run 2 begins when run 1 has ended." in crawl("again", "artists", "--when-ended")[1]
    assert jobs.get()["spec"]["run"] == 2
    assert "Run 2 begins when run 1 has ended." in crawl("status", "artists")[1]


def test_the_last_runs_are_listed_and_shown_with_the_status(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    jobs.tell(**ENDED)
    rows = [line.split() for line in crawl("runs", "artists")[1].splitlines()]
    assert [(row[0], row[-4:]) for row in rows[1:]] == [
        ("2", ["1,300", "812", "12", "3"]),
        ("1", ["0", "803", "-", "-"]),
    ]
    assert "run 2: 812 artists (12 new, 3 gone) by 1,300 requests in 1 d" in crawl("status", "artists")[1]
    assert [run["number"] for run in json.loads(crawl("runs", "artists", "-o", "json")[1])] == [2, 1]


def test_before_the_first_run_there_is_none_to_list(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    status, out, err = crawl("runs", "artists")
    assert (status, out, "has no run yet" in err) == (0, "", True)


def test_an_earlier_run_is_deleted_by_its_number_and_asked_for_again_by_another_value(
    crawl: Run, jobs: CrawlJobs
) -> None:
    jobs.create()
    jobs.tell(**ENDED)
    assert crawl("delete-run", "artists", "1", "--yes")[0] == 0
    assert jobs.get()["metadata"]["annotations"][names.ANNOTATION_DELETE_RUN] == "1"
    jobs.tell(handled={"deleteRun": "1"})
    assert crawl("delete-run", "artists", "1", "--yes")[0] == 0
    assert jobs.get()["metadata"]["annotations"][names.ANNOTATION_DELETE_RUN].startswith("1-")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["2", "--yes"], "run 3 has begun"),
        (["3", "--yes"], "has not begun: the current one is run 2"),
        (["1"], "write kubectl crawl delete-run artists 1 --yes"),
    ],
)
def test_a_run_that_cannot_be_deleted_is_refused(arguments: list[str], says: str, crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    jobs.tell(**ENDED)
    status, _, err = crawl("delete-run", "artists", *arguments)
    assert (status, says in err) == (78, True)
    assert "annotations" not in jobs.get()["metadata"]


# --- what goes wrong


def test_of_a_wrong_name_it_says_the_near_one(crawl: Run, jobs: CrawlJobs) -> None:
    jobs.create()
    status, _, err = crawl("suspend", "artist")
    assert status == 78
    assert "did you mean 'artists'?" in err


@pytest.mark.parametrize(
    ("command", "verb"), [(["status"], "list"), (["status", "artists"], "get"), (["unfreeze", "artists"], "get")]
)
def test_of_a_missing_right_it_says_which(command: list[str], verb: str, crawl: Run, namespace: str) -> None:
    status, _, err = crawl(*command, "--as", "somebody")
    assert status == 78
    assert f'you ("somebody") may not {verb} crawljobs in namespace {namespace}' in err
    assert f'verbs ["{verb}"]' in err


def test_a_cluster_out_of_reach_is_no_traceback(control_plane: ApiServer, tmp_path: Path, capsys) -> None:
    with through(control_plane, tmp_path) as (proxy, kubeconfig):
        proxy.refuse(True)
        assert cli.main(["status", "--kubeconfig", str(kubeconfig)]) == 1
    assert "is out of reach" in capsys.readouterr().err


def test_a_missing_kind_is_told_from_a_missing_object(server: PluginClient) -> None:
    with pytest.raises(Exception, match=r"artistcrawl is not installed here.*helm install"):
        server.get(crawljobs_path(server.namespace).replace("v1alpha1", "v0"))


def test_tab_suggests_names(control_plane: ApiServer, jobs: CrawlJobs, namespace: str, capsys) -> None:
    jobs.create()
    complete.main(["status", "--kubeconfig", str(control_plane.kubeconfig), "-n", namespace, "art"])
    assert capsys.readouterr().out.split() == ["artists", ":4"]


# --- watching


@contextmanager
def through(server: ApiServer, folder: Path) -> Iterator[tuple[TcpProxy, Path]]:
    """A proxy before the API server, and the kubeconfig that leads there."""
    found = yaml.safe_load(server.kubeconfig.read_text())
    address = urlsplit(found["clusters"][0]["cluster"]["server"])
    with TcpProxy((str(address.hostname), int(address.port or 443))) as proxy:
        found["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
        path = folder / "by-proxy"
        path.write_text(yaml.safe_dump(found))
        yield proxy, path


def test_a_watch_that_is_cut_is_taken_up_and_says_so(
    control_plane: ApiServer, jobs: CrawlJobs, namespace: str, tmp_path: Path
) -> None:
    jobs.create()
    with through(control_plane, tmp_path) as (proxy, kubeconfig):
        server = connect(Access(kubeconfig=str(kubeconfig), namespace=namespace))
        with Follower(server, Scope(crawljobs_path(namespace))) as follower:
            until(follower, lambda picture: picture.objects)
            proxy.refuse(True)
            proxy.cut()
            picture = until(follower, lambda picture: picture.trouble)
            assert "out of reach" in picture.trouble
            assert picture.objects
            jobs.create("later")
            jobs.delete("artists")
            proxy.refuse(False)
            after = until(follower, lambda picture: len(picture.objects) == 1 and not picture.trouble)
    assert list(after.objects) == [(namespace, "later")]


class Forgotten(PluginClient):
    """Its first list is as old as the world, so that the API server has forgotten what came after."""

    lists = 0

    def get(self, path: str, query: Any = None) -> dict[str, Any]:
        found = super().get(path, query or {})
        self.lists += 1
        if self.lists == 1:
            found["metadata"]["resourceVersion"] = "1"
        return found


def test_a_forgotten_place_in_history_is_answered_with_410(server: PluginClient, jobs: CrawlJobs) -> None:
    jobs.create()
    with pytest.raises(WatchExpiredError):
        list(server.watch(crawljobs_path(server.namespace), {}, version="1"))


def test_after_410_all_is_listed_again(control_plane: ApiServer, server: PluginClient, jobs: CrawlJobs) -> None:
    jobs.create()
    forgetful = Forgotten(server._client, namespace=server.namespace)
    found = pictures(forgetful, Scope(crawljobs_path(server.namespace)), ended=threading.Event())
    assert next(found).objects == next(found).objects
    assert forgetful.lists == 2
