"""A small chat service over TCP that serves well and leaks sessions in five ways.

    python -m leakscope.demo.service          prints {"ready": true, "pid": ..., "port": ...}, serves until
                                              SIGTERM, Ctrl-C or the end of its standard input

A client connects, says ``HELLO name``, then any of these, one per line, each
answered by one line; a session is over when the client says ``BYE`` or is gone:

    SAY text      adds to the history
    SHOUT text    sends to all who said NOTIFY
    PROFILE       wants to be on the list of members
    NOTIFY        wants to hear what others shout
    REMIND        wants to be reminded in an hour
    EXPORT        wants a transcript, written in the background
    SUMMARY       wants a summary
    STATS         how many sessions the service believes are open, and how many there were

Each leak has its own holder and its own sessions: the line that leaks is
marked ``LEAK``, the line that would mend it follows as a comment.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar

HISTORY_AT_START = 20
TRANSCRIPT_BATCH = 100_000
REMIND_AFTER_S = 3600.0


class ChatSession:
    """What the service knows about one connected user."""

    def __init__(self, number: int, user: str) -> None:
        self.id = f"chat-{number:08d}"
        self.user = {"name": user, "email": f"{user}@example.com", "roles": ["reader", "writer"]}
        self.created_at = time.time()
        self.last_active = self.created_at
        self.state = "open"
        self.history = [{"at": self.created_at, "text": f"{user}: earlier line {i}"} for i in range(HISTORY_AT_START)]

    def receive(self, text: str) -> None:
        self.last_active = time.time()
        self.history.append({"at": self.last_active, "text": text})

    def close(self) -> None:
        self.state = "closed"


class ProfileCache:
    """Lets the member list show who was here."""

    by_id: ClassVar[dict[str, ChatSession]] = {}

    @classmethod
    def remember(cls, session: ChatSession) -> None:
        cls.by_id[session.id] = session  # LEAK class-dict
        # mend: cls.by_id.pop(session.id, None) when the session closes


class Announcements:
    """Broadcasts to whoever asked for it."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str], None]] = []

    def subscribe(self, session: ChatSession) -> None:
        def deliver(text: str) -> None:
            session.receive(text)

        self.listeners.append(deliver)  # LEAK listener
        # mend: keep `deliver` with the connection, self.listeners.remove(deliver) when the session closes

    def shout(self, text: str) -> None:
        for deliver in self.listeners:
            deliver(text)


class Transcripts:
    """Writes transcripts in batches, in a thread of its own."""

    def __init__(self) -> None:
        self.inbox: queue.SimpleQueue[ChatSession] = queue.SimpleQueue()
        self.written = 0

    def write_batches(self) -> None:
        batch: list[ChatSession] = []
        while True:
            batch.append(self.inbox.get())  # LEAK thread-frame
            # mend: inbox.get(timeout=1) and write what there is when the batch does not fill up
            if len(batch) >= TRANSCRIPT_BATCH:
                self.written += len(batch)
                batch.clear()


@lru_cache(maxsize=1_000_000)  # LEAK lru-cache
# mend: keep the summary in the session, or cache by session.id and drop it when the session closes
def summary(session: ChatSession) -> str:
    return f"{session.user['name']} said {len(session.history)} things"


REMINDERS: set[asyncio.Task[None]] = set()


def remind_later(session: ChatSession) -> None:
    task = asyncio.create_task(remind(session), name=f"remind {session.id}")
    REMINDERS.add(task)  # LEAK pending-task
    # mend: task.cancel() when the session closes
    task.add_done_callback(REMINDERS.discard)


async def remind(session: ChatSession) -> None:
    await asyncio.sleep(REMIND_AFTER_S)
    session.receive("an hour has passed")


class ChatServer:
    """Accepts connections; ``open`` is the one sound holder: it lets go of every session that ends."""

    def __init__(self) -> None:
        self.open: dict[str, ChatSession] = {}
        self.numbers = itertools.count(1)
        self.opened = 0

    async def serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session: ChatSession | None = None
        try:
            while line := (await reader.readline()).decode(errors="replace").strip():
                word, _, rest = line.partition(" ")
                if word == "HELLO" and session is None:
                    session = self.enter(rest or "guest")
                answer = self.answer(word, rest, session)
                writer.write(f"{answer}\n".encode())
                await writer.drain()
                if word == "BYE":
                    break
        except (ConnectionError, ValueError):
            pass  # the client is gone, or sent a line beyond all bounds
        finally:
            if session is not None:
                self.leave(session)
            writer.close()

    def enter(self, user: str) -> ChatSession:
        session = ChatSession(next(self.numbers), user)
        self.open[session.id] = session
        self.opened += 1
        return session

    def leave(self, session: ChatSession) -> None:
        session.close()
        del self.open[session.id]

    def answer(self, word: str, rest: str, session: ChatSession | None) -> str:
        if word == "STATS":
            return json.dumps({"open": len(self.open), "opened": self.opened})
        if session is None:
            return "say HELLO first"
        if word == "SAY":
            session.receive(rest)
        elif word == "SHOUT":
            ANNOUNCEMENTS.shout(rest)
        elif word == "PROFILE":
            ProfileCache.remember(session)
        elif word == "NOTIFY":
            ANNOUNCEMENTS.subscribe(session)
        elif word == "REMIND":
            remind_later(session)
        elif word == "EXPORT":
            TRANSCRIPTS.inbox.put(session)
        elif word == "SUMMARY":
            return summary(session)
        return f"ok {session.id}"


ANNOUNCEMENTS = Announcements()
TRANSCRIPTS = Transcripts()
CHAT = ChatServer()


async def main() -> None:
    threading.Thread(target=TRANSCRIPTS.write_batches, name="transcripts", daemon=True).start()
    server = await asyncio.start_server(CHAT.serve_client, "127.0.0.1", 0)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    threading.Thread(target=stop_with_parent, args=(loop, stop), name="stdin", daemon=True).start()
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"ready": True, "pid": os.getpid(), "port": port}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def stop_with_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Whoever started the service holds its standard input: once that ends, so does the service."""
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    asyncio.run(main())
