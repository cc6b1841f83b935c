"""The ring between a microphone and the listener: nothing comes out of order, and what is lost is counted."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import shutil
import subprocess
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

FIRMWARE = Path(__file__).resolve().parents[3] / "firmware"


class _Ring(ctypes.Structure):
    _fields_ = [
        ("samples", ctypes.c_void_p),
        ("size", ctypes.c_uint32),
        ("written", ctypes.c_uint32),
        ("read", ctypes.c_uint32),
        ("lost", ctypes.c_uint32),
        ("told", ctypes.c_uint32),
    ]


class Ring:
    """The C ring, with guards on both sides of its memory."""

    GUARD = 64

    def __init__(self, library, size: int, start: int = 0) -> None:
        library.c.es_ring_take.restype = ctypes.c_size_t
        self._c, self._state = library.c, _Ring()
        self._memory = np.full(size + 2 * self.GUARD, 12345, np.int16)
        middle = self._memory.ctypes.data + self.GUARD * 2
        library.c.es_ring_init(ctypes.byref(self._state), ctypes.c_void_p(middle), ctypes.c_uint32(size))
        self._state.written = self._state.read = self._state.lost = self._state.told = start

    def put(self, samples: np.ndarray) -> None:
        samples = np.ascontiguousarray(samples, np.int16)
        self._c.es_ring_put(
            ctypes.byref(self._state), samples.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(samples.size)
        )

    def take(self, count: int) -> tuple[np.ndarray, int]:
        """Samples, and how many were lost since the last call."""
        taken, lost = np.zeros(count, np.int16), ctypes.c_uint32()
        n = self._c.es_ring_take(
            ctypes.byref(self._state), taken.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(count), ctypes.byref(lost)
        )
        return taken[:n], lost.value

    def guards_hold(self) -> bool:
        return bool((self._memory[: self.GUARD] == 12345).all() and (self._memory[-self.GUARD :] == 12345).all())


def _machine(library):
    class RingMachine(RuleBasedStateMachine):
        """The ring beside a deque of limited length."""

        @initialize(bits=st.integers(0, 9), start=st.sampled_from([0, 2**32 - 1, 2**32 - 300, 2**31]))
        def begin(self, bits: int, start: int) -> None:
            # Counters begin anywhere: they wrap after 2^32 samples.
            self.size, self.ring = 1 << bits, Ring(library, 1 << bits, start)
            self.expected, self.lost, self.next = deque[int](), 0, 0

        @rule(count=st.integers(0, 1500))
        def put(self, count: int) -> None:
            values = np.arange(self.next, self.next + count).astype(np.int16)
            self.next += count
            self.ring.put(values)
            fits = self.size - len(self.expected)
            self.expected.extend(values[:fits].tolist())
            self.lost += max(0, count - fits)

        @rule(count=st.integers(0, 1500))
        def take(self, count: int) -> None:
            taken, lost = self.ring.take(count)
            assert taken.tolist() == [self.expected.popleft() for _ in range(min(count, len(self.expected)))]
            assert lost == self.lost
            self.lost = 0

        @invariant()
        def writes_nowhere_else(self) -> None:
            assert not hasattr(self, "ring") or self.ring.guards_hold()

    return RingMachine


def test_it_is_a_queue_of_limited_length(library) -> None:
    run_state_machine_as_test(
        _machine(library), settings=settings(max_examples=150, stateful_step_count=30, deadline=None)
    )


@pytest.fixture(scope="module")
def two_threads(tmp_path_factory):
    """The ring between two threads, as a program."""
    program = tmp_path_factory.mktemp("ring") / "ring_threads"
    sources = [Path(__file__).with_name("ring_threads.c"), FIRMWARE / "app" / "ring.c"]
    subprocess.run(
        ["gcc", "-O2", "-std=c99", "-D_POSIX_C_SOURCE=200809L", "-pthread", "-o", program, *sources], check=True
    )
    return program


@pytest.mark.parametrize("bits", [7, 11, 15])
def test_a_producer_and_a_consumer_at_once(two_threads, bits: int) -> None:
    # WHEN numbers go through a ring of 2^bits samples, from one thread to another
    total = 3_000_000
    done = subprocess.run([two_threads, str(bits), str(total)], capture_output=True, text=True, check=True)
    taken, lost, missing, disordered = map(int, done.stdout.split())
    # THEN each came out, or was told as lost
    assert taken + lost == total
    # AND those that came out are in order, with as many missing between them as were told
    assert (missing, disordered) == (lost, 0)
    assert taken > 0


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="gcc-arm-none-eabi is not installed")
def test_on_a_cortex_the_order_is_kept_by_the_machine_too() -> None:
    # WHEN the ring is compiled for a Cortex-M4
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-std=c99", "-O2", "-S", "-o", "-"]
    done = subprocess.run([*command, str(FIRMWARE / "app" / "ring.c")], capture_output=True, text=True, check=True)
    # THEN both sides have a barrier before and after they copy
    for function in ("es_ring_put", "es_ring_take"):
        body = done.stdout.split(f"{function}:", 1)[1].split(".size", 1)[0]
        steps = [word for word in body.split() if word in ("dmb", "memcpy")]
        assert steps == ["dmb", "memcpy", "memcpy", "dmb"]
