"""The demonstration's board: its program polls in the background, its events are collected here."""

from __future__ import annotations

import queue
import subprocess
import threading
from typing import Any

from earshot import device
from earshot.errors import EarshotError


class Board:
    """A polling board and what it has said so far."""

    def __init__(self, provisioned: device.Device, every: int = 2) -> None:
        self.device = provisioned
        self.version: str | None = None
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._process: subprocess.Popen = provisioned.poll(every=every)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout
        for event in device.events(self._process.stdout):
            self._events.put(event)

    def news(self) -> list[dict[str, Any]]:
        """Events since the last call.

        Raises:
            EarshotError: The board program has ended.
        """
        seen = []
        while not self._events.empty():
            event = self._events.get()
            seen.append(event)
            if event["event"] == "confirmed":
                self.version = event["version"]
        if not seen and self._process.poll() is not None:
            reason = self._process.stderr.read() if self._process.stderr else ""
            raise EarshotError(f"the board program ended with status {self._process.returncode}: {reason.strip()}")
        return seen

    def stop(self) -> None:
        """Switch the board off."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
