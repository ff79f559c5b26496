"""The worker processes of a run: started, replaced when they die, drained at the end.

Workers are replaced whatever ended them, but for one thing: a worker that exits 78 found the configuration wrong, and
its successor would, too. It refuses to judge whether the job is done.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crawl_core.errors import EXIT_CONFIGURATION
from crawl_worker.local.logs import LogTail
from crawl_worker.local.plan import Backoff
from crawl_worker.machine.processes import Child, ProcessId


@dataclass(slots=True)
class _Place:
    """One worker's place: who works there now, and when a successor may start."""

    name: str
    tail: LogTail
    child: Child | None = None
    backoff: Backoff = field(default_factory=Backoff)
    started_s: float = 0.0
    not_before_s: float = 0.0


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
        self._places = [_Place(name, LogTail(logs / f"{name}.jsonl")) for name in names]
        self._draining = False
        self.refusal = ""
        """What a worker said that found the configuration wrong; nobody is replaced after that."""

    @property
    def desired(self) -> int:
        """Workers that should run."""
        return len(self._places)

    @property
    def alive(self) -> int:
        """Workers that run."""
        return sum(child.alive for child in self.children)

    @property
    def children(self) -> list[Child]:
        """The processes, dead ones included until they are replaced."""
        return [place.child for place in self._places if place.child is not None]

    @property
    def ids(self) -> list[ProcessId]:
        """What the next run would recognise them by."""
        return [child.id for child in self.children]

    @property
    def metrics_ports(self) -> list[int]:
        """Where workers that live serve their metrics, on this machine alone."""
        found = [place.tail.metrics_port for place in self._places if place.child is not None]
        return [port for port in found if port is not None]

    @property
    def last_error(self) -> str:
        """The last warning or error that any worker logged."""
        errors = [f"{place.name}: {place.tail.last_error}" for place in self._places if place.tail.last_error]
        return errors[-1] if errors else ""

    def tick(self, now_s: float) -> bool:
        """Read the logs, note who died, start who is missing; True where processes have changed."""
        changed = False
        for place in self._places:
            place.tail.read()
            place.tail.bound()
            if place.child is not None and not place.child.alive:
                self._bury(place, place.child, now_s)
                changed = True
            if place.child is None and now_s >= place.not_before_s and not (self._draining or self.refusal):
                place.child, place.started_s = self._start(place), now_s
                changed = True
        return changed

    def drain(self) -> None:
        """Ask all to finish their request, commit and go. Nobody is replaced from now on."""
        self._draining = True
        for child in self.children:
            child.terminate()

    def kill(self) -> None:
        """End all now."""
        self._draining = True
        for child in self.children:
            child.kill()

    def _start(self, place: _Place) -> Child:
        command = [*self._command, "--worker-name", place.name]
        return Child(place.name, command, log=place.tail.path, environment=self._environment)

    def _bury(self, place: _Place, child: Child, now_s: float) -> None:
        status = child.exit_status
        place.tail.read()
        place.child = place.tail.metrics_port = None
        if status == EXIT_CONFIGURATION:
            self.refusal = self.refusal or place.tail.last_message or f"{place.name} exited {status}"
        elif not self._draining:
            delay_s = place.backoff.after(now_s - place.started_s)
            place.not_before_s = now_s + delay_s
            when = f"in {delay_s:.0f} s" if delay_s >= 1 else "now"
            said = f", saying: {place.tail.last_message}" if status and status > 0 and place.tail.last_message else ""
            self._event(f"{place.name} {_end(status)}{said}; a new one starts {when} (log: {place.tail.path})")


def _end(status: int | None) -> str:
    if status is not None and status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"exited {status}"
