# `make demo` and `make test` are all a user needs: they install what is missing and say what they do.

PYTHON ?= python3
CARGO ?= cargo
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PLUGIN_NAMES := $(patsubst h5plugins/%/Cargo.toml,%,$(wildcard h5plugins/*/Cargo.toml))
# Crates without HDF5 are tested with overflow checks; the others share the release build of HDF5.
PLAIN_CRATES := -p etalon-codec -p etalon-filter
HDF5_CRATES := -p etalon-measure -p etalon-cli

.PHONY: help demo test test-all lint bench build plugins tools packages clean

help:
	@echo "make demo      build, compress simulated detector frames, read them back with h5py, write a report"
	@echo "make test      build and run all tests (about ten minutes, the first time longer)"
	@echo "make test-all  the longer matrices: every SIMD level, a million damaged chunks"
	@echo "make plugins   stage libh5etalon_*.so in h5plugins/: HDF5_PLUGIN_PATH=\$$PWD/h5plugins"
	@echo "make build     the etalon command: target/release/etalon"
	@echo "make lint      formatting, clippy, licences"
	@echo "make bench     speed beside hdf5plugin and bitshuffle"
	@echo "make clean     remove what was built, except the virtual environments"

demo: build plugins
	target/release/etalon demo

test: packages build plugins .venv-h5py114/.stamp
	$(CARGO) test $(PLAIN_CRATES)
	$(CARGO) test --release $(HDF5_CRATES)
	.venv/bin/python -m pytest tests -q

test-all: test
	for level in scalar baseline avx2 avx512; do \
		echo "ETALON_SIMD=$$level"; \
		ETALON_SIMD=$$level $(CARGO) test -p etalon-codec || exit 1; \
		ETALON_SIMD=$$level .venv/bin/python -m pytest tests/test_byte_identity.py -q || exit 1; \
	done
	ETALON_MUTATIONS=1000000 $(CARGO) test -p etalon-codec --test hostile

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	.venv/bin/python scripts/check_licences.py

bench: build plugins
	$(CARGO) bench -p etalon-codec --bench bittranspose
	.venv/bin/python bench/bench_transposition.py
	.venv/bin/python bench/bench_h5py.py
	.venv/bin/python bench/bench_recompress.py

build: tools
	$(CARGO) build --release -p etalon-cli

plugins:
	$(CARGO) build --release $(foreach name,$(PLUGIN_NAMES),-p h5etalon-$(name))
	@for name in $(PLUGIN_NAMES); do scripts/stage_plugin $$name || exit 1; done

tools: .venv/.stamp

packages: tools
	@scripts/install_packages

.venv/.stamp: requirements/test.txt
	@scripts/make_venv .venv $< "$(PYTHON)"

.venv-h5py114/.stamp: requirements/h5py114.txt
	@scripts/make_venv .venv-h5py114 $< "$(PYTHON)"

clean:
	$(CARGO) clean
	rm -rf demo-out h5plugins/*.so
