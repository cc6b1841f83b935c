"""The board's program, one step after another, with an audio source, a light and a UART that are played here."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import tflite_models
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import features, recognise, scenes, streaming

MICRO = features.MICRO
LABELS = ["yes", "no", "unknown", "silence"]
STEP = 320
SHOWN_STEPS = 50  # ES_LISTENER_SHOW_MS of steps
BRIGHT, DIM, OFF = 255, 24, 0
EAGER = {"average_ms": 200, "minimum_count": 2, "suppression_ms": 300, "threshold": 60}

_READ = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int16), ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_uint32),
)  # fmt: skip
_SET = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint8)
_WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)


class _Device(ctypes.Structure):
    """es_audio, es_led or es_uart: a context and one function."""

    _fields_ = [("context", ctypes.c_void_p), ("call", ctypes.c_void_p)]

    def __init__(self, function) -> None:
        super().__init__(None, ctypes.cast(function, ctypes.c_void_p))
        self.function = function


@dataclass
class Read:
    """What the audio source answers to one call."""

    samples: Sequence[int] = ()
    lost: int = 0
    status: int = 0


@dataclass
class Program:
    """The listener with its devices; `said` is what they were told, in order."""

    library: object
    model: bytes = field(repr=False)
    said: list = field(default_factory=list)
    writes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reads: list[Read] = []
        self._audio, self._led, self._uart = (
            _Device(_READ(self._read)),
            _Device(_SET(self._set)),
            _Device(_WRITE(self._write)),
        )
        self._classifier, self._listener = ctypes.create_string_buffer(1 << 18), ctypes.create_string_buffer(1 << 16)
        self._arena = (ctypes.c_uint64 * (1 << 15))()

    def _read(self, _context, samples, count, taken, lost) -> int:
        answer = self.reads.pop(0) if self.reads else Read()
        values = np.array(answer.samples, np.int16)[:count]
        ctypes.memmove(samples, values.ctypes.data, values.nbytes)
        taken[0], lost[0] = len(values), answer.lost
        return answer.status

    def _set(self, _context, brightness) -> None:
        self.said.append(brightness)

    def _write(self, _context, text, size) -> None:
        self.writes.append(text[:size].decode())
        lines = "".join(self.writes).splitlines(keepends=True)
        if lines[-1].endswith("\n"):
            self.said.append(lines[-1][:-1])

    def open(self) -> int:
        return self.library.c.es_listener_open(
            self._classifier, self.model, ctypes.c_size_t(len(self.model)), self._arena,
            ctypes.c_size_t(ctypes.sizeof(self._arena)), ctypes.byref(self._uart),
        )  # fmt: skip

    def start(self, version: bytes = b"1.0.7") -> None:
        self.library.c.es_listener_start(
            self._listener, self._classifier, version,
            ctypes.byref(self._audio), ctypes.byref(self._led), ctypes.byref(self._uart),
        )  # fmt: skip

    def step(self, read: Read | None = None) -> tuple[int, bool]:
        """Status, and whether the source has ended."""
        if read:
            self.reads.append(read)
        ended = ctypes.c_bool()
        return self.library.c.es_listener_step(self._listener, ctypes.byref(ended)), ended.value

    def hear(self, reads: Iterable[Read]) -> list:
        """All that is said by the end of the reads."""
        assert self.open() == 0
        self.start()
        self.said.clear()
        for read in reads:
            assert self.step(read) == (0, not read.samples)
        return self.said


def _sound(seed: int, seconds: float = 5) -> np.ndarray:
    """Noise whose loudness changes four times a second."""
    random = np.random.default_rng(seed)
    parts = [random.normal(0, loudness, 4000) for loudness in random.uniform(1, 9000, int(4 * seconds))]
    return np.concatenate(parts).clip(-32768, 32767).astype(np.int16)


def _steps(samples: np.ndarray) -> list[Read]:
    return [Read(samples[at : at + STEP].tolist()) for at in range(0, len(samples), STEP)]


def _words(library, model: bytes, samples: np.ndarray, labels=LABELS, of=EAGER) -> list[recognise.Word]:
    """By the jobs' streaming and recogniser, with the model's answers."""
    chosen = recognise.Settings.of(of)
    windows, times = streaming.windows(scenes.Scene(None, samples, ()), MICRO, chosen.hop_frames)
    rule = recognise.Recogniser(labels, chosen)
    heard = [
        rule.push(library.infer(model, window, len(labels)), int(at_ms))
        for window, at_ms in zip(windows, times, strict=True)
    ]
    return [word for word in heard if word]


def _expected(words: list[recognise.Word], steps: int, brightness: dict[str, int]) -> list:
    """What the light and the UART are told of words, by the comment of listener.h."""
    said, shown, until = [], OFF, 0
    # A word of the n-th frame ends 160 samples into a step: it is heard in the step after.
    by_step = {(word.at_ms - 10) // 20 + 1: word for word in words}
    for step in range(1, steps + 1):
        word = by_step.get(step)
        light = brightness.get(word.label, OFF) if word else shown
        if not word and step == until:
            light = OFF
        if light != shown:
            said.append(light)
        if word:
            said.append(f"word {word.label} {word.score} {word.at_ms}")
            until = step + SHOWN_STEPS - 1
        shown = light
    return said


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("hop_frames", [1, 2, 3, 4])
def test_words_are_shown_and_said(library, seed: int, hop_frames: int) -> None:
    # GIVEN a model that hears words in noise, more or less often
    of = EAGER | {"hop_frames": hop_frames}
    model = tflite_models.keyword_model(MICRO.id, seed=3, recogniser=of)
    samples = _sound(seed + 4)
    # WHEN the program listens
    said = Program(library, model).hear(_steps(samples))
    # THEN the words are those of the rule, the first keyword bright, the second dim, for a second each
    words = _words(library, model, samples, of=of)
    assert said == _expected(words, len(samples) // STEP, {"yes": BRIGHT, "no": DIM})
    assert words


def test_a_yes_is_bright_and_a_no_after_it_dim(library) -> None:
    # GIVEN a sound in which the model hears both
    model = tflite_models.keyword_model(MICRO.id, seed=3, recogniser=EAGER, labels=["no", "yes", "unknown", "silence"])
    said = Program(library, model).hear(_steps(_sound(4)))
    # THEN between a word of the one and a word of the other the light goes from one to the other
    lights = [said[at - 1] for at, what in enumerate(said) if isinstance(what, str) and said[at - 1] in (BRIGHT, DIM)]
    words = [what.split()[1] for at, what in enumerate(said) if isinstance(what, str) and said[at - 1] in (BRIGHT, DIM)]
    assert lights == [{"no": BRIGHT, "yes": DIM}[word] for word in words]
    assert {BRIGHT, DIM, OFF} <= set(said)


def test_a_third_keyword_is_said_and_not_shown(library) -> None:
    labels = ["silence", "go", "unknown", "yes", "no"]
    # GIVEN models of three keywords, in an order of their own, that hear different ones
    heard = set()
    for seed in range(12):
        model = tflite_models.keyword_model(MICRO.id, seed=seed, recogniser=EAGER, labels=labels)
        samples = _sound(seed, 3)
        # WHEN the program listens
        said = Program(library, model).hear(_steps(samples))
        # THEN the light is by the place among the keywords
        words = _words(library, model, samples, labels)
        assert said == _expected(words, len(samples) // STEP, {"go": BRIGHT, "yes": DIM})
        heard |= {word.label for word in words}
    assert heard == {"go", "yes", "no"}


def test_the_start_says_what_listens_and_turns_the_light_off(library) -> None:
    program = Program(library, tflite_models.keyword_model(MICRO.id))
    assert program.open() == 0
    program.start(b"1.0.42")
    light, line = program.said
    assert light == OFF
    assert line.startswith(f"earshot 1.0.42 {MICRO.id} yes,no,unknown,silence arena ")
    # AND it needs no less memory than for a clip, and no more than there is
    assert library.info(program.model).arena_size <= int(line.split()[-1]) <= ctypes.sizeof(program._arena)


def test_a_line_of_any_length_is_whole_and_a_short_one_is_one_write(library) -> None:
    # GIVEN 24 labels of 32 letters, and one that would break a line
    labels = [f"label_{'x' * 24}{number:02}" for number in range(23)] + ["two words,\na line"]
    program = Program(library, tflite_models.keyword_model(MICRO.id, labels=labels))
    # WHEN the program starts
    assert program.open() == 0
    program.start()
    # THEN the line has all of them, and no break within
    assert program.said[1].split()[3] == ",".join([*labels[:23], "two_words__a_line"])
    assert len(program.writes) > 5
    # AND short lines are one write each
    program.writes.clear()
    program.step(Read([0] * STEP, lost=7))
    assert program.writes == ["lost 7 7\n"]


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, STEP), min_size=1, max_size=120), seed=st.integers(0, 2))
def test_how_samples_are_dealt_out_changes_nothing(library, sizes: list[int], seed: int) -> None:
    # GIVEN a sound, and a source that gives any number of samples at a time
    model = tflite_models.keyword_model(MICRO.id, seed=3, recogniser=EAGER)
    samples = _sound(seed + 4, 2)
    ends = np.cumsum(sizes)
    parts = np.split(samples, ends[ends < len(samples)])
    reads = [read for part in parts for read in _steps(part)]
    # WHEN / THEN the words are the same
    words = [what for what in Program(library, model).hear(reads) if isinstance(what, str)]
    assert words == [f"word {w.label} {w.score} {w.at_ms}" for w in _words(library, model, samples)]


@settings(max_examples=30, deadline=None)
@given(gaps=st.dictionaries(st.integers(0, 200), st.integers(1, 2**32 - 1), max_size=5), seed=st.integers(0, 2))
def test_a_gap_is_reported_and_features_go_on(library, gaps: dict[int, int], seed: int) -> None:
    # GIVEN a source that says now and then that samples were lost
    model = tflite_models.keyword_model(MICRO.id, seed=3, recogniser=EAGER)
    samples = _sound(seed + 4, 4)
    reads = _steps(samples)
    for at, lost in gaps.items():
        reads[at % len(reads)].lost = lost
    # WHEN the program listens
    lines = [what for what in Program(library, model).hear(reads) if isinstance(what, str)]
    # THEN each gap is told with the sum so far, which wraps
    lost = [read.lost for read in reads if read.lost]
    sums = np.cumsum(lost, dtype=np.uint64) % 2**32
    assert [line for line in lines if line.startswith("lost")] == [
        f"lost {one} {total}" for one, total in zip(lost, sums.tolist(), strict=True)
    ]
    # AND words are those of the samples that came, as if there were no gap
    assert [line for line in lines if line.startswith("word")] == [
        f"word {w.label} {w.score} {w.at_ms}" for w in _words(library, model, samples)
    ]


def test_an_error_of_the_source_ends_a_step_and_the_next_goes_on(library) -> None:
    model = tflite_models.keyword_model(MICRO.id, seed=3, recogniser=EAGER)
    reads = _steps(_sound(4, 2))
    undisturbed = list(Program(library, model).hear(reads))
    program = Program(library, model)
    assert program.open() == 0
    program.start()
    program.said.clear()
    for number, read in enumerate(reads):
        if number % 7 == 3:
            assert program.step(Read(status=1)) == (1, False)
        assert program.step(read) == (0, False)
    assert program.said == undisturbed
    assert program.step(Read()) == (0, True)


def test_a_refused_model_is_said_in_one_line(library) -> None:
    for model in (
        b"TFL3",
        tflite_models.keyword_model("micro-00000000"),
        tflite_models.conv_model(np.random.default_rng(0)),
    ):
        program = Program(library, model)
        status = program.open()
        (line,) = program.said
        name = library.c.es_error_name(status).decode()
        assert status != 0
        assert line == f"error {name} {library.c.es_lib_error(status).decode()}"
