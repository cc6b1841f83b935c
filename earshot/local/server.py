"""The local cloud's process: `python -m earshot.local.server --dir build/local --port 4566`.

State is in memory: a start is a fresh account. SIGTERM ends the cloud and
every process it started; what a crash leaves behind, the next start ends.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import logging
import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from earshot.local.cloudfront import Distributions
from earshot.local.containers.images import Interpreter
from earshot.local.containers.processes import CLOUD_MARK, kill_marked
from earshot.local.containers.storage import Storage
from earshot.local.containers.workshop import Workshop
from earshot.local.emulator import Asgi, Emulator, Reply
from earshot.local.resources import add_resource_types
from earshot.local.sagemaker.runtime import LARGEST_BODY, PATH
from earshot.local.sagemaker.service import TARGET_PREFIX, SageMaker

HEALTH_PATH = "/_earshot/health"
_ROOT = Path(__file__).resolve().parents[2]
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOG_LEVEL", "AUTH")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class InUseError(Exception):
    """Another local cloud uses the same folder, or the port is taken."""


def front_door(emulator: Asgi, sagemaker: SageMaker) -> Asgi:
    """Put SageMaker and the health check in front of the emulated services."""

    async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await emulator(scope, receive, send)
            return
        headers = dict(scope["headers"])
        target = headers.get(b"x-amz-target", b"").decode("latin-1")
        path: str = scope["path"]
        if target.startswith(TARGET_PREFIX):
            body = await _body(receive)
            reply = await asyncio.to_thread(sagemaker.handle, target, body)
        elif scope["method"] == "POST" and PATH.fullmatch(path) and _for_sagemaker(headers):
            body = await _body(receive, LARGEST_BODY + 1)
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            reply = await asyncio.to_thread(sagemaker.runtime.invoke, path, told, body)
        elif path == HEALTH_PATH:
            content = json.dumps({"status": "ready", "pid": os.getpid()}).encode()
            reply = Reply(200, {"content-type": "application/json"}, content)
        else:
            await emulator(scope, receive, send)
            return
        await _send(send, reply)

    return asgi


def _for_sagemaker(headers: dict[bytes, bytes]) -> bool:
    authorization = headers.get(b"authorization", b"")
    return not authorization or b"/sagemaker/" in authorization


async def _body(receive: Receive, most: int | None = None) -> bytes:
    """Read a body; of a longer one, `most` bytes are kept and the rest is read and dropped."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(content)
        chunk = message.get("body", b"")
        content += chunk if most is None else chunk[: most - len(content)]
        if not message.get("more_body"):
            return bytes(content)


async def _send(send: Send, reply: Reply) -> None:
    told = {**reply.headers, "content-length": str(len(reply.body))}
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in told.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def run(directory: Path, listener: socket.socket, jobs_python: Path, lambda_python: Path) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        directory: where jobs, logs and temporary files go.
        listener: the socket to serve on, bound and listening.
        jobs_python: interpreter for SageMaker's containers.
        lambda_python: interpreter for Lambda functions.
    """
    port = listener.getsockname()[1]
    emulator = Emulator(port, lambda_python, directory / "tmp")
    workshop = Workshop(emulator, Storage(emulator), Interpreter(jobs_python), directory / "jobs")
    sagemaker = SageMaker(workshop)
    add_resource_types(emulator, sagemaker)
    loop = asyncio.get_running_loop()
    distributions = Distributions(emulator, loop)
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1.0
    config.include_date_header = config.include_server_header = False
    config.errorlog = None
    # hypercorn types its applications more narrowly than ASGI does
    await serve(front_door(emulator.application, sagemaker), config, shutdown_trigger=ending.wait)  # type: ignore[arg-type]
    distributions.close()
    await asyncio.to_thread(emulator.stop_functions)


def main(arguments: list[str] | None = None) -> None:
    """Start the local cloud and serve until told to end."""
    parser = argparse.ArgumentParser(prog="python -m earshot.local.server", description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, default=Path("build/local"), help="where jobs run and logs are kept")
    parser.add_argument("--port", type=int, default=4566, help="port on 127.0.0.1")
    options = parser.parse_args(arguments)
    directory: Path = options.dir.resolve()
    try:
        listener, lock = _claim(directory, options.port)
        jobs_python = _interpreter("EARSHOT_JOBS_PYTHON", ".venv/jobs/bin/python")
        lambda_python = _interpreter("EARSHOT_LAMBDA_PYTHON", ".venv/lambda/bin/python")
    except (InUseError, FileNotFoundError) as error:
        print(f"earshot local cloud: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    _clean(directory)
    logging.getLogger("ministack").setLevel(os.environ.get("LOG_LEVEL", "WARNING"))
    asyncio.run(_serve(directory, listener, jobs_python, lambda_python))
    lock.close()


async def _serve(directory: Path, listener: socket.socket, jobs_python: Path, lambda_python: Path) -> None:
    status = 0
    try:
        await run(directory, listener, jobs_python, lambda_python)
    except Exception:
        logging.exception("the local cloud broke down")
        status = 1
    kill_marked(CLOUD_MARK, str(directory))
    shutil.rmtree(directory / "tmp", ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the emulator (long polls, pollers) have no end of their own; nothing is left for them to do.
    os._exit(status)


def _claim(directory: Path, port: int) -> tuple[socket.socket, Any]:
    """Take the folder and the port, so that two clouds never share either."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InUseError(f"{directory} is in use by another local cloud; stop that one first") from None
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        raise InUseError(f"port {port} cannot be used ({error.strerror}); choose another with --port") from None
    return listener, lock


def _interpreter(variable: str, default: str) -> Path:
    python = Path(os.environ.get(variable) or _ROOT / default)
    if not python.is_file():
        raise FileNotFoundError(f"{python}: no such interpreter; make it, or name another in {variable}")
    return python.absolute()


def _clean(directory: Path) -> None:
    """End what an earlier cloud of this folder left, and give functions nothing of this process's environment."""
    kill_marked(CLOUD_MARK, str(directory))
    for leftover in ("jobs", "tmp"):
        shutil.rmtree(directory / leftover, ignore_errors=True)
        (directory / leftover).mkdir()
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    os.environ.clear()
    os.environ.update(kept, **{CLOUD_MARK: str(directory)})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
