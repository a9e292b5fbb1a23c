# `make help` lists what there is. Tools are pinned here and built into .build.

GOFUMPT       := mvdan.cc/gofumpt@v0.12.0
GOLANGCI      := v2.15.0
GOLANGCI_LINT := .build/golangci-lint@$(GOLANGCI)/golangci-lint
LITESTREAM_VERSION := v0.5.18
LITESTREAM    := .build/litestream@$(LITESTREAM_VERSION)/litestream

# How long each fuzz target runs, which benchmarks run and how often.
FUZZTIME ?= 30s
BENCH    ?= .
COUNT    ?= 1
# Which packages' benchmarks, and the flags of the side-by-side run: without -long
# it leaves out the stores of millions of events.
BENCH_PKG ?= ./verify ./event ./dedupe ./internal/... ./caddymodule
BESIDE    ?= -long -require
# The image: who builds it, its name and version, and for which processor.
ENGINE     ?= $(notdir $(firstword $(shell command -v podman docker)))
IMAGE      ?= inboxgate
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
IMAGE_ARCH ?= $(shell go env GOARCH)
IMAGE_DIR  ?= .build/image
CA_BUNDLE  ?= /etc/ssl/certs/ca-certificates.crt
# The packages a target is about, and the one whose tests `make package` runs.
PKG      ?= ./...
PACKAGE     ?= internal/deliver

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

.PHONY: run
run: ## run the sidecar with a demonstration of the whole way
	go run ./sidecar demo

.PHONY: pictures
pictures: ## take the README's pictures of the dashboard anew (needs Chromium; half a minute)
	go run ./internal/pictures -into docs/pictures

.PHONY: test
test: ## run all tests
	go test $(PKG)

.PHONY: package
package: ## run one package's tests in their short form (PACKAGE=internal/deliver, RUN=part of a name)
	go test -short -count=1 $(if $(RUN),-run '$(RUN)') ./$(PACKAGE)

.PHONY: race
race: ## run all tests with the race detector
	go test -race $(PKG)

.PHONY: lint
lint: lint-go lint-mod lint-caddyfiles ## check form: vet, gofumpt, golangci-lint, go.mod, Caddyfiles

.PHONY: lint-go
lint-go: $(GOLANGCI_LINT) ## check the form of Go code only
	go vet $(PKG)
	@badly="$$(git ls-files -z -co --exclude-standard '*.go' | xargs -0 go run $(GOFUMPT) -l)"; \
		if [ -n "$$badly" ]; then echo "not in gofumpt's form:"; echo "$$badly"; exit 1; fi
	$(GOLANGCI_LINT) run $(PKG)
	cd internal/browser && go vet ./... && $(CURDIR)/$(GOLANGCI_LINT) run ./...

.PHONY: lint-mod
lint-mod: ## check that go.mod and go.sum are tidy
	go mod tidy -diff
	cd internal/browser && go mod tidy -diff

.PHONY: lint-caddyfiles
lint-caddyfiles: ## check the form of every Caddyfile, and that it is valid
	.ci/caddyfiles

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

.PHONY: litestream
litestream: $(LITESTREAM) ## build Litestream, beside which a test runs inboxgate

$(LITESTREAM):
	CGO_ENABLED=0 GOBIN=$(CURDIR)/$(@D) go install github.com/benbjohnson/litestream/cmd/litestream@$(LITESTREAM_VERSION)

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@set -e; for pkg in $$(go list $(PKG)); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

.PHONY: bench
bench: bench-express ## measure inboxgate side by side with its yardsticks, write docs/performance.md (BESIDE)
	go run ./internal/bench -write docs $(BESIDE)

.PHONY: bench-page
bench-page: ## write docs/performance.md again from the figures it keeps
	go run ./internal/bench -from docs/performance/run.json -write docs >/dev/null

.PHONY: bench-go
bench-go: ## run the Go benchmarks (BENCH, COUNT, BENCH_PKG)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(BENCH_PKG)

.PHONY: bench-express
bench-express: ## install the packages of the Express yardstick
	npm install --prefix internal/bench/express --no-package-lock --no-audit --no-fund

.PHONY: bench-smoke
bench-smoke: bench-express ## run nearly every row of the side-by-side benchmark once, in about a minute
	go run ./internal/bench -short -require -write .build/bench-docs

.PHONY: e2e
e2e: ## run the tests of the whole: the program, its image, the documents, the examples
	go test -count=1 ./internal/e2e

.PHONY: browser
browser: ## use the pages in a real browser (Chromium, node, npm; RUN=part of a name, INBOXGATE_SHOTS=directory for pictures)
	cd internal/browser && npm ci --prefer-offline --ignore-scripts --no-audit --no-fund
	go build -o .build/browser/inboxgate ./sidecar
	cd internal/browser && INBOXGATE_BINARY=$(CURDIR)/.build/browser/inboxgate go test -count=1 $(if $(RUN),-run '$(RUN)') ./...

.PHONY: proof
proof: ## break it in every way of the catalogue, in 15 minutes (root, Linux), and write docs/proof.md
	go run ./internal/proof -write docs/proof.md

.PHONY: proof-short
proof-short: ## the same faults in fewer rounds, in minutes
	go run ./internal/proof -short

.PHONY: image-files
image-files: ## put what the image holds into IMAGE_DIR (.build/image), for IMAGE_ARCH (amd64, arm64)
	rm -rf $(IMAGE_DIR) && mkdir -p $(IMAGE_DIR)/data $(IMAGE_DIR)/files/etc/ssl/certs
	cp -r sidecar/image/. $(IMAGE_DIR)/files/
	cp $(CA_BUNDLE) $(IMAGE_DIR)/files/etc/ssl/certs/ca-certificates.crt
	CGO_ENABLED=0 GOOS=linux GOARCH=$(IMAGE_ARCH) go build -trimpath -tags nobadger,nomysql \
		-ldflags '-s -w -X github.com/caddyserver/caddy/v2.CustomVersion=$(VERSION)' -o $(IMAGE_DIR)/files/inboxgate ./sidecar
	chmod -R u=rwX,go=rX $(IMAGE_DIR)/files

.PHONY: image
image: image-files ## build the image of the sidecar (ENGINE, IMAGE, VERSION, IMAGE_ARCH), without pulling any other
	# Some engines keep a label of an older VERSION; nothing here takes long.
	$(ENGINE) build --no-cache $(if $(filter podman,$(ENGINE)),--format docker) --platform linux/$(IMAGE_ARCH) --target prepared \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown) \
		--tag $(IMAGE) --file sidecar/Dockerfile $(IMAGE_DIR)
