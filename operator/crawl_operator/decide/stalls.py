"""Why nothing is done where something should be: pods that do not come up, requests that all fail, silence. Pure.

What Kubernetes says is not repeated word for word where that changes each minute: a condition is not a log.
"""

from __future__ import annotations

from crawl_core.job import reasons as shared
from crawl_core.job.verdicts import patience
from crawl_core.wording import duration
from crawl_operator.decide.condition_records import ConditionValue
from crawl_operator.decide.phase import PhasedCrawl
from crawl_operator.decide.workers import limits_in_force
from crawl_operator.values import reasons
from crawl_operator.values.names import selector_text

_PASSING = frozenset({"Unschedulable", "SchedulingGated", "NotReady", "Evicted", "Preempted"})
"""Troubles of pods that a cluster mends by itself: room may come, a node may answer again."""
_OF_THE_SOURCE = frozenset({shared.SOURCE_UNREACHABLE, shared.SOURCE_FAILING})
"""What workers note that no credentials would change."""
_REFUSED = frozenset({"Invalid", "Forbidden"})
"""What the API server said to the operator, and not to a pod."""
_STARTS = frozenset({"CrashLoopBackOff", "Error", "OOMKilled", "Completed"})
_IMAGES = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})


def pods_condition(crawl: PhasedCrawl) -> ConditionValue | None:
    """Why no worker is up, where Kubernetes says so."""
    trouble = _worst(crawl)
    if trouble is None:
        return None
    reason, message = trouble
    if reason in _REFUSED:
        return ConditionValue("False", reasons.WORKERS_UNAVAILABLE, f"No worker is up. {_refusal(reason, message)}")
    return ConditionValue(
        "False", reasons.WORKERS_UNAVAILABLE, f"No worker is up: {_pod_sentence(crawl, reason, message)}"
    )


def some_pods(crawl: PhasedCrawl) -> str:
    """A sentence on the workers that are not up beside those that are; empty where none is in trouble."""
    trouble = _worst(crawl)
    if trouble is None:
        return ""
    if trouble[0] in _REFUSED:
        return f" {_refusal(*trouble)}"
    return f" Some workers are not up: {_pod_sentence(crawl, *trouble)}"


def is_passing(crawl: PhasedCrawl) -> bool:
    """Whether what keeps the pods may pass without anybody's doing."""
    trouble = _worst(crawl)
    return trouble is None or trouble[0] in _PASSING


def _worst(crawl: PhasedCrawl) -> tuple[str, str] | None:
    """The trouble that a person must see to, before those that may pass; always the same one of several."""
    troubles = sorted((pod.reason in _PASSING, pod.reason, pod.message) for pod in crawl.observation.pods)
    if troubles:
        return troubles[0][1:]
    deployment = crawl.deployment
    return ("FailedCreate", deployment.failure) if deployment is not None and deployment.failure else None


def _refusal(reason: str, message: str) -> str:
    """Of a change, whatever becomes of the workers that are there. A missing right is told with its remedy."""
    remedy = " Correct spec.workers, or what forbids it: a quota, an admission policy." if reason == "Invalid" else ""
    return f"The change of the workers was refused: {_sentence(message)}{remedy}"


def moving_message(crawl: PhasedCrawl) -> str:
    """The Secret names other backends than the workers know."""
    key, secret = crawl.key, crawl.job.spec.backends_secret_ref.name
    return (
        f"The addresses in the Secret {secret} changed. Workers of the former ones finish first, since two Redis would "
        "be two limits; then others start with the new ones. See what is left with: kubectl get pods "
        f"-n {key.namespace} -l {selector_text(key.name)}"
    )


def _pod_sentence(crawl: PhasedCrawl, reason: str, message: str) -> str:
    key = crawl.key
    pods = f"-n {key.namespace} -l {selector_text(key.name)}"
    if reason in _IMAGES:
        image = crawl.deployment.image if crawl.deployment is not None else ""
        return (
            f"{reason}: image {image} cannot be pulled. Correct the operator's worker image or its pull Secrets, then "
            f"restart the workers: kubectl annotate -n {key.namespace} crawljob/{key.name} --overwrite "
            'artistcrawl.dev/restart="$(date +%s)"'
        )
    if reason in _STARTS:
        return f"{reason}: see why with: kubectl logs {pods} --previous"
    sentence = f"{message.rstrip('. ')}. " if message else ""
    return f"{reason}: {sentence}See more with: kubectl describe pods {pods}"


def noted_message(crawl: PhasedCrawl) -> str:
    """What workers noted since nobody's requests succeed."""
    problem = "" if crawl.row is None else crawl.row.problem_message or crawl.row.problem_reason or ""
    about_credentials = crawl.row is not None and crawl.row.problem_reason not in _OF_THE_SOURCE
    return f"{_sentence(problem)} Workers go on trying.{credentials(crawl) if about_credentials else ''}"


def hint(crawl: PhasedCrawl) -> str:
    """A sentence on what workers noted of a crawl that goes well; empty where that is nothing."""
    row = crawl.row
    if row is None or row.problem_reason not in reasons.HINTS:
        return ""
    return f" {_sentence(row.problem_message or str(row.problem_reason))}"


def misconfigured_condition(crawl: PhasedCrawl) -> ConditionValue:
    """What a worker cannot work with, and where it stands."""
    message = crawl.row.problem_message if crawl.row is not None else None
    remedy = "One worker is tried again when a Secret or the spec changes, and every 10 minutes."
    key, backends = crawl.key, crawl.job.spec.backends_secret_ref.name
    secrets = f"{credentials(crawl)} The backends are in Secret {key.namespace}/{backends}."
    return ConditionValue(
        "False", reasons.MISCONFIGURED, f"{_sentence(message or 'A worker is misconfigured')} {remedy}{secrets}"
    )


def credentials(crawl: PhasedCrawl) -> str:
    """A sentence that names the Secret of the credentials; empty where there is none."""
    secret = crawl.job.spec.source.credentials_secret_ref
    if secret is None:
        return ""
    return f" The credentials are in Secret {crawl.key.namespace}/{secret.name} (client-id, client-secret)."


def silence_message(crawl: PhasedCrawl) -> str:
    """Workers are up, and nothing was committed for long."""
    key, quiet = crawl.key, patience(limits_in_force(crawl).window_s)
    return (
        f"Workers are up, and nothing was committed for {duration(quiet.total_seconds())}. See why with: kubectl "
        f"logs -n {key.namespace} -l {selector_text(key.name)} --tail=50"
    )


def _sentence(text: str) -> str:
    return f"{text.rstrip('. ')}."
