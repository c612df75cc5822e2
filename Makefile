# The project's commands. `make` lists them. CI runs only `make test`.

SHELL := bash
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help quick test lint unit again soak model talk fuzz bench chat llms clean needs
.NOTPARALLEL:

# Debian keeps servers such as nginx where only root's PATH looks.
export PATH := $(PATH):/usr/sbin:/sbin

# Programs that the tests use. To add one, add its name. scripts/needs.sh explains + and :.
NEEDS := curl gcc+libc6-dev chromium firefox-esr WebKitWebDriver:webkit2gtk-driver Xvfb:xvfb haproxy nginx \
	node:nodejs npm python3 redis-server varnishd:varnish

# The race detector needs a C compiler. RACE is expanded when it is used, after `needs` may have installed one.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# Tests whose clients choose their transport themselves: the flag -websocket does not affect them.
ELSEWHERE := CutAnywhere|CutHTTP2|X1Chaos|UnderLoad|ImmediateReconnect|FiftyResumes|SlowNetwork|W1Versions|L3Others|L3Mounts|W2Alone|Soak|Alloc|PagesAt|I1[57]|I14OldValues

# Packages that only test real servers, proxies and other projects' clients. In other packages -short skips such tests.
REAL := /internal/test/(hostile|plain|proxies)$$

FUZZTIME := 10s
T := 60s
BENCH := .
ADDR := localhost:8080

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

quick: ## Run before each commit (under a minute): lint of the library, and its tests that start no server or browser.
	@scripts/lint.sh quick
	go test -short $$(go list ./... | grep -v -E '$(REAL)')

test: needs lint talk unit ## Run all that CI checks: lint, talk, unit. Installs missing programs where it can.

lint: ## Check format, vet, fix, staticcheck, known vulnerabilities, go.mod, and that everything builds.
	@scripts/lint.sh

unit: ## Run all Go tests, with the race detector if there is a C compiler.
	$(if $(RACE),,@echo 'unit: no C compiler, so the tests run WITHOUT the race detector')
	go test $(RACE) -count=1 -timeout=10m ./store/redis ./... # the longest one first: no other would run beside its end
	@$(MAKE) again

again: export RUN_PAGES = $(PAGES)
again: export RUN_AGAIN = $(AGAIN)
again: ## Run the tests of pages, and beside them other tests again, in another way. Part of unit.
	@scripts/beside.sh "$$RUN_PAGES" "$$RUN_AGAIN"

# Tests of pages mostly wait for browsers, so the tests that run again in another way run beside them: on streams of
# HTTP/1.1 and on WebSockets; without the race detector, which allocates and is slow; and other modules.
PAGES = $(if $(wildcard e2e/go.mod),go -C e2e test $(RACE) -count=1 -timeout=15m ./...,true)
define AGAIN
go test $(RACE) -count=1 -timeout=10m -skip=Soak ./transport -plain
go test $(RACE) -count=1 -timeout=10m -skip="$(ELSEWHERE)" ./transport -websocket
$(if $(RACE),go test -count=1 -timeout=5m -run="Alloc|EverythingIsSaved" ./session ./store/... ./internal/... ./transport/websocket)
$(if $(RACE),go test -count=1 -timeout=5m -run=PowerLoss ./internal/journal)
for dir in observe/prometheus observe/otel; do
	go -C $$dir test $(RACE) -count=1 -timeout=5m -skip=Alloc ./...
	go -C $$dir test -count=1 -run=Alloc ./...
done
go -C internal/test/others test $(RACE) -count=1 -timeout=5m ./...
endef

soak: ## Run clients of every kind behind bad networks for T (60s), and kill servers.
	go test -count=1 -timeout=0 -run='TestS2Kill|TestS4Load' -v ./store/disk -kills=200 -mib=4096
	go test $(RACE) -count=1 -timeout=0 -run=T13Memory -v ./store/redis -updates=30000
	go test $(RACE) -count=1 -timeout=0 -run=TestSoak -v ./transport -soak=$(T)
	JOURNAL_ROUNDS=100000 go test -count=1 -timeout=0 -run=PowerLoss ./internal/journal
	go test $(RACE) -count=1 -timeout=0 -run=TestClients -v ./conformance -all
	go test -count=1 -timeout=0 -run=TestWorkers -v ./example/worker -all

model: ## Explore every interleaving in all worlds of the identity model (takes minutes and 4 GB).
	go test -count=1 -timeout=0 -run=TestAllWorlds -v ./internal/test/identitymodel -all

talk: ## Start the chat, use it with curl, stop it.
	@RACE=$(RACE) scripts/chat.sh

fuzz: ## Run each fuzz target for FUZZTIME (10s).
	@scripts/fuzz.sh $(FUZZTIME)

bench: ## Run the benchmarks that match BENCH (all).
	go test -run='^$$' -bench='$(BENCH)' -benchmem ./...

chat: ## Run the example on ADDR (localhost:8080).
	go run ./example/chat -addr $(ADDR)

llms: ## Write docs/llms.txt, the public API on one page, from the sources.
	go run scripts/llms*.go docs/llms.txt

clean: ## Remove the files that builds and tests left in the tree.
	rm -rf bin e2e/artifacts
	find . \( -name .git -o -name testdata \) -prune -o -type f \( -name '*.test' -o -name '*.out' \) -exec rm -f {} +

needs:
	@scripts/needs.sh $(NEEDS)
