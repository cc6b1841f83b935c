"""Build and deploy the SAM application with SAM CLI, on AWS and on the local cloud alike."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable

from earshot.errors import EarshotError
from earshot.project import ROOT, interpreter, program
from earshot.target import Target


def build(target: Target, say: Callable[[str], None] = lambda line: None) -> None:
    """`sam build`: layers for Lambda's processor, or for this machine's where the cloud is here.

    Raises:
        EarshotError: It fails; the message ends with what SAM said.
    """
    environment = target.environment
    if target.is_local:
        # The emulated Lambda runs in this machine's Python: layers must fit that.
        environment.update(EARSHOT_BUILD_FOR="host", PYTHON=str(interpreter("lambda")))
    _sam(["build"], environment, say)


def deploy(target: Target, config: str, parameters: dict[str, str], say: Callable[[str], None]) -> None:
    """`sam deploy` what was built.

    Args:
        target: The cloud.
        config: Environment in samconfig.toml: default, prod or local.
        parameters: Template parameters beside samconfig's.
        say: Called with each line of output.
    """
    arguments = ["deploy", "--config-env", config, "--stack-name", target.stack, "--no-fail-on-empty-changeset"]
    if parameters:
        # What the command line gives replaces samconfig's list as a whole: it is taken along.
        merged = {**_configured(config), **parameters}
        arguments += ["--parameter-overrides", *[f'{name}="{value}"' for name, value in merged.items()]]
    _sam(arguments, target.environment, say)


def _configured(config: str) -> dict[str, str]:
    """Template parameters that samconfig.toml gives an environment."""
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
    if config not in environments:
        raise EarshotError(f"samconfig.toml has no environment {config}; it has {', '.join(list(environments)[1:])}")
    overrides = environments[config].get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    return dict(override.split("=", 1) for override in overrides)


def _sam(arguments: list[str], environment: dict[str, str], say: Callable[[str], None]) -> None:
    process = subprocess.Popen(
        [str(program("sam", "sam")), *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            say(line.rstrip())
    except BaseException:  # Ctrl-C: SAM ends with us
        process.terminate()
        process.wait()
        raise
    if process.wait():
        raise EarshotError(f"`sam {arguments[0]}` failed:\n{''.join(lines[-40:])}")
