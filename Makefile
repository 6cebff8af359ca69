# Everything a person or a machine does with this repository.
# Needs Python 3.11 or newer, make and git; nothing else is taken from the system.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
WORKERS ?= 2
ARGS ?=

bin := $(VENV)/bin
pip := $(bin)/python -m pip --disable-pip-version-check --no-input
# A lock is complete: without --no-deps pip looks for newer releases of what extras name.
locked := install --quiet --require-hashes --no-deps
user_ready := $(VENV)/.ready-user
dev_ready := $(VENV)/.ready-dev
bench_venv ?= .bench-venv
bench_ready := $(bench_venv)/.ready
dojo_venv ?= .dojo-venv
dojo_ready := $(dojo_venv)/.ready

# What `make quick` runs: the core, the ports, what stands on them alone, and the heart of the runtime.
quick_tests := $(addprefix tests/,core ports replay testing test_bootstrap.py test_gate.py \
	$(addprefix adapters/,checkpoints taints) \
	$(addprefix runtime/test_,approving.py backend.py budgets.py codec.py engine.py guarding.py \
	handle.py inbox.py journal.py manager.py sessions.py))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test quick bench bench-crash bench-gate bench-content bench-isolation bench-service soak lint format format-check types wheel lock clean distclean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

demo: $(user_ready) ## set everything up and show a session surviving a crash
	@$(bin)/holdfast demo

test: $(dev_ready) ## set everything up and run all tests
	$(bin)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

quick: $(dev_ready) ## the tests that take less than a minute together
	$(bin)/python -m pytest -m "not slow" --hypothesis-profile quick -n $(WORKERS) --dist loadfile -q $(quick_tests) $(ARGS)

bench: $(user_ready) $(bench_ready) ## measure us and our peers side by side; QUICK=1 for a short run
	BENCH_VENV=$(bench_venv) $(bin)/python bench/run.py $(ARGS)

bench-crash: $(user_ready) $(bench_ready) ## two writers, and kill -9 in a tool: our peers and us
	BENCH_VENV=$(bench_venv) $(bin)/python bench/crash/crashrun.py $(ARGS)

bench-gate: $(dev_ready) ## the gate: its speed, its oracles, its races; QUICK=1 for a short run
	$(bin)/python bench/gate.py $(ARGS)

bench-content: $(dev_ready) $(dojo_ready) ## content security: detectors, flow guard, AgentDojo; QUICK=1
	DOJO_VENV=$(dojo_venv) $(bin)/python bench/content.py $(ARGS)

bench-isolation: $(dev_ready) ## isolation: evidence, egress, sandbox, audit, memory; QUICK=1
	$(bin)/python bench/isolation.py $(ARGS)

bench-service: $(dev_ready) ## the service: tokens, the server; QUICK=1 for a short run
	$(bin)/python bench/service.py $(ARGS)

soak: $(user_ready) ## half an hour of kills and failing disks; QUICK=1: short; SIM=N: simulate N seeds
	$(bin)/python bench/soak/soakrun.py $(ARGS)

lint: $(dev_ready) ## ruff and mypy
	$(bin)/ruff check .
	$(bin)/mypy

format: $(dev_ready) ## write the tree in ruff's format
	$(bin)/ruff format .

format-check: $(dev_ready) ## say which files are not in ruff's format
	$(bin)/ruff format --check .

wheel: $(dev_ready) ## build the wheel into dist/
	$(bin)/python -m build --wheel --no-isolation --outdir dist .

lock: $(dev_ready) ## write requirements/*.txt anew; needs the uv program
	scripts/lock.sh $(ARGS)

clean: ## remove what tests and builds leave behind
	rm -rf build dist .bench-data soak-failures .schemathesis .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also remove the virtual environment
	rm -rf $(VENV) $(bench_venv) $(dojo_venv)

# Set-up runs once, and again when a lock or pyproject.toml changes. The stamp is
# written last, so that an interrupted set-up is taken up again.
# Builds are not isolated: the build tools are locked with hashes like the rest.
$(user_ready): requirements/base.txt requirements/build.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "holdfast needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@test -x $(bin)/python || $(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "python's venv module is missing (Debian: python3-venv)" >&2; exit 1; }
	@echo "setting up $(VENV) (once)"
	@$(pip) $(locked) --requirement requirements/build.txt --requirement requirements/base.txt
	@$(pip) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(dev_ready): $(user_ready) requirements/dev.txt
	@echo "adding the tools of tests and checks (once)"
	@$(pip) $(locked) --requirement requirements/dev.txt
	@touch $@

# A peer that cannot be installed is reported by its RESULT line, so this never fails.
$(bench_ready): requirements/bench-peers.txt
	@echo "setting up the peers' environment $(bench_venv) (once)"
	@test -x $(bench_venv)/bin/python || $(PYTHON) -m venv $(bench_venv)
	@$(bench_venv)/bin/python -m pip --disable-pip-version-check --no-input \
	  $(locked) --requirement $< && touch $@ || echo "the peers could not be installed" >&2

$(dojo_ready): requirements/bench-dojo.txt
	@echo "setting up the environment of AgentDojo $(dojo_venv) (once)"
	@test -x $(dojo_venv)/bin/python || $(PYTHON) -m venv $(dojo_venv)
	@$(dojo_venv)/bin/python -m pip --disable-pip-version-check --no-input \
	  $(locked) --requirement $< && touch $@ || echo "AgentDojo could not be installed" >&2
