"""These tests belong to the SDK's environment; another interpreter, which lacks the SDK, leaves them to it."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("sagemaker") else ["test_*.py"]
