"""Environments with the real libraries, one per interpreter and group, all versions pinned.

Where the newest version of a library no longer runs on an older CPython, that one gets its last version that does.
"""

from __future__ import annotations

from pathlib import Path

from tests.interpreters import Interpreter, environment

GROUPS = {
    "web": (
        "aiohttp==3.14.5",
        "anthropic==2.11.0",
        "django==5.2.19",
        "fastapi==0.165.0; python_version >= '3.11'",
        "fastapi==0.162.5; python_version < '3.11'",
        "flask==3.1.3",
        "httpcore==1.0.9",
        "httpx==0.28.1",
        "httpx2==2.16.2; python_version >= '3.11'",
        "httpx2==2.14.0; python_version < '3.11'",
        "itsdangerous==2.2.0",
        "mcp==2.3.0",
        "openai==3.52.0",
        "python-engineio==4.15.1",
        "python-socketio==5.18.1",
        "requests==2.34.2",
        "simple-websocket==1.1.0",
        "starlette==1.10.0; python_version >= '3.11'",
        "starlette==1.7.0; python_version < '3.11'",
        "tornado==6.6.1; python_version >= '3.11'",
        "tornado==6.5.10; python_version < '3.11'",
        "urllib3==2.8.0",
        "uvicorn==0.54.0",
        "websockets==17.4; python_version >= '3.11'",
        "websockets==16.1.1; python_version < '3.11'",
        "werkzeug==3.1.9",
        "wsproto==1.3.2",
    ),
    "data": (
        "aiosqlite==0.22.1",
        "asyncpg==0.32.0",
        "boto3==1.44.5",
        "botocore==1.44.5",
        "greenlet==3.5.6",
        "psycopg-binary==3.3.9",
        "psycopg-pool==3.3.3",
        "psycopg2-binary==2.9.13",
        "psycopg==3.3.9",
        "pymongo==4.20.0; python_version >= '3.11'",
        "pymongo==4.18.3; python_version < '3.11'",
        "pymysql==1.2.4",
        "redis==8.1.0",
        "sqlalchemy==2.1.9; python_version >= '3.11'",
        "sqlalchemy==2.0.58; python_version < '3.11'",
    ),
    "broker": (
        "aio-pika==10.2.1",
        "gevent==26.9.0",
        "grpcio==1.85.1",
        "kombu==5.7.0",
        "paramiko==5.1.0",
        "pika==1.4.4",
    ),
    "services": (
        "redis==8.1.0",
        "starlette==1.10.0; python_version >= '3.11'",
        "starlette==1.7.0; python_version < '3.11'",
        "uvicorn==0.54.0",
    ),
    "soak": (
        "gevent==26.9.0",
        "numpy==2.4.6; python_version >= '3.11'",
        "numpy==2.2.6; python_version < '3.11'",
    ),
    "dify": (
        "flask-restx==1.3.2",
        "flask==3.1.3",
        "gevent==26.9.0",
        "greenlet==3.5.6",
        "gunicorn==27.0.1",
        "packaging==26.3",
        "psycopg-binary==3.3.9",
        "psycopg==3.3.9",
        "requests==2.34.2",
        "sqlalchemy==2.1.9; python_version >= '3.11'",
        "sqlalchemy==2.0.58; python_version < '3.11'",
        "urllib3==2.8.0",
    ),
}


def with_libraries(interpreter: Interpreter, group: str) -> Path:
    """The Python of an environment of ``interpreter`` that has the libraries of ``group``; made when first asked for.

    RuntimeError if a library cannot be installed; only wheels are.
    """
    return environment(interpreter, f"libs-{group}", ("--only-binary=:all:", *GROUPS[group]))
