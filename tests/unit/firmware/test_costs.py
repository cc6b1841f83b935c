"""What the board's code costs: counts are the same every time, so a change for the worse is found."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "benchmarks")]

GROWTH = 0.02

pytestmark = pytest.mark.skipif(
    not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")),
    reason="gcc-arm-none-eabi or qemu-system-arm is not installed",
)


@pytest.fixture(scope="module")
def found():
    import board

    return board.figures()


@pytest.fixture(scope="module")
def recorded(found):
    import board

    kept = json.loads(board.COSTS.read_text())
    if kept["compiler"] != found["compiler"]:
        pytest.skip(f"recorded with compiler {kept['compiler']}, this one is {found['compiler']}: not comparable")
    return kept["limits"]


def test_nothing_costs_more_than_recorded(found, recorded):
    import board

    # WHEN everything is counted
    limits = board.limits(found)
    # THEN the record is of the same things
    again = "run benchmarks/board.py --record"
    assert set(limits) == set(recorded), f"what is counted has changed: {again}"
    # AND none grew by more than 2 %
    grown = {
        what: f"{figure:,} for {recorded[what]:,}"
        for what, figure in limits.items()
        if figure > recorded[what] * (1 + GROWTH)
    }
    assert not grown, f"costs grew; mend it, or where it is worth it {again}"


def test_answers_are_those_of_tflm_on_the_cortex_m4(found):
    assert [name for name, costs in found["models"].items() if not costs["identical"]] == []


def test_memory_is_less_than_tflms(found):
    for name, costs in found["models"].items():
        assert costs["arena_bytes"] <= costs["tflm_arena_bytes"], name


def test_counts_repeat():
    """GIVEN one model WHEN it is counted twice THEN every count is the same."""
    import board_models
    from kws import count

    content = board_models.make("tiny_conv")
    assert count.count(content, "tiny_conv") == count.count(content, "tiny_conv")


def test_every_object_file_is_counted_once():
    """A new source file belongs to a module whose size is watched."""
    import board

    subprocess.run(["make", "-s", "-C", str(board.FIRMWARE), "objects-mps2"], check=True)
    counted = [path for starts in board.MODULES.values() for start in starts for path in board._objects(start)]
    built = {path for folder in ("core", "app", "ota", "crypto") for path in (board.OBJECTS / folder).rglob("*.o")}
    assert sorted(counted) == sorted(set(counted))
    assert built - set(counted) == {board.OBJECTS / "core" / "errors.o"}
