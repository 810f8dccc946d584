# demo · test · check · style · gpu · colab · versions · bench · fuzz · lab · site · links · kit · translation · try · page · wheel · weights · numbers · again · docs · address · figures · clean    (each sets .venv up by itself when it is missing or stale)
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONPATH

.PHONY: help demo test check style gpu colab versions bench fuzz lab site links kit translation try page wheel weights numbers again docs address figures clean .venv
.DEFAULT_GOAL := help

help:
	@echo "make demo    run lesson 01 from the films to the heat maps; writes build/01_first_classifier.html"
	@echo "make test    every test, about an hour on two processors"
	@echo "make check   the quick ones, about a minute and a half: style, and the tests that neither train nor build, and start no browser and no notebook"
	@echo "make style   ruff and mypy alone"
	@echo "make gpu     the course on a GPU and on the processor beside it; skipped without a GPU"
	@echo "make colab   every lesson with the versions of Google Colab, as if it were opened there; needs Python 3.13 and 7 GB"
	@echo "make versions the same with those of Kaggle, and with the lowest and the newest on Python 3.11, 3.12 and 3.13; an hour or more"
	@echo "make bench   speed and memory beside other libraries, as a page in build/bench; twenty minutes or more; COMMIT=… measures another commit, AGAINST=build/bench/….json sets both beside each other, LONG=yes checks 10,000 films"
	@echo "make fuzz    damaged films of every kind for ten minutes (SECONDS=60: one), until one is neither read nor refused; needs Linux"
	@echo "make lab     open the lessons in JupyterLab"
	@echo "make site    the course as web pages in build/site: lessons as they look when they have run, the library, a glossary, help; runs what has changed, a quarter of an hour for all lessons"
	@echo "make links   ask for every link that leads out of the site: says which lead to nothing; needs the internet, some minutes"
	@echo "make kit     the course in one zip for a room without network, in build/kit; COMPILED=yes adds what is compiled, for computers like this one"
	@echo "make translation TO=de    bring the catalogues for translating lesson 1's outline up to date"
	@echo "make try     the network that comes with the course as a page, build/try.html: open it, and drop a film on it"
	@echo "make page    build the page that a network is saved into, from page/ into rsna_cls/template; needs Node.js and npm"
	@echo "make wheel   the library as one file in dist, to put beside a lesson in Colab or on Kaggle"
	@echo "make weights make both sets of embedded weights anew, in build/weights, and the gate's points; two hours on two processors; interrupted, it goes on where it was"
	@echo "make numbers measure again what is missing from experiments/results, and write it into the texts; about two hours on two processors"
	@echo "make again   weights, all numbers, texts and figures anew, as after a change of the simulator; half a day"
	@echo "make docs    write README.md, what texts say of the address, the package's list of names, and the words of the executed lessons in docs/lessons"
	@echo "make address URL=https://github.com/OWNER/NAME    say where the course is published (URL=none: nowhere yet)"
	@echo "make figures draw the home page's figures"
	@echo "make clean   remove what the other targets made, .venv excepted"

.venv: .venv/.ready

# The versions the tests are known to pass with; `make test CONSTRAINTS=` takes the newest instead.
CONSTRAINTS = -c tests/constraints.txt

.venv/.ready: settings.ini setup.py pyproject.toml tests/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 …")'
	@echo "Setting up .venv: about 7 GB (most of it PyTorch), 3 to 10 minutes, once."
	@rm -f $@; $(PYTHON) -m venv .venv || { echo "python3 -m venv failed: on Debian and Ubuntu, install the package python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --progress-bar off $(CONSTRAINTS) -e ".[dev]" 2>&1 \
	  | tee .venv/pip.log | grep --line-buffered -E '^(Collecting|Installing|Building|Successfully|ERROR|error)' | cut -c 1-100 \
	  || { tail -n 30 .venv/pip.log; echo "pip failed; all it said is in .venv/pip.log"; exit 1; }
	@touch $@ && echo ".venv is ready."

demo: .venv/.ready
	@$(BIN)/python tools/demo.py

# As many tests at a time as there are processors, four at most: each takes about 2 GB of memory.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() or 1, 4))')
# A worker that dies, as does one whose test hangs (pyproject.toml), ends the run: it says which.
PYTEST = $(BIN)/python -m pytest tests --ignore tests/bench -n $(WORKERS) --max-worker-restart 0

test: style
	@echo "Checking everything …"
	@$(PYTEST) -ra --durations 15

check: style
	@echo "Checking what is quick …"
	@$(PYTEST) -q -m "not slow"

style: .venv/.ready
	@echo "Checking style and types …"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

gpu: .venv/.ready
	@$(BIN)/python -m pytest tests/test_gpu.py -q -s -rs

colab: .venv/.ready
	@$(BIN)/python tools/versions.py colab

# Kaggle's, and both ends of what settings.ini promises, on each Python that is here; an environment
# at a time.
versions: .venv/.ready
	@failed=0; $(BIN)/python tools/versions.py kaggle --remove || failed=1; \
	for edition in lowest newest; do for python in 3.11 3.12 3.13; do \
	  $(BIN)/python tools/versions.py $$edition --python $$python --remove || failed=1; \
	done; done; exit $$failed

export COMMIT AGAINST MEASURED
bench: .venv/.ready
	@$(BIN)/python -W ignore tools/bench.py $(if $(COMMIT),--commit "$$COMMIT") $(if $(AGAINST),--against "$$AGAINST") $(if $(MEASURED),--measured "$$MEASURED") $(if $(filter-out no,$(LONG)),--long)

# atheris is not among what developers need: it has no wheel for every Python and system.
SECONDS ?= 600
fuzz: .venv/.ready
	@$(BIN)/python -c 'import atheris' 2> /dev/null || $(BIN)/python -m pip install --quiet atheris==3.0.0
	@$(BIN)/python tools/fuzz.py --seconds $(SECONDS)

lab: .venv/.ready
	@$(BIN)/jupyter lab nbs/lessons

site: .venv/.ready
	@$(BIN)/python -W ignore tools/website.py

links: .venv/.ready
	@$(BIN)/python -W ignore tools/website.py --links

# The executed lessons of the site are in the kit as well.
kit: site
	@$(BIN)/python -W ignore tools/kit.py $(if $(COMPILED),--compiled)

translation: .venv/.ready
	@$(BIN)/python tools/translate.py "$(TO)"

try: .venv/.ready
	@mkdir -p build && $(BIN)/python -W ignore tools/ready.py build/try.html

# The template that `save_page` fills. Needs Node.js and npm; those who only use the library do not.
page: .venv/.ready
	@$(BIN)/python tools/page.py

wheel: .venv/.ready
	@rm -rf dist build/lib; $(BIN)/python -m build --wheel --no-isolation > .venv/wheel.log 2>&1 || { tail -n 20 .venv/wheel.log; exit 1; }
	@echo "Put this file beside the lesson: $$(echo dist/*.whl)"

weights: .venv/.ready
	@for name in other_films simulated; do \
	  $(BIN)/python -m rsna_cls.pretrain build/weights --weights $$name || exit 1; \
	  cp build/weights/$$name/resnet18_$$name.safetensors rsna_cls/weights/ || exit 1; \
	done
	@cd rsna_cls/weights && sha256sum *.safetensors > SHA256SUMS
	@$(BIN)/python -c 'from rsna_cls.pretrain import make_other_points as make; print(make("rsna_cls/weights/other_points.safetensors"))'
	@cd rsna_cls/weights && sha256sum *.safetensors > SHA256SUMS

# What is quoted is measured, in two processes of one thread each. Trainings that are in their CSV are not made again.
FIRST = beam audit recipe gate folds weights dcmtk physics likeness effusion large
SECOND = shortcuts maps
MEASURE = for script in $(1); do OMP_NUM_THREADS=1 $(BIN)/python -W ignore experiments/$$script.py || exit 1; done
numbers: .venv/.ready
	@($(call MEASURE,$(FIRST))) & first=$$!; ($(call MEASURE,$(SECOND))); second=$$?; wait $$first && exit $$second
	@$(BIN)/python experiments/quote.py

# Everything that depends on the simulator: weights, points, numbers, texts, figures. Half a day.
again: .venv/.ready
	@rm -rf build/weights build/experiments
	@$(MAKE) weights
	@find experiments/results -name '*.csv' ! -name blind.csv -delete
	@$(MAKE) numbers
	@$(MAKE) docs figures

docs: .venv/.ready
	@$(BIN)/python tools/docs.py
	@$(BIN)/python tools/stub.py
	@$(BIN)/python tools/lessons.py

export URL
address: .venv/.ready
	@$(BIN)/python tools/address.py "$$URL"

figures: .venv/.ready
	@$(BIN)/python -W ignore tools/figures.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .benchmarks _proc _docs
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -not -path './.venv/*' -prune -exec rm -rf {} +
