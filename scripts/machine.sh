# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154
#
# A Debian in which nothing is installed, for what has to be tried where there is nothing: check-bare, test/nightly/packages.
# Read after lib.sh, as root.
#
#   use_machines            from then on the cache folder is ours alone: BARE_CACHE=FOLDER takes another
#   make_base SUITE         bookworm, trixie or sid, made by debootstrap and kept there (remove it to get a newer one)
#   make_machine SUITE      a copy of its own for each run, in $machine
#   in_machine COMMAND...   in namespaces that go with it
#
# No name resolves there except that of the mirror which this machine uses, and nothing is known of this machine's proxies
# and settings. Debian's packages are kept, too.

# shellcheck source=scripts/packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"

cache=${BARE_CACHE:-/var/cache/eventlog-bare}
machine=$cache/machine		# the copy in which a run takes place
logs=$cache/logs
inside=''					# the process that holds its namespaces

# Mounts are in the namespaces alone, and gone with their last process; --one-file-system all the same.
remove_machine() {
	[[ -z $inside ]] || { kill -KILL "$inside" 2>/dev/null || true; wait "$inside" 2>/dev/null || true; }
	inside=''
	rm -rf --one-file-system "$machine"
}

use_machines() {
	mkdir -p "$cache/archives" "$logs"
	exec 9>"$cache/lock"
	flock -n 9 || fail "another run uses $cache"
	trap "trap '' INT TERM HUP PIPE; remove_machine" EXIT
	exit_on_signals
}

# make_base SUITE: or sets why
make_base() {
	local base=$cache/$1 mirror
	[[ ! -d $base ]] || return 0
	command -v debootstrap >/dev/null || { why='there is no debootstrap here'; return 1; }
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || { why='no Debian mirror is configured here'; return 1; }
	say "set-up: a Debian $1 from $mirror"
	rm -rf --one-file-system "$base.new"
	debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		"$1" "$base.new" "$mirror" >"$logs/debootstrap" 2>&1 ||
		{ tail -n 20 "$logs/debootstrap" >&2; why='debootstrap failed'; return 1; }
	mv -T "$base.new" "$base"
}

# make_machine SUITE: where only the mirror has an address (and the proxy that apt-get reaches it by, if there is one)
make_machine() {
	local mirror proxy='' name
	remove_machine
	mkdir -p "$cache/archives/$1/partial"
	cp -a --reflink=auto "$cache/$1" "$machine"
	mirror=$(sed -n 's/^deb \([^ ]*\) .*/\1/p' "$machine/etc/apt/sources.list" | head -n 1)
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	proxy=${proxy:-${http_proxy:-}}
	[[ -z $proxy || $proxy == DIRECT ]] || echo "Acquire::http::Proxy \"$proxy\";" >"$machine/etc/apt/apt.conf.d/proxy"
	# a mirror that is some weeks old is one all the same: of sid, the date of its lists is over by then
	echo 'Acquire::Check-Valid-Until "false";' >"$machine/etc/apt/apt.conf.d/valid-until"
	echo bare >"$machine/etc/hostname"
	echo '127.0.0.1 localhost bare' >"$machine/etc/hosts"
	for name in "$mirror" "$proxy"; do
		[[ $name == *://* ]] || continue
		name=${name#*://}
		name=${name%%/*}
		name=${name#*@}
		name=${name%:*}
		getent ahosts "$name" | awk -v name="$name" '$2 == "STREAM" { print $1, name }' >>"$machine/etc/hosts"
	done
	echo 'hosts: files' >"$machine/etc/nsswitch.conf"
	rm -f "$machine/etc/resolv.conf"
	archives=$cache/archives/$1
}

# in_machine COMMAND...: in namespaces and the root of its own, as the only processes there
in_machine() {
	# shellcheck disable=SC2016
	unshare --mount --pid --ipc --uts --fork --kill-child bash -c '
		set -e
		machine=$1 archives=$2
		shift 2
		hostname bare
		mount -t proc proc "$machine/proc"
		mount -t sysfs -o ro sysfs "$machine/sys"
		mount -t tmpfs -o mode=1777 tmpfs "$machine/dev/shm"
		mount --bind "$archives" "$machine/var/cache/apt/archives"
		cd /
		chroot "$machine" "$@" || exit $?		# not "exec": somebody has to wait for orphans
		' _ "$machine" "$archives" "$@" </dev/null 9>&- &
	inside=$!
	wait "$inside" || { inside=''; return 1; }
	inside=''
}
