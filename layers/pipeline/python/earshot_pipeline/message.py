"""What people read when a run ended: which run, what happened, what to do."""

from typing import Protocol

_MAX_SUBJECT = 100


class Ending(Protocol):
    """How a run ended; the fields are those of the event."""

    stack: str
    run: str
    state: str
    version: str
    reason: str
    clips_new: int
    clips_total: int
    imported: str


_REMEDIES = {
    "failed": (
        "Its clips wait again and are tried anew after a pause, or as soon as new clips arrive. "
        "Remove what the reason names before that."
    ),
    "rejected": (
        "Boards and endpoint keep their model. Its clips stay in the dataset: add more speakers of the words that "
        "were missed, or change the gate's limit in the stack's parameters."
    ),
    "superseded": "Nothing needs to be done: a newer model was released first.",
    "released": "Boards take it with their next poll.",
}

_IMPORT_REMEDIES = {
    "failed": "Remove what the reason names, then import the model again.",
    "rejected": "Boards and endpoint keep their model. Import a better one, or change the gate's limit in the stack's"
    " parameters.",
}


def run_message(ending: Ending) -> tuple[str, str]:
    """Subject (at most 100 ASCII characters) and body of the message about a run's end."""
    remedies = {**_REMEDIES, **_IMPORT_REMEDIES} if ending.imported else _REMEDIES
    version = f" as version {ending.version}" if ending.version else ""
    subject = f"Earshot {ending.stack}: run {ending.run} {ending.state}{version}"
    body = [
        f"Run {ending.run} of {ending.stack} ended: {ending.state}{version}.",
        f"Imported model {ending.imported}, judged on {ending.clips_total} clips."
        if ending.imported
        else f"Clips: {ending.clips_new} new, {ending.clips_total} in all.",
        *([f"Reason: {ending.reason}"] if ending.reason else []),
        remedies.get(ending.state, ""),
        f"More: earshot runs show {ending.run}",
    ]
    return subject.encode("ascii", "replace").decode()[:_MAX_SUBJECT], "\n".join(line for line in body if line)
