# Everything that is done to this project is a target here; CI calls nothing else.
SHELL := bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Test processes: two a core, for most tests wait most of the time. More would make each of them wait for the others.
CORES := $(shell getconf _NPROCESSORS_ONLN)
WORKERS ?= $(shell echo $$(( 2 * $(CORES) < 16 ? 2 * $(CORES) : 16 )))
# A file's tests stay in one process, so that what they share is made once; the folder with the longest tests comes first.
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export KIND_CLUSTER_NAME ?= artistcrawl
# Not the user's own file: nodes are drained and killed in the cluster that it names.
KIND_KUBECONFIG := $(abspath $(VENV))/kubeconfig
BUILD := $(if $(BASE),--build-arg BASE=$(BASE))

.DEFAULT_GOAL := help

##@ Use

.PHONY: run
run: $(READY) ## Crawl k8s/samples/quickstart.yaml on this machine (JOB=FILE for another)
	$(BIN)/artistcrawl run $(or $(JOB),k8s/samples/quickstart.yaml)

.PHONY: grafana
grafana: $(READY) ## Put data sources and boards into a Grafana (GRAFANA_URL=... PROMETHEUS_URL=... POSTGRES_URL=...)
	@$(BIN)/python -m grafana.install

##@ Check

.PHONY: test
test: $(READY) ## Run the tests (about 8 minutes on 2 cores)
	$(BIN)/python -m pytest $(PARALLEL)

.PHONY: coverage
coverage: $(READY) ## Run the unit tests with coverage: what no other test needs to reach
	$(BIN)/python -m pytest -n $(CORES) --cov --cov-report=term tests/unit

.PHONY: test-slow
test-slow: $(READY) ## Run the long forms of the promises (about an hour)
	$(BIN)/python -m pytest -m slow --timeout 3600

.PHONY: lint
lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(READY) ## Check types, strictly
	$(BIN)/mypy

.PHONY: layers
layers: $(READY) ## Check which package may import which
	$(BIN)/lint-imports

.PHONY: bench
bench: $(READY) ## Measure ratios within one run; keeps tests/bench/results.md
	$(BIN)/python -m tests.bench

.PHONY: ci
ci: lint types layers chart coverage test e2e ## Everything CI runs; ends with pytest's summary

##@ Cluster

.PHONY: images
images: ## Build artistcrawl/operator:dev and artistcrawl/worker:dev (BASE=IMAGE for another base)
	docker build $(BUILD) -f worker/Dockerfile -t artistcrawl/worker:dev .
	docker build $(BUILD) -f operator/Dockerfile -t artistcrawl/operator:dev .

# The same image under another tag: what an upgrade in the tests changes.
.PHONY: images-next
images-next: images
	docker tag artistcrawl/operator:dev artistcrawl/operator:next

# What a new operator meets: the workers from before the last change of them.
.PHONY: images-previous
images-previous:
	git archive $$(git log -1 --format=%H -- worker)~1 | docker build $(BUILD) -f worker/Dockerfile -t artistcrawl/worker:previous -

.PHONY: kind-up
kind-up: ## Start a cluster in Docker, where there is none
	kind get clusters | grep -qx $(KIND_CLUSTER_NAME) || kind create cluster --config k8s/kind/cluster.yaml --wait 180s

.PHONY: kind-load
kind-load: ## Copy our images to the cluster's nodes (LOAD="redis:7 ..." for others as well)
	kind load docker-image artistcrawl/operator:dev artistcrawl/worker:dev $(LOAD) --nodes $$(kind get nodes | grep -v control-plane | paste -sd ,)

.PHONY: kind-down
kind-down: ## End that cluster
	kind delete cluster

.PHONY: e2e
e2e: $(READY) $(if $(KUBECONFIG),,e2e-cluster) ## Test in a cluster: $KUBECONFIG's, which has what e2e-load loads, else one of kind
	KUBECONFIG=$${KUBECONFIG:-$(KIND_KUBECONFIG)} \
	  $(BIN)/python -m pytest $(PARALLEL) -m "(control_plane or cluster) and not slow"

.PHONY: e2e-slow
e2e-slow: $(READY) $(if $(KUBECONFIG),,e2e-cluster) images-previous ## All that can happen to a crawl in a cluster (about half an hour)
	$(MAKE) kind-load LOAD=artistcrawl/worker:previous
	KUBECONFIG=$${KUBECONFIG:-$(KIND_KUBECONFIG)} $(BIN)/python -m pytest -m "(control_plane or cluster) and slow" --timeout 1800

.PHONY: e2e-load
e2e-load: images-next ## Build and load all that the cluster tests need
	$(MAKE) kind-load LOAD="artistcrawl/operator:next $(LOAD)"

.PHONY: e2e-cluster
e2e-cluster: kind-up e2e-load
	kind get kubeconfig >$(KIND_KUBECONFIG)

.PHONY: chart
chart: $(READY) ## Check the chart: lint, its tests, schemas, README, kube-score
	PYTHON=$(abspath $(BIN)/python) charts/artistcrawl/checks/run

##@ Develop

.PHONY: chart-docs
chart-docs: ## Write the chart's README from the comments in its values
	helm-docs --chart-search-root charts --sort-values-order file --log-level warning

.PHONY: setup
setup: $(READY) ## Make the virtual environment from the pinned constraints

# Without a resolver: the file is complete, and old pips take an extra of a package there for one that is not pinned, as
# soon as the package has a newer release.
$(READY): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "artistcrawl needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: crd
crd: $(READY) ## Generate k8s/crds and docs/crawljob.md from the types
	$(BIN)/python -m crawl_operator.crd

.PHONY: boards
boards: $(READY) ## Generate grafana/dashboards, grafana/metrics.md and the table of alerts
	$(BIN)/python -m crawl_core.metrics
	$(BIN)/python -m grafana.boards
	$(BIN)/python grafana/rules/table.py

.PHONY: docs
docs: $(READY) ## Generate what docs/architecture.md says of the import contracts
	$(BIN)/python docs/contracts.py

.PHONY: sync
sync: crd boards docs ## Bring every generated file and copy up to date: CRD, boards, metrics page, the chart's files
	rm -f charts/artistcrawl/files/rules/* charts/artistcrawl/files/dashboards/*
	cp k8s/crds/crawljobs.artistcrawl.dev.yaml charts/artistcrawl/files/
	cp grafana/rules/*.yaml charts/artistcrawl/files/rules/
	cp grafana/dashboards/*.json charts/artistcrawl/files/dashboards/

.PHONY: format
format: $(READY) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: constraints
constraints: $(READY) ## Pin the newest versions of all dependencies, with hashes and without addresses
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --all-extras --group dev pyproject.toml -o constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -c constraints.txt --extra worker --extra sandbox pyproject.toml -o worker/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -c constraints.txt --extra operator pyproject.toml -o operator/requirements.txt

.PHONY: clean
clean: ## Remove the virtual environment and what the tools left
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile
