# SPDX-License-Identifier: BSD-3-Clause
#
# make              the daemon and the tools, in build/
# make test         unit tests and the quick integration tests (no guest)
# make check        everything, guests included (tools/check)
# make asan | tsan  instrumented builds in build-asan/, build-tsan/, and their tests
# make lint         clang-format, clang-tidy, cppcheck, shell and man page checks
# make docs         renews the tables of keys in docs/configuration.md, control.md and shadowbell.yaml(5)
# make format       rewrites the sources with clang-format
# make install      DESTDIR and PREFIX are honoured
#
# Variables: CC, CFLAGS, LDFLAGS, BUILD (the output folder), V=1 (shows commands), WERROR= (no -Werror),
# LTO= (the daemon without link-time optimisation), DPDK_STATIC= (DPDK as shared libraries)

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
SANITIZE ?=
WERROR  ?= -Werror
CFLAGS  ?= -O2 -g
# Of the daemon only: tests are linked from objects without, which is quicker. Not where one debugs.
LTO     ?= $(if $(SANITIZE)$(filter -O0 -Og,$(CFLAGS)),,-flto=auto)

PKGS := libdpdk libnvme yaml-0.1 liburing uuid jansson libmicrohttpd
PKG_CFLAGS := $(shell pkg-config --exists libedit && pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
# The goals that build nothing themselves work without the libraries; tools/check installs them.
ifeq ($(PKG_CFLAGS),)
ifneq ($(filter-out check clean format uninstall,$(or $(MAKECMDGOALS),all)),)
$(error pkg-config cannot find all of "$(PKGS) libedit": run 'sudo tools/install-deps build test')
endif
endif
# DPDK is linked in, as far as librte_vhost needs it, where its static libraries are installed: the
# shared ones load each driver on the machine, nearly 200 libraries, when they are initialised.
DPDK_STATIC ?= $(wildcard $(shell pkg-config --variable=libdir libdpdk 2>/dev/null)/librte_vhost.a)
DPDK_LIBS := -lrte_vhost -lrte_eal
ifneq ($(DPDK_STATIC),)
DPDK_LIBS := $(patsubst -lrte_%,-l:librte_%.a,$(filter -L% -lrte_% -lbsd,$(shell pkg-config --libs libdpdk 2>/dev/null)))
endif
PKG_LIBS := $(DPDK_LIBS) -lnvme -lyaml -luring -lnuma -luuid -ljansson -lm -lpthread

ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DSB_VERSION='"$(VERSION)"' -DALLOW_EXPERIMENTAL_API \
	-Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith \
	-Wno-unused-parameter $(WERROR) -fno-strict-aliasing -fno-common -fstack-protector-strong \
	-Iinclude -Isrc -I. $(PKG_CFLAGS) $(CFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer)
ALL_LDFLAGS := $(LDFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE))

Q := $(if $(V),,@)

SRCS  := $(sort $(wildcard src/*/*.c))
OBJS  := $(SRCS:%.c=$(BUILD)/%.o)
LIB   := $(BUILD)/libshadowbell.a
DAEMON_OBJS := $(patsubst %.c,$(BUILD)/$(if $(LTO),lto/)%.o,src/main.c $(SRCS))

# tools/bench: the load generator, a program of its own with nothing of the daemon in it.
BENCH_SRCS := $(sort $(wildcard tools/bench/*.c))
BENCH_MAIN := $(BUILD)/tools/bench/main.o
BENCH_OBJS := $(filter-out $(BENCH_MAIN),$(BENCH_SRCS:%.c=$(BUILD)/%.o))
BENCH_LIBS := $(if $(DPDK_STATIC),$(DPDK_LIBS),-lrte_eal) -lnuma -lm -lpthread

# tools/ctl: shadowbellctl; of the daemon it has how YAML is read, and no more.
CTL_SRCS := $(sort $(wildcard tools/ctl/*.c))
CTL_MAIN := $(BUILD)/tools/ctl/main.o
CTL_OBJS := $(filter-out $(CTL_MAIN),$(CTL_SRCS:%.c=$(BUILD)/%.o))
CTL_LIBS := -lyaml -ljansson -ledit -lm

# tools/exporter: metrics for Prometheus, which it asks the control socket for.
EXPORTER_SRCS := $(sort $(wildcard tools/exporter/*.c))
EXPORTER_MAIN := $(BUILD)/tools/exporter/main.o
EXPORTER_OBJS := $(filter-out $(EXPORTER_MAIN),$(EXPORTER_SRCS:%.c=$(BUILD)/%.o))
EXPORTER_LIBS := -lmicrohttpd -ljansson

# tests/unit/<folder>/test_<file>.c: one CUnit program each, linked with everything but main.c.
UNIT_SRCS := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BINS := $(UNIT_SRCS:%.c=$(BUILD)/%)
# tests/frontend: the driver that plays VMM and guest; its programs are tests/integration/test_*.c.
FE_SRCS   := $(sort $(wildcard tests/frontend/*.c))
FE_OBJS   := $(FE_SRCS:%.c=$(BUILD)/%.o)
INT_SRCS  := $(sort $(wildcard tests/integration/test_*.c))
INT_BINS  := $(INT_SRCS:%.c=$(BUILD)/%)
# The guest of tests/instructions/run.
DRIVE     := $(BUILD)/tests/instructions/drive
# Guests that harm others if they can (tests/hostile): for tests and tools/measure-limits.
HOSTILE_SRCS := $(sort $(wildcard tests/hostile/*.c))
HOSTILE_BINS := $(BUILD)/hostile $(BUILD)/neighbours $(BUILD)/slowfs
HOSTILE_OBJS := $(filter-out $(HOSTILE_BINS:$(BUILD)/%=$(BUILD)/tests/hostile/%.o),$(HOSTILE_SRCS:%.c=$(BUILD)/%.o))

# Writes the tables of keys into the documentation, from those that the daemon reads by.
DOCS_SRCS := $(sort $(wildcard tools/config-docs/*.c))
DOCS_OBJS := $(DOCS_SRCS:%.c=$(BUILD)/%.o)
DOCS_PAGES := docs/configuration.md docs/control.md docs/man/shadowbell.yaml.5

.PHONY: all docs hostile tests test check asan asan-build tsan tsan-build lint format install uninstall clean \
	print-flags FORCE
.SECONDARY:

all: $(BUILD)/shadowbell $(BUILD)/shadowbell-bench $(BUILD)/shadowbellctl $(BUILD)/shadowbell-exporter

# Loads for tests and tools/measure-limits.
hostile: $(HOSTILE_BINS)

tests: $(UNIT_BINS) $(INT_BINS) $(DRIVE) $(HOSTILE_BINS) $(BUILD)/config-docs

docs: $(BUILD)/config-docs
	$< $(DOCS_PAGES)

$(BUILD)/shadowbell: $(DAEMON_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(if $(LTO),$(ALL_CFLAGS) $(LTO)) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/shadowbell-bench: $(BENCH_MAIN) $(BENCH_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(BENCH_LIBS)

$(BUILD)/shadowbellctl: $(CTL_MAIN) $(CTL_OBJS) $(LIB)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(CTL_LIBS)

$(BUILD)/shadowbell-exporter: $(EXPORTER_MAIN) $(EXPORTER_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(EXPORTER_LIBS)

$(BUILD)/config-docs: $(DOCS_OBJS) $(LIB)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(LIB): $(OBJS)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/unit/bench/%: $(BUILD)/tests/unit/bench/%.o $(BENCH_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcunit $(BENCH_LIBS)

$(BUILD)/tests/unit/ctl/%: $(BUILD)/tests/unit/ctl/%.o $(CTL_OBJS) $(LIB)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcunit $(CTL_LIBS)

$(BUILD)/tests/unit/exporter/%: $(BUILD)/tests/unit/exporter/%.o $(EXPORTER_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcunit $(EXPORTER_LIBS)

# Guests beside what they make, remove and resize.
$(addprefix $(BUILD)/tests/unit/target/test_,disks lost_disks objects payers resize running) \
		$(BUILD)/tests/unit/blk/test_config_change \
		$(BUILD)/tests/unit/virtio_scsi/test_events: $(FE_OBJS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcunit $(PKG_LIBS)

$(BUILD)/tests/integration/%: $(BUILD)/tests/integration/%.o $(FE_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcunit -lpthread

$(DRIVE): $(DRIVE).o $(FE_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcunit -lpthread

$(HOSTILE_BINS): $(BUILD)/%: $(BUILD)/tests/hostile/%.o $(HOSTILE_OBJS) \
		$(FE_OBJS) $(BUILD)/tools/bench/hist.o
	@echo "  LD      $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcunit -lm -lpthread

# The flags that the objects were built with: a change of compiler or options rebuilds them.
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LTO) $(PKG_LIBS))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(LTO) $(PKG_LIBS))' > $@
FORCE:

$(BUILD)/%.o: %.c $(BUILD)/flags
	@echo "  CC      $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/lto/%.o: %.c $(BUILD)/flags
	@echo "  CC      $< (LTO)"
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LTO) -MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d) $(DAEMON_OBJS:.o=.d) $(BENCH_SRCS:%.c=$(BUILD)/%.d) $(CTL_SRCS:%.c=$(BUILD)/%.d) $(EXPORTER_SRCS:%.c=$(BUILD)/%.d) $(DOCS_SRCS:%.c=$(BUILD)/%.d) $(FE_OBJS:.o=.d) $(UNIT_BINS:=.d) $(INT_BINS:=.d) $(DRIVE).d $(HOSTILE_SRCS:%.c=$(BUILD)/%.d)

# What needs no QEMU; tools/check runs the rest.
RUN_TESTS := tests/run-tests --exclude qemu-device

test: all tests
	$(RUN_TESTS) --build $(BUILD)

check:
	tools/check

asan-build:
	$(MAKE) BUILD=build-asan SANITIZE=address,undefined \
		CFLAGS="-O1 -g -fno-sanitize-recover=undefined" all tests

asan: asan-build
	$(RUN_TESTS) --build build-asan

tsan-build:
	$(MAKE) BUILD=build-tsan SANITIZE=thread CFLAGS="-O1 -g" all tests

tsan: tsan-build
	$(RUN_TESTS) --build build-tsan

lint:
	tools/lint

# The compiler's options, for the tools that read the sources as the compiler does.
print-flags:
	@echo '$(subst ','\'',$(ALL_CFLAGS))'

format:
	clang-format -i $(shell git ls-files 'src/**/*.[ch]' 'src/*.[ch]' 'include/**/*.h' 'tests/**/*.[ch]' 'tools/**/*.[ch]')

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/include/shadowbell \
		$(DESTDIR)$(PREFIX)/share/doc/shadowbell/examples \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 tools/ctl/completion/shadowbellctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/shadowbellctl
	install -m 644 tools/ctl/completion/_shadowbellctl $(DESTDIR)$(PREFIX)/share/zsh/site-functions/
	install -m 755 $(BUILD)/shadowbell $(BUILD)/shadowbell-bench $(BUILD)/shadowbellctl \
		$(BUILD)/shadowbell-exporter $(DESTDIR)$(PREFIX)/bin/
	install -m 644 docs/man/shadowbell-bench.1 docs/man/shadowbellctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/shadowbell.8 docs/man/shadowbell-exporter.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 docs/man/shadowbell.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 include/shadowbell/vhost_user_nvme.h $(DESTDIR)$(PREFIX)/include/shadowbell/
	install -m 644 config/*.yaml $(DESTDIR)$(PREFIX)/share/doc/shadowbell/examples/
	install -m 644 README.md LICENSE docs/*.md docs/grafana-dashboard.json $(DESTDIR)$(PREFIX)/share/doc/shadowbell/

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/shadowbell $(DESTDIR)$(PREFIX)/bin/shadowbell-bench \
		$(DESTDIR)$(PREFIX)/bin/shadowbellctl $(DESTDIR)$(PREFIX)/share/man/man1/shadowbellctl.1 \
		$(DESTDIR)$(PREFIX)/bin/shadowbell-exporter $(DESTDIR)$(PREFIX)/share/man/man8/shadowbell-exporter.8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/shadowbellctl \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_shadowbellctl \
		$(DESTDIR)$(PREFIX)/share/man/man1/shadowbell-bench.1 $(DESTDIR)$(PREFIX)/share/man/man8/shadowbell.8 \
		$(DESTDIR)$(PREFIX)/share/man/man5/shadowbell.yaml.5
	rm -rf $(DESTDIR)$(PREFIX)/include/shadowbell $(DESTDIR)$(PREFIX)/share/doc/shadowbell

clean:
	rm -rf build build-asan build-tsan build-clang
