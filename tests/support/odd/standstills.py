"""APIs of which nothing can be had while it lasts: nothing is lost, little is spent, and a person is told why."""

from __future__ import annotations

from support.odd.failures import HTML, says
from support.odd.shape import Standstill
from support.odd.tokens import body
from support.odd.wire import Reply, answer

STANDSTILLS = [
    Standstill("all-401", "every token is refused", r"(?i)401|token", says(401, "Invalid access token"), tokens=45),
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
