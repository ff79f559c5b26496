"""An outage of the API: nobody of this process succeeds. It is probed by one request at a time, with growing pauses.

The first failure that counts against no string begins it; any success ends it. Meanwhile one task holds the probe, and
after a failed probe hands it to the next one that waits. Without that a single bad string could pass for an outage for
ever: its task alone would probe, and fail, while every other string would have succeeded and shown it up
(test_a_failed_probe_is_handed_on_so_that_a_single_bad_string_is_shown_up).

Where all strings in flight are bad, nobody else's success comes either. So a probe that has failed often enough asks,
every second time, for a control string that nobody waits for
(test_a_string_alone_that_always_fails_is_told_from_an_outage_by_control_strings).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from crawl_core.clock import Clock
from crawl_worker.client.retry import Attempts, RetryRules

LIMITED_ALONE = 4
"""429s in a row, with nobody else asking, after which a control string is asked for: each of them doubles the pause."""
DOUBTED_AFTER = 10
"""Strings in a row that ended with nobody though there was to be somebody, after which a control string is asked for:
they may be the API's doing."""
NOTED_AFTER_S = 60.0
"""Seconds after which a person is told: shorter ones pass by themselves, and are many."""


@dataclass(frozen=True, slots=True)
class OutageNote:
    """What people are told of an outage: a reason of the job's condition, and the failure in plain words."""

    reason: str
    message: str


class Outage:
    """Shared by the tasks of one process. Who probes is an `Attempts`: what stands for one task's page.

    `rules` is read at each failure, for it may change while the job runs.
    """

    def __init__(self, *, clock: Clock, rules: Callable[[], RetryRules], control_strings: Sequence[str]) -> None:
        self.successes = 0
        """Requests of this process that were answered with a page."""
        self.found = 0
        """Of these the ones with items: an API that fails where it has something to say still brings the others."""
        self.doubtful_ends = 0
        """Strings that ended with nobody, though nothing said that there is nobody, since a page with items came."""
        self._clock = clock
        self._rules = rules
        self._control_strings = control_strings
        self._rng = random.Random()
        self._failures = 0
        self._probes = 0
        self._next_probe_s = 0.0
        self._began_s = 0.0
        self._note = OutageNote("", "")
        self._prober: Attempts | None = None
        self._waiting: deque[tuple[Attempts, asyncio.Future[None]]] = deque()

    @property
    def lasts(self) -> bool:
        """Whether there is an outage now."""
        return self._failures > 0

    @property
    def age_s(self) -> float:
        """Seconds that it has lasted for those who wait for its end; 0 where there is none, or nobody waits."""
        stands = self.lasts and (self._prober is not None or self._waiting)
        return self._clock.monotonic() - self._began_s if stands else 0.0

    @property
    def note(self) -> OutageNote | None:
        """What people are to know of it, once it has lasted for a minute."""
        age_s = self.age_s
        if age_s < NOTED_AFTER_S:
            return None
        began = datetime.fromtimestamp(self._clock.time() - age_s, UTC)
        begins = "no request has succeeded since" if self.successes else "no request has succeeded; the first failed at"
        return OutageNote(self._note.reason, f"{self._note.message}; {begins} {began:%Y-%m-%d %H:%M} UTC")

    def admits(self, attempts: Attempts) -> bool:
        """Whether this one may send now."""
        return not self.lasts or self._prober is attempts

    async def turn(self, attempts: Attempts) -> None:
        """Return when this one may send: at once while all is well, else as the prober and when a probe is due.

        It must be asked again before the request leaves (`admits`): an outage may begin while a permit is waited for.
        """
        await self._become_prober(attempts)
        if self.lasts:
            await self._clock.sleep(self._next_probe_s - self._clock.monotonic())

    def succeeded(self, *, found: bool) -> None:
        """A request was answered, with items or without: any outage is over."""
        self.successes += 1
        self.found += found
        self.doubtful_ends = 0 if found else self.doubtful_ends
        if self.lasts:
            self._failures = self._probes = 0
            self._prober = None
            while self._waiting:
                _wake(self._waiting.popleft()[1])

    def failed(self, attempts: Attempts, note: OutageNote) -> float:
        """A failure that counts against no string: an outage begins or goes on, and the probe is passed on.

        Returns the seconds until the next probe, at least. Only failures of probes, and the one that began the outage,
        lengthen the pause: of eight requests in flight when the API goes away seven are no news.
        """
        if not self.lasts:
            self._began_s = self._clock.monotonic()
        self._failures += 1
        self._note = note
        if self._prober is None or self._prober is attempts:
            self._probes += 1
            self._pass_on(otherwise=attempts)
        delay_s = self._rules().delay_s(max(1, self._probes), self._rng)
        # Never sooner than an earlier failure said: the latest of several in flight must not shorten the pause.
        self._next_probe_s = max(self._next_probe_s, self._clock.monotonic() + delay_s)
        return delay_s

    def control_for(self, string: str, attempts: Attempts) -> str | None:
        """What this probe must ask for instead of its own string, None where it asks for that.

        Every second probe, once the string has failed as often as would end it if failures counted; another string each
        time, since a control may be bad itself.
        """
        if not self.lasts or attempts.uncounted < self._rules().max_attempts or self._probes % 2:
            return None
        return self._control(self._probes // 2, string)

    def control_beside(self, string: str, attempts: Attempts) -> str | None:
        """The same beside an outage, for a string of whose 429s or failures nobody shows whether they are its own.

        Nobody else asks for anything, or all that others ask for is answered with empty pages, or ends with nobody.
        """
        rules = self._rules()
        limited = attempts.limited_uncounted >= LIMITED_ALONE and self.successes == attempts.successes_at_limit
        unknown = attempts.unknown >= rules.max_attempts and self.found == attempts.found_before
        doubted = self.doubtful_ends >= DOUBTED_AFTER and attempts.empty_pages > 0
        if attempts.control_came_last or not (limited or unknown or doubted):
            return None
        attempts.control_came_last = True
        return self._control(attempts.limited + attempts.failures, string)

    def _control(self, turn: int, string: str) -> str:
        others = [control for control in self._control_strings if control != string]
        return others[turn % len(others)]

    def control_failed(self, note: OutageNote) -> None:
        """The control string failed as well. The probe stays where it is: its own string is next."""
        if not self.lasts:
            self._began_s = self._clock.monotonic()
        self._failures += 1
        self._note = note
        self._probes += 1
        self._next_probe_s = self._clock.monotonic() + self._rules().delay_s(self._probes, self._rng)

    def limited(self, attempts: Attempts, *, control: bool = False) -> None:
        """A probe was answered 429: it was one, and somebody else's turn is next, or after a control its own string's.

        The freeze is its pause (test_an_outage_whose_control_strings_get_429s_ends_with_the_api).
        """
        if self.lasts and self._prober is attempts:
            self._probes += 1
            if not control:
                self._pass_on(otherwise=attempts)

    def leave(self, attempts: Attempts) -> None:
        """This one sends no more; the probe must not stay with it."""
        if self._prober is attempts:
            self._pass_on(otherwise=None)

    async def _become_prober(self, attempts: Attempts) -> None:
        while not self.admits(attempts):
            if self._prober is None:
                self._prober = attempts
                return
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry = (attempts, future)
            self._waiting.append(entry)
            try:
                await future
            finally:
                if entry in self._waiting:
                    self._waiting.remove(entry)

    def _pass_on(self, *, otherwise: Attempts | None) -> None:
        while self._waiting:
            self._prober, future = self._waiting.popleft()
            if not future.done():
                _wake(future)
                return
        self._prober = otherwise


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
