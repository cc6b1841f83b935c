# Install a layer's pinned wheels for Lambda (arm64, Python 3.12) from any Python, without compiling anything.
# EARSHOT_BUILD_FOR=host installs them for this machine's interpreter instead: the emulated Lambda service runs on it.
PYTHON ?= python3
LAMBDA = --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 --python-version 3.12 --implementation cp
TARGET = $(if $(filter host,$(EARSHOT_BUILD_FOR)),,$(LAMBDA))

define install-wheels
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile --only-binary=:all: $(TARGET) \
		--require-hashes -r requirements.txt --target "$(ARTIFACTS_DIR)/python"
	rm -rf "$(ARTIFACTS_DIR)/python/bin"
endef
