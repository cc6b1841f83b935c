"""Script mode: hyperparameters become arguments and variables as SageMaker's toolkit makes them."""

import io
import tarfile

import pytest

from earshot.local.containers.sandbox import Room
from earshot.local.containers.storage import DataError, Placed, _below_prefix, _place, parse_uri
from earshot.local.containers.toolkit import ToolkitError, arguments, decoded, fetch_sources


def test_hyperparameters_are_json_or_text():
    given = {"epochs": "3", "rate": "1e-3", "words": "yes,no", "quoted": '"007"', "run": "r000007", "flag": "true"}
    assert decoded(given) == {
        "epochs": 3, "rate": 0.001, "words": "yes,no", "quoted": "007", "run": "r000007", "flag": True,
    }  # fmt: skip


def test_arguments_are_in_order_of_name():
    assert arguments({"b": 2, "a": "x", "long": True, "map": {"k": 1, "j": 2}}) == [
        "-a", "x", "-b", "2", "--long", "True", "--map", "j=2,k=1",
    ]  # fmt: skip


def tar(name, **settings):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        for key, value in settings.items():
            setattr(entry, key, value)
        archive.addfile(entry)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        tar("fine")[:20],
        tar("../outside"),
        tar("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        tar("device", type=tarfile.CHRTYPE),
    ],
    ids=["empty", "text", "cut", "climbs", "links out", "device"],
)
def test_hostile_sources_are_refused(tmp_path, content):
    # GIVEN sources in a channel WHEN they are no plain archive THEN the job says so and nothing lands outside
    room = Room(tmp_path / "room")
    room.prepare()
    (room.ml / "source.tar.gz").write_bytes(content)
    with pytest.raises(ToolkitError):
        fetch_sources(None, "/opt/ml/source.tar.gz", room)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["room"]


@pytest.mark.parametrize("path", ["/etc/passwd", "/opt/ml/../../etc", "relative", "/opt/mlx"])
def test_containers_stay_in_their_room(tmp_path, path):
    with pytest.raises(ValueError, match="below /opt/ml"):
        Room(tmp_path).outside(path)


@pytest.mark.parametrize(
    ("prefix", "key", "relative"),
    [
        ("data/", "data/a/b", "a/b"),
        ("data", "data/a/b", "a/b"),
        ("data/one.txt", "data/one.txt", "one.txt"),
        ("data/on", "data/one.txt", "one.txt"),
        ("", "data/a", "data/a"),
    ],
)
def test_places_below_a_prefix(prefix, key, relative):
    assert _below_prefix(prefix, key) == relative


@pytest.mark.parametrize("relative", ["../x", "a/../../x", "/etc/x", "", "a\0b", "x" * 300, "taken/below"])
def test_keys_that_cannot_be_files(tmp_path, relative):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "taken").write_text("a file")
    with pytest.raises(DataError, match="cannot be"):
        _place(tmp_path / "in", Placed("key", relative), b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("uri", ["", "s3://", "s3:///key", "http://bucket/key", "bucket/key"])
def test_addresses_that_are_none(uri):
    with pytest.raises(DataError, match="not an S3 address"):
        parse_uri(uri)
