"""The section of a CrawlJob that says who crawls: how many workers, and what their pods look like.

Pod fields have Kubernetes' names and shapes, and are handed on as they are. A local run reads only the numbers.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crawl_core.spec.fields import DnsSubdomain, LabelKey, Labels, LabelValue, Maybe, Quantity, Says, Section

Amounts = Annotated[
    dict[LabelKey, Quantity], Field(max_length=16), Says("a map of resources to quantities, such as {cpu: 500m}")
]


class Resources(Section):
    """What a worker's container may use."""

    limits: Amounts = Field(default_factory=dict)
    """The most it gets, such as {memory: 256Mi}."""

    requests: Amounts = Field(default_factory=dict)
    """What is set aside for it, such as {cpu: 100m, memory: 128Mi}."""


class Toleration(Section):
    """A taint that does not keep workers off a node."""

    key: Maybe[LabelKey] = None
    """The taint's key; absent, with operator Exists, it stands for all."""

    operator: Literal["Equal", "Exists"] = "Equal"
    """Whether the taint's value must be equal, or may be any."""

    value: Maybe[LabelValue] = None
    """The taint's value, for Equal."""

    effect: Maybe[Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]] = None
    """The taint's effect; absent, it stands for all."""

    toleration_seconds: Maybe[Annotated[int, Field(ge=0, le=86_400)]] = None
    """Seconds a worker stays after a NoExecute taint appeared; absent, for ever."""


class Workers(Section):
    """Who crawls."""

    min: Annotated[int, Field(ge=1, le=500)] = 1
    """The fewest workers the operator chooses. To have none, set suspend."""

    max: Annotated[int, Field(ge=1, le=500)] = 8
    """The most workers the operator chooses. It starts no more than the rate limit can occupy."""

    replicas: Maybe[Annotated[int, Field(ge=0, le=500)]] = None
    """What kubectl scale, an HPA or KEDA set. Absent, the operator chooses between min and max."""

    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Requests that one worker has under way at once, each in a range of its own."""

    resources: Resources = Resources()
    """What a worker's container may use."""

    node_selector: Labels = Field(default_factory=dict)
    """Labels that a node must have."""

    tolerations: tuple[Toleration, ...] = Field(default=(), strict=False, max_length=32)
    """Taints that do not keep workers off a node."""

    priority_class_name: Maybe[DnsSubdomain] = None
    """The PriorityClass of the workers' pods."""

    labels: Labels = Field(default_factory=dict)
    """Labels for the workers' pods, such as {kueue.x-k8s.io/queue-name: crawls}."""
