"""The PSoC 6 port without a board: compiled against thin declarations, linked, and run on stand-ins."""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import hashlib
import json
import os
import queue
import re
import shutil
import struct
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kws import features

ROOT = Path(__file__).resolve().parents[3]
FIRMWARE = ROOT / "firmware"
PORT = FIRMWARE / "port" / "psoc6"
VENDOR = Path(__file__).parent / "modustoolbox"
SOURCES = sorted(PORT.glob("*.c"))
PORTABLE = sorted(
    path
    for part in ("core", "core/kernels", "app", "ota", "ota/tuf", "crypto")
    for path in (FIRMWARE / part).glob("*.c")
)
BOARDS = ("CY8CPROTO_062_4343W", "CY8CKIT_062S2_43012")
# The steps of the bring-up; 0 is the program itself.
STEPS = range(8)

needs_arm = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not installed")


def _variable(name: str) -> list[str]:
    """A variable of firmware/Makefile: the port is held to the same warnings as everything else."""
    text = (FIRMWARE / "Makefile").read_text().replace("\\\n", " ")
    found = re.search(rf"^{name} \??= ?(.*)$", text, re.MULTILINE)
    assert found, f"firmware/Makefile has no {name}"
    return found[1].split()


def _secrets(folder: Path, **values: str) -> Path:
    """A folder with earshot_secrets.h: the template, with other values."""
    text = (PORT / "configs" / "earshot_secrets.template.h").read_text()
    for name, value in values.items():
        text, changed = re.subn(rf"^(#define {name}) .*$", lambda m, v=value: f"{m[1]} {v}", text, flags=re.MULTILINE)
        assert changed == 1, name
    folder.mkdir(exist_ok=True)
    (folder / "earshot_secrets.h").write_text(text)
    return folder


def _flags(board: str, step: int, secrets: Path) -> list[str]:
    places = [PORT, PORT / "configs", secrets, FIRMWARE, VENDOR / "include"]
    return [f"-DES_BOARD_{board}", f"-DES_BRINGUP={step}", *(f"-I{place}" for place in places)]


def _arm(*arguments) -> subprocess.CompletedProcess[str]:
    command = ["arm-none-eabi-gcc", *_variable("ARM_CPU"), "-std=c99", "-ffp-contract=off", "-O2", "-g"]
    command += ["-ffunction-sections", "-fdata-sections", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _compile(source: Path, target: Path, *flags: str) -> Path:
    done = _arm(*_variable("WARNINGS"), *flags, "-c", source, "-o", target)
    assert done.returncode == 0, done.stderr
    return target


# --- what is compiled ---


@needs_arm
@pytest.mark.parametrize("board", BOARDS)
def test_every_source_compiles_without_a_warning(board, tmp_path):
    secrets = _secrets(tmp_path / "secrets")
    for source in SOURCES:
        _compile(source, tmp_path / f"{source.stem}.o", *_flags(board, 0, secrets))


@needs_arm
@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_the_bring_up_compiles_without_a_warning(step, tmp_path):
    secrets = _secrets(tmp_path / "secrets")
    for name in ("listen_task.c", "update_task.c", "bringup.c"):
        _compile(PORT / name, tmp_path / "object.o", *_flags(BOARDS[0], step, secrets))


@needs_arm
def test_a_board_that_nobody_has_described_is_refused(tmp_path):
    done = _arm(*_flags("CY8CKIT_000", 0, _secrets(tmp_path / "secrets")), "-c", PORT / "main.c", "-o", tmp_path / "o")
    assert done.returncode != 0
    assert "unknown board" in done.stderr


def test_no_declaration_of_the_vendors_calls_is_dead():
    # GIVEN every name that the thin headers declare: calls, objects, constants, fields
    headers = {
        path.name: re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        for path in (VENDOR / "include").iterdir()
    }
    declared = {}
    for name, text in headers.items():
        declared |= dict.fromkeys(re.findall(r"#define (\w+)", text), name)
        declared |= dict.fromkeys(re.findall(r"\b(\w+)\((?!\*)[^;{}]*\);", text), name)
        declared |= dict.fromkeys(re.findall(r"extern const \w+ (\w+)", text), name)
        declared |= dict.fromkeys(re.findall(r"\b([A-Z][A-Z0-9_]{6,})\b(?= *[=,}])", text), name)
        declared |= dict.fromkeys(re.findall(r"^    \w+ (\w+);", text, re.MULTILINE), name)
    assert {"cyhal_pdm_pcm_read_async", "CY_SOCKET_SO_RCVTIMEO", "page_size", "CYHAL_CLOCK_HF"} <= set(declared)
    # WHEN they are looked for in the port, and in the headers, where one declaration may need another
    used = set(re.findall(r"\w+", " ".join(path.read_text() for path in [*SOURCES, *PORT.glob("**/*.h")])))
    said = re.findall(r"\w+", " ".join(headers.values()))
    # THEN each is used; a type that the port only passes on must not be empty
    filler = {"block", "value", "counter", "unused", "memory"}
    assert {name for name in declared if name not in used and said.count(name) < 2 and name not in filler} == set()


# --- what is linked ---

BOARD_SCRIPT = """
MEMORY
{
    ram (rwx) : ORIGIN = 0x08002000, LENGTH = 0xFD800
    flash (rx) : ORIGIN = 0x10000000, LENGTH = 0x200000
}
ENTRY(main)
SECTIONS
{
    .text ORIGIN(flash) + 0x2000 : { PAD *(.text .text.*) *(.rodata .rodata.*) *(.ARM.exidx*) } > flash
    .data : { *(.data .data.*) } > ram AT > flash
    .bss (NOLOAD) : { *(.bss .bss.*) *(COMMON) end = .; } > ram
}
"""


def _factory(folder: Path, model: bytes) -> None:
    """factory/model.c and .h in a folder, of the form that a release has."""
    (folder / "factory").mkdir()
    (folder / "factory" / "model.h").write_text(
        f'#include <stdint.h>\n#define EARSHOT_MODEL_VERSION "1.0.0"\n#define EARSHOT_MODEL_BYTES {len(model)}u\n'
        "extern const uint8_t earshot_model[EARSHOT_MODEL_BYTES];\n"
    )
    (folder / "factory" / "model.c").write_text(
        '#include "model.h"\nconst uint8_t earshot_model[EARSHOT_MODEL_BYTES] __attribute__((aligned(16))) = {'
        + ", ".join(str(byte) for byte in model)
        + "};\n"
    )


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> list[Path]:
    """The whole program for a board: the port with a factory model, the portable code, stubs of the vendor's calls."""
    folder = tmp_path_factory.mktemp("objects")
    _factory(folder, bytes(20000))
    flags = [*_flags(BOARDS[0], 0, _secrets(folder / "secrets")), f"-I{folder}", "-DES_FACTORY_MODEL"]
    made = [_compile(path, folder / f"port-{path.stem}.o", *flags) for path in SOURCES]
    made += [_compile(path, folder / f"{path.parent.name}-{path.stem}.o") for path in PORTABLE]
    missing = subprocess.run(["arm-none-eabi-nm", "-u", *made], capture_output=True, text=True, check=True).stdout
    headers = "".join(path.read_text() for path in (VENDOR / "include").iterdir())
    vendor = {name for name in re.findall(r" U (\w+)", missing) if re.search(rf"\b{name}\b", headers)}
    assert "cyhal_flash_program" in vendor
    stubs = "".join(f".global {name}\n.thumb_func\n{name}: udf #0\n" for name in sorted(vendor))
    (folder / "stubs.s").write_text(f".syntax unified\n.thumb\n{stubs}")
    made.append(folder / "stubs.o")
    assert _arm("-c", folder / "stubs.s", "-o", made[-1]).returncode == 0
    return made


def _link(
    objects: list[Path], target: Path, *, ours_first: bool = False, pad: str = ""
) -> subprocess.CompletedProcess[str]:
    script = target.with_suffix(".ld")
    script.write_text(BOARD_SCRIPT.replace("PAD", pad))
    scripts = [f"-Wl,-T,{PORT / 'linker' / 'earshot.ld'}", f"-T{script}"]
    scripts = scripts if ours_first else scripts[::-1]
    return _arm(
        "--specs=nosys.specs",
        "--specs=nano.specs",
        "-nostartfiles",
        "-Wl,--gc-sections",
        *scripts,
        *objects,
        "-o",
        target,
    )


def _symbols(program: Path) -> dict[str, int]:
    text = subprocess.run(["arm-none-eabi-nm", program], capture_output=True, text=True, check=True).stdout
    return {name: int(address, 16) for address, _, name in (line.split() for line in text.splitlines())}


def _sizes(program: Path) -> dict[str, int]:
    text = subprocess.run(["arm-none-eabi-size", "-A", program], capture_output=True, text=True, check=True).stdout
    return {line.split()[0]: int(line.split()[1]) for line in text.splitlines() if line.startswith(".")}


@needs_arm
@pytest.mark.parametrize("ours_first", [False, True])
def test_nothing_but_the_vendors_calls_is_missing_and_the_model_is_in_its_place(objects, ours_first, tmp_path):
    # WHEN the program is linked with a board package's script and ours, in either order
    done = _link(objects, tmp_path / "program.elf", ours_first=ours_first)
    # THEN it links, and the factory model is where the map says
    assert done.returncode == 0, done.stderr
    assert _symbols(tmp_path / "program.elf")["earshot_model"] == _memory_map()["ES_FACTORY_ADDRESS"]
    # AND what is ours leaves the vendor's libraries most of the 1152 KB before the model, and of the 1014 KB of RAM
    sizes = _sizes(tmp_path / "program.elf")
    assert sizes[".text"] < 112 * 1024
    assert sizes[".data"] + sizes[".bss"] < 384 * 1024


@needs_arm
def test_a_program_that_reaches_the_factory_model_is_not_linked(objects, tmp_path):
    done = _link(objects, tmp_path / "program.elf", pad=". += 0x118000; LONG(1)")
    assert done.returncode != 0
    assert "the program reaches the factory model" in done.stderr


@needs_arm
def test_the_port_allocates_nothing(objects):
    names = [
        path
        for path in objects
        if path.name.startswith(("port-", "core-", "kernels-", "app-", "ota-", "tuf-", "crypto-"))
    ]
    text = subprocess.run(["arm-none-eabi-nm", "-u", *names], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"\b(malloc|calloc|realloc|free|_sbrk|printf|sprintf)\b", text)) == set()


# --- the memory map ---


def _memory_map() -> dict[str, int]:
    """What es_store.h and ota/journal.h say, by the compiler."""
    names = ["ES_FLASH_ADDRESS", "ES_FLASH_SIZE", "ES_ROW_BYTES", "ES_FACTORY_ADDRESS", "ES_FACTORY_SIZE"]
    names += [
        "ES_STORE_ADDRESS",
        "ES_SLOT_BYTES",
        "ES_FLASH_BYTES",
        "ES_JOURNAL_OFFSET",
        "ES_JOURNAL_HALF",
        "ES_RECORD_BYTES",
        "ES_BANKS",
        "ES_BANK_BYTES",
    ]
    program = '#include "es_store.h"\n' + "".join(f"VALUE {name} = {name};\n" for name in names)
    done = subprocess.run(
        ["gcc", "-E", "-P", f"-I{PORT}", f"-I{FIRMWARE}", "-x", "c", "-"],
        input=program,
        capture_output=True,
        text=True,
        check=True,
    )
    values = {}
    for value in re.findall(r"VALUE ([^;]*?);", done.stdout, re.DOTALL):
        # The name was replaced too: names and values come in the order asked for.
        expression = re.sub(r"(?<=[0-9a-fA-F])u\b", "", value.split("=", 1)[1])
        assert re.fullmatch(r"[\s0-9a-fA-FxX()+*]+", expression), expression
        values[names[len(values)]] = int(eval(expression))
    return values


def test_slots_and_journal_fill_the_flash_to_its_end_in_whole_rows():
    m = _memory_map()
    assert m["ES_STORE_ADDRESS"] + m["ES_FLASH_BYTES"] == m["ES_FLASH_ADDRESS"] + m["ES_FLASH_SIZE"]
    assert m["ES_FLASH_BYTES"] == 2 * m["ES_SLOT_BYTES"] + 2 * m["ES_JOURNAL_HALF"] + m["ES_BANKS"] * m["ES_BANK_BYTES"]
    for offset in (
        m["ES_STORE_ADDRESS"],
        m["ES_SLOT_BYTES"],
        m["ES_JOURNAL_OFFSET"],
        m["ES_JOURNAL_HALF"],
        m["ES_RECORD_BYTES"],
        m["ES_BANK_BYTES"],
    ):
        assert offset % m["ES_ROW_BYTES"] == 0
    assert m["ES_FACTORY_SIZE"] == m["ES_SLOT_BYTES"]
    assert m["ES_FACTORY_ADDRESS"] + m["ES_FACTORY_SIZE"] <= m["ES_STORE_ADDRESS"]


def test_the_linker_keeps_the_same_places():
    m = _memory_map()
    text = (PORT / "linker" / "earshot.ld").read_text()
    regions = {
        name: (int(start, 16), int(size, 16))
        for name, start, size in re.findall(r"(\w+) \(r\) : ORIGIN = (\w+), LENGTH = (\w+)", text)
    }
    assert regions == {
        "earshot_model": (m["ES_FACTORY_ADDRESS"], m["ES_FACTORY_SIZE"]),
        "earshot_store": (m["ES_STORE_ADDRESS"], m["ES_FLASH_BYTES"]),
    }


def test_mcuboots_flash_map_swaps_the_program_and_its_model_and_leaves_the_store_alone():
    # GIVEN the flash map
    m = _memory_map()
    parts = json.loads((PORT / "flashmap" / "earshot_2m_ext_swap.json").read_text())["boot_and_upgrade"]
    v = {f"{part}.{name}": int(field["value"], 16) for part, fields in parts.items() for name, field in fields.items()}
    primary, size = v["application_1.address"], v["application_1.size"]
    # THEN areas of the internal flash follow one another: bootloader, primary, status, store
    assert v["bootloader.address"] + v["bootloader.size"] == primary
    assert primary + size == v["bootloader.status_address"]
    assert v["bootloader.status_address"] + v["bootloader.status_size"] <= m["ES_STORE_ADDRESS"]
    # AND the primary slot holds the factory model, with room for TLVs and trailer behind
    assert primary < m["ES_FACTORY_ADDRESS"]
    assert m["ES_FACTORY_ADDRESS"] + m["ES_FACTORY_SIZE"] + 0x4000 <= primary + size
    # AND the secondary slot is as large, of whole sectors of the QSPI flash, before the scratch area
    assert v["application_1.upgrade_size"] == size
    assert size % 0x40000 == 0
    assert v["application_1.upgrade_address"] + size <= v["bootloader.scratch_address"]


def test_the_readme_says_the_same_map():
    text = (PORT / "README.md").read_text()
    m = _memory_map()
    for address in (
        m["ES_FACTORY_ADDRESS"],
        m["ES_STORE_ADDRESS"],
        m["ES_STORE_ADDRESS"] + m["ES_SLOT_BYTES"],
        m["ES_STORE_ADDRESS"] + m["ES_JOURNAL_OFFSET"],
    ):
        assert f"0x{address:08X}" in text


# --- what ModusToolbox reads ---


def test_dependencies_are_well_formed():
    files = sorted((PORT / "deps").glob("*.mtb"))
    assert [path.stem for path in files] == ["retarget-io", "wifi-core-freertos-lwip-mbedtls"]
    for path in files:
        assert re.fullmatch(
            rf"mtb://{path.stem}#(latest-v\d+\.X)#\$\$ASSET_REPO\$\$/{path.stem}/\1\n", path.read_text()
        )


def _make(tools: Path, *arguments: str, **environment: str) -> dict[str, list[str]]:
    """What the application's Makefile hands to ModusToolbox."""
    start = tools / "make" / "start.mk"
    start.parent.mkdir(parents=True, exist_ok=True)
    names = ("SOURCES", "INCLUDES", "DEFINES", "COMPONENTS", "LDFLAGS", "CFLAGS")
    start.write_text("show:\n" + "".join(f"\t@echo '{name}' $(subst ',,$(subst \",,$({name})))\n" for name in names))
    done = subprocess.run(
        ["make", "-s", "-C", PORT, "show", f"CY_TOOLS_PATHS={tools}", *arguments],
        capture_output=True, text=True, check=True, env=os.environ | environment,
    )  # fmt: skip
    return {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.split()}


@pytest.mark.parametrize("board", BOARDS)
def test_the_makefile_names_every_source_and_the_board(board, tmp_path):
    made = _make(tmp_path, f"TARGET=APP_{board.replace('_', '-')}", ES_BRINGUP="3")
    assert {(PORT / source).resolve() for source in made["SOURCES"]} == set(PORTABLE)
    assert f"ES_BOARD_{board}" in made["DEFINES"]
    assert "ES_BRINGUP=3" in made["DEFINES"]
    assert {"FREERTOS", "LWIP", "MBEDTLS", "SECURE_SOCKETS"} <= set(made["COMPONENTS"])
    assert (PORT / made["INCLUDES"][0]).resolve() == FIRMWARE
    assert (PORT / made["LDFLAGS"][0].rsplit(",", 1)[1]).is_file()


def test_without_modustoolbox_make_says_what_to_do():
    done = subprocess.run(
        ["make", "-C", PORT, "build", "CY_TOOLS_PATHS=/nowhere"], capture_output=True, text=True, check=False,
        env=os.environ | {"HOME": "/nowhere"},
    )  # fmt: skip
    assert done.returncode != 0
    assert "install them, or set CY_TOOLS_PATHS" in done.stderr


def test_folders_that_are_not_sources_are_not_discovered():
    ignored = (PORT / ".cyignore").read_text().split()
    assert "factory" in ignored, "factory/model.c would be compiled a second time"
    # What is discovered beside the sources is only configuration.
    for folder in (
        path for path in PORT.iterdir() if path.is_dir() and path.name not in [*ignored, "bsps", "libs", "build"]
    ):
        assert folder.name in {"configs", "deps"}


def test_the_template_holds_no_secrets_and_the_real_file_is_ignored():
    text = (PORT / "configs" / "earshot_secrets.template.h").read_text()
    values = dict(re.findall(r"^#define (ES_\w+) (.*)$", text, re.MULTILINE))
    public = {"ES_WIFI_SECURITY"}
    assert {name: value for name, value in values.items() if value not in ('""', "0")}.keys() == public
    ignored = ["configs/earshot_secrets.h", "factory/model.c", "libs/mtb.mk", "bsps/TARGET_X/bsp.mk"]
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *ignored], cwd=PORT, capture_output=True, text=True, check=False
    )
    if done.returncode > 1:
        pytest.skip("this tree is no git repository")
    assert done.stdout.split() == ignored


# --- parts of it, on stand-ins of the vendor's calls ---


class _Audio(ctypes.Structure):
    _fields_ = [
        ("context", ctypes.c_void_p),
        ("read", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t,
                                  ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_uint32))),
    ]  # fmt: skip


class _Led(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("set", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint8))]


class _Flash(ctypes.Structure):
    _fields_ = [
        ("context", ctypes.c_void_p), ("size", ctypes.c_uint32), ("erase_size", ctypes.c_uint32),
        ("write_size", ctypes.c_uint32), ("erased", ctypes.c_uint8),
        ("read", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32)),
        ("write", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_uint32)),
        ("erase", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32)),
        ("map", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)),
    ]  # fmt: skip


class _Clock(ctypes.Structure):
    _fields_ = [("context", ctypes.c_void_p), ("milliseconds", ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p))]


_SEND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
_CONNECT = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint16, ctypes.c_bool, ctypes.c_uint64
)
_RECEIVE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t), ctypes.c_uint64
)


class _Net(ctypes.Structure):
    _fields_ = [
        ("context", ctypes.c_void_p), ("has_tls", ctypes.c_bool), ("connect", _CONNECT),
        ("send", _SEND), ("receive", _RECEIVE), ("close", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    ]  # fmt: skip


# es_journal: where its state begins, behind a pointer; es_record: security_counter is its third word.
_STATE = ctypes.sizeof(ctypes.c_void_p)
_COUNTER = struct.Struct("<I")


class _Place(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_uint32), ("version", ctypes.c_char * 16)]


@pytest.fixture(scope="module")
def parts(tmp_path_factory, host_build):
    """The devices and the model switch, on the stand-ins of fakes.c."""
    folder = tmp_path_factory.mktemp("parts")
    names = ("hal_audio", "hal_led", "hal_flash", "hal_clock", "hal_net", "model_switch", "bringup_clip")
    sources = [PORT / f"{name}.c" for name in names] + [VENDOR / "fakes.c"]
    flags = [*_variable("WARNINGS"), *_flags(BOARDS[0], 0, _secrets(folder / "secrets"))]
    command = ["gcc", "-std=c99", "-O1", "-g", "-fPIC", "-shared", *flags, "-Wno-missing-prototypes", *sources]
    command += [host_build / "libearshot.so", f"-Wl,-rpath,{host_build}", "-o", folder / "parts.so"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    c = ctypes.CDLL(str(folder / "parts.so"))
    c.fake_microphone_play.restype = ctypes.c_size_t
    for name in ("es_switch_ask", "es_switch_lend", "es_switch_is_lent", "es_switch_give_back", "es_switch_take"):
        getattr(c, name).restype = ctypes.c_bool
    for name in ("es_audio_open", "es_led_open", "es_flash_open", "es_clock_open", "es_net_open"):
        getattr(c, name).restype = ctypes.c_bool
    c.es_bringup_golden.restype = ctypes.c_uint32
    return c


def _set(parts, name: str, value: int, kind=ctypes.c_int) -> None:
    kind.in_dll(parts, name).value = value


def _get(parts, name: str, kind=ctypes.c_int):
    return kind.in_dll(parts, name).value


class _Microphone:
    def __init__(self, parts) -> None:
        self.c, self.audio = parts, _Audio()
        for name in ("fake_restarts", "fake_refused_reads", "fake_microphone_heals"):
            _set(parts, name, 0)
        assert parts.es_audio_open(ctypes.byref(self.audio))
        parts.es_audio_discard()

    def play(self, samples) -> int:
        block = np.ascontiguousarray(samples, np.int16)
        return self.c.fake_microphone_play(block.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(block.size))

    def read(self, count: int = 320) -> tuple[np.ndarray, int]:
        samples, taken, lost = np.zeros(count, np.int16), ctypes.c_size_t(), ctypes.c_uint32()
        status = self.audio.read(None, samples.ctypes.data, count, ctypes.byref(taken), ctypes.byref(lost))
        assert status == 0
        return samples[: taken.value], lost.value


def test_what_the_microphone_hears_arrives_whole_in_order_louder_and_clipped(parts):
    # GIVEN a microphone at 16 kHz, mono, with all the gain of the hardware
    microphone = _Microphone(parts)
    clip = np.random.default_rng(1).integers(-32768, 32768, 320 * 7).astype(np.int16)
    clip[::3] //= 16
    # WHEN blocks come, read in other portions
    heard = []
    for block in clip.reshape(7, 320):
        assert microphone.play(block) == 320
    while sum(len(part) for part in heard) < clip.size:
        part, lost = microphone.read(100)
        assert lost == 0
        heard.append(part)
    # THEN nothing is lost or mixed up between the two blocks, and too loud is clipped, not wrapped
    assert np.array_equal(np.concatenate(heard), np.clip(clip.astype(np.int32) * 6, -32768, 32767))
    assert _get(parts, "fake_audio_hz", ctypes.c_uint32) % 16000 == 0


def test_a_reader_that_is_late_is_told_what_it_missed(parts):
    microphone = _Microphone(parts)
    for _ in range(30):  # 9600 samples into a ring of 8192
        microphone.play(np.ones(320))
    taken, missed = 0, 0
    while taken + missed < 9600:
        part, lost = microphone.read()
        taken, missed = taken + len(part), missed + lost
    assert (taken, missed) == (8192, 1408)
    # AND an overflow of the converter, whose cost nobody knows, counts once
    parts.fake_microphone_overflow()
    microphone.play(np.ones(320))
    assert microphone.read()[1] == 1


def test_a_microphone_that_falls_silent_is_started_again(parts):
    # GIVEN a microphone whose next read is refused in the interrupt
    microphone = _Microphone(parts)
    _set(parts, "fake_refused_reads", 1)
    microphone.play(np.ones(320))
    microphone.read()
    assert microphone.play(np.ones(320)) == 0
    # WHEN the reader waits in vain, and a restart helps
    _set(parts, "fake_microphone_heals", 5)
    heard, _ = microphone.read()
    # THEN it hears again
    assert _get(parts, "fake_restarts") == 1
    assert set(heard) == {30}


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_brighter_led_is_a_pin_that_is_low_for_longer(parts, one, other):
    led = _Led()
    assert parts.es_led_open(ctypes.byref(led))
    duties = []
    for brightness in (one, other, 0, 255):
        led.set(None, brightness)
        duties.append(_get(parts, "fake_led_duty", ctypes.c_float))
    assert duties[2:] == [100.0, pytest.approx(0.0, abs=1e-4)]
    assert (duties[0] < duties[1]) == (one > other)


def _store(parts) -> _Flash:
    flash = _Flash()
    assert parts.es_flash_open(ctypes.byref(flash))
    return flash


OK, FLASH_BOUNDS, FLASH_UNERASED = 0, "ES_ERR_FLASH_BOUNDS", "ES_ERR_FLASH_UNERASED"


def _name(library, status: int):
    return status if status == 0 else library.c.es_error_name(status).decode()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["write", "erase", "read"]),
            st.one_of(st.integers(0, 4400), st.sampled_from(range(0, 4609, 512))),
            st.sampled_from([0, 1, 512, 1024, 1536, 700]),
        ),
        max_size=12,
    )
)
def test_the_flash_is_rows_that_are_erased_before_they_are_written(parts, library, steps):
    # GIVEN an erased store, and another flash of the same rules in Python, over the store's last 4096 bytes
    flash, end = _store(parts), 4096
    base = flash.size - end
    assert (flash.erase_size, flash.write_size, flash.erased) == (512, 512, 0)
    assert flash.erase(None, base, end) == OK
    model = bytearray(end)
    for n, (what, offset, size) in enumerate(steps):
        inside = offset + size <= end
        grid = inside and offset % 512 == 0 and size % 512 == 0
        data = bytes([n + 1]) * size
        # WHEN anything is done to both
        if what == "erase":
            status, expected = flash.erase(None, base + offset, size), OK if grid else FLASH_BOUNDS
            if grid:
                model[offset : offset + size] = bytes(size)
        elif what == "write":
            # Rows before the first that is not erased are written.
            free = 0
            while free < size and not any(model[offset + free : offset + free + 512]):
                free += 512
            expected = FLASH_BOUNDS if not grid else OK if free >= size else FLASH_UNERASED
            status = flash.write(None, base + offset, data, size)
            if grid:
                model[offset : offset + min(free, size)] = data[: min(free, size)]
        else:
            read = ctypes.create_string_buffer(size + 1)
            status, expected = flash.read(None, base + offset, read, size), OK if inside else FLASH_BOUNDS
            if inside:
                assert read.raw[:size] == bytes(model[offset : offset + size])
        # THEN they agree
        assert _name(library, status) == expected
    memory = (ctypes.c_uint8 * 0x200000).in_dll(parts, "fake_flash")
    assert bytes(memory[0x200000 - end :]) == bytes(model)
    assert not any(memory[0x100000:0x170000]), "outside of the store"


def test_a_power_cut_in_any_row_of_the_journal_leaves_the_state_before_or_after(parts, library):
    # GIVEN the journal over this chip's rows, which erase to 0, and so many commits that both halves are used twice
    flash, journal = _store(parts), ctypes.create_string_buffer(1024)
    numbers = range(1, 101)

    def open_journal() -> int:
        assert library.c.es_journal_open(journal, ctypes.byref(flash)) == OK
        return _COUNTER.unpack_from(journal, _STATE + 8)[0]

    def commit(number: int) -> bool:
        record = bytearray(journal.raw[_STATE : _STATE + 512])
        _COUNTER.pack_into(record, 8, number)
        return library.c.es_journal_commit(journal, bytes(record)) == OK

    def run(cut: int) -> int:
        """The last number that was committed before the power failed."""
        ctypes.memset((ctypes.c_uint8 * 0x200000).in_dll(parts, "fake_flash"), 0, 0x200000)
        _set(parts, "fake_flash_operations", 0)
        _set(parts, "fake_flash_cut", cut)
        assert open_journal() == 0
        return next((number - 1 for number in numbers if not commit(number)), numbers[-1])

    assert run(0) == 100
    operations = _get(parts, "fake_flash_operations")
    assert operations > 200, "100 records, and four erases of 32 rows"
    for cut in range(1, operations + 1):
        # WHEN the power fails in an operation, and comes back
        last = run(cut)
        _set(parts, "fake_flash_cut", 0)
        # THEN the state is the last that was committed, or the one that was being written
        assert open_journal() in (last, last + 1), f"operation {cut}"
        # AND the journal goes on
        assert commit(1000)
        assert open_journal() == 1000


def test_a_chip_with_another_flash_is_refused(parts):
    class Block(ctypes.Structure):
        _fields_ = [
            ("start", ctypes.c_uint32),
            ("size", ctypes.c_uint32),
            ("page", ctypes.c_uint32),
            ("erased", ctypes.c_uint8),
        ]

    block = Block.in_dll(parts, "fake_flash_block")
    good = (block.size, block.page, block.erased)
    for size, page, erased in [(0x100000, 512, 0), (0x1FFFFF, 512, 0), (0x200000, 256, 0), (0x200000, 512, 0xFF)]:
        block.size, block.page, block.erased = size, page, erased
        assert not parts.es_flash_open(ctypes.byref(_Flash()))
    block.size, block.page, block.erased = good
    assert parts.es_flash_open(ctypes.byref(_Flash()))


def test_the_clock_goes_on_when_the_tick_counter_wraps(parts):
    clock = _Clock()
    assert parts.es_clock_open(ctypes.byref(clock))
    _set(parts, "fake_ticks", 0xFFFFFFF0, ctypes.c_uint32)
    before = clock.milliseconds(None)
    _set(parts, "fake_ticks", 0x10, ctypes.c_uint32)
    assert clock.milliseconds(None) - before == 0x20


@pytest.fixture
def net(parts):
    clock, opened = _Clock(), _Net()
    parts.es_clock_open(ctypes.byref(clock))
    assert parts.es_net_open(ctypes.byref(opened), ctypes.byref(clock), b"PEM")
    _set(parts, "fake_connect_result", 0, ctypes.c_uint32)
    _set(parts, "fake_receive_result", 0, ctypes.c_uint32)
    _set(parts, "fake_most_bytes", 100, ctypes.c_uint32)
    opened.now = lambda: clock.milliseconds(None)
    opened.clock = clock
    yield opened
    opened.close(None)
    assert parts.fake_open_sockets() == 0


@pytest.mark.parametrize(("port", "tls"), [(443, True), (8443, True), (80, False), (4566, False)])
def test_tls_asks_for_the_servers_name(parts, net, port, tls):
    assert net.has_tls
    assert net.connect(None, b"example.test", port, tls, net.now() + 1000) == OK
    assert _get(parts, "fake_socket_protocol") == (3 if tls else 1)
    assert _get(parts, "fake_server_name_was_set") == int(tls)


def test_a_connection_that_fails_leaves_no_socket_behind(parts, net, library):
    _set(parts, "fake_connect_result", 1, ctypes.c_uint32)
    assert _name(library, net.connect(None, b"example.test", 443, True, net.now() + 1000)) == "ES_ERR_NET_CONNECT"
    assert _name(library, net.connect(None, b"nobody.test", 443, True, net.now() + 1000)) == "ES_ERR_NET_CONNECT"
    assert _name(library, net.connect(None, b"example.test", 443, True, net.now())) == "ES_ERR_NET_TIMEOUT"
    assert parts.fake_open_sockets() == 0


def test_all_is_sent_and_every_wait_ends_by_the_deadline(parts, net, library):
    assert net.connect(None, b"example.test", 80, False, net.now() + 1000) == OK
    request = bytes(range(256)) * 3
    assert net.send(None, request, len(request), net.now() + 1000) == OK
    sent = (ctypes.c_uint8 * 4096).in_dll(parts, "fake_sent")
    assert bytes(sent[: len(request)]) == request
    # WHEN an answer is awaited
    data, count = ctypes.create_string_buffer(64), ctypes.c_size_t()
    assert net.receive(None, data, 64, ctypes.byref(count), net.now() + 700) == OK
    assert count.value == 64
    assert _get(parts, "fake_receive_timeout", ctypes.c_uint32) == 700
    # THEN silence, and a deadline that is over, are time-outs; a peer that closes is the end of the bytes
    _set(parts, "fake_most_bytes", 0, ctypes.c_uint32)
    _set(parts, "fake_receive_result", 11, ctypes.c_uint32)
    assert _name(library, net.receive(None, data, 64, ctypes.byref(count), net.now() + 700)) == "ES_ERR_NET_TIMEOUT"
    assert _name(library, net.receive(None, data, 64, ctypes.byref(count), net.now())) == "ES_ERR_NET_TIMEOUT"
    _set(parts, "fake_receive_result", 5, ctypes.c_uint32)
    assert (net.receive(None, data, 64, ctypes.byref(count), net.now() + 700), count.value) == (OK, 0)
    assert _name(library, net.send(None, b"x", 1, net.now() + 700)) == "ES_ERR_NET_CLOSED"


@given(st.lists(st.sampled_from(["ask", "lend", "give_back", "take"]), max_size=30))
def test_the_arena_has_one_user_whatever_the_two_tasks_try(parts, moves):
    # GIVEN the order of the moves, and what each hands on
    order = ["ask", "lend", "give_back", "take"]
    switch, state, handed = ctypes.create_string_buffer(128), 0, 0
    parts.es_switch_init(switch)
    for n, move in enumerate(moves):
        place = _Place(1000 + n, n, f"1.0.{n}".encode())
        arguments = [switch, ctypes.byref(place)] if move in ("give_back", "take") else [switch]
        # WHEN a task tries a move
        done = getattr(parts, f"es_switch_{move}")(*arguments)
        # THEN it is made in its turn alone
        assert done == (order.index(move) == state)
        state = (state + 1) % 4 if done else state
        assert parts.es_switch_is_lent(switch) == (state == 2)
        if done and move == "give_back":
            handed = n
        if done and move == "take":
            assert (place.data, place.size, place.version) == (1000 + handed, handed, f"1.0.{handed}".encode())


def test_the_golden_clip_has_the_golden_features(parts):
    # GIVEN the clip by the rule in bringup_clip.c, in Python
    state, noise = 1, []
    for _ in range(16000):
        state = (state * 1664525 + 1013904223) % 2**32
        noise.append((state >> 16) - 32768)
    swelling = np.array(noise, np.int64) * (np.arange(16000) % 4000)
    clip = (np.sign(swelling) * (np.abs(swelling) // 4000)).astype(np.int16)
    made = np.zeros(16000, np.int16)
    parts.es_bringup_clip(made.ctypes.data_as(ctypes.c_void_p))
    assert np.array_equal(made, clip)
    # THEN the digests that a board compares with are those of the features as training computes them
    for front_end in features.FRONT_ENDS.values():
        digest = hashlib.sha256(front_end.features(clip[None])[0].tobytes()).digest()
        assert parts.es_bringup_golden(front_end.id.encode()) == int.from_bytes(digest[:4], "big"), front_end.id


# --- the whole application, on a simulated board ---


class _Board:
    """A process with the application's tasks as threads; see modustoolbox/simulator.c."""

    def __init__(self, program: Path, *arguments: Path | str) -> None:
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._arrived: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(line.rstrip("\n"))
        self._arrived.put(None)

    def wait_for(self, start: str, seconds: float = 60) -> str:
        """The next line that begins so."""
        end = time.monotonic() + seconds
        while True:
            line = self._arrived.get(timeout=max(0.1, end - time.monotonic()))
            assert line is not None, f"ended before {start!r}: {self.lines}"
            self.lines.append(line)
            if line.startswith(start):
                return line

    def pending(self) -> list[str]:
        """What it has said and nobody waited for."""
        return [line for line in iter(lambda: self._arrived.get() if self._arrived.qsize() else None, None) if line]

    def __enter__(self) -> "_Board":
        return self

    def __exit__(self, *failure) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def application(tmp_path, host_build, signing_key):
    """build(port of the server, step, factory model) -> the application for this machine."""

    def build(port: int = 1, step: int = 7, factory: bytes = b"") -> Path:
        values = {
            "ES_WIFI_SSID": '"net"',
            "ES_DEVICE_ID": '"board-1"',
            "ES_RELEASES_URL": f'"http://127.0.0.1:{port}"',
            "ES_REPORTS_URL": f'"http://127.0.0.1:{port}/reports"',
            "ES_SIGNING_KEY": ", ".join(str(byte) for byte in signing_key.spki),
            "ES_DEVICE_KEY": "1, 2, 3",
        }
        flags = [*_variable("WARNINGS"), *_flags(BOARDS[0], step, _secrets(tmp_path / "secrets", **values))]
        if factory:
            _factory(tmp_path, factory)
            flags += [f"-I{tmp_path}", "-DES_FACTORY_MODEL"]
        compiler = ["gcc", "-std=c99", "-O1", "-g", "-pthread", *flags, "-Wno-missing-prototypes"]
        program, main = tmp_path / "board", tmp_path / "main.o"
        subprocess.run([*compiler, "-Dmain=port_main", "-c", PORT / "main.c", "-o", main], check=True)
        ours = [path for path in SOURCES if path.name != "main.c"]
        library = [host_build / "libearshot.so", f"-Wl,-rpath,{host_build}"]
        subprocess.run([*compiler, *ours, VENDOR / "simulator.c", main, *library, "-o", program], check=True)
        return program

    return build


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        (1, ["uart 0", "uart 1"]),
        (2, ["led 0", "led 24", "led 255", "led 0"]),
        (3, ["level 0 0 0"]),
        (4, ["features micro-7b49ead9 2070261767 ok ", "features spectrogram43-a395c2a0 1300694405 ok "]),
        (6, ["wifi 127 0 0 1"]),
    ],
)
def test_a_step_of_the_bring_up_prints_what_the_readme_says(application, step, lines, tmp_path):
    with _Board(application(step=step), tmp_path / "flash.bin") as board:
        board.wait_for("boot CY8CPROTO_062_4343W")
        board.wait_for(f"bringup {step}")
        for line in lines:
            board.wait_for(line)
    row = next(row for row in (PORT / "README.md").read_text().splitlines() if row.startswith(f"| {step} |"))
    for line in lines:
        assert line in row or step in (3, 6), "what a room or a network gives is not the simulator's"


def test_a_board_hears_with_its_factory_model_and_without_a_network(application, board_model, tmp_path):
    # GIVEN the fifth step, which never asks for updates, and a model that was linked in
    program = application(step=5, factory=board_model)
    # WHEN it starts THEN it listens with that model
    with _Board(program, tmp_path / "flash.bin") as board:
        board.wait_for("earshot 1.0.0 micro-7b49ead9 yes,no,unknown,silence arena ")
        time.sleep(1.5)  # 15 s of the board's time: the first poll would be over
        assert board.process.poll() is None
        assert not any(line.startswith("update") for line in board.pending())


def test_a_board_gets_its_first_model_and_the_next_while_it_listens(
    application, server, image_maker, board_model, tmp_path
):
    # GIVEN a board without a model, and a release
    program, flash = application(server.port), tmp_path / "flash.bin"
    server.publish(image_maker(board_model), "1.0.1")
    with _Board(program, flash) as board:
        board.wait_for("boot CY8CPROTO_062_4343W")
        board.wait_for("no model: waiting for an update")
        # WHEN it polls THEN it takes the model and listens with it
        board.wait_for("update confirmed 1.0.1")
        board.wait_for("earshot 1.0.1 micro-")
        # WHEN an image of another board's is published THEN it is rejected, and the board goes on
        server.publish(image_maker(board_model, 2, board="CY8CKIT_062S2_43012"), "1.0.2")
        board.wait_for("update rejected 1.0.2 ES_ERR_IMAGE_BOARD")
        # WHEN a good one follows THEN the listening task switches to it, without a restart
        server.publish(image_maker(board_model, 3), "1.0.3")
        board.wait_for("update confirmed 1.0.3")
        board.wait_for("earshot 1.0.3 micro-")
        assert board.process.poll() is None
    # AND a restart finds it in the flash
    with _Board(program, flash) as board:
        board.wait_for("earshot 1.0.3 micro-")
    # AND a microphone that nothing brings back lets the watchdog restart the board
    with _Board(program, flash, "deaf") as board:
        board.wait_for("watchdog")
        assert board.process.wait(10) == 7
    # AND the fleet was told
    states = [json.loads(body)["state"] for _, _, body in server.reports]
    assert states.count("confirmed") == 2
    assert "rejected" in states


def test_a_model_that_fails_its_self_test_gives_the_arena_back(application, server, image_maker, board_model, tmp_path):
    # GIVEN a board that listens
    program, flash = application(server.port), tmp_path / "flash.bin"
    server.publish(image_maker(board_model), "1.0.1")
    with _Board(program, flash) as board:
        board.wait_for("earshot 1.0.1 ")
        # WHEN a signed image holds something that is no model
        server.publish(image_maker(b"TFL3" * 5000, 2), "1.0.2")
        board.wait_for("error ES_ERR_MODEL")
        board.wait_for("update rejected 1.0.2 ES_ERR_MODEL")
        # THEN the board hears with what it had
        board.wait_for("earshot 1.0.1 ")
