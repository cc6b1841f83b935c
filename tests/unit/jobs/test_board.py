"""What the board runs, said in Python: held against the firmware's own sources and its own verdict."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import copy
import re
import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kws import board, features, firmware, flatbuffer, graph, recognise

sys.path.append(str(Path(__file__).resolve().parents[1] / "firmware"))

import tflite_models as models

MICRO = features.MICRO
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def library(repository: Path) -> firmware.Library:
    subprocess.run(["make", "-s", "-C", str(repository / "firmware"), "host"], check=True, capture_output=True)
    return firmware.Library()


def _random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


SEEDS = {
    "keywords": models.keyword_model(MICRO.id),
    "convolution": models.conv_model(_random(1), dilation=(2, 1), groups=1),
    "groups": models.conv_model(_random(2), depth=4, channels=6, groups=2, per_channel=False),
    "depthwise": models.conv_model(_random(3), depthwise=True, channels=6, stride=(2, 1)),
    "dense": models.dense_model(_random(4)),
    "dense, a scale a channel": models.dense_model(_random(5), per_channel=True, batch=2, bias=False),
    "softmax": models.softmax_model(),
    "average": models.pool_model(),
    "maximum": models.pool_model(maximum=True, same=False),
    "sum": models.add_model(_random(6), constant_shape=(2,)),
    "double": models.add_model(_random(7)),
    "relu": models.relu_model(),
    "relu6": models.relu_model(six=True),
    "pad": models.pad_model(),
    "mean": models.mean_model(keep=False),
    "reshape": models.reshape_model(),
}


def _verdict(content: bytes) -> str:
    """Empty for a graph that `board` takes, else its words."""
    try:
        board.check_graph(graph.read(content, "m"), "m")
    except (board.BoardError, flatbuffer.ModelFileError) as error:
        return str(error)
    return ""


def _board_takes(library: firmware.Library, content: bytes) -> bool:
    try:
        library.check(content, "m")
    except flatbuffer.ModelFileError:
        return False
    return True


# --- the same rules as the firmware


def test_operators_are_those_of_the_firmware(repository: Path) -> None:
    # GIVEN the table of the firmware
    table = (repository / "firmware" / "core" / "operators.c").read_text()
    rows = re.findall(r'\{"(\w+)", (\d+), (\d+), (\d+), (\d+), (\d+), ', table)
    assert len(rows) == table.count('{"')
    # WHEN / THEN names, codes, versions, options and numbers of inputs are the same
    kinds = {name: value for name, value in vars(models.OPTIONS).items() if not name.startswith("_")}
    here = {
        name: (getattr(models.CODES, name), k.newest, kinds[k.options] if k.options else 0, *k.inputs)
        for name, k in board._KERNELS.items()
    }
    assert {name: tuple(map(int, numbers)) for name, *numbers in rows} == here
    assert tuple(name for name, *_ in rows) == board.OPERATORS


def test_limits_are_those_of_the_firmware(repository: Path) -> None:
    # GIVEN the headers of the firmware
    text = "".join((repository / "firmware" / name).read_text() for name in ("core/model.h", "core/card.h"))
    limits = {name: int(number) for name, number in re.findall(r"#define (ES_\w+) (\d+)", text)}
    # WHEN / THEN
    assert limits["ES_MODEL_TENSORS"] == board.TENSORS
    assert limits["ES_MODEL_NODES"] == board.NODES
    assert limits["ES_MODEL_RANK"] == board.RANK
    assert limits["ES_LABELS"] == board.LABELS
    assert limits["ES_LABEL_BYTES"] == board.LABEL_BYTES
    assert limits["ES_CARD_BYTES"] == board.CARD_BYTES
    arena = re.search(
        r"#define ES_ARENA_BYTES \((\d+)u \* 1024u\)", (repository / "firmware/core/classifier.h").read_text()
    )
    assert arena is not None
    assert int(arena[1]) * 1024 == board.ARENA_BYTES
    # AND a slot holds the largest model, with the header of its image, a card and 512 bytes of signature
    slot = re.search(r"#define ES_SLOT_BYTES \((\d+)u \* 1024u\)", (repository / "firmware/ota/journal.h").read_text())
    assert slot is not None
    assert int(slot[1]) * 1024 >= board.MODEL_BYTES + 0x400 + board.CARD_BYTES + 512


def test_the_guide_names_what_the_board_has(repository: Path) -> None:
    text = (repository / "docs" / "bring-your-own-model.md").read_text()
    assert ", ".join(sorted(board.OPERATORS)) in text
    assert f"at most {board.LABELS} labels, whose card fits {board.CARD_BYTES} bytes" in text
    size = f"at most {board.MODEL_BYTES // 1024} KB, {board.TENSORS} tensors, {board.NODES} operators"
    assert f"{size}; no operator may work on more than {board.ARENA_BYTES // 1024} KB" in text


@pytest.mark.parametrize("content", SEEDS.values(), ids=SEEDS.keys())
def test_what_the_board_takes_is_taken(library: firmware.Library, content: bytes) -> None:
    assert _board_takes(library, content)
    assert _verdict(content) == ""


def _pack(tree) -> bytes:
    builder = flatbuffers.Builder(4096)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


INTEGERS = st.sampled_from([-129, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 17, 40, 128, 65536, 2**24 + 1])
SCALES = st.sampled_from([0.0, -1.0, 1e-38, 1e-20, 1e-9, 0.05, 0.1, 1 / 256, 2.0, 1e20, 2e30, np.inf, np.nan])
TENSOR_CHANGES = ("shape", "rank", "type", "buffer", "isVariable", "scale", "zeroPoint", "quantizedDimension", "bare")


def _change(draw, tree) -> None:
    """One field of a model to another value, legal or not."""
    main = tree.subgraphs[0]
    part = draw(st.sampled_from(["tensor", "tensor", "operator", "options", "code", "ends"]))
    if part == "tensor":
        _change_tensor(draw, draw(st.sampled_from(main.tensors)))
    elif part == "operator":
        operator = draw(st.sampled_from(main.operators))
        ends = [int(i) for i in draw(st.sampled_from([operator.inputs, operator.outputs]))]
        assume(ends)
        ends[draw(st.integers(0, len(ends) - 1))] = draw(st.integers(-1, len(main.tensors)))
        ends = draw(st.sampled_from([ends, ends[:-1], [*ends, 0]]))
        setattr(operator, draw(st.sampled_from(["inputs", "outputs"])), ends)
    elif part == "options":
        options = draw(st.sampled_from(main.operators)).builtinOptions
        fields = sorted(vars(options) if options else [])
        assume(fields)
        name = draw(st.sampled_from(fields))
        value = draw(st.sampled_from([0.0, -1.0, 1e-30, 2.0, 1e30])) if name == "beta" else draw(st.integers(-1, 5))
        if isinstance(getattr(options, name), bool):
            value = bool(value)
        setattr(options, name, value)
    elif part == "code":
        code = draw(st.sampled_from(tree.operatorCodes))
        name = draw(st.sampled_from(["builtinCode", "deprecatedBuiltinCode", "version", "customCode"]))
        value = b"x" if name == "customCode" else draw(st.integers(0, 45))
        setattr(code, name, value)
    else:
        setattr(main, draw(st.sampled_from(["inputs", "outputs"])), draw(st.lists(st.integers(0, 4), max_size=2)))


def _change_tensor(draw, tensor) -> None:
    change = draw(st.sampled_from(TENSOR_CHANGES))
    scaling = tensor.quantization
    if change == "shape":
        shape = [int(size) for size in tensor.shape]
        assume(shape)
        shape[draw(st.integers(0, len(shape) - 1))] = draw(INTEGERS)
        tensor.shape = shape
    elif change == "rank":
        tensor.shape = draw(st.sampled_from([[], [1, *tensor.shape], [*tensor.shape, 1], list(tensor.shape)[1:]]))
    elif change == "type":
        tensor.type = draw(st.sampled_from([0, 1, 2, 3, 4, 7, 9]))
    elif change == "buffer":
        tensor.buffer = draw(st.integers(0, 5))
    elif change == "isVariable":
        tensor.isVariable = True
    elif change == "bare":
        tensor.quantization = None
    elif scaling is not None:
        if change == "quantizedDimension":
            scaling.quantizedDimension = draw(st.integers(-1, 4))
        elif change == "scale":
            scaling.scale = np.array(scaling.scale)
            scaling.scale[draw(st.integers(0, len(scaling.scale) - 1))] = draw(SCALES)
        else:
            scaling.zeroPoint = np.array(scaling.zeroPoint)
            scaling.zeroPoint[0] = draw(INTEGERS)


@many
@given(st.data())
def test_verdicts_are_the_boards(library: firmware.Library, data) -> None:
    # GIVEN a model with some of its fields changed
    tree = copy.deepcopy(flatbuffer.parse(SEEDS[data.draw(st.sampled_from(sorted(SEEDS)))], "m"))
    for _ in range(data.draw(st.integers(1, 2))):
        _change(data.draw, tree)
    try:
        content = _pack(tree)
    except Exception:
        assume(False)  # no file can say it
    # WHEN both judge it
    verdict, taken = _verdict(content), _board_takes(library, content)
    # THEN they agree, but where an operator changes a quantisation that it must hand on
    assert (verdict == "") == taken or (taken and "different scales or zero points" in verdict), verdict


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from([SEEDS["keywords"], SEEDS["convolution"], SEEDS["mean"]]),
    cut=st.one_of(st.none(), st.integers(0, 3000)),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=4),
)
def test_a_damaged_file_is_refused_in_words(seed: bytes, cut, changes) -> None:
    # GIVEN a file with bytes changed at its two ends, where its structure lies, or cut off
    content = bytearray(seed)
    for at, value in changes:
        content[at % len(content) if value % 2 else -1 - at % len(content)] = value
    # WHEN it is checked
    sentence = "m.tflite: "
    try:
        board.check(bytes(content[:cut]), "m.tflite", MICRO)
    except (board.BoardError, flatbuffer.ModelFileError) as error:
        sentence = str(error)
    # THEN it is taken, or refused with the one or the other error that a job reports
    assert sentence.startswith("m.tflite: ")


# --- words


def _altered(change) -> bytes:
    tree = copy.deepcopy(flatbuffer.parse(SEEDS["keywords"], "m"))
    change(tree)
    return _pack(tree)


def _set(find, **values):
    def change(tree):
        for name, value in values.items():
            setattr(find(tree), name, value)

    return change


def _tensor(index: int, **values):
    return _set(lambda tree: tree.subgraphs[0].tensors[index], **values)


def _code(index: int, **values):
    return _set(lambda tree: tree.operatorCodes[index], **values)


def _scaling(index: int, **values):
    return _set(lambda tree: tree.subgraphs[0].tensors[index].quantization, **values)


def _twice(tree):
    tree.subgraphs.append(copy.deepcopy(tree.subgraphs[0]))


def _many(tree):
    tree.subgraphs[0].tensors += [tree.subgraphs[0].tensors[0]] * 400


ALL = (
    "ADD, AVERAGE_POOL_2D, CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, MAX_POOL_2D, RELU, RELU6, RESHAPE, SOFTMAX, "
    "PAD, MEAN"
)

REFUSALS = {
    "an operator that is not there": (
        _code(3, builtinCode=14, deprecatedBuiltinCode=14),
        f"the board has no LOGISTIC; it has {ALL}; end the",
    ),
    "a custom operator": (_code(0, customCode=b"MyOp"), "the board has no MyOp; it has ADD"),
    "float ends": (_code(0, builtinCode=114), "inference_input_type and inference_output_type to tf.int8"),
    "a newer operator": (_code(0, version=99), "version 99 of CONV_2D, the board knows up to 6"),
    "several subgraphs": (_twice, "it has 2 subgraphs; convert it without control flow"),
    "another schema": (lambda tree: setattr(tree, "version", 4), "schema version is 4"),
    "two inputs": (_set(lambda tree: tree.subgraphs[0], inputs=[0, 1]), "2 inputs; export the model with one input"),
    "no output": (_set(lambda tree: tree.subgraphs[0], outputs=[]), "0 outputs; export the model with one output"),
    "a float input": (_tensor(0, type=0), "its input is FLOAT32, not INT8; quantise the whole model to int8"),
    "an unsigned output": (_tensor(9, type=3), "its output is UINT8, not INT8"),
    "float weights": (_tensor(1, type=0), r"tensor 1 \(t1\): is FLOAT32, not INT8 or INT32"),
    "a dynamic shape": (_tensor(3, shape=[-1, 25, 20, 8]), r"has the shape \(-1, 25, 20, 8\); export the model with"),
    "five dimensions": (_tensor(3, shape=[1, 1, 25, 20, 8]), "has 5 dimensions; the board knows 4"),
    "no scales": (_tensor(3, quantization=None), r"tensor 3 \(t3\): has no scale"),
    "asymmetric weights": (_scaling(1, zeroPoint=np.ones(8, np.int64)), "quantise weights symmetrically"),
    "scales along another dimension": (_scaling(1, quantizedDimension=1), "has 8 scales along dimension 1"),
    "more tensors than it holds": (_many, "410 tensors; the board holds 192"),
    "the wrong number of features": (_tensor(0, shape=[1, 49, 43, 1]), "the filter gives"),
    "an odd score": (_scaling(9, scale=np.array([0.1], np.float32)), "has not the scale 1/256"),
}


@pytest.mark.parametrize(("change", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_says_what_and_what_to_do(change, words: str) -> None:
    with pytest.raises((board.BoardError, flatbuffer.ModelFileError), match=rf"m\.tflite: .*{words}"):
        board.check(_altered(change), "m.tflite", MICRO)


def _dense(shape, classes: int = 4, softmax: bool = True) -> bytes:
    """One dense layer over an input of a shape."""
    model = models.ModelBuilder()
    x = model.tensor(shape, 0.1, -128)
    size = int(np.prod(shape))
    w = model.tensor((classes, size), 0.01, 0, np.ones((classes, size)))
    logits = y = model.tensor((1, classes), 0.2, 5)
    table = models.schema.FullyConnectedOptionsT()
    model.operator(models.CODES.FULLY_CONNECTED, [x, w], [logits], table, models.OPTIONS.FullyConnectedOptions, 4)
    if softmax:
        y = model.tensor((1, classes), 1 / 256, -128)
        table = models.options(models.schema.SoftmaxOptionsT, beta=1.0)
        model.operator(models.CODES.SOFTMAX, [logits], [y], table, models.OPTIONS.SoftmaxOptions, 2)
    return model.build([x], [y])


@pytest.mark.parametrize("shape", [(1, 49, 40, 1), (1, 1960), (49, 40), (1, 49, 40), (1, 49, 1, 40), (1960,)])
def test_features_may_have_any_shape_with_their_order_in_memory(shape) -> None:
    board.check(_dense(shape), "m.tflite", MICRO)


@pytest.mark.parametrize("shape", [(1, 40, 49, 1), (1, 49, 43, 1), (1, 1959), (1, 1, 49, 10), (1,)])
def test_another_input_is_refused(shape) -> None:
    with pytest.raises(board.BoardError, match=r"front end micro-\w+ gives 49 frames of 40 channels: use an input of"):
        board.check(_dense(shape), "m.tflite", MICRO)


@pytest.mark.parametrize("front_end", features.FRONT_ENDS.values(), ids=features.FRONT_ENDS.keys())
def test_a_model_is_held_against_its_own_front_end(front_end) -> None:
    frames, channels = front_end.shape
    board.check(_dense((1, frames, channels, 1)), "m.tflite", front_end)
    with pytest.raises(board.BoardError, match=rf"front end {front_end.id} gives {frames} frames of {channels}"):
        board.check(_dense((1, frames, channels + 1, 1)), "m.tflite", front_end)


def test_outputs_must_be_probabilities() -> None:
    with pytest.raises(board.BoardError, match=r"steps of 0\.2 from 5, .* end the model in a softmax"):
        board.check(_dense((1, 1960), softmax=False), "m.tflite", MICRO)


def test_outputs_must_be_labels_that_a_card_holds() -> None:
    board.check(_dense((1, 1960), classes=40), "m.tflite", MICRO)
    with pytest.raises(
        board.BoardError, match=r"output has the shape \(1, 41\); it must be \(1, classes\) with at most 40"
    ):
        board.check(_dense((1, 1960), classes=41), "m.tflite", MICRO)


def test_a_model_that_fills_a_slot_is_refused() -> None:
    content = SEEDS["keywords"]
    board.check(content.ljust(board.MODEL_BYTES, b"\0"), "m.tflite", MICRO)
    with pytest.raises(board.BoardError, match="258049 bytes; the board takes 258048: make the model smaller"):
        board.check(content.ljust(board.MODEL_BYTES + 1, b"\0"), "m.tflite", MICRO)


def test_a_model_that_works_on_too_much_at_once_is_refused() -> None:
    # GIVEN features padded beyond the arena
    def padded(rows: int) -> bytes:
        model = models.ModelBuilder()
        x = model.tensor((1, 1960), 0.1, -128)
        amounts = model.tensor((2, 2), None, 0, [[0, rows], [0, 0]], models.INT32)
        wide = model.tensor((1 + rows, 1960), 0.1, -128)
        model.operator(
            models.CODES.PAD, [x, amounts], [wide], models.schema.PadOptionsT(), models.OPTIONS.PadOptions, 2
        )
        axes = model.tensor((1,), None, 0, [0], models.INT32)
        mean = model.tensor((1, 1960), 0.1, -128)
        table = models.options(models.schema.ReducerOptionsT, keepDims=True)
        model.operator(models.CODES.MEAN, [wide, axes], [mean], table, models.OPTIONS.ReducerOptions, 2)
        w = model.tensor((4, 1960), 0.01, 0, np.ones((4, 1960)))
        logits = model.tensor((1, 4), 0.2, 5)
        table = models.schema.FullyConnectedOptionsT()
        model.operator(
            models.CODES.FULLY_CONNECTED, [mean, w], [logits], table, models.OPTIONS.FullyConnectedOptions, 4
        )
        y = model.tensor((1, 4), 1 / 256, -128)
        table = models.options(models.schema.SoftmaxOptionsT, beta=1.0)
        model.operator(models.CODES.SOFTMAX, [logits], [y], table, models.OPTIONS.SoftmaxOptions, 2)
        return model.build([x], [y])

    # WHEN / THEN it is taken up to what the arena holds: input and output of an operator
    board.check(padded(81), "m.tflite", MICRO)
    with pytest.raises(
        board.BoardError, match=r"operator 0 \(PAD\) works on 164640 bytes at once; the board has 163840"
    ):
        board.check(padded(82), "m.tflite", MICRO)


# --- labels


def test_forty_short_labels_fit_a_card() -> None:
    board.check_labels([f"w{n}" for n in range(38)] + ["unknown", "silence"], MICRO)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([f"w{n}" for n in range(41)], "41 labels; the board holds 40"),
        (["w" * 33], "longer than 32 bytes"),
        ([f"{n:02}".rjust(32, "w") for n in range(30)], r"takes up to \d+ bytes, the board reads 1023; name fewer"),
    ],
)
def test_labels_beyond_a_card_are_refused(labels, words: str) -> None:
    with pytest.raises(board.BoardError, match=words):
        board.check_labels(labels, MICRO)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("abcdefgh_", min_size=1, max_size=32), min_size=1, max_size=40, unique=True))
def test_labels_are_taken_as_the_board_takes_their_card(library: firmware.Library, labels) -> None:
    # GIVEN the largest card of some labels
    longest = dict.fromkeys(recognise.Settings.__dataclass_fields__, 99999)
    card = {"schema": "earshot.model/1", "frontend": MICRO.id, "labels": labels, "recogniser": longest}
    # WHEN it lies in a model
    info = library.check(flatbuffer.with_card(SEEDS["dense"], card), "m")
    # THEN the labels are taken where the whole card is read
    try:
        board.check_labels(labels, MICRO)
    except board.BoardError:
        assert info.card == b""
    else:
        assert len(info.card) == board.card_bytes(labels, MICRO)
