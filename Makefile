# `make` alone prints this help. Every target installs what it needs and says so (.ci/need).

PREFIX = /usr/local
DESTDIR =
# Which programs `install` takes: release or debug.
BUILD = release

PROGRAMS = $(basename $(notdir $(wildcard src/bin/*.rs)))
TARGET = $(or $(CARGO_TARGET_DIR),target)
BINDIR = $(DESTDIR)$(PREFIX)/bin
SHARE = $(DESTDIR)$(PREFIX)/share
# The programs and frames of the demo need root; only they run under sudo, not the compiler.
AS_ROOT = $(if $(filter-out 0,$(shell id -u)),$(if $(shell command -v sudo 2>/dev/null),--config 'target."cfg(unix)".runner="sudo -E"'))
# rustup puts cargo here; a shell that was started before does not know it.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help demo test torture bench build generate install uninstall clean

help:
	@echo 'make demo       build, then show the pipeline on real packets, in a throw-away namespace'
	@echo 'make test       all that a change must pass: format, lints, tests, documentation'
	@echo 'make torture    generated filters and frames, simulator against kernel; SECONDS=600'
	@echo 'make bench      measure the pipeline beside `nft -f` alone'
	@echo 'make build      the programs, in $(TARGET)/release'
	@echo 'make generate   write man/, completions/, schemas/ and docs/errors.md anew'
	@echo 'make install    programs, filters, manual; DESTDIR= PREFIX=$(PREFIX)'
	@echo 'make uninstall  take away what install put there'
	@echo 'make clean      delete what was built'

demo:
	@.ci/need demo
	cargo build --locked --release --bins --example demo
	@cargo $(AS_ROOT) run --quiet --locked --release --example demo

test:
	@.ci/need test
	@.ci/test

# How long `torture` goes on.
SECONDS = 600

torture:
	@.ci/need test
	NWF_DIFFERENTIAL_SECONDS=$(SECONDS) NWF_DIFFERENTIAL_SAVE=$(TARGET)/differential \
		cargo $(AS_ROOT) test --locked --test differential -- --nocapture

bench:
	@.ci/need bench
	cargo build --locked --release --bins
	cargo $(AS_ROOT) bench --locked

build:
	@.ci/need build
	cargo build --locked --release --bins

generate:
	@.ci/need demo
	NWF_UPDATE=1 cargo test --locked --quiet --test generated

# Builds only what is not there, so that `make build && sudo make install` compiles nothing as root.
install: $(if $(filter-out $(wildcard $(PROGRAMS:%=$(TARGET)/$(BUILD)/%)),$(PROGRAMS:%=$(TARGET)/$(BUILD)/%)),build)
	install -d $(BINDIR) $(SHARE)/nwf/filters $(SHARE)/nwf/schemas $(SHARE)/man/man1 $(SHARE)/man/man7 \
		$(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d \
		$(SHARE)/doc/nwf/docs/documents
	install -m 755 $(PROGRAMS:%=$(TARGET)/$(BUILD)/%) $(BINDIR)
	install -m 644 filters/*.xml $(SHARE)/nwf/filters
	install -m 644 schemas/*.json $(SHARE)/nwf/schemas
	install -m 644 man/*.1 $(SHARE)/man/man1
	install -m 644 man/*.7 $(SHARE)/man/man7
	install -m 644 completions/bash/* $(SHARE)/bash-completion/completions
	install -m 644 completions/zsh/* $(SHARE)/zsh/site-functions
	install -m 644 completions/fish/* $(SHARE)/fish/vendor_completions.d
	install -m 644 README.md ARCHITECTURE.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(SHARE)/doc/nwf
	install -m 644 docs/*.md $(SHARE)/doc/nwf/docs
	install -m 644 docs/documents/*.md $(SHARE)/doc/nwf/docs/documents
ifneq ($(PREFIX),/usr)
	@echo 'The filters are in $(PREFIX)/share/nwf/filters; nwf looks there if you say so:'
	@echo '    export NWF_FILTER_PATH=/etc/nwf/filters:$(PREFIX)/share/nwf/filters'
endif

uninstall:
	rm -f $(PROGRAMS:%=$(BINDIR)/%)
	rm -rf $(SHARE)/nwf $(SHARE)/doc/nwf
	rm -f $(patsubst man/%,$(SHARE)/man/man1/%,$(wildcard man/*.1)) \
		$(patsubst man/%,$(SHARE)/man/man7/%,$(wildcard man/*.7)) \
		$(patsubst completions/bash/%,$(SHARE)/bash-completion/completions/%,$(wildcard completions/bash/*)) \
		$(patsubst completions/zsh/%,$(SHARE)/zsh/site-functions/%,$(wildcard completions/zsh/*)) \
		$(patsubst completions/fish/%,$(SHARE)/fish/vendor_completions.d/%,$(wildcard completions/fish/*))

clean:
	cargo clean
