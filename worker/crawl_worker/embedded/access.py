"""Who may connect to an embedded PostgreSQL: whoever can read a password that lies beside its folder.

Its socket lies in a folder that nobody else may enter, as well. Both, because a folder that was copied, or made by an
older version, knows no password and lets in everybody until it is started once.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from crawl_worker.embedded.postmaster import read_note
from crawl_worker.embedded.wheel import SUPERUSER
from crawl_worker.machine.private_files import read_plain, read_private, write_private

_WANTING_IT = "local all all scram-sha-256\n"
_TRUSTING = "local all all trust\n"
"""Who connects before there is a password. The socket's folder is this user's alone."""


class Access:
    """The password of the server on `folder`, kept beside it, and the rules that want it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder.with_name(f"{folder.name}.password")
        self._rules = folder / "pg_hba.conf"
        self._where = ""

    def url(self, database: str) -> str:
        """The libpq URL of one database, by the note of the server that runs, or ran: it comes back there."""
        note = read_note(self._folder)
        if note is not None and note.socket_folder is not None:
            self._where = f"host={quote(str(note.socket_folder), safe='/')}&port={note.port}"
        if not self._where:
            raise RuntimeError("start it first")
        return f"postgresql://{SUPERUSER}:{self._password() or ''}@/{database}?{self._where}"

    def open(self) -> None:
        """Before a start: let in whoever reaches the socket where no password is known, or rules are not ours."""
        if self._password() is None or read_plain(self._rules) != _WANTING_IT:
            self._write_rules(_TRUSTING)
            write_private(self._file, f"{secrets.token_hex(24)}\n")

    def close(self) -> None:
        """After a start: want the password from now on."""
        if read_plain(self._rules) == _WANTING_IT:
            return
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            # Encrypted here, so that no log of the server can have it.
            encrypted = connection.pgconn.encrypt_password(
                (self._password() or "").encode(), SUPERUSER.encode(), b"scram-sha-256"
            )
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(SUPERUSER), sql.Literal(encrypted.decode()))
            )
            self._write_rules(_WANTING_IT)
            connection.execute("SELECT pg_reload_conf()")

    def _password(self) -> str | None:
        """None where there is none: a folder that was copied alone, or of an older version."""
        try:
            owner = self._folder.parent.stat().st_uid
            return read_private(self._file, owner=owner).strip() or None
        except OSError:
            return None

    def _write_rules(self, rules: str) -> None:
        # In place: as root, the file stays the server's own.
        with os.fdopen(os.open(self._rules, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC), "w") as file:
            file.write(rules)
