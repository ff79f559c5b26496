"""The worker processes of a run: started, replaced when they die, drained at the end.

Workers are replaced whatever ended them, but for one thing: a worker that exits 78 found the configuration wrong, and
its successor would, too. Whether the job is done is the run's to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crawl_core.errors import EXIT_CONFIGURATION
from crawl_worker.crew.backoff import STEADY_S, Backoff
from crawl_worker.crew.deaths import how_it_ended, is_refusal, when
from crawl_worker.crew.logs import LogTail
from crawl_worker.machine.processes import Child, ProcessId

_LEAST_PAUSE_S = 1.0

_MOST_REFUSALS = 3
"""Workers in a row of one post that exit 2: a command line that they do not understand, say during an upgrade."""


@dataclass(slots=True)
class _Post:
    """One worker's post: the process that holds it now, and when a successor may start."""

    name: str
    tail: LogTail
    child: Child | None = None
    backoff: Backoff = field(default_factory=Backoff)
    started_s: float = 0.0
    not_before_s: float = 0.0
    refusals: int = 0
    """How often in a row a process of it said at once that it cannot work so."""


class Crew:
    """`size` workers, each started with `command` and logging to LOGS/NAME.jsonl."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: int,
        logs: Path,
        environment: Mapping[str, str],
        event: Callable[[str], None],
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._event = event
        names = [f"worker-{number}" for number in range(1, size + 1)]
        self._posts = [_Post(name, LogTail(logs / f"{name}.jsonl")) for name in names]
        self._draining = False
        self.refusal = ""
        """The last message of a worker that found the configuration wrong; no worker is replaced after that."""

    @property
    def desired(self) -> int:
        """Workers that should run."""
        return len(self._posts)

    @property
    def alive(self) -> int:
        """Workers that run."""
        return sum(child.alive for child in self.children)

    @property
    def children(self) -> list[Child]:
        """The processes, dead ones included until they are replaced."""
        return [post.child for post in self._posts if post.child is not None]

    @property
    def ids(self) -> list[ProcessId]:
        """What the next run recognises them by."""
        return [child.id for child in self.children]

    @property
    def metrics_ports(self) -> list[int]:
        """Where workers that live serve their metrics, on this machine alone."""
        ports = [post.tail.metrics_port for post in self._posts if post.child is not None]
        return [port for port in ports if port is not None]

    @property
    def last_error(self) -> str:
        """The last warning or error that any worker logged; a failed request before what was logged beside it."""
        post = max(self._posts, key=lambda post: post.tail.error_rank_s)
        return f"{post.name}: {post.tail.last_error}" if post.tail.last_error else ""

    def tick(self, now_s: float) -> bool:
        """Read the logs, note which workers died, start those that are missing; True where processes have changed.

        `now_s` is of any one monotonic clock.
        """
        changed = False
        for post in self._posts:
            post.tail.read()
            post.tail.bound()
            if post.child is not None and not post.child.alive:
                self._bury(post, post.child, now_s)
                changed = True
            if post.child is None and now_s >= post.not_before_s and not (self._draining or self.refusal):
                post.child = self._start(post, now_s)
                changed = True
        return changed

    def drain(self) -> None:
        """Ask all workers to finish their request, commit and go. None is replaced from now on."""
        self._draining = True
        for child in self.children:
            child.terminate()

    def kill(self) -> None:
        """End all workers now."""
        self._draining = True
        for child in self.children:
            child.kill()

    def _start(self, post: _Post, now_s: float) -> Child | None:
        command = [*self._command, "--worker-name", post.name]
        post.started_s = now_s
        try:
            return Child(post.name, command, log=post.tail.path, environment=self._environment)
        except OSError as error:
            # No memory, no process, no open file or no room for its log, just now.
            post.not_before_s = now_s + max(_LEAST_PAUSE_S, post.backoff.after(0.0))
            self._event(f"{post.name} cannot be started: {error.strerror or error}; trying again")
            return None

    def _bury(self, post: _Post, child: Child, now_s: float) -> None:
        status, lived_s = child.exit_status, now_s - post.started_s
        post.tail.read()
        post.child = post.tail.metrics_port = None
        post.refusals = post.refusals + 1 if is_refusal(status) and lived_s < STEADY_S else 0
        if status == EXIT_CONFIGURATION or post.refusals >= _MOST_REFUSALS:
            self.refusal = self.refusal or post.tail.last_message or f"{post.name} exited {status}"
        elif not self._draining:
            delay_s = post.backoff.after(lived_s)
            post.not_before_s = now_s + delay_s
            end = how_it_ended(status, last_words=post.tail.last_message if status else "")
            self._event(f"{post.name} {end}; a new one starts {when(delay_s)} (log: {post.tail.path})")
