"""The console script `kubectl_complete-crawl`, which kubectl runs when somebody presses Tab after `kubectl crawl`.

It prints one suggestion a line and kubectl's directive at the end. Without a cluster it suggests nothing, and no error
disturbs what is being typed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress

from crawl_core.errors import ArtistcrawlError
from crawl_operator.plugin.cli import COMMANDS
from crawl_operator.plugin.output import say

_NO_FILES = ":4"
"""The directive of Cobra's completions by which the shell offers no files."""
_VALUED = ("-n", "--namespace", "--context", "--kubeconfig", "--as", "-o", "--output", "--tail", "--since", "--timeout")


def main(argv: Sequence[str] | None = None) -> int:
    """Suggest what may follow the words; the last one is what is being written."""
    *before, word = list(sys.argv[1:] if argv is None else argv) or [""]
    for suggestion in _suggestions(before):
        if suggestion.startswith(word):
            say(suggestion)
    say(_NO_FILES)
    return 0


def _suggestions(before: Sequence[str]) -> Sequence[str]:
    if before and before[-1] in _VALUED:
        return ("json",) if before[-1] in ("-o", "--output") else ()
    words = _words(before)
    if not words:
        return COMMANDS
    return _names(before) if len(words) == 1 and words[0] in COMMANDS else ()


def _words(before: Sequence[str]) -> list[str]:
    """Without flags and their values."""
    return [
        word
        for at, word in enumerate(before)
        if not word.startswith("-") and (at == 0 or before[at - 1] not in _VALUED)
    ]


def _names(before: Sequence[str]) -> Sequence[str]:
    from crawl_operator.plugin.server import Access, connect, crawljobs_path

    flags = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    for names in (("-n", "--namespace"), ("--context",), ("--kubeconfig",), ("--as",)):
        flags.add_argument(*names, dest=names[-1].lstrip("-"))
    with suppress(ArtistcrawlError, argparse.ArgumentError):
        values = vars(flags.parse_known_args(list(before))[0])
        access = Access(
            kubeconfig=values["kubeconfig"], context=values["context"], namespace=values["namespace"], user=values["as"]
        )
        server = connect(access)
        return [item["metadata"]["name"] for item in server.get(crawljobs_path(server.namespace))["items"]]
    return ()


if __name__ == "__main__":
    sys.exit(main())
