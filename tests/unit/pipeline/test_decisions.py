"""The small pure decisions: names, versions, debounce, gates, the endpoint's next step, overdue runs, messages."""

import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from earshot_pipeline import naming
from earshot_pipeline.debounce import Arrivals, DebounceSettings, due_at
from earshot_pipeline.endpoint import EndpointState, Step, decide
from earshot_pipeline.frontend import UnknownFrontEndError, frontend_id
from earshot_pipeline.gates import OPERATORS, GateSettings, judge
from earshot_pipeline.message import run_message
from earshot_pipeline.naming import BadNameError, parse_clip_key
from earshot_pipeline.reconciliation import OWNERS, Patience
from earshot_pipeline.run import ENDS, RunState, claim
from earshot_pipeline.settings import MAX_KEYWORDS_CHARACTERS, BadSettingError, Environment
from earshot_pipeline.version import BadVersionError, Version
from hypothesis import given
from hypothesis import strategies as st

CONTRACT_FRONT_ENDS = {
    "micro": '{"channels":40,"frames":49,"log_scale_shift":6,"lower_hz":125,"name":"micro","noise_even":0.025,'
    '"noise_min_signal":0.05,"noise_odd":0.06,"noise_smoothing_bits":10,"pcan_gain_bits":21,"pcan_offset":80,'
    '"pcan_strength":0.95,"quantisation":"(f*256+333)/666-128","sample_rate":16000,"step_ms":20,"upper_hz":7500,'
    '"window_ms":30}',
    "spectrogram43": '{"bins_a_channel":6,"channels":43,"feature_max":127.5,"fft_points":512,"frame_bits":14,'
    '"frames":49,"name":"spectrogram43","quantisation":"f-128","sample_rate":16000,"step_ms":20,'
    '"window":"periodic hann Q15","window_ms":30}',
}


@pytest.mark.parametrize("name", CONTRACT_FRONT_ENDS)
def test_the_front_end_id_is_the_contracts(name):
    # GIVEN the settings as the contract writes them WHEN they are hashed THEN the id is that hash
    assert frontend_id(name) == f"{name}-" + hashlib.sha256(CONTRACT_FRONT_ENDS[name].encode()).hexdigest()[:8]


def test_another_front_end_is_unknown():
    with pytest.raises(UnknownFrontEndError, match="known are micro, spectrogram43"):
        frontend_id("macro")


@pytest.mark.parametrize(
    ("key", "label", "speaker"),
    [
        ("clips/yes/0a7c2a8d_nohash_0.wav", "yes", "0a7c2a8d"),
        ("clips/yes/2024/studio/0a7c2a8d_nohash_1.FLAC", "yes", "0a7c2a8d"),
        ("clips/no/hello there+ü.wav", "no", "f" * 16),
        ("clips/no/_nohash_0.wav", "no", "f" * 16),
        ("clips/_background_noise_/tap.wav", "_background_noise_", "f" * 16),
        ("clips/_silence_/1.flac", "_silence_", "f" * 16),
    ],
)
def test_clip_keys(key, label, speaker):
    # GIVEN a key WHEN it is read THEN it says label and speaker
    name = parse_clip_key(key)
    assert (name.label, name.speaker("f" * 64)) == (label, speaker)


@pytest.mark.parametrize(
    "key",
    [
        "clips/a.wav", "clips//a.wav", "clips/Yes/a.wav", "clips/yes!/a.wav", "clips/_noise_/a.wav", "clips/yes/",
        "clips/yes/.wav", "clips/yes/a.mp3", "clips/yes/a", "clips/9/a.wav", f"clips/{'a' * 33}/a.wav",
        "other/yes/a.wav",
        "clips/../yes/a.wav", "clips/yes\n/a.wav", "clips/yes\n",
    ],
)  # fmt: skip
def test_bad_clip_keys_are_refused_with_a_remedy(key):
    # GIVEN a key of another form WHEN it is read THEN the refusal begins with it and says what to do
    with pytest.raises(BadNameError) as refusal:
        parse_clip_key(key)
    assert str(refusal.value).startswith(f"{key}: ")
    assert any(verb in str(refusal.value) for verb in ("put", "rename", "send", "give", "drop"))


def test_splits_are_speech_commands_own():
    # GIVEN Speech Commands' published rule, written as it is published
    def published(speaker):
        percent = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % (2**27 - 1 + 1) * (100.0 / (2**27 - 1))
        return "validation" if percent < 10 else "test" if percent < 20 else "train"

    # WHEN speakers are split THEN each falls where it says, about 80/10/10
    splits = [naming.split_of(f"{n:08x}") for n in range(3000)]
    assert splits == [published(f"{n:08x}") for n in range(3000)]
    assert 0.07 < splits.count("test") / 3000 < 0.13


def test_names_of_jobs_lead_back_to_their_run():
    # GIVEN a run WHEN its jobs are named THEN the run is found in the name, and only in this stack's
    assert naming.run_of_job("earshot", naming.processing_job("earshot", "r000007")) == "r000007"
    assert naming.run_of_job("earshot", naming.training_job("earshot", "r1234567")) == "r1234567"
    assert naming.run_of_job("ear", "earshot-r000007-train") is None
    assert naming.run_of_job("earshot", "earshot-r000007-train-2") is None
    assert naming.run_of_features_key("features/micro-1/r000007/manifest-algo-1.json") == "r000007"
    assert naming.run_of_features_key("features/micro-1/r000007/shard-algo-1-0001.npz") is None


def test_a_key_too_long_for_the_prefix_is_quarantined_by_its_hash():
    # GIVEN the longest key that S3 takes WHEN it is moved THEN its new key fits too
    assert naming.quarantine_key("clips/yes/a.wav") == "quarantine/clips/yes/a.wav"
    assert len(naming.quarantine_key("clips/yes/" + "a" * 1010 + ".wav").encode()) <= 1024


@given(st.integers(1, 9_999_999))
def test_versions_read_back(number):
    # GIVEN a version WHEN it is written THEN it reads back, within the agent's 15 characters
    assert Version.parse(str(Version(number))) == Version(number)
    assert len(str(Version(number))) <= 15


@pytest.mark.parametrize("text", ["1.0", "1.0.0", "1.1.1", "1.0.01", "1.0.1 ", "1.0.-1", "1.0.99999999", "", "v1.0.1"])
def test_other_texts_are_no_versions(text):
    with pytest.raises(BadVersionError):
        Version.parse(text)


WAITS = DebounceSettings(quiet_seconds=60, maximum_wait_seconds=600, min_new_clips=1)


@pytest.mark.parametrize(
    ("arrivals", "due"),
    [
        (Arrivals(), None),
        (Arrivals(None, 500), None),
        (Arrivals(100, 100), 160),
        (Arrivals(100, 500), 560),
        (Arrivals(100, 5000), 700),
        (Arrivals(None, 500, 1, 1000), 1900),
        (Arrivals(None, 500, 2, 1000), 2800),
        (Arrivals(None, 500, 40, 1000), 87400),
        (Arrivals(2000, 2000, 3, 1000), 2060),
    ],
)
def test_when_a_run_is_due(arrivals, due):
    # GIVEN what waits WHEN it is asked THEN a run is due after the quiet, at the latest after the wait,
    # and after failures with a pause that doubles up to a day
    assert due_at(arrivals, WAITS) == due


@given(st.lists(st.floats(0, 10_000), min_size=1))
def test_a_storm_waits_at_most_the_maximum(times):
    # GIVEN clips at any times WHEN a run is due THEN never before the quiet, never after the maximum wait
    first, last = min(times), max(times)
    due = due_at(Arrivals(first, last), WAITS)
    assert due <= first + 600
    assert due >= min(last + 60, first + 600)


LIMITS = GateSettings(0.85, 0.8, 0.05, 10, 0.01, 20_000, 10_000, 3_000_000, 0.02)
MISTAKES = [
    *({"key": f"clips/yes/{n}.wav", "truth": "yes", "answer": "no", "score": 0.9} for n in range(7)),
    {"key": "clips/dog/1.wav", "truth": "unknown", "answer": "yes", "score": 0.8},
    {"key": "clips/no/1.wav", "truth": "no", "answer": "silence", "score": 0.7},
]


def card(**changes):
    test = {
        "accuracy": {"float": 0.90, "int8": 0.895},
        "recall": {"yes": 0.9, "no": 0.85},
        "false_alarm_rate": 0.02,
        "mistakes": MISTAKES,
        **changes.pop("test", {}),
    }
    metrics = {
        "test": test,
        "streaming": {"false_alarms_per_hour": 4.5},
        "champion": {
            "bundle": "s3://b/m",
            "clips": 90,
            "accuracy": 0.91,
            "challenger": 0.9,
            "lost": ["clips/no/1.wav"],
        },
        **changes.pop("metrics", {}),
    }
    return {
        "model_bytes": 18944, "arena_bytes": 9600, "operators": ["CONV_2D", "SOFTMAX"],
        "cost": {"flash_bytes": 18944, "arena_bytes": 9600, "instructions": 2_400_000}, "metrics": metrics, **changes
    }  # fmt: skip


def missed(measured):
    return [str(verdict) for verdict in judge(measured, ("yes", "no"), LIMITS) if not verdict.passed]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (card(), []),
        (
            card(test={"accuracy": {"float": 0.9, "int8": 0.84}}),
            [
                "accuracy 0.84 misses 0.85 by 0.01 (clips/yes/0.wav, clips/yes/1.wav, clips/yes/2.wav, clips/yes/3.wav,"
                " clips/yes/4.wav)",
                "int8 drop 0.06 misses 0.01 by 0.05",
            ],
        ),
        (card(test={"recall": {"yes": 0.9}}), ["recall of no was not measured (limit 0.8)"]),
        (
            card(test={"recall": {"yes": 0.9, "no": 0.5}}),
            ["recall of no 0.5 misses 0.8 by 0.3 (clips/no/1.wav)"],
        ),
        (card(test={"false_alarm_rate": 0.06}), ["false alarm rate 0.06 misses 0.05 by 0.01 (clips/dog/1.wav)"]),
        (card(test={"false_alarm_rate": float("nan")}), ["false alarm rate was not measured (limit 0.05)"]),
        (card(test={"false_alarm_rate": True}), ["false alarm rate was not measured (limit 0.05)"]),
        (card(test={"accuracy": {"float": 0.8, "int8": 0.9}}), []),
        (card(metrics={"streaming": None}), ["false alarms an hour was not measured (limit 10)"]),
        (
            card(metrics={"streaming": {"false_alarms_per_hour": 12.25}}),
            ["false alarms an hour 12.25 misses 10 by 2.25"],
        ),
        (card(model_bytes=20_001), ["model bytes 20001 misses 20000 by 1"]),
        (card(arena_bytes="9600"), ["arena bytes was not measured (limit 10000)"]),
        (card(cost={"instructions": 31_234_567}), ["instructions 31234567 misses 3000000 by 28234567"]),
        (card(cost=None), ["instructions was not measured (limit 3000000)"]),
        (
            card(operators=["TANH", "CONV_2D", "CUSTOM"]),
            ["operators 2 misses 0 by 2 (the board has no CUSTOM, TANH)"],
        ),
        (card(operators=None), ["operators was not measured (limit 0)"]),
        (card(metrics={"champion": None}), []),
        (
            card(metrics={"champion": {"accuracy": 0.95, "challenger": 0.9, "lost": ["clips/yes/1.wav"] * 9}}),
            [f"champion 0.9 misses 0.93 by 0.03 ({', '.join(['clips/yes/1.wav'] * 5)})"],
        ),
        (card(metrics={"champion": {"accuracy": 0.92, "challenger": 0.9}}), []),
        (card(metrics={"champion": {"challenger": 0.9}}), ["champion was not measured (limit 0)"]),
    ],
)
def test_gates(measured, expected):
    # GIVEN a bundle's card WHEN it is judged THEN each missed gate says by how much, and shows clips; what was not
    # measured does not pass
    assert missed(measured) == expected


def test_a_card_of_before_is_judged_too():
    # GIVEN a card without what is measured since WHEN it is judged THEN what it lacks was not measured; nothing breaks
    old = {"metrics": {"test": {"accuracy": {"float": 0.9, "int8": 0.9}}}, "model_bytes": 1, "arena_bytes": 1}
    lacks = [verdict.gate for verdict in judge(old, ("yes",), LIMITS) if verdict.value is None]
    assert lacks == ["recall of yes", "false alarm rate", "false alarms an hour", "instructions", "operators"]
    assert all(verdict.value is None for verdict in judge({"metrics": None}, ("yes",), LIMITS))


def test_verdicts_show_at_most_five_clips_and_none_where_the_gate_was_passed():
    verdicts = judge(card(test={"recall": {"yes": 0.1, "no": 0.9}}), ("yes", "no"), LIMITS)
    shown = {verdict.gate: verdict.clips for verdict in verdicts}
    assert shown["recall of yes"] == tuple(f"clips/yes/{n}.wav" for n in range(5))
    assert shown["recall of no"] == shown["accuracy"] == ()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("metrics", "cost", "operators", "model_bytes"), anything)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("test", "streaming", "champion"), anything)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("accuracy", "recall", "mistakes"), anything)),
)
def test_no_card_breaks_the_gates(outer, metrics, test):
    # GIVEN any card WHEN it is judged THEN every gate answers in words, and only a measured figure passes
    for measured in (outer, {**outer, "metrics": metrics}, {**outer, "metrics": {**metrics, "test": test}}):
        for verdict in judge(measured, ("yes", "no"), LIMITS):
            assert str(verdict)
            assert verdict.value is not None or not verdict.passed


def test_the_operators_are_the_firmwares_and_the_jobs():
    # GIVEN the firmware's table, and the jobs' WHEN compared with the gate's THEN they are the same
    root = Path(__file__).parents[3]
    table = re.findall(r'\{"([A-Z0-9_]+)", \d+,', (root / "firmware/core/operators.c").read_text())
    assert set(table) == OPERATORS
    assert len(table) == len(OPERATORS)
    assert set(re.findall(r'"([A-Z0-9_]+)": _Kernel\(', (root / "jobs/kws/board.py").read_text())) == OPERATORS


@pytest.mark.parametrize(
    ("status", "serves", "requested", "step"),
    [
        ("", None, False, Step.CREATE),
        ("Creating", 1, False, Step.WAIT),
        ("Updating", 1, True, Step.WAIT),
        ("RollingBack", 1, True, Step.WAIT),
        ("InService", 2, True, Step.SERVES),
        ("InService", 2, False, Step.SERVES),
        ("InService", 1, False, Step.UPDATE),
        ("InService", None, False, Step.UPDATE),
        ("InService", 1, True, Step.ROLLED_BACK),
        ("InService", 3, False, Step.OVERTAKEN),
        ("Failed", 2, True, Step.BROKEN),
        ("UpdateRollbackFailed", 1, True, Step.BROKEN),
    ],
)
def test_the_endpoints_next_step_to_version_2(status, serves, requested, step):
    # GIVEN an endpoint WHEN version 2 is to be served THEN there is one next step
    assert decide(EndpointState(status, serves and Version(serves)), Version(2), requested) is step


def test_every_open_state_has_an_owner_and_all_but_waiting_for_people_a_limit():
    # GIVEN the reconciler's tables WHEN compared with the states THEN none is forgotten
    assert set(OWNERS) == set(RunState) - ENDS
    patience = Patience.of_jobs(7200, 14400)
    assert set(patience.limits) == set(OWNERS) - {RunState.AWAITING_APPROVAL}
    run = claim("r000001", 1000.0)
    assert patience.overdue(run, 1000.0 + 3600) is None
    stuck = patience.overdue(run, 1000.0 + 3601)
    assert stuck is not None
    assert stuck.during == {RunState.CLAIMED}


def test_messages_name_run_fault_and_remedy():
    # GIVEN a failed run WHEN it is told THEN subject and body say which, why and what to do
    ending = SimpleNamespace(
        stack="earshot", run="r000003", state="failed", version="", reason="training job x Failed: ü", clips_new=3,
        clips_total=9, imported="",
    )  # fmt: skip
    subject, body = run_message(ending)
    assert subject == "Earshot earshot: run r000003 failed"
    assert "training job x Failed: ü" in body
    assert "Its clips wait again" in body
    ending.imported = "5" * 64
    _, body = run_message(ending)
    assert f"Imported model {'5' * 64}, judged on 9 clips." in body
    assert "import the model again" in body
    assert "wait" not in body
    ending.stack = "s" * 200
    assert len(run_message(ending)[0]) <= 100


@pytest.mark.parametrize("words", ["yes,yes", "Yes", "unknown", "_silence_", "yes,,no", " "])
def test_keywords_that_cannot_be_are_refused(words):
    with pytest.raises(BadSettingError):
        Environment({"KEYWORDS": words}).keywords()


@pytest.mark.parametrize("count", [1, 30, 38])
def test_as_many_words_as_a_board_holds_can_be_learnt(count):
    # GIVEN one, thirty or the most words, as long as the template allows
    longest = min((MAX_KEYWORDS_CHARACTERS + 1) // count - 1, 32)
    words = tuple(f"w{n:02d}".ljust(longest, "x") for n in range(count))
    # WHEN they are configured THEN they are taken, and the largest model card with them fits a board's 1023 bytes
    assert Environment({"KEYWORDS": ",".join(words)}).keywords() == words
    model_card = {
        "frontend": "spectrogram43-5f3a90c1",
        "labels": [*words, "unknown", "silence"],
        "recogniser": {"average_ms": 10000, "minimum_count": 100, "suppression_ms": 10000, "threshold": 255},
        "schema": "earshot.model/1",
    }
    assert len(json.dumps(model_card, sort_keys=True, separators=(",", ":"))) <= 1023


@pytest.mark.parametrize(
    "words", [[f"w{n}" for n in range(39)], [f"w{n:02d}".ljust(32, "x") for n in range(30)]], ids=["many", "long"]
)
def test_more_words_than_a_board_holds_are_refused_in_words(words):
    with pytest.raises(BadSettingError, match=f"Keywords: {len(words)} words .* use fewer or shorter ones"):
        Environment({"KEYWORDS": ",".join(words)}).keywords()


def test_a_missing_setting_is_named():
    with pytest.raises(BadSettingError, match="TABLE: not set"):
        Environment({}).text("TABLE")
    with pytest.raises(BadSettingError, match="EPOCHS: 'many' is not a number"):
        Environment({"EPOCHS": "many"}).integer("EPOCHS")
