# make help lists the commands. Everything sets itself up on a machine with Python 3.11+.
PYTHON ?= python3
RUN = .venv/bin/python
PYTEST = .venv/bin/pytest

.DEFAULT_GOAL := help
.PHONY: help demo test miniprogram faults check story bench setup setup-dev format shots clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: setup ## play the whole story in a browser, no account needed (Ctrl-C ends it)
	@$(RUN) -m scripts.demo

test: setup-dev ## every test but the ones that kill processes
	@$(PYTEST) -m "not faults and not browser" -n 2 --dist loadfile
	@$(PYTEST) -m browser
	@cd miniprogram && PATH="$(CURDIR)/.venv/bin:$$PATH" npm run --silent verify

miniprogram: setup ## the WeChat package for upload: API_BASE=https://… APPID=wx…, or miniprogram/.env
	@cd miniprogram && PATH="$(CURDIR)/.venv/bin:$$PATH" $(if $(API_BASE),VITE_API_BASE="$(API_BASE)") $(if $(APPID),VITE_APPID="$(APPID)") npm run --silent build:weixin

faults: setup-dev ## the tests that kill and stop real processes, and a long look at the model of payments
	@$(PYTEST) -m faults
	@PAYMENT_EXAMPLES=$(or $(EXAMPLES),300) $(PYTEST) tests/payments/test_model.py

check: setup-dev ## format, lint, types, import contract, dead code, migrations match models
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy app.py core gateways people merchants messaging catalogue coupons crm orders payments analytics tasks console official_account wxapp_api open_api cli sandbox
	@.venv/bin/lint-imports
	@.venv/bin/vulture
	@$(PYTEST) tests/architecture

story: setup-dev ## the main story over HTTP against a fresh demo: SQLite, then MariaDB
	@$(RUN) -m scripts.story --database sqlite
	@$(RUN) -m scripts.story --database mariadb

bench: setup-dev ## the benchmarks, ratios beside their limits; ONLY=name SIZE=members
	@SIZE=$(or $(SIZE),100000) $(RUN) -m benchmarks $(ONLY)

setup: ## only the environment in .venv and the browser builds
	@$(PYTHON) scripts/setup.py

setup-dev:
	@$(PYTHON) scripts/setup.py --dev --system

format: ## format the Python code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

shots: setup-dev ## the screenshots of the README
	@$(RUN) -m scripts.shots

clean: ## remove what was built and the demo's data
	rm -rf .venv var console/static/dist console/node_modules miniprogram/dist miniprogram/node_modules miniprogram/openapi.json miniprogram/src/api/schema.d.ts
