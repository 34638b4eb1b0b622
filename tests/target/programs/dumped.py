"""Sessions that are held in every way a chain tells apart, then idleness: what a core must show as the process does.

Says how many there are, and waits for the end of its input without touching them again.
"""

import asyncio
import collections
import json
import os
import sys
import threading
import time

COUNT = 40


class Session:
    """Keeps its times by both clocks; every fourth is closed."""

    def __init__(self, number):
        self.session_id = f"secret-{number}"
        self.created_at = time.time() - 60 * (1 + number % 7)
        self.last_used = time.monotonic() - number % 5
        self.closed = number % 4 == 0
        self.basket = ["x" * 50, {"number": number, "again": [number] * 30}]


class SlottedSession:
    """The same without a dict."""

    __slots__ = ("created_at", "session_id")

    def __init__(self, number):
        self.session_id = f"slotted-{number}"
        self.created_at = time.time() - number


def closure_over(kept):
    def inner():
        return kept

    return inner


def blocked(held, ready):
    ready.set()
    threading.Event().wait()


async def waiting(held):
    await asyncio.Event().wait()


BY_ID = {f"id-{number}": Session(number) for number in range(COUNT)}
LISTED = [Session(number) for number in range(COUNT)]
QUEUED = collections.deque(SlottedSession(number) for number in range(COUNT))
CLOSURE = closure_over(Session(1))
BULK = {number: (str(number) * 4, float(number), bytearray(b"b" * 100)) for number in range(3000)}


async def main():
    loop = asyncio.get_running_loop()
    task = loop.create_task(waiting(Session(2)))
    ready = threading.Event()
    threading.Thread(target=blocked, args=(Session(3), ready), daemon=True).start()
    ready.wait()
    await asyncio.sleep(0)
    sys.stdout.write(json.dumps({"pid": os.getpid(), "sessions": 2 * COUNT + 3, "slotted": COUNT}) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    task.cancel()
    os._exit(0)


asyncio.run(main())
