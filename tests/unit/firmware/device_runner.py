"""The device program as a process."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

POWER_CUT_STATUS = 99


def events(done: subprocess.CompletedProcess[bytes]) -> list[dict]:
    """What a device said."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass
class DeviceRunner:
    program: Path
    folder: Path
    board: str
    name: str
    releases: str
    reports: str | None = None
    timeout_ms: int = 5000

    def done(self, *arguments: str, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        """Runs to the end, with `given` on standard input."""
        command = [str(self.program), "--dir", str(self.folder), "--board", self.board, "--id", self.name]
        command += ["--releases", self.releases, "--timeout-ms", str(self.timeout_ms)]
        if self.reports is not None:
            command += ["--reports", self.reports]
        done = subprocess.run(
            [*command, *arguments],
            input=given,
            capture_output=True,
            env=os.environ | environment,
            timeout=120,
            check=False,
        )
        assert done.returncode >= 0, (done.returncode, done.stderr)
        assert b"Sanitizer" not in done.stderr, done.stderr.decode(errors="replace")
        return done

    def run(self, *arguments: str, **environment: str) -> tuple[int, list[dict]]:
        """Exit status and events."""
        done = self.done(*arguments, **environment)
        return done.returncode, events(done)

    def provision(self, key: Path) -> tuple[int, list[dict]]:
        return self.run("provision", "--key", str(key))

    def poll(self, **environment: str) -> tuple[int, list[dict]]:
        return self.run("poll", "--once", **environment)

    def listen(self, *files: Path, stream: bool = False) -> tuple[int, list[dict]]:
        return self.run("listen", *(["--stream"] if stream else []), *(str(f) for f in files))
