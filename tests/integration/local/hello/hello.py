"""Says which interpreter and which word it was given."""

import importlib.util
import os
import sys


def handler(event, _context):
    """Answer an HTTP API's request."""
    return {
        "name": event["pathParameters"]["name"],
        "word": os.environ["WORD"],
        "prefix": sys.prefix,
        "ministack": importlib.util.find_spec("ministack") is not None,
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
    }
