"""No message shows a password, however the address carries it."""

from __future__ import annotations

import pytest

from crawl_worker.data.backends import masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:hush@h:5432/db", "postgresql://me:***@h:5432/db"),
        ("postgresql://me:hu@sh@h/db", "postgresql://me:***@h/db"),
        (
            "postgresql://h/db?user=me&password=hush&sslmode=require",
            "postgresql://h/db?user=me&password=***&sslmode=require",
        ),
        ("host=h password=hush dbname=db", "host=h password=*** dbname=db"),
        ("host=h password='hu sh' dbname=db", "host=h password=*** dbname=db"),
        ("redis://:hush@h:6379/0", "redis://:***@h:6379/0"),
        ("postgresql://me@h/db", "postgresql://me@h/db"),
    ],
)
def test_a_password_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown
