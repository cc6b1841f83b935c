"""tools/stack-bound: what it finds in code made for it, and that the board's own stack keeps to what it says."""

# mypy: disable-error-code="no-untyped-def, import-not-found"

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kws import features, qemu

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / "tools/stack-bound"

pytestmark = pytest.mark.skipif(
    not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")),
    reason="gcc-arm-none-eabi or qemu-system-arm is not installed",
)

LEAF = """
__attribute__((noinline)) int leaf(int n)
{
    volatile char room[200];
    room[n] = 1;
    return room[0];
}
"""


def _judge(folder: Path, source: str, **rules) -> subprocess.CompletedProcess:
    """Compiles a source with entry point `entry` and judges it."""
    (folder / "a.c").write_text(source + "\nint main(void) { return entry(3); }\n")
    flags = ["-mcpu=cortex-m4", "-mthumb", "-O1", "-fcallgraph-info=su", "--specs=nosys.specs", "-o", "a.elf"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "a.c"], cwd=folder, check=True, capture_output=True)
    (folder / "limits.json").write_text(json.dumps({"limits": {"entry": 1000}} | rules))
    return subprocess.run(
        [sys.executable, TOOL, "limits.json", ".", "a.elf"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_deepest_chain_of_calls_counts(tmp_path):
    # GIVEN a function of about 200 bytes under one of about 100
    source = LEAF + "int entry(int n) { volatile char room[100]; room[n] = 1; return leaf(n) + room[0]; }"
    # WHEN / THEN the sum is found, rows of both on the way
    done = _judge(tmp_path, source)
    assert done.returncode == 0, done.stderr
    bytes_, chain = done.stdout.splitlines()[1].split()[1], done.stdout.splitlines()[1].split()[3:]
    assert 300 <= int(bytes_) <= 360
    assert chain == ["leaf"]
    # AND a lower limit is exceeded
    done = _judge(tmp_path, source, limits={"entry": 299})
    assert done.returncode == 1
    assert "EXCEEDED" in done.stdout


def test_library_functions_are_read_from_the_program(tmp_path):
    # GIVEN a division of doubles, which only the library has
    done = _judge(tmp_path, "volatile double d = 3; int entry(int n) { d = d / n; return (int)d; }")
    # THEN what it saves on the stack is in the bound
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[1].split()[1]) >= 24
    assert "div" in done.stdout


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("int entry(int n) { return n == 0 ? 0 : entry(n - 1) * n + n; }", "recursion"),
        ("int entry(int n) { volatile char room[n]; room[0] = 1; return room[n - 1]; }", "only known while running"),
        ("int (*pointer)(int); int entry(int n) { return pointer(n) + 1; }", "calls pointer at a.c:1:"),
        ("int nowhere(int); int entry(int n) { return nowhere(n) + 1; }", None),
    ],
)
def test_what_has_no_bound_is_refused(tmp_path, source, reason):
    if reason is None:
        # GIVEN a function that is linked in without its stack use: an assembler's, say
        source += '\n__asm(".global nowhere\\n.thumb_func\\nnowhere: blx r3\\nbx lr\\n");'
        reason = "nowhere: calls ?"
    done = _judge(tmp_path, source)
    assert done.returncode == 1
    assert reason in done.stderr


def test_rules_name_what_pointers_point_to(tmp_path):
    source = LEAF + "int (*pointer)(int) = leaf; int entry(int n) { return pointer(n) + 1; }"
    done = _judge(tmp_path, source, calls={"pointer": ["a.c:le*"]})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[1].split()[1]) >= 200
    # AND a rule that matches nothing is a mistake
    assert "no function matches" in _judge(tmp_path, source, calls={"pointer": ["b.c:*"]}).stderr


def test_a_recursion_of_known_depth_counts_as_often(tmp_path):
    source = "int entry(int n) { volatile char room[50]; room[n] = 1; return n == 0 ? 0 : entry(n - 1) + room[0]; }"
    once = _judge(tmp_path, source, recursion={"a.c:entry": 2})
    often = _judge(tmp_path, source, recursion={"a.c:entry": 8})
    figures = [int(done.stdout.splitlines()[1].split()[1]) for done in (once, often)]
    assert figures[1] == 4 * figures[0] >= 400


@pytest.fixture(scope="module")
def bounds():
    firmware = ROOT / "firmware"
    subprocess.run(["make", "-s", "-C", str(firmware), "mps2", "build/mps2/stack.elf"], check=True)
    command = [sys.executable, TOOL, "stack-limits.json", "build/mps2", "build/mps2/stack.elf", "--json"]
    return json.loads(subprocess.run(command, cwd=firmware, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("front_end", features.FRONT_ENDS.values(), ids=lambda f: f.name)
def test_front_ends_keep_to_their_bound(bounds, front_end, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an emulated board reads short names only
    samples = np.random.default_rng(1).integers(-32768, 32768, 16000).astype("<i2")
    (tmp_path / "samples").write_bytes(samples.tobytes())
    used = qemu.measure("features", front_end.id, "samples", "frames")["stack_bytes"]
    # THEN the high-water mark is below the bound, and not far: the bound is of this code
    assert 0.4 * bounds["es_frontend_feed"] < used <= bounds["es_frontend_feed"]


def test_models_keep_to_their_bound(bounds, board_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import tflite_models as models

    rng = np.random.default_rng(1)
    deepest = 0
    convolutions = models.conv_model(rng, depthwise=True, channels=6), models.conv_model(rng, depth=6, channels=9)
    for content in (board_model, *convolutions, models.softmax_model(), models.mean_model(), models.add_model(rng)):
        (tmp_path / "model").write_bytes(content)
        size = input_size(content)
        (tmp_path / "inputs").write_bytes(rng.integers(0, 256, size).astype(np.uint8).tobytes())
        used = qemu.measure("infer", "model", "inputs", "outputs")["stack_bytes"]
        assert used <= bounds["es_model_run"]
        deepest = max(deepest, used)
    assert deepest > 0.4 * bounds["es_model_run"]


def input_size(content: bytes) -> int:
    """Elements of a model's input."""
    from tflite_micro import runtime

    return int(np.prod(runtime.Interpreter.from_bytes(content).get_input_details(0)["shape"]))
