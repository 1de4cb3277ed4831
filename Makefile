# Weir's commands. `make demo` and `make test` are the two that a new machine must pass.

CARGO ?= cargo
# How guests are built: auto, rustup or debian (guest-examples/README.md).
GUEST_TOOLCHAIN ?= auto
export GUEST_TOOLCHAIN

# No `--package`: a single package would be built with other features of its dependencies, and so built again.
WEIR = $(CARGO) run --quiet --locked --bin weir --
GUESTS = answers breached-password correlate normalise profile-rules scope-limiter tier tier-enrichment

.PHONY: help demo run test conformance bench torture guests lint audit tools services clean

help: ## What there is to make.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

demo: guests ## Build everything, run the demo flow, show each step, end.
	$(CARGO) run --locked --bin demo

run: guests ## The same, and keep serving on loopback.
	$(CARGO) run --locked --bin demo -- --keep

test: guests services ## Every test: units, properties, stores, guests, scenarios over the real binary.
	$(CARGO) test --locked --workspace
	$(CARGO) test --locked --manifest-path guest-examples/rust/Cargo.toml

# The folder of vectors: `make conformance VECTORS=DIR`.
VECTORS ?= ../shared/vectors

conformance: guests ## Run the vectors of a folder; VERBOSE=1 says why some are skipped, MARKDOWN=1 ends with tables.
	@$(CARGO) run --quiet --locked --bin conformance -- $(if $(VERBOSE),-v) $(if $(MARKDOWN),-m) $(VECTORS)

bench: guests ## Hooks against the raw engine, calls against bare reqwest, durable steps; writes target/bench/report.json.
	$(CARGO) build --locked --release --workspace
	$(CARGO) bench --locked --workspace --bench bench

torture: build ## 1,000 kills of server and store, 500 power cuts, each call to the disk failing, 10,000 runs that go; an hour.
	WEIR_KILLS=1000 $(CARGO) test --locked --workspace --test torture -- --nocapture
	WEIR_KILLS=1000 WEIR_POWER_CUTS=500 WEIR_EVERY_SECTOR=1 WEIR_SPACE_THROUGH=10000 \
	  $(CARGO) test --locked --workspace --test all -- crash disk_trials damage space --nocapture

guests: build ## Build the example plugins into components.
	for guest in $(GUESTS); do \
		$(WEIR) plugin build guest-examples/rust/$$guest --out guest-examples/rust/target/weir/$$guest.wasm || exit 1; \
	done

.PHONY: build
build: tools
	$(CARGO) build --locked --workspace

lint: ## Format, lints, licences and sources of dependencies.
	$(CARGO) fmt --all --check
	$(CARGO) fmt --all --check --manifest-path guest-examples/rust/Cargo.toml
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) deny --locked check bans licenses sources

audit: ## Dependencies with known advisories; needs the advisory database's host.
	$(CARGO) deny --locked check advisories

tools: ## Install what building needs and this machine lacks.
	@tests/setup.sh

# A machine that cannot have one of them says so and goes on; where CI runs it must have them all.
services: ## Install the outside systems that the scenarios call: httpbin, an OpenID provider, nginx.
	@tests/setup.sh httpbin openid nginx || [ -z "$$CI" ]

clean: ## Remove everything that was built.
	$(CARGO) clean
	rm -rf guest-examples/rust/target
