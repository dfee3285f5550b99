# What people do with this repository; `make help` lists it. The work itself is in scripts/ and xtask/.
SHELL := /bin/bash
TARGET := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: help run demo test bench fuzz chaos fmt lint golden support tidy

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## build for release and serve on the default ports; callbacks to this machine are allowed
	@scripts/setup.sh run
	cargo build --release -p landfall-server
	LANDFALL_PUSH_ALLOW_PRIVATE=true exec $(TARGET)/release/landfall serve

demo: ## play the first journey against a server of its own
	@scripts/setup.sh run
	cargo build --release -p landfall-server
	exec $(TARGET)/release/landfall demo

test: ## everything that must hold: format, lints, tidy, tests, both stores, foreign clients
	@scripts/setup.sh test
	@scripts/test.sh

bench: ## measure, with mosquitto, libcoap and the ACME CSE beside it
	@scripts/setup.sh bench
	cargo build --release -p landfall-server
	cargo run --release -p landfall-bench

fuzz: ## search all parsers for faults with AddressSanitizer, SECONDS=20 each
	@scripts/setup.sh fuzz
	@scripts/fuzz.sh $(or $(SECONDS),20)

chaos: ## fault loops for MINUTES (default 10): kills, lost database, full disk, clock jumps, slow bodies, full speed
	@scripts/setup.sh chaos
	cargo build --release -p landfall-server
	@scripts/chaos.sh $(or $(MINUTES),10)

fmt: ## format all sources
	cargo fmt --all

lint: ## clippy, warnings denied
	cargo clippy --workspace --all-targets -- -D warnings

golden: ## rewrite the golden files from what is really answered; look at the difference before you commit it
	UPDATE_GOLDEN=1 cargo test --workspace golden

support: ## write docs/support.md from spec/index.tsv
	cargo run -q -p xtask -- support

tidy: ## check layout, style and invariants
	cargo run -q -p xtask -- tidy
