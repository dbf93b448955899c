# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034
#
# The client libraries that tests use, and how they are had; for test/drivers/run, test/examples/run and test/nightly/orms.
# Their packages are pinned (package-lock.json, go.sum, pom.xml; psycopg is Debian's) and fetched once. Those of the drivers,
# or of the folder that $programs names.

# shellcheck source=scripts/indexes.sh
. "$root/scripts/indexes.sh"

programs=${programs:-$root/test/drivers}
cache=$EVENTLOG_CACHE/${programs##*/}
failed=0
export GOPATH=$cache/go GOMODCACHE=$cache/go/mod GOCACHE=$cache/go/build GOTOOLCHAIN=local GOFLAGS=-mod=readonly
mkdir -p "$cache"/{node,go,java}

# have TOOL...: whether all are there
have() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || return
	done
}

# driver NAME FETCH TRY TOOL...: fetch or build, then try; what cannot be had here is left out with a line "skip"
driver() {
	local name=$1 fetch=$2 try=$3
	[[ $only == '  ' || $only == *" $name "* ]] || return 0
	if ! have "${@:4}"; then
		echo "skip $name: needs ${*:4}"
	elif ! "$fetch" >"$cache/$name.log" 2>&1; then
		tail -n 20 "$cache/$name.log"
		if [[ ${CI:-} == true ]]; then
			echo "not ok - $name: its packages could not be fetched or built"
			failed=1
		else
			echo "skip $name: its packages could not be fetched or built"
		fi
	elif ! "$try"; then
		echo "not ok - $name"
		failed=1
	fi
}

# Fetching is skipped when what was fetched still fits. These run in a condition, where set -e is off: hence &&.

fetch_node() {
	cmp -s "$programs/node/package-lock.json" "$cache/node/fetched" ||
		{ answers npm && cp "$programs"/node/package*.json "$cache/node" && npm --prefix "$cache/node" --cache "$cache/npm" ci --omit=peer --no-audit --no-fund &&
		  cp "$programs/node/package-lock.json" "$cache/node/fetched"; }
}
run_node() { NODE_PATH=$cache/node/node_modules node "$@"; }

# build_go FOLDER PROGRAM
build_go() {
	cd "$1" &&
		{ GOPROXY=off go build -o "$cache/go/$2" . || { answers go && go build -o "$cache/go/$2" .; }; }
}

fetch_java() {
	cmp -s "$programs/java/pom.xml" "$cache/java/fetched" ||
		{ answers mvn && rm -rf "$cache/java/lib" &&
		  mvn -B -q -Dmaven.repo.local="$cache/maven" -f "$programs/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$cache/java/lib" &&
		  cp "$programs/java/pom.xml" "$cache/java/fetched"; }
}

# compile_java FILE CLASS
compile_java() {
	[[ $cache/java/classes/$2.class -nt $1 ]] ||
		javac -encoding UTF-8 -cp "$cache/java/lib/*" -d "$cache/java/classes" "$1"
}
build_java() { fetch_java && compile_java "$@"; }
run_java() { java -Dfile.encoding=UTF-8 -cp "$cache/java/classes:$cache/java/lib/*" "$@"; }
