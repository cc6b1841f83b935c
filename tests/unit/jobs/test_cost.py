"""What a model costs: counted by hand, held against what the board was counted to spend, and refused by name."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kws import cost, models, quantise, tflm, training


def int8(model: keras.Model) -> bytes:
    shape = model.input_shape[1:3]
    return quantise.to_int8(model, np.random.default_rng(0).integers(-128, 128, (2, *shape)).astype(np.int8))


def separable(shape: tuple[int, int], classes: int) -> keras.Model:
    """DS-CNN with a first convolution of 10 x 4 and stride 2, as it is measured in public."""
    features = keras.Input((*shape, 1))
    x = keras.layers.Conv2D(64, (10, 4), strides=2, padding="same", activation="relu")(features)
    for _ in range(4):
        x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
        x = keras.layers.Conv2D(64, 1, activation="relu")(x)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(x.shape[1:3])(x))
    return keras.Model(features, keras.layers.Dense(classes)(x))


MACS = {
    "tiny_conv": (lambda: models.build("tiny_conv", (49, 40, 1), 4), 336_000),
    "tc_resnet8": (lambda: models.build("tc_resnet8", (49, 40, 1), 4), 792_192),
    "tenet": (lambda: models.build("tenet", (49, 40, 1), 4), 1_048_624),
    "ds_cnn": (lambda: models.build("ds_cnn", (49, 40, 1), 4), 3_136_256),
    "ds_cnn_49x40": (lambda: separable((49, 40), 4), 10_624_256),
}


@pytest.mark.parametrize("name", MACS)
def test_estimates_are_near_what_the_board_was_counted_to_spend(name: str, repository: Path) -> None:
    # GIVEN a model whose instructions were counted
    counted = json.loads((repository / "firmware" / "costs.json").read_text())["limits"][f"{name} instructions"]
    build, macs = MACS[name]
    training.prepare(1)
    model = int8(build())
    # THEN its multiplications are counted exactly, its instructions estimated within a tenth
    assert cost.macs(model) == macs
    assert cost.of(model)["instructions"] == pytest.approx(counted, rel=0.1)
    # AND flash and arena are the file's and TFLM's own
    assert cost.of(model)["flash_bytes"] == len(model)
    assert cost.of(model)["arena_bytes"] == tflm.Model(model, "m").arena_bytes()


def test_every_kind_of_layer_is_counted() -> None:
    # GIVEN a model whose products can be counted by hand
    x = keras.Input((8, 6, 1))
    y = keras.layers.Conv2D(5, (3, 3), padding="same", strides=2)(x)  # 4 x 3 places, 3 x 3 x 5 each
    y = keras.layers.DepthwiseConv2D((2, 2))(y)  # 3 x 2 places, 2 x 2 x 5 each
    y = keras.layers.Dense(4)(keras.layers.Flatten()(y))  # 30 x 4
    # WHEN / THEN
    assert cost.macs(int8(keras.Model(x, y))) == 4 * 3 * 45 + 3 * 2 * 20 + 120


NEEDS = {"flash_bytes": 100, "arena_bytes": 200, "instructions": 300}


def test_a_budget_names_every_limit_that_is_missed() -> None:
    budget = cost.Budget.of("flash=100, instructions=299 ,arena=150")
    with pytest.raises(cost.OverBudgetError, match=r"m does not fit the board: arena 200 of 150 bytes \(\+50\); ins"):
        budget.hold(NEEDS, "m")


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 400))
def test_a_budget_holds_exactly_what_needs_no_more(flash: int, arena: int, instructions: int) -> None:
    budget = cost.Budget.of(f"flash={flash},arena={arena},instructions={instructions}")
    fits = flash >= 100 and arena >= 200 and instructions >= 300
    try:
        budget.hold(NEEDS, "m")
    except cost.OverBudgetError:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize(
    "text", ["flash", "flash=", "flash=-1", "flash=0", "ram=5", "flash=1,flash=2", "flash=1e9", "=3"]
)
def test_a_malformed_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write flash=BYTES"):
        cost.Budget.of(text)


def test_no_budget_holds_everything() -> None:
    cost.Budget.of("").hold(NEEDS, "m")
