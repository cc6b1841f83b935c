"""The functions against an AWS in memory: moto for what it does well, a SageMaker of our own for jobs.

moto's SageMaker completes jobs at once, takes a job's name twice and knows no UpdateEndpoint; `SageMaker` below keeps
the rules that the pipeline relies on, and validates every request against botocore's model of the service.
"""

import importlib.util
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

ROOT = Path(__file__).parents[3]

REGION = "us-east-1"
BOARDS = ("CY8CPROTO_062_4343W", "CY8CKIT_062S2_43012")
_ARN = f"arn:aws:sagemaker:{REGION}:123456789012:"


def _fault(code, message, operation):
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class SageMaker:
    """Jobs, packages and endpoint by SageMaker's rules; jobs go on when the test says so."""

    def __init__(self):
        self.processing, self.training, self.packages = {}, {}, []
        self.models, self.configs, self.endpoint = {}, {}, None
        self.calls = []
        self._model = boto3.client("sagemaker", region_name=REGION).meta.service_model

    def __getattr__(self, name):
        operation = "".join(part.capitalize() for part in name.split("_"))
        act = getattr(type(self), "_" + name)

        def call(**request):
            report = ParamValidator().validate(request, self._model.operation_model(operation).input_shape)
            assert not report.has_errors(), report.generate_report()
            self.calls.append((operation, request))
            return act(self, operation, request)

        return call

    def count(self, operation):
        return sum(called == operation for called, _ in self.calls)

    def _create_processing_job(self, operation, request):
        name = request["ProcessingJobName"]
        if name in self.processing:
            raise _fault("ResourceInUse", f"{name} exists", operation)
        self.processing[name] = {"ProcessingJobName": name, "ProcessingJobStatus": "InProgress", "Request": request}
        return {}

    def _describe_processing_job(self, operation, request):
        try:
            return self.processing[request["ProcessingJobName"]]
        except KeyError:
            raise _fault("ResourceNotFound", "Could not find requested job", operation) from None

    def _create_training_job(self, operation, request):
        name = request["TrainingJobName"]
        if name in self.training:
            raise _fault("ResourceInUse", f"{name} exists", operation)
        self.training[name] = {"TrainingJobName": name, "TrainingJobStatus": "InProgress", "Request": request}
        return {}

    def _describe_training_job(self, operation, request):
        try:
            return self.training[request["TrainingJobName"]]
        except KeyError:
            raise _fault("ValidationException", "Requested resource not found.", operation) from None

    def _create_model_package(self, operation, request):
        for package in self.packages:
            if package["ClientToken"] == request["ClientToken"]:
                return {"ModelPackageArn": package["ModelPackageArn"]}
        arn = f"{_ARN}model-package/earshot/{len(self.packages) + 1}"
        self.packages.append({**request, "ModelPackageArn": arn})
        return {"ModelPackageArn": arn}

    def _describe_model_package(self, operation, request):
        return next(package for package in self.packages if package["ModelPackageArn"] == request["ModelPackageName"])

    def _create_model(self, operation, request):
        if request["ModelName"] in self.models:
            raise _fault("ValidationException", "Cannot create already existing model", operation)
        self.models[request["ModelName"]] = request
        return {}

    def _create_endpoint_config(self, operation, request):
        if request["EndpointConfigName"] in self.configs:
            raise _fault("ValidationException", "Cannot create already existing endpoint configuration", operation)
        self.configs[request["EndpointConfigName"]] = request
        return {}

    def _delete_model(self, operation, request):
        if self.models.pop(request["ModelName"], None) is None:
            raise _fault("ValidationException", "Could not find model", operation)
        return {}

    def _delete_endpoint_config(self, operation, request):
        if self.configs.pop(request["EndpointConfigName"], None) is None:
            raise _fault("ValidationException", "Could not find endpoint configuration", operation)
        return {}

    def _create_endpoint(self, operation, request):
        if self.endpoint is not None:
            raise _fault("ValidationException", "Cannot create already existing endpoint", operation)
        self.endpoint = {**request, "EndpointStatus": "Creating"}
        return {}

    def _describe_endpoint(self, operation, request):
        if self.endpoint is None:
            raise _fault("ValidationException", f'Could not find endpoint "{request["EndpointName"]}".', operation)
        return dict(self.endpoint)

    def _update_endpoint(self, operation, request):
        if self.endpoint["EndpointStatus"] != "InService":
            raise _fault("ValidationException", "Cannot update in-progress endpoint", operation)
        self.endpoint |= {"EndpointStatus": "Updating", "before": self.endpoint["EndpointConfigName"]} | request
        return {}

    def _delete_endpoint(self, operation, request):
        self.endpoint = None
        return {}


class Kms:
    """P-256 keys by id. moto hashes a digest once more before signing it, so its signatures verify nowhere else."""

    def __init__(self):
        self.keys = defaultdict(lambda: ec.generate_private_key(ec.SECP256R1()))
        self.signed = []

    def get_public_key(self, KeyId):
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return {"PublicKey": self.keys[KeyId].public_key().public_bytes(encoding, form)}

    def sign(self, KeyId, Message, MessageType, SigningAlgorithm):
        assert (MessageType, SigningAlgorithm, len(Message)) == ("DIGEST", "ECDSA_SHA_256", 32)
        self.signed.append(KeyId)
        return {"Signature": self.keys[KeyId].sign(Message, ec.ECDSA(utils.Prehashed(hashes.SHA256())))}


class Invocations:
    """Lambda, as far as the reconciler needs it: who was asked what."""

    def __init__(self):
        self.asked = []

    def invoke(self, FunctionName, InvocationType, Payload):
        assert InvocationType == "Event"
        self.asked.append((FunctionName, json.loads(Payload)))


class Context:
    """What Lambda hands to a function."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = f"arn:aws:lambda:{REGION}:123456789012:function:function"
    aws_request_id = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self):
        return 100_000


@dataclass
class Cloud:
    """The deployed stack, in memory."""

    sagemaker: SageMaker
    s3: Any
    table: Any
    clips: Any
    kms: Kms
    invocations: Invocations
    _handlers: dict = field(default_factory=dict)

    def call(self, function, event):
        """Call a function's handler."""
        if function not in self._handlers:
            path = ROOT / "functions" / function / "app.py"
            spec = importlib.util.spec_from_file_location(f"functions_{function}", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            self._handlers[function] = module.lambda_handler
        return self._handlers[function](event, Context())

    def drop(self, key, content, **more):
        """Put an object into the clips bucket; returns its Object Created event."""
        answer = self.s3.put_object(Bucket="clips", Key=key, Body=content, **more)
        self.sequence = getattr(self, "sequence", 0x617F08299329D189) + 1
        detail = {
            "key": key, "size": len(content), "version-id": answer["VersionId"], "sequencer": f"00{self.sequence:X}"
        }  # fmt: skip
        created = event("object_created")
        created["detail"]["object"] |= detail
        return created

    def ingest(self, *events):
        """Hand events to ingest_clips as one batch from the queue."""
        records = [
            {"messageId": f"m{n}", "receiptHandle": "r", "body": json.dumps(each), "attributes": {},
             "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:q",
             "awsRegion": REGION}
            for n, each in enumerate(events)
        ]  # fmt: skip
        return self.call("ingest_clips", {"Records": records})["batchItemFailures"]

    def pass_time(self):
        """The clips have been quiet for long enough."""
        self.table.dynamodb.update_item(
            TableName="table",
            Key={"pk": {"S": "PIPELINE"}, "sk": {"S": "PIPELINE"}},
            UpdateExpression="SET last_arrival = :old, first_arrival = :old",
            ExpressionAttributeValues={":old": {"N": "1000"}},
        )

    def keys(self, bucket, prefix=""):
        """Keys in a bucket."""
        return [item["Key"] for item in self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]


def event(name):
    """A fixture of tests/events."""
    return json.loads((ROOT / f"tests/events/{name}.json").read_text())


ENVIRONMENT = {
    "STACK": "earshot", "TABLE": "table", "CLIPS_BUCKET": "clips", "DATA_BUCKET": "data",
    "RELEASES_BUCKET": "releases", "RELEASES_DOMAIN": "d111.cloudfront.net", "BOARDS": ",".join(BOARDS),
    "QUIET_PERIOD_SECONDS": "60", "MAXIMUM_WAIT_SECONDS": "600", "MIN_NEW_CLIPS": "1",
    "SCHEDULE_GROUP": "earshot", "SCHEDULE_TARGET": "arn:aws:lambda:us-east-1:123456789012:function:start",
    "SCHEDULE_ROLE": "arn:aws:iam::123456789012:role/schedule",
    "SCHEDULE_DEAD_LETTERS": "arn:aws:sqs:us-east-1:123456789012:dead",
    "TRAINING_IMAGE": "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-cpu-py312",
    "SERVING_IMAGE": "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.20-cpu-py312",
    "PROCESSING_ROLE": "arn:aws:iam::123456789012:role/processing", "PROCESSING_INSTANCE": "ml.c5.xlarge",
    "PROCESSING_INSTANCES": "4", "PROCESSING_SECONDS": "7200",
    "TRAINING_ROLE": "arn:aws:iam::123456789012:role/training", "TRAINING_INSTANCE": "ml.c5.2xlarge",
    "TRAINING_SECONDS": "14400", "SPOT": "true", "FRONTEND": "micro", "COPIES": "3", "ARCHITECTURE": "tiny_conv",
    "KEYWORDS": "yes,no", "EPOCHS": "24", "SAMPLES_PER_EPOCH": "20480", "BATCH_SIZE": "128",
    "LEARNING_RATE": "0.002", "SEED": "1", "MODEL_PACKAGE_GROUP": "earshot", "APPROVAL_MODE": "auto",
    "MIN_ACCURACY": "0.8", "MIN_RECALL": "0.7", "MAX_FALSE_ALARM_RATE": "0.1", "MAX_INT8_DROP": "0.02",
    "MAX_MODEL_BYTES": "131072", "MAX_ARENA_BYTES": "131072", "MAX_INSTRUCTIONS": "40000000",
    "MAX_FALSE_ALARMS_PER_HOUR": "60", "MAX_CHAMPION_LOSS": "0.02", "WARM_START": "true", "PATIENCE": "0",
    "ENDPOINT_MODE": "serverless", "TARGETS_KEYS": "targets", "ONLINE_KEYS": "online",
    "ROLLOUT_GROUPS": "100", "ROLLOUT_SUCCESS": "2", "ROLLOUT_ERRORS": "0.2", "ROLLOUT_MINIMUM": "3",
    "TARGETS_DAYS": "90", "SNAPSHOT_DAYS": "90", "TIMESTAMP_DAYS": "7",
    "SERVING_ROLE": "arn:aws:iam::123456789012:role/serving", "ENDPOINT_INSTANCE": "ml.c5.large",
    "ENDPOINT_INSTANCES": "2", "ENDPOINT_MEMORY": "3072", "ENDPOINT_ALARM": "earshot-endpoint-errors",
    "POWERTOOLS_SERVICE_NAME": "earshot", "POWERTOOLS_METRICS_NAMESPACE": "Earshot",
    "POWERTOOLS_TRACE_DISABLED": "true",
    **{
        f"{name}_FUNCTION": name.lower()
        for name in ("START_PREPROCESSING", "START_TRAINING", "REGISTER_MODEL", "UPDATE_ENDPOINT", "CONVERT_FIRMWARE")
    },
    "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
}  # fmt: skip
