"""What the bodies of errors say, of any shape."""

from __future__ import annotations

import pytest

from crawl_worker.sources.error_body import MESSAGE_CHARACTERS, ErrorBody, read_error


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"status":429,"message":"Slow","reason":"QUOTA"}}', ErrorBody("Slow", reason="QUOTA")),
        (b'{"error":"invalid_client","error_description":"No."}', ErrorBody("No.", code="invalid_client")),
        (b'{"error":"invalid_client"}', ErrorBody("invalid_client", code="invalid_client")),
        (b'{"message":"Gone","error":7}', ErrorBody("Gone")),
        (b'{"error":{"message":{"deep":[1]}}}', ErrorBody('{"error":{"message":{"deep":[1]}}}')),
        (b'{"error":[{"message":"a"}]}', ErrorBody('{"error":[{"message":"a"}]}')),
        (b'{"error":{"message":"a","reason":[]}}', ErrorBody("a")),
        (b'{"error":null}', ErrorBody('{"error":null}')),
        (b'\xef\xbb\xbf{"error":{"message":"a\\u0000b\\ud800"}}', ErrorBody("a\ufffdb\ufffd")),
        (b'{"error":{"message":"\\u001b]0;x\\u0007a\\nb\\u009b2J"}}', ErrorBody("a b")),
        (b"[]", ErrorBody("[]")),
        (b"\x1b[31m<html>\n<b>Bad\x00", ErrorBody("<html> <b>Bad\ufffd")),
        (b"\xff\xfe", ErrorBody("\ufffd\ufffd")),
        (b" \n", ErrorBody("an empty body")),
        (b"", ErrorBody("an empty body")),
        (b"{" + b'"x":[' * 3, ErrorBody('{"x":["x":["x":[')),
    ],
)
def test_an_error_is_said_in_one_line_whatever_its_body(body: bytes, said: ErrorBody) -> None:
    assert read_error(body) == said


def test_a_message_of_megabytes_is_cut() -> None:
    message = read_error(b'{"error":{"message":"' + b"m" * 7_000_000 + b'"}}').message
    assert (len(message), message[-1]) == (MESSAGE_CHARACTERS, "…")


def test_a_body_nested_without_end_is_shown() -> None:
    assert read_error(b'{"error":' * 100_000).message.startswith('{"error":{"error":')
