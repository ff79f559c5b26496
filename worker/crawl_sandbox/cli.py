"""`artistcrawl sandbox`: start the stand-in for the Spotify Web API.

When it listens it prints one line of JSON, {"url": ..., "pid": ...}, so that whoever started it need not poll.
An option that it does not understand ends it with a sentence and status 2.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from crawl_sandbox import catalogue, control, faults, latency, synthetic
from crawl_sandbox.app import Sandbox, Settings
from crawl_sandbox.errors import OptionError, SandboxError
from crawl_sandbox.faults import NO_FAULTS, FaultPlan, parse_plan
from crawl_sandbox.latency import Latency
from crawl_sandbox.requestlog import RequestLog
from crawl_sandbox.server import clock_us, serve
from crawl_sandbox.tokens import Tokens
from crawl_sandbox.windows import Limit

_LARGEST_SIZE = 20_000_000


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    options = argparse.ArgumentParser(
        prog="artistcrawl sandbox",
        description="Answer like the Spotify Web API, from an artist catalogue of your own.",
        epilog="\n".join(
            f"{about}:\n{module.__doc__}"
            for about, module in (("--faults FILE", faults), ("--latency SPEC", latency), ("while it runs", control))
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_catalogue(options.add_argument)
    _add_behaviour(options.add_argument)
    _add_records(options.add_argument)
    return options


def _add_catalogue(add: Callable[..., Any]) -> None:
    """Where it listens, and which artists it has."""
    add("--host", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1, or ::1 where there is only IPv6)")
    add("--port", type=int, default=8080, help="port; 0 takes any free one (default: %(default)s)")
    add("--catalogue", type=Path, metavar="FILE", help="artists from a .parquet or .csv file")
    add("--size", type=int, default=2000, help="or so many made-up artists (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed of made-up artists and of latencies (default: %(default)s)")


def _add_behaviour(add: Callable[..., Any]) -> None:
    """Limit, page sizes, delays, and what goes wrong."""
    add("--limit", default="10/30s", help="requests/window, or none (default: %(default)s)")
    add("--limit-by", choices=("client", "peer"), default="client", help="whom the limit counts (default: %(default)s)")
    add(
        "--mode",
        choices=("extended", "development"),
        default="extended",
        help="pages of 50, or of 10 with less in them",
    )
    add("--latency-in", default="none", metavar="SPEC", help="delay before a request counts as arrived")
    add(
        "--latency-out",
        "--latency",
        default="none",
        metavar="SPEC",
        help="delay of answers, such as lognormal:40ms:0.5",
    )
    add("--faults", type=Path, metavar="FILE", help="what goes wrong, YAML or JSON")
    add("--odd-names", type=float, metavar="SHARE", help="share of artists with NUL or a lone surrogate in their name")


def _add_records(add: Callable[..., Any]) -> None:
    """Who may ask, and what is written down."""
    add("--credentials", action="append", default=[], metavar="ID:SECRET", help="accept only these; may be repeated")
    add("--token-ttl", type=float, default=3600.0, metavar="SECONDS", help="life of a token (default: %(default)s)")
    add("--log-file", type=Path, metavar="FILE", help="append every request to this file, as JSON lines")
    add("--log-size", type=int, default=100_000, help="requests kept in memory (default: %(default)s)")
    add("--ready-file", type=Path, metavar="FILE", help="also write the line of the start there")


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns its exit status."""
    options = parser().parse_args(argv)
    # uvicorn has nothing to say that the request log does not say better.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    try:
        sandbox = build(options)
        listener = _listen(options.host or _loopback(), options.port)
    except (SandboxError, OSError) as error:
        print(f"artistcrawl sandbox: {error}", file=sys.stderr)
        return 2
    # The catalogue never becomes garbage; looking through it at every collection would show as latency.
    gc.collect()
    gc.freeze()
    try:
        serve(sandbox, listener, announce=lambda: _announce(listener, options.ready_file))
    finally:
        sandbox.log.close()
    return 0


def build(options: argparse.Namespace) -> Sandbox:
    """Make the API that the options describe. Raises SandboxError for what they get wrong."""
    if not 0 <= options.size <= _LARGEST_SIZE:
        raise OptionError(f"--size {options.size}: write a number from 0 to {_LARGEST_SIZE:,}")
    if options.log_size < 1:
        raise OptionError(f"--log-size {options.log_size}: write at least 1")
    if options.token_ttl <= 0:
        raise OptionError(f"--token-ttl {options.token_ttl}: write a number of seconds above 0")
    settings = Settings(
        mode=options.mode,
        latency_in=Latency.parse(options.latency_in),
        latency_out=Latency.parse(options.latency_out),
        plan=_plan(options),
    )
    limit = Limit.parse(options.limit)
    tokens = Tokens(ttl_s=options.token_ttl, credentials=_credentials(options.credentials))
    artists = (
        catalogue.load(options.catalogue)
        if options.catalogue
        else catalogue.arrange(synthetic.generate(options.size, seed=options.seed))
    )
    return Sandbox(
        artists,
        tokens=tokens,
        log=RequestLog(size=options.log_size, file=options.log_file),
        clock_us=clock_us,
        epoch_offset_us=time.time_ns() // 1000 - clock_us(),
        limit=limit,
        by_peer=options.limit_by == "peer",
        settings=settings,
        seed=options.seed,
    )


def _plan(options: argparse.Namespace) -> FaultPlan:
    plan = NO_FAULTS
    if options.faults:
        if not options.faults.is_file():
            raise OptionError(f"--faults {options.faults}: there is no such file")
        plan = parse_plan(options.faults.read_text(encoding="utf-8"), origin=str(options.faults))
    if options.odd_names is not None:
        if not 0 <= options.odd_names <= 1:
            raise OptionError(f"--odd-names {options.odd_names}: write a share from 0 to 1, such as 0.05")
        quirks = msgspec.structs.replace(plan.quirks, odd_names=options.odd_names)
        plan = msgspec.structs.replace(plan, quirks=quirks)
    return plan


def _credentials(given: list[str]) -> dict[str, str]:
    pairs = [text.partition(":")[::2] for text in given]
    if any(not client_id or not secret for client_id, secret in pairs):
        raise OptionError("--credentials: write id:secret")
    return dict(pairs)


def _loopback() -> str:
    """Where this machine alone reaches it."""
    try:
        with socket.socket(socket.AF_INET) as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError:
        return "::1"
    return "127.0.0.1"


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise OptionError(f"--port {port}: write a number from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OptionError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    return listener


def _announce(listener: socket.socket, ready_file: Path | None) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    line = json.dumps({"url": f"http://{shown}:{port}", "pid": os.getpid()})
    if ready_file is not None:
        draft = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
        draft.write_text(line + "\n", encoding="utf-8")
        draft.replace(ready_file)
    print(line, flush=True)
