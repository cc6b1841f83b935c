import os
import sys
import threading
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws

_HERE = Path(__file__).parent
for _path in (_HERE.parents[2] / "layers/pipeline/python", _HERE.parent / "pipeline", _HERE):
    sys.path.insert(0, str(_path))

from cloud import ENVIRONMENT, Cloud, Invocations, Kms, SageMaker  # noqa: E402


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    package = tmp_path / "earshot_jobs"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sourcedir.tar.gz").write_bytes(b"the jobs' sources")
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("earshot_jobs", None)
    one_at_a_time = threading.RLock()
    answer = BaseClient._make_api_call

    def answer_alone(*request):
        # moto copies its tables to undo a transaction, and other threads must not write meanwhile.
        with one_at_a_time:
            return answer(*request)

    monkeypatch.setattr(BaseClient, "_make_api_call", answer_alone)
    with mock_aws():
        from earshot_pipeline import aws, tuf_wiring, wiring
        from earshot_pipeline.settings import Environment
        from earshot_pipeline.sources import Sources
        from earshot_pipeline.storage import Bucket

        aws.client.cache_clear()
        Sources.of_layer.cache_clear()
        s3 = boto3.client("s3")
        for bucket in ("clips", "data", "releases"):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket="clips", VersioningConfiguration={"Status": "Enabled"})
        boto3.client("dynamodb").create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        boto3.client("scheduler").create_schedule_group(Name="earshot")
        monkeypatch.setenv("SIGNING_KEY", "key")
        monkeypatch.setenv("TOPIC", boto3.client("sns").create_topic(Name="topic")["TopicArn"])
        ours = {"sagemaker": SageMaker(), "kms": Kms(), "lambda": Invocations()}
        real = aws.client
        for module in (aws, tuf_wiring, wiring):
            monkeypatch.setattr(module, "client", lambda name: ours.get(name) or real(name))
        environment = Environment(os.environ)
        yield Cloud(ours["sagemaker"], s3, wiring.table(environment), Bucket(s3, "clips"), ours["kms"], ours["lambda"])
