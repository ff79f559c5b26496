"""APIs of which nothing can be had while it lasts: nothing is lost, little is spent, and a person is told why."""

from __future__ import annotations

from support.odd.failures import HTML, cut, says, sends
from support.odd.paging import EMPTY_REASON, nulls, says_734
from support.odd.shape import Standstill
from support.odd.tokens import body
from support.odd.wire import Ask, Reply, answer, page

STANDSTILLS = [
    Standstill("all-empty", "no page has items, whatever its total", EMPTY_REASON, says_734),
    Standstill(
        "all-nulls",
        "null for every item of every page",
        r"23 items",
        lambda ask: nulls(Ask(**{**vars(ask), "string": "ab", "offset": 0})),
    ),
    Standstill(
        "all-items-text",
        "text for the items of every page",
        r"(?i)body|page|read|answer",
        lambda ask: answer({"artists": page(ask, items="none")}),
    ),
    Standstill("all-401", "every token is refused", r"(?i)401|token", says(401, "Invalid access token"), tokens=45),
    Standstill("all-404", "nothing is ever found", r"404", says(404, "Not found.")),
    Standstill("all-503", "never served", r"503", says(503)),
    Standstill(
        "all-html", "a proxy's page for each answer", r"(?i)body|page|read|answer", sends(HTML, 200, "text/html")
    ),
    Standstill("all-cut", "every answer breaks off", r"(?i)closed|cut|broke|answer", cut),
    Standstill(
        "token-html-for-ever",
        "a proxy's page at the token endpoint",
        r"(?i)token",
        token=lambda number, _: body(HTML, 403, Content_Type="text/html")(number),
        searches=0,
    ),
    Standstill(
        "token-unreadable-for-ever",
        "an answer without a token, for ever",
        r"(?i)token",
        token=lambda _, __: answer({"token_type": "Bearer"}),
        searches=0,
    ),
    Standstill(
        "token-dropped-for-ever",
        "the token endpoint closes each connection",
        r"(?i)token",
        token=lambda _, __: Reply(b"", dropped=True),
        searches=0,
    ),
]
