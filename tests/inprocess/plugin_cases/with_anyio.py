"""Tests of anyio's plug-in, sound and leaky."""

import anyio
import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.leakscope]
HELD = []


class Session:
    def __init__(self):
        self.me = self


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_sound():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0, name=str(Session()))


async def test_leaks():
    await anyio.sleep(0)
    HELD.append(Session())
