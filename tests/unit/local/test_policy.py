"""Resource policies as a service principal meets them."""

import pytest

from earshot.local.policy import allows_service

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
RULE = "arn:aws:events:us-east-1:000000000000:rule/r"


def statement(**changes):
    return {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        **changes,
    }


def allowed(*statements):
    document = {"Statement": list(statements)}
    return allows_service(document, "events.amazonaws.com", "sqs:SendMessage", QUEUE, RULE)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, True),
        ({"Action": ["sqs:*"]}, True),
        ({"Action": "SQS:SENDMESSAGE"}, True),
        ({"Principal": {"Service": ["s3.amazonaws.com", "events.amazonaws.com"]}}, True),
        ({"Principal": "*"}, True),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": RULE}}}, True),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": RULE[:-1] + "*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}}, True),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": RULE + "x"}}}, False),
        ({"Condition": {"StringEquals": {"aws:PrincipalTag/x": "y"}}}, False),
        ({"Action": "sqs:ReceiveMessage"}, False),
        ({"Resource": QUEUE + "x"}, False),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
    ],
)
def test_one_statement(changes, verdict):
    assert allowed(statement(**changes)) is verdict


def test_deny_wins_unless_its_condition_is_not_met():
    deny_plain = statement(Effect="Deny", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert allowed(statement(), deny_plain)
    assert not allowed(statement(), statement(Effect="Deny"))
    assert not allowed(statement(), statement(Effect="Deny", Condition={"StringEquals": {"x:y": "z"}}))


def test_no_policy_allows_nothing():
    assert not allows_service(None, "events.amazonaws.com", "sqs:SendMessage", QUEUE, RULE)
