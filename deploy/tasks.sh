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
		grep -E 'error|Error|FAILED|undefined' "build/$1.build.log" | head -n 60
		say "all of it: build/$1.build.log"
		return 1
	}
}

# A skipped test is not a passed one: which, and why.
skipped() { # LOG
	awk '
		/^[0-9]+\/[0-9]+ Testing: / { test = $3; why = "" }
		/^SKIP: / { why = substr($0, 7) }
		/^\[  SKIPPED \] / && why != "" { print "  " test ", " $4 ": " why; why = "" }
		/^<end of output>/ && why != "" { print "  " test ": " why; why = "" }
	' "$1" | sed '1i dev: skipped here:'
}

# Everything up to the summary at once, the summary into a file.
without_summary() { # FILE
	local line to
	exec {to}>&1
	while IFS= read -r line; do
		[[ ! $line =~ ^[0-9]+%\ tests\ passed ]] || exec {to}>"$1"
		printf '%s\n' "$line" >&"$to"
	done
}

# As ctest says it, but what was skipped comes before the summary, which is the end.
tests() { # PRESET [CTEST ARGS]
	local p=$1 code=0 summary log=build/$1/Testing/Temporary/LastTest.log
	shift
	summary=$(mktemp)
	rm -f "$log" # of another run
	ctest --test-dir "build/$p" --output-on-failure --no-tests=error "$@" | without_summary "$summary" || code=$?
	[ ! -e "$log" ] || skipped "$log"
	cat "$summary"
	rm -f "$summary"
	return $code
}

# Every core takes a share of the seeds; who fails says how to replay it.
nightly() { # PRESET SEEDS
	local share=$((($2 + jobs - 1) / jobs)) i code=0 pids=()
	say "=== simulation, $2 seeds"
	for ((i = 0; i < jobs; i++)); do
		SIM_SEED=$((1 + i * share)) SIM_SEEDS=$share "build/$1/tests/property/property_sim_sim" \
			>"build/$1/nightly.$i.log" 2>&1 &
		pids+=($!)
	done
	for ((i = 0; i < jobs; i++)); do
		wait "${pids[i]}" || code=1
	done
	cat "build/$1"/nightly.*.log
	rm -f "build/$1"/nightly.*.log
	return $code
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

# Children report into files: many tests read only what they ask for, and some children are killed.
lane() { # PRESET LABELS
	local log=$PWD/build/$1/sanitizer code=0
	quiet_compile "$1"
	rm -f "$log".*
	ASAN_OPTIONS=log_path=$log TSAN_OPTIONS=log_path=$log UBSAN_OPTIONS=log_path=$log \
		tests "$1" -L "$2" -j "$jobs" --timeout 300 || code=$?
	if compgen -G "$log.*" >/dev/null; then
		head -n 60 "$log".*
		code=1
	fi
	return $code
}

ci() {
	step "format" check_format
	step "build, gcc" quiet_compile dev
	step "generated files" check_generated
	step "build with clang, clang-tidy" tidy
	step "address and undefined behaviour sanitizers" lane asan 'unit|property|integration|fuzz'
	step "thread sanitizer" lane tsan 'unit|property|integration'
	step "nothing left behind" check_untracked
	printf '%s\n' "${step_names[@]}"
	say "=== all tests, preset dev"
	tests dev
	# Again, for what the tests leave.  It says nothing when all is well: ctest's summary is the end.
	check_untracked
}

# Compiles with clang too.  All findings at once; what passed before and did not change is not repeated.
tidy() {
	quiet_compile tidy -k 0
}

demo() {
	quiet_compile dev
	data=$(mktemp -d /tmp/fairlead-demo-XXXXXX) # not local: the trap outlives this function
	chmod 755 "$data"
	trap 'rm -rf "$data"' EXIT
	PATH=$PWD/build/dev/bin:$PATH fairlead dev --data "$data/cell" --agents 3 --hubs 2 --schedulers 2 \
		--exec "bash deploy/demo.sh"
}

# What a cell is made of.
programs() { # [MORE TARGETS]
	quiet_compile dev fairlead fairlead-hub fairlead-scheduler fairlead-agent fairlead-shim "$@"
}

drill_list() {
	local file
	for file in tests/chaos/drills/*.sh; do
		sed -n '1s/^# \([a-z-]*\): /\1\t/p' "$file"
	done | grep -v -E '^(lib|verdict)\b' | expand -t 18
}

drill() { # NAME [OPTIONS]
	local name=${1:-}
	case $name in
	'' | lib | verdict | */*) name= ;;
	esac
	[ -n "$name" ] && [ -e "tests/chaos/drills/$name.sh" ] || {
		drill_list
		[ $# -eq 0 ] || say "no drill: $1"
		[ $# -eq 0 ]
		return
	}
	shift
	programs fairlead-fleet fairlead-gate
	FL_BIN_DIR=$PWD/build/dev/bin FL_SOURCE_DIR=$PWD bash "tests/chaos/drills/$name.sh" "$@"
}

verb=$1
shift
case $verb in
build) compile "$preset" "$@" ;;
test)
	quiet_compile dev
	if [ "${1:-}" = --nightly ]; then
		shift
		quiet_compile release # CI has no time for its optimiser, which sees more than the others
		tests dev -C nightly "$@"
		nightly dev 10000
	else
		tests dev "$@"
	fi
	;;
fmt) c_files | xargs clang-format -i ;;
check)
	check_format
	compile dev fairlead-tables fairlead-hub fairlead-scheduler fairlead-agent fairlead-fleet >/dev/null
	check_generated
	;;
tidy) tidy ;;
ci) ci ;;
bench)
	quiet_compile release bench_b1 bench_b3 bench_b4 bench_b7 fairlead fairlead-hub fairlead-scheduler \
		fairlead-agent fairlead-shim
	FL_BIN_DIR=$PWD/build/release/bin bench/run.sh "$@"
	;;
demo) demo ;;
programs) programs ;;
drill) drill "$@" ;;
esac
