"""The main job, once for all tests here: started, interrupted, started again, looked at, ended."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from stage import DEMO, EARSHOT, ROOT, Demo, interrupted_start, run


@pytest.fixture(scope="session")
def interruption():
    return interrupted_start()


@pytest.fixture(scope="session")
def demo(interruption):
    with subprocess.Popen(
        [str(EARSHOT), "demo"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        printed = ""
        for line in process.stdout:  # shown as it comes: it takes minutes
            printed += line
            sys.__stdout__.write(line)
            sys.__stdout__.flush()
    assert process.returncode == 0, printed[-4000:]
    status = json.loads(run([EARSHOT, "local", "status", "--json"], dict(os.environ)))
    yield Demo(json.loads((DEMO / "summary.json").read_text()), printed, status["url"])
    run([EARSHOT, "local", "down"], dict(os.environ))
