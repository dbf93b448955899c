# shellcheck shell=bash
# shellcheck disable=SC2154
#
# Follows the steps of Dockerfile where no Docker runs: each stage in a machine of its own (see scripts/machine.sh) that is laid
# out as the official image for PostgreSQL 15 is, made of Debian's packages. Read by test/nightly/packages.

image=$cache/image
there=(env -i "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin" HOME=/root
	LANG=C.UTF-8 PG_MAJOR=15 PGDATA=/var/lib/postgresql/data)

remove_stages() { rm -rf --one-file-system "$image" "$cache"/stage-*; }

# what the official image's own Dockerfile does that ours relies on
make_image() {
	make_machine bookworm
	# shellcheck disable=SC2016
	in_machine "${there[@]}" DEBIAN_FRONTEND=noninteractive sh -ec '
		groupadd -r postgres --gid=999
		useradd -r -g postgres --uid=999 --home-dir=/var/lib/postgresql --shell=/bin/bash postgres
		install -d -o postgres -g postgres -m 1777 /var/lib/postgresql
		apt-get update
		apt-get install -y --no-install-recommends postgresql-common
		sed -ri "s/#(create_main_cluster) .*$/\1 = false/" /etc/postgresql-common/createcluster.conf
		apt-get install -y --no-install-recommends postgresql-$PG_MAJOR
		rm -rf /var/lib/apt/lists/*
		dpkg-divert --add --rename --divert /usr/share/postgresql/postgresql.conf.sample.dpkg /usr/share/postgresql/$PG_MAJOR/postgresql.conf.sample
		cp /usr/share/postgresql/postgresql.conf.sample.dpkg /usr/share/postgresql/postgresql.conf.sample
		ln -s ../postgresql.conf.sample /usr/share/postgresql/$PG_MAJOR/
		install -d -o postgres -g postgres -m 3777 /var/run/postgresql
		install -d -o postgres -g postgres -m 1777 "$PGDATA"' || return 1
	rm -rf --one-file-system "$image"
	mv -T "$machine" "$image"
}

# follow FILE: the last stage is in $machine then. Each instruction is shown.
follow() {
	local instruction rest stage='' from
	while read -r instruction rest; do
		echo "$instruction $rest"
		case $instruction in
			ARG) [[ $rest == PG_MAJOR=15 ]] || { echo 'not the default that is tried here'; return 1; } ;;
			FROM)
				# shellcheck disable=SC2016
				[[ $rest == 'postgres:$PG_MAJOR-bookworm'* ]] || { echo 'not the image that is laid out here'; return 1; }
				[[ -z $stage ]] || mv -T "$machine" "$cache/stage-$stage"
				remove_machine
				cp -a --reflink=auto "$image" "$machine"
				stage=${rest##* AS } ;;
			RUN) in_machine "${there[@]}" DEBIAN_FRONTEND=noninteractive sh -c "$rest" || return 1 ;;
			COPY)
				read -r -a rest <<<"$rest"
				if [[ ${rest[0]} == --from=* ]]; then
					from=$cache/stage-${rest[0]#--from=}
					mkdir -p "$machine${rest[2]}"
					cp -a "$from${rest[1]}/." "$machine${rest[2]}" || return 1
				else
					[[ ${rest[0]} == . ]] && copy_tree "$machine${rest[1]}" || return 1
				fi ;;
			*) echo "the instruction $instruction is not known here"; return 1 ;;
		esac
	done < <(sed -e ':a;/\\$/{N;s/\\\n//;ta}' -e '/^#/d;/^$/d' "$1")
}

# a container's life: a cluster is made, runs, and has the extension
container() {
	cat >"$machine/tmp/container.sql" <<-'SQL'
		CREATE EXTENSION eventlog;
		SELECT create_topic('t');
		SELECT produce('t', 'k', '{}');
		SELECT count(*) = 1 AS consumed FROM consume('g', 't', commit => true) \gset
		\if :consumed
		\else
		DO $$ BEGIN RAISE 'nothing is consumed'; END $$;
		\endif
	SQL
	# shellcheck disable=SC2016
	in_machine setpriv --reuid=999 --regid=999 --init-groups "${there[@]}" sh -ec '
		cd /
		initdb -A trust >/dev/null
		pg_ctl -D "$PGDATA" -l /var/lib/postgresql/log -w -s start
		psql -XAtq -v ON_ERROR_STOP=1 -d postgres -f /tmp/container.sql
		eventlog-broker --check --conninfo "host=/var/run/postgresql dbname=postgres"
		pg_ctl -D "$PGDATA" -m fast -w -s stop'
}
