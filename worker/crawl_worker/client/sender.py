"""Sends one request for one permit, and says what came of it, as an outcome and as a row of the request log.

It neither waits nor judges: whoever calls it has a permit at its instant, and decides what follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.limiter.permit import Permit, PermitExpiredError
from crawl_core.metrics import definitions as metrics
from crawl_core.values.rows import RequestRow
from crawl_worker.client.errors import NoAnswerError, NotSentError
from crawl_worker.client.outcomes import class_of, label_of, name_of
from crawl_worker.sources.outcomes import Lack, NoAnswer, Outcome, Page
from crawl_worker.sources.source import SearchSource
from crawl_worker.sources.wire import HttpAnswer, HttpRequest


class Transport(Protocol):
    """What carries a request to the API: exactly one arrival a permit."""

    async def send(self, request: HttpRequest, permit: Permit) -> HttpAnswer:
        """Send it. Raises PermitExpiredError, NotSentError (nothing was written) or NoAnswerError."""
        ...


@dataclass(frozen=True, slots=True)
class Clearance:
    """All that a request needs to leave now."""

    permit: Permit
    token: str


class RequestSender:
    """Sends for all tasks of one process. `worker` is how the request log calls it."""

    def __init__(self, *, source: SearchSource, transport: Transport, clock: Clock, worker: str) -> None:
        self.in_flight = 0
        """Requests sent and not answered yet."""
        self.arrivals = 0
        """Requests that were written: what the limit counts."""
        self._source = source
        self._transport = transport
        self._clock = clock
        self._worker = worker

    async def send(
        self, string: str, *, offset: int, limit: int, clearance: Clearance, judge: Callable[[Page], Outcome]
    ) -> tuple[Outcome, RequestRow] | None:
        """Ask for one page, which is what `judge` takes it for.

        None when the permit ended before the connection was there: nothing was sent.
        """
        started_s = self._clock.monotonic()
        self.in_flight += 1
        try:
            status, outcome = await self._exchange(string, offset=offset, limit=limit, clearance=clearance)
        except PermitExpiredError:
            return None
        finally:
            self.in_flight -= 1
        if isinstance(outcome, Page):
            outcome = judge(outcome)
        row = RequestRow(
            at_us=int(self._clock.time() * 1e6),
            string=string,
            page_offset=offset,
            page_size=limit,
            status=status,
            outcome=name_of(outcome),
            duration_s=self._clock.monotonic() - started_s,
            worker=self._worker,
        )
        self.arrivals += clearance.permit.used
        _count(outcome, row)
        return outcome, row

    async def _exchange(
        self, string: str, *, offset: int, limit: int, clearance: Clearance
    ) -> tuple[int | None, Outcome]:
        """(status, outcome); the status is None where no whole answer came."""
        request = self._source.search(string, offset=offset, limit=limit, token=clearance.token)
        try:
            answer = await self._transport.send(request, clearance.permit)
        except NotSentError as error:
            return None, NoAnswer(Lack.NOT_CONNECTED, str(error))
        except NoAnswerError as error:
            return None, NoAnswer(error.lack, str(error))
        return answer.status, self._source.read(answer, offset=offset, limit=limit)


def _count(outcome: Outcome, row: RequestRow) -> None:
    metrics.REQUESTS.labels(label_of(outcome)).inc()
    metrics.REQUEST_DURATION.observe(row.duration_s)
    if not isinstance(outcome, Page):
        metrics.RETRIES.labels(class_of(outcome)).inc()
