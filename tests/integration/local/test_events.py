"""State changes reach the deployed rules, in AWS's shapes, some of them twice; and other deliveries behave as AWS's."""

import json
import time

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def inbox(cloud, name):
    """A rule on SageMaker's events of this test's resources, and the queue that it writes to."""
    return Inbox(cloud, name)


class Inbox:
    def __init__(self, cloud, name):
        self.cloud, self.name = cloud, name
        self.events, self.sqs = cloud.client("events"), cloud.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.queue = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.received = []

    def rule(self, pattern, allowed=True):
        rule = self.events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))["RuleArn"]
        queue = self.queue["Attributes"]["QueueArn"]
        self.events.put_targets(Rule=self.name, Targets=[{"Id": "queue", "Arn": queue}])
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule if allowed else rule + "-other"}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def read(self):
        while True:
            messages = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
            if not messages:
                return self.received
            for message in messages:
                self.received.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def wait_for(self, condition):
        return self.cloud.wait(lambda: [event for event in self.read() if condition(event)])


def run_training(cloud, name):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="s.tar.gz", Body=cloud.archive({"t.py": "print(1)"}))
    cloud.client("sagemaker").create_training_job(
        TrainingJobName=name,
        RoleArn=cloud.role(),
        AlgorithmSpecification={"TrainingImage": cloud.image, "TrainingInputMode": "File"},
        HyperParameters={"sagemaker_program": "t.py", "sagemaker_submit_directory": f"s3://{name}/s.tar.gz"},
        OutputDataConfig={"S3OutputPath": f"s3://{name}/models"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=[{"Key": "project", "Value": "earshot"}],
    )


def test_training_job_events(cloud, inbox, name):
    # GIVEN a rule WHEN a training job runs THEN an event tells of each of its states
    inbox.rule({"source": ["aws.sagemaker"], "detail": {"TrainingJobName": [{"prefix": name}]}})
    run_training(cloud, name)
    (event, *_) = inbox.wait_for(lambda event: event["detail"]["TrainingJobStatus"] == "Completed")
    assert event["detail-type"] == "SageMaker Training Job State Change"
    assert event["resources"] == [f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}"]
    detail = event["detail"]
    assert detail["Tags"] == {"project": "earshot"}
    assert detail["CreationTime"].isdigit()
    assert len(detail["CreationTime"]) == 13
    assert "ModelArtifacts" not in detail
    seen = [event["detail"]["SecondaryStatus"] for event in inbox.received]
    order = list(dict.fromkeys(seen))
    assert order == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    # AND what an event tells can already be described
    job = cloud.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed"


def test_some_events_come_twice(cloud, inbox, name):
    # WHEN a job goes through five states THEN at least one of its events is delivered again, word for word
    inbox.rule({"source": ["aws.sagemaker"], "detail": {"TrainingJobName": [name]}})
    run_training(cloud, name)
    inbox.wait_for(lambda event: event["detail"]["TrainingJobStatus"] == "Completed")
    cloud.wait(lambda: len(inbox.read()) > 5)
    details = [json.dumps(event["detail"], sort_keys=True) for event in inbox.received]
    assert len(set(details)) == 5
    assert len({event["id"] for event in inbox.received}) == len(inbox.received)


def test_processing_job_events(cloud, inbox, name):
    inbox.rule({"detail-type": ["SageMaker Processing Job State Change"], "detail": {"ProcessingJobName": [name]}})
    cloud.client("s3").create_bucket(Bucket=name)
    cloud.client("s3").put_object(Bucket=name, Key="m", Body=b'[{"prefix":"s3://x/"},"y"]')
    source = {"S3Uri": f"s3://{name}/m", "LocalPath": "/opt/ml/processing/x", "S3DataType": "ManifestFile"}
    cloud.client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        RoleArn=cloud.role(),
        AppSpecification={"ImageUri": cloud.image},
        ProcessingInputs=[{"InputName": "x", "S3Input": source}],
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}},
        Environment={"SECRET": "x"},
        Tags=[{"Key": "a", "Value": "b"}],
    )
    (event, *_) = inbox.wait_for(lambda event: event["detail"]["ProcessingJobStatus"] == "Failed")
    detail = event["detail"]
    assert "s3://x/y" in detail["FailureReason"]
    assert detail["ProcessingInputs"][0]["S3Input"]["S3DataType"] == "MANIFEST_FILE"
    assert detail["ProcessingInputs"][0]["S3Input"]["S3DataDistributionType"] == "FULLYREPLICATED"
    assert not {"Tags", "Environment"} & detail.keys()


def test_model_package_events(cloud, inbox, name):
    inbox.rule({"source": ["aws.sagemaker"], "detail": {"ModelPackageGroupName": [name]}})
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=name)
    arn = sagemaker.create_model_package(ModelPackageGroupName=name)["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    (event, *_) = inbox.wait_for(lambda event: event["detail"]["ModelApprovalStatus"] == "Approved")
    assert event["detail-type"] == "SageMaker Model Package State Change"
    assert event["detail"]["ModelPackageVersion"] == 1
    assert event["detail"]["UpdatedModelPackageFields"] == {"ModelApprovalStatus": "Approved"}
    assert inbox.received[0]["detail"]["ModelApprovalStatus"] == "PendingManualApproval"


def test_endpoint_events(cloud, inbox, name):
    inbox.rule({"detail-type": ["SageMaker Endpoint State Change"], "detail": {"EndpointName": [name]}})
    cloud.client("s3").create_bucket(Bucket=name)
    model = cloud.archive({"code/inference.py": "def handler(data, context): return b'{}', 'application/json'"})
    cloud.client("s3").put_object(Bucket=name, Key="m.tar.gz", Body=model)
    sagemaker = cloud.client("sagemaker")
    container = {"Image": cloud.serving_image, "ModelDataUrl": f"s3://{name}/m.tar.gz"}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=cloud.role(), PrimaryContainer=container)
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    variant = {"VariantName": "a", "ModelName": name, "ServerlessConfig": serverless}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    (event, *_) = inbox.wait_for(lambda event: event["detail"]["EndpointStatus"] == "IN_SERVICE")
    assert event["detail"]["EndpointConfigName"] == name
    assert inbox.received[0]["detail"]["EndpointStatus"] == "CREATING"
    sagemaker.delete_endpoint(EndpointName=name)
    inbox.wait_for(lambda event: event["detail"]["EndpointStatus"] == "DELETING")


def test_queue_policy_is_respected(cloud, inbox, name):
    # GIVEN a queue whose policy names another rule WHEN an event matches THEN it is not delivered
    inbox.rule({"source": ["earshot.test"]}, allowed=False)
    entry = {"Source": "earshot.test", "DetailType": name, "Detail": "{}"}
    inbox.events.put_events(Entries=[entry])
    time.sleep(1)
    assert inbox.read() == []
    inbox.rule({"source": ["earshot.test"]})
    inbox.events.put_events(Entries=[entry])
    inbox.wait_for(lambda event: event["detail-type"] == name)


def test_nobody_else_speaks_for_sagemaker(cloud):
    entry = {"Source": "aws.sagemaker", "DetailType": "SageMaker Training Job State Change", "Detail": "{}"}
    answer = cloud.client("events").put_events(Entries=[entry])
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


def test_s3_events_tell_the_version(cloud, inbox, name):
    # GIVEN a versioned bucket that tells EventBridge
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    inbox.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [name]}}})
    # WHEN objects with odd names are put THEN each event has key, version and a sequencer that grows
    keys = [f"clips/yes/é ü+{n}.wav" for n in range(5)]
    versions = [s3.put_object(Bucket=name, Key=key, Body=b"x")["VersionId"] for key in keys]
    cloud.wait(lambda: len(inbox.read()) == 5)
    told = sorted((event["detail"]["object"] for event in inbox.received), key=lambda told: told["key"])
    assert [(one["key"], one["version-id"]) for one in told] == list(zip(keys, versions, strict=True))
    assert sorted(one["sequencer"] for one in told) == [one["sequencer"] for one in told]


def test_schedule_fires_within_a_second(cloud, inbox, name):
    # GIVEN a one-time schedule two seconds from now
    scheduler = cloud.client("scheduler")
    moment = time.time() + 2
    at = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(moment))
    request = {
        "Name": name,
        "ScheduleExpression": at,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {"Arn": inbox.queue["Attributes"]["QueueArn"], "RoleArn": cloud.role(), "Input": '{"quiet": true}'},
    }
    scheduler.create_schedule(**request)
    with pytest.raises(ClientError, match="ConflictException"):
        scheduler.create_schedule(**request)
    # THEN it fires in time, once, and is gone
    cloud.wait(inbox.read, 10)
    assert time.time() - moment < 2
    assert inbox.received == [{"quiet": True}]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        scheduler.get_schedule(Name=name)
