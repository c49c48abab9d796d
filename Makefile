# SPDX-License-Identifier: GPL-3.0-or-later
# One target, one job. Everything generated goes to build/. `make help` lists the targets.

PYTHON ?= python3
VENV := build/venv
RESULTS := build/results
COLLECTION := build/collections/ansible_collections/kmod/nft_offload
PYTEST := $(VENV)/bin/python -m pytest

# The venv first, so that tools find each other. The collection is the working tree, through the link $(COLLECTION).
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/build/collections
export ANSIBLE_HOME := $(CURDIR)/build/ansible
# Python is compiled once, not again in each of the many processes that tests start.
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache
unexport PYTHONDONTWRITEBYTECODE
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/build/hypothesis
# Molecule would rather have scenarios in extensions/molecule and warns about any other place; ours stay at the top
# level, where a reader of this tree looks for them. Naming the place ends the warning.
export MOLECULE_GLOB := molecule/*/molecule.yml

.DEFAULT_GOAL := help
.NOTPARALLEL: # the system's packages come before the environment that needs them
.PHONY: help system venv pins demo down test lint format findings ruff shfmt shellcheck codespell yamllint reuse changelog mypy \
        ansible-lint unit dashboard alerts systems try fuzz docs-check site artifact build-collection sanity lab-test molecule molecule-rootfs faults safety safety-page faults-page model storm cost bench-role bench-report report-pictures clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- setting up

system: ## install the system packages that are missing
	@tests/tools/system.sh $(PYTHON)

venv: $(VENV)/ready $(COLLECTION) ## make the Python environment

# What has another hash than the pinned one is not installed, and neither is what a build of a source would fetch by itself.
PIP = $(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes
$(VENV)/ready: requirements-dev.build.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$$($(PYTHON) --version) is too old: 3.11 or newer is needed, such as make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) -r requirements-dev.build.txt
	$(PIP) --no-build-isolation -r requirements-dev.txt
	touch $@

# Versions that are pinned stay where they can; PINS=--upgrade takes the newest, PINS="--upgrade-package NAME" that of one.
PINS ?=
pins: ## pin what the checks and tests need, with its hashes, after a change of requirements-dev*.in
	$(PYTHON) -m venv --clear build/pins
	build/pins/bin/pip install --quiet --disable-pip-version-check uv
	set -e; for name in requirements-dev.build requirements-dev; do \
	  build/pins/bin/uv --quiet pip compile --universal --python-version 3.11 --fork-strategy requires-python --no-annotate \
	    --generate-hashes --custom-compile-command 'make pins' $(PINS) $$name.in -o $$name.txt; \
	done

$(COLLECTION):
	mkdir -p $(@D)
	ln -sfn ../../../.. $@

# --- looking at it

demo: system venv ## boot three routers, turn offload on, prove it
	$(VENV)/bin/python -m lab.demo

down: venv ## stop the lab
	$(VENV)/bin/python -m lab down

# --- checking it

# Cheap first: the first failure ends the run. Joined with +: three at the same time, the longest first, for a router keeps
# half a core busy.
QUICK := mypy+shellcheck+changelog+reuse+codespell+yamllint+ruff+shfmt
TESTS := $(QUICK) unit+sanity+ansible-lint+docs-check+alerts build-collection \
         lab-change+molecule+lab-role+lab-openwrt+lab-proof+lab-refusals

test: system venv ## run every check and count the tests
	@$(VENV)/bin/python -m tests.tools.run_steps $(RESULTS) $(TESTS)

lint: venv ## every check that reads the source only, in about 15 seconds
	@$(VENV)/bin/python -m tests.tools.run_steps $(RESULTS)/lint ansible-lint+$(QUICK)

# Each file that is tracked or about to be; of those the scripts, which their names or their first lines tell.
FILES = git ls-files --cached --others --exclude-standard
SCRIPTS = $(FILES) | xargs shfmt --find

ruff: venv ## Python: errors and style
	ruff check .
	ruff format --check .

# Its settings are in .editorconfig.
shfmt: venv ## shell: style
	$(SCRIPTS) | xargs shfmt --diff

shellcheck: venv ## shell: errors
	$(SCRIPTS) | xargs shellcheck

codespell: venv ## spelling
	$(FILES) | xargs codespell

yamllint: venv ## YAML: style
	yamllint --strict .

reuse: venv ## each file says whose it is, and under which licence
	reuse lint --lines

changelog: venv ## the fragments of the changelog
	antsibull-changelog lint

mypy: venv ## Python: types
	mypy $(COLLECTION)/plugins lab tests $(wildcard bench)

ansible-lint: venv ## roles, playbooks and scenarios
	ansible-lint

format: venv ## write Python and shell in the style that ruff and shfmt ask for
	ruff check --fix-only .
	ruff format .
	$(SCRIPTS) | xargs shfmt --write

findings: venv ## write the page of all findings
	$(PYTHON_WITH_COLLECTION) -m tests.tools.findings_page

# Half of their time they wait, for a guard's deadline and the like, so more at a time than there are cores.
UNIT_PROCESSES ?= $(shell echo $$(($$(nproc) + 6)))
unit: venv ## unit tests
	$(PYTEST) tests/unit --numprocesses=$(UNIT_PROCESSES) --dist=worksteal --junitxml=$(RESULTS)/unit.xml

dashboard: venv ## write the dashboard for Grafana
	$(VENV)/bin/python -m tests.tools.dashboard

alerts: venv ## alert rules and dashboard, by promtool
	$(PYTEST) tests/prometheus --junitxml=$(RESULTS)/alerts.xml

# Not part of `make test`: the root directory with these programs takes some minutes, once, and is kept beside the lab's images.
systems: system venv ## package managers of other distributions, the real programs, in a root directory
	$(PYTEST) tests/systems --junitxml=$(RESULTS)/systems.xml

try: venv ## one file of unit tests: make try FILE=tests/unit/... [ARGS="-x -k words"]
	$(PYTEST) $(or $(FILE),$(error Say which: make try FILE=tests/unit/...)) $(ARGS)

fuzz: venv ## 5,000 made-up texts for each property instead of 100: an hour, or FILE=tests/unit/... [ARGS="-k words"]
	$(PYTEST) $(or $(FILE),tests/unit) -m hypothesis --hypothesis-profile=fuzz --junitxml=$(RESULTS)/fuzz.xml $(ARGS)

docs-check: venv ## ansible-doc of every plugin and role
	$(PYTEST) tests/docs --junitxml=$(RESULTS)/docs-check.xml

# Every warning is an error: a page that no menu leads to, a link that leads nowhere.
site: venv $(COLLECTION) ## the documentation as a site: build/site/html/index.html
	rm -rf build/site
	mkdir -p build/site/rst
	ANSIBLE_COLLECTIONS_PATH=$(CURDIR)/build/collections antsibull-docs collection --use-current --squash-hierarchy \
	  --fail-on-error --dest-dir build/site/rst kmod.nft_offload
	cp docs/site/conf.py build/site/rst
	cp -r docs/docsite/images build/site/rst
	sphinx-build --quiet --fail-on-warning build/site/rst build/site/html

artifact: venv
	@rm -f build/kmod-nft_offload-*.tar.gz
	ansible-galaxy collection build --output-path build

build-collection: artifact ## build the artifact and import it as Galaxy does
	$(PYTEST) tests/artifact --junitxml=$(RESULTS)/build-collection.xml

sanity: artifact ## ansible-test sanity of what ships, nothing ignored
	$(VENV)/bin/python -m tests.sanity.run $(RESULTS)

# What `make test` runs in virtual machines: not the tests of tests/lab/twins.py, which `make lab-test` runs too. On the
# other two kernels the scenarios run the whole role; the rest of the live tests does with
# LAB_SUITES="bookworm trixie forky openwrt-24.10 openwrt-25.12 alpine-3.23".
LAB_SUITES ?= trixie openwrt-24.10
LAB_TWINS ?= no
lab-test: LAB_TWINS = yes
SCENARIOS ?= default software bookworm forky openwrt-opkg openwrt-apk alpine

# Parts of about the same length, each with a router of its own; what no part names is in the last.
LAB := $(wildcard tests/lab/test_*.py)
lab-refusals := bad_input become broken_router
lab-change := confirm drift firewall boot
lab-proof := bypassing labnic faults safety
lab-openwrt := openwrt openwrt_faults mixed_fleet alpine
lab-role := $(filter-out $(lab-refusals) $(lab-change) $(lab-proof) $(lab-openwrt),$(LAB:tests/lab/test_%.py=%))
LAB_PARTS := lab-refusals lab-change lab-proof lab-openwrt lab-role
.PHONY: $(LAB_PARTS)

lab-test: system $(LAB_PARTS) ## live tests, in virtual machines

$(LAB_PARTS): venv
	LAB_SUITES="$(LAB_SUITES)" LAB_TWINS=$(LAB_TWINS) $(PYTEST) $(filter $($@:%=tests/lab/test_%.py),$(LAB)) --junitxml=$(RESULTS)/$@.xml

# These import the collection's own code, and take arguments, such as FAULTS="--kernel trixie --missing" or FAULTS=--help.
FAULTS ?=
SAFETY ?=
STORM ?=
COST ?=
ROLE_BENCH ?=
PYTHON_WITH_COLLECTION := PYTHONPATH=$(CURDIR)/build/collections $(VENV)/bin/python

faults: system venv ## every fault and healthy router that can be built, on four kernels: hours
	$(PYTHON_WITH_COLLECTION) -m tests.faults $(FAULTS)

faults-page: venv ## write the page of that matrix
	$(PYTHON_WITH_COLLECTION) -m tests.tools.faults_page

safety: system venv ## inject every fault into changes of the firewall: two hours; matrix in build/safety/matrix.json
	$(PYTHON_WITH_COLLECTION) -m tests.safety.run $(SAFETY)

safety-page: venv ## write the page of that matrix
	$(PYTHON_WITH_COLLECTION) -m tests.tools.safety_page

storm: venv ## the real guard while its processes are killed at random: STORM="[ROUNDS] [SEED]"
	$(PYTHON_WITH_COLLECTION) -m tests.safety.storm $(STORM)

model: venv ## search the model of a guarded change, whole and without each of its rules: some minutes
	$(PYTHON_WITH_COLLECTION) -m tests.safety.model

cost: system venv ## what a verify costs with up to a million connections
	LAB_MEMORY=1536 $(PYTHON_WITH_COLLECTION) -m bench.cost $(COST)

bench-role: system venv ## what a run of the role costs the controller, with one router and with fifty
	$(PYTHON_WITH_COLLECTION) -m bench.role $(ROLE_BENCH)

report-pictures: system venv ## write the pictures of the HTML report that the guide shows
	$(PYTHON_WITH_COLLECTION) -m tests.tools.report_pictures

bench-report: system venv ## what a fleet report costs, and its page in a browser
	$(PYTHON_WITH_COLLECTION) -m bench.report $(REPORT_BENCH)

# Each scenario ends in pytest-testinfra; one that ran no test there is a failure.
molecule: venv ## Molecule scenarios
	@set -e; for scenario in $(SCENARIOS); do \
	  report=$(CURDIR)/$(RESULTS)/molecule-$$scenario.xml; rm -f $$report; \
	  PYTEST_ADDOPTS=--junitxml=$$report molecule test --scenario-name $$scenario; \
	  test -s $$report || { echo "scenario $$scenario verified nothing" >&2; exit 1; }; \
	done

molecule-rootfs: venv ## Molecule scenario with OpenWrt's own image: needs Docker or Podman, else it is skipped
	@if sh molecule/openwrt-rootfs/runtime.sh >/dev/null; then molecule test --scenario-name openwrt-rootfs; fi

clean: ## remove everything generated; the lab's routers must be down
	rm -rf build
