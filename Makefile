# make demo   set up, run the examples with the built-in model
# make test   set up, run the tests
# make check  linters, strict types and tests
# make lease  pack what a lent GPU's machine lacks, and rehearse benchmarks/lease/ on the CPU with that alone
# make release  dist/: the wheel, and the lock that it is installed with
# make firefox  hear and mark takes in Debian's Firefox, on a machine with nothing else to do
# make fuzz   read 100,000 damaged job files
# make simulate  100,000 simulated jobs under kills, power cuts, full disks and clock changes; JOBS=1000000 for more
# make mutate  small changes in the code of catalog/, schedule/, inbox/: does a test fail? CHANGES=1000 of them, from SEED
# make torture  the long run behind docs/RELIABILITY.md, some hours; a part is left out with CRASHPOINTS=, SIMULATE=,
#             FUZZ=, SOAK=, HOUR= or MUTATE=
# make lock   compile requirements.lock anew from pyproject.toml

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JOBS   ?= 100000
SEED   ?= 1
CHANGES ?= 1000

.PHONY: demo test firefox fuzz simulate mutate torture check lint lease release lock clean

demo: $(READY)
	$(BIN)/soundmill demo --dir demo

# A module's tests stay together, for they share what is costly to make. tests/conftest.py says how many workers.
test: $(READY)
	$(BIN)/pytest -n auto --dist loadscope --no-loadscope-reorder

firefox: $(READY)
	$(BIN)/pytest -q tests/publish/heard_in_firefox.py

fuzz: $(READY)
	PYTHONPATH=tests $(BIN)/python -m support.fuzz 100000

# RESULTS=file writes what was found as JSON; SEED is the first of the seeds.
simulate: $(READY)
	PYTHONPATH=tests $(BIN)/python -m simulate --jobs $(JOBS) --seed $(SEED) $(if $(RESULTS),--json $(RESULTS))

mutate: $(READY)
	PYTHONPATH=tests $(BIN)/python -m mutation --sample $(CHANGES) --seed $(SEED) $(if $(RESULTS),--json $(RESULTS))

# What each part is asked for; empty leaves it out.
CRASHPOINTS ?= --kills 20 --power 5 --errors 6 --pairs 560
SIMULATE    ?= --jobs 1000000
FUZZ        ?= 100000
SOAK        ?= --jobs 200000
HOUR        ?= --seconds 3600
MUTATE      ?= --sample 1000
FOUND       := docs/reliability

torture: $(READY)
	mkdir -p $(FOUND)
	$(if $(CRASHPOINTS),PYTHONPATH=tests $(BIN)/python -m crashpoints $(CRASHPOINTS) --json $(FOUND)/crashpoints.json)
	$(if $(SIMULATE),$(if $(wildcard tests/simulate),PYTHONPATH=tests $(BIN)/python -m simulate $(SIMULATE) --json $(FOUND)/simulator.json && \
		$(BIN)/python docs/reliability.py --stamp $(FOUND)/simulator.json))
	$(if $(FUZZ),PYTHONPATH=tests $(BIN)/python -m support.fuzz $(FUZZ) --json $(FOUND)/fuzz.json)
	$(if $(SOAK),$(BIN)/python benchmarks/soak.py $(SOAK) --json $(FOUND)/soak.json)
	$(if $(HOUR),$(BIN)/python benchmarks/hour.py $(HOUR) --json $(FOUND)/hour.json)
	$(if $(MUTATE),PYTHONPATH=tests $(BIN)/python -m mutation $(MUTATE) --json $(FOUND)/mutation.json)
	$(BIN)/python docs/reliability.py

check: lint test

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The lock is complete, so nothing is resolved here: the same files on every machine.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Soundmill needs Python 3.11 or newer; set PYTHON=…' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(READY)

lease: $(READY)
	$(BIN)/python benchmarks/lease/rehearse.py

# From what git has, so that nothing that lies about gets in.
release: $(READY)
	rm -rf build dist
	mkdir -p build/tree dist
	git archive HEAD | tar -x -C build/tree
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist build/tree
	cp build/tree/requirements.lock dist/
	rm -rf build

lock: $(READY)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --group dev --no-header --no-emit-index-url \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) demo demo-* build dist daemon/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
