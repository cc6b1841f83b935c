"""What the tests of the jobs share: the package on the path, and a small dataset, preprocessed."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
sys.path[:0] = [str(REPOSITORY / "jobs"), str(REPOSITORY / "jobs" / "serve"), str(HERE)]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def preprocessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset, preprocessed: folders `input` and `features`."""
    import preprocess
    from kws import features
    from made_clips import lay_out, small_clips

    root = tmp_path_factory.mktemp("preprocessed")
    inputs = lay_out(root / "input", small_clips())
    (inputs / "dataset" / "manifest.jsonl").write_bytes((inputs / "dataset" / "new.jsonl").read_bytes())
    settings = preprocess.Settings("r000001", features.MICRO, 1, 1, "algo-1", ("algo-1",), 1)
    preprocess.preprocess(settings, inputs, root / "features")
    return root
