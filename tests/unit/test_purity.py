"""Pure modules load no driver and no client of a service: each is imported in a fresh interpreter.

Import contracts (pyproject.toml) read the source; this sees what an import really brings, packages of others included.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

CLIENTS = ("aiohttp", "httpx", "kopf", "kubernetes", "prometheus_client", "psycopg", "redis", "yarl")

PURE = [
    # A package stands for all its modules, so that a new one is looked at from its first day.
    "crawl_core.backends.keys",
    "crawl_core.backends.queries",
    "crawl_core.clock",
    "crawl_core.durations",
    "crawl_core.errors",
    "crawl_core.job.bucket_name",
    "crawl_core.job.reasons",
    "crawl_core.job.schedule",
    "crawl_core.job.snapshot",
    "crawl_core.job.terminal",
    "crawl_core.job.throughput",
    "crawl_core.job.time_left",
    "crawl_core.job.verdicts",
    "crawl_core.job.views",
    "crawl_core.keyspace",
    "crawl_core.limiter.freeze",
    "crawl_core.limiter.permit",
    "crawl_core.limiter.queue",
    "crawl_core.limiter.returns",
    "crawl_core.limiter.state",
    "crawl_core.logs",
    "crawl_core.metrics.labels",
    "crawl_core.spec",
    "crawl_core.text",
    "crawl_core.values",
    "crawl_core.wording",
    "crawl_operator.crd",
    "crawl_operator.decide",
    "crawl_operator.values",
    "crawl_worker.commands.job_status",
    "crawl_worker.commands.status_text",
    "crawl_worker.crew.backoff",
    "crawl_worker.local.job_look",
    "crawl_worker.local.judgement",
    "crawl_worker.local.outcome",
    "crawl_worker.local.plan",
    "crawl_worker.machine",
    "crawl_worker.client.errors",
    "crawl_worker.client.judge",
    "crawl_worker.client.outage",
    "crawl_worker.client.outcomes",
    "crawl_worker.client.retry",
    "crawl_worker.client.session",
    "crawl_worker.crawl.paging",
    "crawl_worker.crawl.range_strings",
    "crawl_worker.crawl.steps",
    "crawl_worker.crawl.stopping",
    "crawl_worker.crawl.view",
    "crawl_worker.sources",
]

_IMPORT_ALL = """
import importlib, pkgutil, sys
name, clients = sys.argv[1], sys.argv[2:]
package = importlib.import_module(name)
modules = [name, *(module.name for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."))]
for module in modules:
    if not module.endswith(".__main__"):
        importlib.import_module(module)
    if brought := sorted(set(clients) & set(sys.modules)):
        sys.exit(f"{module} loads {', '.join(brought)}")
"""


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_loads_no_client_of_a_service(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL, name, *CLIENTS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
