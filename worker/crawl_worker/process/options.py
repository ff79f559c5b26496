"""The command line of `artistcrawl worker`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from crawl_core.frontier.frontier import LEASE_TTL_S
from crawl_core.serving.address import VARIABLE as METRICS_VARIABLE

_DESCRIPTION = """\
`artistcrawl worker`: connects one crawling process to its ledger, Redis and API, and runs it until told to stop.

Exit statuses: 0 after a drain (SIGTERM, SIGINT) or a finished job, 78 where a person must act first.
"""


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    """The options, checked as far as one can without a server. Exits 2 where they are wrong."""
    parser = argparse.ArgumentParser(prog="artistcrawl worker", description=_DESCRIPTION)
    parser.add_argument("--job", required=True, metavar="NAMESPACE/NAME", help="the job to crawl for")
    parser.add_argument("--postgres", default=os.environ.get("ARTISTCRAWL_POSTGRES_URL"), metavar="URL")
    parser.add_argument("--redis", default=os.environ.get("ARTISTCRAWL_REDIS_URL"), metavar="URL")
    parser.add_argument("--base-url", metavar="URL", help="the API's address, instead of the CrawlJob's")
    parser.add_argument("--token-url", metavar="URL", help="the token endpoint, instead of the CrawlJob's")
    parser.add_argument("--credentials", type=Path, metavar="DIR", help="folder with files client-id, client-secret")
    parser.add_argument("--node", metavar="ADDRESS", help="this node's address, for rateLimit.bucket Node")
    parser.add_argument("--worker-name", metavar="NAME", help="how logs and the request log call this process")
    parser.add_argument("--log-format", choices=("json", "console"), default="json")
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser.add_argument("--once-done", choices=("idle", "exit"), default="idle", help="what to do after the job's end")
    parser.add_argument(
        "--probe-port", type=int, metavar="PORT", help="answer /healthz and /readyz there; else nowhere"
    )
    parser.add_argument(
        "--metrics-port",
        default=os.environ.get(METRICS_VARIABLE),
        metavar="PORT",
        help=f"serve Prometheus's metrics there, at /metrics; HOST:PORT for one address alone (${METRICS_VARIABLE})",
    )
    parser.add_argument("--lease-ttl", type=float, default=LEASE_TTL_S, metavar="SECONDS", help="life of a lease")
    options = parser.parse_args(argv)
    for name in ("postgres", "redis"):
        if not getattr(options, name):
            parser.error(f"give --{name} URL, or set ARTISTCRAWL_{name.upper()}_URL")
    if options.job.count("/") != 1:
        parser.error(f"--job {options.job!r}: write NAMESPACE/NAME")
    return options
