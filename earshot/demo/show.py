"""The demonstration from beginning to end."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from earshot import clips as clip_files
from earshot import deploy, device, keys, localcloud, project, releases, runs
from earshot.clips import Drop
from earshot.demo import drops as clip_drops
from earshot.demo import summary as summaries
from earshot.demo.board import Board
from earshot.demo.broken import broken_clips
from earshot.demo.hearing import Heard, hear
from earshot.demo.watch import LOOK_SECONDS, Watch
from earshot.errors import EarshotError
from earshot.target import LOCAL_REGION, Target
from earshot.views import terminal

DIRECTORY = project.BUILD / "demo"
PATIENCE_SECONDS = 240  # without anything new; a slow machine makes progress all the same
SHOWN = 12  # of the clips that the board heard


def run(clips: Path | None, keywords: list[str]) -> None:
    """Run the demonstration; it leaves the local cloud up, for a closer look.

    Args:
        clips: Folder of real recordings; None lets a synthesiser speak.
        keywords: Words the model learns.

    Raises:
        EarshotError: What went wrong and where to look.
    """
    began = time.monotonic()
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=terminal(), transient=True) as progress:
        screen = progress.console
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        DIRECTORY.mkdir(parents=True)
        drops = _gather(clips, keywords, progress)
        target = _cloud(keywords, progress)
        board = Board(device.provision(target, None, "host-0001", DIRECTORY / "board"))
        try:
            watch = Watch(target, board, progress)
            summary = _main_job(target, board, watch, drops, keywords)
        finally:
            board.stop()
    summaries.show(summary, screen)
    newest = summary["runs"][-1]["version"]
    releases.download_model(target, newest, DIRECTORY / "model.tflite")
    releases.download_report(target, newest, DIRECTORY / "report.html")
    summaries.write(summary, DIRECTORY / "summary.json")
    screen.print(
        f"\nall of it in {time.monotonic() - began:.0f} s; in {DIRECTORY.relative_to(project.ROOT)}/: summary.json,"
        f" model.tflite and report.html ({newest}).\nThe local cloud is still up: look with"
        " `.venv/main/bin/earshot runs`, end it with `make demo-down`."
    )


def _gather(clips: Path | None, keywords: list[str], progress: Progress) -> clip_drops.Drops:
    """The demonstration's clips, broken ones and a duplicate among them."""
    if clips:
        drops = clip_drops.from_folder(clips.expanduser().resolve())
    else:
        bar = progress.add_task("voices speaking", total=None)
        drops = clip_drops.synthesise(
            DIRECTORY / "clips", keywords, lambda done, total: progress.update(bar, completed=done, total=total)
        )
        progress.remove_task(bar)
    spoken = Counter(drop.key.split("/")[1] for drop in drops.first)
    missing = [word for word in keywords if not spoken[word]]
    if missing:
        raise EarshotError(
            f"{clips or 'the synthesiser'}: no clip of {', '.join(missing)}; its words are {', '.join(spoken)}"
        )
    progress.console.print(
        f"[bold]{len(drops.first)}[/bold] clips to drop, [bold]{len(drops.second)}[/bold] more later,"
        f" [bold]{len(drops.held)}[/bold] of other speakers kept for the board to hear"
    )
    drops.first += broken_clips(DIRECTORY / "broken")
    again = next(drop for drop in drops.first if drop.key.startswith(f"clips/{keywords[0]}/"))
    drops.first.append(replace(again, key=f"clips/{keywords[0]}/dropped_again{again.path.suffix}"))
    return drops


def _cloud(keywords: list[str], progress: Progress) -> Target:
    """A fresh local cloud with the application deployed on it."""
    if localcloud.down():
        progress.console.print("the local cloud that was up is stopped: the demonstration begins with an empty one")
    localcloud.forget()
    running = localcloud.up()
    target = Target(endpoint_url=running.url, region=LOCAL_REGION)
    progress.console.print(f"local cloud on {running.url}")
    bar = progress.add_task("sam build", total=None)
    with ThreadPoolExecutor(1) as beside:
        firmware = beside.submit(project.build_firmware)
        began = time.monotonic()
        deploy.build(target)
        progress.console.print(f"sam build   {time.monotonic() - began:.0f} s")
        progress.update(bar, description="sam deploy")
        began = time.monotonic()
        deploy.deploy(target, "local", {"Keywords": ",".join(keywords)}, lambda line: None)
        firmware.result()
    progress.remove_task(bar)
    outputs = "".join(f"\n  {name:<18}{escape(value)}" for name, value in sorted(target.outputs.items()))
    progress.console.print(f"sam deploy  {time.monotonic() - began:.0f} s{outputs}")
    # A cloud that ends with the demonstration: who reads this may have its root key.
    made = keys.NewKeys(DIRECTORY / "keys", 1, 1, passphrase="demo")  # noqa: S106 - keys of a cloud on this machine
    (DIRECTORY / "keys" / "root.json").write_bytes(keys.init(target, made.signers, 1, made=made))
    progress.console.print("signed updates begun: `earshot keys show`")
    return target


def _main_job(target: Target, board: Board, watch: Watch, drops: clip_drops.Drops, keywords: list[str]) -> dict:
    heard: list[Heard] = []
    for what, these in (("first drop", drops.first), ("second drop, more speakers", drops.second)):
        _drop(target, watch, what, these)
        newest = watch.until_settled(PATIENCE_SECONDS)
        watch.say(f"[bold]the board and the endpoint hear {len(drops.held)} clips that no training saw[/bold]")
        heard = hear(target, board.device, drops.held, keywords, DIRECTORY / "microphone")
        _show_heard(watch, heard)
        watch.say(f"board {board.version}: {sum(h.board == h.said for h in heard)} of {len(heard)} right")
    assert board.version == newest["version"]
    endpoint = releases.endpoint(target)
    return summaries.summarise(
        watch.dropped, watch.counts, runs.quarantine(target), watch.runs, endpoint, newest["version"], heard
    )


def _drop(target: Target, watch: Watch, what: str, drops: list[Drop]) -> None:
    began = time.monotonic()
    watch.dropped += len(drops)
    watch.say(f"[bold]{what}: {len(drops)} files[/bold] into s3://{target.outputs['ClipsBucket']}/clips/")
    interrupted = threading.Event()
    with ThreadPoolExecutor(1) as beside:
        sending = beside.submit(clip_files.put, target, (drop for drop in drops if not interrupted.is_set()))
        try:
            while not sending.done():
                watch.look()
                time.sleep(LOOK_SECONDS)
        except BaseException:
            interrupted.set()
            raise
        sent = sending.result()
    watch.say(f"{sent.uploaded} files sent in {time.monotonic() - began:.0f} s ({sent.bytes / 1e6:.0f} MB)")


def _show_heard(watch: Watch, heard: list[Heard]) -> None:
    for one in random.Random(len(heard)).sample(heard, min(SHOWN, len(heard))):  # noqa: S311 - which to show
        mark = "[green]✓[/green]" if one.board == one.said else "[red]✗[/red]"
        watch.say(
            f"  {mark} {escape(one.path.parent.name)}/{escape(one.path.name)}: board heard {one.board},"
            f" endpoint {one.endpoint}"
        )
