# make book, make test: everything else is listed by `make help`.
.DEFAULT_GOAL := help
.PHONY: fuzz fault-campaign audit bench bench-scale test-floors release help setup book exercises ledger test test-fast test-faults lint links lite lite-run serve lab bench-train bench-fit bench-eval certify coverage experiments setup-coursework coursework grade test-coursework

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
COURSEWORK_PYTHON := .venv-coursework/bin/python
TOOL := $(VENV_PYTHON) -m book._tools
ARGS ?=
TIER ?= cpu-60
VARIANT ?= 0

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 28

setup:  ## create or update .venv (every other target does this first)
	@command -v $(PYTHON) >/dev/null || { \
	  echo "[setup] error: no '$(PYTHON)' found; on Debian or Ubuntu: sudo apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) book/_tools/environment.py $(if $(filter file,$(origin PYTHON)),,--explicit)

book: setup  ## train the sweep, execute the notebooks, build the book (only what changed)
	@$(TOOL) book

exercises: setup  ## write every chapter as a sheet with gaps in place of solutions, in _build/exercises
	@$(TOOL) exercises

ledger: setup  ## write down what the notebooks settle, after a change to a claim or its figure
	@$(TOOL) ledger

test: setup setup-coursework  ## run the whole test suite, notebooks and site included (ARGS="-k name" to select)
	@$(if $(ARGS),,$(TOOL) book)
	@$(VENV_PYTHON) -m pytest -m "not faults" -n 2 --dist loadgroup $(ARGS)
	@$(if $(ARGS),,$(COURSEWORK_PYTHON) -m pytest coursework/tests -m "not all_assignments" -n 2)

test-fast: setup  ## run the tests that need neither a trained sweep nor the built book
	@$(VENV_PYTHON) -m pytest -m "not book and not faults" -n 2 $(ARGS)

test-faults: setup  ## run the long campaign of kills, full disks and damaged files
	@$(VENV_PYTHON) -m pytest -m "faults or fault_selection" $(ARGS)

define install_extra
{ echo "[setup] packages of the extra '$(1)'"; \
	  .venv/bin/uv pip install --quiet --python $(VENV_PYTHON) --constraints constraints.txt \
	    --requirements pyproject.toml --extra $(1); }
endef

define install_peers
$(VENV_PYTHON) -c "import importlib.util as u; exit(None in map(u.find_spec, ['accelerate', 'autograd', 'chinchilla', 'lm_eval', 'transformers']))" || $(call install_extra,bench)
endef

bench: setup  ## measure fits, training and evaluation beside their peers, for the page on speed (10 minutes)
	@$(install_peers)
	@CHINCHILLA_WORK="$(CURDIR)/_build/work" $(VENV_PYTHON) -m benchmarks $(ARGS)

bench-scale: setup  ## measure what grows with size: fits, evaluations, plans, nodes, corpora (20 minutes)
	@CHINCHILLA_WORK="$(CURDIR)/_build/work" OMP_NUM_THREADS=1 $(VENV_PYTHON) -m benchmarks.scale $(ARGS)

bench-train: setup  ## measure training speed against this machine's peak and plain PyTorch (ARGS="--help")
	@$(install_peers)
	@CHINCHILLA_WORK="$(CURDIR)/_build/work" $(VENV_PYTHON) -m benchmarks.train $(ARGS)

bench-fit: setup  ## measure what fits of the laws cost beside other ways to them (ARGS="--help")
	@$(install_peers)
	@OMP_NUM_THREADS=1 $(VENV_PYTHON) -m benchmarks.fit $(ARGS)

bench-eval: setup  ## measure evaluation beside lm-eval's own backend, and how far they differ (ARGS="--help")
	@$(install_peers)
	@CHINCHILLA_WORK="$(CURDIR)/_build/work" OMP_NUM_THREADS=2 $(VENV_PYTHON) -m benchmarks.evaluate $(ARGS)

certify: setup  ## hold the fast search of Approach 3 against a full one on 300 data sets, and record it
	@OMP_NUM_THREADS=1 $(VENV_PYTHON) -m benchmarks.certify $(ARGS)

coverage: setup  ## simulate how often intervals hold the truth and verdicts are right (hours; ARGS="--help")
	@OMP_NUM_THREADS=1 $(VENV_PYTHON) -m benchmarks.coverage $(ARGS)

experiments: setup  ## train, judge and compare what two cores do in TIER's minutes (TIER=cpu-60)
	@CHINCHILLA_WORK="$(CURDIR)/_build/work" $(VENV_PYTHON) -m chinchilla_lib experiment run --all --tier $(TIER) $(ARGS)

fuzz: setup  ## look for files that a reader stumbles over (an hour; ARGS="--seconds 600")
	@$(VENV_PYTHON) -c "import atheris" 2>/dev/null || $(call install_extra,fuzz)
	@OMP_NUM_THREADS=1 $(VENV_PYTHON) -m tests.fuzz $(ARGS)

fault-campaign: setup  ## sweeps under 100 random faults, on processes and on Ray (half an hour; ARGS="--help")
	@$(VENV_PYTHON) -m tests.faults $(ARGS)

audit: setup  ## ask the advisory databases about every pinned package (needs a network)
	@$(VENV_PYTHON) -c "import pip_audit" 2>/dev/null || $(call install_extra,audit)
	@$(VENV_PYTHON) -m pip_audit --requirement constraints.txt --no-deps --disable-pip $(ARGS)

test-floors: setup  ## the library's tests at the oldest versions it promises, and at the newest there are
	@$(VENV_PYTHON) -m book._tools.floors $(ARGS)

release: setup  ## build source archive and wheel, and check them as a user would; uploads nothing
	@$(VENV_PYTHON) -c "import twine" 2>/dev/null || $(call install_extra,release)
	@$(TOOL) release

lint: setup  ## check style and types
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy

links: setup  ## write the repository's address from _config.yml wherever it must stand
	@$(TOOL) links

serve: book  ## show the book at a local address
	@$(TOOL) serve

lite: setup  ## build the chapters that run in a browser, in _build/lite
	@$(TOOL) lite

lite-run: lite  ## run chapters in headless Chromium; Pyodide comes over the network (ARGS="NAME ...")
	@$(VENV_PYTHON) -m book._tools.lite_run $(ARGS)

lab: setup  ## open JupyterLab on the notebooks
	@CHINCHILLA_WORK="$(CURDIR)/_build/work" $(VENV_PYTHON) -m jupyterlab --notebook-dir notebooks

setup-coursework:  ## create or update .venv-coursework, the environment that grades
	@$(PYTHON) book/_tools/environment.py --coursework $(if $(filter file,$(origin PYTHON)),,--explicit)

coursework: setup-coursework  ## make the assignments: for students, and for who grades (VARIANT=3)
	@$(COURSEWORK_PYTHON) -m coursework._tools build --variant $(VARIANT) $(ARGS)

grade: setup-coursework  ## grade every notebook below a folder (SUBMISSIONS=DIR VARIANT=3 ARGS="--help")
	@$(if $(SUBMISSIONS),,echo "[coursework] error: name the folder: make grade SUBMISSIONS=DIR" >&2; exit 2)
	@$(COURSEWORK_PYTHON) -m coursework._tools grade --variant $(VARIANT) $(ARGS) -- "$(SUBMISSIONS)"

test-coursework: setup-coursework  ## grade master, blank, wrong and hostile answers of every assignment
	@$(COURSEWORK_PYTHON) -m pytest coursework/tests -n 2 $(ARGS)
