"""Update metadata, as the functions publish and renew it, read by python-tuf's own client."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cloud import BOARDS
from cryptography.hazmat.primitives.serialization import load_der_public_key
from earshot_pipeline.run import RunState
from securesystemslib.signer import CryptoSigner, SSlibKey
from test_functions import approved, ready_to_release
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import Metadata, Root
from tuf.ngclient import FetcherInterface, Updater

ROOT_KEY = CryptoSigner.generate_ecdsa()


def key_of(cloud, name):
    return SSlibKey.from_crypto(load_der_public_key(cloud.kms.get_public_key(name)["PublicKey"]))


def begin(cloud, days=365):
    """As `earshot keys init` does."""
    root = Root(expires=datetime.now(UTC).replace(microsecond=0) + timedelta(days=days), consistent_snapshot=True)
    root.add_key(ROOT_KEY.public_key, "root")
    root.add_key(key_of(cloud, "targets"), "targets")
    for role in ("snapshot", "timestamp"):
        root.add_key(key_of(cloud, "online"), role)
    metadata = Metadata(root)
    metadata.sign(ROOT_KEY)
    cloud.s3.put_object(Bucket="releases", Key="tuf/metadata/1.root.json", Body=metadata.to_bytes())
    return metadata.to_bytes()


class Fetcher(FetcherInterface):
    def __init__(self, s3):
        self.s3 = s3

    def _fetch(self, url):
        try:
            answer = self.s3.get_object(Bucket="releases", Key=url.removeprefix("https://releases/"))
        except self.s3.exceptions.NoSuchKey as fault:
            raise DownloadHTTPError(str(fault), 404) from fault
        yield answer["Body"].read()


@pytest.fixture
def client(cloud, tmp_path):
    """A client with the state of its last refresh."""

    def refreshed(root):
        (tmp_path / "client").mkdir(exist_ok=True)
        updater = Updater(
            str(tmp_path / "client"), "https://releases/tuf/metadata/", str(tmp_path / "client"),
            "https://releases/tuf/targets/", Fetcher(cloud.s3), bootstrap=root,
        )  # fmt: skip
        updater.refresh()
        return updater

    return refreshed


def test_an_approved_model_is_a_target_of_every_board(cloud, client):
    # GIVEN a root WHEN a model is approved, told twice
    root = begin(cloud)
    ready_to_release(cloud)
    for _ in range(2):
        cloud.call("convert_firmware", approved(cloud))
    # THEN a client gets what the job document offers, and what a board must know of it
    updater = client(root)
    for board in BOARDS:
        document = json.loads(cloud.s3.get_object(Bucket="releases", Key=f"{board}/ota_update.json")["Body"].read())
        target = updater.get_targetinfo(f"{board}/model.img")
        image = Path(updater.download_target(target)).read_bytes()
        assert hashlib.sha256(image).hexdigest() == document["Sha256"] == target.hashes["sha256"]
        assert target.custom == {
            "board": board, "version": "1.0.1", "frontend": "micro-7b49ead9",
            "rollout": {"percent": 100, "salt": document["Sha256"][:16]}, "size_limit": 262144,
        }  # fmt: skip
    # AND that took one signature of each file
    assert cloud.kms.signed.count("targets") == 1
    assert cloud.kms.signed.count("online") == 2
    # AND what is polled is looked up again soon, what never changes never
    said = {
        name: cloud.s3.head_object(Bucket="releases", Key=f"tuf/metadata/{name}.json")["CacheControl"]
        for name in ("timestamp", "1.snapshot")
    }
    assert said == {"timestamp": "public, max-age=60", "1.snapshot": "public, max-age=31536000, immutable"}


def test_without_a_root_releases_go_out_as_before(cloud):
    # GIVEN no root WHEN a model is approved and a day passes THEN boards get their documents, and nothing is signed
    ready_to_release(cloud)
    cloud.call("convert_firmware", approved(cloud))
    cloud.call("refresh_timestamp", {})
    assert cloud.call("convert_firmware", {"refresh": "due"}) == {"versions": {}, "written": []}
    assert cloud.table.run("r000001").firmware_done
    assert not cloud.keys("releases", "tuf/")


def test_a_root_made_later_takes_up_what_is_released(cloud, client):
    # GIVEN a release of before WHEN a root is made and the stack asked to sign THEN clients find the release
    ready_to_release(cloud)
    cloud.call("convert_firmware", approved(cloud))
    root = begin(cloud)
    answer = cloud.call("convert_firmware", {"refresh": "all"})
    assert answer["written"] == ["1.targets.json", "1.snapshot.json", "timestamp.json"]
    assert client(root).get_targetinfo(f"{BOARDS[0]}/model.img").custom["version"] == "1.0.1"


def test_an_empty_repository_is_one(cloud, client):
    # GIVEN a root and no release WHEN the stack is asked to sign THEN a client refreshes and finds nothing
    root = begin(cloud)
    assert cloud.call("convert_firmware", {"refresh": "all"})["versions"]["targets"] == 1
    assert client(root).get_targetinfo(f"{BOARDS[0]}/model.img") is None


def test_timestamp_is_signed_daily_with_its_key_alone(cloud, client):
    root = begin(cloud)
    cloud.call("convert_firmware", {"refresh": "all"})
    client(root)
    del cloud.kms.signed[:]
    cloud.call("refresh_timestamp", {})
    assert cloud.kms.signed == ["online"]
    assert cloud.invocations.asked == []
    assert client(root)


def test_targets_that_end_soon_are_asked_for(cloud, client, monkeypatch):
    # GIVEN targets of which less than a third is left WHEN the day comes THEN the timestamp function asks for them
    root = begin(cloud)
    cloud.call("convert_firmware", {"refresh": "all"})
    monkeypatch.setenv("TARGETS_DAYS", "300")
    cloud.call("refresh_timestamp", {})
    [(function, event)] = cloud.invocations.asked
    assert function == "convert_firmware"
    # AND they are signed for as long as the template says
    cloud.call(function, event)
    expires = Metadata.from_bytes(
        cloud.s3.get_object(Bucket="releases", Key="tuf/metadata/2.targets.json")["Body"].read()
    ).signed.expires
    assert expires - datetime.now(UTC) > timedelta(days=299)
    assert client(root)


def test_people_are_warned_before_a_root_ends(cloud, capsys):
    # GIVEN a root with 20 days left WHEN the timestamp is renewed THEN the alarm's metric says so
    begin(cloud, days=20)
    cloud.call("convert_firmware", {"refresh": "all"})
    cloud.call("refresh_timestamp", {})
    metric = next(line for line in capsys.readouterr().out.splitlines() if "UpdateRootDaysLeft" in line)
    assert json.loads(metric)["UpdateRootDaysLeft"] == [19.0]


def test_a_higher_target_supersedes_the_run(cloud):
    # GIVEN 1.0.7 in the metadata, whose publisher died before the job document
    begin(cloud)
    from earshot_pipeline import tuf_wiring
    from earshot_pipeline.settings import Environment
    from earshot_pipeline.tuf_repository import Offer

    updates = tuf_wiring.updates(Environment.of_process(), "targets")
    updates.publish([Offer(f"{BOARDS[1]}/model.img", b"image", {"version": "1.0.7"})], 1_900_000_000)
    # WHEN 1.0.1 is published THEN the run says that it came too late
    ready_to_release(cloud)
    cloud.call("convert_firmware", approved(cloud))
    assert cloud.table.run("r000001").state is RunState.SUPERSEDED


def test_metadata_of_somebody_else_fails_the_run_in_words(cloud):
    # GIVEN a timestamp that none of our keys signed WHEN a model is approved THEN the run says what is wrong
    begin(cloud)
    cloud.call("convert_firmware", {"refresh": "all"})
    key = "tuf/metadata/timestamp.json"
    forged = json.loads(cloud.s3.get_object(Bucket="releases", Key=key)["Body"].read())
    forged["signed"]["version"] = 99
    cloud.s3.put_object(Bucket="releases", Key=key, Body=json.dumps(forged).encode())
    ready_to_release(cloud)
    cloud.call("convert_firmware", approved(cloud))
    run = cloud.table.run("r000001")
    assert run.state is RunState.FAILED
    assert "timestamp.json: not signed as root version 1 demands" in run.reason
    # AND beginning anew is another thing than publishing
    assert cloud.call("convert_firmware", {"refresh": "anew"})["versions"]["targets"] == 2


@pytest.mark.parametrize("event", [{"refresh": "everything"}, {"refresh": "due", "more": 1}, {}])
def test_a_request_of_another_form_signs_nothing(cloud, event):
    begin(cloud)
    with pytest.raises(Exception, match="validation error"):
        cloud.call("convert_firmware", event)
    assert cloud.kms.signed == []
