"""Reads what an OAuth token endpoint answers, for any source whose API grants tokens that way. Pure, and never raises.

Credentials are denied only by the words that OAuth has for it. A 401 without them comes from a proxy, a firewall or an
endpoint in trouble, and ending a crawl of weeks for one would be final.
"""

from __future__ import annotations

import math
import re

from crawl_core.text import clean
from crawl_worker.sources.error_body import MESSAGE_CHARACTERS, read_error
from crawl_worker.sources.json_body import InvalidBodyError, decode
from crawl_worker.sources.outcomes import Denied, Granted, NoToken, TokenOutcome
from crawl_worker.sources.wire import HttpAnswer

_DENIALS = frozenset({"invalid_client", "unauthorized_client", "invalid_grant"})
_DENYING_STATUSES = frozenset({400, 401, 403})

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
"""What a header can carry: a line end in a token would write another header of its own."""


def read_token_answer(answer: HttpAnswer) -> TokenOutcome:
    """A token, a denial of the credentials, or why there is none for now."""
    if 200 <= answer.status < 300:
        return _read_grant(answer.body)
    error = read_error(answer.body)
    if answer.status in _DENYING_STATUSES and error.code in _DENIALS:
        return Denied(error.message)
    return NoToken(f"token_http_{answer.status}", error.message)


def _read_grant(body: bytes) -> Granted | NoToken:
    try:
        decoded = decode(body)
    except InvalidBodyError:
        decoded = None
    whole = decoded if isinstance(decoded, dict) else {}
    token = whole.get("access_token")
    if not isinstance(token, str):
        return NoToken("invalid_token_body", f"no access_token in the answer: {_said_instead(whole, body)}")
    if not _TOKEN.fullmatch(token):
        what = f"the access_token is not 1 to 8192 visible ASCII characters: it has {len(token)}"
        return NoToken("invalid_token_body", what)
    return Granted(token, _lifetime_s(whole.get("expires_in")))


def _said_instead(whole: dict[object, object], body: bytes) -> str:
    """What is known of a 2xx without a token. Not the values: one of them may be the token under another name."""
    if not whole or "error" in whole:
        return read_error(body).message
    return clean(f"it has {', '.join(map(str, whole))}", MESSAGE_CHARACTERS)


def _lifetime_s(written: object) -> float | None:
    """The lifetime in seconds, also where it is written as text; None where it is none."""
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        return None
    try:
        seconds = float(written)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
