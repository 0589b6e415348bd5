# Everything starts here: `make demo` runs the main job, `make test` the tests.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: demo test lint docs bench clean

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(INSTALLED)
	rm -rf $(DEMO)
	$(BIN)/python -m coronx.simulate $(DEMO)/scene --scene nircam-round --unocculted --crds $(DEMO)/crds
	CRDS_PATH=$(CURDIR)/$(DEMO)/crds $(BIN)/strun coronx_coron3 \
	    $(DEMO)/scene/jw99999-c1001_coron3_00001_asn.json --output_dir=$(DEMO)/products \
	    --unocculted=$(DEMO)/scene/jw99999004001_03101_00001_nrcalong_calints.fits \
	    --log-file=$(DEMO)/coron3.log --log-stream=null
	$(BIN)/python -m coronx.report $(DEMO)/scene/jw99999001001_03101_00001_nrcalong_calints.fits \
	    $(DEMO)/products $(DEMO)/overview.png --truth $(DEMO)/scene/truth.json
	@echo "products     $(DEMO)/products"
	@echo "log          $(DEMO)/coron3.log"

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(INSTALLED)
	$(BIN)/sphinx-build -q -W docs build/docs

bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	mkdir -p build
	$(BIN)/python -m tests.benchmarks --out build/benchmarks.md

clean:
	rm -rf $(VENV) $(DEMO) build
