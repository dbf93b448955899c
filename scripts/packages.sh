# shellcheck shell=bash
# shellcheck disable=SC2016,SC2034
#
# Other versions of PostgreSQL than the machine's, their headers, servers and sources: where the scripts get them from that
# compile for them (check-compile), test on them (check-versions, test/nightly/*) or take a tool from them (indent).
# 15, 17 and 18 are packages of Debian suites; 16 is in no current suite, but in a Python package. The machine's own packages,
# apt sources and lists are not touched.

# the Debian suite of each version
declare -A suite=([15]=bookworm [17]=trixie [18]=sid)
# the Python package with 16
wheel=pgserver==0.1.4

# debian_mirror: the mirror that this machine uses
debian_mirror() {
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 2>/dev/null | sed -n 's/^Debian|Debian|//p' | head -n 1
}

# suite_apt SUITE FOLDER [deb-src]: fetches the suite's list of packages (deb-src: of source packages); then "${apt[@]}" is
# an apt-get and "${apt_cache[@]}" an apt-cache that know this suite alone, in which nothing is installed. Or sets why.
suite_apt() {
	local folder=$2 kind=${3:-deb} mirror
	local -a settings
	command -v apt-get >/dev/null || { why='this is no Debian'; return 1; }
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || { why='no Debian mirror is configured here'; return 1; }
	mkdir -p "$folder"/{state/lists/partial,cache/archives/partial}
	echo "$kind [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >"$folder/sources.list"
	settings=(-q -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o Dir::State="$folder/state" -o Dir::State::status=/dev/null -o Dir::Cache="$folder/cache"
		-o APT::Sandbox::User=root -o Acquire::Languages=none
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
		-o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
	apt=(apt-get "${settings[@]}")
	apt_cache=(apt-cache "${settings[@]}")
	"${apt[@]}" update >"$folder/log" 2>&1 || { why="the packages of Debian's $1 cannot be had"; return 1; }
}

# shellcheck source=scripts/indexes.sh
. "${BASH_SOURCE[0]%/*}/indexes.sh"

# source_package VERSION FOLDER: PostgreSQL's own source, without Debian's patches, is then in FOLDER/postgresql-VERSION.x.
# Or sets why.
source_package() {
	local version=$1 folder=$2
	[[ -n ${suite[$version]:-} ]] || { why="no Debian suite is known that has the source of PostgreSQL $version"; return 1; }
	suite_apt "${suite[$version]}" "$folder" deb-src || return 1
	( cd "$folder" && "${apt[@]}" source --download-only "postgresql-$version" && tar -xf postgresql-*.orig.tar.* ) \
		>>"$folder/log" 2>&1 || { why="the source of PostgreSQL $version cannot be had from Debian's ${suite[$version]}"; return 1; }
	rm "$folder"/postgresql-*.orig.tar.*
}

# unpack_wheel FOLDER: the installation of 16 is then in FOLDER/*/pginstall. Or sets why.
unpack_wheel() {
	mkdir -p "$1/wheel"
	answers pip >"$1/log" || { why="the Python package $wheel cannot be had: $(cat "$1/log")"; return 1; }
	( cd "$1/wheel" && python3 -m pip download --quiet --no-deps --only-binary :all: "$wheel" ) >"$1/log" 2>&1 ||
		{ why="the Python package $wheel cannot be had"; return 1; }
	python3 -m zipfile -e "$1"/wheel/*.whl "$1"
	rm -r "$1/wheel"
}

# older_libc FILE...: headers made for a newer C library, which declares these functions itself
older_libc() { sed -i -E 's/(define HAVE_DECL_STRL(CPY|CAT)) 1/\1 0/' "$@"; }
