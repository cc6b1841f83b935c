"""The stage of the tests here: a demonstration, and what is left of it."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EARSHOT = ROOT / ".venv/main/bin/earshot"
DEMO = ROOT / "build/demo"


@dataclass(frozen=True)
class Demo:
    """A finished demonstration, its cloud still up."""

    summary: dict
    printed: str
    url: str

    @property
    def environment(self):
        """What other people's clients need to reach the cloud."""
        return {
            **os.environ,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def earshot(self, *arguments, status=0):
        """Run the command line and give what it prints."""
        return run([EARSHOT, *arguments], dict(os.environ), status)

    def aws(self, *arguments, status=0):
        """Run the AWS command line, version 1, against the cloud."""
        return run([ROOT / ".venv/sam/bin/aws", *arguments], self.environment, status)

    @property
    def outputs(self):
        stacks = json.loads(self.aws("cloudformation", "describe-stacks", "--stack-name", "earshot"))["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}


def run(command, environment, status=0):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def ours():
    """Processes of this checkout's local cloud, its jobs and boards: command line by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            environment = (entry / "environ").read_bytes() if words else b""
        except OSError:
            continue
        line = b" ".join(words).decode(errors="replace")
        places = (str(ROOT / "build" / "local"), str(ROOT / "build" / "demo"))
        if any(place in line or place.encode() in environment for place in places):
            found[int(entry.name)] = line
    return found


def interrupted_start():
    """Begin a demonstration and press Ctrl-C once its cloud is up."""
    process = subprocess.Popen(
        [str(EARSHOT), "demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a group of its own, as a terminal gives it
    )
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("local cloud on"):
            time.sleep(2)  # in the middle of `sam build`
            os.killpg(process.pid, signal.SIGINT)
            break
    printed += process.communicate(timeout=60)[0]
    return process.returncode, printed
