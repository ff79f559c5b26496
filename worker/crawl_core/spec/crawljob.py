"""The CrawlJob as a type: the one source of its fields, defaults and bounds. The CRD is generated from it.

Every field has a default, so that `spec: {}` is the exhaustive crawl of the sandbox. A `Spec` that exists is valid,
also across fields. Its fields stand in `unchecked`; `reading` makes it from files and API objects, `status` is apart.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from crawl_core.spec.checks import cross_field_problems
from crawl_core.spec.fields import DnsLabel, JobName, Maybe, Says, Section
from crawl_core.spec.unchecked import UncheckedSpec

API_VERSION = "artistcrawl.dev/v1alpha1"
KIND = "CrawlJob"

# What Kubernetes adds to an object, and `kubectl get -o yaml` prints: of no meaning to a crawl.
FOREIGN_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
    }
)

LATER = "check-cross-fields-later"
"""As validation context: the caller runs the checks between fields itself, to report them together with the fields'."""

_Annotations = Annotated[dict[str, str], Says("a map of names to texts, such as {note: nightly}")]


class Metadata(Section):
    """Which job this is. Namespace and name are its identity; the uid only names its keys in Redis."""

    name: JobName
    """The job's name."""

    namespace: DnsLabel = "default"
    """The job's namespace. A local run has namespaces, too: they only tell jobs apart."""

    uid: Maybe[Annotated[str, Field(min_length=1, max_length=64)]] = None
    """What Kubernetes gives an object. Absent in files."""

    labels: _Annotations = Field(default_factory=dict)
    """Kubernetes labels, of no meaning to a crawl."""

    annotations: _Annotations = Field(default_factory=dict)
    """Kubernetes annotations."""

    @model_validator(mode="before")
    @classmethod
    def _without_foreign(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if name not in FOREIGN_METADATA}
        return data


class Spec(UncheckedSpec):
    """What to crawl, how fast, and by whom."""

    @model_validator(mode="after")
    def _across_fields(self, info: ValidationInfo) -> Spec:
        if info.context != LATER:
            problems = cross_field_problems(self)
            if problems:
                raise PydanticCustomError("cross", "{text}", {"text": "; ".join(map(str, problems))})
        return self


class CrawlJob(Section):
    """A crawl: what the user applies."""

    api_version: Literal["artistcrawl.dev/v1alpha1"]
    kind: Literal["CrawlJob"]
    metadata: Metadata
    spec: Spec = Spec()
