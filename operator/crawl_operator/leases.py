"""The Lease in Kubernetes: read, made and written at the version that was read.

Its requests have a thread and a time limit of their own: rounds that wait for a slow API server must not cost the lead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypeVar

from kubernetes.client import ApiClient, ApiException, CoordinationV1Api
from urllib3.exceptions import HTTPError

from crawl_core.errors import ConfigurationError
from crawl_operator import names
from crawl_operator.leader import DURATION_S, LeaseConflictError, LeaseRecord, LeaseUnavailableError

T = TypeVar("T")

_TIMEOUT_S = (1.0, 2.0)
"""To connect, and to be answered: together well below the time after which we give up acting."""


class KubernetesLeases:
    """One Lease, by its name."""

    def __init__(self, api: ApiClient, *, namespace: str, name: str = names.LEASE) -> None:
        self._api = CoordinationV1Api(api)
        self._namespace = namespace
        self._name = name
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lease")

    def close(self) -> None:
        """End the thread, without waiting for a request in it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def read(self) -> LeaseRecord | None:
        """The Lease; None before anybody made it."""
        try:
            return await self._call(self._api.read_namespaced_lease, self._name, self._namespace)
        except _MissingError:
            return None

    async def create(self, holder: str) -> LeaseRecord:
        """Make it, held."""
        spec = {**_held_by(holder), "acquireTime": _now(), "leaseTransitions": 0}
        body = {"metadata": {"name": self._name, "namespace": self._namespace}, "spec": spec}
        return await self._call(self._api.create_namespaced_lease, self._namespace, body)

    async def renew(self, record: LeaseRecord) -> LeaseRecord:
        """Write the time into our own, at its version."""
        return await self._write(record, {"renewTime": _now()})

    async def take(self, record: LeaseRecord, holder: str) -> LeaseRecord:
        """Make it ours, or (with an empty holder) nobody's, at its version."""
        transitions = record.transitions + (1 if holder else 0)
        return await self._write(record, {**_held_by(holder), "acquireTime": _now(), "leaseTransitions": transitions})

    async def _write(self, record: LeaseRecord, spec: dict[str, Any]) -> LeaseRecord:
        body = {"metadata": {"resourceVersion": record.version}, "spec": spec}
        try:
            return await self._call(self._api.patch_namespaced_lease, self._name, self._namespace, body)
        except _MissingError as error:
            raise LeaseConflictError("the lease was deleted") from error

    async def _call(self, method: Callable[..., Any], *arguments: Any) -> LeaseRecord:
        def call() -> Any:
            return method(*arguments, _request_timeout=_TIMEOUT_S, field_manager=names.FIELD_MANAGER)

        def read() -> Any:
            return method(*arguments, _request_timeout=_TIMEOUT_S)

        reads = method == self._api.read_namespaced_lease
        try:
            lease = await asyncio.get_running_loop().run_in_executor(self._thread, read if reads else call)
        except ApiException as error:
            raise self._meaning(error) from error
        except (HTTPError, OSError) as error:
            raise LeaseUnavailableError(f"the API server is out of reach: {error}") from error
        spec = lease.spec
        duration_s = float(spec.lease_duration_seconds or DURATION_S)
        version = str(lease.metadata.resource_version)
        return LeaseRecord(spec.holder_identity or "", duration_s, version, spec.lease_transitions or 0)

    def _meaning(self, error: ApiException) -> Exception:
        match error.status:
            case HTTPStatus.NOT_FOUND:
                return _MissingError(str(error.reason))
            case HTTPStatus.CONFLICT:
                return LeaseConflictError("somebody else wrote the lease")
            case HTTPStatus.FORBIDDEN:
                return ConfigurationError(
                    f"the operator may not use the Lease {self._name} in namespace {self._namespace}; give its service "
                    "account a Role there with apiGroups [coordination.k8s.io], resources [leases], "
                    "verbs [get, create, patch]"
                )
            case _:
                return LeaseUnavailableError(f"the API server answered {error.status} {error.reason}")


class _MissingError(Exception):
    """There is no such Lease, or no such namespace."""


def _held_by(holder: str) -> dict[str, Any]:
    return {"holderIdentity": holder, "leaseDurationSeconds": int(DURATION_S), "renewTime": _now()}


def _now() -> str:
    """As MicroTime takes it: always with microseconds, which isoformat leaves out when they are 0."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
