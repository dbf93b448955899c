# The official image of PostgreSQL, with eventlog:
#
#   docker build --build-arg PG_MAJOR=17 --tag postgres-eventlog .
#
# A cluster that such an image makes preloads the library; CREATE EXTENSION is left to whoever wants it. It has eventlog-broker,
# too. See docs/install.md.
ARG PG_MAJOR=15
FROM postgres:$PG_MAJOR-bookworm AS build
RUN apt-get update && \
	apt-get install -y --no-install-recommends build-essential libicu-dev liblz4-dev libpq-dev libzstd-dev postgresql-server-dev-$PG_MAJOR zlib1g-dev
COPY . /usr/src/eventlog
RUN make -C /usr/src/eventlog -j"$(nproc)" PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config && \
	make -C /usr/src/eventlog install DESTDIR=/installed PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config

FROM postgres:$PG_MAJOR-bookworm
COPY --from=build /installed /
RUN sed -i "s/^#shared_preload_libraries = ''/shared_preload_libraries = 'eventlog'/" /usr/share/postgresql/postgresql.conf.sample
