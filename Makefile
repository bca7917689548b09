PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Two cores: two test processes of one thread each beat one process of two.
JOBS ?= 2

.PHONY: bench demo test lint wheel clean

$(BIN)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(BIN)/.dev: $(BIN)/.base
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

demo: $(BIN)/.base
	$(BIN)/graphfuse demo --out demo

lint: $(BIN)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

$(BIN)/.bench: $(BIN)/.dev
	$(BIN)/pip install --quiet -c constraints.txt -e ".[bench]"
	touch $@

# One table: workload, graphfuse, each peer, ratio, error, peak memory. THREADS and WORKLOADS may be given.
THREADS ?= 2
bench: $(BIN)/.bench
	$(BIN)/python benchmarks/bench.py --threads $(THREADS) $(WORKLOADS)

wheel: $(BIN)/.dev
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) build dist demo *.egg-info
