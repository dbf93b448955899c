# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034
#
# Kafka's clients that tests use, unmodified, and how they are had; for test/clients/run, test/clients/command and
# test/nightly/clients. Their versions are pinned (python/*.txt, package-lock.json, *.mod and *.sum, and below) and fetched
# once; kcat is Debian's. Each is started with the broker's address and told what to do by the contract of check.py.

programs=$root/test/clients
# shellcheck source=test/drivers/toolchains.sh
. "$root/test/drivers/toolchains.sh"

all_clients=(kcat librdkafka_1_9 confluent_kafka kafka_python aiokafka kafkajs franz_go franz_go_newest sarama kafka_go
	java_2_8 java_3_9 java_4)

# client NAME: sets tools, what it needs to be here; client_fetch, a command that fetches it; client_build, one that builds what is
# ours of it, which must not fail; and client_command, which runs it
client() {
	tools=(/usr/bin/python3)
	client_fetch=(fetch_venv "$1")
	client_build=(true)
	case $1 in
		kcat)
			tools+=(kcat)
			client_fetch=(true)
			client_command=(/usr/bin/python3 -B "$programs/python/kcat.py") ;;
		librdkafka_1_9)
			tools+=(kcat)
			client_fetch=(fetch_librdkafka 1.9.2)
			client_command=(env "LD_LIBRARY_PATH=$cache/librdkafka/1.9.2/lib" /usr/bin/python3 -B "$programs/python/kcat.py") ;;
		confluent_kafka | kafka_python | aiokafka)
			client_command=("$cache/python/$1/bin/python" -B "$programs/python/with_$1.py") ;;
		kafkajs)
			tools+=(node npm)
			client_fetch=(fetch_node)
			client_command=(env "NODE_PATH=$cache/node/node_modules" node "$programs/node/kafkajs.js") ;;
		franz_go)
			tools+=(go)
			client_go franz go go.mod "$1" ;;
		franz_go_newest)
			tools+=(go)
			client_go franz newest_go newest.mod "$1" ;;
		sarama | kafka_go)
			tools+=(go)
			client_go "$1" newest_go go.mod "$1" ;;
		java_2_8) client_java 2.8.2 ;;
		java_3_9) client_java 3.9.2 ;;
		java_4) client_java 4.4.0 ;;
		*) fail "no such client here: $1" ;;
	esac
}

# client_go FOLDER GO MODFILE PROGRAM: by GO, which is a command
client_go() {
	client_fetch=(fetch_modules "$@")
	client_build=(build_client "$@")
	client_command=("$cache/go/$4")
}

client_java() {
	tools+=(mvn javac java)
	client_fetch=(fetch_kafka_clients "$1")
	client_build=(build_kafka_client "$1")
	# short runs: what compiles well costs more than it brings
	client_command=(java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "-Dkafka.version=$1" -Dfile.encoding=UTF-8 -cp "$cache/java/$1/classes:$cache/java/$1/lib/*" Client)
}

# a folder of its own for each: what they depend on differs
fetch_venv() {
	local venv=$cache/python/$1 list=$programs/python/$1.txt
	cmp -s "$list" "$venv/fetched" ||
		{ answers pip && rm -rf "$venv" && /usr/bin/python3 -m venv "$venv" &&
		  "$venv/bin/python" -m pip install --quiet --only-binary :all: -r "$list" && cp "$list" "$venv/fetched"; }
}

# fetch_librdkafka VERSION: the library out of confluent-kafka's package of that version. There is none for Debian's Python;
# the library does not need the Python that the package is for, and runs under kcat.
fetch_librdkafka() {
	local folder=$cache/librdkafka/$1
	[[ -e $folder/lib/librdkafka.so.1 ]] ||
		{ answers pip && rm -rf "$folder" && mkdir -p "$folder/lib" &&
		  /usr/bin/python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.10 --platform "manylinux_2_17_$(uname -m)" \
			--dest "$folder" "confluent-kafka==$1" &&
		  /usr/bin/python3 -m zipfile -e "$folder"/confluent_kafka-*.whl "$folder" &&
		  ln -s "$folder"/confluent_kafka.libs/librdkafka-*.so.1 "$folder/lib/librdkafka.so.1"; }
}

# A Go as new as the newest clients want: the one that is here, or a toolchain from the module proxy. Go before 1.21 can
# fetch that like any module, but does not know what to do with it.
newest_go_version=1.26.0
newest_go() {
	local here toolchain=$cache/go/toolchain-$newest_go_version module
	here=$(go env GOVERSION)
	if [[ $(printf 'go%s\n' "$newest_go_version" "${here#go}" | sort -V | tail -n 1) == "$here" ]]; then
		go "$@"
		return
	fi
	if [[ ! -x $toolchain/bin/go ]]; then
		module=golang.org/toolchain@v0.0.1-go$newest_go_version.$(go env GOOS)-$(go env GOARCH)
		( cd "$cache/go" && go mod download "$module" ) || return
		module=$GOMODCACHE/$module
		chmod -R u+w "$module" && chmod +x "$module"/bin/* "$module"/pkg/tool/*/* &&
			find "$module" -name _go.mod -execdir mv {} go.mod \; &&
			rm -rf "$toolchain" "$GOMODCACHE/cache/download/golang.org/toolchain" && mv "$module" "$toolchain" || return
	fi
	GOROOT=$toolchain "$toolchain/bin/go" "$@"
}

# a list of what a program is made of needs all of it there
fetch_modules() {
	cd "$programs/go/$1" &&
		{ GOPROXY=off "$2" list -modfile="$3" -deps . || { answers go && "$2" list -modfile="$3" -deps .; }; }
}
build_client() { cd "$programs/go/$1" && GOPROXY=off "$2" build -modfile="$3" -o "$cache/go/$4" .; }

fetch_kafka_clients() {
	local folder=$cache/java/$1 pom=$programs/java/pom.xml
	cmp -s "$pom" "$folder/fetched" ||
		{ answers mvn && rm -rf "$folder" && mkdir -p "$folder" &&
		  mvn -B -q -Dmaven.repo.local="$cache/maven" -Dkafka.version="$1" -f "$pom" dependency:copy-dependencies \
			-DoutputDirectory="$folder/lib" &&
		  cp "$pom" "$folder/fetched"; }
}
build_kafka_client() {
	local folder=$cache/java/$1
	[[ $folder/classes/Client.class -nt $programs/java/Client.java ]] ||
		javac -encoding UTF-8 -cp "$folder/lib/*" -d "$folder/classes" "$programs/java/Client.java"
}

# start_broker: of the cluster, on a free port; sets address. It ends with the script (see clean_up).
start_broker() {
	local tries
	address=127.0.0.1:$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	: >"$cluster/broker.log"
	eventlog-broker --conninfo "host=$cluster port=5432 user=postgres dbname=postgres" --listeners "$address" \
		>"$cluster/broker.log" 2>&1 &
	for (( tries = 0; tries < 300; tries++ )); do
		! grep -q 'changes are told' "$cluster/broker.log" || ! grep -q ' listening ' "$cluster/broker.log" || return 0
		kill -0 $! 2>/dev/null || break
		sleep 0.1
	done
	cat "$cluster/broker.log"
	fail 'the broker does not start'
}

# check_clients NAME...: each that can be had, against a broker
check_clients() {
	local name
	local -a tools client_fetch client_build client_command
	start_cluster <"$root/test/eventlog.conf"
	sql 'CREATE EXTENSION eventlog'
	start_broker
	for name in "$@"; do
		client "$name"
		driver "$name" fetch_client build_and_check "${tools[@]}"
		if ! kill -0 "$(jobs -p)" 2>/dev/null; then
			tail -n 20 "$cluster/broker.log"
			fail 'the broker has ended'
		fi
	done
	kill "$(jobs -p)"
	wait 2>/dev/null || true
	(( failed == 0 ))
}
only='  '
fetch_client() { ( "${client_fetch[@]}" ); }
build_and_check() { ( "${client_build[@]}" ) && /usr/bin/python3 -B "$programs/check.py" "$name" "$address" "${client_command[@]}"; }
