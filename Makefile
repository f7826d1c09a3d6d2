# Two commands: `make run` starts the dashboard, `make test` runs all checks and tests.

PYTHON ?= python3
NEWEST := .venv/bin
COLAB := .venv-colab/bin
FRAMEWORKS := .venv-frameworks/bin
PYTEST := -m pytest -q
UNIT := tests --ignore tests/browser --ignore tests/kernel -m "not slow and not gpu"
# Hundreds of odd archives and thousands of crashes, a process each: they run without coverage, which would triple their time.
ODD := $(addprefix tests/services/staging/test_,hostile.py hostile_zips.py fine_archives.py differential.py sweeps.py) \
	tests/services/snapshots/test_crash.py
# The rest in three parts that take about as long, for machines of few cores.
SAVING := $(addprefix tests/services/,checkpoints memory snapshots)
BRINGING := $(addprefix tests/services/,browsing fetching remotes sources staging)
# What jupyter_client and ipykernel leave open or deprecated is theirs.
KERNEL := tests/kernel -W ignore::ResourceWarning -W ignore::DeprecationWarning -W ignore::RuntimeWarning \
	-W ignore::pytest.PytestUnraisableExceptionWarning
# By its plain name pip may choose one for a GPU, with gigabytes more; so what needs it comes afterwards.
TORCH := torch==2.13.0
WITH_FRAMEWORKS := tests/frameworks tests/services/checkpoints/test_keras.py
TIMED := @sh tools/timed.sh
SIDE_BY_SIDE = $(MAKE) --no-print-directory --output-sync=target
export COVERAGE_FILE := $(CURDIR)/build/coverage/data
export COLABPANEL_COLAB_PYTHON := $(CURDIR)/$(COLAB)/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check unit unit-saving unit-bringing unit-rest unit-odd unit-colab fresh-coverage browser frameworks test-long bench upgrade clean

run: .venv-run/ready
	.venv-run/bin/colabpanel serve --root demo-data --sample

test: .venv/ready .venv-colab/ready programs
	$(TIMED) "checks" $(MAKE) --no-print-directory check
	$(TIMED) "newest stack, odd archives" $(SIDE_BY_SIDE) --jobs 3 unit-odd unit
	$(TIMED) "Colab's versions, browser" $(SIDE_BY_SIDE) --jobs 2 unit-colab browser
	@sh tools/timed.sh --sum

check: .venv/ready .venv-colab/ready
	$(NEWEST)/ruff format --check -q .
	$(NEWEST)/ruff check -q .
	$(NEWEST)/mypy
	$(NEWEST)/lint-imports --no-logo
	$(NEWEST)/python tools/check_colab.py $(COLAB)/python
	$(NEWEST)/python tools/check_wheel.py

unit: unit-saving unit-bringing unit-rest
	$(NEWEST)/coverage combine -q
	$(NEWEST)/coverage report --skip-covered --include "colabpanel/services/*,colabpanel/jobs.py,colabpanel/progress.py,colabpanel/errors.py" --fail-under 95
	$(NEWEST)/coverage report --format total --fail-under 90

unit-saving: fresh-coverage
	$(NEWEST)/coverage run $(PYTEST) $(SAVING) -m "not slow and not gpu" $(addprefix --ignore ,$(ODD))

unit-bringing: fresh-coverage
	$(NEWEST)/coverage run $(PYTEST) $(BRINGING) -m "not slow and not gpu" $(addprefix --ignore ,$(ODD))

unit-rest: fresh-coverage
	$(NEWEST)/coverage run $(PYTEST) $(UNIT) $(addprefix --ignore ,$(ODD) $(SAVING) $(BRINGING))

fresh-coverage: .venv/ready
	rm -rf build/coverage && mkdir -p build/coverage

unit-odd: .venv/ready .venv-colab/ready
	$(NEWEST)/python $(PYTEST) $(ODD) -m "not slow"
	$(NEWEST)/python $(PYTEST) $(KERNEL) -m "not slow"
	$(COLAB)/python $(PYTEST) $(ODD) -m "not slow"

unit-colab: .venv-colab/ready
	$(COLAB)/python $(PYTEST) $(UNIT) $(addprefix --ignore ,$(ODD))
	$(COLAB)/python $(PYTEST) $(KERNEL) -m "not slow"

browser: .venv/ready .venv-colab/ready programs
	$(NEWEST)/python $(PYTEST) tests/browser -m "not slow"

test-long: .venv/ready .venv-colab/ready programs
	$(NEWEST)/python $(PYTEST) tests -m slow
	$(MAKE) --no-print-directory frameworks
	@sh tools/matrix.sh

frameworks: .venv-frameworks/ready
	KERAS_BACKEND=tensorflow $(FRAMEWORKS)/python $(PYTEST) $(WITH_FRAMEWORKS)
	KERAS_BACKEND=jax $(FRAMEWORKS)/python $(PYTEST) $(WITH_FRAMEWORKS)

# make bench ONLY=panel
bench: .venv/ready
	@$(NEWEST)/python -m compileall -q colabpanel  # as pip does when it installs
	@for name in $(or $(ONLY),panel staging packing snapshots checkpoints memory transfer images browsing remote gpu); do PYTHONPATH=. $(NEWEST)/python benchmarks/$$name.py || exit 1; done

.venv/ready: pyproject.toml constraints/newest.txt
	$(PYTHON) -m venv .venv
	$(NEWEST)/pip install -q -c constraints/newest.txt -e ".[test,check]"
	$(NEWEST)/pip install -q $(TORCH)
	$(NEWEST)/pip install -q -c constraints/newest.txt -e ".[training]"
	touch $@

# The stand-in for Colab: its versions, with the last widgetsnbextension that works in Notebook 6.
.venv-colab/ready: pyproject.toml constraints/colab.txt
	$(PYTHON) -m venv .venv-colab
	grep -v '^widgetsnbextension' constraints/colab.txt > .venv-colab/constraints.txt
	$(COLAB)/pip install -q -c .venv-colab/constraints.txt -e ".[archives,dask,codecs,remote]" ipython jupyter_server "notebook<7" nbclient \
		nbformat "widgetsnbextension==3.6.6" hypothesis mfusepy pytest pytest-randomly
	$(COLAB)/pip install -q -c .venv-colab/constraints.txt fsspec h5py keras pyyaml scikit-learn tqdm transformers
	$(COLAB)/pip install -q $(TORCH)
	$(COLAB)/pip install -q -c .venv-colab/constraints.txt --no-deps accelerate lightning lightning-utilities \
		pytorch-lightning torchmetrics
	touch $@

# What is too large to install for every run; TensorFlow asks for older versions of some libraries than the newest stack has.
.venv-frameworks/ready: pyproject.toml
	$(PYTHON) -m venv .venv-frameworks
	$(FRAMEWORKS)/pip install -q -e . hypothesis keras pytest pytest-randomly \
		flax==0.12.8 jax==0.10.2 optax==0.2.8 orbax-checkpoint==0.12.8 tensorflow==2.21.0
	$(FRAMEWORKS)/pip install -q --no-deps tf_keras==2.20.1
	touch $@

.venv-run/ready: pyproject.toml
	$(PYTHON) -m venv .venv-run
	.venv-run/bin/pip install -q -e .
	touch $@

.PHONY: programs
programs:
	@sh tools/programs.sh

upgrade:
	rm -rf .venv && $(PYTHON) -m venv .venv && $(NEWEST)/pip install -q -e ".[test,check]"
	$(NEWEST)/pip install -q $(TORCH)
	$(NEWEST)/pip install -q -e ".[training]"
	echo '# The newest stack the tests ran on; `make upgrade` writes it anew.' > constraints/newest.txt
	$(NEWEST)/pip freeze --exclude-editable | grep -v '^torch==' >> constraints/newest.txt
	touch .venv/ready

clean:
	rm -rf .venv .venv-colab .venv-frameworks .venv-run build dist demo-data .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
