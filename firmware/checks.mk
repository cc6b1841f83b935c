# The checks of the C code, included by the Makefile.
#
#   make check       the suites of tests/firmware, sanitized, with the portable kernels and with those for DSP
#   make check-mps2  the same suites as Cortex-M4 code in QEMU

TESTS = ../tests/firmware
# Makes what the suites compare with: needs TensorFlow Lite Micro and the jobs' front ends.
JOBS_PYTHON ?= ../.venv/jobs/bin/python
GOLDEN = build/golden
SUITES = $(patsubst $(TESTS)/test_%.c,%,$(wildcard $(TESTS)/test_*.c))
TEST_INCLUDES = -I. -I$(GOLDEN) -I$(TESTS)

.PHONY: check check-portable check-dsp check-mps2 host-suites
check: check-portable check-dsp

check-portable:
	@$(MAKE) --no-print-directory OUT=build/check CFLAGS="$(SANITIZE)" host-suites
check-dsp:
	@$(MAKE) --no-print-directory OUT=build/check-dsp CFLAGS="$(SANITIZE) -DES_DSP=1" host-suites

$(GOLDEN)/golden.h: $(TESTS)/golden.py ../tests/unit/firmware/tflite_models.py $(wildcard ../jobs/kws/*.py)
	@echo '  PY  $@'
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

# --- in QEMU --------------------------------------------------------------------------------------------------------

ARM_PORTABLE = $(patsubst %.c,$(ARM_OUT)/%.o,$(PORTABLE) port/mps2/startup.c)
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
$(SUITES:%=$(ARM_OUT)/suites/%.elf) $(ARM_OUT)/suites/failing.elf: $(ARM_OUT)/suites/golden.o $(ARM_PORTABLE) port/mps2/mps2.ld
	@echo '  LD  $@'
	@$(ARM)gcc $(ARM_CPU) $(ARM_LDFLAGS) -o $@ $(filter %.o,$^) -lm

-include $(wildcard $(OUT)/suites/*.d $(ARM_OUT)/suites/*.d)
.SECONDARY:
