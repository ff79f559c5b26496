"""A TCP proxy before Redis that answers late, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Delay:
    """Seconds that each answer is held back; may be changed at any time."""

    def __init__(self) -> None:
        self.answers_s = 0.0


@contextmanager
def delaying_proxy(port: int) -> Iterator[tuple[str, Delay]]:
    """The URL of a Redis that answers as late as `delay.answers_s` says."""
    delay, loop, urls = Delay(), asyncio.new_event_loop(), []
    ready = threading.Event()

    async def serve() -> None:
        server = await asyncio.start_server(lambda reader, writer: _join(reader, writer, port, delay), "127.0.0.1", 0)
        urls.append(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        ready.set()
        with suppress(asyncio.CancelledError):
            await server.serve_forever()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield urls[0], delay
    finally:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        thread.join(10)
        loop.close()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, delay: Delay) -> None:
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, late: bool) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while data := await source.read(65536):
                if late and delay.answers_s:
                    await asyncio.sleep(delay.answers_s)
                target.write(data)
                await target.drain()
        target.close()

    await asyncio.gather(pump(reader, there_writer, late=False), pump(there_reader, writer, late=True))
