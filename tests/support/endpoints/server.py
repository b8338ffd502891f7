"""The stand-in server as a process: `python -m tests.support.endpoints.server --options JSON`.

It prints its port once it listens on 127.0.0.1, and ends when its standard input closes, so that it never
outlives who started it. The options are the fields of `Behaviour`.
"""

import argparse
import asyncio
import gc
import json
import os
import selectors
import sys

from tests.support.endpoints.behaviour import Behaviour
from tests.support.endpoints.http1 import Connection
from tests.support.endpoints.service import Server

# Arrivals are kept and hold no cycles: looking through them again and again would cost more than the calls.
_COLLECTED_AFTER = 100_000


async def _run(behaviour: Behaviour) -> None:
    loop = asyncio.get_running_loop()
    server = Server(behaviour)
    listening = await loop.create_server(
        lambda: Connection(server, server.connections), "127.0.0.1", 0, backlog=1024
    )
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), lambda: _ends(ended))
    print(listening.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    listening.close()


def _loop() -> asyncio.AbstractEventLoop:
    """A loop whose timers are exact: epoll, the usual one, rounds each wait up to a millisecond."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def _ends(ended: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1024):
        ended.set()


def main() -> None:
    """Run the server until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--options", default="{}", help="fields of Behaviour, as JSON")
    behaviour = Behaviour().changed(json.loads(parser.parse_args().options))
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER)
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_run(behaviour))


if __name__ == "__main__":
    main()
