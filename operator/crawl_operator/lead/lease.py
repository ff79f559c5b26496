"""The Lease in Kubernetes: read, made and written at the version that was read.

Give it an Api of its own, with short time limits: rounds that wait for a slow API server must not cost the lead.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from crawl_core.clock import Clock
from crawl_core.errors import ConfigurationError
from crawl_operator.kube.api import MERGE, Api, ApiError, ConflictError, ForbiddenError, MissingError, path_of
from crawl_operator.kube.transport import Method
from crawl_operator.lead.elector import DURATION_S, LeaseConflictError, LeaseRecord, LeaseUnavailableError
from crawl_operator.values import names

TIMEOUT_S = (1.0, 2.0)
"""To connect, and to be answered: together well below the time after which we give up acting."""

_GROUP = "apis/coordination.k8s.io/v1"
_OURS = {"fieldManager": names.FIELD_MANAGER}


class KubernetesLeases:
    """One Lease, by its name."""

    def __init__(self, api: Api, *, namespace: str, name: str, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._namespace = namespace
        self._name = name

    async def read(self) -> LeaseRecord | None:
        """The Lease; None before anybody made it."""
        try:
            return await self._request("GET")
        except MissingError:
            return None

    async def create(self, holder: str) -> LeaseRecord:
        """Make it, held."""
        spec = {**self._held_by(holder), "acquireTime": self._now(), "leaseTransitions": 0}
        try:
            return await self._request("POST", {"metadata": {"name": self._name}, "spec": spec})
        except MissingError as error:
            raise ConfigurationError(
                f"there is no namespace {self._namespace} for the Lease; give --lease-namespace NAME (or POD_NAMESPACE)"
            ) from error

    async def renew(self, record: LeaseRecord) -> LeaseRecord:
        """Write the time into our own, at its version."""
        return await self._write(record, {"renewTime": self._now()})

    async def take(self, record: LeaseRecord, holder: str) -> LeaseRecord:
        """Make it ours, or (with an empty holder) nobody's, at its version."""
        transitions = record.transitions + (1 if holder else 0)
        return await self._write(
            record, {**self._held_by(holder), "acquireTime": self._now(), "leaseTransitions": transitions}
        )

    async def _write(self, record: LeaseRecord, spec: Mapping[str, Any]) -> LeaseRecord:
        try:
            return await self._request("PATCH", {"metadata": {"resourceVersion": record.version}, "spec": spec})
        except MissingError as error:
            raise LeaseConflictError("the lease was deleted") from error

    async def _request(self, method: Method, body: Mapping[str, Any] | None = None) -> LeaseRecord:
        name = () if method == "POST" else (self._name,)
        path = path_of(_GROUP, self._namespace, "leases", *name)
        content_type = MERGE if method == "PATCH" else "application/json"
        query = None if method == "GET" else _OURS
        try:
            lease = await self._api.request(method, path, query=query, body=body, content_type=content_type)
        except ConflictError as error:
            raise LeaseConflictError(str(error)) from error
        except ForbiddenError as error:
            # No operator can act without it, so that is said in the log of one that ends, not retried in silence.
            raise ConfigurationError(str(error)) from error
        except MissingError:
            raise
        except ApiError as error:
            raise LeaseUnavailableError(str(error)) from error
        spec = lease["spec"]
        return LeaseRecord(
            holder=spec.get("holderIdentity") or "",
            duration_s=float(spec.get("leaseDurationSeconds") or DURATION_S),
            version=lease["metadata"]["resourceVersion"],
            transitions=spec.get("leaseTransitions") or 0,
        )

    def _held_by(self, holder: str) -> dict[str, Any]:
        return {"holderIdentity": holder, "leaseDurationSeconds": int(DURATION_S), "renewTime": self._now()}

    def _now(self) -> str:
        """As MicroTime takes it: always with microseconds, which isoformat leaves out when they are 0.

        For people alone: no operator compares it with its own clock.
        """
        return datetime.fromtimestamp(self._clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
