# `make help` lists the targets. They need Go 1.25 or later, a C compiler for
# the race detector, and bash. Everything else Go fetches itself, but for the
# browser: see `make browser`.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory --no-builtin-rules

# This folder's workspace, whatever the environment says; and no look at the
# version control system, so that a tree without one builds too.
export GOWORK  := $(CURDIR)/go.work
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)

GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
ACTIONLINT    := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# Every module in go.work, by path and by folder, and those of them that users
# get.
PREFIX    := github.com/sessionstate/sessionstate
MODULES   = $(or $(shell go list -m),$(error go list -m finds no modules in go.work))
FOLDERS   = $(patsubst $(CURDIR)/%,./%,$(shell go list -m -f '{{.Dir}}'))
PUBLISHED = $(filter $(PREFIX)/core $(PREFIX)/adapters/% $(PREFIX)/observers/% $(PREFIX)/providers/%,$(MODULES))
RULES     := $(PREFIX)/internal/repo
SERVERS   := go build -o bin/servers $(PREFIX)/internal/servers
BROWSER   := $(PREFIX)/internal/browser

FUZZTIME   ?= 60s
BENCH      ?= .
BENCHCOUNT ?= 1
PEERROUNDS ?= 21
BENCHFLAGS ?=
MEMORYFLAGS ?=
SQLFLAGS   ?=
POSTGRES   ?=

# PostgreSQL of a version, instead of the machine's.
SERVED = $(if $(POSTGRES),-postgres-version $(POSTGRES))
TORTURETIME ?= 7m
SOAKTIME    ?= 10m
REQUESTS    ?= 1000000

step = @printf '\n== %s\n' '$(1)'

.DEFAULT_GOAL := help
.PHONY: help test build vet lint rules rehearse race browser servers screenshot fmt fuzz bench bench-peers bench-sql cover postgres cross api release released torture soak bench-go bench-memory e2e
.NOTPARALLEL:

help: ## list the targets
	@printf 'make TARGET, where TARGET is one of\n\n'
	@sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 15

test: build vet rules rehearse lint race browser ## prove the project: build, vet, rules, rehearse, lint, race and browser
	@printf '\nAll is well.\n'

build: ## compile every package of every module
	$(call step,build)
	go build $(MODULES:%=%/...)

cross: ## compile what users get for systems that the tests do not run on
	$(call step,build for other systems)
	@for target in windows/amd64 darwin/arm64 linux/386; do \
		printf '%s\n' "$$target"; \
		GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0 go build $(PUBLISHED:%=%/...); \
	done

vet: ## run go vet
	$(call step,vet)
	go vet $(MODULES:%=%/...)

# Never from the cache: go test does not see that a file outside of the
# package's module has changed.
rules: ## check the rules of the repository: proofs, modules, imports, documents
	$(call step,rules of the repository)
	go test -count=1 $(RULES)/...

# Outside of the workspace, with modules as their users get them.
rehearse: ## release every module into a folder, and follow the READMEs from there
	$(call step,rehearsal of a release)
	@$(SERVERS)
	@go build -o bin/rehearse $(RULES)/rehearse
	bin/servers -postgres -cosmos -- bin/rehearse

# Without shellcheck actionlint leaves the scripts in the workflows alone.
lint: ## run the linters of .golangci.yml; Go builds them first, once, in minutes
	$(call step,lint)
	$(GOLANGCI_LINT) run $(FOLDERS:%=%/...)
	$(ACTIONLINT) .github/workflows/*.yml

race: ## run all other tests under the race detector, with real servers
	$(call step,tests under the race detector)
	@$(SERVERS)
	CGO_ENABLED=1 bin/servers $(SERVED) -- go test -race -count=1 -shuffle=on $(patsubst %,%/...,$(filter-out $(RULES) $(BROWSER),$(MODULES)))

# With -v, because go test keeps to itself that it has skipped a test.
browser: ## try the examples in a Chromium, which root on Debian gets installed
	$(call step,the examples in a browser)
	@go run $(BROWSER) -install
	CGO_ENABLED=1 go test -race -count=1 -timeout 5m -parallel 4 -v $(BROWSER)

postgres: ## run what depends on PostgreSQL's version, POSTGRES=14 to 18, which npm fetches
	$(call step,tests on PostgreSQL $(or $(POSTGRES),as the machine has it))
	@$(SERVERS)
	CGO_ENABLED=1 bin/servers -pgbouncer $(SERVED) -- go test -race -count=1 -shuffle=on $(PREFIX)/providers/sql/... $(PREFIX)/internal/e2e

servers: ## start the tests' servers, print their variables, and stop them with Ctrl-C
	@$(SERVERS)
	@exec bin/servers

screenshot: ## make docs/shop.png, the picture in README.md
	$(call step,docs/shop.png)
	go run $(BROWSER) -install -screenshot docs/shop.png

fmt: ## format all Go code as the linters want it
	$(GOLANGCI_LINT) fmt $(FOLDERS)

fuzz: ## run every fuzz target, one after the other, for FUZZTIME=60s each
	$(call step,fuzz targets for $(FUZZTIME) each)
	@list=$$(go test -list '^Fuzz' $(PUBLISHED:%=%/...)) || { printf '%s\n' "$$list"; exit 1; }; \
	targets=; found=0; \
	while read -r first package _; do \
		case $$first in \
		Fuzz*) targets+=" $$first" ;; \
		ok) for target in $$targets; do \
				printf '\n== %s in %s\n' "$$target" "$$package"; \
				go test -run '^$$' -fuzz "^$$target\$$" -fuzztime '$(FUZZTIME)' "$$package" </dev/null; \
				found=$$((found + 1)); \
			done; targets= ;; \
		esac; \
	done <<<"$$list"; \
	printf '\n%d fuzz targets found nothing wrong.\n' "$$found"

bench: ## measure every figure of docs/performance.md and write it there, in some ten minutes
	@go run $(PREFIX)/internal/bench/report $(BENCHFLAGS)

bench-go: ## run the Go benchmarks, BENCH=regexp of them, BENCHCOUNT=1 times
	$(call step,benchmarks)
	@go version
	@printf '%s processors\n' "$$(getconf _NPROCESSORS_ONLN)"
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) $(PUBLISHED:%=%/...)

bench-memory: ## measure sessions in memory; flags in MEMORYFLAGS, such as -only=hand-off
	@go run $(PREFIX)/internal/bench/memory $(MEMORYFLAGS)

bench-peers: ## compare the adapters with other session libraries, PEERROUNDS=21 rounds
	@go run $(PREFIX)/internal/bench -rounds $(PEERROUNDS)

bench-sql: ## compare sessions on PostgreSQL; flags in SQLFLAGS, such as -only=http/write
	@go run $(PREFIX)/internal/bench/sql $(SQLFLAGS)

torture: ## break what can break, with every store, for TORTURETIME=7m; then REQUESTS=1000000 hostile ones
	@go run $(PREFIX)/internal/e2e -total $(TORTURETIME) $(TORTUREFLAGS)
	@go run $(PREFIX)/internal/e2e/hostile -requests $(REQUESTS)

soak: ## load sessions in memory and in PostgreSQL for SOAKTIME=10m each, and see that nothing grows
	@go run $(PREFIX)/internal/e2e -fault soak -store memory -time $(SOAKTIME)
	@go run $(PREFIX)/internal/e2e -fault soak -store postgres -time $(SOAKTIME)

cover: ## say how much of the published code the tests run; details in bin/cover.out
	$(call step,coverage)
	@mkdir -p bin
	@$(SERVERS)
	bin/servers -- go test -count=1 -coverprofile bin/cover.out -coverpkg "$$(printf '%s,' $(PUBLISHED:%=%/...) | sed 's/,$$//')" $(PUBLISHED:%=%/...)
	@go tool cover -func bin/cover.out | tail -n 1

api: ## say what has changed in the APIs since the last release, and what version that makes
	$(call step,APIs since the last release)
	@go run $(RULES)/api

# Everything that a release does but the push. DRYRUN=1 leaves this clone as it is.
release: ## prepare VERSION=v0.1.0 of MODULE="core" or all: changelogs, requires, tags; see RELEASING.md
	$(call step,release $(VERSION) of $(MODULE))
	@$(SERVERS)
	@go build -o bin/release $(RULES)/release
	bin/servers -postgres -cosmos -- bin/release -version '$(VERSION)' -module '$(MODULE)' $(if $(DRYRUN),-n)

released: ## after its push: check that what is public is what was rehearsed
	$(call step,what is public)
	@go run $(RULES)/release -public
