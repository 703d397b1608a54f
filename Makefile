PYTHON ?= python3
PIP := -m pip --disable-pip-version-check --quiet --no-input install --no-deps --require-hashes --only-binary :all: --requirement

.DEFAULT_GOAL := help
.PHONY: help local demo package deployer-policy environments scanners test test-aws test-aws-clean stand-in matrix faults simulate mutants diagrams bench audit sbom release lock clean

# In the order in which somebody who is new here needs them.
define HELP
To try it
  make local            runs AWS and movieXchange on this machine, with the stack deployed, until Ctrl-C (10 s; PORT=4566 for fixed ports)
  make demo             shows there, step by step, what the stack does (70 s)
To deploy it
  make package          builds the archive that `sam deploy` uploads (10 s)
  make deployer-policy  prints the IAM policy of a role that deploys the stack
To change it
  make test             runs every check (4 min)
  make environments     installs what single tests need
  make scanners         installs the scanners of templates, which tests need too
  make matrix           writes into the docs who may do what
  make faults           tries every fault of movieXchange and Secrets Manager, and writes into the docs what came of each
  make simulate         tries the refresh logic in years of virtual time, and draws an outage for the docs; SEED=7 replays one history
  make mutants          changes the function in one place at a time, to see whether a test fails (25 min; MODULES=events for one)
  make diagrams         draws the other diagrams of the docs
  make bench            measures it beside what people would write instead, for the docs (12 min)
  make lock             pins newer versions of what is installed
  make audit            asks whether a version has a known vulnerability
To try it on an AWS account
  make test-aws         runs the contract there; asks first, and cleans up
  make test-aws-clean   removes what a killed run has left there
  make stand-in         runs movieXchange's stand-in, for test-aws
To publish it
  make sbom             writes the bill of materials of what ships
  make release          writes the files of a release into dist
  make clean            removes what make has made here
endef

help:
	$(info $(HELP))
	@:

# What is installed for a target, in this order; each is announced when it is made.
PLANNED := .venv .venv-emulator .venv-sam
local demo: PLANNED := .venv-local .venv-emulator .venv-sam
test: PLANNED := .venv .venv-emulator .venv-sam .venv-checkov .node .node-cdk .node-reading
announced = @number=0; for each in $(PLANNED); do number=$$((number + 1)); \
	[ $$each != $(1) ] || printf '%s of %s: ' $$number $(words $(PLANNED)); done; echo 'installing $(2) into $(1)'

ifneq ($(filter test,$(MAKECMDGOALS)),)
$(info All checks take about 4 minutes.$(if $(wildcard .node-cdk/made-from.json),, What they need is installed first: about 2.2 GB, in about 3 minutes.))
endif

# Each environment keeps the requirements that it was made from, and is made again when they change. Where few of many
# modules are used, they are compiled at their first use.
define environment
$(1)/made-from.txt: requirements/$(2).txt
	$$(call announced,$(1),$(3))
	@$$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed; name one with PYTHON=")'
	@rm -rf $(1)
	@$$(PYTHON) -m venv $(1)
	@$(1)/bin/python $$(PIP) requirements/$(2).txt $(4) 2> $(1)/pip.log || { cat $(1)/pip.log; exit 1; }
	@cp requirements/$(2).txt $$@
endef
$(eval $(call environment,.venv,dev,what the tests use (1230 MB)))
$(eval $(call environment,.venv-local,local,the demo and the commands to try (220 MB),--no-compile))
$(eval $(call environment,.venv-emulator,emulator,an AWS account for this machine (115 MB)))
$(eval $(call environment,.venv-sam,sam,the SAM CLI (230 MB),--no-compile))
$(eval $(call environment,.venv-checkov,checkov,a scanner of templates (290 MB)))
$(eval $(call environment,.venv-audit,audit,a look-up of vulnerabilities (60 MB)))

NPM := PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/npm --ignore-scripts --no-audit --no-fund --omit-lockfile-registry-resolved
define node_environment
$(1)/made-from.json: requirements/$(2)/package-lock.json .venv/made-from.txt
	$$(call announced,$(1),$(3))
	@rm -rf $(1) && mkdir $(1) && cp requirements/$(2)/package.json requirements/$(2)/package-lock.json $(1)
	@$$(NPM) ci --prefix $(1) > $(1)/npm.log 2>&1 || { cat $(1)/npm.log; exit 1; }
	@cp requirements/$(2)/package-lock.json $$@
endef
$(eval $(call node_environment,.node,node,an evaluator of IAM policies (36 MB)))
$(eval $(call node_environment,.node-cdk,cdk,the CDK (215 MB)))
$(eval $(call node_environment,.node-reading,reading,SDKs for the recipes (55 MB)))

environments: .venv/made-from.txt .venv-emulator/made-from.txt .venv-sam/made-from.txt
scanners: .venv-checkov/made-from.txt .node/made-from.json .node-cdk/made-from.json .node-reading/made-from.json

# Builds dist/function.zip for `sam deploy`, with Python 3.11 and pip alone: the same bytes from the same commit.
package:
	@$(PYTHON) -m tools.package

# Writes the bill of materials of what ships. Requirements do not say which of them needs which; it warns of that.
SBOM := dist/mx-token-rotator.cdx.json
sbom: .venv/made-from.txt
	@mkdir -p $(dir $(SBOM))
	@.venv/bin/python -W ignore::UserWarning -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible --output-file $(SBOM) src/function/requirements.txt
	@echo $(SBOM)

# Writes a release into dist/: the archive, a template without SAM, the wheels and their digests. The workflow gives the
# address of the code host, to which the alarms then link.
REPOSITORY :=
release: .venv/made-from.txt .venv-sam/made-from.txt sbom
	@.venv/bin/python -m tools.release $(REPOSITORY)

# Asks PyPI for known vulnerabilities of what ships, and of what the packages and their tests use.
audit: .venv-audit/made-from.txt
	@.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement src/function/requirements.txt --requirement requirements/dev.txt

# Runs the stack, AWS and movieXchange on this machine. PORT=4566 is AWS's port then, and 4567 movieXchange's.
local: .venv-local/made-from.txt .venv-emulator/made-from.txt .venv-sam/made-from.txt
	@.venv-local/bin/python -m tools.local.serve $(PORT)

# Shows the product at work there.
demo: .venv-local/made-from.txt .venv-emulator/made-from.txt .venv-sam/made-from.txt
	@.venv-local/bin/python -m tools.local.demo

# Tries every fault of movieXchange on a deployed stack, and of Secrets Manager on the wire, and writes what came of each
# into docs/faults.md.
faults: environments
	@.venv/bin/python -m tools.local.survival
	@PYTHONPATH=src/function .venv/bin/python -m tools.local.secrets_faults

# Decides who may do what by the policies of the template, and writes it into the docs.
matrix: environments scanners
	@PYTHONPATH=src/operator .venv/bin/python -m tools.local.matrix

# Prints the IAM policy of a role that deploys the stack STACK for the account ACCOUNT; ARGUMENTS="--help" shows the rest.
STACK := mx-token-rotator
ACCOUNT := moviexchange/staging
deployer-policy: .venv/made-from.txt .venv-sam/made-from.txt
	@.venv/bin/python -m tools.deployer --stack "$(STACK)" --account "$(ACCOUNT)" $(ARGUMENTS)

# Runs every check.
test: environments scanners
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam validate --lint
	.venv/bin/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --cov mx_token_rotator --cov-branch --cov-report term-missing:skip-covered --cov-fail-under 100

# Runs the contract on the AWS account and Region of the environment: asks first, and cleans up. CREDENTIALS=FILE walks
# through a stack, too; STAND_IN=URL is the token service for them. test-aws-clean removes what a killed run has left.
test-aws: environments
	@.venv/bin/python -m tools.contract $(if $(CREDENTIALS),--credentials $(CREDENTIALS)) $(if $(STAND_IN),--stand-in $(STAND_IN))

test-aws-clean: environments
	@.venv/bin/python -m tools.contract --clean

# Serves movieXchange's stand-in on loopback, and writes its credentials to a file, for test-aws.
stand-in: environments
	@.venv/bin/python -m tools.contract.stand_in dist/stand-in.json

# Runs the refresh logic through YEARS token-years of faults (30, in 6 minutes), and draws what an outage costs; with
# SEED, prints what led to the end of that seed's history.
simulate: .venv/made-from.txt
	@PYTHONPATH=src/function .venv/bin/python -m tools.simulation

# Tries the tests on mutants of these MODULES of the function, or of all five, and fails if too many survive.
MODULES :=
mutants: .venv/made-from.txt
	@.venv/bin/python -m tools.mutants $(MODULES)

# Draws how it works for the docs, from the template and the code.
diagrams: .venv/made-from.txt
	@PYTHONPATH=src/function .venv/bin/python -m tools.diagrams

# Measures speed, limits and cost, and writes them into docs/performance.md. Nothing else should run meanwhile.
bench: environments
	@.venv/bin/python -m tools.bench

# Pins what pyproject.toml asks for, with hashes and no addresses.
LOCK := .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: .venv/made-from.txt
	$(LOCK) --group shipped --output-file src/function/requirements.txt
	$(LOCK) --group dev --constraint src/function/requirements.txt --output-file requirements/dev.txt
	$(LOCK) --group local --constraint requirements/dev.txt --output-file requirements/local.txt
	$(LOCK) --group emulator --output-file requirements/emulator.txt
	$(LOCK) --group sam --output-file requirements/sam.txt
	$(LOCK) --group checkov --output-file requirements/checkov.txt
	$(LOCK) --group audit --output-file requirements/audit.txt
	$(NPM) update --package-lock-only --prefix requirements/node
	$(NPM) update --package-lock-only --prefix requirements/cdk
	$(NPM) update --package-lock-only --prefix requirements/reading

clean:
	rm -rf .venv .venv-local .venv-emulator .venv-sam .venv-checkov .venv-audit .node .node-cdk .node-reading .aws-sam dist .coverage .hypothesis .mutants .mypy_cache .pytest_cache .ruff_cache
