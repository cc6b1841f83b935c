"""Build and deploy the SAM application with SAM CLI, on AWS and on the local cloud alike."""

from __future__ import annotations

import subprocess
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
        environment.update(EARSHOT_BUILD_FOR="host", EARSHOT_BUILD_PYTHON=str(interpreter("lambda")))
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
        arguments += ["--parameter-overrides", *[f'{name}="{value}"' for name, value in parameters.items()]]
    _sam(arguments, target.environment, say)


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
    finally:
        if process.poll() is None and process.wait():
            raise EarshotError(f"`sam {arguments[0]}` failed:\n{''.join(lines[-40:])}")
    if process.returncode:
        raise EarshotError(f"`sam {arguments[0]}` failed:\n{''.join(lines[-40:])}")
