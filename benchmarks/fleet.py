"""How many boards of a fleet take a bad model before its rollout stops: boards draw with the firmware's own C.

.venv/main/bin/python benchmarks/fleet.py [--boards 10000] [--bad 0.3] [--success 20] [--salts 20]

Every board polls once an hour, at a time of its own. A board that takes the candidate reports two minutes later
(download, check, trial); a share of the boards rejects it. What the rollout then decides reaches boards after 90 s
(a function, and the minute for which a copy of timestamp.json may be old).
"""

import argparse
import ctypes
import heapq
import itertools
import random
import statistics
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "layers/pipeline/python")]

import results_file
from earshot_pipeline.rollout import Rollout, RolloutState, Tally, Tick, advance, parse_groups, selected
from earshot_pipeline.version import Version

LIBRARY = REPOSITORY / "firmware/build/host/libearshot.so"
POLL, TRIAL, DELAY = 3600.0, 120.0, 90.0
ERRORS, MINIMUM = 0.1, 10  # the template's defaults


def board_draws(library: ctypes.CDLL, salt: str, device: str, percent: int) -> bool:
    """Whether the firmware takes a candidate."""
    return bool(library.es_rollout_selects(percent, salt.encode(), device.encode()))


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(LIBRARY))
    library.es_rollout_selects.restype = ctypes.c_bool
    library.es_rollout_selects.argtypes = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_char_p]
    return library


def roll_out(boards: int, bad: float, groups: str, success: int, salt: str) -> tuple[int, float, RolloutState]:
    """One rollout.

    Args:
        boards: how many there are.
        bad: the share of them that rejects the model.
        groups: the rollout's, such as `5,25,100`.
        success: boards that must confirm it in each.
        salt: the image's.

    Returns:
        Boards that take the model (all, where the rollout finished), hours until its end reached them, and that end.
    """
    drawn, library = random.Random(salt), _library()
    share = [_least_percent(library, salt, f"d{n}") for n in range(boards)]
    rejects = [drawn.random() < bad for _ in range(boards)]
    rollout = Rollout(Version(2), parse_groups(groups, success, ERRORS, MINIMUM), 0.0)
    offered, confirmed, rejected, over = rollout.percent, 0, 0, 0.0
    took: set[int] = set()
    order = itertools.count()
    events = [(drawn.uniform(0, POLL), next(order), "poll", n) for n in range(boards)]
    heapq.heapify(events)
    while events and (rollout.active or offered):
        now, _, what, value = heapq.heappop(events)
        match what:
            case "poll" if value not in took:
                if share[value] <= offered:
                    took.add(value)
                    heapq.heappush(events, (now + TRIAL, next(order), "report", value))
                else:
                    heapq.heappush(events, (now + POLL, next(order), "poll", value))
            case "publish":
                offered, over = value, now
            case "report":
                confirmed, rejected = confirmed + (not rejects[value]), rejected + rejects[value]
                before = rollout.percent
                for _ in range(2):
                    rollout, _ = advance(rollout, Tick(Tally(confirmed, rejected)))
                # Of a finished rollout the stable model is the candidate's: everybody's.
                wanted = 100 if rollout.state is RolloutState.FINISHED else rollout.percent
                if wanted != before:
                    heapq.heappush(events, (now + DELAY, next(order), "publish", wanted))
                if rollout.state is RolloutState.FINISHED:
                    return boards, now / 3600, rollout.state
    return len(took), over / 3600, rollout.state


def _least_percent(library: ctypes.CDLL, salt: str, device: str) -> int:
    """The smallest percentage that reaches a board, by bisection: who is in a share is in every larger one."""
    least, most = 0, 100
    while least < most:
        middle = (least + most) // 2
        if board_draws(library, salt, device, middle):
            most = middle
        else:
            least = middle + 1
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--boards", type=int, default=10_000)
    parser.add_argument("--bad", type=float, default=0.3, help="share of the boards that reject the model")
    parser.add_argument("--success", type=int, default=20, help="boards that must confirm it in each group")
    parser.add_argument("--salts", type=int, default=20, help="rollouts of each kind, each with a draw of its own")
    given = parser.parse_args()
    if not LIBRARY.exists():
        sys.exit(f"fleet: {LIBRARY} is missing; `make firmware` builds it")
    drawn, library = random.Random(1), _library()
    salts = [f"{drawn.getrandbits(64):016x}" for _ in range(given.salts)]
    differ = [
        (device, percent)
        for device in (f"d{n}" for n in range(given.boards))
        for percent in (5, 25)
        if board_draws(library, salts[0], device, percent) is not selected(salts[0], device, percent)
    ]
    if differ:
        sys.exit(f"fleet: firmware and stack draw differently, first for {differ[0]}")
    print(f"{given.boards} boards, {given.bad:.0%} reject the model; medians of {given.salts} rollouts")
    figures = {}
    for groups in ("5,25,100", "100"):
        ends = [roll_out(given.boards, given.bad, groups, given.success, salt) for salt in salts]
        took, hours = (statistics.median(end[n] for end in ends) for n in (0, 1))
        states = {state.value: sum(end[2] is state for end in ends) for state in RolloutState}
        most = max(end[0] for end in ends)
        figures[groups] = {"took": took, "most": most, "hours": hours}
        reached = ", ".join(f"{count} {name}" for name, count in states.items() if count)
        print(f"  groups {groups:<10} {took:7.0f} took it (most {most}), over after {hours:.2f} h: {reached}")
    results_file.save("fleet", {"boards": given.boards, "bad": given.bad, "figures": figures})


if __name__ == "__main__":
    main()
