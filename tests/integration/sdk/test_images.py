"""The container images that the template pins are the ones that Amazon's SDK knows."""

import re
from pathlib import Path

import pytest
from sagemaker.core import image_uris

TEMPLATE = (Path(__file__).resolve().parents[3] / "template.yaml").read_text()


def default(parameter):
    return re.search(rf'^  {parameter}:\n    Type: String\n    Default: "?([^"\n]+)', TEMPLATE, re.MULTILINE)[1]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-2"])
@pytest.mark.parametrize(
    ("parameter", "scope", "repository"),
    [
        ("TrainingImageTag", "training", "tensorflow-training"),
        ("ServingImageTag", "inference", "tensorflow-inference"),
    ],
)
def test_pinned_images_are_in_the_sdks_tables(region, parameter, scope, repository):
    # GIVEN the tag that the template pins, e.g. 2.21-cpu-py312
    tag = default(parameter)
    version, _, python = tag.split("-")
    # WHEN the SDK is asked for that version
    known = image_uris.retrieve(
        "tensorflow", region, version=version, py_version=python, instance_type="ml.c5.xlarge", image_scope=scope
    )
    # THEN it names the image that the template puts together
    assert known.split(":")[0] == f"{default('ImageRegistry')}.dkr.ecr.{region}.amazonaws.com/{repository}"
    assert known.split(":")[1] == tag
