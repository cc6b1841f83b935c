"""What the command line hands to SAM."""

import pytest

from earshot import deploy
from earshot.errors import EarshotError
from earshot.target import Target


@pytest.fixture
def calls(monkeypatch):
    made = []
    monkeypatch.setattr(deploy, "_sam", lambda arguments, environment, say: made.append((arguments, environment)))
    return made


def test_a_parameter_does_not_lose_those_of_samconfig(calls):
    # GIVEN samconfig.toml's local environment, with its short quiet period
    # WHEN one more parameter is given
    deploy.deploy(Target(endpoint_url="http://127.0.0.1:1"), "local", {"Keywords": "up,down"}, print)
    # THEN both reach SAM, whose command line would otherwise replace the list as a whole
    ((arguments, environment),) = calls
    assert 'Keywords="up,down"' in arguments
    assert 'QuietPeriodSeconds="5"' in arguments
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"


def test_without_parameters_samconfig_is_left_to_sam(calls):
    deploy.deploy(Target(region="eu-central-1"), "prod", {}, print)
    ((arguments, environment),) = calls
    assert "--parameter-overrides" not in arguments
    assert environment["AWS_REGION"] == "eu-central-1"


def test_an_unknown_environment_is_refused(calls):
    with pytest.raises(EarshotError, match="default, prod, local"):
        deploy.deploy(Target(), "staging", {"Keywords": "up"}, print)
    assert calls == []


def test_only_the_local_cloud_gets_layers_for_this_machine(calls):
    deploy.build(Target(endpoint_url="http://127.0.0.1:1"))
    deploy.build(Target(region="eu-central-1"))
    here, aws = (environment for _, environment in calls)
    assert here["EARSHOT_BUILD_FOR"] == "host"
    assert "EARSHOT_BUILD_FOR" not in aws


def test_a_failing_sam_is_quoted(monkeypatch, tmp_path):
    failing = tmp_path / "sam"
    failing.write_text("#!/bin/sh\necho 'Error: no such bucket'\nexit 3\n")
    failing.chmod(0o755)
    monkeypatch.setattr(deploy, "program", lambda environment, name: failing)
    with pytest.raises(EarshotError, match=r"(?s)`sam build` failed.*no such bucket"):
        deploy.build(Target(region="eu-central-1"))
