"""Putting clips into the bucket."""

import boto3
import pytest
from moto import mock_aws

from earshot import clips
from earshot.errors import EarshotError
from earshot.target import Target


@pytest.fixture
def target(monkeypatch):
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="clips")
        target = Target(region="us-east-1")
        target.__dict__["outputs"] = {"ClipsBucket": "clips"}
        yield target


def folder(path, names):
    for number, name in enumerate(names):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"RIFF" + bytes([number]) * number)
    return path


def test_a_folder_of_labels_is_found_at_any_depth(tmp_path):
    folder(tmp_path, ["yes/a.wav", "yes/deep/b.FLAC", "no/c.wav", "no/notes.txt", "no/.hidden.wav"])
    assert [drop.key for drop in clips.find(tmp_path)] == [
        "clips/no/c.wav",
        "clips/yes/a.wav",
        "clips/yes/deep/b.FLAC",
    ]


def test_a_folder_of_one_word_takes_its_label(tmp_path):
    folder(tmp_path, ["a.wav", "deep/b.wav"])
    assert [drop.key for drop in clips.find(tmp_path, "yes")] == ["clips/yes/a.wav", "clips/yes/deep/b.wav"]


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a.wav"], "lies in no label's folder"), (["yes/a.mp3"], "holds no .wav or .flac"), ([], "holds no")],
)
def test_what_cannot_be_put_is_said(tmp_path, names, message):
    with pytest.raises(EarshotError, match=message):
        clips.find(folder(tmp_path, names))


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(EarshotError, match="no such folder"):
        clips.find(tmp_path / "nowhere")


def test_a_second_put_sends_only_what_is_new_or_changed(target, tmp_path):
    # GIVEN 60 clips in the bucket
    drops = clips.find(folder(tmp_path, [f"yes/{n}.wav" for n in range(60)]))
    seen = []
    assert clips.put(target, drops, seen.append).uploaded == 60
    assert sum(seen) == 60
    # WHEN one changes, keeping its size, and one is added
    (tmp_path / "yes/7.wav").write_bytes(b"RIFX" + bytes([9]) * 7)
    folder(tmp_path / "more", ["yes/x.wav"])
    (tmp_path / "more/yes/x.wav").rename(tmp_path / "yes/x.wav")
    sent = clips.put(target, clips.find(tmp_path))
    # THEN only these are sent
    assert (sent.uploaded, sent.unchanged) == (2, 59)


def test_a_quarantined_clip_is_not_sent_again(target, tmp_path):
    drops = clips.find(folder(tmp_path, ["yes/a.wav"]))
    storage = target.client("s3")
    storage.put_object(
        Bucket="clips",
        Key="quarantine/clips/yes/a.wav",
        Body=(tmp_path / "yes/a.wav").read_bytes(),
        ChecksumAlgorithm="SHA256",
    )
    assert clips.put(target, drops).uploaded == 0


def test_an_unreadable_file_is_named(target, tmp_path):
    drops = clips.find(folder(tmp_path, ["yes/a.wav", "yes/b.wav"]))
    (tmp_path / "yes/b.wav").unlink()
    with pytest.raises(EarshotError, match=r"b\.wav: cannot be read .* run the same again"):
        clips.put(target, drops)


def test_a_missing_bucket_is_said(target, tmp_path):
    target.outputs["ClipsBucket"] = "nowhere"
    drops = clips.find(folder(tmp_path, ["yes/a.wav"]))
    with pytest.raises(EarshotError, match="nowhere"):
        clips.put(target, drops)
