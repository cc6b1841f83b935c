"""The real `sam` against the local cloud: deployed, changed, deleted; and what was deployed works over HTTP."""

import http.client
import json
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent


class Stack:
    def __init__(self, cloud, folder):
        self.cloud, self.folder = cloud, folder
        self.cloudformation = cloud.client("cloudformation")

    def sam(self, *arguments):
        binary = ROOT / ".venv/sam/bin"
        environment = {**self.cloud.tool_environment(), "SAM_CLI_TELEMETRY": "0"}
        command = [binary / "sam", *arguments, "--region", "us-east-1"]
        told = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout + told.stderr
        return told.stdout

    def deploy(self, word):
        return self.sam(
            "deploy", "--template-file", "template.yaml", "--stack-name", "small", "--resolve-s3",
            "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset", "--parameter-overrides", f"Word={word}",
        )  # fmt: skip

    def output(self, name):
        (stack,) = self.cloudformation.describe_stacks(StackName="small")["Stacks"]
        return next(output["OutputValue"] for output in stack["Outputs"] if output["OutputKey"] == name)

    def hello(self):
        with urllib.request.urlopen(f"{self.output('Api')}/hello/ann") as answer:
            return json.load(answer)

    def get(self, path, method="GET", **headers):
        """Give status, headers and body of a request to the distribution."""
        self.connection.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = self.connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@pytest.fixture(scope="module")
def stack(cloud, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    shutil.copy(HERE / "template.yaml", folder)
    shutil.copytree(HERE / "hello", folder / "hello")
    stack = Stack(cloud, folder)
    stack.deploy("one")
    stack.connection = http.client.HTTPConnection(stack.output("Site"))
    s3 = cloud.client("s3")
    s3.put_object(Bucket=stack.output("Releases"), Key="index.html", Body=b"root", ContentType="text/html")
    s3.put_object(Bucket=stack.output("Releases"), Key="1.0.1/B 1/model.img", Body=bytes(range(256)) * 40)
    s3.put_object(Bucket=stack.output("Releases"), Key="empty", Body=b"")
    return stack


def test_http_api_reaches_the_function_in_its_own_interpreter(stack):
    # WHEN the API's address, as the stack gives it, is asked
    told = stack.hello()
    # THEN the function answers, in an interpreter without the emulator's packages
    assert (told["name"], told["word"], told["ministack"]) == ("ann", "one", False)
    assert told["prefix"] == str(ROOT / ".venv/lambda")
    assert told["endpoint"] == stack.cloud.url
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{stack.output('Api')}/nothing")


def test_model_package_group_is_made(stack):
    group = stack.cloud.client("sagemaker").describe_model_package_group(ModelPackageGroupName="small")
    tags = stack.cloud.client("sagemaker").list_tags(ResourceArn=group["ModelPackageGroupArn"])["Tags"]
    assert {"Key": "word", "Value": "one"} in tags


def test_distribution_gives_objects_and_parts_of_them(stack):
    path, whole = "/1.0.1/B%201/model.img", bytes(range(256)) * 40
    status, headers, body = stack.get(path)
    assert (status, body, headers["content-length"]) == (200, whole, "10240")
    assert "transfer-encoding" not in headers
    tag = headers["etag"]
    # conditions
    assert stack.get(path, If_None_Match=tag)[0] == 304
    assert stack.get(path, If_None_Match=f'"x", W/{tag}')[0] == 304
    assert stack.get(path, If_None_Match='"x"')[0] == 200
    assert stack.get(path, If_Modified_Since=headers["last-modified"])[0] == 304
    assert stack.get(path, If_Match='"x"')[0] == 412
    # ranges
    for asked, span, part in (
        ("bytes=0-4095", "bytes 0-4095/10240", whole[:4096]),
        ("bytes=8192-12287", "bytes 8192-10239/10240", whole[8192:]),
        ("bytes=10239-", "bytes 10239-10239/10240", whole[-1:]),
        ("bytes=-5", "bytes 10235-10239/10240", whole[-5:]),
    ):
        status, headers, body = stack.get(path, Range=asked)
        assert (status, headers["content-range"], body) == (206, span, part)
        assert headers["content-length"] == str(len(part))
    status, headers, body = stack.get(path, Range="bytes=10240-")
    assert (status, headers["content-range"], body) == (416, "bytes */10240", b"")
    for ignored in ("bytes=5-2", "items=0-1", "bytes=0-1,3-4", "bytes=-"):
        assert stack.get(path, Range=ignored)[0] == 200
    assert stack.get(path, Range="bytes=0-1", If_Range='"x"')[0] == 200
    assert stack.get(path, Range="bytes=0-1", If_Range=tag)[0] == 206
    assert stack.get("/empty", Range="bytes=0-0")[0] == 416


def test_distribution_refuses_what_cloudfront_refuses(stack):
    assert stack.get("/")[2] == b"root"
    status, headers, body = stack.get("/", method="HEAD")
    assert (status, headers["content-length"], body) == (200, "4", b"")
    assert stack.get("/index.html?x=y")[2] == b"root"
    # an object that is missing is a 403 where the policy does not let CloudFront list
    assert stack.get("/missing")[0] == 403
    assert stack.get("/../index.html")[0] == 403
    for method in ("POST", "PUT", "DELETE"):
        assert stack.get("/index.html", method=method)[0] == 403


def test_redeploy_and_delete(stack):
    # WHEN nothing changed THEN nothing happens; WHEN a parameter changed THEN the function has it, at the same address
    before = (stack.output("Api"), stack.output("Site"))
    assert "No changes to deploy" in stack.deploy("one")
    stack.deploy("two")
    assert stack.hello()["word"] == "two"
    assert (stack.output("Api"), stack.output("Site")) == before
    assert stack.get("/")[2] == b"root"
    # WHEN it is deleted THEN the group and the listener are gone
    site = stack.output("Site")
    s3 = stack.cloud.client("s3")
    bucket = stack.output("Releases")
    for key in ("index.html", "1.0.1/B 1/model.img", "empty"):
        s3.delete_object(Bucket=bucket, Key=key)
    stack.sam("delete", "--no-prompts", "--stack-name", "small")
    groups = stack.cloud.client("sagemaker").list_model_package_groups(NameContains="small")
    assert groups["ModelPackageGroupSummaryList"] == []

    def refused():
        try:
            http.client.HTTPConnection(site, timeout=1).request("GET", "/")
        except OSError:
            return True
        return False

    stack.cloud.wait(refused)
