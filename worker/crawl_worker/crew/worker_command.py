"""How a run's workers are called: with the servers, the sandbox and the credentials of the run."""

from __future__ import annotations

from collections.abc import Mapping

from crawl_core.serving.loopback import at, loopback
from crawl_worker.data.backends import POSTGRES_VARIABLE, REDIS_VARIABLE, Urls
from crawl_worker.machine.processes import own_command
from crawl_worker.sources.credentials import Credentials


def worker_command(job: str, *, node: str, sandbox_url: str | None, serves_metrics: bool) -> list[str]:
    """The command line of one worker of the job NAMESPACE/NAME, but for the worker's name."""
    arguments = ["--job", job, "--node", node, "--log-format", "json", "--once-done", "idle"]
    # Said in any case: a variable of the environment would give all of them one port.
    arguments += ["--metrics-port", at(loopback(), 0) if serves_metrics else "-1"]
    if sandbox_url is not None:
        arguments += ["--base-url", sandbox_url, "--token-url", f"{sandbox_url}/api/token"]
    return own_command("worker", *arguments)


def worker_environment(urls: Urls, credentials: Credentials) -> Mapping[str, str]:
    """What a worker needs and no command line may show: the URLs have passwords."""
    return {
        POSTGRES_VARIABLE: urls.postgres,
        REDIS_VARIABLE: urls.redis,
        "ARTISTCRAWL_CLIENT_ID": credentials.client_id,
        "ARTISTCRAWL_CLIENT_SECRET": credentials.client_secret,
    }
