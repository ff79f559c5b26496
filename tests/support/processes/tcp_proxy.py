"""A proxy between a process and its server that misbehaves on command, as networks do.

    with TcpProxy(("127.0.0.1", 6379)) as proxy:       # or the path of a Unix socket
        ...proxy.port...
        proxy.cut()                        # reset every connection; new ones are let in
        proxy.refuse(True)                 # reset new ones, too
        proxy.blackhole(True)              # swallow nothing, but deliver nothing either, until False
        proxy.speak(b"...")                # say to every client what no server said
        proxy.end_quietly()                # end the server's half of every connection, as one that shuts down does
        proxy.delay_s = 0.4                # before each chunk from the server
        fault = proxy.cut_after(b"...", answered=True); fault.wait(10)
                                           # once, when the client's bytes with that pattern have gone through:
                                           # at once, or when the server has answered (nobody hears the answer)

Threads, so that a test that blocks does not stop it. It refuses to understand what it forwards.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType

_CHUNK_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)


class _Cut:
    """One connection's end, to be brought about by a pattern in what the client sends."""

    def __init__(self, pattern: bytes, *, answered: bool) -> None:
        self.pattern = pattern
        self.answered = answered
        self.done = threading.Event()


class TcpProxy:
    """Forwards connections to one server; `cuts` counts those it has ended."""

    def __init__(self, target: tuple[str, int] | str) -> None:
        self.delay_s = 0.0
        self.cuts = 0
        self._target = target
        self._refusing = False
        self._flowing = threading.Event()
        self._flowing.set()
        self._awaited: _Cut | None = None
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> TcpProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flowing.set()
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for pair in self._open_pairs():
            self._end(pair)

    def speak(self, words: bytes) -> None:
        """Send these bytes to every client."""
        for client, _ in self._open_pairs():
            with suppress(OSError):
                client.sendall(words)

    def end_quietly(self) -> None:
        """Send every client the end of the stream."""
        for client, _ in self._open_pairs():
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)

    def _open_pairs(self) -> list[tuple[socket.socket, socket.socket]]:
        with self._lock:
            return list(self._pairs)

    def refuse(self, refusing: bool) -> None:
        """Reset every connection, and new ones from now on; or let new ones in again."""
        self._refusing = refusing
        if refusing:
            self.cut()

    def blackhole(self, silent: bool) -> None:
        """Hold everything back, in both directions; or let it go."""
        self._flowing.clear() if silent else self._flowing.set()

    def cut_after(self, pattern: bytes, *, answered: bool) -> threading.Event:
        """Reset the next connection whose client sends the pattern; the event tells that it has happened."""
        self._awaited = _Cut(pattern, answered=answered)
        return self._awaited.done

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                _reset(client)
                continue
            try:
                server = self._connect()
            except OSError:
                _reset(client)
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            connection = _Connection()
            for forward in (self._to_server, self._to_client):
                threading.Thread(target=forward, args=(pair, connection), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target, timeout=None)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.connect(self._target)
        return server

    def _to_server(self, pair: tuple[socket.socket, socket.socket], connection: _Connection) -> None:
        client, server = pair
        received = b""
        with suppress(OSError):
            while data := client.recv(_CHUNK_BYTES):
                self._flowing.wait()
                cut = self._awaited
                if cut is not None and cut.pattern in (received := received[-len(cut.pattern) :] + data):
                    self._awaited = None
                    connection.cut = cut if cut.answered else None
                    server.sendall(data)
                    if not cut.answered:
                        self._end(pair)
                        cut.done.set()
                        return
                else:
                    server.sendall(data)
        self._end(pair)

    def _to_client(self, pair: tuple[socket.socket, socket.socket], connection: _Connection) -> None:
        client, server = pair
        with suppress(OSError):
            while data := server.recv(_CHUNK_BYTES):
                if connection.cut is not None:
                    self._end(pair)
                    connection.cut.done.set()
                    return
                if self.delay_s:
                    time.sleep(self.delay_s)
                self._flowing.wait()
                client.sendall(data)
        self._end(pair)

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            if pair not in self._pairs:
                return
            self._pairs.discard(pair)
            self.cuts += 1
        for end in pair:
            _reset(end)


class _Connection:
    """What is to become of one connection, shared by its two threads."""

    cut: _Cut | None = None


def _reset(end: socket.socket) -> None:
    # shutdown wakes the other thread's recv, which close alone does not.
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
