# The project in a few words. Everything lands under target/.
.DEFAULT_GOAL := help
.PHONY: help run build guests sandboxd images test e2e soak cluster-up cluster-down kubectl bench bench-cluster lint audit clean

help: ## list these targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

run: build guests ## build what is missing and run the demo
	@scripts/demo

build: sandboxd ## build the host, the mote command and the daemon for pods
	@scripts/check-machine
	cargo build --locked --release

sandboxd: ## build the daemon for pods, one static file
	@scripts/build-sandboxd

guests: ## build the userland, the example tools and the probes
	@scripts/check-machine
	@scripts/build-guests

test: build guests ## run every test
	@scripts/test

images: build ## make the images of what runs in a cluster, under target/images
	@scripts/images

e2e: build ## run the stories that need a Kubernetes (KUBECONFIG, or one of our own)
	@scripts/e2e

soak: build ## half an hour of random events on a Kubernetes (MOTE_SOAK_SECONDS, MOTE_SOAK_SEED)
	@scripts/soak

cluster-up: ## start a Kubernetes for the tests (NODES=2 for two nodes)
	@tests/cluster/up

cluster-down: ## end it
	@tests/cluster/down

kubectl: ## speak to it: make kubectl ARGS='get pods -A'
	@tests/cluster/enter kubectl $(ARGS)

bench: build guests ## measure what the README promises
	cargo bench --locked

bench-cluster: build ## measure the controller on a Kubernetes
	@scripts/bench-cluster

lint: ## check format, lints, dependencies and generated files
	@scripts/lint

audit: ## check dependencies against known vulnerabilities (needs a network)
	scripts/cargo-deny check advisories
	scripts/cargo-deny --manifest-path guests/Cargo.toml check advisories

clean: ## remove all that was built or downloaded
	@[ ! -d target/cluster ] || tests/cluster/down
	rm -rf target
