"""What each function does with its events, on an AWS in memory."""

import hashlib
import io
import json
import struct
import wave

import boto3
import bundles
import pytest
from cloud import event
from earshot_pipeline.frontend import frontend_id
from earshot_pipeline.run import RunState

FRONT_END = frontend_id("micro")
BOARDS = ("CY8CPROTO_062_4343W", "CY8CKIT_062S2_43012")


def clip(seed, seconds=0.1):
    """A WAV file of its own content."""
    packed = io.BytesIO()
    with wave.open(packed, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(struct.pack("<h", seed) * int(16000 * seconds))
    return packed.getvalue()


def drop_words(cloud, count=3, start=0):
    events = [cloud.drop(f"clips/yes/s{n}_nohash_0.wav", clip(n)) for n in range(start, start + count)]
    assert cloud.ingest(*events) == []
    return events


def start(cloud):
    cloud.pass_time()
    cloud.call("start_preprocessing", {})


def preprocess(cloud, run="r000001", rejected=(), status="Completed", reason="", told=True):
    """The processing job does its work, and its event comes unless it is lost."""
    job = cloud.sagemaker.processing[f"earshot-{run}-preprocess"]
    prefix = f"features/{FRONT_END}/{run}/"
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in rejected)
    record = {
        "schema": "earshot.features/1", "frontend": FRONT_END, "run": run, "host": "algo-1", "hosts": ["algo-1"],
        "shards": ["shard-algo-1-0000.npz"], "rejected": "rejected-algo-1.jsonl", "clips": 1, "rows": 1, "seconds": 1,
    }  # fmt: skip
    for name, content in (
        ("shard-algo-1-0000.npz", b"rows"),
        ("rejected-algo-1.jsonl", lines),
        ("manifest-algo-1.json", json.dumps(record).encode()),
    ):
        if status == "Completed":
            cloud.s3.put_object(Bucket="data", Key=prefix + name, Body=content)
    job["ProcessingJobStatus"] = status
    if reason:
        job["FailureReason"] = reason
    if told:
        name = f"earshot-{run}-preprocess"
        cloud.call("start_training", changed("processing_job_state_change", "ProcessingJobName", name))


def changed(name, field, value):
    told = event(name)
    told["detail"][field] = value
    return told


def train(cloud, run="r000001", status="Completed", reason="", told=True, **changes):
    """The training job does its work, and its event comes unless it is lost."""
    name = f"earshot-{run}-train"
    job = cloud.sagemaker.training[name]
    job["TrainingJobStatus"] = status
    if reason:
        job["FailureReason"] = reason
    if status == "Completed":
        key = f"models/{name}/output/model.tar.gz"
        dataset = {"sha256": cloud.table.run(run).dataset_sha256}
        content = bundles.files(**{"frontend": FRONT_END, "dataset": dataset, **changes})
        cloud.s3.put_object(Bucket="data", Key=key, Body=bundles.archive(content))
        job["ModelArtifacts"] = {"S3ModelArtifacts": f"s3://data/{key}"}
    if told:
        cloud.call("register_model", changed("training_job_state_change", "TrainingJobName", name))


def approved(cloud, number=1):
    return changed(
        "model_package_state_change", "ModelPackageArn", cloud.sagemaker.packages[number - 1]["ModelPackageArn"]
    )


def serve(cloud, status="InService", **more):
    cloud.sagemaker.endpoint |= {"EndpointStatus": status, **more}
    cloud.call("update_endpoint", event("endpoint_state_change"))


def release(cloud, number=1):
    cloud.call("update_endpoint", approved(cloud, number))
    cloud.call("convert_firmware", approved(cloud, number))
    serve(cloud)


# -- ingest_clips --------------------------------------------------------------------------------------------


def test_clips_are_indexed_and_a_wake_up_is_made(cloud):
    # GIVEN three clips WHEN their events come in one batch
    drop_words(cloud)
    # THEN they are indexed by content, and one wake-up waits for the quiet
    assert {found.label for found in cloud.table.clips()} == {"yes"}
    assert {found.speaker for found in cloud.table.clips()} == {"s0", "s1", "s2"}
    assert cloud.table.counters() == {"ingested": 3, "duplicate": 0, "quarantined": 0}
    schedules = boto3.client("scheduler").list_schedules(GroupName="earshot")["Schedules"]
    assert len(schedules) == 1


def test_the_same_events_again_change_nothing(cloud):
    # GIVEN clips that were taken in WHEN every event comes twice more, in another order
    events = drop_words(cloud)
    assert cloud.ingest(*reversed(events), *events) == []
    # THEN nothing changed
    assert cloud.table.counters() == {"ingested": 3, "duplicate": 0, "quarantined": 0}


def test_duplicates_are_counted_and_not_trained_twice(cloud):
    # GIVEN one content under forty keys in one batch, and once more later
    events = [cloud.drop(f"clips/yes/{n}.wav", clip(7)) for n in range(40)]
    assert cloud.ingest(*events) == []
    assert cloud.ingest(cloud.drop("clips/yes/again.wav", clip(7))) == []
    # THEN there is one clip
    assert len(cloud.table.clips()) == 1
    assert cloud.table.counters() == {"ingested": 1, "duplicate": 40, "quarantined": 0}


def test_the_newest_label_wins(cloud):
    # GIVEN a clip under `no` WHEN it is dropped under `yes` THEN it is a `yes`
    first, second = cloud.drop("clips/no/1.wav", clip(1)), cloud.drop("clips/yes/1.wav", clip(1))
    first["time"], second["time"] = "2026-11-22T08:00:00Z", "2026-11-22T09:00:00Z"
    cloud.ingest(second)
    cloud.ingest(first)
    assert [found.label for found in cloud.table.clips()] == ["yes"]
    assert cloud.table.counters() == {"ingested": 1, "duplicate": 1, "quarantined": 0}


def test_a_long_clip_without_checksum_is_hashed(cloud):
    # GIVEN a clip of 9 s whose SHA-256 S3 does not know WHEN it is taken in
    content = clip(5, 9)
    cloud.ingest(cloud.drop("clips/yes/long.wav", content, ChecksumAlgorithm="CRC32"))
    # THEN its content is known all the same
    assert [found.sha256 for found in cloud.table.clips()] == [hashlib.sha256(content).hexdigest()]


@pytest.mark.parametrize(
    ("key", "content", "reason"),
    [
        (
            "clips/yes/mp3.wav",
            b"ID3\x03" + bytes(2000),
            "clips/yes/mp3.wav: an MP3 file named .wav; send PCM WAV or FLAC",
        ),
        ("clips/yes/empty.wav", b"", "clips/yes/empty.wav: an empty file; send PCM WAV or FLAC"),
        ("clips/yes/cut.wav", clip(1)[:30], "clips/yes/cut.wav: a truncated WAV header"),
        ("clips/yes/long.wav", clip(1, 11), "clips/yes/long.wav: 11.0 s long"),
        ("clips/Yes/a.wav", clip(1), "clips/Yes/a.wav: the label 'Yes' is not"),
        ("clips/a.wav", clip(1), "clips/a.wav: no label folder"),
        ("clips/yes/ü ö+%.wav", b"?", r"clips/yes/\xfc \xf6+%.wav: a text file named .wav"),
    ],
)
def test_bad_clips_are_moved_to_quarantine_with_their_reason(cloud, key, content, reason):
    # GIVEN a bad file WHEN its event comes, twice
    told = cloud.drop(key, content)
    assert cloud.ingest(told) == []
    assert cloud.ingest(told) == []
    # THEN it is in quarantine alone, with the reason in words
    assert cloud.keys("clips") == [f"quarantine/{key}"]
    metadata = cloud.s3.head_object(Bucket="clips", Key=f"quarantine/{key}")["Metadata"]
    assert metadata["reason"].startswith(reason)
    assert cloud.table.counters() == {"ingested": 0, "duplicate": 0, "quarantined": 1}


def test_a_bad_file_over_a_good_one_leaves_the_good_one(cloud):
    # GIVEN a good clip WHEN a bad file overwrites it, and a good one that again
    cloud.ingest(cloud.drop("clips/yes/a.wav", clip(1)))
    cloud.ingest(cloud.drop("clips/yes/a.wav", b"bad"))
    assert cloud.table.counters() == {"ingested": 0, "duplicate": 0, "quarantined": 1}
    cloud.ingest(cloud.drop("clips/yes/a.wav", clip(2)))
    # THEN the index has what the key holds
    assert [found.sha256 for found in cloud.table.clips()] == [hashlib.sha256(clip(2)).hexdigest()]
    assert cloud.table.counters() == {"ingested": 1, "duplicate": 0, "quarantined": 0}


def test_a_clip_uploaded_with_its_checksum_is_read_no_further_than_its_header(cloud, monkeypatch):
    # GIVEN a clip whose SHA-256 S3 knows WHEN it is taken in
    told = cloud.drop("clips/yes/a.wav", clip(1, 9), ChecksumAlgorithm="SHA256")
    asked = []
    client_get = type(cloud.clips)._get

    def watch(self, key, version_id, limit=None, **more):
        asked.append(more)
        return client_get(self, key, version_id, limit, **more)

    monkeypatch.setattr(type(cloud.clips), "_get", watch)
    cloud.ingest(told)
    # THEN one ranged request of 4 KB was made, and the content is known
    assert asked == [{"Range": "bytes=0-4095"}]
    assert [found.sha256 for found in cloud.table.clips()] == [hashlib.sha256(clip(1, 9)).hexdigest()]


def test_only_what_failed_comes_again(cloud):
    # GIVEN a batch with a message that is no event, and one of an object that is gone
    good, gone = cloud.drop("clips/yes/a.wav", clip(1)), cloud.drop("clips/yes/b.wav", clip(2))
    cloud.s3.delete_object(Bucket="clips", Key="clips/yes/b.wav", VersionId=gone["detail"]["object"]["version-id"])
    folder = cloud.drop("clips/maybe/", b"")
    # WHEN it is taken in THEN only the nonsense fails
    assert cloud.ingest(good, {"nonsense": 1}, gone, folder) == [{"itemIdentifier": "m1"}]
    assert cloud.table.counters() == {"ingested": 1, "duplicate": 0, "quarantined": 0}


# -- start_preprocessing -------------------------------------------------------------------------------------


def test_nothing_starts_before_the_quiet(cloud):
    # GIVEN clips that just arrived WHEN the pipeline wakes THEN it waits on
    drop_words(cloud)
    cloud.call("start_preprocessing", {})
    assert cloud.sagemaker.processing == {}


def test_a_run_freezes_the_dataset_and_preprocesses_it_once(cloud):
    # GIVEN clips and noise that were quiet WHEN the pipeline wakes three times
    drop_words(cloud)
    cloud.ingest(cloud.drop("clips/_background_noise_/tap.wav", clip(99, 20)))
    for _ in range(3):
        start(cloud)
    # THEN one job runs, on the frozen dataset, with the noise
    assert list(cloud.sagemaker.processing) == ["earshot-r000001-preprocess"]
    request = cloud.sagemaker.processing["earshot-r000001-preprocess"]["Request"]
    assert [each["InputName"] for each in request["ProcessingInputs"]] == ["code", "dataset", "clips", "noise"]
    assert request["Environment"]["EARSHOT_FRONTEND_ID"] == FRONT_END
    manifest = cloud.s3.get_object(Bucket="data", Key="datasets/r000001/manifest.jsonl")["Body"].read()
    run = cloud.table.run("r000001")
    assert (run.clips_new, run.clips_total) == (4, 4)
    assert run.dataset_sha256 == hashlib.sha256(manifest).hexdigest()
    new = json.loads(cloud.s3.get_object(Bucket="data", Key="datasets/r000001/new.manifest")["Body"].read())
    assert new[0] == {"prefix": "s3://clips/clips/"}
    assert "yes/s0_nohash_0.wav" in new
    code = hashlib.sha256(b"the jobs' sources").hexdigest()[:12]
    assert f"code/{code}/sourcedir.tar.gz" in cloud.keys("data")


def test_clips_that_arrive_during_a_run_go_into_the_next(cloud):
    # GIVEN a run WHEN clips arrive during it, and it ends
    drop_words(cloud)
    start(cloud)
    drop_words(cloud, start=10)
    start(cloud)
    preprocess(cloud)
    train(cloud)
    release(cloud)
    cloud.pass_time()
    cloud.call("start_preprocessing", event("run_ended"))
    # THEN the next run preprocesses these alone, in a dataset of all
    assert (cloud.table.run("r000002").clips_new, cloud.table.run("r000002").clips_total) == (3, 6)
    assert cloud.table.pipeline().active == "r000002"


def test_clips_that_are_in_the_dataset_already_start_nothing(cloud):
    # GIVEN a finished run WHEN its events come again and the pipeline wakes THEN no run starts
    events = drop_words(cloud)
    start(cloud)
    preprocess(cloud)
    train(cloud)
    release(cloud)
    cloud.ingest(*events)
    start(cloud)
    assert len(cloud.sagemaker.processing) == 1
    assert cloud.table.pipeline().active == ""


# -- start_training ------------------------------------------------------------------------------------------


def test_training_starts_once_when_features_are_complete(cloud):
    # GIVEN a completed preprocessing WHEN its event, its manifest's event and the reconciler's request come
    drop_words(cloud)
    start(cloud)
    preprocess(cloud)
    landed = changed("object_created", "bucket", {"name": "data"})
    landed["detail"]["object"]["key"] = f"features/{FRONT_END}/r000001/manifest-algo-1.json"
    cloud.call("start_training", landed)
    cloud.call("start_training", event("reconcile_request"))
    # THEN one training job runs, on the features and the manifest
    assert list(cloud.sagemaker.training) == ["earshot-r000001-train"]
    request = cloud.sagemaker.training["earshot-r000001-train"]["Request"]
    assert json.loads(request["HyperParameters"]["keywords"]) == "yes,no"
    assert (
        json.loads(request["HyperParameters"]["code_version"]) == hashlib.sha256(b"the jobs' sources").hexdigest()[:12]
    )
    shards = json.loads(cloud.s3.get_object(Bucket="data", Key="datasets/r000001/features.manifest")["Body"].read())
    assert shards == [{"prefix": f"s3://data/features/{FRONT_END}/"}, "r000001/shard-algo-1-0000.npz"]


def test_a_manifest_that_lands_before_the_job_is_completed_starts_nothing(cloud):
    # GIVEN a running job WHEN a manifest's event comes THEN nothing starts
    drop_words(cloud)
    start(cloud)
    landed = changed("object_created", "bucket", {"name": "data"})
    landed["detail"]["object"]["key"] = f"features/{FRONT_END}/r000001/manifest-algo-1.json"
    cloud.call("start_training", landed)
    assert cloud.sagemaker.training == {}


def test_a_notification_that_lies_changes_nothing(cloud):
    # GIVEN a running job WHEN an event says that it failed THEN Describe is believed
    drop_words(cloud)
    start(cloud)
    cloud.call("start_training", changed("processing_job_state_change", "ProcessingJobStatus", "Failed"))
    assert cloud.table.run("r000001").state is RunState.PREPROCESSING


def test_clips_that_preprocessing_rejects_go_to_quarantine_and_leave_the_dataset(cloud):
    # GIVEN three clips of which the job rejects one
    drop_words(cloud)
    start(cloud)
    bad = cloud.table.clips()[0]
    rejection = {
        "key": bad.key, "version_id": bad.version_id, "sha256": bad.sha256, "reason": f"{bad.key}: cannot be decoded"
    }  # fmt: skip
    preprocess(cloud, rejected=[rejection])
    # THEN it is in quarantine and nowhere else, and the dataset is without it
    assert cloud.table.counters() == {"ingested": 2, "duplicate": 0, "quarantined": 1}
    assert f"quarantine/{bad.key}" in cloud.keys("clips")
    assert bad.key not in cloud.keys("clips")
    manifest = cloud.s3.get_object(Bucket="data", Key="datasets/r000001/manifest.jsonl")["Body"].read()
    assert bad.sha256 not in manifest.decode()
    run = cloud.table.run("r000001")
    assert (run.state, run.clips_new, run.clips_total) == (RunState.TRAINING, 2, 2)
    assert run.dataset_sha256 == hashlib.sha256(manifest).hexdigest()


def test_a_rejected_clip_that_was_overwritten_meanwhile_is_left_alone(cloud):
    # GIVEN a clip that is overwritten during the run WHEN the job rejects its old content
    drop_words(cloud, count=2)
    start(cloud)
    old = next(found for found in cloud.table.clips() if found.key == "clips/yes/s0_nohash_0.wav")
    cloud.ingest(cloud.drop(old.key, clip(50)))
    preprocess(
        cloud, rejected=[{"key": old.key, "version_id": old.version_id, "sha256": old.sha256, "reason": "changed"}]
    )
    # THEN the new content stays
    assert hashlib.sha256(clip(50)).hexdigest() in {found.sha256 for found in cloud.table.clips()}
    assert cloud.table.counters()["quarantined"] == 0


def test_a_failed_preprocessing_gives_its_clips_back(cloud):
    # GIVEN a run whose job fails
    drop_words(cloud)
    start(cloud)
    preprocess(cloud, status="Failed", reason="AlgorithmError: boom")
    run = cloud.table.run("r000001")
    assert run.state is RunState.FAILED
    assert "boom" in run.reason
    # WHEN a new clip arrives THEN the next run takes all of them
    drop_words(cloud, count=1, start=10)
    start(cloud)
    assert cloud.table.run("r000002").clips_new == 4


@pytest.mark.parametrize("record", [b"{", b"{}", b'{"schema":"earshot.features/1","frontend":"other"}'])
def test_a_completed_job_with_unreadable_output_fails_the_run(cloud, record):
    drop_words(cloud)
    start(cloud)
    cloud.sagemaker.processing["earshot-r000001-preprocess"]["ProcessingJobStatus"] = "Completed"
    cloud.s3.put_object(Bucket="data", Key=f"features/{FRONT_END}/r000001/manifest-algo-1.json", Body=record)
    cloud.call("start_training", event("processing_job_state_change"))
    assert cloud.table.run("r000001").state is RunState.FAILED


def test_a_job_of_somebody_else_is_ignored(cloud):
    cloud.call(
        "start_training", changed("processing_job_state_change", "ProcessingJobName", "other-r000001-preprocess")
    )
    cloud.call(
        "start_training", changed("processing_job_state_change", "ProcessingJobName", "earshot-r000099-preprocess")
    )
    assert cloud.sagemaker.calls == []


# -- register_model ------------------------------------------------------------------------------------------


def ready_to_train(cloud):
    drop_words(cloud)
    start(cloud)
    preprocess(cloud)


def test_a_model_that_passes_is_registered_once_with_its_measurements(cloud):
    # GIVEN a completed training WHEN its event comes three times
    ready_to_train(cloud)
    for _ in range(3):
        train(cloud)
    # THEN there is one package, approved, which names run, version and figures
    [package] = cloud.sagemaker.packages
    assert package["ModelApprovalStatus"] == "Approved"
    told = package["CustomerMetadataProperties"]
    assert (told["run"], told["version"], told["accuracy"]) == ("r000001", "1.0.1", "0.9")
    assert told["labels"] == "yes no unknown silence"
    assert cloud.table.run("r000001").state is RunState.RELEASING


def test_a_model_that_misses_a_gate_is_rejected_and_its_clips_stay_in_the_dataset(cloud):
    # GIVEN a model that is too large WHEN it is judged
    ready_to_train(cloud)
    train(cloud, arena_bytes=200_000)
    run = cloud.table.run("r000001")
    # THEN the run says which gate; it has no version; the slot is free; the clips do not train again
    assert (run.state, run.version) == (RunState.REJECTED, None)
    assert "arena bytes 200000 misses 131072" in run.reason
    assert cloud.sagemaker.packages[0]["ModelApprovalStatus"] == "Rejected"
    assert cloud.table.pipeline().active == ""
    start(cloud)
    assert len(cloud.sagemaker.processing) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": ["no", "yes", "unknown", "silence"]}, "are not those configured"),
        ({"frontend": "micro-00000000"}, "front end micro-00000000 is not the run's"),
        ({"dataset": {"sha256": "0" * 64}}, "another dataset"),
        ({"schema": "earshot.bundle/9"}, "schema"),
    ],
)
def test_a_bundle_of_something_else_fails_the_run(cloud, changes, reason):
    ready_to_train(cloud)
    train(cloud, **changes)
    run = cloud.table.run("r000001")
    assert run.state is RunState.FAILED
    assert reason in run.reason


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_failed_training_gives_its_clips_back(cloud, status):
    ready_to_train(cloud)
    train(cloud, status=status, reason="AlgorithmError: no memory")
    assert cloud.table.run("r000001").state is RunState.FAILED
    assert cloud.table.pipeline().dataset == ""
    assert cloud.table.pipeline().arrivals.failures == 1


def test_manual_approval_waits_for_a_person_and_lets_the_next_run_start(cloud, monkeypatch):
    # GIVEN manual approval WHEN a model passed
    monkeypatch.setenv("APPROVAL_MODE", "manual")
    ready_to_train(cloud)
    train(cloud)
    assert cloud.table.run("r000001").state is RunState.AWAITING_APPROVAL
    # THEN other clips may train meanwhile
    drop_words(cloud, start=10)
    start(cloud)
    assert cloud.table.pipeline().active == "r000002"
    # WHEN a person approves THEN the release goes on beside that run
    cloud.sagemaker.packages[0]["ModelApprovalStatus"] = "Approved"
    release(cloud)
    assert cloud.table.run("r000001").state is RunState.RELEASED
    assert cloud.table.pipeline().active == "r000002"


def test_a_person_who_rejects_ends_the_run(cloud, monkeypatch):
    monkeypatch.setenv("APPROVAL_MODE", "manual")
    ready_to_train(cloud)
    train(cloud)
    cloud.sagemaker.packages[0]["ModelApprovalStatus"] = "Rejected"
    cloud.call("register_model", approved(cloud))
    assert cloud.table.run("r000001").state is RunState.REJECTED


# -- update_endpoint and convert_firmware --------------------------------------------------------------------


def ready_to_release(cloud):
    ready_to_train(cloud)
    train(cloud)


def test_a_release_reaches_endpoint_and_boards(cloud):
    # GIVEN an approved model WHEN its events come, each twice
    ready_to_release(cloud)
    for _ in range(2):
        cloud.call("update_endpoint", approved(cloud))
        cloud.call("convert_firmware", approved(cloud))
    serve(cloud)
    serve(cloud)
    # THEN the endpoint serves it
    run = cloud.table.run("r000001")
    assert run.state is RunState.RELEASED
    assert cloud.sagemaker.endpoint["EndpointConfigName"] == "earshot-1-0-1"
    assert cloud.sagemaker.count("CreateEndpoint") == 1
    environment = cloud.sagemaker.models["earshot-1-0-1"]["PrimaryContainer"]["Environment"]
    assert environment["EARSHOT_VERSION"] == "1.0.1"
    # AND every board is offered its image, which is what the record says
    for board in BOARDS:
        document = json.loads(cloud.s3.get_object(Bucket="releases", Key=f"{board}/ota_update.json")["Body"].read())
        image = cloud.s3.get_object(Bucket="releases", Key=document["File"][1:])["Body"].read()
        assert (document["Board"], document["Version"], document["Size"]) == (board, "1.0.1", str(len(image)))
        assert document["Sha256"] == hashlib.sha256(image).hexdigest()
        record = json.loads(cloud.s3.get_object(Bucket="releases", Key=f"1.0.1/{board}/release.json")["Body"].read())
        for path, digest in record["sha256"].items():
            content = cloud.s3.get_object(Bucket="releases", Key=f"1.0.1/{board}/{path}")["Body"].read()
            assert hashlib.sha256(content).hexdigest() == digest


def test_publishing_again_leaves_a_release_as_it_is(cloud):
    # GIVEN a published release WHEN it is published again, though signatures differ every time
    ready_to_release(cloud)
    cloud.call("convert_firmware", approved(cloud))
    before = {key: cloud.s3.head_object(Bucket="releases", Key=key)["ETag"] for key in cloud.keys("releases")}
    cloud.s3.delete_object(Bucket="releases", Key=f"1.0.1/{BOARDS[0]}/release.json")
    cloud.table.dynamodb.update_item(
        TableName="table", Key={"pk": {"S": "RUNS"}, "sk": {"S": "r000001"}},
        UpdateExpression="SET firmware_done = :no", ExpressionAttributeValues={":no": {"BOOL": False}},
    )  # fmt: skip
    cloud.call("convert_firmware", approved(cloud))
    # THEN images and documents are the same bytes
    after = {key: cloud.s3.head_object(Bucket="releases", Key=key)["ETag"] for key in cloud.keys("releases")}
    assert set(after) == set(before)
    assert {key for key in after if after[key] != before[key]} <= {f"1.0.1/{BOARDS[0]}/release.json"}


def test_a_lower_version_never_replaces_a_higher_one(cloud):
    # GIVEN boards that are offered 1.0.7 WHEN 1.0.1 is published THEN they still are, and the run is superseded
    ready_to_release(cloud)
    higher = json.dumps({"Version": "1.0.7"}).encode()
    for board in BOARDS:
        cloud.s3.put_object(Bucket="releases", Key=f"{board}/ota_update.json", Body=higher)
    cloud.call("convert_firmware", approved(cloud))
    assert cloud.s3.get_object(Bucket="releases", Key=f"{BOARDS[0]}/ota_update.json")["Body"].read() == higher
    assert cloud.table.run("r000001").state is RunState.SUPERSEDED


def test_two_versions_never_change_the_endpoint_at_once(cloud, monkeypatch):
    # GIVEN two versions approved one after the other while the endpoint is still being made
    monkeypatch.setenv("APPROVAL_MODE", "manual")
    ready_to_release(cloud)
    drop_words(cloud, start=10)
    start(cloud)
    preprocess(cloud, "r000002")
    train(cloud, "r000002")
    for package in cloud.sagemaker.packages:
        package["ModelApprovalStatus"] = "Approved"
    cloud.call("update_endpoint", approved(cloud, 1))
    cloud.call("update_endpoint", approved(cloud, 2))
    assert cloud.sagemaker.count("UpdateEndpoint") == 0
    # WHEN the first serves THEN the second follows
    serve(cloud)
    assert cloud.sagemaker.endpoint["EndpointConfigName"] == "earshot-1-0-2"
    assert cloud.sagemaker.endpoint["EndpointStatus"] == "Updating"
    serve(cloud)
    assert cloud.table.run("r000002").endpoint_done


def test_an_update_that_rolled_back_ends_the_run_and_cleans_up(cloud):
    # GIVEN an endpoint that serves 1.0.1 WHEN the update to 1.0.2 rolls back
    ready_to_release(cloud)
    release(cloud)
    drop_words(cloud, start=10)
    start(cloud)
    preprocess(cloud, "r000002")
    train(cloud, "r000002")
    cloud.call("update_endpoint", approved(cloud, 2))
    assert cloud.sagemaker.endpoint["EndpointStatus"] == "Updating"
    serve(cloud, EndpointConfigName="earshot-1-0-1", FailureReason="the container did not pass its ping")
    # THEN the run fails with the reason, the old version serves, the new one's model is gone
    run = cloud.table.run("r000002")
    assert run.state is RunState.FAILED
    assert "did not pass its ping" in run.reason
    assert set(cloud.sagemaker.models) == {"earshot-1-0-1"}
    assert cloud.table.pipeline().active == ""


def test_an_endpoint_that_cannot_be_made_ends_the_run(cloud):
    ready_to_release(cloud)
    cloud.call("update_endpoint", approved(cloud))
    serve(cloud, "Failed", FailureReason="no such image")
    assert cloud.table.run("r000001").state is RunState.FAILED
    assert cloud.sagemaker.endpoint is None
    assert cloud.sagemaker.models == {}


def test_without_an_endpoint_the_firmware_is_the_release(cloud, monkeypatch):
    monkeypatch.setenv("ENDPOINT_MODE", "none")
    ready_to_release(cloud)
    cloud.call("update_endpoint", approved(cloud))
    cloud.call("convert_firmware", approved(cloud))
    assert cloud.table.run("r000001").state is RunState.RELEASED
    assert cloud.sagemaker.models == {}


def test_realtime_updates_always_say_how_to_roll_back(cloud, monkeypatch):
    monkeypatch.setenv("ENDPOINT_MODE", "realtime")
    ready_to_release(cloud)
    release(cloud)
    drop_words(cloud, start=10)
    start(cloud)
    preprocess(cloud, "r000002")
    train(cloud, "r000002")
    cloud.call("update_endpoint", approved(cloud, 2))
    [request] = [request for operation, request in cloud.sagemaker.calls if operation == "UpdateEndpoint"]
    alarms = request["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    assert alarms == [{"AlarmName": "earshot-endpoint-errors"}]


def test_the_approval_may_be_told_before_the_registration_is_written(cloud):
    # GIVEN a package that exists though its run is still registering, as when the event is faster than the function
    ready_to_train(cloud)
    real = cloud.sagemaker._create_model_package

    class Crash(RuntimeError):
        pass

    def create_and_crash(self, operation, request):
        real(operation, request)
        raise Crash

    type(cloud.sagemaker)._create_model_package, saved = create_and_crash, type(cloud.sagemaker)._create_model_package
    try:
        with pytest.raises(Crash):
            train(cloud)
    finally:
        type(cloud.sagemaker)._create_model_package = saved
    assert cloud.table.run("r000001").state is RunState.REGISTERING
    # WHEN the approval's event comes THEN the release goes on
    cloud.call("convert_firmware", approved(cloud))
    assert cloud.table.run("r000001").firmware_done


# -- reconcile and notify ------------------------------------------------------------------------------------


def test_the_reconciler_asks_the_owners_of_open_runs(cloud):
    # GIVEN a run in training whose event was lost WHEN the clock ticks THEN its owners are asked
    ready_to_train(cloud)
    cloud.call("reconcile", {})
    request = {"source": "earshot.reconcile", "run": "r000001"}
    assert ("start_training", request) in cloud.invocations.asked
    assert ("register_model", request) in cloud.invocations.asked
    assert cloud.invocations.asked[-1][0] == "start_preprocessing"


def test_a_pipeline_that_lost_every_event_still_releases(cloud):
    # GIVEN clips, and jobs that complete, but not one event after the clips' WHEN the reconciler ticks
    drop_words(cloud)
    cloud.pass_time()
    for _ in range(12):
        cloud.call("reconcile", {})
        while cloud.invocations.asked:
            cloud.call(*cloud.invocations.asked.pop(0))
        if "earshot-r000001-preprocess" in cloud.sagemaker.processing and not cloud.sagemaker.training:
            preprocess(cloud, told=False)
        if cloud.sagemaker.endpoint:
            cloud.sagemaker.endpoint["EndpointStatus"] = "InService"
        run = cloud.table.recent_runs(1)
        if run and run[0].state is RunState.TRAINING:
            train(cloud, told=False)
    # THEN the run is released
    assert cloud.table.run("r000001").state is RunState.RELEASED
    assert cloud.sagemaker.count("CreateEndpoint") == 1


def test_a_stuck_run_is_ended(cloud):
    # GIVEN a run that is claimed since long ago WHEN the clock ticks THEN it fails and the slot is free
    drop_words(cloud)
    cloud.table.claim_run(cloud.table.pipeline(), at=1000.0)
    cloud.call("reconcile", {})
    run = cloud.table.run("r000001")
    assert run.state is RunState.FAILED
    assert run.announced
    assert cloud.table.pipeline().active == ""


def test_people_are_told_once(cloud, monkeypatch):
    # GIVEN a failed run WHEN its end comes twice THEN one message is sent
    sns = boto3.client("sns")
    queue = boto3.client("sqs").create_queue(QueueName="inbox")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    sns.subscribe(TopicArn=sns.list_topics()["Topics"][0]["TopicArn"], Protocol="sqs", Endpoint=arn)
    for _ in range(2):
        cloud.call("notify", event("run_ended"))
    sent = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert len(sent) == 1
    assert "run r000001 failed" in json.loads(sent[0]["Body"])["Subject"]


def test_a_decision_about_a_run_that_is_unknown_is_ignored(cloud):
    cloud.sagemaker.packages.append(
        {
            "ModelPackageArn": "arn:x",
            "ModelApprovalStatus": "Approved",
            "CustomerMetadataProperties": {"run": "r000042"},
        }
    )
    cloud.call("convert_firmware", changed("model_package_state_change", "ModelPackageArn", "arn:x"))
    assert cloud.keys("releases") == []


# -- rollback --------------------------------------------------------------------------------------------------


def test_a_rollback_releases_the_old_model_under_a_higher_version(cloud):
    # GIVEN two released versions, and a run that trains
    ready_to_release(cloud)
    release(cloud)
    drop_words(cloud, start=10)
    start(cloud)
    preprocess(cloud, "r000002")
    train(cloud, "r000002")
    release(cloud, 2)
    drop_words(cloud, start=20)
    start(cloud)
    # WHEN somebody goes back to the first
    told = cloud.call("rollback", {"version": "1.0.1"})
    assert told == {"version": "1.0.3", "run": "r000004"}
    release(cloud, 3)
    # THEN its model is out again as the highest version, and the run that trains still holds the slot
    run = cloud.table.run("r000004")
    assert (run.state, run.bundle) == (RunState.RELEASED, cloud.table.run("r000001").bundle)
    document = json.loads(cloud.s3.get_object(Bucket="releases", Key=f"{BOARDS[0]}/ota_update.json")["Body"].read())
    assert document["Version"] == "1.0.3"
    assert cloud.table.pipeline().active == "r000003"


@pytest.mark.parametrize("version", ["1.0.9", "2.0.0"])
def test_a_rollback_to_what_never_was_is_refused(cloud, version):
    with pytest.raises((LookupError, ValueError), match=version):
        cloud.call("rollback", {"version": version})
    assert cloud.table.recent_runs(5) == ()
