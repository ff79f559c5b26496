"""How a run's workers are called: with the servers, the sandbox and the credentials of the run."""

from __future__ import annotations

from collections.abc import Mapping

from crawl_core.serving.address import LOOPBACK
from crawl_worker.data.backends import POSTGRES_VARIABLE, REDIS_VARIABLE
from crawl_worker.local.opened import NODE, Opened
from crawl_worker.local.sandbox import SandboxProcess
from crawl_worker.machine.processes import own_command


def worker_command(opened: Opened, *, sandbox: SandboxProcess | None, serves_metrics: bool) -> list[str]:
    """The command line of one worker, but for its name."""
    job = f"{opened.row.namespace}/{opened.row.name}"
    arguments = ["--job", job, "--node", NODE, "--log-format", "json", "--once-done", "idle"]
    # Said in any case: a variable of the environment would give all of them one port.
    arguments += ["--metrics-port", f"{LOOPBACK}:0" if serves_metrics else "-1"]
    if sandbox is not None:
        arguments += ["--base-url", sandbox.url, "--token-url", f"{sandbox.url}/api/token"]
    return own_command("worker", *arguments)


def worker_environment(opened: Opened) -> Mapping[str, str]:
    """What a worker needs to know and no command line may show."""
    return {
        POSTGRES_VARIABLE: opened.urls.postgres,
        REDIS_VARIABLE: opened.urls.redis,
        "ARTISTCRAWL_CLIENT_ID": opened.credentials.client_id,
        "ARTISTCRAWL_CLIENT_SECRET": opened.credentials.client_secret,
    }
