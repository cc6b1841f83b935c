"""Streams: how they are made, what a model reads of them, what counts as heard, and which settings are chosen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import dataset, features, hearing, micro, noise, recognise, recordings, scenes, streaming, thresholds
from made_clips import describe, encode, small_clips, tone

LABELS = ("yes", "no", "unknown", "silence")


def word(label: str, hz: float = 500, seconds: float = 1.0) -> recordings.Word:
    return recordings.Word(label, tone(hz, int(hz), seconds))


def spoken(*words: tuple[str, int]) -> list[scenes.Spoken]:
    """Words of a second, by when they begin."""
    return [scenes.Spoken(label, ms, ms + 1000, label in ("yes", "no")) for label, ms in words]


def heard(*words: tuple[str, int]) -> list[recognise.Word]:
    return [recognise.Word(label, 255, ms) for label, ms in words]


# --- what counts as heard


@pytest.mark.parametrize(
    ("words", "misses", "false_alarms"),
    [
        ([], 2, 0),
        ([("yes", 1000), ("no", 9000)], 0, 0),
        # With the latency of 500 ms after the word's end, and not a moment later.
        ([("yes", 2500), ("no", 9500)], 0, 0),
        ([("yes", 2501), ("no", 7999)], 2, 2),
        # The wrong word, the right one twice, and a keyword where another word was said.
        ([("no", 1500), ("yes", 1600)], 1, 1),
        ([("yes", 1500), ("yes", 2400)], 1, 1),
        ([("yes", 5500)], 2, 1),
    ],
)
def test_hits_misses_and_false_alarms(words: list[tuple[str, int]], misses: int, false_alarms: int) -> None:
    # GIVEN yes from 1 s on, another word from 5 s on, no from 8 s on
    said = spoken(("yes", 1000), ("unknown", 5000), ("no", 8000))
    # WHEN / THEN
    assert streaming.tally(heard(*words), said, 0.5) == streaming.Tally(2, misses, false_alarms, 0.5)


@given(st.lists(st.tuples(st.sampled_from(["yes", "no"]), st.integers(0, 12_000)), max_size=20))
def test_every_report_is_a_hit_or_a_false_alarm(words: list[tuple[str, int]]) -> None:
    said = spoken(("yes", 1000), ("unknown", 5000), ("no", 8000))
    tally = streaming.tally(heard(*sorted(words, key=lambda w: w[1])), said, 1.0)
    assert tally.false_alarms + (tally.words - tally.misses) == len(words)
    assert 0 <= tally.misses <= tally.words == 2


def test_figures_of_scenes_are_added_up() -> None:
    # GIVEN two scenes of a minute with a keyword each, recognised in the first only; three results of each second
    quiet = np.zeros(60 * 16000, np.int16)
    results = np.full((3, 4), -128, np.int8)
    results[:, 0] = 127
    times = np.array([1500, 1540, 1580])
    made = [
        streaming.Heard(scenes.Scene(snr_db, quiet, tuple(spoken((label, 1000)))), results, times)
        for snr_db, label in ((None, "yes"), (5.0, "no"))
    ]
    # WHEN
    figures = streaming.figures(made, LABELS, recognise.Settings(minimum_count=1))
    # THEN yes was heard in both: once rightly, once where no was said
    assert figures == {
        "hours": pytest.approx(1 / 30),
        "words": 2,
        "misses": 1,
        "miss_rate": 0.5,
        "false_alarms": 1,
        "false_alarms_per_hour": pytest.approx(30),
        "by_snr": [
            {"snr_db": None, "words": 1, "misses": 0, "false_alarms": 0, "hours": pytest.approx(1 / 60)},
            {"snr_db": 5.0, "words": 1, "misses": 1, "false_alarms": 1, "hours": pytest.approx(1 / 60)},
        ],
    }
    # AND without a keyword there is nothing to say
    others = [replace(h, scene=replace(h.scene, words=())) for h in made]
    assert streaming.figures(others, LABELS, recognise.Settings()) is None


# --- the recogniser over a whole stream


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    average_ms=st.sampled_from([1, 40, 100, 500, 1000, 5000]),
    threshold=st.integers(0, 254),
    suppression_ms=st.sampled_from([0, 200, 1500]),
    minimum_count=st.integers(1, 8),
)
def test_all_at_once_hears_what_result_by_result_hears(
    seed: int, average_ms: int, threshold: int, suppression_ms: int, minimum_count: int
) -> None:
    # GIVEN results at uneven times, where one label or another is loud for a while
    random = np.random.default_rng(seed)
    scores = random.integers(-128, 20, (150, 4)).astype(np.int8)
    scores[np.arange(150), np.repeat(random.integers(0, 4, 10), 15)] = random.integers(0, 128, 150)
    at_ms = np.cumsum(random.choice([0, 20, 40, 40, 300], 150)).astype(np.int64)
    chosen = recognise.Settings(average_ms, threshold, suppression_ms, minimum_count)
    # WHEN one recogniser takes them one by one, the other all at once
    recogniser = recognise.Recogniser(LABELS, chosen)
    one_by_one = [w for row, ms in zip(scores, at_ms.tolist(), strict=True) if (w := recogniser.push(row, ms))]
    # THEN the words are the same
    assert list(recognise.Averages(scores, at_ms, LABELS, average_ms).words(chosen)) == one_by_one


# --- what a model reads


@pytest.mark.parametrize("hop_frames", [1, 2, 4])
def test_a_model_reads_windows_as_the_board_cuts_them(hop_frames: int) -> None:
    # GIVEN a scene, and the stream of features as the rule of recogniser.h words it
    scene = scenes.scene([word("yes"), word("no", 1200)], 10.0, [], noise.generator(1))
    frames = micro.MicroStream().feed(scene.samples[None])[0]
    window, wanted, times = np.full((49, 40), -128, np.int8), [], []
    for number, frame in enumerate(frames, 1):
        window = np.vstack([window[1:], frame])
        if number % hop_frames == 0:
            wanted.append(window)
            times.append(30 + 20 * (number - 1))
    # WHEN / THEN
    rows, at_ms = streaming.windows(scene, features.MICRO, hop_frames)
    np.testing.assert_array_equal(rows, np.array(wanted))
    assert at_ms.tolist() == times


def test_a_stream_too_short_for_a_result_has_none() -> None:
    rows, at_ms = streaming.windows(scenes.Scene(None, np.zeros(600, np.int16), ()), features.MICRO, 2)
    assert rows.shape == (0, 49, 40)
    assert at_ms.shape == (0,)


# --- scenes


def test_words_are_spoken_at_their_ratio_and_never_overlap() -> None:
    # GIVEN twenty words in noise of unit power
    words = [word(label, hz) for hz in range(300, 2300, 200) for label in ("yes", "unknown")]
    loud = noise.Recording.of(np.random.default_rng(0).normal(0, 9, 160000).astype(np.int16), "a", "test")
    # WHEN they are spoken at 10 dB
    scene = scenes.scene(words, 10.0, [loud.signal], noise.generator(0))
    # THEN words follow each other with at least the latency between them
    for before, after in zip(scene.words, scene.words[1:], strict=False):
        assert before.end_ms + scenes.LATENCY_MS <= after.start_ms
    assert len(scene.samples) >= (scene.words[-1].end_ms + scenes.LATENCY_MS) * 16
    # AND after eight of them nobody speaks for three seconds more
    pauses = [b.start_ms - a.end_ms for a, b in zip(scene.words, scene.words[1:], strict=False)]
    assert [i for i, pause in enumerate(pauses) if pause > 3000] == [7, 15]
    # AND the power of what is heard during a word is ten times that of the noise between, plus the noise
    signal = scene.samples.astype(float)
    during = np.concatenate([signal[w.start_ms * 16 : w.end_ms * 16] for w in scene.words])
    between = np.concatenate([signal[(w.end_ms + 10) * 16 : (w.end_ms + 450) * 16] for w in scene.words])
    assert np.mean(during**2) / np.mean(between**2) == pytest.approx(11, rel=0.1)


def test_without_noise_a_word_is_as_it_was_recorded_but_for_its_ends() -> None:
    one = word("yes", 700)
    scene = scenes.scene([one], None, [], noise.generator(0))
    place = scene.words[0].start_ms * 16
    found = scene.samples[place : place + 16016 * 2]
    core = one.samples[200:-200]
    starts = [i for i in range(200, 232) if np.array_equal(found[i : i + len(core)], core)]
    assert len(starts) == 1
    assert not scene.samples[: place - 16].any()


def test_a_silent_clip_is_not_blown_up() -> None:
    faint = recordings.Word("unknown", np.tile(np.array([1, -1], np.int16), 8000))
    scene = scenes.scene([faint], 20.0, [np.zeros(16000)], noise.generator(0))
    assert np.abs(scene.samples).max() <= 10


def test_noise_is_looped_and_each_recording_has_its_turn() -> None:
    # GIVEN two recordings that can be told apart, one of a second only
    parts = [np.full(16000, 2.0), np.full(400_000, 3.0)]
    # WHEN / THEN forty seconds of them hold each for half the time
    signal = scenes.background(parts, 640_000, noise.generator(0))
    assert len(signal) == 640_000
    assert np.mean(signal == 2.0) == np.mean(signal == 3.0) == 0.5


def test_generated_noise_has_unit_power() -> None:
    signal = scenes.background([], 400_000, noise.generator(0))
    assert len(signal) == 400_000
    assert np.mean(signal[:160_000] ** 2) == pytest.approx(1)


def test_every_word_is_spoken_once_and_the_same_words_give_the_same_streams() -> None:
    words = [word("yes", 300 + i) for i in range(5)] + [word("unknown", 900 + i) for i in range(3)]
    made = scenes.scenes(words, [], "test")
    assert [scene.snr_db for scene in made] == list(scenes.SNRS_DB)
    assert [len(scene.words) for scene in made] == [3, 2, 2, 1]
    again = scenes.scenes(words, [], "test")
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(made, again, strict=True))
    assert not np.array_equal(made[0].samples, scenes.scenes(words, [], "validation")[0].samples)
    assert scenes.scenes([], [], "test") == []


# --- recordings


@pytest.fixture
def channel_folder(tmp_path: Path) -> Path:
    for key, content in small_clips(30).items():
        path = tmp_path / key.removeprefix("clips/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_words_are_those_of_the_split_with_labels_in_turn(channel_folder: Path) -> None:
    clips = describe(small_clips(30))
    channel = recordings.Channel(channel_folder, clips, LABELS, pytest.fail)
    for split in ("validation", "test"):
        of_split = [c for c in clips if c.split == split and not c.is_noise]
        words = channel.words(split, 100)
        assert len(words) == len(of_split)
        assert sorted({w.label for w in words}) == sorted(
            {"unknown" if c.label == "stop" else c.label for c in of_split}
        )
    few = [w.label for w in channel.words("train", 4)]
    assert few == ["no", "yes", "no", "yes", "unknown", "unknown", "unknown", "unknown"]


def test_noise_is_the_splits_own_part(channel_folder: Path) -> None:
    # GIVEN one recording of 20 s
    channel = recordings.Channel(channel_folder, describe(small_clips(30)), LABELS, pytest.fail)
    # WHEN / THEN a tenth of it is validation's, another test's
    [validation], [test] = channel.noise("validation"), channel.noise("test")
    assert len(validation) == len(test) == 32000
    assert not np.array_equal(validation, test)


def test_recordings_that_cannot_be_used_are_left_out_with_a_line(tmp_path: Path) -> None:
    # GIVEN a clip that changed, one that is no audio, one that is missing, a good one, and one outside of the folder
    files = {f"clips/yes/{name}.wav": encode(tone(400, 1)) for name in ("good",)}
    files |= {"clips/yes/changed.wav": b"RIFF one", "clips/yes/broken.wav": b"RIFF\n two", "clips/yes/gone.wav": b"x"}
    clips = describe(files)
    for key, content in files.items():
        if "gone" not in key:
            (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / key).write_bytes(b"other" if "changed" in key else content)
    (tmp_path / "secret.wav").write_bytes(files["clips/yes/good.wav"])
    outside = replace(clips[-1], key="clips/../../secret.wav")
    lines: list[str] = []
    # WHEN
    inner = tmp_path / "clips"
    channel = recordings.Channel(inner, [*clips, outside], LABELS, lines.append)
    words = [w for split in ("train", "validation", "test") for w in channel.words(split, 9)]
    # THEN
    assert len(words) == 1
    assert len(lines) == 2
    assert all("\n" not in line for line in lines)
    assert any("changed.wav" in line and "content changed" in line for line in lines)
    assert any("broken.wav" in line for line in lines)


# --- choosing


def trial(misses: int, false_alarms: int, threshold: int = 200, average_ms: int = 400) -> thresholds.Trial:
    return thresholds.Trial(
        recognise.Settings(average_ms, threshold, 1500, 1), streaming.Tally(100, misses, false_alarms, 0.1)
    )


def test_few_misses_within_the_goal_are_best_and_caution_decides_among_them() -> None:
    # GIVEN six minutes, in which the goal leaves two false alarms, not four
    within, beyond = trial(10, 2), trial(1, 4)
    assert within.tally.false_alarms_per_hour <= thresholds.FALSE_ALARMS_PER_HOUR < beyond.tally.false_alarms_per_hour
    assert thresholds.best([beyond, within]) == within
    assert thresholds.best([trial(9, 2), within]) == trial(9, 2)
    assert thresholds.best([trial(10, 1), within]) == trial(10, 1)
    assert thresholds.best([within, trial(10, 2, threshold=210), trial(10, 2, threshold=190)]).settings.threshold == 210
    assert thresholds.best([within, trial(10, 2, average_ms=640)]).settings.average_ms == 640
    # AND fewer false alarms are worth a standard error of the misses (3 of 10 in 100), no more
    assert thresholds.best([trial(10, 2), trial(13, 1)]) == trial(13, 1)
    assert thresholds.best([trial(10, 2), trial(14, 1)]) == trial(10, 2)
    # AND where nothing keeps the goal, the fewest false alarms are
    assert thresholds.best([trial(0, 9), trial(50, 5)]) == trial(50, 5)


def test_every_setting_of_the_grid_is_one_that_the_board_takes() -> None:
    # The limits are those of read_recogniser in firmware/core/card.c; a test of the firmware holds them, too.
    for average_ms in thresholds.AVERAGES_MS:
        assert 1 <= average_ms <= 10_000
        assert 1 <= thresholds.minimum_count(average_ms) <= min(1000, recognise.MOST_RESULTS)
    assert 0 <= min(thresholds.THRESHOLDS) <= max(thresholds.THRESHOLDS) < 255
    assert 0 <= min(thresholds.SUPPRESSIONS_MS) <= max(thresholds.SUPPRESSIONS_MS) <= 60_000


def test_trials_count_what_judging_counts() -> None:
    random = np.random.default_rng(3)
    scene = scenes.Scene(None, np.zeros(16000 * 20, np.int16), tuple(spoken(("yes", 1000), ("no", 9000))))
    scores = random.integers(-128, 128, (400, 4)).astype(np.int8)
    made = [streaming.Heard(scene, scores, np.arange(400) * 40 + 50)]
    tried = list(thresholds.trials(made, LABELS))
    assert len(tried) == len(thresholds.AVERAGES_MS) * len(thresholds.THRESHOLDS) * len(thresholds.SUPPRESSIONS_MS)
    for one in tried[::97]:
        assert [one.tally] == streaming.judge(made, LABELS, one.settings)


# --- the whole


def knows_tones(parts: list[np.ndarray]) -> list[np.ndarray]:
    """A model that hears 400 Hz as yes, 1200 Hz as no, and everything else as silence, by the loudest channel."""
    answers = []
    for rows in parts:
        loudness = rows[:, -25:].astype(int).mean(axis=1)
        top, clear = loudness.argmax(axis=1), loudness.max(axis=1) > loudness.mean(axis=1) + 60
        scores = np.full((len(rows), 4), -128, np.int8)
        for row, (channel, is_clear) in enumerate(zip(top, clear, strict=True)):
            place = {True: 0 if channel < 8 else 1 if channel < 18 else 2, False: 3}[bool(is_clear)]
            scores[row, place] = 127
        answers.append(scores)
    return answers


@pytest.fixture
def heard_by_ear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing.parallel, "answers", lambda _, parts: knows_tones(parts))


def test_settings_are_chosen_on_validation_streams_and_judged_on_test_streams(
    channel_folder: Path, heard_by_ear: None
) -> None:
    clips, lines = describe(small_clips(30)), []
    result = hearing.hear(channel_folder, clips, LABELS, features.MICRO, b"", lines.append)
    keywords = sum(c.split == "test" and c.label in LABELS for c in clips)
    assert result.figures is not None
    assert result.figures["words"] == keywords > 0
    assert result.figures["hours"] == pytest.approx(sum(part["hours"] for part in result.figures["by_snr"]))
    assert result.figures["misses"] <= keywords / 4
    assert result.settings != recognise.Settings()
    assert result.curves is not None
    assert result.curves["noise"] == "recorded"
    # AND what the chosen threshold costs on the test streams is on the curve
    chosen = [p for p in result.curves["operating"] if p["threshold"] == result.settings.threshold]
    assert [p["miss_rate"] for p in chosen] == [result.figures["miss_rate"]]
    assert len(result.curves["validation"]) == len(thresholds.AVERAGES_MS)
    assert [line.split()[1] for line in lines] == ["validation", "test", "test"]
    # AND again the same
    again = hearing.hear(channel_folder, clips, LABELS, features.MICRO, b"", lambda _: None)
    assert again == result


@pytest.mark.parametrize("folder", [None, Path("absent")])
def test_without_recordings_nothing_is_measured(folder: Path | None) -> None:
    lines: list[str] = []
    result = hearing.hear(folder, describe(small_clips(5)), LABELS, features.MICRO, b"", lines.append)
    assert result == hearing.Hearing(recognise.Settings(), None, None)
    assert lines == ["streaming not measured: the job has no recordings"]


def only(clips: list[dataset.Clip], *splits: str) -> list[dataset.Clip]:
    return [clip for clip in clips if clip.split in splits and not clip.is_noise]


def test_without_validation_words_the_defaults_stay(channel_folder: Path, heard_by_ear: None) -> None:
    # GIVEN test clips alone, and no noise recording
    lines: list[str] = []
    clips = only(describe(small_clips(30)), "test")
    result = hearing.hear(channel_folder, clips, LABELS, features.MICRO, b"", lines.append)
    assert result.settings == recognise.Settings()
    assert result.figures is not None
    assert result.curves is not None
    assert (result.curves["noise"], result.curves["validation"]) == ("generated", [])
    assert any("keeps its defaults" in line for line in lines)


def test_without_test_words_the_settings_are_chosen_all_the_same(channel_folder: Path, heard_by_ear: None) -> None:
    lines: list[str] = []
    clips = only(describe(small_clips(30)), "validation")
    result = hearing.hear(channel_folder, clips, LABELS, features.MICRO, b"", lines.append)
    assert result.settings != recognise.Settings()
    assert (result.figures, result.curves) == (None, None)
    assert any("no keyword among the test recordings" in line for line in lines)
