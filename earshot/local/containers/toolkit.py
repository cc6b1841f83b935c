"""Script mode: what SageMaker's training toolkit does between the container's start and the user's script.

The toolkit is the entry point of the framework images. It fetches the
sources, tells the script about the job in `SM_…` variables and passes the
hyperparameters as arguments. A `requirements.txt` beside the script counts as
installed: the jobs' interpreter holds it.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import tarfile
from typing import Any

from earshot.local.containers.sandbox import Room
from earshot.local.containers.storage import DataError, Storage, parse_uri

CODE = "/opt/ml/code"


class ToolkitError(Exception):
    """The job does not say which script to run, or its sources are not there."""


def decoded(hyperparameters: dict[str, str]) -> dict[str, Any]:
    """Decode hyperparameters as the toolkit does: JSON where a value is JSON, else the text itself."""
    values: dict[str, Any] = {}
    for name, text in hyperparameters.items():
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def arguments(values: dict[str, Any]) -> list[str]:
    """Write hyperparameters as command line arguments, in order of name."""
    words: list[str] = []
    for name, value in sorted(values.items()):
        words.append(f"--{name}" if len(name) > 1 else f"-{name}")
        pairs = isinstance(value, dict)
        words.append(",".join(f"{key}={member}" for key, member in sorted(value.items())) if pairs else str(value))
    return words


def fetch_sources(storage: Storage, address: str, room: Room) -> None:
    """Unpack `sagemaker_submit_directory` into /opt/ml/code.

    Args:
        storage: the account's S3.
        address: an S3 address, or a path below /opt/ml (sources that came as a channel).
        room: the container's folders.

    Raises:
        ToolkitError: nothing there, or no tar archive.
    """
    try:
        content = (
            storage.read(*parse_uri(address)) if address.startswith("s3://") else room.outside(address).read_bytes()
        )
    except (DataError, OSError, ValueError) as error:
        raise ToolkitError(f"cannot fetch sagemaker_submit_directory {address}: {error}") from None
    folder = room.outside(CODE)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ToolkitError(f"{address} is not a tar archive of sources: {error}") from None


def script_command(room: Room, program: str, values: dict[str, Any]) -> list[str]:
    """Give the command that runs the user's script.

    Raises:
        ToolkitError: the script is not among the sources.
    """
    if not (room.outside(CODE) / program).is_file():
        raise ToolkitError(f"sagemaker_program {program} is not in sagemaker_submit_directory")
    words = arguments(values)
    if program.endswith(".py"):
        return ["python3", program, *words]
    return ["/bin/sh", "-c", shlex.join([f"./{program}", *words])]


def variables(
    job: dict[str, Any], host: str, hosts: list[str], values: dict[str, Any], channels: list[str]
) -> dict[str, str]:
    """Give the `SM_…` environment of a script.

    Args:
        job: the training job as described.
        host: this container's name.
        hosts: all containers' names.
        values: the user's decoded hyperparameters, without those that begin with `sagemaker_`.
        channels: names of the input channels.
    """
    hyperparameters = job.get("HyperParameters", {})
    program = str(hyperparameters.get("sagemaker_program", "")).strip('"')
    sources = str(hyperparameters.get("sagemaker_submit_directory", "")).strip('"')
    resources = {"current_host": host, "hosts": hosts, "network_interface_name": "lo"}
    told: dict[str, Any] = {
        "additional_framework_parameters": {},
        "channel_input_dirs": {name: f"/opt/ml/input/data/{name}" for name in channels},
        "current_host": host,
        "framework_module": "",
        "hosts": hosts,
        "hyperparameters": values,
        "input_config_dir": "/opt/ml/input/config",
        "input_data_config": {name: {} for name in channels},
        "input_dir": "/opt/ml/input",
        "is_master": host == hosts[0],
        "job_name": job["TrainingJobName"],
        "log_level": 20,
        "master_hostname": hosts[0],
        "model_dir": "/opt/ml/model",
        "module_dir": sources,
        "module_name": program.rsplit(".", 1)[0],
        "network_interface_name": "lo",
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": 0,
        "output_data_dir": "/opt/ml/output/data",
        "output_dir": "/opt/ml/output",
        "output_intermediate_dir": "/opt/ml/output/intermediate",
        "resource_config": resources,
        "user_entry_point": program,
    }
    environment = {f"SM_{name.upper()}": _text(value) for name, value in told.items()}
    environment |= {f"SM_CHANNEL_{name.upper()}": f"/opt/ml/input/data/{name}" for name in channels}
    environment |= {f"SM_HP_{name.upper()}": _text(value) for name, value in values.items()}
    environment |= {
        "SM_CHANNELS": _text(sorted(channels)),
        "SM_HPS": _text(values),
        "SM_USER_ARGS": _text(arguments(values)),
        "SM_FRAMEWORK_PARAMS": "{}",
        "SM_TRAINING_ENV": _text(told),
        "PYTHONPATH": CODE,
    }
    return environment


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
