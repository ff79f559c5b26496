"""`kubectl crawl status`: one CrawlJob as the local run shows it, or all in a table; with -w, as they change.

Only CrawlJobs are read: what the operator wrote there is shown, with a word where that is old.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from crawl_core.errors import ConfigurationError
from crawl_core.job.snapshot import line
from crawl_core.text import printable
from crawl_operator.plugin import jobs
from crawl_operator.plugin.follow import Follower, Picture, Scope, listed
from crawl_operator.plugin.output import remark, say, say_json
from crawl_operator.plugin.picture import detail, snapshot_of, table, told_runs
from crawl_operator.plugin.server import PluginClient, crawljobs_path

if TYPE_CHECKING:
    from rich.console import Console

REDRAW_S = 1.0
"""Between two looks at the clock: times left go on counting while nothing changes."""
LINE_S = 10.0
"""Between two lines of a CrawlJob in a pipe, unless its state changes."""

Show = Callable[[Picture], None]


def status(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Show once, or follow."""
    if arguments.watch and arguments.output == "json":
        raise ConfigurationError("-w and -o json do not go together; kubectl get crawljobs -w -o json watches objects")
    if arguments.name is not None and arguments.all_namespaces:
        raise ConfigurationError("a name is of one namespace; write NAME -n NAMESPACE, or -A alone")
    if arguments.watch:
        return _follow(server, arguments)
    if arguments.name is not None:
        return _one(jobs.crawljob(server, arguments.name), as_json=arguments.output == "json")
    return _all(server, arguments)


def _one(crawljob: Mapping[str, Any], *, as_json: bool) -> int:
    if as_json:
        say_json(crawljob)
    else:
        _print(crawljob)
    return 0


def _print(crawljob: Mapping[str, Any]) -> None:
    now_s = time.time()
    snapshot, runs = snapshot_of(crawljob, now_s=now_s), told_runs(crawljob, now_s=now_s)
    if sys.stdout.isatty():
        with suppress(ModuleNotFoundError):
            from rich.console import Console

            from crawl_core.job.terminal import can_redraw, render

            console = Console(highlight=False)
            if can_redraw(console):
                console.print(render(snapshot))
                if runs:
                    say(runs)
                return
    say("\n".join([detail(snapshot), *([runs] if runs else [])]))


def _all(server: PluginClient, arguments: argparse.Namespace) -> int:
    objects, version = listed(server, Scope(_path(server, arguments)))
    crawljobs = [objects[key] for key in sorted(objects)]
    if arguments.output == "json":
        whole = {"apiVersion": "v1", "kind": "List", "items": crawljobs, "metadata": {"resourceVersion": version}}
        say_json(whole)
    elif crawljobs:
        say(table(crawljobs, now_s=time.time(), everywhere=arguments.all_namespaces))
    else:
        remark(_none(server, arguments))
    return 0


def _follow(server: PluginClient, arguments: argparse.Namespace) -> int:
    """Show until one CrawlJob is done or deleted; all of them until somebody has seen enough."""
    name = arguments.name
    if name is not None:
        jobs.crawljob(server, name)
    scope = jobs.scope_of(server, name) if name is not None else Scope(_path(server, arguments))
    with _view(server, arguments) as view, Follower(server, scope) as follower:
        picture: Picture | None = None
        while True:
            picture = follower.next(REDRAW_S) or picture
            if picture is None:
                continue
            view.show(picture)
            if name is not None and not picture.objects:
                raise ConfigurationError(f"{server.namespace}/{name} was deleted")
            if name is not None and all(_is_done(item) for item in picture.objects.values()):
                return 0


def _is_done(crawljob: Mapping[str, Any]) -> bool:
    return (crawljob.get("status") or {}).get("state") == "Succeeded"


def _path(server: PluginClient, arguments: argparse.Namespace) -> str:
    return crawljobs_path(None if arguments.all_namespaces else server.namespace)


def _none(server: PluginClient, arguments: argparse.Namespace) -> str:
    where = "this cluster" if arguments.all_namespaces else f"namespace {server.namespace}"
    return f"no CrawlJobs in {where}; start one with: kubectl apply -f k8s/samples/quickstart.yaml"


class LinesView:
    """A line for each CrawlJob that changed, with the time; for a pipe, a log, a CI job."""

    def __init__(self, *, named: bool) -> None:
        self._named = named
        self._said: dict[tuple[str, str], tuple[str, str, float]] = {}
        self._trouble = ""

    def show(self, picture: Picture) -> None:
        """Print what is new."""
        if picture.trouble != self._trouble:
            self._trouble = picture.trouble
            remark(picture.trouble or "the cluster answers again")
        for key, crawljob in sorted(picture.objects.items()):
            self._tell(key, crawljob, now_s=time.monotonic())

    def _tell(self, key: tuple[str, str], crawljob: Mapping[str, Any], *, now_s: float) -> None:
        snapshot, version = snapshot_of(crawljob, now_s=time.time()), crawljob["metadata"]["resourceVersion"]
        state, said_version, said_s = self._said.get(key, ("", "", 0.0))
        if snapshot.state != state or (version != said_version and now_s - said_s >= LINE_S):
            self._said[key] = (snapshot.state, version, now_s)
            which = "" if self._named else f"{snapshot.job}  "
            say(f"{time.strftime('%H:%M:%S')} {which}{line(snapshot)}")

    def __enter__(self) -> LinesView:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class TerminalView:
    """Redrawn in place."""

    def __init__(self, console: Console, draw: Callable[[Picture], Any]) -> None:
        from rich.live import Live

        self._draw = draw
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="ellipsis")

    def show(self, picture: Picture) -> None:
        """Redraw."""
        self._live.update(self._draw(picture), refresh=True)

    def __enter__(self) -> TerminalView:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def _view(server: PluginClient, arguments: argparse.Namespace) -> LinesView | TerminalView:
    if not sys.stdout.isatty():
        return LinesView(named=arguments.name is not None)
    try:
        from rich.console import Console, Group
        from rich.text import Text

        from crawl_core.job.terminal import can_redraw, drawn
    except ModuleNotFoundError:
        return LinesView(named=arguments.name is not None)
    console = Console(highlight=False)
    if not can_redraw(console):
        return LinesView(named=arguments.name is not None)

    def one(picture: Picture) -> Any:
        now_s = time.time()
        items = picture.objects.values()
        return Group(*(drawn(snapshot_of(item, now_s=now_s, trouble=picture.trouble), console) for item in items))

    def many(picture: Picture) -> Any:
        crawljobs = [picture.objects[key] for key in sorted(picture.objects)]
        everywhere = arguments.all_namespaces
        text = table(crawljobs, now_s=time.time(), everywhere=everywhere) if crawljobs else _none(server, arguments)
        lines = [text, *([picture.trouble] if picture.trouble else [])]
        return Text(printable("\n".join(lines)), no_wrap=True)

    return TerminalView(console, one if arguments.name is not None else many)
