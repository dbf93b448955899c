# shellcheck shell=bash
#
# answers INDEX: does the package index of pip, npm, mvn or go answer? The tool itself asks a small question: it knows its
# mirror, its proxy and its certificates, but would otherwise try for a minute, in each test anew, where there is none.
# What is known stands for a quarter of an hour; scripts/check asks anew.

answers() {
	local index=$1 folder=${EVENTLOG_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/eventlog}/answers work seen answer=no
	local -a ask
	seen=$folder/$index
	if [[ -z $(find "$seen" -mmin -15 2>/dev/null) ]]; then
		work=$(mktemp -d)
		case $index in
			pip) ask=(python3 -m pip --retries 0 --timeout 10 download --quiet --no-deps --no-cache-dir --dest "$work" six) ;;
			npm) ask=(npm --cache "$work" --fetch-retries=0 --fetch-timeout=10000 view pg version) ;;
			go) ask=(env GOPATH="$work" GOMODCACHE="$work" GOCACHE="$work" GOFLAGS=-modcacherw GOTOOLCHAIN=local \
				go list -m github.com/jackc/pgx/v5@latest) ;;
			mvn) # a project of nothing but a parent: one small file is fetched
				printf '<project><modelVersion>4.0.0</modelVersion><parent><groupId>org.junit</groupId>%s%s' \
					'<artifactId>junit-bom</artifactId><version>5.10.0</version><relativePath/></parent>' \
					'<artifactId>probe</artifactId><packaging>pom</packaging></project>' >"$work/pom.xml"
				ask=(mvn --batch-mode --quiet -Dmaven.repo.local="$work" -f "$work/pom.xml" validate) ;;
		esac
		! ( cd "$work" && timeout 20 "${ask[@]}" ) >/dev/null 2>&1 </dev/null || answer=yes
		rm -rf "$work"
		mkdir -p "$folder" 2>/dev/null || true
		{ echo "$answer" >"$seen"; } 2>/dev/null || true
	else
		answer=$(cat "$seen")
	fi
	[[ $answer == yes ]] || echo "the package index of $index does not answer"
	[[ $answer == yes ]]
}
