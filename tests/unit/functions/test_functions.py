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
from earshot_pipeline import naming
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


def read_json(cloud, key, bucket="data"):
    return json.loads(cloud.s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def request_of(cloud, run):
    """A run's CreateTrainingJob: its channels by name, and its hyperparameters."""
    request = cloud.sagemaker.training[f"earshot-{run}-train"]["Request"]
    channels = {each["ChannelName"]: each["DataSource"]["S3DataSource"] for each in request["InputDataConfig"]}
    values = {name: json.loads(value) for name, value in request["HyperParameters"].items()}
    return request, channels, values


def test_the_training_job_is_told_what_the_contract_says(cloud):
    # GIVEN a first run with noise and a test speaker's clip
    cloud.ingest(
        cloud.drop("clips/_background_noise_/tap.wav", clip(99, 20)),
        cloud.drop("clips/yes/s12_nohash_0.wav", clip(12)),
    )
    drop_words(cloud)
    start(cloud)
    preprocess(cloud)
    # WHEN training is asked for THEN it gets features, dataset and what streaming evaluation plays; nothing is empty
    request, channels, values = request_of(cloud, "r000001")
    assert set(channels) == {"features", "dataset", "audio"}
    assert channels["audio"] == {
        "S3DataType": "ManifestFile",
        "S3Uri": "s3://data/datasets/r000001/audio.manifest",
        "S3DataDistributionType": "FullyReplicated",
    }
    split = {f"yes/s{n}_nohash_0.wav": naming.split_of(f"s{n}") for n in (0, 1, 2, 12)}
    played = [name for name in sorted(split) if split[name] != "train"]
    assert played
    assert read_json(cloud, "datasets/r000001/audio.manifest") == [
        {"prefix": "s3://clips/clips/"}, "_background_noise_/tap.wav", *played
    ]  # fmt: skip
    # AND what a model may need, where it may begin, and when to stop
    assert values["budget"] == "flash=131072,arena=131072,instructions=40000000"
    assert (values["warm_start"], values["patience"]) == ("true", 0)
    assert "champion_uri" not in values
    assert request["TensorBoardOutputConfig"] == {"S3OutputPath": "s3://data/tensorboard"}


def test_recordings_that_were_deleted_since_are_not_asked_for(cloud):
    # GIVEN a dataset with noise that somebody deletes while it is preprocessed
    cloud.ingest(cloud.drop("clips/_background_noise_/tap.wav", clip(99, 20)))
    drop_words(cloud)
    start(cloud)
    for key in cloud.keys("clips"):
        cloud.s3.delete_object(Bucket="clips", Key=key)
    # WHEN training is asked for THEN it plays nothing, and its job has no channel that would find nothing
    preprocess(cloud)
    assert "audio" not in request_of(cloud, "r000001")[1]
    assert "datasets/r000001/audio.manifest" not in cloud.keys("data")


def released_run(cloud, number=1):
    """A run from clips to boards."""
    run = f"r{number:06d}"
    drop_words(cloud, start=100 * number)
    start(cloud)
    preprocess(cloud, run)
    train(cloud, run)
    release(cloud, len(cloud.sagemaker.packages))
    assert cloud.table.run(run).state is RunState.RELEASED
    return run


def next_training(cloud, number=2):
    """Another run, up to its training job; its request."""
    drop_words(cloud, start=100 * number)
    start(cloud)
    preprocess(cloud, f"r{number:06d}")
    return request_of(cloud, f"r{number:06d}")


def test_a_new_model_meets_the_released_one(cloud):
    # GIVEN a released model WHEN the next run trains
    released_run(cloud)
    champion = cloud.table.run("r000001").bundle
    _, channels, values = next_training(cloud)
    # THEN the released bundle is a channel of its job
    assert channels["champion"]["S3Uri"] == values["champion_uri"] == champion
    assert channels["champion"]["S3DataType"] == "S3Prefix"
    assert cloud.table.run("r000002").champion == champion


def test_the_champion_stays_though_another_version_is_released_meanwhile(cloud):
    # GIVEN a run whose preprocessing is completed, and whose training job could not be made
    released_run(cloud)
    drop_words(cloud, start=200)
    start(cloud)
    real = type(cloud.sagemaker)._create_training_job

    def refuse(self, operation, request):
        raise ConnectionError

    type(cloud.sagemaker)._create_training_job = refuse
    try:
        with pytest.raises(ConnectionError):
            preprocess(cloud, "r000002")
    finally:
        type(cloud.sagemaker)._create_training_job = real
    # WHEN the released bundle is removed before the reconciler asks for that job again
    champion = cloud.table.run("r000001").bundle
    cloud.s3.put_object(Bucket="data", Key="models/other/output/model.tar.gz", Body=b"of another version")
    cloud.table.dynamodb.update_item(
        TableName="table", Key={"pk": {"S": "RUNS"}, "sk": {"S": "r000001"}},
        UpdateExpression="SET bundle = :b", ExpressionAttributeValues={":b": {"S": "s3://data/models/other/output/model.tar.gz"}},
    )  # fmt: skip
    cloud.call("start_training", {"source": "earshot.reconcile", "run": "r000002"})
    # THEN it is the job that was decided on
    assert request_of(cloud, "r000002")[2]["champion_uri"] == champion


@pytest.mark.parametrize("why", ["other keywords", "bundle gone"])
def test_what_cannot_be_compared_with_is_no_champion(cloud, why, monkeypatch):
    # GIVEN a released model that knows other words, or whose bundle was deleted
    released_run(cloud)
    if why == "other keywords":
        monkeypatch.setenv("KEYWORDS", "yes,no,up")
    else:
        cloud.s3.delete_object(Bucket="data", Key="models/earshot-r000001-train/output/model.tar.gz")
    # WHEN the next run trains THEN there is neither channel nor address
    _, channels, values = next_training(cloud)
    assert "champion" not in channels
    assert "champion_uri" not in values


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
    assert "arena bytes 200000 misses 131072 by 68928" in run.reason
    assert cloud.sagemaker.packages[0]["ModelApprovalStatus"] == "Rejected"
    assert cloud.table.pipeline().active == ""
    start(cloud)
    assert len(cloud.sagemaker.processing) == 1


def test_a_rejected_run_names_the_clips_that_its_model_missed(cloud):
    # GIVEN a model that hears too few of one word WHEN it is judged
    ready_to_train(cloud)
    metrics = bundles.card()["metrics"]
    metrics["test"]["recall"]["yes"] = 0.5
    train(cloud, metrics=metrics)
    # THEN the run's reason names gate, gap and clip, and its record keeps them for the command line
    run = cloud.table.run("r000001")
    assert run.reason == "gates not passed: recall of yes 0.5 misses 0.7 by 0.2 (clips/yes/s9_nohash_0.wav)"
    [missed] = [verdict for verdict in run.verdicts if not verdict.passed]
    assert missed.clips == ("clips/yes/s9_nohash_0.wav",)


def test_a_long_training_fits_into_the_table_and_says_what_is_left_out(cloud):
    # GIVEN a card whose history has a thousand epochs WHEN it is judged
    ready_to_train(cloud)
    epoch = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "seconds"), 0.123456789012)
    metrics = bundles.card()["metrics"] | {"history": [{"epoch": n, **epoch} for n in range(1000)]}
    train(cloud, metrics=metrics)
    # THEN the table's card is without it and says so; the gates saw the whole
    run = cloud.table.run("r000001")
    assert run.state is RunState.RELEASING
    assert run.card["left_out"] == ["metrics.history"]
    assert "history" not in run.card["metrics"]
    assert run.card["metrics"]["test"]["accuracy"] == {"float": 0.91, "int8": 0.9}


def test_a_run_of_before_can_still_be_read(cloud):
    # GIVEN a run as the table had it before there were imports, champions and clips of verdicts
    released_run(cloud)
    cloud.table.dynamodb.update_item(
        TableName="table", Key={"pk": {"S": "RUNS"}, "sk": {"S": "r000001"}},
        UpdateExpression="REMOVE imported, dataset_of, champion SET verdicts = :v",
        ExpressionAttributeValues={
            ":v": {"L": [{"M": {"gate": {"S": "accuracy"}, "value": {"N": "0.9"}, "limit": {"N": "0.8"},
                                "passed": {"BOOL": True}}}]}
        },
    )  # fmt: skip
    # WHEN it is read THEN what it does not say is empty
    run = cloud.table.run("r000001")
    assert (run.imported, run.dataset, run.champion) == ("", "r000001", "")
    assert str(run.verdicts[0]) == "accuracy 0.9 keeps 0.8"
    # AND it can be rolled back to
    assert cloud.call("rollback", {"version": "1.0.1"})["version"] == "1.0.2"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"origin": "imported"}, "its origin is imported"),
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
    # AND its report is a page that browsers show, and the model package leads to it
    page = cloud.s3.head_object(Bucket="releases", Key="1.0.1/report.html")
    assert page["ContentType"] == "text/html; charset=utf-8"
    told = cloud.sagemaker.packages[0]["CustomerMetadataProperties"]
    assert told["report_html"] == "s3://releases/1.0.1/report.html"
    assert told["evaluation_json"] == "s3://releases/1.0.1/evaluation.json"
    # AND every board is offered its image, which is what the record says
    for board in BOARDS:
        document = json.loads(cloud.s3.get_object(Bucket="releases", Key=f"{board}/ota_update.json")["Body"].read())
        image = cloud.s3.get_object(Bucket="releases", Key=document["File"][1:])["Body"].read()
        assert (document["Board"], document["Version"], document["Size"]) == (board, "1.0.1", str(len(image)))
        assert document["Sha256"] == hashlib.sha256(image).hexdigest()
        record = read_json(cloud, f"1.0.1/{board}/release.json", "releases")
        assert set(record["about"]) == {"1.0.1/report.html", "1.0.1/evaluation.json"}
        for key, digest in record["about"].items():
            content = cloud.s3.get_object(Bucket="releases", Key=key)["Body"].read()
            assert hashlib.sha256(content).hexdigest() == digest
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


# -- import_model ----------------------------------------------------------------------------------------------

SHA = "5" * 64


def upload_model(cloud, sha256=SHA, model=b"\x1c\0\0\0TFL3", **changes):
    record = {
        "schema": "earshot.import/1", "name": "mine.tflite", "labels": ["silence", "unknown", "yes", "no"],
        "frontend": FRONT_END, "sha256": sha256, **changes,
    }  # fmt: skip
    if model:
        cloud.s3.put_object(Bucket="data", Key=f"imports/{sha256}/model.tflite", Body=model)
    cloud.s3.put_object(Bucket="data", Key=f"imports/{sha256}/import.json", Body=json.dumps(record).encode())


def import_model(cloud, sha256=SHA):
    """Somebody calls the function; what it asks of others is asked."""
    answer = cloud.call("import_model", {**event("import_request"), "import": sha256})
    while cloud.invocations.asked:
        cloud.call(*cloud.invocations.asked.pop(0))
    return answer["run"]


LABELS_OF_ITS_OWN = {"labels": ["silence", "unknown", "yes", "no"], "origin": "imported"}


def test_an_imported_model_goes_the_way_of_others_without_training(cloud):
    # GIVEN a released model, and clips that wait WHEN somebody brings a model along, and asks twice
    released_run(cloud)
    drop_words(cloud, start=50)
    waiting = cloud.table.pipeline().arrivals
    upload_model(cloud)
    assert import_model(cloud) == import_model(cloud) == "r000002"
    # THEN its job has the model, the last dataset and the champion, and begins with nobody's weights
    _, channels, values = request_of(cloud, "r000002")
    assert channels["imported"] == {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://data/imports/{SHA}/",
        "S3DataDistributionType": "FullyReplicated",
    }
    assert channels["features"]["S3Uri"] == "s3://data/datasets/r000001/features.manifest"
    assert channels["dataset"]["S3Uri"] == values["dataset_uri"] == "s3://data/datasets/r000001/manifest.jsonl"
    assert channels["champion"]["S3Uri"] == cloud.table.run("r000001").bundle
    assert values["warm_start"] == "false"
    # AND it holds the slot; clips wait on
    assert cloud.table.pipeline().active == "r000002"
    assert cloud.table.pipeline().arrivals == waiting
    start(cloud)
    assert list(cloud.sagemaker.processing) == ["earshot-r000001-preprocess"]
    # AND a model with labels in its own order is released, while the next run still builds on the last dataset
    train(cloud, "r000002", **LABELS_OF_ITS_OWN)
    release(cloud, 2)
    run = cloud.table.run("r000002")
    assert (run.state, str(run.version), run.clips_new, run.clips_total) == (RunState.RELEASED, "1.0.2", 0, 3)
    assert cloud.table.pipeline().dataset == "r000001"
    # AND the clips that waited train now, against the imported model
    cloud.pass_time()
    cloud.call("start_preprocessing", event("run_ended"))
    assert cloud.table.run("r000003").clips_new == 3
    preprocess(cloud, "r000003")
    assert request_of(cloud, "r000003")[1]["champion"]["S3Uri"] == run.bundle
    # AND one may go back to it
    train(cloud, "r000003")
    release(cloud, 3)
    assert cloud.call("rollback", {"version": "1.0.2"})["version"] == "1.0.4"
    release(cloud, 4)
    assert cloud.table.run("r000004").bundle == run.bundle
    assert cloud.table.run("r000004").state is RunState.RELEASED


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_failed_import_keeps_no_clip_waiting(cloud, status):
    # GIVEN clips that wait, and an imported model
    released_run(cloud)
    drop_words(cloud, start=50)
    upload_model(cloud)
    import_model(cloud)
    before = cloud.table.pipeline()
    # WHEN its job fails
    train(cloud, "r000002", status=status, reason="AlgorithmError: the board has no TANH")
    # THEN the reason is told, the slot is free, and nothing pauses
    run = cloud.table.run("r000002")
    assert (run.state, run.announced) == (RunState.FAILED, True)
    assert "the board has no TANH" in run.reason
    after = cloud.table.pipeline()
    assert (after.active, after.arrivals, after.dataset) == ("", before.arrivals, "r000001")
    start(cloud)
    assert cloud.table.pipeline().active == "r000003"


def test_a_job_that_trained_instead_of_judging_fails_the_import(cloud):
    released_run(cloud)
    upload_model(cloud)
    import_model(cloud)
    train(cloud, "r000002")
    assert "its origin is trained" in cloud.table.run("r000002").reason


def test_an_imported_model_must_pass_the_gates(cloud):
    # GIVEN an imported model that was not heard on recordings WHEN it is judged THEN it does not go out
    released_run(cloud)
    upload_model(cloud)
    import_model(cloud)
    train(cloud, "r000002", metrics={**bundles.card()["metrics"], "streaming": None}, **LABELS_OF_ITS_OWN)
    run = cloud.table.run("r000002")
    assert run.state is RunState.REJECTED
    assert run.reason == "gates not passed: false alarms an hour was not measured (limit 60)"
    assert cloud.table.pipeline().dataset == "r000001"


def test_an_import_whose_job_was_never_asked_for_is_taken_up_by_the_reconciler(cloud):
    # GIVEN an import whose call to start_training was lost
    released_run(cloud)
    upload_model(cloud)
    cloud.call("import_model", {"import": SHA})
    cloud.invocations.asked.clear()
    assert "earshot-r000002-train" not in cloud.sagemaker.training
    # WHEN the clock ticks THEN its job is made
    cloud.call("reconcile", {})
    while cloud.invocations.asked:
        cloud.call(*cloud.invocations.asked.pop(0))
    assert "imported" in request_of(cloud, "r000002")[1]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"model": b""}, f"s3://data/imports/{SHA}/model.tflite is not there"),
        ({"schema": "earshot.import/2"}, "not earshot.import/1"),
        ({"labels": ["yes", "unknown", "silence"]}, "labels lack no, which this stack needs"),
        ({"labels": ["yes", "no", "no", "unknown", "silence"]}, "not a list of different words"),
        ({"labels": "yes"}, "not a list of different words"),
        ({"frontend": "macro-00000000"}, "front end macro-00000000 is unknown; this stack's is micro-"),
    ],
)
def test_an_import_that_cannot_be_is_refused_in_words(cloud, changes, fault):
    released_run(cloud)
    upload_model(cloud, **changes)
    with pytest.raises(ValueError, match=fault):
        import_model(cloud)
    assert len(cloud.table.recent_runs(5)) == 1
    assert cloud.table.pipeline().active == ""


@pytest.mark.parametrize("request_", [{}, {"import": "5" * 63}, {"import": "../" + "5" * 61}, {"import": SHA, "x": 1}])
def test_a_request_of_another_form_starts_nothing(cloud, request_):
    released_run(cloud)
    with pytest.raises(ValueError, match=r"import|x"):
        cloud.call("import_model", request_)
    assert cloud.table.pipeline().active == ""


def test_an_event_of_before_imports_is_still_told(cloud):
    # GIVEN a run's end as an older stack announced it WHEN it is told THEN people read it
    old = event("run_ended")
    del old["detail"]["imported"]
    queue = boto3.client("sqs").create_queue(QueueName="inbox")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    topic = boto3.client("sns").list_topics()["Topics"][0]["TopicArn"]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    cloud.call("notify", old)
    [sent] = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert "Clips: 3 new, 9 in all." in json.loads(sent["Body"])["Message"]


def test_a_dataset_of_another_front_end_judges_no_model(cloud):
    # GIVEN a last dataset whose features another front end computed WHEN a model is imported THEN it is refused
    released_run(cloud)
    cloud.table.dynamodb.update_item(
        TableName="table", Key={"pk": {"S": "RUNS"}, "sk": {"S": "r000001"}},
        UpdateExpression="SET card.frontend = :f", ExpressionAttributeValues={":f": {"S": "micro-00000000"}},
    )  # fmt: skip
    upload_model(cloud)
    with pytest.raises(ValueError, match="features of front end micro-00000000, the stack now has micro-"):
        import_model(cloud)


def test_an_import_waits_for_no_run_and_needs_a_dataset(cloud):
    # GIVEN no dataset, then an active run, then a failed one WHEN a model is imported THEN each time the refusal says
    # what is in the way
    upload_model(cloud)
    with pytest.raises(ValueError, match="there is no dataset yet"):
        import_model(cloud)
    drop_words(cloud)
    start(cloud)
    with pytest.raises(ValueError, match=r"run r000001 is active \(preprocessing\)"):
        import_model(cloud)
    preprocess(cloud)
    train(cloud, status="Failed")
    with pytest.raises(ValueError, match="there is no dataset yet"):
        import_model(cloud)


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
