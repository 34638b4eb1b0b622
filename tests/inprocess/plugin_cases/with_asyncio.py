"""Tests of pytest-asyncio, sound and leaky."""

import asyncio

import pytest

pytestmark = pytest.mark.leakscope
HELD = []


class Session:
    def __init__(self):
        self.me = self


@pytest.fixture
async def session():
    yield Session()


async def test_sound():
    session = Session()
    await asyncio.gather(*(asyncio.sleep(0, session) for _ in range(5)))


async def test_sound_fixture(session):
    queue = asyncio.Queue()
    await queue.put(session)
    assert await queue.get() is session


async def test_sound_context(leakscope):
    async def work():
        session = Session()
        await asyncio.sleep(0.05)
        return bool(session)

    async with leakscope.no_leaks():
        asyncio.get_running_loop().work = asyncio.create_task(work())
        await asyncio.sleep(0)


async def test_leaks():
    await asyncio.sleep(0)
    HELD.append(Session())


async def test_pending_task():
    async def waits(event):
        in_task = Session()
        await event.wait()
        del in_task

    event = asyncio.Event()
    HELD.append(event)
    loop = asyncio.new_event_loop()
    HELD.append((loop, loop.create_task(waits(event))))
    HELD[-1][1].get_coro().send(None)


async def test_context(leakscope):
    async with leakscope.no_leaks(grace=0):
        HELD.append(Session())
