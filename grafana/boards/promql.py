"""Pieces of PromQL. Around a change of leader two operators report a job, so that a job's gauges are taken by `max`;
workers' counters are summed over the workers.
"""

from __future__ import annotations

JOB = 'namespace="$namespace", crawljob="$crawljob"'
"""The matchers of one CrawlJob, of its workers' series as of its own."""

OPERATOR = 'job=~"$job", instance=~"$instance"'
"""The matchers of what operators report."""


def of(metric: str, matchers: str = "", *, whose: str = JOB) -> str:
    """The series of a metric."""
    return f"{metric}{{{', '.join(filter(None, (whose, matchers)))}}}"


def gauge(metric: str, matchers: str = "", *, by: str = "", whose: str = JOB) -> str:
    """A gauge, whoever reports it."""
    return f"max{_by(by)}({of(metric, matchers, whose=whose)})"


def per_s(counter: str, matchers: str = "", *, by: str = "", whose: str = JOB) -> str:
    """Events a second, summed."""
    return f"sum{_by(by)}(rate({of(counter, matchers, whose=whose)}[$__rate_interval]))"


def a_minute(counter: str, matchers: str = "", *, by: str = "", whose: str = JOB) -> str:
    """Events a minute, summed. An increase over the same time would count an event at several points."""
    return f"60 * {per_s(counter, matchers, by=by, whose=whose)}"


def in_bucket(histogram: str) -> str:
    """How many of a histogram's events fell into each bucket, for a heatmap."""
    return f"sum by (le) (increase({of(f'{histogram}_bucket')}[$__rate_interval]))"


def quantile(q: float, histogram: str, matchers: str = "", *, by: str = "", whose: str = JOB) -> str:
    """A quantile of durations; nothing where there were none, rather than NaN."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {per_s(f'{histogram}_bucket', matchers, by=labels, whose=whose)}) >= 0"


def who(expr: str) -> str:
    """With a label `who`: the pod, or where that is not known, the instance."""
    by_instance = f'label_replace({expr}, "who", "$1", "instance", "(.+)")'
    return f'label_replace({by_instance}, "who", "$1", "pod", "(.+)")'


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else " "
