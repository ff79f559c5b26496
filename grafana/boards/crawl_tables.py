"""What the ledger knows of a crawl, in tables: the only panels that ask PostgreSQL. The SQL is in sql/."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, table

from grafana.boards.colours import ACT, GOOD, PLAIN, QUIET, WATCH
from grafana.boards.panels import Column, Text, bars, lines
from grafana.boards.queries import sql
from grafana.boards.sdk import coloured, override
from grafana.boards.words import in_colour, mapped, pod_in_short

_YES = mapped({"true": ("yes", WATCH), "false": ("no", QUIET)})
_TIME = "dateTimeAsIsoNoDateIfToday"
_NEW = ((None, QUIET), (1, GOOD))
_STATUS = ((None, QUIET), (200, GOOD), (300, WATCH), (429, ACT), (430, WATCH))


def source() -> table.Panel:
    """What is crawled, for whoever takes the sandbox's artists for real ones."""
    return lines(
        Text(
            "Source",
            "What the CrawlJob crawls, and in which run: the source's type, dataset and market. Artists of two sources "
            "are never mixed, whatever their ids.",
            "The ledger has no such CrawlJob.",
        ),
        sql("source"),
        columns={
            "run": Column("Run", width=60, left=True),
            "source_type": Column("Type", width=90),
            "dataset": Column("Dataset"),
            "market": Column("Market", width=75),
            "detail": Column("Of"),
        },
    )


def runs() -> table.Panel:
    """What each crawl of the keyspace brought."""
    return lines(
        Text(
            "Runs",
            "When the CrawlJob was crawled, the latest run first. New are artists that the run before did not have (of "
            "the first those that the ledger had not), gone those that only the run before had; both are counted when "
            "a run has ended. Bad where many are gone: look at its dead letters and incomplete strings first.",
            "The ledger has no such CrawlJob.",
        ),
        sql("runs"),
        columns={
            "run": Column("Run", width=60, left=True),
            "started": Column("Started", unit=_TIME, width=160),
            "finished": Column("Finished", unit=_TIME, width=160, nothing="goes on"),
            "requests": Column("Requests", unit="locale", width=110),
            "artists": Column("Artists", unit="locale", width=110),
            "new": Column("New", unit="locale", width=100, steps=_NEW),
            "gone": Column("Gone", unit="locale", width=100),
            "deleted": Column("Data", mappings=(mapped({"true": ("deleted", WATCH), "false": ("kept", QUIET)}),)),
        },
    )


def requests() -> table.Panel:
    """Each request to the API."""
    return lines(
        Text(
            "API requests",
            "The newest requests of the time chosen, at most 200; the ledger keeps them for requestLogRetention. A "
            "status in orange was sent again; 429 means that the API found us too fast, none that no answer came.",
            "The ledger has no request of the time chosen.",
        ),
        sql("requests"),
        columns={
            "time": Column("Time", unit=_TIME, width=160),
            "query": Column("Query", width=90),
            "page_offset": Column("Offset", width=75),
            "status": Column("Status", width=80, steps=_STATUS, nothing="none"),
            "outcome": Column("Outcome", width=130, mappings=(in_colour({"ok": GOOD, "rate_limited": ACT}),)),
            "duration_s": Column("Duration", unit="s", width=95, decimals=0, steps=((None, PLAIN), (1, WATCH))),
            "worker": Column("Worker", mappings=(pod_in_short(),)),
        },
    )


def searches() -> table.Panel:
    """Each completed search."""
    return lines(
        Text(
            "Completed searches",
            "The newest completed searches of the time chosen, at most 200: what the API says there is, what it "
            "returned, and what of that was new to the ledger. Truncated ones have more than the API hands out.",
            "The ledger has no search of the time chosen.",
        ),
        sql("searches"),
        columns={
            "time": Column("Time", unit=_TIME, width=160),
            "query": Column("Query", width=90),
            "total": Column("Total", unit="locale", width=90),
            "results": Column("Results", unit="locale", width=90),
            "pages": Column("Pages", width=75),
            "new_artists": Column("New artists", unit="locale", width=110, steps=_NEW),
            "truncated": Column("Truncated", mappings=(_YES,)),
        },
    )


def truncated() -> table.Panel:
    """The strings that hide most."""
    return lines(
        Text(
            "Top truncated strings",
            "The strings with most results beyond what the API hands out. Refined: their extensions are searched as "
            "well, so that little is missed. Bad where many are not.",
            "The ledger has no truncated string of it.",
        ),
        sql("truncated"),
        columns={
            "query": Column("Query", width=70),
            "total": Column("Total", unit="locale", width=80),
            "results": Column("Results", unit="locale", width=80),
            "refined": Column("Refined", mappings=(mapped({"true": ("yes", GOOD), "false": ("no", WATCH)}),)),
        },
    )


def dead_letters() -> table.Panel:
    """The strings that were given up, and why."""
    return lines(
        Text(
            "Dead letters",
            "Strings given up after retry.maxAttempts, the newest first. Each is bad: see the reason, mend it, and "
            "replay them (kubectl crawl or artistcrawl retry-dead-letters). Replayed: it is being searched again.",
            "The ledger has no dead letter of it.",
        ),
        sql("dead_letters"),
        columns={
            "time": Column("Time", unit=_TIME, width=155),
            "query": Column("Query", width=75),
            "reason": Column("Reason", width=120),
            "attempts": Column("Attempts", width=85),
            "last_error": Column("Last error"),
            "replayed": Column("Replayed", width=85, mappings=(mapped({"true": ("yes", GOOD), "false": ("no", ACT)}),)),
        },
    )


def ranges() -> table.Panel:
    """What is in work."""
    return lines(
        Text(
            "Ranges in work",
            "The ranges that workers have, as the ledger knows them: where they stand, and since when nothing was "
            "committed. Bad where that is long while the state is Crawling.",
            "The ledger has no range of it in work.",
        ),
        sql("ranges"),
        columns={
            "range_id": Column("Range", width=80, left=True),
            "first": Column("First", width=80),
            "last": Column("Last", width=80),
            "cursor": Column("At", width=80),
            "done_ratio": Column("Done", unit="percentunit", decimals=0, gauge=True),
            "new_artists": Column("New artists", unit="locale", width=105, steps=_NEW),
            "commit_age_s": Column("Committed", unit="s", width=105, decimals=0, steps=((None, PLAIN), (60, WATCH))),
        },
    )


def strings() -> bargauge.Panel:
    """What became of the strings so far."""
    return bars(
        Text(
            "Strings so far",
            "What became of the strings since the crawl began. Empty ones are expected; truncated ones hide artists; "
            "dead letters were given up.",
            "none yet",
        ),
        sql("strings"),
        unit="locale",
        overrides=(
            *coloured({"empty": QUIET, "found": GOOD, "truncated": WATCH, "dead_letters": ACT}),
            override("dead_letters", {"displayName": "dead letters"}),
        ),
    )


def results() -> bargauge.Panel:
    """How many results strings have."""
    return bars(
        Text(
            "Results a string",
            "How many of the strings with any results have how many, as the API reports. Strings of 1000 or more are "
            "truncated; a keyspace with many of them wants a greater maxLength.",
            "none yet",
        ),
        sql("results"),
        unit="locale",
        each_row=True,
        overrides=(override("results", {"mappings": [mapped({"1000 or more": ("≥ 1000", "text")})]}),),
    )
