"""What an API server says when it refuses, taken apart for the operator's messages and the plugin's.

The words for people stand with those who say them, since they depend on who is told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Denial:
    """A right that somebody lacks."""

    user: str
    """In quotes, as the API server writes it."""
    verb: str
    resource: str
    """Empty where the API server names none."""
    group: str
    where: str


def denial(message: str) -> Denial | None:
    """What a 403 says; None where it is no Role that lacks a verb, but a quota or an admission policy."""
    # 'secrets "x" is forbidden: User "system:serviceaccount:ns:name" cannot get resource "secrets" in API group "" ...'
    user, _, denied = message.partition(" cannot ")
    if not denied:
        return None
    verb, _, rest = denied.partition(" resource ")
    words = rest.split('"')
    _, in_namespace, name = rest.rpartition(" in the namespace ")
    return Denial(
        user=user.rpartition("User ")[2],
        verb=verb,
        resource=words[1] if len(words) > 1 else "",
        group=words[3] if len(words) > 3 else "",
        where="namespace " + name.split('"')[1] if in_namespace and name.count('"') > 1 else "the whole cluster",
    )


def parsed(text: bytes | str) -> dict[str, Any]:
    """An answer's object; what is no JSON becomes its message."""
    try:
        answer = json.loads(text)
    except ValueError:
        return {"message": (text if isinstance(text, str) else text.decode(errors="replace"))[:200]}
    return answer if isinstance(answer, dict) else {}
