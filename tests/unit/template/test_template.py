"""What the template promises: dead letters, least privilege, encryption, alarms, and the names that others read."""

import re
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "layers/jobs"))

# Actions that know no resources: AWS's authorisation reference says so of each.
WITHOUT_RESOURCES = {"ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as {function: argument}."""


def _short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _short_form)
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text(), Loader)
RESOURCES = TEMPLATE["Resources"]


def of_type(kind):
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] == kind}


WIRING = "\n".join(
    (ROOT / f"layers/pipeline/python/earshot_pipeline/{name}.py").read_text() for name in ("wiring", "tuf_wiring")
)
FUNCTIONS = of_type("AWS::Serverless::Function")


def function_statements(function):
    for policy in function["Properties"]["Policies"]:
        yield from policy["Statement"]


def role_statements():
    for role in of_type("AWS::IAM::Role").values():
        for policy in role["Properties"]["Policies"]:
            yield from policy["PolicyDocument"]["Statement"]


def listed(value):
    return value if isinstance(value, list) else [value]


def test_every_function_is_in_the_template_and_has_its_folder():
    # GIVEN the folders WHEN compared with the template THEN each function has one of its own
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert {function["Properties"]["CodeUri"] for function in FUNCTIONS.values()} == {
        f"functions/{folder}/" for folder in folders
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_a_role_log_and_alarm_of_its_own(name):
    # GIVEN a function WHEN it is looked at THEN its role is made from its own statements, its log group keeps for a
    # stated time, and an alarm watches its errors
    properties = FUNCTIONS[name]["Properties"]
    assert "Role" not in properties
    assert properties["LoggingConfig"]["LogGroup"] == {"Ref": f"{name}Logs"}
    assert RESOURCES[f"{name}Logs"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    alarm = RESOURCES[f"{name}Errors"]["Properties"]
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": name}}]
    assert alarm["AlarmActions"] == [{"Ref": "Topic"}]


def test_no_statement_has_a_star_where_a_resource_can_be_named():
    # GIVEN every statement of functions and roles WHEN read THEN actions are written out and resources named
    statements = [each for function in FUNCTIONS.values() for each in function_statements(function)]
    for statement in [*statements, *role_statements()]:
        actions = listed(statement["Action"])
        assert not any("*" in action for action in actions)
        if "*" in listed(statement["Resource"]):
            assert set(actions) <= WITHOUT_RESOURCES


def test_every_rule_has_dead_letters_and_says_how_often_it_retries():
    # GIVEN the rules and schedules WHEN read THEN each edge has a dead-letter queue and a retry policy
    edges = [target for rule in of_type("AWS::Events::Rule").values() for target in rule["Properties"]["Targets"]]
    for function in FUNCTIONS.values():
        for source in function["Properties"].get("Events", {}).values():
            if source["Type"] in ("EventBridgeRule", "ScheduleV2"):
                edges.append(source["Properties"])
            else:
                assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert len(edges) == 12
    for edge in edges:
        assert edge["DeadLetterConfig"] == {"Arn": {"GetAtt": "EventDeadLetters.Arn"}}
        assert edge["RetryPolicy"].keys() == {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"}
    failure = TEMPLATE["Globals"]["Function"]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert failure["Destination"] == {"GetAtt": "FunctionDeadLetters.Arn"}


def test_every_dead_letter_queue_has_an_alarm():
    queues = {name for name in of_type("AWS::SQS::Queue") if name.endswith("DeadLetters")}
    watched = {
        alarm["Properties"]["Dimensions"][0]["Value"]["GetAtt"].removesuffix(".QueueName")
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm["Properties"]["Namespace"] == "AWS/SQS"
    }
    assert watched == queues == {"ClipsDeadLetters", "EventDeadLetters", "FunctionDeadLetters"}


def test_the_clips_queue_outlasts_its_function():
    # GIVEN Lambda's rule WHEN compared THEN the visibility timeout is six times the function's
    timeout = FUNCTIONS["IngestClips"]["Properties"].get("Timeout", TEMPLATE["Globals"]["Function"]["Timeout"])
    assert RESOURCES["ClipsQueue"]["Properties"]["VisibilityTimeout"] == 6 * timeout
    source = FUNCTIONS["IngestClips"]["Properties"]["Events"]["Clips"]["Properties"]
    assert source["BatchSize"] > 10
    assert source["MaximumBatchingWindowInSeconds"] >= 1


@pytest.mark.parametrize("name", of_type("AWS::S3::Bucket"))
def test_buckets_are_private_encrypted_and_tls_only(name):
    properties = RESOURCES[name]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["BucketEncryption"]
    assert properties["LifecycleConfiguration"]["Rules"]
    statements = RESOURCES[f"{name}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statements[0]["Effect"] == "Deny"
    assert statements[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_people_hear_of_every_alarm():
    assert all(
        alarm["Properties"]["AlarmActions"] == [{"Ref": "Topic"}]
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
    )


def test_nothing_in_the_template_is_for_one_environment_only():
    # GIVEN the template WHEN its conditions are listed THEN they are whom to mail, and which keys there are
    assert set(TEMPLATE["Conditions"]) == {"HasEmail", "FirstUpdateKeys", "SecondUpdateKeys", "SecondIsNext"}
    assert not re.search(r"local(stack|host)|ministack|emulat", (ROOT / "template.yaml").read_text(), re.IGNORECASE)


@pytest.mark.parametrize("name", of_type("AWS::KMS::Key"))
def test_keys_sign_and_nothing_else_and_outlive_the_stack(name):
    key = RESOURCES[name]["Properties"]
    assert (key["KeySpec"], key["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"


@pytest.mark.parametrize(
    ("key", "signers"),
    [
        ("SigningKey", ["ConvertFirmware"]),
        ("FirstTargetsKey", ["ConvertFirmware"]),
        ("SecondTargetsKey", ["ConvertFirmware"]),
        ("FirstOnlineKey", ["ConvertFirmware", "RefreshTimestamp"]),
        ("SecondOnlineKey", ["ConvertFirmware", "RefreshTimestamp"]),
    ],
)
def test_each_key_is_used_by_whom_it_is_for(key, signers):
    # GIVEN every statement that lets somebody sign WHEN read THEN a key is named for its functions alone
    assert signers == [
        name
        for name, function in FUNCTIONS.items()
        if any(
            "kms:Sign" in listed(statement["Action"]) and f"'{key}.Arn'" in str(statement["Resource"])
            for statement in function_statements(function)
        )
    ]
    # AND nobody who registers, trains or serves may sign at all
    assert not any("kms:Sign" in listed(statement["Action"]) for statement in role_statements())


def test_gates_and_jobs_are_told_every_parameter_of_theirs():
    # GIVEN the parameters by their groups WHEN looked for THEN each is in a group, and each is used
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(TEMPLATE["Parameters"])
    text = (ROOT / "template.yaml").read_text().split("\nConditions:\n")[1]
    assert not [name for name in grouped if f"!Ref {name}" not in text and f"${{{name}}}" not in text]


@pytest.mark.parametrize(
    ("keywords", "taken"),
    [
        ("yes", True),
        ("yes,no", True),
        (",".join(f"w{n:02d}".ljust(22, "x") for n in range(30)), True),
        (",".join(f"w{n}" for n in range(38)), True),
        (",".join(f"w{n}" for n in range(39)), False),
        (",".join(f"w{n:02d}".ljust(32, "x") for n in range(30)), False),
        ("yes, no", False),
        ("Yes", False),
        ("", False),
    ],
)
def test_keywords_that_no_board_holds_are_not_deployed(keywords, taken):
    # GIVEN words WHEN they are a parameter THEN CloudFormation takes those that fit into a board's memory, and the
    # functions set the same limits
    parameter = TEMPLATE["Parameters"]["Keywords"]
    fits = len(keywords) <= int(parameter["MaxLength"])
    assert (fits and re.fullmatch(parameter["AllowedPattern"], keywords) is not None) is taken
    settings = (ROOT / "layers/pipeline/python/earshot_pipeline/settings.py").read_text()
    assert f"MAX_KEYWORDS_CHARACTERS = {parameter['MaxLength']}" in settings
    assert "MAX_KEYWORDS = 38" in settings


@pytest.mark.parametrize(
    ("groups", "taken"),
    [("100", True), ("5,25,100", True), ("", False), ("5", False), ("0,100", False), ("5, 100", False), ("101", False)],
)
def test_shares_of_boards_end_with_all_of_them(groups, taken):
    # GIVEN shares WHEN they are a parameter THEN CloudFormation takes those that end with everybody
    assert (re.fullmatch(TEMPLATE["Parameters"]["RolloutGroups"]["AllowedPattern"], groups) is not None) is taken


def allowed(statements, action):
    """What an action may be done to."""
    return {
        resource["Sub"] if isinstance(resource, dict) and "Sub" in resource else str(resource)
        for statement in statements
        if action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def test_the_training_job_may_read_its_channels_and_write_its_outputs():
    # GIVEN the request that training makes WHEN compared with its role THEN each address is allowed
    [policy] = RESOURCES["TrainingRole"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    reads, writes = allowed(statements, "s3:GetObject"), allowed(statements, "s3:PutObject")
    for prefix in ("code", "datasets", "features", "models", "imports", "checkpoints"):
        assert f"${{DataBucket.Arn}}/{prefix}/*" in reads
    assert "${ClipsBucket.Arn}/clips/*" in reads
    assert writes == {f"${{DataBucket.Arn}}/{prefix}/*" for prefix in ("models", "checkpoints", "tensorboard")}


def test_the_longest_keywords_leave_room_in_every_functions_environment():
    # GIVEN Lambda's 4 KB for a function's environment WHEN every value is long THEN it fits
    long = {"Keywords": "k" * 720, "Boards": "B" * 300}
    common = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    for name, function in FUNCTIONS.items():
        variables = {**common, **function["Properties"].get("Environment", {}).get("Variables", {})}
        size = 0
        for variable, value in variables.items():
            reference = value.get("Ref", "") if isinstance(value, dict) else ""
            guess = long.get(reference) or ("p" * 12 if reference in TEMPLATE["Parameters"] else "a" * 110)
            size += len(variable) + len(guess)
        assert size < 4096, name


def test_outputs_are_those_that_the_command_line_reads():
    contract = (ROOT / "docs/contracts.md").read_text()
    line = next(line for line in contract.splitlines() if line.startswith("Stack outputs"))
    assert set(re.findall(r"`([A-Z][A-Za-z]+)`", line)) == set(TEMPLATE["Outputs"])


def test_functions_set_what_they_read():
    # GIVEN a function's code and the modules that read settings for it WHEN compared with its environment
    common = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    for function in FUNCTIONS.values():
        properties = function["Properties"]
        code = (ROOT / properties["CodeUri"] / "app.py").read_text()
        read = set(re.findall(r'(?:text|number|integer|flag|environment, )\(?"([A-Z_]+)"', code))
        read |= {"KEYWORDS"} if "keywords()" in code else set()
        for maker in re.findall(r"wiring\.(\w+)\(environment", code):
            made = WIRING.split(f"def {maker}(")[1].split("\ndef ")[0]
            read |= set(re.findall(r'(?:text|number|integer|flag|environment, )\(?"([A-Z_]+)"', made))
        read |= {"BOARDS"} if "boards()" in code else set()
        if "rollout_groups" in code:
            read |= {"ROLLOUT_GROUPS", "ROLLOUT_SUCCESS", "ROLLOUT_ERRORS", "ROLLOUT_MINIMUM"}
        given = common | set(properties.get("Environment", {}).get("Variables", {}))
        # THEN nothing is missing
        assert read <= given


def test_the_jobs_archive_is_the_same_bytes_every_time(tmp_path):
    # GIVEN sources with caches, times and permissions of their own
    import pack

    for name in ("one", "other"):
        jobs = tmp_path / name
        for path in ("kws/a.py", "kws/__pycache__/a.pyc", "serve/inference.py", "tests/test_a.py"):
            (jobs / path).parent.mkdir(parents=True, exist_ok=True)
            (jobs / path).write_text(path)
        for path in ("preprocess.py", "train.py", "requirements.txt", "requirements.in"):
            (jobs / path).write_text(path)
    (tmp_path / "other/kws/a.py").chmod(0o700)
    (tmp_path / "other/kws/.cache.swp").touch()
    # WHEN they are packed THEN the archives are equal, and hold what containers need
    one, other = pack.pack(tmp_path / "one"), pack.pack(tmp_path / "other")
    assert one == other
    with tarfile.open(fileobj=BytesIO(one)) as archive:
        assert archive.getnames() == ["kws/a.py", "preprocess.py", "requirements.txt", "serve/inference.py", "train.py"]
    (tmp_path / "one/train.py").unlink()
    with pytest.raises(FileNotFoundError, match=r"train\.py: missing"):
        pack.pack(tmp_path / "one")
