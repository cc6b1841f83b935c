# The checks of the C code, included by the Makefile.
#
#   make check       the suites of tests/firmware, sanitized, with the portable kernels and with those for DSP
#   make check-mps2  the same suites as Cortex-M4 code in QEMU
#   make coverage    lines and branches that the suites reach
#   make powercut    an update whose power is cut in each flash operation; powercut-all: in all pairs of two
#   make fuzz        every fuzzer of tests/firmware/fuzz for SECONDS=20, sanitized; needs clang-14
#   make analyze     GCC's static analyzer on all code, for this machine and for the Cortex-M4
#   make cppcheck    static checks by cppcheck
#   make tidy        static checks by clang-tidy-14, chosen in .clang-tidy
#   make stack       the most stack of each entry point, and whether it keeps to stack-limits.json

TESTS = ../tests/firmware
# Makes what the suites compare with: needs TensorFlow Lite Micro and the jobs' front ends.
JOBS_PYTHON ?= ../.venv/jobs/bin/python
GOLDEN = build/golden
SUITES = $(patsubst $(TESTS)/test_%.c,%,$(wildcard $(TESTS)/test_*.c))
TEST_INCLUDES = -I. -I$(GOLDEN) -I$(TESTS)

.PHONY: check check-portable check-dsp check-mps2 host-suites
check: check-portable check-dsp
check-portable check-dsp: $(GOLDEN)/golden.h

check-portable:
	@$(MAKE) --no-print-directory OUT=build/check CFLAGS="$(SANITIZE)" host-suites
check-dsp:
	@$(MAKE) --no-print-directory OUT=build/check-dsp CFLAGS="$(SANITIZE) -DES_DSP=1" host-suites

$(GOLDEN)/golden.h: $(TESTS)/golden.py ../tests/unit/firmware/tflite_models.py $(wildcard ../jobs/kws/*.py)
	@echo '  PY  $@'
	@mkdir -p $(GOLDEN)
	@$(JOBS_PYTHON) $< $(GOLDEN) 2>$(GOLDEN).log || { cat $(GOLDEN).log; exit 1; }

host-suites: $(SUITES:%=$(OUT)/suites/%) $(OUT)/suites/failing
	@$(TESTS)/run-suites "on this machine ($(OUT))" $(OUT)/suites/failing $(SUITES:%=$(OUT)/suites/%)

$(OUT)/portable.a: $(PORTABLE:%.c=$(OUT)/%.o)
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/suites/%.o: $(TESTS)/%.c $(GOLDEN)/golden.h
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(STANDARD) $(WARNINGS) $(CFLAGS) $(TEST_INCLUDES) -MMD -MP -c -o $@ $<

$(OUT)/suites/golden.o: $(GOLDEN)/golden.h
	@mkdir -p $(@D)
	@$(CC) -O0 -c -o $@ $(GOLDEN)/golden.c

$(OUT)/suites/failing: $(OUT)/suites/failing.o
	@$(CC) $(CFLAGS) -o $@ $< -lcmocka
$(OUT)/suites/%: $(OUT)/suites/test_%.o $(OUT)/suites/golden.o $(OUT)/portable.a
	@$(CC) $(CFLAGS) -o $@ $^ -lcmocka -lm -pthread

# Lines and branches of the firmware that the suites reach, with the kernels for DSP.
.PHONY: coverage
coverage:
	@rm -rf build/coverage
	@$(MAKE) --no-print-directory OUT=build/coverage CFLAGS="-O0 --coverage -DES_DSP=1" host-suites
	@for source in $(PORTABLE); do \
	    gcov -nb -o build/coverage/$${source%.c}.gcno $$source 2>/dev/null | grep -A3 "^File '$$source'" | \
	        awk -v f=$$source -F'[:% ]+' '/^Lines/ { l = $$3; n = $$5 } /^Taken/ { b = $$5 } \
	            END { if (n) printf "  %-36s %6.1f %% of %4d lines, %6.1f %% of branches\n", f, l, n, b }'; done

# --- in QEMU --------------------------------------------------------------------------------------------------------

ARM_PORTABLE = $(patsubst %.c,$(ARM_OUT)/%.o,$(PORTABLE) port/mps2/startup.c)
# All that is not a port's, for benchmarks/board.py to weigh.
.PHONY: objects-mps2
objects-mps2: $(ARM_PORTABLE)
QEMU = qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none \
	-semihosting-config enable=on,target=native,arg=suite -kernel

check-mps2: $(SUITES:%=$(ARM_OUT)/suites/%.elf) $(ARM_OUT)/suites/failing.elf
	@$(TESTS)/run-suites "as Cortex-M4 code in QEMU" $(ARM_OUT)/suites/failing.elf \
		$(SUITES:%=$(ARM_OUT)/suites/%.elf) -- $(QEMU)

$(ARM_OUT)/suites/%.o: $(TESTS)/%.c $(GOLDEN)/golden.h
	@mkdir -p $(@D)
	@echo '  CC  $< (Cortex-M4)'
	@$(ARM)gcc $(ARM_CPU) -std=c99 -ffp-contract=off $(WARNINGS) $(ARM_CFLAGS) $(TEST_INCLUDES) -I$(TESTS)/qemu \
		-MMD -MP -c -o $@ $<

$(ARM_OUT)/suites/golden.o: $(GOLDEN)/golden.h
	@mkdir -p $(@D)
	@$(ARM)gcc $(ARM_CPU) -O0 -fdata-sections -c -o $@ $(GOLDEN)/golden.c

$(ARM_OUT)/suites/failing.elf: $(ARM_OUT)/suites/failing.o
$(SUITES:%=$(ARM_OUT)/suites/%.elf): $(ARM_OUT)/suites/%.elf: $(ARM_OUT)/suites/test_%.o
$(SUITES:%=$(ARM_OUT)/suites/%.elf) $(ARM_OUT)/suites/failing.elf: $(ARM_OUT)/suites/golden.o $(ARM_PORTABLE) \
	port/mps2/mps2.ld
	@echo '  LD  $@'
	@$(ARM)gcc $(ARM_CPU) $(ARM_LDFLAGS) -o $@ $(filter %.o,$^) -lm

# --- power cuts ------------------------------------------------------------------------------------------------------

POWERCUT = build/powercut
.PHONY: powercut powercut-all
powercut: $(POWERCUT)/powercut
	@$<
powercut-all: $(POWERCUT)/powercut
	@$< all

$(POWERCUT)/powercut_files.h: $(TESTS)/powercut.py $(wildcard ../tests/unit/firmware/*_repository.py)
	@echo '  PY  $@'
	@$(JOBS_PYTHON) $< $(@D)

$(POWERCUT)/powercut: $(TESTS)/powercut.c $(POWERCUT)/powercut_files.h $(PORTABLE) $(wildcard */*.h */*/*.h)
	@echo '  LD  $@'
	@$(CC) $(STANDARD) $(WARNINGS) -O2 -g -I. -I$(POWERCUT) -Wl,--wrap=es_p256_verify,--wrap=es_p256_sign -o $@ \
		$< $(PORTABLE) -lm -pthread

# --- fuzzing --------------------------------------------------------------------------------------------------------

FUZZ_CC = clang-14
FUZZ_CFLAGS = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DES_DSP=1
# What -Wconversion means to clang goes beyond what it means to gcc.
FUZZ_WARNINGS = -Wall -Wextra -Werror
FUZZ_OUT = build/fuzz
FUZZERS = $(patsubst $(TESTS)/fuzz/%.c,%,$(wildcard $(TESTS)/fuzz/*.c))
SECONDS ?= 20

.PHONY: fuzz fuzzers $(FUZZERS:%=fuzz-%)
fuzz: fuzzers
	@$(MAKE) --no-print-directory $(FUZZERS:%=fuzz-%)

fuzzers:
	@$(MAKE) --no-print-directory OUT=$(FUZZ_OUT) CC=$(FUZZ_CC) CFLAGS="$(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link" \
		WARNINGS="$(FUZZ_WARNINGS)" $(FUZZERS:%=$(FUZZ_OUT)/%)

$(FUZZERS:%=fuzz-%): fuzz-%:
	@$(TESTS)/run-fuzzer $(FUZZ_OUT)/$* $(TESTS)/corpus/$* $(SECONDS)

$(FUZZERS:%=$(FUZZ_OUT)/%): $(FUZZ_OUT)/%: $(TESTS)/fuzz/%.c $(FUZZ_OUT)/portable.a $(wildcard $(TESTS)/fuzz/*.h)
	@echo '  CC  $<'
	@$(FUZZ_CC) -std=c99 $(FUZZ_WARNINGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer -I. -o $@ $(filter-out %.h,$^)

# --- stack ----------------------------------------------------------------------------------------------------------

# All of the firmware, and what it needs of the C library.
$(ARM_OUT)/stack.elf: $(ARM_PORTABLE) $(ARM_OUT)/port/mps2/main.o port/mps2/mps2.ld
	@echo '  LD  $@'
	@$(ARM)gcc $(ARM_CPU) $(ARM_LDFLAGS) -Wl,--no-gc-sections -o $@ $(filter %.o,$^)

.PHONY: stack
stack: $(ARM_OUT)/stack.elf stack-limits.json
	@../tools/stack-bound stack-limits.json $(ARM_OUT) $<

# --- without running it ---------------------------------------------------------------------------------------------

C_FILES = $(wildcard core/*.c core/kernels/*.c app/*.c crypto/*.c ota/*.c ota/tuf/*.c port/*.c port/host/*.c)

.PHONY: analyze analyze-host analyze-mps2 analyzed-host analyzed-mps2 cppcheck tidy
# GCC's analyzer follows paths through functions; once for each of the two sets of kernels.
# A program that ends frees nothing.
$(ARM_OUT)/port/mps2/measure.o: WARNINGS += -Wno-analyzer-malloc-leak
analyze: analyze-host analyze-mps2
analyze-host:
	@$(MAKE) --no-print-directory OUT=build/analyze CFLAGS="-O2 -fanalyzer" analyzed-host
analyze-mps2:
	@$(MAKE) --no-print-directory ARM_OUT=build/analyze-mps2 ARM_CFLAGS="$(ARM_CFLAGS) -fanalyzer" analyzed-mps2
analyzed-host: $(OBJECTS) $(OUT)/port/host/main.o $(OUT)/port/host/tuf_main.o
analyzed-mps2: $(ARM_PORTABLE) $(ARM_OUT)/port/mps2/main.o $(ARM_OUT)/port/mps2/measure.o

cppcheck:
	cppcheck --std=c99 --quiet --error-exitcode=1 --enable=warning,performance,portability,style --inline-suppr \
		--suppressions-list=cppcheck.txt -I. core app crypto ota port $(TESTS)

TIDY = clang-tidy-14 --quiet --warnings-as-errors='*'
tidy: $(C_FILES:%.c=build/tidy/%.ok)
build/tidy/%.ok: %.c $(wildcard *.h */*.h */*/*.h) .clang-tidy
	@mkdir -p $(@D)
	@echo '  TIDY $<'
	@$(TIDY) $< -- -std=c99 -D_POSIX_C_SOURCE=200809L -DES_DSP=1 2>$@.log || { cat $@.log; exit 1; }
	@touch $@

-include $(wildcard $(OUT)/suites/*.d $(ARM_OUT)/suites/*.d)
.SECONDARY:
