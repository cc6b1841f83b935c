"""Writes on a condition, which the update metadata rests upon: of several at once, one is done."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

WRITERS, ROUNDS = 8, 12


@pytest.fixture
def bucket(cloud, name):
    cloud.client("s3").create_bucket(Bucket=name)
    return name


def put(s3, bucket, key, body, **condition):
    """Whether it was written; anything else than a failed condition is a fault."""
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, **condition)
    except ClientError as fault:
        if fault.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
            raise
        return False
    return True


def test_of_many_who_write_what_is_not_there_one_does(cloud, bucket):
    # GIVEN several writers of the same absent objects WHEN all write at once, if nothing is there
    clients = [cloud.client("s3") for _ in range(WRITERS)]
    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            done = list(
                pool.map(
                    lambda index, key=f"{number}.json": put(
                        clients[index], bucket, key, b"%d" % index, IfNoneMatch="*"
                    ),
                    range(WRITERS),
                )
            )
            # THEN one of them has written, and what is there is its
            assert done.count(True) == 1
            body = clients[0].get_object(Bucket=bucket, Key=f"{number}.json")["Body"].read()
            assert body == b"%d" % done.index(True)


def test_nobody_overwrites_what_it_has_not_read(cloud, bucket):
    # GIVEN a counter in an object
    cloud.client("s3").put_object(Bucket=bucket, Key="count", Body=b"0")

    # WHEN several count at once, each writing only over what it has read
    def count(_):
        s3, counted = cloud.client("s3"), 0
        while counted < ROUNDS:
            there = s3.get_object(Bucket=bucket, Key="count")
            number = int(there["Body"].read()) + 1
            counted += put(s3, bucket, "count", b"%d" % number, IfMatch=there["ETag"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    # THEN nothing is lost
    assert cloud.client("s3").get_object(Bucket=bucket, Key="count")["Body"].read() == b"%d" % (4 * ROUNDS)


def test_a_condition_on_what_is_gone_fails_as_on_aws(cloud, bucket):
    with pytest.raises(ClientError) as refused:
        cloud.client("s3").put_object(Bucket=bucket, Key="gone", Body=b"", IfMatch='"0"')
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
