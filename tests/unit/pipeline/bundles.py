"""Model bundles for tests, as the training job would leave them."""

import io
import json
import tarfile

FRONT_END = "micro-5f3a90c1"
LABELS = ["yes", "no", "unknown", "silence"]


def card(model=b"", **changes):
    test = {
        "clips": 100,
        "accuracy": {"float": 0.91, "int8": 0.9},
        "recall": {"yes": 0.9, "no": 0.9},
        "precision": {"yes": 0.9, "no": 0.9},
        "confusion": {"labels": LABELS, "matrix": [[1, 0, 0, 0]] * 4},
        "false_alarm_rate": 0.01,
        "mistakes": [{"key": "clips/yes/s9_nohash_0.wav", "truth": "yes", "answer": "no", "score": 0.9}],
    }
    streaming = {"hours": 0.5, "words": 40, "misses": 4, "miss_rate": 0.1, "false_alarms": 1,
                 "false_alarms_per_hour": 2.0, "by_snr": []}  # fmt: skip
    return {
        "schema": "earshot.bundle/1",
        "architecture": "tiny_conv",
        "labels": LABELS,
        "frontend": FRONT_END,
        "dataset": {"manifest": "s3://data/datasets/r000001/manifest.jsonl", "sha256": "d" * 64, "clips": 4},
        "code_version": "0123456789ab",
        "model_bytes": len(model),
        "arena_bytes": 9648,
        "operators": ["CONV_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"],
        "origin": "trained",
        "cost": {"flash_bytes": len(model), "arena_bytes": 9648, "instructions": 2_400_000},
        "input": {"shape": [1, 49, 40, 1], "scale": 0.0039, "zero_point": -128},
        "output": {"shape": [1, 4], "scale": 0.0039, "zero_point": -128},
        "metrics": {"test": test, "streaming": streaming, "champion": None},
        "golden": 2,
        **changes,
    }


MODEL = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 10


def files(**changes):
    model = changes.pop("model", MODEL)
    return {
        "bundle.json": json.dumps(card(model, **changes)).encode(),
        "model.tflite": model,
        "model_float.tflite": model + bytes(100),
        "golden_x.bin": bytes(range(256))[:196] * 20,
        "golden_y.bin": bytes([0x80, 0x7F, 0, 1] * 2),
        "1/saved_model.pb": b"graph",
        "report.html": b"<!doctype html><title>Report</title>",
        "evaluation.json": b'{"schema":"earshot.evaluation/1"}',
    }


def archive(content, links=()):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return packed.getvalue()
