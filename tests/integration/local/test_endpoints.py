"""Models, endpoint configurations and endpoints: created, invoked, updated without a gap, failed, deleted."""

import json
import subprocess
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[3]
HANDLER = """
import json, os
def handler(data, context):
    body = data.read()
    if body == b"fail":
        raise ValueError("send a WAV")
    told = {"version": os.environ.get("EARSHOT_VERSION"), "bytes": len(body), "type": context.request_content_type,
            "accept": context.accept_header, "attributes": context.custom_attributes, "length": context.content_length}
    return json.dumps(told), "application/json"
"""
SAVED_MODEL = """
import sys, tensorflow as tf
class Scores(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="features")])
    def serve(self, features):
        return {"scores": features * 2.0}
model = Scores()
tf.saved_model.save(model, sys.argv[1], signatures={"serving_default": model.serve})
"""
THROUGH_MODEL = """
import json
def input_handler(data, context):
    rows = json.loads(data.read().decode())
    return json.dumps({"instances": rows})
def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode())
    return response.content, context.accept_header
"""


@pytest.fixture
def serving(cloud, name):
    serving = Serving(cloud, name)
    yield serving
    serving.clean()


class Serving:
    def __init__(self, cloud, name):
        self.cloud, self.name = cloud, name
        self.sagemaker, self.s3 = cloud.client("sagemaker"), cloud.client("s3")
        self.runtime = cloud.client("sagemaker-runtime")
        self.s3.create_bucket(Bucket=name)

    def model(self, version, files=None, **more):
        files = files or {"code/inference.py": HANDLER}
        self.s3.put_object(Bucket=self.name, Key=f"{version}.tar.gz", Body=self.cloud.archive(files))
        container = {
            "Image": self.cloud.serving_image,
            "ModelDataUrl": f"s3://{self.name}/{version}.tar.gz",
            "Environment": {"EARSHOT_VERSION": version},
        }
        name = f"{self.name}-{version}"
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.cloud.role(), PrimaryContainer=container)
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
            **more,
        }
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{k: v for k, v in variant.items() if v is not None}]
        )
        return name

    def realtime(self, version, count=2, files=None):
        return self.model(version, files, ServerlessConfig=None, InstanceType="ml.c5.large", InitialInstanceCount=count)

    def create(self, config):
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=config)
        return self.settle()

    def described(self):
        return self.sagemaker.describe_endpoint(EndpointName=self.name)

    def settle(self, seconds=60):
        def settled():
            endpoint = self.described()
            return endpoint if endpoint["EndpointStatus"] in {"InService", "Failed"} else None

        return self.cloud.wait(settled, seconds, 0.05)

    def invoke(self, body=b"RIFF", **more):
        answer = self.runtime.invoke_endpoint(EndpointName=self.name, Body=body, ContentType="audio/wav", **more)
        return json.loads(answer["Body"].read())

    def clean(self):
        for endpoint in self.sagemaker.list_endpoints(NameContains=self.name)["Endpoints"]:
            self.settle()
            self.sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])


def test_create_invoke_delete(serving):
    # WHEN an endpoint comes up THEN it answers through its handler, and says by which variant
    endpoint = serving.create(serving.model("1-0-1"))
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["ProductionVariants"][0]["CurrentServerlessConfig"]["MemorySizeInMB"] == 2048
    told = serving.invoke(b"RIFFxx", Accept="application/json", CustomAttributes="a=b")
    assert told == {
        "version": "1-0-1", "bytes": 6, "type": "audio/wav", "accept": "application/json", "attributes": "a=b",
        "length": 6,
    }  # fmt: skip
    answer = serving.runtime.invoke_endpoint(EndpointName=serving.name, Body=b"")
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    # WHEN it is deleted THEN it is gone, with its process
    serving.sagemaker.delete_endpoint(EndpointName=serving.name)
    with pytest.raises(ClientError, match=r"ValidationError.*not found"):
        serving.invoke()

    def gone():
        try:
            serving.described()
        except ClientError as error:
            return error.response["Error"]["Message"].startswith("Could not find endpoint")
        return False

    serving.cloud.wait(gone)


def test_handler_that_fails_is_a_model_error(serving):
    serving.create(serving.model("1"))
    with pytest.raises(ClientError) as failed:
        serving.invoke(b"fail")
    assert failed.value.response["Error"]["Code"] == "ModelError"
    assert failed.value.response["OriginalStatusCode"] == 500
    assert "send a WAV" in failed.value.response["OriginalMessage"]
    with pytest.raises(ClientError, match="larger than the maximum"):
        serving.invoke(b"0" * (6 * 1024 * 1024 + 1))
    # AND its traceback is in the endpoint's log
    logs, group = serving.cloud.client("logs"), f"/aws/sagemaker/Endpoints/{serving.name}"
    serving.cloud.wait(
        lambda: any(
            "ValueError: send a WAV" in e["message"] for e in logs.filter_log_events(logGroupName=group)["events"]
        )
    )


def test_saved_model_behind_handlers(serving, tmp_path):
    # GIVEN a SavedModel and handlers that go through TensorFlow Serving's REST interface
    subprocess.run(
        [ROOT / ".venv/jobs/bin/python", "-c", SAVED_MODEL, str(tmp_path / "1")], check=True, capture_output=True
    )
    files = {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    endpoint = serving.create(serving.model("tf", {**files, "code/inference.py": THROUGH_MODEL}))
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    # WHEN invoked THEN the model's answer comes back; what it cannot take is its error
    assert serving.invoke(b"[[1, 2, 3], [4, 5, 6]]") == {"predictions": [[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]]}
    for wrong in (b"[[1, 2]]", b"[]", b'"x"'):
        with pytest.raises(ClientError, match="ModelError"):
            serving.invoke(wrong)


@pytest.mark.parametrize(
    "files", [{"code/inference.py": "raise RuntimeError('broken')"}, {"code/inference.py": "x = 1"}]
)
def test_endpoint_that_does_not_come_up(serving, files):
    endpoint = serving.create(serving.model("bad", files))
    assert endpoint["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in endpoint["FailureReason"]
    with pytest.raises(ClientError, match="not found"):
        serving.invoke()


def test_update_leaves_no_gap(serving):
    # GIVEN an endpoint under constant requests
    serving.create(serving.model("1"))
    answers, ending = [], threading.Event()

    def ask():
        while not ending.is_set():
            answers.append(serving.invoke()["version"])

    asking = threading.Thread(target=ask)
    asking.start()
    # WHEN it is updated
    slow = {"code/inference.py": "import time; time.sleep(1)\n" + HANDLER}
    serving.sagemaker.update_endpoint(EndpointName=serving.name, EndpointConfigName=serving.model("2", slow))
    updating = serving.described()
    endpoint = serving.settle()
    time.sleep(0.3)
    ending.set()
    asking.join()
    # THEN the old one answered until the new one did
    assert updating["EndpointStatus"] == "Updating"
    assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == f"{serving.name}-2"
    assert endpoint["EndpointConfigName"] == f"{serving.name}-2"
    assert answers == sorted(answers)
    assert set(answers) == {"1", "2"}


def test_failed_update_keeps_the_old_one(serving):
    serving.create(serving.model("1"))
    bad = serving.model("2", {"code/inference.py": "raise RuntimeError('broken')"})
    # WHEN an update does not come up THEN the endpoint is InService as before
    serving.sagemaker.update_endpoint(EndpointName=serving.name, EndpointConfigName=bad)
    # AND while it is on its way, neither another update nor a delete is taken
    for call in (
        lambda: serving.sagemaker.update_endpoint(EndpointName=serving.name, EndpointConfigName=bad),
        lambda: serving.sagemaker.delete_endpoint(EndpointName=serving.name),
    ):
        with pytest.raises(ClientError, match=r"ValidationException.*Cannot update in-progress endpoint"):
            call()
    endpoint = serving.settle()
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == f"{serving.name}-1"
    assert "ping health check" in endpoint["FailureReason"]
    assert serving.invoke()["version"] == "1"


def routing(kind, **more):
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": 600, **more},
            "MaximumExecutionTimeoutInSeconds": 1800,
        }
    }


def test_canary_and_retained_deployment_config(serving):
    # GIVEN a fleet of two
    serving.create(serving.realtime("1"))
    canary = routing("CANARY", CanarySize={"Type": "CAPACITY_PERCENT", "Value": 50})
    update = serving.sagemaker.update_endpoint
    update(EndpointName=serving.name, EndpointConfigName=serving.realtime("2"), DeploymentConfig=canary)
    # WHEN half of the traffic goes to the canary THEN both answer, in equal shares
    serving.cloud.wait(lambda: {serving.invoke()["version"] for _ in range(2)} == {"1", "2"})
    shares = [serving.invoke()["version"] for _ in range(10)]
    assert shares.count("2") == 5
    endpoint = serving.settle()
    assert endpoint["LastDeploymentConfig"] == canary
    # WHEN the next update retains the configuration THEN it is there; by default it is lost
    update(EndpointName=serving.name, EndpointConfigName=serving.realtime("3"), RetainDeploymentConfig=True)
    assert serving.settle()["LastDeploymentConfig"] == canary
    update(EndpointName=serving.name, EndpointConfigName=serving.realtime("4"))
    assert "LastDeploymentConfig" not in serving.settle()


def test_alarm_rolls_back(serving):
    # GIVEN an alarm that rings
    cloudwatch = serving.cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=serving.name, MetricName="Errors", Namespace="x", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    serving.create(serving.realtime("1"))
    config = {
        **routing("ALL_AT_ONCE"),
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": serving.name}]},
    }
    serving.sagemaker.update_endpoint(
        EndpointName=serving.name, EndpointConfigName=serving.realtime("2"), DeploymentConfig=config
    )
    serving.cloud.wait(lambda: serving.invoke()["version"] == "2")
    cloudwatch.set_alarm_state(AlarmName=serving.name, StateValue="ALARM", StateReason="test")
    # THEN the update is rolled back
    endpoint = serving.settle()
    assert endpoint["EndpointConfigName"] == f"{serving.name}-1"
    assert serving.name in endpoint["FailureReason"]
    assert serving.invoke()["version"] == "1"


def test_weights_are_retained_on_request(serving):
    serving.create(serving.realtime("1"))
    desired = [{"VariantName": "AllTraffic", "DesiredWeight": 3.0, "DesiredInstanceCount": 4}]
    serving.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=serving.name, DesiredWeightsAndCapacities=desired
    )
    serving.sagemaker.update_endpoint(
        EndpointName=serving.name,
        EndpointConfigName=serving.realtime("2"),
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    variant = serving.settle()["ProductionVariants"][0]
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == (1.0, 4)


def test_references_to_what_is_not_there(serving):
    client, name = serving.sagemaker, serving.name
    role = serving.cloud.role()
    container = {"Image": serving.cloud.serving_image, "ModelDataUrl": f"s3://{name}/none.tar.gz"}
    variant = {"VariantName": "a", "ModelName": name, "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}
    for call, said in (
        (lambda: client.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer=container), "model data"),
        (lambda: client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant]), "find model"),
        (lambda: client.create_endpoint(EndpointName=name, EndpointConfigName=name), "endpoint configuration"),
        (lambda: client.update_endpoint(EndpointName=name, EndpointConfigName=name), "find endpoint"),
        (lambda: client.describe_model(ModelName=name), "Could not find model"),
        (lambda: client.delete_model(ModelName=name), "Could not find model"),
        (lambda: client.describe_endpoint_config(EndpointConfigName=name), "Could not find endpoint configuration"),
        (lambda: client.delete_endpoint_config(EndpointConfigName=name), "Could not find endpoint configuration"),
        (lambda: client.delete_endpoint(EndpointName=name), "Could not find endpoint"),
    ):
        with pytest.raises(ClientError, match=f"ValidationException.*{said}"):
            call()


def test_names_are_taken(serving):
    config = serving.model("1")
    serving.create(config)
    model = serving.sagemaker.describe_model(ModelName=config)
    described = serving.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    for call in (
        lambda: serving.sagemaker.create_model(
            ModelName=config, ExecutionRoleArn=model["ExecutionRoleArn"], PrimaryContainer=model["PrimaryContainer"]
        ),
        lambda: serving.sagemaker.create_endpoint_config(
            EndpointConfigName=config, ProductionVariants=described["ProductionVariants"]
        ),
        lambda: serving.sagemaker.create_endpoint(EndpointName=serving.name, EndpointConfigName=config),
    ):
        with pytest.raises(ClientError, match=r"ValidationException.*Cannot create already existing"):
            call()


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ([{"ServerlessConfig": {"MemorySizeInMB": 1500, "MaxConcurrency": 5}}], "MemorySizeInMB"),
        ([{"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 201}}], "less than or equal to 200"),
        ([{}], "InstanceType"),
        ([{"InstanceType": "ml.c5.large", "InitialInstanceCount": 1}] * 2, "unique"),
    ],
)
def test_configurations_that_sagemaker_refuses(serving, variants, said):
    model = serving.model("1")
    full = [{"VariantName": "a", "ModelName": model, **variant} for variant in variants]
    with pytest.raises(ClientError, match=f"ValidationException.*{said}"):
        serving.sagemaker.create_endpoint_config(EndpointConfigName=f"{model}-x", ProductionVariants=full)


def test_canary_needs_two_instances_and_no_serverless(serving):
    canary = routing("CANARY", CanarySize={"Type": "CAPACITY_PERCENT", "Value": 50})
    for config, said in ((serving.realtime("1", 1), "at least 2 instances"), (serving.model("2"), "ALL_AT_ONCE only")):
        with pytest.raises(ClientError, match=f"ValidationException.*{said}"):
            serving.sagemaker.create_endpoint(
                EndpointName=serving.name, EndpointConfigName=config, DeploymentConfig=canary
            )
