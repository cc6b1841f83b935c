# Earshot: every job is one command, and each command does its own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
export PYTHON
CLIPS ?=
KEYWORDS ?= yes,no
ENV ?= default
# The environments that the main job needs; `sdk` is Amazon's SDK, for a test only.
ENVIRONMENTS := main jobs lambda sam
READY := $(ENVIRONMENTS:%=.venv/.%-ready)
PINNED := main sam jobs lambda sdk uv

.PHONY: help
help: ## what there is to run
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# --- set-up ---------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(READY) .venv/.earshot-ready ## virtual environments and this project in them

.venv/.uv-ready: requirements/uv.txt
	@tools/make-venv uv
	@touch $@

.venv/.%-ready: requirements/%.txt | .venv/.uv-ready
	@tools/make-venv $*
	@touch $@

.venv/.earshot-ready: pyproject.toml .venv/.main-ready
	@printf '  %-44s' "installing earshot itself"
	@.venv/main/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . \
	    >.venv/earshot.log 2>&1 || { cat .venv/earshot.log; exit 1; }
	@echo ok
	@touch $@

# Used by tests: a compiler for the C++ library that the front end must equal; and where they are there, version 2 of
# the AWS command line, and for the board's code a compiler, an emulator, a test framework, a fuzzer and two checkers.
.PHONY: debian
debian:
	@tools/debian-packages g++ cppcheck awscli gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm \
	    libcmocka-dev clang-14 clang-tidy-14 libclang-rt-14-dev

.PHONY: firmware
firmware: ## the board program for this machine
	@$(MAKE) --no-print-directory -C firmware host

# --- the main job ---------------------------------------------------------------------------------------------------

.PHONY: demo
demo: setup ## clips into S3, words recognised on the board (CLIPS=DIR for real recordings, KEYWORDS=yes,no)
	@.venv/main/bin/earshot demo --keywords "$(KEYWORDS)" $(if $(CLIPS),--clips "$(CLIPS)")

.PHONY: demo-down
demo-down: ## stop everything the demo left running
	@if [ -x .venv/main/bin/earshot ]; then .venv/main/bin/earshot local down; else echo "nothing is running"; fi

.PHONY: deploy
deploy: setup ## sam build and sam deploy to your AWS account (ENV=default or prod)
	.venv/sam/bin/sam build
	.venv/sam/bin/sam deploy --config-env $(ENV)

.PHONY: bench
bench: setup debian firmware ## figures, printed and in build/bench/*.json (CLIPS=DIR: models trained on real recordings)
	if command -v arm-none-eabi-gcc qemu-system-arm >/dev/null; then \
	    TF_CPP_MIN_LOG_LEVEL=3 .venv/jobs/bin/python benchmarks/board.py; \
	else echo "not counted on the board: gcc-arm-none-eabi or qemu-system-arm is missing"; fi
	.venv/jobs/bin/python benchmarks/front_end.py
	TF_CPP_MIN_LOG_LEVEL=3 .venv/jobs/bin/python benchmarks/inference.py
ifeq ($(CLIPS),)
	rm -rf build/bench/clips
	.venv/main/bin/python benchmarks/speak.py build/bench/clips
endif
	TF_CPP_MIN_LOG_LEVEL=3 .venv/jobs/bin/python benchmarks/models.py "$(or $(CLIPS),build/bench/clips)"

# --- checks ---------------------------------------------------------------------------------------------------------

BOARD = $(MAKE) --no-print-directory -j 2 -C firmware

.PHONY: test
test: lint test-firmware test-unit test-integration test-e2e ## every check and every test

.PHONY: lint
lint: setup debian ## ruff, mypy, cfn-lint, sam validate; for C: gcc's analyzer, cppcheck, clang-tidy, bounds of the stack
	.venv/main/bin/ruff check .
	.venv/main/bin/ruff format --check .
	.venv/main/bin/mypy
	.venv/main/bin/cfn-lint template.yaml --append-rules cfn_lint_serverless.rules
	SAM_CLI_TELEMETRY=0 .venv/sam/bin/sam validate --lint --region us-east-1
	@tools/needs gcc -- $(BOARD) analyze-host
	@tools/needs arm-none-eabi-gcc -- $(BOARD) analyze-mps2 stack
	@tools/needs cppcheck -- $(BOARD) cppcheck
	@tools/needs clang-tidy-14 -- $(BOARD) tidy

.PHONY: test-firmware
test-firmware: setup debian ## the board's code: suites under sanitizers and in QEMU, fuzzing
	@tools/needs gcc cmocka.h -- $(BOARD) check
	@tools/needs arm-none-eabi-gcc qemu-system-arm -- $(BOARD) check-mps2
	@tools/needs gcc -- $(BOARD) powercut
	@tools/needs clang-14 -- $(BOARD) fuzz

.PHONY: fuzz
MINUTES ?= 5
fuzz: debian ## every fuzzer of the board's parsers for MINUTES=5 each, under sanitizers
	@tools/needs clang-14 -- $(BOARD) fuzz SECONDS=$$(( $(MINUTES) * 60 ))

.PHONY: fleet
fleet: setup firmware ## ten thousand boards poll through a rollout of a bad model: how many took it
	.venv/main/bin/python benchmarks/fleet.py

.PHONY: powercut
powercut: setup ## cut the power in every flash operation of an update, and in pairs of them
	@$(BOARD) powercut-all

.PHONY: test-unit
test-unit: setup debian firmware ## tests of single rooms
	@$(BOARD) sanitize dsp
	@tools/needs arm-none-eabi-gcc -- $(BOARD) mps2 objects-mps2
	.venv/main/bin/python -m pytest -n 2 --dist loadfile tests/unit --ignore=tests/unit/jobs --ignore=tests/unit/firmware
	.venv/jobs/bin/python -m pytest -n 2 --dist loadfile tests/unit/jobs tests/unit/firmware

.PHONY: test-integration
test-integration: setup ## rooms together, on the local cloud
	.venv/main/bin/python -m pytest -n 2 --dist loadfile tests/integration

.PHONY: test-e2e
test-e2e: setup debian firmware .venv/.sdk-ready ## the main job as a user runs it, and other people's clients on it
	.venv/main/bin/python -m pytest tests/e2e

# --- housekeeping ---------------------------------------------------------------------------------------------------

.PHONY: pins
pins: .venv/.uv-ready ## resolve requirements anew (jobs, layers and environments)
	@pin() { .venv/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --upgrade \
	    --custom-compile-command "make pins" --python-version "$$1" "$$2.in" -o "$$2.txt" "$${@:3}"; }; \
	for name in $(PINNED); do pin 3.11 requirements/$$name; done; \
	pin 3.11 jobs/requirements -c requirements/jobs.txt; \
	pin 3.11 jobs/serve/requirements -c requirements/jobs.txt; \
	for layer in dependencies signing; do pin 3.12 layers/$$layer/requirements; done

.PHONY: clean
clean: demo-down ## remove what was built (environments stay)
	rm -rf build .aws-sam firmware/build
