"""Signed updates on the deployed application: made by the command line, signed in KMS, read over HTTP by python-tuf."""

import hashlib
import http.client
import json
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tuf.ngclient import Updater

from earshot import devices, keys, rollouts
from earshot.errors import EarshotError
from earshot.target import Target

ROOT = Path(__file__).resolve().parents[3]
BOARDS = ("CY8CPROTO_062_4343W", "CY8CKIT_062S2_43012")
STACK = "earshot-updates"


def sam(cloud, *arguments):
    environment = {
        **os.environ, **cloud.tool_environment(), "HOME": os.environ["HOME"], "SAM_CLI_TELEMETRY": "0",
        "EARSHOT_BUILD_FOR": "host", "PYTHON": str(ROOT / ".venv/lambda/bin/python"),
    }  # fmt: skip
    done = subprocess.run(
        [ROOT / ".venv/sam/bin/sam", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def deploy(cloud, built, update_keys, *parameters, stack=STACK):
    sam(
        cloud, "deploy", "--config-file", ROOT / "samconfig.toml", "--config-env", "local", "--stack-name", stack,
        "--template-file", built / "template.yaml", "--no-fail-on-empty-changeset",
        "--parameter-overrides", f"UpdateKeys={update_keys}",
        f"Boards={','.join(BOARDS)}", *parameters,
    )  # fmt: skip
    return Target(stack, cloud.url, region="us-east-1")


class Board:
    """A client over HTTP, with the state of its last refresh."""

    def __init__(self, folder, target, root):
        self.folder, self.root = folder, root
        folder.mkdir()
        self.url = f"http://{target.outputs['ReleasesDomain']}/tuf"

    def refresh(self):
        updater = Updater(
            str(self.folder), f"{self.url}/metadata/", str(self.folder), f"{self.url}/targets/", bootstrap=self.root
        )
        updater.refresh()
        return updater

    def version(self, board=BOARDS[0]):
        """What is offered, downloaded and checked."""
        updater = self.refresh()
        target = updater.get_targetinfo(f"{board}/model.img")
        if target is None:
            return None
        assert Path(updater.download_target(target)).read_bytes() == image(target.custom["version"], board)
        return target.custom["version"]


def image(version, board):
    return f"image {version} of {board} ".encode() * 1000


def firmware(version):
    return f"firmware with {version} ".encode() * 5000


def release(target, version, *boards, stable=True):
    """As convert_firmware leaves a release behind."""
    s3, bucket = target.client("s3"), target.outputs["ReleasesBucket"]
    for board in boards:
        data = image(version, board)
        record = {
            "version": version, "board": board, "frontend": "micro-7b49ead9",
            "image": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        }  # fmt: skip
        if board == BOARDS[0]:  # which has a base firmware 1.4.0
            whole = firmware(version)
            firmware_version = f"1.4.{version.rpartition('.')[2]}"
            record["firmware"] = {
                "version": firmware_version, "size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()
            }  # fmt: skip
            s3.put_object(Bucket=bucket, Key=f"{version}/{board}/firmware.bin", Body=whole)
        s3.put_object(Bucket=bucket, Key=f"{version}/{board}/model.img", Body=data)
        s3.put_object(Bucket=bucket, Key=f"{version}/{board}/release.json", Body=json.dumps(record))
        if stable:
            s3.put_object(Bucket=bucket, Key=f"{board}/ota_update.json", Body=json.dumps({"Version": version}))


def invoke(target, function, event):
    answer = target.client("lambda").invoke(
        FunctionName=f"{target.stack}-{function}", Payload=json.dumps(event).encode()
    )
    said = json.load(answer["Payload"])
    assert "FunctionError" not in answer, said
    return said


@pytest.fixture(scope="module")
def built(cloud, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sam") / "build"
    sam(cloud, "build", "--build-dir", folder)
    return folder


def test_signed_updates_from_the_first_key_to_the_next_generation(cloud, built, tmp_path):
    # GIVEN a stack without a root, where releases go out as before
    target = deploy(cloud, built, "first")
    release(target, "1.0.1", *BOARDS)
    assert invoke(target, "convert-firmware", {"refresh": "due"})["written"] == []
    with pytest.raises(EarshotError, match="keys init"):
        list(keys.show(target))

    # WHEN somebody makes a root of three keys, two of which are to sign the next
    made = keys.NewKeys(tmp_path / "keys", 3, 1, "secret")
    root = keys.init(target, made.signers, 2, made=made)
    # THEN a board that knows it gets what was released before
    board = Board(tmp_path / "board", target, root)
    assert [board.version(kind) for kind in BOARDS] == ["1.0.1", "1.0.1"]
    # AND key files are their owner's alone
    files = sorted((tmp_path / "keys").iterdir())
    assert [(path.name, path.stat().st_mode & 0o777) for path in files] == [
        (f"root-v1-{number}.pem", 0o600) for number in (1, 2, 3)
    ]
    assert all(b"ENCRYPTED" in path.read_bytes() for path in files)
    # AND there is no second first root
    with pytest.raises(EarshotError, match="there is a root already"):
        keys.init(target, made.signers, 2)

    # WHEN publishers and the daily renewal meet, and the board polls all the while
    release(target, "1.0.2", *BOARDS)
    polls, over = [], threading.Event()

    def poll():
        while not over.is_set():
            polls.append(board.version())

    with ThreadPoolExecutor(6) as pool:
        polling = pool.submit(poll)
        written = [pool.submit(invoke, target, "convert-firmware", {"refresh": "all"}) for _ in range(3)]
        written += [pool.submit(invoke, target, "refresh-timestamp", {}) for _ in range(2)]
        for each in written:
            each.result()
        over.set()
        polling.result()  # it never refused
    # THEN it went from one version to the other, and each writer has a timestamp of its own
    assert polls == sorted(polls)
    assert board.version() == "1.0.2"
    assert {role.name: role.version for role in keys.show(target)}["timestamp"] == 6

    # WHEN one holder alone would make a root THEN that is refused, and so is a stack without other keys
    holders = keys.load(files[:2], "secret")
    with pytest.raises(EarshotError, match="1 of the 2 signatures"):
        keys.rotate(target, holders[:1])
    with pytest.raises(EarshotError, match="first-to-second"):
        keys.rotate(target, holders, online=True)
    # WHEN the stack gets its second generation of keys, and the root names them
    target = deploy(cloud, built, "first-to-second")
    assert board.version() == "1.0.2"
    assert keys.rotate(target, holders, online=True) == 2
    # THEN the board with its old state follows, and the first generation can go
    assert board.version() == "1.0.2"
    target = deploy(cloud, built, "second")
    release(target, "1.0.3", BOARDS[0])
    invoke(target, "convert-firmware", {"refresh": "due"})
    invoke(target, "refresh-timestamp", {})
    assert [board.version(kind) for kind in BOARDS] == ["1.0.3", "1.0.2"]

    # WHEN the root gets other keys
    successors = keys.NewKeys(tmp_path / "keys", 1, 3, "secret")
    assert keys.rotate(target, holders, successors, 1) == 3
    # THEN old and new boards follow, and the old keys make no root
    assert board.version() == "1.0.3"
    assert Board(tmp_path / "new", target, root).version() == "1.0.3"
    with pytest.raises(EarshotError, match="0 of the 1 signatures"):
        keys.rotate(target, holders)
    assert keys.rotate(target, keys.load([tmp_path / "keys/root-v3-1.pem"], "secret")) == 4

    # AND what boards were offered before is still there for those that are late
    old = hashlib.sha256(image("1.0.1", BOARDS[0])).hexdigest()
    there = target.client("s3").list_objects_v2(Bucket=target.outputs["ReleasesBucket"], Prefix="tuf/targets/")
    assert f"tuf/targets/{BOARDS[0]}/{old}.model.img" in [item["Key"] for item in there["Contents"]]


class Device:
    """A registered device that reports over HTTP."""

    def __init__(self, target, name):
        self.url, self.name, self.counter = f"{target.outputs['DeviceApi'].rstrip('/')}/reports", name, 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()
        assert devices.add(target, name, point, BOARDS[0])

    def report(self, version, state):
        """The status that the report is answered with."""
        self.counter += 1
        content = {"device": self.name, "board": BOARDS[0], "version": version, "state": state, "detail": ""}
        body = json.dumps({**content, "counter": self.counter}).encode()
        r, s = utils.decode_dss_signature(self.key.sign(body, ec.ECDSA(SHA256())))
        headers = {"Content-Type": "application/json", "X-Earshot-Signature": f"{r:064x}{s:064x}"}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code


class StockAgent:
    """Infineon's OTA agent, as strict as it is: what it would not take, this refuses."""

    def __init__(self, target, board, version):
        self.server, self.board, self.version = target.outputs["ReleasesDomain"], board, version

    def _get(self, server, path, first, last):
        host, _, port = server.partition(":")
        connection = http.client.HTTPConnection(host, int(port or 80), timeout=30)
        end = "" if last is None else last
        connection.request("GET", path, headers={"Range": f"bytes={first}-{end}"})
        answer = connection.getresponse()
        assert answer.status in (200, 206), f"{path}: {answer.status}; redirects are refused"
        assert len(str(answer.headers).encode()) < 1024
        assert "Transfer-Encoding" not in answer.headers
        content = answer.read()
        connection.close()
        return content, answer.headers.get("Content-Range")

    def poll(self, path):
        """The image's version and bytes; None when there is nothing for this board."""
        document, _ = self._get(self.server, path, 0, None)
        assert len(document) < 1024
        fields = {key.lower(): value for key, value in json.loads(document).items()}
        assert all(isinstance(value, str) for value in fields.values())
        assert fields["message"] == "Update Available"
        assert len(fields["version"]) <= 15
        assert all(len(fields[name]) < 256 for name in ("file", "server"))
        offered = tuple(map(int, fields["version"].split(".")))
        assert len(offered) == 3
        if offered <= self.version or fields["board"] != self.board:
            return None
        content, total = b"", None
        while total is None or len(content) < total:
            where = len(content)
            part, content_range = self._get(f"{fields['server']}:{fields['port']}", fields["file"], where, where + 4095)
            told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", content_range or "")
            assert told, "without Content-Range the download stops"
            assert (int(told[1]), int(told[2])) == (where, where + len(part) - 1)
            total = int(told[3])
            content += part
        assert total % 4096 != 1, "the agent would lose the last byte"
        return offered, content


def test_a_rollout_on_the_deployed_stack(cloud, built, tmp_path):
    # GIVEN a stack with groups, signed updates, a stable version, and a higher one that is being rolled out
    target = deploy(cloud, built, "first", "RolloutGroups=50,100", "RolloutSuccess=1", stack="earshot-rollout")
    release(target, "1.0.1", *BOARDS)
    made = keys.NewKeys(tmp_path / "keys", 1, 1, "secret")
    board = Board(tmp_path / "board", target, keys.init(target, made.signers, 1, made=made))
    release(target, "1.0.2", *BOARDS, stable=False)
    group = {"success": 1, "errors": 0, "minimum": 10}
    target.resource("dynamodb").Table(target.outputs["Table"]).put_item(
        Item={
            "pk": "ROLLOUTS", "sk": "0000002", "version": "1.0.2", "state": "running", "group": 0, "began": 1,
            "groups": [{"percent": share, **group} for share in (50, 100)], "confirmed_before": 0, "reason": "",
            "returns": False, "reissue": "", "settled": False, "revision": 0,
        }
    )  # fmt: skip

    def candidate():
        found = board.refresh().get_targetinfo(f"{BOARDS[0]}/candidate.img")
        return found and (found.custom["version"], found.custom["rollout"]["percent"])

    def becomes(wanted):
        for _ in range(120):
            if candidate() == wanted:
                return True
            time.sleep(0.5)
        return False

    assert invoke(target, "convert-firmware", {"rollout": "1.0.2"})["percent"] == 50
    assert candidate() == ("1.0.2", 50)
    # WHEN people stop and resume it THEN boards see that
    assert rollouts.want(target, None, "pause")["state"] == "paused"
    assert candidate() == ("1.0.2", 0)
    assert rollouts.want(target, None, "resume")["percent"] == 50
    # WHEN one device of each group confirms it THEN the next group gets it, and at last everybody
    first, second = Device(target, "d1"), Device(target, "d2")
    assert first.report("1.0.2", "confirmed") == 204
    assert becomes(("1.0.2", 100))
    assert board.version() == "1.0.1"
    assert second.report("1.0.2", "confirmed") == 204
    assert becomes(None)
    assert board.version() == "1.0.2"
    s3 = target.client("s3")
    document = s3.get_object(Bucket=target.outputs["ReleasesBucket"], Key=f"{BOARDS[0]}/ota_update.json")["Body"]
    assert json.load(document)["Version"] == "1.0.2"
    # AND a board with Infineon's agent takes it: once, and not if it is another kind of board
    path = f"/{BOARDS[0]}/ota_update.json"
    assert StockAgent(target, BOARDS[0], (1, 0, 1)).poll(path) == ((1, 0, 2), image("1.0.2", BOARDS[0]))
    assert StockAgent(target, BOARDS[0], (1, 0, 2)).poll(path) is None
    assert StockAgent(target, BOARDS[1], (1, 0, 1)).poll(path) is None
    assert rollouts.get(target, "1.0.2")["state"] == "finished"
    assert [each["state"] for each in devices.list_devices(target)] == ["confirmed", "confirmed"]
    # AND one that updates as a whole takes its firmware
    path = f"/{BOARDS[0]}/firmware_update.json"
    assert StockAgent(target, BOARDS[0], (1, 4, 1)).poll(path) == ((1, 4, 2), firmware("1.0.2"))
    assert StockAgent(target, BOARDS[0], (1, 4, 2)).poll(path) is None
    # AND a device that is forgotten is refused
    devices.remove(target, "d1")
    assert first.report("1.0.2", "rejected") == 401
