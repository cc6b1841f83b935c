"""tools/needs: what is missing is said by name, never passed over in silence."""

# mypy: disable-error-code="no-untyped-def"

import subprocess
from pathlib import Path

NEEDS = Path(__file__).resolve().parents[3] / "tools/needs"


def _needs(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([NEEDS, *words], capture_output=True, text=True, check=False)


def test_a_command_runs_where_all_is_there():
    done = _needs("sh", "stdio.h", "--", "sh", "-c", "echo ran; exit 3")
    # THEN its status is the command's
    assert (done.returncode, done.stdout) == (3, "ran\n")


def test_a_missing_program_or_header_is_named_with_what_is_left_out():
    for missing in ("no-such-program", "no_such_header.h"):
        done = _needs("sh", missing, "--", "echo", "ran")
        assert done.returncode == 0
        assert done.stdout == f"  SKIPPED, {missing} is not installed: echo ran\n"
