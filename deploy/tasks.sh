#!/usr/bin/env bash
# tasks: what ./dev does inside the place it found: everything here has the tools.
set -euo pipefail
preset=${FL_PRESET:-dev}
export CMAKE_C_COMPILER_LAUNCHER=ccache
jobs=$(nproc)

say() { printf 'dev: %s\n' "$*"; }

configure() { # PRESET
	[ -e "build/$1/build.ninja" ] || cmake --preset "$1" >"build/$1.configure.log" 2>&1 || {
		cat "build/$1.configure.log"
		return 1
	}
}

compile() { # PRESET [TARGETS]
	local p=$1
	shift
	mkdir -p build
	configure "$p"
	ninja -C "build/$p" -j "$jobs" "$@"
}

quiet_compile() { # PRESET [TARGETS]
	mkdir -p build
	compile "$@" >"build/$1.build.log" 2>&1 || {
		grep -E 'error|FAILED|undefined' "build/$1.build.log" | head -n 60
		return 1
	}
}

tests() { # PRESET [CTEST ARGS]
	local p=$1 code=0
	shift
	ctest --test-dir "build/$p" --output-on-failure "$@" || code=$?
	return $code
}

# A skipped test is not a passed one: say which and why.
skipped() { # PRESET
	grep -ahE '^(SKIP|\[  SKIPPED \])' "build/$1/Testing/Temporary/LastTest.log" | sort -u | head -n 40 || true
}

c_files() { git ls-files '*.c' '*.h'; }

check_format() {
	c_files | xargs clang-format --dry-run -Werror
}

check_generated() {
	local check
	for check in tests/checks/*.sh; do
		FL_BIN_DIR=$PWD/build/dev/bin bash "$check"
	done
}

check_untracked() {
	local left
	left=$(git status --porcelain)
	[ -z "$left" ] || {
		say "files that git does not know, or that the build changed:"
		echo "$left"
		return 1
	}
}

step_names=()
step() { # NAME COMMAND...
	local name=$1 from=$SECONDS
	shift
	say "=== $name"
	"$@"
	step_names+=("$(printf '%4d s  %s' $((SECONDS - from)) "$name")")
}

lane() { # PRESET LABELS
	quiet_compile "$1"
	tests "$1" -L "$2" -j "$jobs" --timeout 300
	skipped "$1"
}

ci() {
	step "format" check_format
	step "build, gcc" quiet_compile dev
	step "generated files" check_generated
	step "build, clang" quiet_compile dev-clang
	step "address and undefined behaviour sanitizers" lane asan 'unit|property|integration|fuzz'
	step "thread sanitizer" lane tsan 'unit|property'
	step "nothing left behind" check_untracked
	printf '%s\n' "${step_names[@]}"
	say "=== all tests, preset dev"
	tests dev
}

demo() {
	quiet_compile dev
	data=$(mktemp -d /tmp/fairlead-demo-XXXXXX) # not local: the trap outlives this function
	chmod 755 "$data"
	trap 'rm -rf "$data"' EXIT
	build/dev/bin/fairlead dev --data "$data/cell" --agents 3 --hubs 2 --schedulers 2 \
		--exec "PATH=$PWD/build/dev/bin:\$PATH bash deploy/demo.sh"
}

verb=$1
shift
case $verb in
build) compile "$preset" "$@" ;;
test)
	quiet_compile dev
	code=0
	tests dev "$@" || code=$?
	skipped dev
	exit $code
	;;
fmt) c_files | xargs clang-format -i ;;
check)
	check_format
	compile dev fairlead-tables >/dev/null
	check_generated
	;;
ci) ci ;;
bench)
	quiet_compile release bench_b1 bench_b3 bench_b4 fairlead fairlead-hub fairlead-scheduler \
		fairlead-agent fairlead-shim
	FL_BIN_DIR=$PWD/build/release/bin bench/run.sh "$@"
	;;
demo) demo ;;
esac
