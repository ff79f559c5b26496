"""`artistcrawl unfreeze`: lift the pause that a 429 put on a bucket, in Redis and in the ledger.

The source asked for the pause, so this is for people who know that it is over, and for one bucket at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence

from crawl_core.backends.scripts import connect_redis
from crawl_core.errors import ConfigurationError
from crawl_core.ledger import buckets
from crawl_core.ledger.buckets import BucketRows
from crawl_core.ledger.ledger import Ledger
from crawl_core.limiter.record import unfreeze
from crawl_core.values.limits import BucketRow
from crawl_core.wording import duration, instant
from crawl_worker.commands.output import say
from crawl_worker.data.backends import Urls, add_flags, answering, backends


def main(argv: Sequence[str] | None = None) -> int:
    """List the buckets, or unfreeze one."""
    parser = argparse.ArgumentParser(
        prog="artistcrawl unfreeze", description="Lift the pause that a 429 put on a rate limit."
    )
    parser.add_argument("bucket", nargs="?", metavar="BUCKET", help="its name, as --list shows it")
    parser.add_argument("--list", action="store_true", help="show the buckets")
    add_flags(parser)
    arguments = parser.parse_args(argv)
    if not arguments.list and arguments.bucket is None:
        raise ConfigurationError("which bucket? artistcrawl unfreeze --list shows them")
    with backends(arguments, needs_redis=not arguments.list) as urls:
        return asyncio.run(_act(urls, arguments.bucket if not arguments.list else None))


async def _act(urls: Urls, bucket: str | None) -> int:
    with answering(urls.postgres):
        ledger = await Ledger.open(urls.postgres, application_name="artistcrawl-unfreeze")
    try:
        rows = await buckets.all(ledger)
        if bucket is None:
            say("\n".join(map(_line, rows)) or "no buckets yet")
            return 0
        if bucket not in [row.name for row in rows]:
            names = ", ".join(row.name for row in rows) or "none"
            raise ConfigurationError(f"{bucket!r} is no bucket of this ledger; it has: {names}")
        redis = connect_redis(urls.redis)
        try:
            await unfreeze(redis, BucketRows(ledger), bucket)
        finally:
            await redis.aclose()
    finally:
        await ledger.close()
    say(f"{bucket} is not frozen any more; workers notice within 10 s")
    return 0


def _line(row: BucketRow) -> str:
    limits = row.limits
    left_s = row.frozen_until_us / 1e6 - time.time()
    frozen = (
        f"frozen until {instant(row.frozen_until_us / 1e6)} (in {duration(left_s)})" if left_s > 0 else "not frozen"
    )
    return f"{row.name}  {limits.requests} requests in {limits.window_s:g} s  {frozen}"
