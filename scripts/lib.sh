# shellcheck shell=bash
#
# What the scripts have in common that build the extension and start servers: demo, check, check-versions, check-bare, bench/*, test/nightly/*.
#
#   set_up "$@"         installs the packages that are missing, builds, installs the extension, and goes on
#                       with the same script in the built copy of the tree
#   start_cluster       a private cluster in a temporary folder, removed at exit; more settings on its input
#   stop_server MODE, start_server, sql 'SELECT ...'
#
# PostgreSQL refuses to run as root. So as root everything but apt-get and "make install" is done by a user of
# its own, which can harm nobody's files or servers; as another user it is done by that user, and sudo is asked
# for apt-get and "make install" only. Either builds in a copy of the tree in its cache folder, so that the
# clone stays clean and may lie where that user cannot read. Files that did not change keep their times in the
# copy: a second run installs and compiles nothing.
#
# PG_CONFIG=/path/to/pg_config takes another PostgreSQL (15 to 18) than Debian's 15.

set -euo pipefail

# where useradd, ldconfig and pgbouncer are: not everyone's PATH has these, and an empty environment has none
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# --- set-up ---------------------------------------------------------------------------------------------

test_user=eventlog-test		# as root: the user that builds and runs the servers

as_root() {
	if [[ $EUID == 0 ]]; then
		"$@"
	else
		command -v sudo >/dev/null || fail "this needs root: $* (no sudo here)"
		sudo "$@"
	fi
}

# missing_packages NAME...: those of them that Debian's package manager does not have installed
missing_packages() {
	local package
	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Abbrev}\n' "$package" 2>/dev/null | grep -q '^ii' || echo "$package"
	done
}

install_packages() {
	local -a packages=(build-essential liblz4-dev libsystemd-dev libzstd-dev zlib1g-dev rsync python3 python3-psycopg "$@") missing
	local no_main=/etc/postgresql-common/createcluster.d/eventlog-setup.conf no_start=/usr/sbin/policy-rc.d service log rc=0

	[[ -n ${PG_CONFIG:-} ]] || packages+=(libpq-dev postgresql-15 postgresql-server-dev-15)
	if ! command -v dpkg-query >/dev/null; then
		say "set-up: not a Debian system; taking what is there instead of: ${packages[*]}"
		return
	fi
	mapfile -t missing < <(missing_packages "${packages[@]}")
	(( ${#missing[@]} )) || return 0

	say "set-up: installing ${missing[*]}"
	log=$(mktemp)
	# Debian starts a cluster "main" on port 5432 when it installs PostgreSQL; nobody asked for one here
	as_root mkdir -p "${no_main%/*}"
	echo 'create_main_cluster = false' | as_root tee "$no_main" >/dev/null
	# nor shall a service start that a package brings (see invoke-rc.d(8)), unless the machine has its own rule
	if [[ -e $no_start ]]; then
		no_start=
	else
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$no_start" >/dev/null
		as_root chmod +x "$no_start"
	fi
	{
		as_root apt-get -o DPkg::Lock::Timeout=600 update || true	# a broken foreign source need not stop us
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
			install -y --no-install-recommends "${missing[@]}"
	} </dev/null >"$log" 2>&1 || rc=$?
	as_root rm -f "$no_main" ${no_start:+"$no_start"}
	# ... also not at the next boot: the tests start their own
	for service in pgbouncer:pgbouncer etcd-server:etcd patroni:patroni; do	# package:service
		if [[ " ${missing[*]} " == *" ${service%:*} "* ]] && command -v update-rc.d >/dev/null; then
			as_root update-rc.d "${service#*:}" disable >/dev/null 2>&1 || true
		fi
	done
	if (( rc )); then
		tail -n 30 "$log" >&2
		fail "apt-get could not install: ${missing[*]}"
	fi
	rm -f "$log"
}

# clean_environment HOME USER: sets environment to what the scripts and all that they start run with, as words for "env -i".
# Locale, time zone and the user's names are fixed; what passes from the caller decides where programs and packages come
# from and how much is tested, not what a test finds:
#   PATH TERM CI, JAVA_HOME, PYTHON          which tools there are, and who looks on
#   EVENTLOG_* and the like                  what the heads of the scripts and tests say
#   proxies, certificates, GO* PIP_* ...     how packages are fetched on this machine
#   PG_TEST_TIMEOUT_DEFAULT                  PostgreSQL's own word for a slow machine
# Of the rest, LANG and LC_*, TZ, PG*, TMPDIR, MAKEFLAGS, LD_* and PYTHON* have already led tests astray, or will.
clean_environment() {
	local name
	environment=(LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC "HOME=$1" "USER=$2" "LOGNAME=$2")
	while read -r name; do
		case $name in
			EVENTLOG_READY) ;;
			PATH | TERM | CI | JAVA_HOME | PYTHON | \
			EVENTLOG_* | BENCH_* | HEADERS_CACHE | INTEROP_CACHE | OFFLINE | REQUIRE | UPGRADE_CACHE | PG_TEST_TIMEOUT_DEFAULT | \
			http_proxy | https_proxy | ftp_proxy | all_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | ALL_PROXY | NO_PROXY | \
			SSL_CERT_FILE | SSL_CERT_DIR | CURL_CA_BUNDLE | REQUESTS_CA_BUNDLE | NODE_EXTRA_CA_CERTS | \
			PIP_* | npm_config_* | NPM_CONFIG_* | MAVEN_* | JAVA_TOOL_OPTIONS | \
			GOPROXY | GONOPROXY | GOPRIVATE | GOSUMDB | GONOSUMDB | GOINSECURE | GOROOT)
				environment+=("$name=${!name}") ;;
		esac
	done < <(compgen -e)
}

# set_up [PACKAGE... --] "$@": more packages than the build needs, then the script's own arguments
set_up() {
	local -a packages=() run=() environment
	local script=$0 owner='' home cache tree pg_config pkglibdir sharedir bindir copied file changed=

	while [[ ${1:-} != -- ]]; do packages+=("$1"); shift; done
	shift
	[[ -z ${EVENTLOG_READY:-} ]] || return 0	# we are the copy already

	script=$(cd "$(dirname "$script")" && pwd)/${script##*/}
	umask 022
	export LC_ALL=C.UTF-8
	install_packages "${packages[@]}"

	if [[ $EUID == 0 ]]; then
		getent passwd "$test_user" >/dev/null ||
			useradd --system --user-group --create-home --home-dir "/var/lib/$test_user" "$test_user"
		owner=$test_user
		home=$(getent passwd "$owner" | cut -d: -f6)
		cache=$home/.cache/eventlog
		clean_environment "$home" "$owner"
		run=(setpriv "--reuid=$owner" "--regid=$owner" --init-groups env -i "${environment[@]}")
	else
		home=${HOME:-}
		[[ -d $home && -w $home ]] || home=$(getent passwd "$EUID" | cut -d: -f6)
		cache=${XDG_CACHE_HOME:-$home/.cache}/eventlog
		clean_environment "$home" "$(id -un)"
		run=(env -i "${environment[@]}")
	fi
	pg_config=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
	pkglibdir=$("$pg_config" --pkglibdir)
	sharedir=$("$pg_config" --sharedir)
	bindir=$("$pg_config" --bindir)
	cd /	# a place that every user may be in
	"${run[@]}" mkdir -p "$cache" || fail "$cache cannot be made: XDG_CACHE_HOME=FOLDER takes another place"

	# One at a time: a second run would change the tree under the first one's feet. Servers do not inherit
	# the lock (9>&- below).
	exec 9>"$cache/lock"
	flock -n 9 || { say "set-up: waiting for another run that uses $cache"; flock 9; }

	# by content, not by time: what is equal keeps its time, what differs gets the present
	tree=$cache/$("$pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/pg\1/')
	copied=$(rsync -rlp --checksum --delete --chmod=u+rwX --filter=':- .gitignore' --exclude=/.git \
		${owner:+--chown="$owner:$owner"} --out-format='%o %n' "$root/" "$tree/")
	# make does not see that a source file is gone
	! grep -qE '^del.* (src|client|broker)/.*\.[ch]$' <<<"$copied" || "${run[@]}" make -s -C "$tree" PG_CONFIG="$pg_config" clean >/dev/null

	if ! "${run[@]}" make -q -C "$tree" PG_CONFIG="$pg_config" all >/dev/null 2>&1; then
		say "set-up: building for $("$pg_config" --version)"
		"${run[@]}" make -s -j"$(nproc)" -C "$tree" PG_CONFIG="$pg_config" all
	fi
	cmp -s "$tree/eventlog.so" "$pkglibdir/eventlog.so" || changed=yes
	for file in "$tree/eventlog.control" "$tree"/src/eventlog--*.sql; do
		cmp -s "$file" "$sharedir/extension/${file##*/}" || changed=yes
	done
	for file in "$tree"/build/eventlog-*; do
		[[ ! -f $file ]] || cmp -s "$file" "$bindir/${file##*/}" || changed=yes
	done
	if [[ -n $changed ]]; then
		say "set-up: installing the extension into $pkglibdir"
		as_root make -s -C "$tree" PG_CONFIG="$pg_config" install >/dev/null
	fi

	cd "$tree"
	exec "${run[@]}" EVENTLOG_READY=1 EVENTLOG_CACHE="$cache" XDG_CACHE_HOME="${cache%/*}" PG_CONFIG="$pg_config" \
		PATH="$("$pg_config" --bindir):$PATH" "$tree/${script#"$root/"}" "$@"
}

# exit_on_signals: so that the EXIT trap runs
exit_on_signals() {
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM
}

# --- the private cluster --------------------------------------------------------------------------------

cluster=	# its folder: data, log and socket

clean_up() {
	local rc=$? job
	trap '' INT TERM HUP PIPE	# not again, and not by output that nobody reads any more
	for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
	if [[ -n $cluster ]]; then
		[[ ! -f $cluster/data/postmaster.pid ]] || stop_server immediate || true
		if (( rc != 0 && rc < 128 )) && [[ -f $cluster/log ]]; then
			say "The end of the server's log:" >&2
			tail -n 20 "$cluster/log" >&2
		fi
		rm -rf "$cluster"
	fi
	exit "$rc"
}

start_cluster() {
	trap clean_up EXIT
	exit_on_signals
	cluster=$(mktemp -d /tmp/eventlog.XXXXXX)
	initdb -D "$cluster/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$cluster/initdb.log" 2>&1 ||
		{ cat "$cluster/initdb.log" >&2; fail "initdb failed"; }
	{
		# reached by this user only, through a socket in a folder of its own; no port is taken
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$cluster'"
		echo "shared_preload_libraries = 'eventlog'"
		cat
	} >>"$cluster/data/postgresql.conf"
	export PGHOST=$cluster PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	start_server
}

start_server() {
	pg_ctl -D "$cluster/data" -l "$cluster/log" -w -t 120 -s start 9>&- </dev/null ||
		fail "the server does not start"
}

stop_server() {
	pg_ctl -D "$cluster/data" -w -s -m "$1" stop
}

sql() {
	psql -XAtq -v ON_ERROR_STOP=1 -c "$1"
}
