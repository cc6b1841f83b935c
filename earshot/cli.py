"""The `earshot` command: what people type, and what it prints."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import botocore.exceptions
import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from earshot import (
    board,
    datasets,
    device,
    devices,
    doctor,
    evaluate,
    firmware,
    imports,
    localcloud,
    releases,
    rollouts,
    runs,
)
from earshot import clips as clip_files
from earshot.errors import EarshotError
from earshot.follow import Bars, Follower
from earshot.target import Target, choose, dumps
from earshot.views import confusion_table, device_line, per_hour, seconds, share, terminal, verdict_mark

screen = terminal()
notes = terminal(stderr=True)

app = typer.Typer(
    name="earshot",
    help="Audio dropped into S3 becomes words recognised on PSoC 6 boards.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
local_app = typer.Typer(help="The local cloud: AWS on this machine.", no_args_is_help=True)
data_app = typer.Typer(help="Data sets to start with.", no_args_is_help=True)
clips_app = typer.Typer(help="Clips in the bucket.", no_args_is_help=True)
runs_app = typer.Typer(help="Training runs: what became of the clips.", invoke_without_command=True)
models_app = typer.Typer(help="Models, by version.", invoke_without_command=True)
keys_app = typer.Typer(help="The keys of signed updates, and their root.", no_args_is_help=True)
rollout_app = typer.Typer(help="Staged rollouts: a version reaches boards group by group.", no_args_is_help=True)
devices_app = typer.Typer(help="The devices whose reports the stack takes.", no_args_is_help=True)
firmware_app = typer.Typer(help="Firmware of boards that update as a whole.", no_args_is_help=True)
device_app = typer.Typer(help="A board on this machine.", no_args_is_help=True)
board_app = typer.Typer(help="What a model costs on a board's Cortex-M4.", no_args_is_help=True)
for name, group in (
    ("local", local_app),
    ("data", data_app),
    ("clips", clips_app),
    ("runs", runs_app),
    ("models", models_app),
    ("keys", keys_app),
    ("rollout", rollout_app),
    ("devices", devices_app),
    ("firmware", firmware_app),
    ("device", device_app),
    ("board", board_app),
):
    app.add_typer(group, name=name)

# typer brings a copy of click; its public BadParameter is one of click's usage errors.
_UsageError: type[Any]
_ClickException: type[Any]
_UsageError, _ClickException = typer.BadParameter.__mro__[1:3]

_LOOK_SECONDS = 1.0
ROOT_DAYS = 365
KEYWORD = re.compile(r"[a-z][a-z0-9_]{0,31}")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.callback()
def which_cloud(
    context: typer.Context,
    stack: Annotated[str, typer.Option(help="CloudFormation stack.", envvar="EARSHOT_STACK")] = "earshot",
    profile: Annotated[str | None, typer.Option(help="AWS profile.")] = None,
    region: Annotated[str | None, typer.Option(help="AWS region.")] = None,
    local: Annotated[bool, typer.Option("--local", help="The local cloud of this checkout.")] = False,
    aws: Annotated[bool, typer.Option("--aws", help="An AWS account, even while the local cloud is up.")] = False,
) -> None:
    """Without --local, --aws, --profile or --region: the local cloud while one is up, else AWS."""
    if local and (aws or profile):
        raise typer.BadParameter("--local and --aws (or --profile) contradict each other: give one of them")
    where = "local" if local else "aws" if aws else "auto"
    context.obj = lambda: choose(stack, profile, region, where)


def _target(context: typer.Context) -> Target:
    """The chosen cloud; told on stderr, so that nobody approves a model in the wrong account."""
    target: Target = context.find_root().obj()
    notes.print(f"[dim]{escape(str(target))}[/dim]")
    return target


# --- local ---------------------------------------------------------------------------------------------------------


@local_app.command("up")
def local_up(
    port: Annotated[
        int | None, typer.Option(help="Port; 4566 (or EARSHOT_PORT), else a free one.", min=1, max=65535)
    ] = None,
) -> None:
    """Start the local cloud; nothing is deployed on it yet."""
    running = localcloud.up(port)
    screen.print(f"the local cloud answers on {running.url} (process {running.pid})")
    screen.print("deploy on it:  [bold]earshot deploy[/bold]      the AWS command line on it:")
    screen.print(
        f"  AWS_ENDPOINT_URL={running.url} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"
        " AWS_DEFAULT_REGION=us-east-1 aws s3 ls"
    )


@local_app.command("down")
def local_down() -> None:
    """Stop the local cloud and everything it started. What was in it is gone."""
    screen.print("stopped" if localcloud.down() else "nothing was running")


@local_app.command("status")
def local_status(as_json: AsJson = False) -> None:
    """Say whether the local cloud is up. Exit status 3 when it is down."""
    running = localcloud.status()
    if as_json:
        screen.print_json(dumps({"up": bool(running), "pid": running and running.pid, "url": running and running.url}))
    else:
        screen.print(f"up on {running.url} (process {running.pid})" if running else "down")
    if not running:
        raise typer.Exit(3)


# --- deploy, demo --------------------------------------------------------------------------------------------------


@app.command("deploy")
def deploy_stack(
    context: typer.Context,
    config: Annotated[str | None, typer.Option(help="Environment in samconfig.toml.")] = None,
    parameter: Annotated[list[str] | None, typer.Option(help="Template parameter, NAME=VALUE.")] = None,
) -> None:
    """`sam build` and `sam deploy`, to AWS or to the local cloud."""
    from earshot import deploy

    target = _target(context)
    overrides = {}
    for given in parameter or []:
        key, equals, value = given.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"--parameter {given}: NAME=VALUE is needed, e.g. Keywords=up,down")
        overrides[key] = value
    deploy.build(target, screen.out)
    deploy.deploy(target, config or ("local" if target.is_local else "default"), overrides, screen.out)


@app.command()
def demo(
    clips: Annotated[
        Path | None, typer.Option(help="Folder of <label>/<name>.wav or .flac; else a synthesiser speaks.")
    ] = None,
    keywords: Annotated[str, typer.Option(help="Words to recognise, comma separated.")] = "yes,no",
) -> None:
    """The main job, live: clips dropped into S3, words recognised on a board."""
    from earshot.demo.show import run

    words = [word.strip() for word in keywords.split(",")]
    if not all(KEYWORD.fullmatch(word) for word in words):
        raise typer.BadParameter(f"--keywords {keywords}: lower-case words, comma separated, e.g. yes,no")
    run(clips, words)


# --- data, clips ---------------------------------------------------------------------------------------------------


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(metavar="mini|speech-commands|URL")],
    into: Annotated[Path, typer.Option(help="Folder for the archive and what it holds.")] = Path("data"),
    sha256: Annotated[str | None, typer.Option(help="Checksum the archive must have.")] = None,
) -> None:
    """Download a data set (going on where a download stopped), check it and unpack it."""
    wanted = datasets.source(name, sha256)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes) as bar:
        task = bar.add_task("downloading", total=None)
        folder = datasets.fetch(wanted, into, lambda done, total: bar.update(task, completed=done, total=total))
    screen.print(f"{folder}  (licence: {wanted.licence})")


@clips_app.command("put")
def clips_put(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Holds <label>/<name>.wav or .flac.")],
    label: Annotated[str | None, typer.Option(help="Label of all files, where DIR is one word's folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Upload clips, in parallel; what the bucket holds already is not sent again."""
    target = _target(context)
    drops = clip_files.find(directory, label)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes) as bar:
        task = bar.add_task("uploading", total=len(drops))
        sent = clip_files.put(target, drops, lambda count: bar.advance(task, count))
    if as_json:
        screen.print_json(dumps(vars(sent)))
    else:
        screen.print(f"{sent.uploaded} uploaded ({sent.bytes / 1e6:.1f} MB), {sent.unchanged} were there already")


# --- runs, models --------------------------------------------------------------------------------------------------


@runs_app.callback()
def runs_list(context: typer.Context, as_json: AsJson = False) -> None:
    """List runs, newest first."""
    if context.invoked_subcommand:
        return
    target = _target(context)
    every = runs.list_runs(target)
    if as_json:
        screen.print_json(dumps(every))
        return
    counts = runs.counts(target)
    table = Table(
        "run", "state", "version", "new", "clips", "float", "int8", "preprocess", "train", "release", box=None
    )
    for run in every:
        summary = runs.summary(run)
        took, accuracy = summary["seconds"], summary["accuracy"]
        table.add_row(
            summary["id"],
            summary["state"],
            summary["version"] or "–",
            str(summary["clips_new"]),
            str(summary["clips_total"]),
            *(share(accuracy[kind]) for kind in ("float", "int8")),
            *(seconds(took[phase]) for phase in ("preprocess", "train", "release")),
        )
    screen.print(table if every else "no run yet: drop clips with `earshot clips put DIR`")
    screen.print("clips: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))


@runs_app.command("show")
def runs_show(
    context: typer.Context, run: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False
) -> None:
    """Show one run: its jobs, gates, accuracy and confusion matrix."""
    found = runs.get_run(_target(context), run)
    if as_json:
        screen.print_json(dumps(found))
        return
    summary = runs.summary(found)
    figures = {
        **{key: summary[key] for key in ("id", "state", "version", "clips_new", "clips_total")},
        "seconds": ", ".join(f"{phase} {seconds(spent)}" for phase, spent in summary["seconds"].items()),
        "accuracy": ", ".join(f"{kind} {share(value)}" for kind, value in summary["accuracy"].items()),
        "false alarms": f"{share(summary['false_alarm_rate'])} of unknown and silent clips",
        **{key: summary[key] for key in ("model_bytes", "arena_bytes", "frontend")},
    }
    for key, value in figures.items():
        screen.print(f"{key:<14}{escape('–' if value is None else str(value))}")
    for key in ("imported", "dataset_of", "champion", "bundle"):
        if found.get(key):
            screen.print(f"{key:<14}{escape(found[key])}", soft_wrap=True)
    stream = summary["streaming"]
    if stream:
        missed = f"{stream['misses']} of {stream['words']} keywords missed"
        screen.print(f"{'streaming':<14}{missed}, {per_hour(stream['false_alarms_per_hour'])} false alarms an hour")
    for verdict in found["verdicts"]:
        screen.print(f"gate          {verdict_mark(verdict)}", soft_wrap=True)
    if found["reason"]:
        screen.print(f"[red]reason        {escape(found['reason'])}[/red]", soft_wrap=True)
    if summary["confusion"]:
        screen.print(confusion_table(summary["confusion"]))


@models_app.callback()
def models_list(context: typer.Context, as_json: AsJson = False) -> None:
    """List model versions, newest first."""
    if context.invoked_subcommand:
        return
    every = releases.list_models(_target(context))
    if as_json:
        screen.print_json(dumps(every))
        return
    table = Table(
        "version", "approval", "run", "origin", "accuracy int8", "false alarms/h", "bytes", "front end", box=None
    )
    for model in every:
        table.add_row(
            model["version"],
            model["approval"],
            model["run"],
            model["origin"] or "–",
            share(model["accuracy"]),
            per_hour(model["false_alarms_per_hour"]),
            str(model["model_bytes"] or "–"),
            model["frontend"] or "–",
        )
    screen.print(table if every else "no model yet")


Version = Annotated[str, typer.Argument(metavar="VERSION", help="As `earshot models` lists it, e.g. 1.0.3.")]


@models_app.command("approve")
def models_approve(context: typer.Context, version: Version) -> None:
    """Approve a model that waits: endpoint and boards get it."""
    releases.decide(_target(context), version, "Approved")
    screen.print(f"{version} approved: the endpoint and the boards get it now")


@models_app.command("reject")
def models_reject(context: typer.Context, version: Version) -> None:
    """Reject a model that waits: nobody gets it."""
    releases.decide(_target(context), version, "Rejected")
    screen.print(f"{version} rejected")


@models_app.command("rollback")
def models_rollback(context: typer.Context, version: Version) -> None:
    """Release an earlier model again, as a new and higher version (boards never go down)."""
    new = releases.rollback(_target(context), version)
    screen.print(f"{version} goes out again as {new}: the endpoint and the boards get it now")


@models_app.command("import")
def models_import(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="An int8 model.")],
    labels: Annotated[str, typer.Option(help="What its outputs mean, in their order: yes,no,unknown,silence.")],
    frontend: Annotated[str | None, typer.Option(help="Front end it was trained for, name or id; the stack's.")] = None,
    wait: Annotated[bool, typer.Option(help="Tell how its run goes on, until it ends.")] = True,
    as_json: AsJson = False,
) -> None:
    """Bring a model along: it is judged like a trained one and, if it passes every gate, released like one."""
    target = _target(context)
    run = imports.start(target, model, [label.strip() for label in labels.split(",")], frontend)
    if not as_json:
        screen.print(f"{escape(model.name)} is judged by run {run}")
    found = _follow_to_its_end(target, run, quiet=as_json) if wait else runs.get_run(target, run)
    if as_json:
        screen.print_json(dumps(found))
    if wait and found["state"] not in ("released", "awaiting_approval"):
        raise EarshotError(f"run {run} ended {found['state']}: {found['reason']}")
    if found["state"] == "awaiting_approval" and not as_json:
        screen.print(f"it waits for a person: `earshot models approve {found['version']}`")


def _follow_to_its_end(target: Target, run: str, *, quiet: bool) -> dict[str, Any]:
    """Tell what a run does until it ends or waits for a person; the run then."""
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = notes if quiet else screen
    with Progress(*columns, console=console, transient=True) as progress:
        follower = Follower(target, lambda line: console.print(line, soft_wrap=True), Bars(progress))
        while True:
            found = runs.get_run(target, run)
            follower.follow(found)
            if found["state"] in (*runs.ENDS, "awaiting_approval"):
                return found
            time.sleep(_LOOK_SECONDS)


# --- keys ----------------------------------------------------------------------------------------------------------


KeyFiles = Annotated[list[Path] | None, typer.Option("--key", help="A root key's file; several where several sign.")]
KeyDirectory = Annotated[Path | None, typer.Option(help="Folder of new key files; ~/.earshot/keys/STACK.")]
RootDays = Annotated[int, typer.Option(help="How long the root is valid.", min=1, max=3650)]


def _passphrase(*, new: bool) -> str:
    """The root keys' passphrase: from the environment, or typed; of new keys twice."""
    known = os.environ.get("EARSHOT_KEYS_PASSPHRASE")
    if known:
        return known
    typed: str = typer.prompt("passphrase of the root keys", hide_input=True, confirmation_prompt=new, err=True)
    return typed


@keys_app.command("init")
def keys_init(
    context: typer.Context,
    count: Annotated[int, typer.Option("--keys", help="Root keys to make.", min=1, max=8)] = 1,
    threshold: Annotated[int, typer.Option(help="How many of them must sign a new root.", min=1, max=8)] = 1,
    directory: KeyDirectory = None,
    key: KeyFiles = None,
    days: RootDays = ROOT_DAYS,
) -> None:
    """Begin signed updates: make root keys, which stay on this machine, and the root that names the stack's keys."""
    from earshot import keys

    if not key and threshold > count:
        raise typer.BadParameter(f"--threshold {threshold}: more than the {count} of --keys")
    target = _target(context)
    keys.refuse_second(target)
    folder = directory or keys.directory_of(target)
    passphrase = _passphrase(new=not key)
    made = None if key else keys.NewKeys(folder, count, 1, passphrase)
    root = keys.init(target, made.signers if made else keys.load(key or [], passphrase), threshold, days, made=made)
    if made:
        screen.print(f"{count} root key{'s' * (count > 1)} in {escape(str(folder))}: keep a copy elsewhere, offline")
        (folder / "root.json").write_bytes(root)
    screen.print("boards that know 1.root.json can follow signed updates now")


@keys_app.command("rotate")
def keys_rotate(
    context: typer.Context,
    key: KeyFiles = None,
    root: Annotated[bool, typer.Option("--root", help="Make new root keys.")] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Name the stack's next keys (parameter UpdateKeys).")
    ] = False,
    stolen: Annotated[
        bool, typer.Option("--stolen", help="With --online: the old ones are in wrong hands; publish anew at once.")
    ] = False,
    count: Annotated[int, typer.Option("--keys", help="With --root: keys to make.", min=1, max=8)] = 1,
    threshold: Annotated[
        int | None, typer.Option(help="How many root keys must sign from now on; as before.", min=1, max=8)
    ] = None,
    directory: KeyDirectory = None,
    days: RootDays = ROOT_DAYS,
) -> None:
    """Make the next root. Without --root and --online it only lasts longer; do that before a root expires."""
    from earshot import keys

    target = _target(context)
    present = keys.newest_root(target)
    if present is None:
        raise EarshotError("there is no root yet: `earshot keys init` makes one")
    folder = directory or keys.directory_of(target)
    passphrase = _passphrase(new=False)
    holders = keys.load(key or sorted(folder.glob("root-v*-*.pem")), passphrase)
    successors = keys.NewKeys(folder, count, present.signed.version + 1, passphrase) if root else None
    version = keys.rotate(target, holders, successors, threshold, days, online=online, stolen=stolen, say=screen.print)
    screen.print(f"root version {version} is out")
    if root:
        screen.print(f"its keys are in {escape(str(folder))}; those of the root before sign no more")


@keys_app.command("show")
def keys_show(context: typer.Context, as_json: AsJson = False) -> None:
    """Which keys sign what, how many must, and until when it is valid."""
    from earshot import keys

    roles = list(keys.show(_target(context)))
    if as_json:
        screen.print_json(dumps([vars(role) for role in roles]))
        return
    table = Table("role", "version", "expires", "threshold", "keys", box=None)
    for role in roles:
        expires = f"{role.expires:%Y-%m-%d %H:%M} UTC" if role.expires else "–"
        version = "–" if role.version is None else str(role.version)
        table.add_row(role.name, version, expires, str(role.threshold), "\n".join(role.keyids))
    screen.print(table)


# --- rollouts ------------------------------------------------------------------------------------------------------


RolloutVersion = Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Whose rollout; the newest.")]


def _show_rollouts(found: list[dict[str, Any]]) -> None:
    table = Table("version", "state", "boards", "group", "confirmed", "refused", "in this group", "why", box=None)
    for rollout in found:
        table.add_row(
            rollout["version"],
            rollout["state"],
            f"{rollout['percent']} %" if rollout["state"] in rollouts.ACTIVE else "–",
            f"{rollout['group'] + 1} of {len(rollout['groups'])} ({','.join(map(str, rollout['groups']))})",
            str(rollout["confirmed"]),
            str(rollout["rejected"]),
            f"{rollout['confirmed_in_group']} of {rollout['needed_in_group']}",
            escape(rollout["reason"]) or "–",
        )
    screen.print(table if found else "no rollout yet")


def _change_rollout(context: typer.Context, version: str | None, what: str, as_json: bool, **more: Any) -> None:
    found = rollouts.want(_target(context), version, what, **more)
    screen.print_json(dumps(found)) if as_json else _show_rollouts([found])


@rollout_app.command("start")
def rollout_start(
    context: typer.Context,
    version: Version,
    groups: Annotated[str | None, typer.Option(help="Shares of boards, such as 5,25,100; the stack's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Offer a version to a few boards, then to more. Approves one that waits; one that was out gets a new number."""
    new = rollouts.start(_target(context), version, groups)
    if as_json:
        screen.print_json(dumps({"version": new}))
    else:
        screen.print(f"{new} goes out group by group: `earshot rollout status {new}` tells how far it is")


@rollout_app.command("status")
def rollout_status(context: typer.Context, version: RolloutVersion = None, as_json: AsJson = False) -> None:
    """What boards made of a version, and how far it is; without VERSION of every rollout."""
    target = _target(context)
    found = [rollouts.get(target, version)] if version else rollouts.list_rollouts(target)
    screen.print_json(dumps(found[0] if version else found)) if as_json else _show_rollouts(found)


@rollout_app.command("pause")
def rollout_pause(context: typer.Context, version: RolloutVersion = None, as_json: AsJson = False) -> None:
    """Offer it to nobody more for now; boards that have it keep it."""
    _change_rollout(context, version, "pause", as_json)


@rollout_app.command("resume")
def rollout_resume(context: typer.Context, version: RolloutVersion = None, as_json: AsJson = False) -> None:
    """Go on with one that is paused."""
    _change_rollout(context, version, "resume", as_json)


@rollout_app.command("next")
def rollout_next(context: typer.Context, version: RolloutVersion = None, as_json: AsJson = False) -> None:
    """Go on to the next group, however few boards of this one have confirmed."""
    _change_rollout(context, version, "proceed", as_json)


@rollout_app.command("abort")
def rollout_abort(
    context: typer.Context,
    version: RolloutVersion = None,
    reason: Annotated[str, typer.Option(help="Kept with the rollout.")] = "aborted by hand",
    as_json: AsJson = False,
) -> None:
    """Withdraw it: the last good model goes out again under a higher version, also to boards that have this one."""
    _change_rollout(context, version, "abort", as_json, reason=reason)


# --- devices -------------------------------------------------------------------------------------------------------


Identity = Annotated[str, typer.Argument(metavar="ID", help="The device's name.")]


@devices_app.command("add")
def devices_add(
    context: typer.Context,
    identity: Identity,
    key: Annotated[str, typer.Option(help="Its public key: a PEM or DER file, or hex digits.")],
    board: Annotated[str, typer.Option(help="Its kind of board.")],
    as_json: AsJson = False,
) -> None:
    """Make a device known, so that its signed reports are taken."""
    point = devices.public_key(key)
    new = devices.add(_target(context), identity, point, board)
    if as_json:
        screen.print_json(dumps({"device": identity, "board": board, "public_key": point, "new": new}))
    else:
        screen.print(f"{identity} {'is registered' if new else 'was registered already'}")


@devices_app.command("list")
def devices_list(context: typer.Context, as_json: AsJson = False) -> None:
    """List devices, and what they last reported."""
    every = devices.list_devices(_target(context))
    if as_json:
        screen.print_json(dumps(every))
        return
    table = Table("device", "board", "version", "state", "reported", "detail", box=None)
    for found in every:
        at = found["reported_at"]
        reported = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC" if at else "–"
        told = [found[name] or "–" for name in ("board", "version", "state")]
        table.add_row(found["device"], *told, reported, escape(found["detail"] or ""))
    screen.print(table if every else "no device yet: `earshot devices add` makes one known")


@devices_app.command("remove")
def devices_remove(context: typer.Context, identity: Identity, as_json: AsJson = False) -> None:
    """Forget a device: its reports are refused from now on."""
    devices.remove(_target(context), identity)
    screen.print_json(dumps({"removed": identity})) if as_json else screen.print(f"{identity} is forgotten")


# --- firmware ------------------------------------------------------------------------------------------------------


def _count(text: str) -> int:
    """A whole number, decimal or hexadecimal with 0x."""
    return int(text, 0)


@firmware_app.command("register")
def firmware_register(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.bin", help="What the board runs, or a MCUboot image of it.")],
    board: Annotated[str, typer.Option(help="Its kind of board.")],
    version: Annotated[str, typer.Option(help="Its version, such as 1.4.0; higher than the one before.")],
    section_offset: Annotated[int, typer.Option(parser=_count, help="Where the model section begins, in bytes.")],
    section_size: Annotated[int, typer.Option(parser=_count, help="Bytes of the model section.")],
    erased: Annotated[int, typer.Option(parser=_count, help="Value of erased flash: 0 or 255.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Keep a board's firmware: every release from now on is made into a signed image of it, with the new model."""
    record = firmware.register(_target(context), file, board, version, section_offset, section_size, erased)
    if as_json:
        screen.print_json(dumps(record))
    else:
        screen.print(f"{board} has base firmware {record['version']}: the next release makes an image of it")


# --- device --------------------------------------------------------------------------------------------------------


@device_app.command("run")
def device_run(
    context: typer.Context,
    board: Annotated[str | None, typer.Option(help="Kind of board; the stack's first.")] = None,
    identity: Annotated[str, typer.Option("--id", help="The device's name.")] = "host-0001",
    directory: Annotated[Path, typer.Option("--dir", help="Its flash and keys.")] = device.DIRECTORY,
    every: Annotated[int, typer.Option(help="Seconds between polls.", min=1)] = 10,
    once: Annotated[bool, typer.Option(help="Poll once and end; status 2 when an update was rejected.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a board on this machine: it polls, downloads, verifies, tries and confirms models."""
    running = device.provision(_target(context), board, identity, directory)
    process = running.poll(every=None if once else every)
    assert process.stdout
    try:
        for line in process.stdout:
            for event in device.events([line]):
                screen.out(line.rstrip()) if as_json else screen.print(device_line(event))
    finally:
        process.terminate()
    raise typer.Exit(max(0, process.wait()) if once else 0)


@device_app.command("listen")
def device_listen(
    context: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="16 kHz mono 16-bit WAV.")] = None,
    identity: Annotated[str, typer.Option("--id", help="The device's name.")] = "host-0001",
    directory: Annotated[Path, typer.Option("--dir", help="Its flash and keys.")] = device.DIRECTORY,
    stream: Annotated[bool, typer.Option(help="Files are recordings: find words in them.")] = False,
    microphone: Annotated[
        bool, typer.Option(help="Listen live; with FILE - to raw samples on standard input.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let the board hear files, or listen to this machine's microphone until interrupted."""
    raw = [str(path) for path in files or []] == ["-"]
    if microphone == bool(files) and not (microphone and raw):
        raise typer.BadParameter("give files, or --microphone, or --microphone - for samples on standard input")
    running = device.provision(_target(context), None, identity, directory)
    for event in running.microphone(raw=raw) if microphone else running.listen(files or [], stream=stream):
        screen.print_json(dumps(event), indent=None) if as_json else screen.print(device_line(event))


@board_app.command("count")
def board_count(
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="Any int8 model.")],
    inputs: Annotated[int, typer.Option(help="Compare with TensorFlow Lite Micro on so many.", min=1, max=100)] = 8,
    as_json: AsJson = False,
) -> None:
    """Instructions of an inference in all and by layer, arena, and whether the answers equal TFLM's (status 1: not)."""
    raise typer.Exit(board.count(model, ["--inputs", str(inputs)] + ["--json"] * as_json))


# --- evaluate, doctor ----------------------------------------------------------------------------------------------


@app.command("evaluate")
def evaluate_model(
    model: Annotated[Path, typer.Argument(metavar="MODEL.tflite")],
    clips: Annotated[Path, typer.Argument(metavar="CLIPS_DIR", help="Holds <label>/<name>.wav or .flac.")],
    engine: Annotated[
        str,
        typer.Option(help="tflm (TensorFlow Lite Micro), firmware (the board's C), qemu (the same on a Cortex-M4)."),
    ] = "tflm",
    labels: Annotated[str | None, typer.Option(help="Labels in order, for a model that carries none.")] = None,
    per_clip: Annotated[bool, typer.Option("--per-clip", help="List every answer with its scores.")] = False,
    limit: Annotated[int | None, typer.Option(help="Evaluate only so many clips (qemu: 200).", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy, recall and confusion of an int8 model on a folder of clips."""
    if engine not in evaluate.ENGINES:
        raise typer.BadParameter(f"--engine {engine}: choose {', '.join(evaluate.ENGINES)}")
    arguments = ["--json"] * as_json + ["--per-clip"] * per_clip
    arguments += ["--labels", labels] if labels else []
    arguments += ["--limit", str(limit)] if limit else []
    raise typer.Exit(evaluate.evaluate(model, clips, arguments, engine))


@app.command("doctor")
def doctor_look(context: typer.Context, as_json: AsJson = False) -> None:
    """Say what is missing on this machine, and what to do. Status 1 when the main job cannot run."""
    findings = [*doctor.look(), *doctor.look_at_updates(context.find_root().obj)]
    if as_json:
        screen.print_json(dumps([vars(f) for f in findings]))
    else:
        for finding in findings:
            mark = (
                "[green]ok     [/green]"
                if finding.found
                else "[red]missing[/red]"
                if finding.needed
                else "[yellow]absent [/yellow]"
            )
            screen.print(f"{mark} {finding.name:<44} {escape(finding.found or finding.remedy)}")
    if any(finding.is_fatal for finding in findings):
        raise typer.Exit(1)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn what users can mend into one line and a status: 1 for faults, 2 for wrong usage."""
    try:
        yield
    except EarshotError as error:
        notes.print(f"[red]earshot:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except _UsageError as error:
        if (
            len(sys.argv) < 2 or "\n" in error.format_message()
        ):  # a group without a command: its help says what there is
            notes.print(escape(error.format_message()))
            sys.exit(2)
        where = error.ctx.command_path if error.ctx else "earshot"
        notes.print(
            f"[red]{escape(where)}:[/red] {escape(error.format_message())} (see {where} --help)", soft_wrap=True
        )
        sys.exit(2)
    except _ClickException as error:
        notes.print(f"[red]earshot:[/red] {escape(error.format_message())}", soft_wrap=True)
        sys.exit(1)
    except (typer.Abort, KeyboardInterrupt):
        notes.print("interrupted")
        sys.exit(130)
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.NoRegionError) as error:
        notes.print(
            f"[red]earshot:[/red] {str(error).rstrip('.')}: `aws configure`, --profile/--region, or `earshot local up`",
            soft_wrap=True,
        )
        sys.exit(1)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        notes.print(f"[red]earshot:[/red] AWS says: {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)


def main() -> None:
    """Entry point of the `earshot` program."""
    with _one_line_errors():
        status = app(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
