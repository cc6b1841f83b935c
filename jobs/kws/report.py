"""A model's report for people: one page that needs nothing but itself, readable in light, dark and on a phone.

All text of the data, keys above all, comes from whoever dropped clips: it is escaped. The page holds no script,
and forbids any.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from kws import plots
from kws.evaluation import Mistake

_STYLE = """
:root{color-scheme:light dark;--ink:#1c1e21;--paper:#fff;--soft:#6b7280;--line:#e5e7eb;
--hit:59,130,246;--miss:239,68,68}
@media(prefers-color-scheme:dark){:root{--ink:#e5e7eb;--paper:#111418;--soft:#9ca3af;--line:#2d333b}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--paper)}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .4rem}
p,figcaption{max-width:44rem}.soft,figcaption{color:var(--soft);font-size:.9rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.6rem;margin:1rem 0}
.tile{border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}
.tile b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:.85rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{font-weight:600}
figure{margin:.5rem 0}.plots{display:flex;flex-wrap:wrap;gap:1rem}.plots>svg{flex:1 1 18rem;max-width:30rem}
svg{width:100%;height:auto;max-width:54rem}
.worst{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:1rem;list-style:none;padding:0}
.worst img{width:100%;aspect-ratio:49/40;image-rendering:pixelated;border-radius:.3rem;display:block}
.worst code{font-size:.75rem;color:var(--soft);overflow-wrap:anywhere}
"""


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of escaped cells."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _section(title: str, text: str, *content: str) -> str:
    return f'<section><h2>{escape(title)}</h2><p class="soft">{escape(text)}</p>{"".join(content)}</section>'


def _tiles(values: Iterable[tuple[str, str]]) -> str:
    tiles = (f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in values)
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _headlines(card: Mapping[str, Any]) -> str:
    test, streaming = card["metrics"]["test"], card["metrics"]["streaming"]
    values = [
        ("accuracy of the board's int8 model", _percent(test["accuracy"]["int8"])),
        ("accuracy of the float model", _percent(test["accuracy"]["float"])),
        ("unknown or silence taken for a keyword", _percent(test["false_alarm_rate"])),
    ]
    if streaming:
        values += [
            ("words missed in streams", _percent(streaming["miss_rate"])),
            ("false alarms an hour of stream", f"{streaming['false_alarms_per_hour']:.1f}"),
        ]
    return _tiles([*values, ("bytes of model.tflite", f"{card['model_bytes']:,}")])


def _champion(champion: Mapping[str, Any] | None) -> str:
    if not champion:
        return _section("The champion", "There is no released model of these keywords to compare with.")
    lost = "".join(f"<li><code>{escape(key)}</code></li>" for key in champion["lost"])
    return _section(
        "The champion",
        f"The model released last, {champion['bundle']}, on the {champion['clips']} test clips that both answered.",
        _tiles(
            [
                ("the champion's accuracy", _percent(champion["accuracy"])),
                ("this model's accuracy", _percent(champion["challenger"])),
            ]
        ),
        f'<p class="soft">Clips that the champion had right and this model has not:</p><ul>{lost}</ul>' if lost else "",
    )


def _by_label(card: Mapping[str, Any]) -> str:
    test = card["metrics"]["test"]
    rows = [
        [label, *(_percent(form[kind][label]) for form in (test, test["float"]) for kind in ("recall", "precision"))]
        for label in card["labels"]
    ]
    head = ["label", "recall int8", "precision int8", "recall float", "precision float"]
    return _section(
        "By label", "Recall: share of its clips recognised. Precision: share of its answers right.", _table(head, rows)
    )


def _confusion(confusion: Mapping[str, Any]) -> str:
    head = "".join(f"<th>{escape(label)}</th>" for label in confusion["labels"])
    rows = ""
    for index, (label, counts) in enumerate(zip(confusion["labels"], confusion["matrix"], strict=True)):
        cells = ""
        for column, count in enumerate(counts):
            share = count / max(1, sum(counts))
            colour = "--hit" if column == index else "--miss"
            cells += f'<td style="background:rgba(var({colour}),{0.75 * share:.3f})">{count}</td>'
        rows += f"<tr><th>{escape(label)}</th>{cells}</tr>"
    table = f'<div class="wide"><table><thead><tr><th>said</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    return _section("Confusion", "Test clips of the int8 model: a row is what was said, a column the answer.", table)


def _training(history: Sequence[dict[str, Any]]) -> str:
    if not history:
        return _section("Training", "This model was brought along; it was not trained here.")
    return _section("Training", "By epoch; clips drawn for training are disturbed on purpose.", plots.training(history))


def _trade_off(curves: Mapping[str, Any]) -> str:
    known = {label: curve for label, curve in curves["int8"]["trade_off"].items() if curve}
    return _section(
        "What a threshold costs",
        "For each keyword, over all thresholds of its score in one test clip (int8): the share of its clips that "
        "are missed, and of all other clips that are called so. Lower left is better.",
        f'<div class="plots">{"".join(plots.trade_off(known))}</div>',
    )


def _calibration(curves: Mapping[str, Any], test: Mapping[str, Any]) -> str:
    errors = test["calibration"]
    plot = plots.calibration({form: curves[form]["calibration"] for form in ("int8", "float")})
    return _section(
        "What a score is worth",
        "On the dashed line a score of 0.8 is right four times in five; below it the model is surer than it should "
        f"be. Expected calibration error: {errors['int8']:.3f} int8, {errors['float']:.3f} float.",
        f'<div class="plots">{plot}</div>',
    )


def _streaming(card: Mapping[str, Any], curves: Mapping[str, Any]) -> str:
    figures, behind = card["metrics"]["streaming"], curves["streaming"]
    if not figures:
        return _section("As the board hears", "Not measured: the job had no recordings with keywords to play.")
    rows = [
        [
            "no noise" if part["snr_db"] is None else f"{part['snr_db']:g} dB",
            str(part["words"]),
            str(part["misses"]),
            _percent(part["misses"] / part["words"] if part["words"] else None),
            str(part["false_alarms"]),
            f"{60 * part['hours']:.1f}",
        ]
        for part in figures["by_snr"]
    ]
    settings = card["recogniser"]
    return _section(
        "As the board hears",
        f"Test words spoken into {behind['noise']} background noise with pauses, {60 * figures['hours']:.1f} minutes "
        "in all, through the running front end and the recogniser. A word counts as heard up to "
        f"{behind['latency_ms']} ms after its clip. Any other keyword reported is a false alarm. The recogniser "
        f"averages {settings['average_ms']} ms, wants more than {settings['threshold']} of 255, hears no word twice "
        f"in {settings['suppression_ms']} ms: chosen on validation streams for few misses with at most "
        f"{behind['goal_false_alarms_per_hour']:g} false alarms an hour.",
        _table(["speech over noise", "words", "missed", "share", "false alarms", "minutes"], rows),
        f'<div class="plots">{plots.operating(behind["operating"], settings["threshold"])}</div>',
    )


def _worst(worst: Sequence[Mistake], features: npt.NDArray[np.int8]) -> str:
    items = "".join(
        f'<li><img alt="" src="{plots.picture(features[mistake.row])}"><b>{escape(mistake.answer)}</b> '
        f"{mistake.score:.2f}, said {escape(mistake.truth)}<br><code>{escape(mistake.key)}</code></li>"
        for mistake in worst
    )
    return _section(
        "The worst clips",
        "The wrong answers that the int8 model was surest of, as the features that it read: time to the right, pitch "
        "upwards. Listen to them: a clip in the wrong folder shows up here."
        if worst
        else "Every recorded test clip was answered rightly.",
        f'<ol class="worst">{items}</ol>' if worst else "",
    )


def _board(card: Mapping[str, Any], budget: Mapping[str, int]) -> str:
    names = {"flash": "flash, bytes", "arena": "arena, bytes", "instructions": "instructions an inference, estimated"}
    rows = []
    for name, text in names.items():
        cost = card["cost"].get(name if name == "instructions" else f"{name}_bytes")
        if cost is not None:
            rows.append([text, f"{cost:,}", f"{budget[name]:,}" if name in budget else "–"])
    facts = [
        ["operators", ", ".join(card["operators"])],
        ["parameters", f"{card['parameters']:,}"],
        ["multiplications an inference", f"{card['macs']:,}"],
        ["front end", card["frontend"]],
        ["dataset", f"{card['dataset']['sha256']} ({card['dataset']['clips']:,} clips)"],
        ["code version, seed", f"{card['code_version']}, {card['seed']}"],
        ["warm start", card["warm_start"] or "none"],
    ]
    return _section(
        "On the board", "", _table(["needs", "model", "at most"], rows) if rows else "", _table(["", ""], facts)
    )


def html(
    card: Mapping[str, Any],
    curves: Mapping[str, Any],
    budget: Mapping[str, int],
    worst: Sequence[Mistake],
    features: npt.NDArray[np.int8],
) -> str:
    """The page.

    Args:
        card: content of bundle.json.
        curves: content of evaluation.json.
        budget: what the board has of `flash`, `arena` and `instructions`.
        worst: the model's mistakes.
        features: of the test clips, int8 (clips, frames, channels).
    """
    test = card["metrics"]["test"]
    title = f"{', '.join(card['labels'][:6])}{' …' if len(card['labels']) > 6 else ''}: {card['architecture']}"
    sections = [
        _headlines(card),
        _champion(card["metrics"]["champion"]),
        _by_label(card),
        _confusion(test["confusion"]),
        _streaming(card, curves),
        _trade_off(curves),
        _calibration(curves, test),
        _worst(worst, features),
        _training(card["metrics"]["history"]),
        _board(card, budget),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        f"<title>Earshot: {escape(title)}</title><style>{_STYLE}</style></head><body>"
        f'<h1>Earshot model</h1><p class="soft">{escape(title)}; {test["clips"]:,} test clips of speakers that it '
        f"never heard</p>{''.join(sections)}</body></html>\n"
    )
