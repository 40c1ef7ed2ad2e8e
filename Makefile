# SPDX-License-Identifier: MIT
# mpsup - see `make help`. GNU make; no configure step.
NAME    := mpsup
VERSION := 0.1.0

CC         ?= gcc
AR         ?= ar
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/mpsup
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share/mpsup
UNITDIR    ?= $(PREFIX)/lib/systemd/system
MANDIR     ?= $(PREFIX)/share/man
BASHDIR    ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions
O          ?= build
V          ?= 0
Q          := $(if $(filter 1,$(V)),,@)

# Users own CFLAGS/LDFLAGS; what the code needs lives in ALL_*.
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes \
           -Wmissing-prototypes -Wvla -Wundef -Wformat=2 -Wwrite-strings \
           $(if $(filter 1,$(DEVELOPER)),-Werror -Wconversion)
HARDEN  := -fstack-protector-strong -fPIE -fno-common \
           $(if $(SANITIZE),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
SAN     := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
PKGS    := libcap libseccomp libnl-3.0 jansson yaml-0.1
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)

DEFS       := -DMPSUP_VERSION='"$(VERSION)"' -DMPSUP_DATADIR='"$(DATADIR)"' \
              -DMPSUP_LIBEXECDIR='"$(LIBEXECDIR)"'
ALL_CFLAGS  = -std=gnu11 -Isrc -Iinclude $(DEFS) $(PKG_CFLAGS) $(WARN) $(HARDEN) $(SAN) -MMD -MP $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed $(SAN) $(LDFLAGS)

# The rooms of the master; init, builtin and lib are programs of their own.
ROOMS   := base kernel policy cage config wire super ctl import
CORE_SRC := $(sort $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c)))
CORE    := $(CORE_SRC:%.c=$(O)/%.o)
APP     := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard src/app/*.c)))
LIBOBJ  := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard src/lib/*.c)))
SCOPE   := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard src/scope/*.c)))
BUILTIN := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard src/builtin/*.c)))
UNIT    := $(patsubst tests/unit/%.c,$(O)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
HELPERS := $(patsubst tests/helpers/%.c,$(O)/helpers/%,$(sort $(wildcard tests/helpers/*.c)))

.PHONY: all
all: $(O)/mpsup $(O)/mpsup-init $(O)/mpsup-worker $(O)/mpsup-scope  ## build everything into $(O) (DEVELOPER=1: warnings are errors)

# Other flags, prefix or version: everything is built again.
.PHONY: FORCE
$(O)/flags: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo $(call quote,$(CC) $(ALL_CFLAGS)) | cmp -s - $@ || echo $(call quote,$(CC) $(ALL_CFLAGS)) >$@
quote = '$(subst ','\'',$(1))'

# Better words than a compiler's about a header that is not there.
ifeq ($(PKG_LIBS),)
.PHONY: missing
missing:
	$(Q)scripts/install-deps.sh name
$(O)/flags: | missing
endif

$(O)/mpsup: $(APP) $(O)/libcore.a
	$(Q)$(CC) $(ALL_LDFLAGS) $(APP) $(O)/libcore.a $(PKG_LIBS) -o $@

$(O)/libcore.a: $(CORE)
	$(Q)rm -f $@ && $(AR) rcs $@ $(CORE)

$(O)/libmpsup.a: $(LIBOBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $(LIBOBJ)

$(O)/%.o: %.c $(O)/flags
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(O)/src/wire/node_leave.o: src/wire/node_leave.cjs

$(O)/unit/%: $(O)/tests/unit/%.o $(O)/libcore.a $(O)/libmpsup.a
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -lcmocka -o $@

$(O)/helpers/%: $(O)/tests/helpers/%.o $(O)/libcore.a
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -o $@

$(O)/helpers/talker: $(O)/libmpsup.a
# It is a user of systemd's library.
$(O)/helpers/activated: PKG_LIBS += $(shell $(PKG_CONFIG) --libs libsystemd 2>/dev/null)

# PID 1 of a worker's namespaces: without a C library, for it is born with each (src/init).
$(O)/mpsup-init: $(sort $(wildcard src/init/*.c)) $(wildcard src/init/*.h)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -Isrc $(WARN) -Os -g -fno-pie -ffreestanding -fno-stack-protector \
	    -nostdlib -static -no-pie -Wl,-z,noexecstack $(filter %.c,$^) -o $@

# What asks systemd for a scope: libsystemd is not the master's to carry (see src/scope).
$(O)/mpsup-scope: $(SCOPE)
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(shell $(PKG_CONFIG) --libs libsystemd 2>/dev/null) -o $@

# The built-in worker is a user of libmpsup like any other. Static where the
# host has libmicrohttpd.a (0.5 ms from start to READY, not 2.2): notls.c stands
# in for the TLS libraries, which have no static form and are not used.
$(O)/mpsup-worker: $(BUILTIN) $(O)/libmpsup.a
	$(Q)$(if $(SAN),false,$(CC) $(ALL_LDFLAGS) -static-pie $^ -lmicrohttpd -o $@ 2>/dev/null) || \
	    $(CC) $(ALL_LDFLAGS) $(filter-out %/notls.o,$^) \
	        $(shell $(PKG_CONFIG) --libs libmicrohttpd 2>/dev/null) -o $@

# What needs packages installs them first and calls make again: PKG_LIBS and
# the like are worked out when make starts, before apt has brought anything.
RUN_ARGS ?= --cpus all --port 3000

.PHONY: run
run:  ## install what is missing (apt, as root), build, and run the main job on port 3000
	$(Q)scripts/install-deps.sh run
	$(Q)$(MAKE) --no-print-directory all
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(O)/mpsup $(RUN_ARGS)

.PHONY: check check-unit check-host check-node check-vm vm-shell tests
check:  ## install what is missing (apt, as root), build, and run all tests
	$(Q)scripts/install-deps.sh vm || scripts/install-deps.sh check
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)scripts/run-tests.sh $(O) layers unit host vm

check-unit: tests  ## layers and unit tests, no root needed
	$(Q)scripts/run-tests.sh $(O) layers unit

check-host: all tests  ## births, deaths and attacks with real programs on this kernel, as root
	$(Q)scripts/run-tests.sh $(O) host

check-node:  ## Node 12 to 26 with the same programs, frameworks and Next.js, by npm (0.7 GB), as root
	$(Q)scripts/install-deps.sh check
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)scripts/run-tests.sh $(O) node

check-vm:  ## what needs controllers and systemd, in an emulated machine (qemu), as root
	$(Q)scripts/install-deps.sh vm || scripts/install-deps.sh check
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)scripts/run-tests.sh $(O) vm

vm-shell:  ## a root shell in that machine; exit or Ctrl-A X ends it
	$(Q)scripts/install-deps.sh vm
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)MPSUP_BUILD=$(abspath $(O)) tests/vm/run.py --shell

tests: $(UNIT) $(HELPERS) $(O)/birth $(O)/true

.PHONY: asan ubsan
asan:  ## unit tests under the address sanitizer
	$(Q)$(MAKE) --no-print-directory O=$(O)/asan SANITIZE=address tests
	$(Q)scripts/run-tests.sh $(O)/asan unit

ubsan:  ## unit tests under the undefined behaviour sanitizer
	$(Q)$(MAKE) --no-print-directory O=$(O)/ubsan SANITIZE=undefined tests
	$(Q)scripts/run-tests.sh $(O)/ubsan unit

# A static program that does nothing, and what times its births.
$(O)/true: tests/bench/true.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Os -static $< -o $@

$(O)/birth: $(O)/tests/bench/birth.o $(O)/libcore.a
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -o $@

.PHONY: bench
bench:  ## figures beside nginx's and bwrap's, as root
	$(Q)scripts/install-deps.sh bench
	$(Q)$(MAKE) --no-print-directory all $(O)/birth $(O)/true
	$(Q)MPSUP_BUILD=$(abspath $(O)) python3 tests/bench/run.py

.PHONY: lint format format-check
CLANG_FORMAT ?= clang-format-14
C_FILES = $(sort $(shell find src include tests -name '*.[ch]' 2>/dev/null))

lint:  ## layers, rules of the house, cppcheck, shellcheck
	$(Q)scripts/install-deps.sh dev
	$(Q)scripts/check-layers.sh
	$(Q)scripts/check-style.sh
	$(Q)scripts/check-cppcheck.sh
	$(Q)shellcheck deploy/completion/mpsup.bash
	$(Q)shellcheck -S warning -e SC2046 scripts/*.sh .ci/run

format:  ## lay out all C files as .clang-format says
	$(Q)$(CLANG_FORMAT) -i $(C_FILES)

format-check:  ## fail when a C file is not laid out so
	$(Q)scripts/install-deps.sh dev
	$(Q)$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)

.PHONY: install uninstall
POLICIES = $(sort $(wildcard policy/*.yaml))

install: all  ## honours DESTDIR and PREFIX
	$(INSTALL) -D -m 0755 $(O)/mpsup $(DESTDIR)$(SBINDIR)/mpsup
	$(INSTALL) -D -m 0755 $(O)/mpsup-init $(DESTDIR)$(LIBEXECDIR)/mpsup-init
	$(INSTALL) -D -m 0755 $(O)/mpsup-worker $(DESTDIR)$(LIBEXECDIR)/mpsup-worker
	$(INSTALL) -D -m 0755 $(O)/mpsup-scope $(DESTDIR)$(LIBEXECDIR)/mpsup-scope
	$(INSTALL) -D -m 0644 $(O)/libmpsup.a $(DESTDIR)$(LIBDIR)/libmpsup.a
	$(INSTALL) -D -m 0644 include/mpsup.h $(DESTDIR)$(INCLUDEDIR)/mpsup.h
	$(INSTALL) -d -m 0755 $(DESTDIR)$(UNITDIR) $(DESTDIR)$(DATADIR)/policy
	sed 's|@SBINDIR@|$(SBINDIR)|' deploy/mpsup.service.in >$(DESTDIR)$(UNITDIR)/mpsup.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/mpsup.service
	$(if $(POLICIES),$(INSTALL) -m 0644 $(POLICIES) $(DESTDIR)$(DATADIR)/policy)
	$(INSTALL) -D -m 0644 docs/mpsup.schema.json $(DESTDIR)$(DATADIR)/mpsup.schema.json
	$(INSTALL) -d -m 0755 $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(MANDIR)/man5
	sed 's|/usr/local/share/mpsup|$(DATADIR)|' docs/man/mpsup.8 >$(DESTDIR)$(MANDIR)/man8/mpsup.8
	sed 's|/usr/local/share/mpsup|$(DATADIR)|' docs/man/mpsup.yaml.5 >$(DESTDIR)$(MANDIR)/man5/mpsup.yaml.5
	chmod 0644 $(DESTDIR)$(MANDIR)/man8/mpsup.8 $(DESTDIR)$(MANDIR)/man5/mpsup.yaml.5
	$(INSTALL) -D -m 0644 deploy/completion/mpsup.bash $(DESTDIR)$(BASHDIR)/mpsup
	$(INSTALL) -D -m 0644 deploy/completion/_mpsup $(DESTDIR)$(ZSHDIR)/_mpsup

uninstall:  ## remove what install put there
	rm -f $(DESTDIR)$(UNITDIR)/mpsup.service
	rm -f $(DESTDIR)$(SBINDIR)/mpsup $(DESTDIR)$(LIBDIR)/libmpsup.a $(DESTDIR)$(INCLUDEDIR)/mpsup.h
	rm -f $(addprefix $(DESTDIR)$(LIBEXECDIR)/,mpsup-init mpsup-worker mpsup-scope)
	rm -f $(addprefix $(DESTDIR)$(DATADIR)/,$(POLICIES)) $(DESTDIR)$(DATADIR)/mpsup.schema.json
	rm -f $(DESTDIR)$(MANDIR)/man8/mpsup.8 $(DESTDIR)$(MANDIR)/man5/mpsup.yaml.5
	rm -f $(DESTDIR)$(BASHDIR)/mpsup $(DESTDIR)$(ZSHDIR)/_mpsup
	-rmdir $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)/policy $(DESTDIR)$(DATADIR) 2>/dev/null

.PHONY: clean help
clean:  ## remove $(O)
	rm -rf $(O)

help:  ## this text
	$(Q)sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  \1\t\2/p' Makefile | sed 's/$$(O)/build/g' | expand -t 18

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.SECONDARY:
