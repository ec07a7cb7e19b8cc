# Everything starts here; `make` alone prints what there is.
# Works with GNU make 3.81 or newer. Needs Python 3.11 or newer; everything else it installs itself.

PORT ?= 8000
DATA ?= .local
SEEDS ?= 2000
ARRIVALS ?= 25
TESTS ?= tests
WORKERS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:

export PYTHON

python := .venv/bin/python
say = printf '  %-12s %s\n'
# What needs nothing but itself is shared out by file; the other suites start engines of their own.
in_process = tests/unit tests/service
by_file = --numprocesses $(WORKERS) --dist loadfile

# --- the targets -------------------------------------------------------------------------------

.PHONY: help
help: ## print this list
	@echo 'Tandem: points that are earned online and spent at the till, and all that follows.'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: .venv/run .venv-engine/engine build ## the whole system on this machine: PORT=8000 DATA=.local
	@$(python) -m tandem_local run --port $(PORT) --data $(DATA)

.PHONY: token
token: .venv/run ## print a bearer token: make -s token ROLE=customer SUBJECT=... [SCOPE="..."]
	@if [ -z '$(ROLE)' ] || [ -z '$(SUBJECT)' ]; then \
		echo 'usage: make -s token ROLE=terminal SUBJECT=store_12/till_3 [SCOPE="..."]' >&2; exit 2; fi
	@$(python) -m tandem_local token --data $(DATA) --role '$(ROLE)' --subject '$(SUBJECT)' \
		$(if $(SCOPE),--scope '$(SCOPE)')

.PHONY: demo
demo: .venv/demo .venv-engine/engine build ## replay shop data: HOUSEHOLDS= BASKETS= PORT= BASE_URL=
	@$(python) -m tandem_demo --port $(PORT) --data $(DATA) \
		$(if $(HOUSEHOLDS),--households $(HOUSEHOLDS)) $(if $(BASKETS),--baskets $(BASKETS)) \
		$(if $(BASE_URL),--base-url $(BASE_URL))

.PHONY: build
build: .venv/run ## the packages and templates, for this machine's local cloud, in build/
	@$(python) -m tools.build

.PHONY: package
package: .venv/run ## the same for AWS, in dist/: Lambda's arm64 and Python 3.13
	@$(python) -m tools.build --lambda

.PHONY: deploy
deploy: package ## onto AWS, or an update: STAGE= REGION=
	@$(tandem) deploy

.PHONY: diff
diff: package ## what a deployment would change; changes nothing: STAGE= REGION=
	@$(tandem) diff

.PHONY: smoke
smoke: package ## is a stage fit to serve? reads only: STAGE= REGION= [TOKEN=] [URL=]
	@TOKEN='$(TOKEN)' $(tandem) smoke $(if $(URL),--url '$(URL)')

.PHONY: destroy
destroy: .venv/run ## take a stage down; refuses while it holds data: STAGE= REGION= [TABLES=keep|delete]
	@$(tandem) destroy $(if $(TABLES),--tables '$(TABLES)')

.PHONY: replay
replay: .venv/run ## publish again what was recorded: STAGE= SERVICE= SINCE=
	@$(tandem) replay --service '$(SERVICE)' --at '$(SINCE)'

.PHONY: redrive
redrive: .venv/run ## dead letters go again: STAGE= SERVICE= [QUEUE=]
	@$(tandem) redrive --service '$(SERVICE)' --queue '$(QUEUE)'

.PHONY: restore
restore: .venv/run ## a table as it was, beside the one in use: STAGE= SERVICE= AT=
	@$(tandem) restore --service '$(SERVICE)' --at '$(AT)'

.PHONY: put-back
put-back: .venv/run ## what the restored table has and the one in use lacks: STAGE= SERVICE=
	@$(tandem) put-back --service '$(SERVICE)'

.PHONY: rotate
rotate: .venv/run ## a new secret, read from standard input: STAGE= SERVICE= SENDER= [DROP=1]
	@$(tandem) rotate --service '$(SERVICE)' --sender '$(SENDER)' $(if $(DROP),--drop)

.PHONY: caller
caller: .venv/run ## a till or an integration of the user pool: STAGE= ROLE=terminal STORE= NAME=
	@$(tandem) caller --role '$(ROLE)' --store '$(STORE)' --name '$(NAME)'

.PHONY: test
test: .venv/dev .venv-engine/engine build ## every suite; one of them: make test TESTS=tests/unit
ifeq ($(TESTS),tests)
	@$(python) -m pytest $(by_file) $(in_process); first=$$?; \
	$(python) -m pytest tests $(addprefix --ignore=,$(in_process)) && exit $$first
else
	@$(python) -m pytest $(TESTS)
endif

.PHONY: acceptance
acceptance: .venv/dev ## real messages of others, from a folder beside: DATA=../shared/fixtures ARRIVALS=25
	@if [ ! -d '$(DATA)/shopify' ]; then \
		echo 'usage: make acceptance DATA=../shared/fixtures' >&2; exit 2; fi
	@ACCEPTANCE_DATA='$(abspath $(DATA))' ACCEPTANCE_ARRIVALS='$(ARRIVALS)' $(python) -m pytest -q tests/acceptance

.PHONY: check
check: lint types contracts quick unchanged ## the gate: lint, types, contracts, quick tests, documents

.PHONY: lint
lint: .venv/dev ## format and lint, as a check
	@$(say) format 'ruff format --check' && $(python) -m ruff format --quiet --check --output-format concise .
	@$(say) lint 'ruff check' && $(python) -m ruff check --quiet --output-format concise .

.PHONY: types
types: .venv/dev ## mypy, strict
	@$(say) types 'mypy --strict' && $(python) -m mypy --no-error-summary

.PHONY: contracts
contracts: .venv/dev ## imports point one way
	@$(say) contracts 'import-linter' && .venv/bin/lint-imports --no-logo

.PHONY: templates
templates: .venv/dev .venv-checks/checks build ## cfn-lint and checkov over what is deployed
	@$(say) templates 'cfn-lint' && .venv/bin/cfn-lint build/*/package/sam.json
	@$(say) templates 'checkov' && .venv-checks/bin/checkov --config-file .checkov.yaml \
		--file build/*/package/sam.json

.PHONY: quick
quick: .venv/dev ## the tests that need neither the engine nor a build
	@$(say) tests 'unit, service' && $(python) -m pytest -q $(by_file) $(in_process)

.PHONY: documents
documents: .venv/dev ## write docs/openapi and docs/events from the models
	@$(say) documents 'docs/openapi, docs/events' && $(python) -m tandem_core.documents

.PHONY: unchanged
unchanged: documents
	@git diff --stat -- docs/openapi docs/events && \
	git ls-files --others --exclude-standard -- docs/openapi docs/events && \
	if [ -n "$$(git ls-files --modified --others --exclude-standard docs/openapi docs/events)" ]; \
	then echo 'The models have changed: commit what make documents wrote.' >&2; exit 1; fi

.PHONY: format
format: .venv/dev ## format and repair what can be repaired
	@$(python) -m ruff check --quiet --fix-only . && $(python) -m ruff format --quiet .

.PHONY: campaign
campaign: .venv/dev ## property tests with many more examples each: SEEDS=2000
	@TANDEM_HYPOTHESIS=campaign TANDEM_SEEDS=$(SEEDS) $(python) -m pytest -m hypothesis \
		$(or $(filter-out tests,$(TESTS)),$(in_process))

.PHONY: bench
bench: .venv/dev .venv-engine/engine ## cost of each operation: AWS calls, write units, processor time
	@$(python) -m tools.bench

.PHONY: bench-cold
bench-cold: .venv/dev build ## cold start beside peers that do the same work: ROUNDS=11
	@$(python) -m tools.cold cold --rounds $(or $(ROUNDS),11)

.PHONY: bench-warm
bench-warm: .venv/dev build ## processor time of one accumulate beside the same peers: ROUNDS=11
	@$(python) -m tools.cold warm --rounds $(or $(ROUNDS),11)

.PHONY: cost
cost: .venv/run ## what a million of each operation costs on AWS: writes docs/cost.md
	@$(python) -m tools.cost > docs/cost.md && cat docs/cost.md

.PHONY: lock
lock: .venv/dev ## compile the requirement files from *.in; UPGRADE=1 takes newer versions
	@$(compile) requirements/dev.in --output-file requirements/dev.txt
	@for file in requirements/run.in requirements/demo.in services/*/requirements.in \
		bench/peers/requirements.in; do \
		$(compile) --constraint requirements/dev.txt $$file --output-file $${file%.in}.txt || exit 1; \
	done
	@$(compile) requirements/engine.in --output-file requirements/engine.txt
	@$(compile) requirements/checks.in --output-file requirements/checks.txt

.PHONY: clean
clean: ## remove environments, build output and caches; keeps DATA
	@rm -rf build dist .venv .venv-engine .venv-checks .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments ------------------------------------------------------------------------------
# A stamp lies in the environment it speaks of, so removing the one removes the other.
# dev holds everything of demo and run, demo everything of run.

tandem = $(if $(STAGE),,$(error STAGE is missing: make $@ STAGE=staging REGION=eu-central-1))\
	$(python) -m tools.deploy --stage '$(STAGE)' --region '$(REGION)' \
	$(if $(PARAMETERS),--parameters '$(PARAMETERS)')

sources := $(wildcard core/src services/*/src local/src demo/src)
install = tools/environment.sh $(@D) requirements/$(@F).txt

.venv/bin/python .venv-engine/bin/python .venv-checks/bin/python:
	@tools/environment.sh $(@D:/bin=)

.venv/run: requirements/run.txt .venv/sources
	@$(install) && touch $@

.venv/demo: requirements/demo.txt .venv/sources
	@$(install) && touch .venv/run $@

.venv/dev: requirements/dev.txt .venv/sources
	@$(install) && touch .venv/run .venv/demo $@

.venv-engine/engine: requirements/engine.txt | .venv-engine/bin/python
	@$(install) && touch $@

.venv-checks/checks: requirements/checks.txt | .venv-checks/bin/python
	@$(install) && touch $@

.PHONY: always
.venv/sources: always | .venv/bin/python
	@echo '$(sources)' | cmp -s - $@ || \
		{ $(python) tools/source_paths.py $(sources) && echo '$(sources)' > $@; }

compile = $(python) -m uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	$(if $(UPGRADE),--upgrade)
