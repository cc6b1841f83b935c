"""Damages models at random and hands them to a library: fuzz_models.py LIBRARY FOLDER COUNT.

Prints how many were accepted (and then run) and refused. A crash or a sanitizer's report is the failure.
"""

# mypy: disable-error-code="no-untyped-def, no-any-return, import-not-found"

import ctypes
import random
import sys
from pathlib import Path

EDGES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One model with a few bytes or words changed, or its end cut off."""
    copy = bytearray(data)
    if rng.random() < 0.15:
        return bytes(copy[: rng.randrange(len(copy))])
    # Structure lies at the front and the end of a file; weights are in between.
    for _ in range(rng.randrange(1, 4)):
        at = (
            rng.randrange(min(len(copy), 3000))
            if rng.random() < 0.5
            else len(copy) - 1 - rng.randrange(min(len(copy), 3000))
        )
        kind = rng.random()
        if kind < 0.4:
            copy[at] ^= 1 << rng.randrange(8)
        elif kind < 0.7:
            copy[at] = rng.choice(EDGES)
        else:
            word = rng.choice((0, 1, 4, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.getrandbits(32)))
            copy[at : at + 4] = word.to_bytes(4, "little")[: len(copy) - at]
    return bytes(copy)


def main() -> None:
    library = ctypes.CDLL(sys.argv[1])
    seeds = [p.read_bytes() for p in sorted(Path(sys.argv[2]).glob("*.tflite"))]
    rng = random.Random(1)
    info = (ctypes.c_uint32 * 265)()  # 9 numbers and a card of 1024 bytes
    accepted = refused = 0
    for _ in range(int(sys.argv[3])):
        data = damaged(rng.choice(seeds), rng)
        # A block of its own of exactly this size: reading beyond it is seen.
        block = (ctypes.c_char * len(data)).from_buffer_copy(data) if data else (ctypes.c_char * 1)()
        if library.es_lib_model_check(block, ctypes.c_size_t(len(data)), info) != 0:
            refused += 1
            continue
        accepted += 1
        size_in, size_out = info[0], info[1]
        # Inputs of megabytes are legal but say nothing new.
        if size_in <= 1 << 16 and size_out <= 1 << 16:
            values = (ctypes.c_int8 * size_in)(*[rng.randrange(-128, 128) for _ in range(min(size_in, 64))])
            answer = (ctypes.c_int8 * size_out)()
            code = library.es_lib_infer(
                block, ctypes.c_size_t(len(data)), values, ctypes.c_size_t(size_in), answer, ctypes.c_size_t(size_out)
            )
            assert code == 0, code
    print(accepted, refused)


if __name__ == "__main__":
    main()
