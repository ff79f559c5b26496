"""Credentials as a Secret's folder or the environment has them, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawl_core.errors import ConfigurationError
from crawl_worker.sources.credentials import Credentials, read_credentials


def folder(path: Path, client_id: bytes, secret: bytes = b"secret") -> Path:
    (path / "client-id").write_bytes(client_id)
    (path / "client-secret").write_bytes(secret)
    return path


@pytest.mark.parametrize("written", [b"id", b"id\n", b" id\r\n", b"\xef\xbb\xbfid"])
def test_white_space_and_a_byte_order_mark_around_a_value_are_no_part_of_it(tmp_path: Path, written: bytes) -> None:
    assert read_credentials(folder(tmp_path, written), default=None, environment={}) == Credentials("id", "secret")


@pytest.mark.parametrize("written", [b"id\nsecret", b"id secret", b"i\0d", "idé".encode(), b"i\x1bd", b"i" * 4097])
def test_a_value_that_no_api_gave_is_told_with_its_file_and_without_itself(tmp_path: Path, written: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"client-secret holds more than one word") as failure:
        read_credentials(folder(tmp_path, b"id", written), default=None, environment={})
    assert written.decode() not in str(failure.value)


def test_the_environment_is_looked_at_in_the_same_way() -> None:
    variables = {"ARTISTCRAWL_CLIENT_ID": "id\n", "ARTISTCRAWL_CLIENT_SECRET": "se\ncret"}
    with pytest.raises(ConfigurationError, match="ARTISTCRAWL_CLIENT_SECRET holds more than one word"):
        read_credentials(None, default=None, environment=variables)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="client-id cannot be read"):
        read_credentials(folder(tmp_path, b"\xff\xfe\x00"), default=None, environment={})
