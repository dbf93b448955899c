# eventlog: a Kafka log inside PostgreSQL
#
#   make && make install		needs the server headers, liblz4 and libzstd
#   make installcheck			regression and isolation tests on private servers
#   make deb [DEB=FOLDER]		Debian packages, in build/deb or there
#
EXTENSION = eventlog
MODULE_big = eventlog
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA = $(sort $(wildcard src/eventlog--*.sql))

PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -fvisibility=hidden
SHLIB_LINK = -llz4 -lzstd

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --encoding=UTF8 --no-locale --temp-instance=./tmp_check --temp-config=test/eventlog.conf
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --encoding=UTF8 --no-locale --inputdir=test --temp-instance=./tmp_check_iso --temp-config=test/eventlog.conf

# "make -C src/kafka" builds this library for programs
EXTRA_CLEAN = build/

# no bitcode: the hot paths are called through function pointers anyway
override with_llvm = no
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# every object depends on every header: the tree is small
$(OBJS): $(wildcard src/*.h src/*/*.h)

.PHONY: indent deb
indent:
	scripts/indent
deb:
	scripts/deb $(DEB)
