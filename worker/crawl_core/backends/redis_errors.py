"""What an error of the Redis client means: an outage that is waited out, or something that only a person can change.

Told by the class that the client gives an error, else by the code that the server's answer begins with. What is in
neither table is an outage: only proof may end a crawl. Pure.
"""

from __future__ import annotations

import re

from redis import exceptions

from crawl_core.backends.addresses import REDIS
from crawl_core.errors import ArtistcrawlError, ConfigurationError, RedisUnavailableError
from crawl_core.text import clean

SHOWN_CHARACTERS = 300
"""Characters of what a server says that are shown."""

_OF_A_CLASS: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    # The client cuts the code off the message of an error that it has a class for. Subclasses come first.
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.AuthenticationError, "WRONGPASS"),
    (exceptions.AuthorizationError, "WRONGPASS"),
    (exceptions.AuthenticationWrongNumberOfArgsError, "WRONGPASS"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.MovedError, "MOVED"),
    (exceptions.AskError, "ASK"),
    (exceptions.TryAgainError, "TRYAGAIN"),
    (exceptions.ClusterCrossSlotError, "CROSSSLOT"),
    (exceptions.InvalidResponse, "GARBAGE"),
)
_CODE = re.compile(r"(?:^|: -)([A-Z]{2,})(?= )")
"""The code of an answer. Redis before 7 hides it where a script is refused: ERR Error running ...: -READONLY You ..."""

_MAY_PASS = {
    "LOADING": "it still loads its data",
    "READONLY": "it is a replica; if this lasts, name the primary in its URL",
    "NOREPLICAS": "fewer replicas are connected than its min-replicas-to-write asks for",
    "OOM": "its memory is full; raise its maxmemory",
    "MASTERDOWN": "it is a replica that lost its primary; if this lasts, name the primary in its URL",
    "MISCONF": "it cannot save its data; see its disk and its log",
    "BUSY": "a script or a function of somebody else's holds it up",
    "GARBAGE": f"what answers there is no Redis; if this lasts, write {REDIS}",
}
_ONE_PRIMARY = "it is a Redis Cluster, which artistcrawl cannot use: name one primary, with cluster-enabled no"
RIGHTS = "~artistcrawl:* +@read +@write +@scripting +@connection +info +time"
"""What a user of Redis needs, as ACL SETUSER wants it."""
_FOR_A_PERSON = {
    "NOPERM": f"Redis denies its user a right: let an administrator run ACL SETUSER USER {RIGHTS}",
    "WRONGPASS": "Redis refuses the user or the password: correct them in its URL",
    "NOAUTH": f"Redis wants a password: write {REDIS}",
    "DENIED": "Redis is in protected mode: give it a password, or bind it to the network's address",
    **dict.fromkeys(("CLUSTERDOWN", "MOVED", "ASK", "TRYAGAIN", "CROSSSLOT"), f"Redis refuses: {_ONE_PRIMARY}"),
}
_UNAUTHENTICATED = "Protocol error: unauthenticated"
"""What a long call is answered, such as one of a script, on a connection without a password that needs one."""
_NO_DATABASE = "DB index"
_FOR_A_PERSON_BY_WORDS = (
    (_UNAUTHENTICATED, _FOR_A_PERSON["NOAUTH"]),
    (_NO_DATABASE, f"Redis has no database of this number: write {REDIS}"),
    ("unknown command", "this Redis lacks a command that artistcrawl needs: name a primary of Redis 6.2 or Valkey"),
)


def translate(error: Exception, call: str) -> ArtistcrawlError:
    """The error of ours that `error` means, which the client raised in a call of this name."""
    code, text = code_of(error), clean(str(error), SHOWN_CHARACTERS) or type(error).__name__
    remedy = _FOR_A_PERSON.get(code) or _remedy_by_words(error)
    if remedy:
        return ConfigurationError(f"{remedy} ({text})")
    if not isinstance(error, exceptions.RedisError | OSError):
        text = f"{type(error).__name__}: {text}"
    if code and not text.startswith(code) and code != "GARBAGE":
        text = f"{code} {text}"
    reason = f"{_MAY_PASS[code]} ({text})" if code in _MAY_PASS else text
    verb = "refuses" if isinstance(error, exceptions.ResponseError) else "does not answer"
    return RedisUnavailableError(f"redis {verb} {call}: {reason}")


def code_of(error: Exception) -> str:
    """The code of what the server answered, such as READONLY; empty where there is none."""
    for kind, code in _OF_A_CLASS:
        if isinstance(error, kind):
            said = getattr(error, "status_code", None)  # redis-py from 7 on keeps the code
            return said if said in _FOR_A_PERSON or said in _MAY_PASS else code
    found = _CODE.search(str(error)) if isinstance(error, exceptions.ResponseError) else None
    return found[1] if found else ""


def lets_nobody_in(error: Exception) -> bool:
    """Whether it is the connection that is refused, whatever was called on it."""
    if code_of(error) in ("WRONGPASS", "NOAUTH", "DENIED"):
        return True
    answered = isinstance(error, exceptions.ResponseError)
    return answered and any(words in str(error) for words in (_UNAUTHENTICATED, _NO_DATABASE))


def is_foreseen(error: Exception) -> bool:
    """Whether a Redis, or a connection to one, is known to fail like this."""
    if isinstance(error, exceptions.ResponseError):
        code = code_of(error)
        return code in _MAY_PASS or code in _FOR_A_PERSON or bool(_remedy_by_words(error))
    return isinstance(error, exceptions.RedisError | OSError)


def _remedy_by_words(error: Exception) -> str:
    """What a person must do about an answer that has no code of its own."""
    if not isinstance(error, exceptions.ResponseError):
        return ""
    return next((remedy for words, remedy in _FOR_A_PERSON_BY_WORDS if words in str(error)), "")
