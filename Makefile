# `make demo` and `make test` are all a user needs: they install what is missing and say what they do.

PYTHON ?= python3
CARGO ?= cargo
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# CMake for the command's own HDF5 comes from the virtual environment: that of Debian 12 is too old.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ETALON_COMMAND := $(TARGET)/release/etalon

PLUGIN_NAMES := $(patsubst h5plugins/%/Cargo.toml,%,$(wildcard h5plugins/*/Cargo.toml))
# Crates without HDF5 are tested with overflow checks; the others share the release build of HDF5.
PLAIN_CRATES := -p etalon -p etalon-codec -p etalon-filter -p etalon-metrics
HDF5_CRATES := -p etalon-measure -p etalon-cli -p etalon-daq
# Length of `make soak`, and a folder on the disk to be tested.
SECONDS_OF_SOAK := 120
SOAK_FOLDER := $(TARGET)/soak
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
export PREFIX LIBDIR DESTDIR
LEVELS := scalar baseline avx2 avx512
MUTATIONS := 1000000
# One processor with vector instructions of another kind, and one whose numbers begin with their highest byte.
OTHER_TARGETS := aarch64-unknown-linux-gnu s390x-unknown-linux-gnu
# The package h5etalon is tested as users have it: installed from the wheel.
PYTHON_TESTS := $(wildcard tests/test_python_*.py)
# What Zarr, xarray and notebooks do with it takes packages of its own.
ZARR_TESTS := $(wildcard tests/test_zarr_*.py tests/test_jupyter_*.py)
# As many processes as processors, but not more than a disk keeps up with. Tests of one file share what its fixtures make.
PYTEST := -m pytest -q -rs -n auto --maxprocesses 8 --dist loadfile
OTHER_WHEEL_VENVS := .venv-wheel-oldest .venv-wheel-middle
install_wheel = $(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall $(TARGET)/wheels/h5etalon-*.whl

.NOTPARALLEL:
.PHONY: help demo test test-long test-references test-portability test-all lint bench bench-table bench-frontier bench-floats bench-golden bench-scan soak build plugins library install daq install-daq tools packages wheel wheel-manylinux licences clean

help:
	@echo "make demo       build, compress simulated detector frames, read them back with h5py, write reports;"
	@echo "                make demo FILE=run.h5 takes the datasets of a file"
	@echo "make test       build and run the tests"
	@echo "make test-long  the codec's tests at every SIMD level, a million damaged chunks"
	@echo "make test-references  the metrics beside scikit-image, pyFAI, gemmi and others (1.7 GB of Python packages)"
	@echo "make test-portability  the codec's tests on ARM and on a big-endian processor, under qemu"
	@echo "make test-all   all of them"
	@echo "make plugins    stage libh5etalon_*.so in h5plugins/: HDF5_PLUGIN_PATH=\$$PWD/h5plugins"
	@echo "make wheel      the Python package h5etalon: $(TARGET)/wheels/h5etalon-*.whl"
	@echo "make wheel-manylinux  the same for any Linux since glibc 2.17: $(TARGET)/wheels-manylinux/h5etalon-*.whl"
	@echo "make build      the etalon command: target/release/etalon"
	@echo "make library    libetalon for C and C++: target/release/libetalon.{so,a}"
	@echo "make install    libetalon with headers, pkg-config and CMake files: PREFIX=/usr/local, LIBDIR=lib, DESTDIR="
	@echo "make daq        libetalon_daq, the writer for detectors: target/release/libetalon_daq.so; make install-daq"
	@echo "make soak       frames of a 4-Mpixel detector as fast as they can be written, all read back:"
	@echo "                SECONDS_OF_SOAK=120 SOAK_FOLDER=/data OPTIONS='--element u2 --encoders 2'"
	@echo "make lint       formatting, clippy, licences"
	@echo "make licences   write THIRD_PARTY_LICENSES anew, after a dependency changed"
	@echo "make bench      speed beside hdf5plugin and bitshuffle"
	@echo "make bench-table  docs/BENCHMARK.md: codecs beside everybody else's on simulated and real data"
	@echo "make bench-scan docs/WORKING_POINTS.md: the smallest storage within each profile's limits"
	@echo "make bench-golden  docs/GOLDEN.md: the golden numbers of the specification, measured again"
	@echo "make bench-frontier  docs/FRONTIER.md: lossless codecs on simulated photon counts and on real integers;"
	@echo "                OPTIONS=--quick takes a minute and writes nothing"
	@echo "make bench-floats  docs/FLOATS.md: floats with a bound beside SZ3, ZFP and SPERR; OPTIONS as above"
	@echo "make clean      remove what was built, except the virtual environments"

demo: build plugins
	$(ETALON_COMMAND) demo $(FILE)
ifeq ($(FILE),)
	$(ETALON_COMMAND) measure demo-out/source.h5 -c bitshuffle:compressor=zstd -c noise:sigma=0.5 -c noise:sigma=1 \
		--metrics abs,sigma,psnr,ssim,power_spectrum,preview --limit ssim\>=0.9 --per-chunk --json > demo-out/science.json; \
		test $$? -le 1
	$(ETALON_COMMAND) report demo-out/science.json -o demo-out/science.html
endif

test: packages build plugins library daq wheel .venv-h5py114/.stamp .venv-zarr/.stamp .venv-icat/.stamp
	$(CARGO) test $(PLAIN_CRATES)
	$(CARGO) test --release $(HDF5_CRATES)
	.venv/bin/python $(PYTEST) tests --ignore tests/references
	$(call install_wheel,.venv-wheel)
	.venv-wheel/bin/python $(PYTEST) $(PYTHON_TESTS)
	$(call install_wheel,.venv-zarr)
	.venv-zarr/bin/python $(PYTEST) $(ZARR_TESTS)

test-long: tools wheel .venv-metrics/.stamp $(OTHER_WHEEL_VENVS:=/.stamp) test-references
	set -e; for venv in $(OTHER_WHEEL_VENVS); do \
		$(call install_wheel,$$venv); \
		$$venv/bin/python $(PYTEST) $(PYTHON_TESTS); \
	done
	scripts/check_source_archive
	set -e; for level in $(LEVELS); do \
		echo "ETALON_SIMD=$$level"; \
		ETALON_SIMD=$$level $(CARGO) test --release -p etalon-codec; \
	done
	ETALON_MUTATIONS=$(MUTATIONS) $(CARGO) test --release -p etalon-codec --test hostile
	$(CARGO) build --release -p etalon-codec --example sigma_clip_sets
	ETALON_CLIP_SETS=$(TARGET)/release/examples/sigma_clip_sets .venv-metrics/bin/python -m pytest tests/test_sigma_clip_pyfai.py -q -rs

test-references: .venv-metrics/.stamp .venv-metrics-numpy1/.stamp .venv-cctbx/.stamp
	$(CARGO) build --release -p etalon-metrics --examples
	ETALON_EXAMPLES=$(TARGET)/release/examples .venv-metrics/bin/python -m pytest tests/references -q -rs

test-portability:
	CARGO="$(CARGO)" scripts/test_portability $(OTHER_TARGETS)

test-all: test test-long test-portability

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	.venv/bin/python scripts/licences.py check

licences: tools
	.venv/bin/python scripts/licences.py write

bench: build plugins library daq wheel
	$(CARGO) bench -p etalon-codec --bench bittranspose
	$(CARGO) bench -p etalon-codec --bench lz4_share
	.venv/bin/python bench/bench_transposition.py
	.venv/bin/python bench/bench_h5py.py
	.venv/bin/python bench/bench_threads.py
	.venv/bin/python bench/bench_recompress.py
	.venv/bin/python bench/bench_capi.py
	$(TARGET)/release/examples/daq_scaling
	$(call install_wheel,.venv-wheel)
	.venv-wheel/bin/python bench/bench_python.py

bench-table: build plugins
	.venv/bin/python bench/bench_table.py --write --rows $(TARGET)/bench-rows.jsonl

bench-frontier: .venv-frontier/.stamp
	$(CARGO) build --release -p etalon-codec --example turns
	ETALON_TURNS=$(TARGET)/release/examples/turns .venv-frontier/bin/python bench/bench_frontier.py $(or $(OPTIONS),--write)

bench-floats: .venv-frontier/.stamp .venv/.stamp
	$(CARGO) build --release -p etalon-codec --example turns
	ETALON_TURNS=$(TARGET)/release/examples/turns .venv-frontier/bin/python bench/bench_floats.py $(or $(OPTIONS),--write)

bench-scan: build .venv-metrics/.stamp
	.venv-metrics/bin/python bench/bench_scan.py --write

bench-golden: build .venv/.stamp
	.venv/bin/python bench/bench_golden.py --write

build: tools
	$(CARGO) build --release -p etalon-cli

plugins:
	$(CARGO) build --release $(foreach name,$(PLUGIN_NAMES),-p h5etalon-$(name))
	@set -e; for name in $(PLUGIN_NAMES); do scripts/stage_plugin "$(TARGET)/release/libh5etalon_$$name.so"; done

library:
	$(CARGO) build --release -p etalon

daq: tools
	$(CARGO) build --release -p etalon-daq --lib --examples

install-daq: daq
	@scripts/install_daq "$(TARGET)" "$(VERSION)"

soak: daq
	.venv/bin/python tests/daq_soak.py --folder $(SOAK_FOLDER) --seconds $(SECONDS_OF_SOAK) $(OPTIONS)

install: library
	@scripts/install_library "$(TARGET)" "$(VERSION)"

wheel: build plugins .venv-wheel/.stamp
	rm -f $(TARGET)/wheels/h5etalon-*
	PATH="$(PATH):$(CURDIR)/.venv-wheel/bin" .venv-wheel/bin/python -m pip wheel --quiet --disable-pip-version-check \
		--no-build-isolation --no-deps -w $(TARGET)/wheels .

# For machines with glibc 2.17 and later: CentOS 7, and everything since 2014. All is compiled once more, by zig.
wheel-manylinux: .venv-zig/.stamp
	rm -f $(TARGET)/wheels-manylinux/h5etalon-*
	PATH="$(CURDIR)/.venv-zig/bin:$(PATH)" H5ETALON_GLIBC=2.17 .venv-zig/bin/python -m pip wheel --quiet \
		--disable-pip-version-check --no-build-isolation --no-deps -w $(TARGET)/wheels-manylinux .
	.venv-zig/bin/python -m auditwheel show $(TARGET)/wheels-manylinux/h5etalon-*.whl

tools: .venv/.stamp

packages: tools
	@scripts/install_packages
	@scripts/unpack_debian_bitshuffle

.venv/.stamp: requirements/test.txt requirements/test-source.txt
	@scripts/make_venv .venv $< "$(PYTHON)"

.venv-h5py114/.stamp: requirements/h5py114.txt
	@scripts/make_venv .venv-h5py114 $< "$(PYTHON)"

.venv-icat/.stamp: requirements/icat.txt requirements/icat-source.txt
	@scripts/make_venv .venv-icat $< "$(PYTHON)"

.venv-wheel/.stamp: requirements/wheel.txt
	@scripts/make_venv .venv-wheel $< "$(PYTHON)"

.venv-zig/.stamp: requirements/zig.txt
	@scripts/make_venv .venv-zig $< "$(PYTHON)"

.venv-zarr/.stamp: requirements/zarr.txt
	@scripts/make_venv .venv-zarr $< "$(PYTHON)"

$(OTHER_WHEEL_VENVS:=/.stamp): .venv-%/.stamp: requirements/%.txt
	@scripts/make_venv .venv-$* $< "$(PYTHON)"

.venv-metrics/.stamp: requirements/metrics.txt
	@scripts/make_venv .venv-metrics $< "$(PYTHON)"

.venv-metrics-numpy1/.stamp: requirements/metrics-numpy1.txt requirements/metrics-numpy1-source.txt
	@scripts/make_venv .venv-metrics-numpy1 $< "$(PYTHON)"

.venv-frontier/.stamp: requirements/frontier.txt
	@scripts/make_venv .venv-frontier $< "$(PYTHON)"

.venv-cctbx/.stamp: requirements/cctbx.txt
	@scripts/make_venv .venv-cctbx $< "$(PYTHON)"

clean:
	$(CARGO) clean
	rm -rf demo-out h5plugins/*.so crates/python/h5etalon/plugins crates/python/wheel.data
