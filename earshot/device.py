"""A board on this machine: the firmware's host port, provisioned for a stack and run.

The program itself is `firmware/port/host`; its events are JSON lines (docs/contracts.md, section 10).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot import devices
from earshot.errors import EarshotError
from earshot.project import BUILD, DEVICE_PROGRAM, build_firmware
from earshot.target import Target

DIRECTORY = BUILD / "device"
LISTEN_BATCH = 200  # files named on one command line


@dataclass(frozen=True)
class Device:
    """A board: who it is, where its flash lies, and which stack it trusts."""

    directory: Path
    board: str
    identity: str
    releases: str
    reports: str

    def _command(self, *arguments: str) -> list[str]:
        return [
            str(DEVICE_PROGRAM),
            "--dir",
            str(self.directory),
            "--board",
            self.board,
            "--id",
            self.identity,
            "--releases",
            self.releases,
            "--reports",
            self.reports,
            *arguments,
        ]

    def poll(self, *, every: int | None = None) -> subprocess.Popen:
        """Start looking for updates: once, or every so many seconds until terminated. Events come on stdout."""
        when = ["--every", str(every)] if every else ["--once"]
        return subprocess.Popen(
            self._command("poll", *when), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )

    def listen(self, files: Iterable[Path], *, stream: bool = False) -> Iterator[dict[str, Any]]:
        """What the board hears in 16 kHz mono 16-bit WAV files, one event a clip (or a word, in a stream).

        Raises:
            EarshotError: The board has no model, or a file is not what its microphone gives.
        """
        every_file = [str(path) for path in files]
        for start in range(0, len(every_file), LISTEN_BATCH):
            batch = every_file[start : start + LISTEN_BATCH]
            heard = subprocess.run(
                self._command("listen", *(["--stream"] if stream else []), *batch),
                capture_output=True,
                text=True,
                check=False,
            )
            yield from events(heard.stdout.splitlines())
            if heard.returncode:
                last = [e for e in events(heard.stdout.splitlines()) if e["event"] == "error"]
                raise EarshotError(
                    f"the board stopped listening: {last[-1]['reason'] if last else heard.stderr.strip()}"
                )

    def microphone(self, *, raw: bool = False) -> Iterator[dict[str, Any]]:
        """What the board hears live, until the recording ends.

        Args:
            raw: 16 kHz mono signed 16-bit samples come on standard input, instead of from this machine's microphone.

        Raises:
            EarshotError: The board has no model, or there is no microphone.
        """
        process = subprocess.Popen(
            self._command("listen", "--microphone", *(["-"] if raw else [])),
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert process.stdout
        fault = ""
        try:
            for event in events(process.stdout):
                fault = event["reason"] if event["event"] == "error" else fault
                yield event
        finally:
            process.terminate()
            ended = process.wait()
        if ended:
            raise EarshotError(f"the board stopped listening: {fault}")


def events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The board's events, from its lines."""
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError as error:
            raise EarshotError(f"the board program printed what is no event: {line!r}") from error
        if isinstance(event, dict) and "event" in event:
            yield event


def provision(target: Target, board: str | None, identity: str, directory: Path = DIRECTORY) -> Device:
    """Give a board its key and the stack's, and make it known to the stack; once done, it is left as it is.

    Args:
        target: The cloud.
        board: Kind of board; None takes the stack's first.
        identity: The device's name.
        directory: Its flash and keys.

    Raises:
        EarshotError: The stack does not release for this board, or the name belongs to another key.
    """
    build_firmware()
    boards = [name.strip() for name in target.outputs["Boards"].split(",")]
    board = board or boards[0]
    if board not in boards:
        raise EarshotError(f"the stack releases for {', '.join(boards)}, not for {board}: see its parameter Boards")
    domain = target.outputs["ReleasesDomain"]
    device = Device(
        directory,
        board,
        identity,
        f"http://{domain}" if ":" in domain else f"https://{domain}",
        target.outputs["DeviceApi"].rstrip("/") + "/reports",
    )
    if device.releases.startswith("https:"):
        raise EarshotError(
            "the host board speaks plain HTTP only, and CloudFront does not serve it: run it on the local cloud"
        )
    directory.mkdir(parents=True, exist_ok=True)
    key = directory / "signing-key.der"
    key.write_bytes(target.client("kms").get_public_key(KeyId=target.outputs["SigningKey"])["PublicKey"])
    made = subprocess.run(
        device._command("provision", "--key", str(key)), capture_output=True, text=True, check=False, timeout=60
    )
    provisioned = [e for e in events(made.stdout.splitlines()) if e["event"] == "provisioned"]
    if made.returncode or not provisioned:
        raise EarshotError(f"the board cannot be provisioned in {directory}: {made.stdout}{made.stderr}")
    devices.add(target, identity, provisioned[0]["public_key"], board)
    return device
