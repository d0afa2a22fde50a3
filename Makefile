# Each target sets up what it needs. Where make is missing, scripts/demo and scripts/test are the same.
.PHONY: help demo test bench faults interop image fmt lint

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: ## build a real agent into an image, run it, build again
	scripts/demo

test: ## all tests, on real engines and a real registry
	scripts/test

bench: ## measure against docker build, docker buildx and npm view
	scripts/setup test
	cargo build --release
	scripts/with-engines sh -c 'bench/run && bench/layers && bench/versions'

faults: ## only the tests of failures: killed, frozen, full, unreachable
	scripts/test faults

interop: ## only the tests with other people's programs
	scripts/test interop

image: ## the builder image, aicage-builder:dev
	scripts/image

fmt: ## format the source
	cargo fmt --all

lint: ## clippy and the format check, no tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
