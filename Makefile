# Every command of the README, and what CI calls.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install -q -c constraints.txt
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
# A file's tests share what they export: one process runs all of a file.
PYTEST := $(BIN)/pytest -n auto --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install demo demo-check train-mini export-all serve test test-oracles test-examples format lint types proto-check check bench proto wheel wheel-check clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

FOLDERS := band bench engines evaluation export families postprocessing preprocessing serving training
# Type checkers do not run the editable install's import hook: they follow these links.
TYPE_LINKS = rm -rf .types && mkdir -p .types/stemline && ln -s $(CURDIR)/stemline/*.py \
  $(addprefix $(CURDIR)/,$(FOLDERS)) $(CURDIR)/serving/protos/stemline/v1 .types/stemline/
KERNELS := setup.py $(wildcard p*processing/*.pyx p*processing/*_kernel.* p*processing/*.inc)

$(STAMP): pyproject.toml constraints.txt $(KERNELS)
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -U -c constraints.txt "pip>=25.1"
	$(PIP) torch==2.13.0
	$(PIP) -e ".[cpu,serve,export,bench,text]" --group dev
	$(TYPE_LINKS)
	touch $@

install: $(STAMP)  ## virtual environment, editable install, type-checker link

demo: $(STAMP)  ## export the small models; a song's stems and beats over gRPC, measured; into demo/
	$(BIN)/stemline demo

demo-check: $(STAMP)  ## the demo's figures once more, by another program, from its files
	$(BIN)/python tests/check_demo.py demo

train-mini: $(STAMP)  ## train the small model anew, into build/mini; hours
	$(BIN)/python -m stemline.training.mini.train --folder build/mini

export-all: $(STAMP)  ## export and verify every model of the table into artifacts/
	$(BIN)/stemline export --all

serve: $(STAMP)  ## the gRPC server over what was exported
	$(BIN)/stemline serve

test: $(STAMP)  ## the tests that need nothing but this repository
	$(PYTEST) $(PYTEST_ARGS)

# madmom in an environment of its own, and All-In-One's files without what they depend on.
$(VENV)/.beat-originals: $(STAMP)
	$(PIP) --no-deps allin1
	$(BIN)/python tests/oracles/madmom_env.py $(VENV)/madmom
	touch $@

$(VENV)/.oracles: $(VENV)/.beat-originals
	$(PIP) --group oracles
	$(PIP) --no-deps audio-separator demucs einops julius omegaconf torchlibrosa uss
	$(BIN)/pip install -q --no-deps diffq==0.2.4 # builds from source, with the newest Cython
	touch $@

test-oracles: $(VENV)/.oracles  ## compare with the original packages, full size included
	$(PYTEST) --no-loadscope-reorder -m oracles $(PYTEST_ARGS)

test-examples: $(STAMP)  ## the clients of examples/ against a server; needs Node, Go and openssl
	$(BIN)/pytest -m examples $(PYTEST_ARGS)

format: $(STAMP)  ## rewrite to the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(TYPE_LINKS)
	$(BIN)/mypy
	$(BIN)/mypy tests/face/typing_face.py
	$(BIN)/mypy --config-file tests/mypy.ini tests

proto-check: $(STAMP)
	cd serving/protos && $(CURDIR)/$(BIN)/buf lint

check: lint types proto-check test  ## format, lint, types, proto, tests

bench: $(VENV)/.beat-originals  ## ours against PyTorch and madmom on this machine, into build/bench
	$(BIN)/python -m stemline.bench.studies.beats_against_madmom --lengths-s 30 180 \
	  --markdown build/bench/beats.md --json build/bench/beats.json
	$(BIN)/stemline bench mdx23c --engines torch,onnx --plot build/bench

proto: $(STAMP)  ## regenerate the gRPC stubs
	$(BIN)/python -m grpc_tools.protoc -Iserving/protos --python_out=serving/protos \
	  --pyi_out=serving/protos --grpc_python_out=serving/protos serving/protos/stemline/v1/stemline.proto

wheel: $(STAMP)  ## the wheel, with the small models exported, into dist/
	$(BIN)/stemline export mini mini-beats --artifacts build/bundled
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m build -q --wheel

# Where stemline is tried as a user has it: an empty folder, no variables, no data folder.
TRY := cd build/empty && env -u STEMLINE_ARTIFACTS XDG_DATA_HOME=$(CURDIR)/build/empty/data
wheel-check: wheel  ## install the wheel in a clean environment without torch and use it
	rm -rf build/clean build/empty && $(PYTHON) -m venv build/clean && mkdir build/empty
	build/clean/bin/pip install -q -c constraints.txt "$$(ls dist/*.whl)[cpu]"
	cd build && ! clean/bin/python -c "import torch" 2>/dev/null
	cd build && ! clean/bin/python -c "import stemline.training" 2>/dev/null
	$(TRY) ../clean/bin/stemline models
	$(TRY) ../clean/bin/stemline band --seed 1 --duration-s 5 -o . && mv 1/mixture.wav song.wav
	$(TRY) ../clean/bin/stemline separate song.wav
	$(TRY) ../clean/bin/stemline beats song.wav
	cd build/empty/separated/song && test -s drums.wav -a -s bass.wav -a -s other.wav -a -s vocals.wav
	$(TRY) ../clean/bin/python -c "import stemline; print(stemline.separate('song.wav'), stemline.find_beats('song.wav').bpm)"
	build/clean/bin/pip install -q -c constraints.txt "$$(ls dist/*.whl)[serve]"
	cd build && clean/bin/python -c "import stemline.serving.rpc.server"
	cd build && clean/bin/python -c "from stemline.export.models import MODELS; \
	  mini, beats = MODELS['mini'].bundled, MODELS['mini-beats'].bundled; \
	  assert mini.is_file() and mini.with_suffix('.yaml').is_file(), mini; \
	  assert beats.is_file() and beats.with_suffix('.json').is_file(), beats"

clean:  ## remove what was built; artifacts stay
	rm -rf $(VENV) .types build dist *.egg-info preprocessing/_power.c postprocessing/_viterbi.c p*processing/*.so
