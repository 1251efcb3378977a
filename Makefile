# The everyday words. CMake does the building (CMakePresets.json); HACKING.md explains.
#
#   make run [FILE=prog.wasm] [ARGS="..."]   set up, build, compile a program, map it, run it
#   make test | test-slow                    set up, build, run all tests; those that take minutes
#   make bench | spectest | lint | tidy | size | install | clean
#   make debug | asan | tsan | clang | fuzz     other builds

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
PYTHON ?= python3
FILE ?= examples/hello.wat
IMAGO = build/imago

.PHONY: all release debug asan tsan clang fuzz setup run test test-slow spectest bench lint tidy \
        size install clean help

all: release

help:
	@sed -n '3,7s/^# *//p' Makefile

setup:
	@tools/setup.sh run

release debug asan tsan clang fuzz:
	@tools/build.sh $@ $(JOBS)

run: setup release
	@tools/run_example.sh $(IMAGO) $(FILE) $(ARGS)

test:
	@tools/setup.sh test
	@tools/build.sh release $(JOBS)
	@tools/build.sh debug $(JOBS)
	@tools/build.sh asan $(JOBS)
	@$(PYTHON) tools/run_tests.py --jobs $(JOBS) $(TESTS)

test-slow: release debug asan
	@$(PYTHON) tools/run_tests.py --slow --jobs 1 $(TESTS)

spectest: release
	@$(PYTHON) tools/run_tests.py --jobs $(JOBS) release/spec

bench: release
	@$(PYTHON) bench/run.py

lint:
	@$(PYTHON) tests/lint/run.py --report

tidy:
	@tools/tidy.sh $(JOBS)

size: release
	@tools/size.sh build

install: release
	cmake --install build --prefix $(PREFIX)

clean:
	rm -rf build
