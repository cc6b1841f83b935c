"""The report: one page that needs nothing, runs nothing, and shows whatever it is given as text."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kws import evaluation, plots, report, thresholds

LABELS = ["yes", "no", "unknown", "silence"]
HOSTILE = "clips/yes/\"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;.wav"
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Holds every tag with its attributes; fails where one is left open."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def material(labels: list[str], streaming: bool = True, champion: bool = True, epochs: int = 3) -> tuple:
    """A card, curves, mistakes and features, as a bundle would have them."""
    random = np.random.default_rng(0)
    truth = np.concatenate([np.arange(len(labels)), random.integers(0, len(labels), 40)])
    scores = random.dirichlet(np.ones(len(labels)), len(truth))
    judged = evaluation.Judged.of(labels, truth, scores)
    wrong = int(np.flatnonzero(judged.answers != truth)[0])
    worst = [evaluation.Mistake(wrong, HOSTILE, "yes", labels[1], 0.75)]
    history = [
        {"epoch": i, "loss": 1 / i, "accuracy": 0.5, "val_loss": 1 / i, "val_accuracy": 0.6, "seconds": random.random()}
        for i in range(1, epochs + 1)
    ]
    by_snr = [{"snr_db": s, "words": 4, "misses": 1, "false_alarms": 0, "hours": 0.1} for s in (None, 10.0)]
    figures = {"hours": 0.2, "words": 8, "misses": 2, "miss_rate": 0.25, "false_alarms": 1}
    card = {
        "labels": labels,
        "architecture": "tiny_conv",
        "frontend": "micro-x",
        "dataset": {"sha256": "ab", "clips": 100},
        "code_version": "<b>",
        "seed": 1,
        "warm_start": "",
        "model_bytes": 18000,
        "operators": ["CONV_2D"],
        "parameters": 5,
        "macs": 6,
        "cost": {"flash_bytes": 18000, "arena_bytes": 9000, "instructions": 7},
        "recogniser": {"average_ms": 400, "threshold": 202, "suppression_ms": 1500, "minimum_count": 3},
        "metrics": {
            "test": evaluation.test_figures(judged, judged, worst),
            "history": history,
            "streaming": {**figures, "false_alarms_per_hour": 5.0, "by_snr": by_snr} if streaming else None,
            "champion": {"bundle": "s3://d", "clips": 9, "accuracy": 0.9, "challenger": 0.8, "lost": [HOSTILE]}
            if champion
            else None,
        },
    }
    points = [{"threshold": t, "miss_rate": 0.5, "false_alarms_per_hour": 20.0} for t in thresholds.THRESHOLDS]
    behind = {"latency_ms": 500, "goal_false_alarms_per_hour": 20.0, "noise": "recorded", "operating": points}
    curves = {"float": judged.curves(), "int8": judged.curves(), "streaming": behind if streaming else None}
    features = random.integers(-128, 128, (len(truth), 49, 40)).astype(np.int8)
    return card, curves, {"flash": 131072}, worst, features


def test_the_page_needs_nothing_but_itself_and_runs_nothing() -> None:
    page = parse(report.html(*material(LABELS)))
    # THEN there is no script, no handler, and no address but data and parts of the page
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "a", "base"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "action", "srcset"):
                assert value is not None
                assert value.startswith(("data:image/png;base64,", "#")), value
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    # AND it follows the reader's light and fits a phone
    html = report.html(*material(LABELS))
    assert "prefers-color-scheme:dark" in html
    assert "width=device-width" in html


def test_keys_are_shown_as_they_are_and_never_as_markup() -> None:
    page = parse(report.html(*material(LABELS)))
    # THEN the key stands there twice as text: among the lost clips, and among the worst
    assert page.text.count(HOSTILE) == 2
    assert not [a for tag, a in page.tags if tag == "img" and a.get("src") == "x"]


keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@settings(max_examples=40, deadline=None)
@given(key=st.one_of(keys, st.sampled_from(["</code></ol></body>", "<!--", "]]>", "&lt;", "<style>"])))
def test_any_key_leaves_the_page_whole(key: str) -> None:
    html = report._worst([evaluation.Mistake(0, key, "yes", "no", 0.5)], np.zeros((1, 49, 40), np.int8))
    page = parse(html)
    assert [tag for tag, _ in page.tags] == ["section", "h2", "p", "ol", "li", "img", "b", "br", "code"]
    assert key in page.text


def test_the_same_values_give_the_same_page() -> None:
    first, second = (report.html(*material(LABELS)) for _ in range(2))
    assert first == second
    assert not re.search(r"20\d\d-\d\d-\d\d", first)


def test_seconds_are_not_on_the_page() -> None:
    card, *rest = material(LABELS)
    before = report.html(card, *rest)
    for epoch in card["metrics"]["history"]:
        epoch["seconds"] += 1
    assert report.html(card, *rest) == before


def test_what_was_not_measured_is_said() -> None:
    # GIVEN a model that was brought along, without audio and champion
    page = parse(report.html(*material(LABELS, streaming=False, champion=False, epochs=0)))
    assert "it was not trained here" in page.text
    assert "no recordings with keywords" in page.text
    assert "no released model of these keywords" in page.text


def test_figures_stand_on_the_page() -> None:
    page = parse(report.html(*material(LABELS)))
    for text in ("25.0 %", "5.0", "18,000", "131,072", "no noise", "10 dB", "400 ms", "202 of 255", "80.0 %"):
        assert text in page.text, text


@pytest.mark.parametrize("count", [1, 30])
def test_a_page_of_one_keyword_and_of_thirty(count: int) -> None:
    labels = [f"word_{i}" for i in range(count)] + ["unknown", "silence"]
    page = parse(report.html(*material(labels)))
    # THEN every keyword is in a plot of the trade-off, eight a plot
    for i in range(count):
        assert page.text.count(f"word_{i}") >= 3
    plotted = len([tag for tag, _ in page.tags if tag == "svg"])
    assert plotted == 3 + -(-count // plots.COLOURS)


def test_plots_take_the_colour_of_the_page() -> None:
    svg = plots.calibration({"int8": [{"answers": 3, "score": 0.5, "accuracy": 0.4}]})
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert 'id="figure' not in svg


@pytest.mark.parametrize("label", ["a$b$", "_hidden", r"\alpha"])
def test_labels_of_a_plot_are_text(label: str) -> None:
    curve = {"false_alarm_rate": [1, 0], "miss_rate": [0, 1]}
    [svg] = plots.trade_off({label: curve})
    assert label.removeprefix("_") in svg


def test_a_picture_is_a_png_of_the_features() -> None:
    from matplotlib import image

    # GIVEN features with one loud place: the fourth frame, the highest channel
    features = np.full((49, 40), -128, np.int8)
    features[3, 39] = 127
    address = plots.picture(features)
    # WHEN the picture is opened / THEN time goes to the right and pitch upwards
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    import io

    pixels = image.imread(io.BytesIO(content))[:, :, :3].sum(axis=2)
    assert pixels.shape == (40, 49)
    assert np.argwhere(pixels == pixels.max()).tolist() == [[0, 3]]
