# Everything runs in .venv, which the first target that needs it makes.
VENV := .venv
BIN := $(VENV)/bin
BUILT := $(VENV)/built
TOOLS := $(VENV)/tools
FUZZED := $(VENV)/fuzzed
KERNELS := $(wildcard leakscope/kernels/*.py leakscope/kernels/*.pxd)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test accuracy lint soak fuzz gate-soak bench bench-gate bench-inprocess bench-scenarios bench-store bench-runtimes wheel clean

help:  ## what can be made
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-15s%s\n", $$1, $$2 }'

demo: $(BUILT)  ## watch leakscope at work on the bundled leaking service
	@$(BIN)/leakscope demo

test: lint  ## all checks and all tests
	$(BIN)/pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

accuracy: $(BUILT)  ## does leakscope tell 22 leaks from 4 sound services? IDS='glm-listener ...' for some
	$(BIN)/python -m tests.services.accuracy $(IDS)

lint: $(BUILT)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(BUILT)  ## attach to services under load N times (2000), half of them killed; nothing may be lost. DURATION=600 for ten minutes
	$(BIN)/python -m tests.soak $(N) $(if $(DURATION),--duration $(DURATION))

fuzz: $(FUZZED)  ## damaged memory, snapshots, rules, cores, dumps: N inputs (1000000); nothing may escape. DURATION=600 KINDS=hprof,v8
	$(BIN)/python -m tests.fuzz $(or $(N),1000000) $(if $(KINDS),--kinds $(KINDS)) $(if $(DURATION),--duration $(DURATION)) --kernels $(FUZZED) --keep

gate-soak: $(BUILT)  ## judge ten leaking and ten sound services N times each (20); no verdict may differ
	$(BIN)/python -m tests.gate.soak $(N)

bench: $(BUILT)  ## leakscope and its peers measured: a page with plots in build/bench; N=1000000 for a quick run
	$(BIN)/python -m bench.page $(if $(N),--n $(N)) $(if $(REPS),--reps $(REPS))

bench-gate: $(BUILT)  ## measure what the gate and diff take; N=100000 for a quick run
	$(BIN)/python bench/gate.py $(if $(N),--n $(N))

bench-inprocess: $(BUILT)  ## the own heap beside guppy3, and what the pytest plug-in adds to a test
	$(BIN)/python bench/inprocess.py $(if $(N),--objects $(N))

bench-scenarios: $(BUILT)  ## what the mechanisms of the four systems are worth, as ratios; QUICK=1 for a look
	$(BIN)/python bench/scenarios.py $(if $(QUICK),--quick) $(IDS)

bench-store: $(BUILT)  ## what leakscope store costs a Redis of a million keys; N=100000 for a quick run
	$(BIN)/python bench/store.py $(if $(N),--n $(N))

bench-runtimes: $(BUILT)  ## dumps of JVMs and of V8 beside the peers: time, memory, exactness; QUICK=1 for a look
	$(BIN)/python bench/runtimes.py $(if $(QUICK),--quick) $(IDS)

wheel: $(BUILT)  ## a wheel in dist/, which installs without a compiler
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	rm -f leakscope/kernels/*.c leakscope/kernels/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The tools once; the kernels again whenever one of them changes.
$(TOOLS): pyproject.toml
	@python=$$(sh tools/find_python.sh) && { test -x $(BIN)/python || "$$python" -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(BUILT): $(TOOLS) $(KERNELS) setup.py
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable .
	@touch $@

# Kernels that check every index, apart from the others.
$(FUZZED): $(BUILT) $(shell find leakscope -name '*.py')
	$(BIN)/python -m tests.fuzz.checked $(FUZZED)
	@touch $@
