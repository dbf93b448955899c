# eventlog: a Kafka log inside PostgreSQL
#
#   make && make install		needs the server headers, liblz4, zlib and libzstd
#				with libpq and its headers, programs as well (WITH_PROGRAMS=no: none), which tell
#				systemd where libsystemd is (WITH_SYSTEMD=no: not)
#   make installcheck			regression and isolation tests on private servers
#   make deb [DEB=FOLDER]		Debian packages, in build/deb or there
#
EXTENSION = eventlog
MODULE_big = eventlog
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA = $(sort $(wildcard src/eventlog--*.sql))

PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -fvisibility=hidden
SHLIB_LINK = -llz4 -lz -lzstd

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --encoding=UTF8 --no-locale --temp-instance=./tmp_check --temp-config=test/eventlog.conf
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --encoding=UTF8 --no-locale --inputdir=test --temp-instance=./tmp_check_iso --temp-config=test/eventlog.conf

# what is made for programs
EXTRA_CLEAN = build/

# no bitcode: the hot paths are called through function pointers anyway
override with_llvm = no
PG_CONFIG ?= pg_config
WITH_PROGRAMS ?= yes
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# every object depends on every header: the tree is small
$(OBJS): $(wildcard src/*.h src/*/*.h)

# Programs over libpq, where it is: each in a folder with a main.c and a Makefile that makes build/eventlog-FOLDER; and what they
# share.  They are files rather than goals, so that "make -q" knows whether there is anything to do.
ifneq ($(and $(filter-out no,$(WITH_PROGRAMS)),$(wildcard $(includedir)/libpq-fe.h)),)
PROGRAM_FOLDERS = $(patsubst %/main.c,%,$(wildcard */main.c))
PROGRAMS = $(PROGRAM_FOLDERS:%=build/eventlog-%)
FOR_PROGRAMS = PG_CONFIG='$(PG_CONFIG)' CC='$(CC)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' OUT='$(CURDIR)/build'

all: build/libeventlog-client.a $(PROGRAMS)
install: install-programs
uninstall: uninstall-programs

build/libeventlog-client.a: $(wildcard client/*.[ch]) client/Makefile
	$(MAKE) -C client $(FOR_PROGRAMS)
	@touch $@
$(PROGRAMS): build/eventlog-%: build/libeventlog-client.a $(wildcard src/kafka/*.[ch]) $(wildcard $(PROGRAM_FOLDERS:%=%/*.[ch]) $(PROGRAM_FOLDERS:%=%/*/*.[ch]) $(PROGRAM_FOLDERS:%=%/Makefile))
	$(MAKE) -C $* $(FOR_PROGRAMS)
	@touch $@

.PHONY: install-programs uninstall-programs
# units and settings of services are examples here: where they have to be, the system's administrator knows
SERVICES = $(wildcard $(PROGRAM_FOLDERS:%=%/*.service))
SERVICE_DOCS = docs/kafka.md $(wildcard $(PROGRAM_FOLDERS:%=%/*.conf))
install-programs: $(PROGRAMS)
	$(if $^,$(MKDIR_P) '$(DESTDIR)$(bindir)' '$(DESTDIR)$(docdir)/$(docmoduledir)' && $(INSTALL_PROGRAM) $^ '$(DESTDIR)$(bindir)/')
	$(if $^,$(INSTALL_DATA) $(SERVICE_DOCS) '$(DESTDIR)$(docdir)/$(docmoduledir)/')
	$(if $^,for unit in $(SERVICES); do sed 's#/usr/bin/#$(bindir)/#' "$$unit" >'$(DESTDIR)$(docdir)/$(docmoduledir)/'"$${unit##*/}"; done)
uninstall-programs:
	rm -f $(PROGRAMS:build/%='$(DESTDIR)$(bindir)/%') \
		$(patsubst %,'$(DESTDIR)$(docdir)/$(docmoduledir)/%',$(notdir $(SERVICES) $(SERVICE_DOCS)))
endif

.PHONY: indent deb
indent:
	scripts/indent
deb:
	scripts/deb $(DEB)
