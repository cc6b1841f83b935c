"""Staged rollouts on an AWS in memory: what boards are offered, as python-tuf's own client reads it."""

import json

import pytest
from cloud import BOARDS
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from earshot_pipeline.rollout import Outcome, RolloutState, Tally
from earshot_pipeline.run import RunState
from earshot_pipeline.version import Version
from test_device_reports import report, sign
from test_device_reports import send as send_report
from test_functions import approved, drop_words, preprocess, ready_to_release, release, start, train
from test_updates import begin, client

__all__ = ["client"]
BOARD = BOARDS[0]


@pytest.fixture
def rollouts(cloud):
    from earshot_pipeline.rollout_table import RolloutTable

    return RolloutTable(cloud.table.dynamodb, "table")


class Fleet:
    """Registered devices that report."""

    def __init__(self, cloud, count):
        self.cloud, self.counters = cloud, {}
        self.key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PublicFormat.UncompressedPoint
        point = self.key.public_key().public_bytes(serialization.Encoding.X962, form).hex()
        for n in range(count):
            cloud.table.dynamodb.put_item(
                TableName="table",
                Item={
                    "pk": {"S": f"DEVICE#d{n}"}, "sk": {"S": "DEVICE"}, "public_key": {"S": point},
                    "board": {"S": BOARD},
                },
            )  # fmt: skip

    def report(self, device, version, state, counter=None):
        """One report; what the function asked for of others is carried out. Returns the status."""
        counter = self.counters.get(device, 0) + 1 if counter is None else counter
        self.counters[device] = max(counter, self.counters.get(device, 0))
        body = json.dumps(report(device=f"d{device}", version=version, state=state, counter=counter)).encode()
        status = send_report(self.cloud, body, sign(self.key, body))["statusCode"]
        carry_on(self.cloud)
        return status


def carry_on(cloud):
    """Lambda: every function that was invoked runs."""
    while cloud.invocations.asked:
        function, event = cloud.invocations.asked.pop(0)
        cloud.call(function, event)


def second_version(cloud, monkeypatch, groups="5,100"):
    """1.0.1 is everybody's, and 1.0.2 is approved, to be rolled out in groups; returns the root."""
    root = begin(cloud)
    ready_to_release(cloud)
    release(cloud)
    monkeypatch.setenv("ROLLOUT_GROUPS", groups)
    next_version(cloud, 2)
    return root


def next_version(cloud, number):
    drop_words(cloud, start=10 * number)
    start(cloud)
    preprocess(cloud, f"r{number:06d}")
    train(cloud, f"r{number:06d}")
    release(cloud, number)


def offered(updater, board=BOARD):
    """What a board finds: stable version, candidate's version and percent."""
    stable, candidate = (updater.get_targetinfo(f"{board}/{name}.img") for name in ("model", "candidate"))
    share = candidate and candidate.custom["rollout"]["percent"]
    return stable.custom["version"], candidate and candidate.custom["version"], share


def document(cloud, board=BOARD):
    found = cloud.s3.get_object(Bucket="releases", Key=f"{board}/ota_update.json")["Body"].read()
    return json.loads(found)["Version"]


def test_a_version_reaches_group_after_group_and_then_everybody(cloud, client, monkeypatch, rollouts):
    # GIVEN a second version that is approved, with groups
    root = second_version(cloud, monkeypatch, "5,25,100")
    # THEN it is a candidate for the first, and stock agents are offered what is stable
    assert [offered(client(root), board) for board in BOARDS] == [("1.0.1", "1.0.2", 5)] * 2
    assert document(cloud) == "1.0.1"
    assert cloud.table.run("r000002").state is RunState.RELEASED
    image = client(root).get_targetinfo(f"{BOARD}/candidate.img")
    # WHEN two boards of each group confirm
    fleet, shares = Fleet(cloud, 6), []
    for device in range(6):
        assert fleet.report(device, "1.0.2", "confirmed") == 204
        shares.append(offered(client(root)))
    # THEN each group follows the one before, and at last the very same image is everybody's
    assert [share for _, _, share in shares] == [5, 25, 25, 100, 100, None]
    assert offered(client(root)) == ("1.0.2", None, None)
    stable = client(root).get_targetinfo(f"{BOARD}/model.img")
    assert stable.hashes == image.hashes
    assert stable.custom["rollout"]["percent"] == 100
    assert {document(cloud, board) for board in BOARDS} == {"1.0.2"}
    assert rollouts.rollout(Version(2)).settled


def test_a_bad_version_is_paused_and_its_boards_come_back(cloud, client, monkeypatch, rollouts):
    # GIVEN a candidate WHEN of three boards that tried it one refuses
    root = second_version(cloud, monkeypatch)
    fleet = Fleet(cloud, 3)
    fleet.report(0, "1.0.2", "confirmed")
    fleet.report(1, "1.0.2", "rejected")
    assert offered(client(root)) == ("1.0.1", "1.0.2", 5)
    fleet.report(2, "1.0.2", "rejected")
    # THEN nobody is offered it, and the last good model is a run of its own under a higher version
    assert offered(client(root)) == ("1.0.1", None, None)
    rollout = rollouts.rollout(Version(2))
    assert (rollout.state, rollout.reason) == (
        RolloutState.WITHDRAWN, "2 of 3 boards refused it; at most 20% may",
    )  # fmt: skip
    run = cloud.table.run(rollout.reissue)
    assert (run.reissue_of, str(run.version)) == ("1.0.1", "1.0.3")
    # WHEN that is released THEN it is everybody's at once, also of boards on the candidate
    release(cloud, 3)
    carry_on(cloud)
    assert offered(client(root)) == ("1.0.3", None, None)
    assert document(cloud) == "1.0.3"
    assert cloud.table.run(rollout.reissue).state is RunState.RELEASED
    # AND whoever asks again makes no further run
    for _ in range(2):
        cloud.call("convert_firmware", {"rollout": "1.0.2"})
        carry_on(cloud)
    assert cloud.table.pipeline().versions == 3


def test_a_device_counts_once_and_by_its_worst(cloud, monkeypatch, rollouts):
    # GIVEN a candidate WHEN a device reports again and again, and refuses it in the end
    second_version(cloud, monkeypatch)
    fleet = Fleet(cloud, 2)
    for _ in range(4):
        assert fleet.report(0, "1.0.2", "confirmed") == 204
    assert rollouts.tally(Version(2)) == Tally(1, 0)
    # AND old reports come late
    assert fleet.report(0, "1.0.2", "rejected", counter=2) == 401
    assert rollouts.tally(Version(2)) == Tally(1, 0)
    assert fleet.report(0, "1.0.2", "rejected") == 204
    assert fleet.report(0, "1.0.2", "confirmed") == 204
    # THEN it is one that refused, and the last thing that it said is known of it
    assert rollouts.tally(Version(2)) == Tally(0, 1)
    assert cloud.table.device("d0")["state"] == "confirmed"
    # AND reports of versions without a rollout, of other states and of strangers count nothing
    for version, state in (("1.0.1", "rejected"), ("1.0.2", "trial"), ("9.9.9", "rejected"), ("1.0.9", "confirmed")):
        assert fleet.report(1, version, state) == 204
    assert fleet.report(7, "1.0.2", "rejected") == 401
    assert rollouts.tally(Version(2)) == Tally(0, 1)


def test_a_report_that_races_with_itself_counts_once(cloud, monkeypatch, rollouts):
    # GIVEN a report that another instance writes between this one's look and write
    second_version(cloud, monkeypatch)
    Fleet(cloud, 1)
    first = report(device="d0", version="1.0.2", state="confirmed", counter=1)
    look = type(rollouts)._rolls_out

    def overtaken(self, version):
        monkeypatch.setattr(type(rollouts), "_rolls_out", look)
        assert rollouts.take_report("d0", first, 2.0)
        return look(self, version)

    monkeypatch.setattr(type(rollouts), "_rolls_out", overtaken)
    # WHEN both go on THEN one is taken
    assert not rollouts.take_report("d0", first, 1.0)
    assert rollouts.tally(Version(2)) == Tally(1, 0)


def test_the_reconciler_drives_what_is_not_settled(cloud, client, monkeypatch, rollouts):
    # GIVEN refusals that were counted, and nobody who was told
    root = second_version(cloud, monkeypatch)
    Fleet(cloud, 3)
    for device in range(3):
        sent = report(device=f"d{device}", version="1.0.2", state=Outcome.REJECTED, counter=1)
        assert rollouts.take_report(f"d{device}", sent, 1.0)
    assert offered(client(root)) == ("1.0.1", "1.0.2", 5)
    # WHEN the clock ticks, though the first ask for the model of before is lost
    cloud.call("reconcile", {})
    asked = [event for function, event in cloud.invocations.asked if function == "convert_firmware"]
    assert {"rollout": "1.0.2"} in asked
    cloud.invocations.asked.clear()
    cloud.call("convert_firmware", {"rollout": "1.0.2"})
    cloud.invocations.asked.clear()
    assert offered(client(root)) == ("1.0.1", None, None)
    cloud.call("reconcile", {})
    carry_on(cloud)
    # THEN it is registered all the same, and the rollout is asked for no more
    assert cloud.table.run(rollouts.rollout(Version(2)).reissue).state is RunState.RELEASING
    cloud.call("reconcile", {})
    assert {"rollout": "1.0.2"} not in [event for _, event in cloud.invocations.asked]


def test_people_pause_resume_hurry_and_abort(cloud, client, monkeypatch):
    root = second_version(cloud, monkeypatch, "5,25,100")

    def want(word, **more):
        answer = cloud.call("convert_firmware", {"rollout": "1.0.2", "want": word, **more})
        return answer["state"], offered(client(root))[2]

    assert want("pause") == ("paused", 0)
    assert want("resume") == ("running", 5)
    assert want("proceed", group=0) == ("running", 25)
    assert want("proceed", group=0) == ("running", 25)
    assert want("abort", reason="hums") == ("withdrawn", None)
    assert want("resume") == ("withdrawn", None)


def test_a_newer_candidate_takes_the_place_of_an_older(cloud, client, monkeypatch, rollouts):
    # GIVEN a candidate WHEN a newer version is approved THEN that is the candidate, and nothing goes back
    root = second_version(cloud, monkeypatch)
    next_version(cloud, 3)
    assert offered(client(root)) == ("1.0.1", "1.0.3", 5)
    cloud.call("convert_firmware", {"rollout": "1.0.2"})
    assert rollouts.rollout(Version(2)).reason == "version 1.0.3 goes out instead"
    assert offered(client(root)) == ("1.0.1", "1.0.3", 5)
    assert cloud.table.pipeline().versions == 3


def test_a_rollback_goes_to_everybody_and_ends_the_rollout(cloud, client, monkeypatch, rollouts):
    root = second_version(cloud, monkeypatch)
    cloud.call("rollback", {"version": "1.0.1"})
    release(cloud, 3)
    assert offered(client(root)) == ("1.0.3", None, None)
    assert rollouts.rollout(Version(2)).state is RolloutState.WITHDRAWN
    assert rollouts.rollout(Version(2)).reissue == ""


def test_groups_of_a_persons_own(cloud, client, monkeypatch):
    # GIVEN a stack that releases to all at once WHEN a person goes back by a rollout THEN it is one
    root = begin(cloud)
    ready_to_release(cloud)
    release(cloud)
    assert cloud.call("rollback", {"version": "1.0.1", "groups": "10,100"})["version"] == "1.0.2"
    release(cloud, 2)
    assert offered(client(root)) == ("1.0.1", "1.0.2", 10)
    # AND so it is for a version that waits
    monkeypatch.setenv("APPROVAL_MODE", "manual")
    cloud.call("convert_firmware", {"rollout": "1.0.3", "want": "plan", "groups": "1,100"})
    next_version(cloud, 3)
    cloud.sagemaker.packages[2]["ModelApprovalStatus"] = "Approved"
    cloud.call("convert_firmware", approved(cloud, 3))
    assert offered(client(root)) == ("1.0.1", "1.0.3", 1)
    # AND shares that are none are refused in words, before anything is made
    for function, event in (
        ("convert_firmware", {"rollout": "1.0.9", "want": "plan", "groups": "5,4"}),
        ("rollback", {"version": "1.0.1", "groups": "5"}),
    ):
        with pytest.raises(Exception, match="percentages must grow and end with 100"):
            cloud.call(function, event)
    assert cloud.table.pipeline().versions == 3


@pytest.mark.parametrize("why", ["first release", "no signed updates"])
def test_where_nobody_could_be_brought_back_it_goes_to_all(cloud, monkeypatch, why, rollouts):
    # GIVEN groups, but no version before, or no update metadata WHEN a model is approved THEN all are offered it
    monkeypatch.setenv("ROLLOUT_GROUPS", "5,100")
    if why == "first release":
        begin(cloud)
    ready_to_release(cloud)
    release(cloud)
    if why == "no signed updates":
        next_version(cloud, 2)
    assert document(cloud) == ("1.0.1" if why == "first release" else "1.0.2")
    assert not list(rollouts.rollouts())


def test_metadata_of_somebody_else_ends_run_and_rollout(cloud, monkeypatch, rollouts):
    # GIVEN a forged timestamp WHEN a version is to be rolled out THEN the run fails and its rollout with it
    begin(cloud)
    ready_to_release(cloud)
    release(cloud)
    cloud.s3.put_object(Bucket="releases", Key="tuf/metadata/timestamp.json", Body=b"{}")
    monkeypatch.setenv("ROLLOUT_GROUPS", "5,100")
    next_version(cloud, 2)
    assert cloud.table.run("r000002").state is RunState.FAILED
    assert (rollouts.rollout(Version(2)).active, rollouts.rollout(Version(2)).returns) == (False, False)


def test_repeated_approvals_sign_once(cloud, monkeypatch):
    # GIVEN a rollout WHEN its approval comes again, and it is looked at again THEN nothing more is signed
    second_version(cloud, monkeypatch)
    signed = list(cloud.kms.signed)
    cloud.call("convert_firmware", approved(cloud, 2))
    cloud.call("convert_firmware", {"rollout": "1.0.2"})
    assert cloud.kms.signed == signed
