# skosh: `make` prints what there is. Needs Python 3.11 or newer, and a way to the package index.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.made-from-pyproject
NPU    := $(VENV)/npu
JOBS   ?= auto
TORCH  ?= torch==2.13.0

# what tests use besides Python packages: gcc, for the sanitizers; QEMU, for what Unicorn can't emulate; native yosys and g++,
# which make a simulator in seconds where the wheels' need minutes to get ready
DEBIAN := gcc libc6-dev make qemu-system-arm qemu-user cmake gcc-arm-none-eabi libnewlib-arm-none-eabi gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf \
	qemu-system-misc arduino-builder arduino-core-avr arduino-ctags gcc-avr avr-libc simavr \
	yosys yosys-dev g++ iverilog
# command:package, installed only where the command is missing
PROGRAMS := node:nodejs npm:npm cargo:cargo

.DEFAULT_GOAL := help
.PHONY: help env npu demo test quick torch golden check bench docs picture debian clean

help:  ## print this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(STAMP)  ## .venv with skosh and all that its extras, tests and checks need

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "skosh needs Python 3.11 or newer: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,test,dev]'
	@touch $@

npu: env $(NPU)/.made-from-pyproject  ## what exports to NPUs and the TOSA oracle need, in .venv/npu: it pins an older numpy

$(NPU)/.made-from-pyproject: pyproject.toml
	test -x $(NPU)/bin/python || $(PYTHON) -m venv $(NPU)
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["npu"], sep="\n")' \
		| $(NPU)/bin/python -m pip install --quiet --disable-pip-version-check --requirement /dev/stdin
	@touch $@

demo: env  ## train, compile, emulate, prove, report: skosh-demo/
	$(BIN)/skosh demo -o skosh-demo

test: env debian npu  ## all tests; ARGS=... for pytest
	$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

quick: env  ## the tests that take no longer than a few seconds each
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m 'not slow' $(ARGS)

torch: env  ## PyTorch too, which is large: its importer's tests run where it is installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) --editable '.[torch]'

golden: env  ## hold the C that the compiler writes now (tests/golden)
	$(BIN)/python -m tests.golden.programs --update

check: env  ## lint and types
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy

bench: env  ## every figure that README prints
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# as root on Debian, install what is missing; elsewhere the tests that need it say so
debian:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get dpkg >/dev/null; then \
		want=""; \
		for p in $(DEBIAN); do dpkg -s $$p >/dev/null 2>&1 || want="$$want $$p"; done; \
		for p in $(PROGRAMS); do command -v $${p%%:*} >/dev/null || want="$$want $${p##*:}"; done; \
		[ -z "$$want" ] || { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $$want >/dev/null; }; \
	fi

docs: env  ## these pages as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

picture: env  ## the README's picture of a report; needs chromium
	$(BIN)/skosh report ../shared/models/kws.tflite --golden ../shared/models/kws.npz -o skosh-demo/kws.html
	mkdir -p docs/images
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1060,760 --screenshot=docs/images/report.png skosh-demo/kws.html

clean:  ## remove what was made, but for .venv
	rm -rf skosh-demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
