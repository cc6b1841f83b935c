"""The champion: read from an archive that may be anything, compared on common clips."""

import contextlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kws import champion, evaluation

LABELS = ["yes", "no", "unknown", "silence"]
CARD = {"schema": "earshot.bundle/1", "architecture": "tiny_conv", "labels": LABELS, "frontend": "micro-x"}


def answer(number: int, truth: str, given_answer: str) -> evaluation.Answer:
    return evaluation.Answer(f"{number:064x}", f"clips/{truth}/{number}.wav", truth, given_answer, (0, 0, 0, 0))


# Of five clips the champion has three right.
ANSWERS = [
    answer(1, "yes", "yes"),
    answer(2, "yes", "no"),
    answer(3, "no", "no"),
    answer(4, "unknown", "unknown"),
    answer(5, "no", "yes"),
]


def archive(folder: Path, files: dict[str, bytes], prefix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return folder


def files(**changed: bytes | None) -> dict[str, bytes]:
    of = {
        "model.tflite": b"big",
        "bundle.json": json.dumps(CARD).encode(),
        "answers.jsonl": evaluation.as_lines(ANSWERS).encode(),
    }
    of |= {name.replace("_", "."): content for name, content in changed.items() if content is not None}
    return {name: content for name, content in of.items() if changed.get(name.replace(".", "_"), b"") is not None}


def read(folder: Path) -> tuple[champion.Champion | None, list[str]]:
    lines: list[str] = []
    return champion.read(folder, "s3://d/model.tar.gz", lines.append), lines


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_champion_is_compared_on_common_clips_with_the_same_truth(tmp_path: Path, prefix: str) -> None:
    # GIVEN a champion, and a model that answers another four clips and shares three, one of them under another truth
    rival, lines = read(archive(tmp_path, files(), prefix))
    assert lines == []
    given_answers = [
        answer(1, "yes", "no"),
        answer(2, "yes", "yes"),
        answer(3, "no", "no"),
        answer(4, "yes", "yes"),
        answer(9, "yes", "no"),
    ]
    # WHEN they are compared
    content = champion.compare(rival, LABELS, given_answers, lines.append)
    # THEN on clips 1 to 3, of which each has two right
    assert content == {
        "bundle": "s3://d/model.tar.gz",
        "clips": 3,
        "accuracy": 2 / 3,
        "challenger": 2 / 3,
        "lost": ["clips/yes/1.wav"],
    }
    assert lines == ["champion accuracy=0.6667 challenger=0.6667 clips=3"]


def test_labels_in_another_order_are_the_same_labels(tmp_path: Path) -> None:
    rival, lines = read(archive(tmp_path, files()))
    assert champion.compare(rival, LABELS[::-1], ANSWERS, lines.append)["clips"] == 5


def test_at_most_twenty_lost_clips_are_named(tmp_path: Path) -> None:
    right = evaluation.as_lines([answer(i, "yes", "yes") for i in range(30)]).encode()
    rival, lines = read(archive(tmp_path, files(answers_jsonl=right)))
    content = champion.compare(rival, LABELS, [answer(i, "yes", "no") for i in range(30)], lines.append)
    assert (content["clips"], content["challenger"], len(content["lost"])) == (30, 0, 20)


def test_models_of_other_keywords_are_not_compared(tmp_path: Path) -> None:
    rival, lines = read(archive(tmp_path, files()))
    assert champion.compare(rival, ["up", "unknown", "silence"], ANSWERS, lines.append) is None
    assert "its labels are yes,no,unknown,silence" in lines[0]


def test_a_bundle_without_answers_is_not_compared_but_gives_its_weights(tmp_path: Path) -> None:
    # GIVEN an older bundle
    weights = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(2.5, np.float32)]
    champion.save_weights(tmp_path / "w.npz", weights)
    old = files(answers_jsonl=None, weights_npz=(tmp_path / "w.npz").read_bytes())
    assert "answers.jsonl" not in old
    rival, lines = read(archive(tmp_path / "c", old))
    # THEN there is no comparison, with the reason, and the weights are there as they were
    assert champion.compare(rival, LABELS, ANSWERS, lines.append) is None
    assert "answered none of these test clips" in lines[0]
    assert rival is not None
    assert rival.card["architecture"] == "tiny_conv"
    assert rival.weights is not None
    for was, is_ in zip(weights, rival.weights, strict=True):
        np.testing.assert_array_equal(was, is_)
        assert was.dtype == is_.dtype


def test_more_than_ten_weights_keep_their_order(tmp_path: Path) -> None:
    champion.save_weights(tmp_path / "a.npz", [np.array(i) for i in range(12)])
    weights = champion._weights((tmp_path / "a.npz").read_bytes())
    assert weights is not None
    assert [int(w) for w in weights] == list(range(12))


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        champion.save_weights(tmp_path / name, [np.ones(3), np.zeros((2, 2))])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_without_a_channel_there_is_no_champion(tmp_path: Path) -> None:
    assert read(tmp_path / "absent") == (None, ["champion: none yet"])
    assert champion.compare(None, LABELS, ANSWERS, lambda _: pytest.fail("nothing to say")) is None


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"bundle_json": None}, "it has no bundle.json"),
        ({"bundle_json": b"{"}, "its files are damaged"),
        ({"bundle_json": b"\xff"}, "its files are damaged"),
        ({"bundle_json": b"[" * 100_000}, "its files are damaged"),
        ({"bundle_json": b"[]"}, "names no labels"),
        ({"bundle_json": b'{"labels": "yes"}'}, "names no labels"),
        ({"answers_jsonl": b"{}\n"}, "is no answer"),
        ({"answers_jsonl": b"7\n"}, "is no answer"),
        ({"answers_jsonl": b'{"sha256":"a","truth":"yes","answer":3}'}, "is no answer"),
        ({"weights_npz": b"PK"}, "weights.npz is damaged"),
        ({"weights_npz": b""}, "weights.npz is damaged"),
    ],
)
def test_a_damaged_bundle_is_no_champion_and_the_log_says_why(tmp_path: Path, changed: dict, fault: str) -> None:
    rival, lines = read(archive(tmp_path, files(**changed)))
    assert rival is None
    assert len(lines) == 1
    assert lines[0].startswith("champion s3://d/model.tar.gz: no comparison, ")
    assert fault in lines[0]


@pytest.mark.parametrize("name", ["../weights.npz", "weights.pickle", "w0/../../x"])
def test_weights_that_hold_something_else_are_refused(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "w.npz", **{name: np.ones(1)})
    rival, lines = read(archive(tmp_path / "c", files(weights_npz=(tmp_path / "w.npz").read_bytes())))
    assert rival is None
    assert "holds something else" in lines[0]


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w0=np.array([{}], object))
    rival, lines = read(archive(tmp_path / "c", files(weights_npz=(tmp_path / "w.npz").read_bytes())))
    assert rival is None
    assert "weights.npz is damaged" in lines[0]


def test_nothing_is_unpacked_and_links_are_not_followed(tmp_path: Path) -> None:
    # GIVEN an archive whose bundle.json is a link, with a file that would escape
    (tmp_path / "c").mkdir()
    with tarfile.open(tmp_path / "c" / "model.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("bundle.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("../../escaped"))
    before = sorted(tmp_path.rglob("*"))
    # WHEN / THEN
    assert read(tmp_path / "c")[0] is None
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion, "_MOST_BYTES", 100)
    rival, lines = read(archive(tmp_path, files()))
    assert rival is None
    assert "bytes" in lines[0]


def test_an_archive_that_is_missing_or_cut_is_no_champion(tmp_path: Path) -> None:
    assert "its archive cannot be read" in read(tmp_path)[1][0]
    whole = archive(tmp_path / "a", files()) / "model.tar.gz"
    content = whole.read_bytes()
    for kept in range(0, len(content) - 1, 7):
        whole.write_bytes(content[:kept])
        rival, lines = read(tmp_path / "a")
        assert (rival is None) == bool(lines)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_archives_never_end_the_job(tmp_path: Path, data: st.DataObject) -> None:
    champion.save_weights(tmp_path / "w.npz", [np.ones(3)])
    path = archive(tmp_path / "c", files(weights_npz=(tmp_path / "w.npz").read_bytes())) / "model.tar.gz"
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    rival, lines = read(tmp_path / "c")
    assert (rival is None) == (len(lines) == 1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_weights_are_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    champion.save_weights(tmp_path / "w.npz", [np.ones(3), np.ones((2, 2), np.float32)])
    content = bytearray((tmp_path / "w.npz").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(champion.ChampionError):
        rival = champion.parse(files(weights_npz=bytes(content)), "s3://d")
        assert rival.weights is not None
        assert len(rival.weights) <= 2
