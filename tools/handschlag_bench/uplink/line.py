"""A subscriber line towards the broker: TCP handed on, upstream no faster than so many bits a second.

    python -m handschlag_bench.uplink.line PORT BITS_PER_SECOND

Listens on a free port, which it says, and hands everything on to the broker at PORT. Only what goes up is slowed: a
receipt is small.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

CHUNK = 4096
"""Small against what a line carries in a tenth of a second, so that its pace is even."""

LATE_S = 0.05
"""So much of its time a line makes up for, when this process was not woken in time."""


async def _up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bytes_per_s: float) -> None:
    loop = asyncio.get_running_loop()
    free_at = loop.time()
    while data := await reader.read(CHUNK):
        free_at = max(free_at, loop.time() - LATE_S) + len(data) / bytes_per_s
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(max(0.0, free_at - loop.time()))
    writer.close()


async def _down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(port: int, bits_per_s: float) -> None:
    """Hand on until the process ends."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_broker = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError):
            await asyncio.gather(_up(reader, to_broker[1], bits_per_s / 8), _down(to_broker[0], writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=CHUNK)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
