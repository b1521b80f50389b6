# Somebody presses TAB: commands, options, values and names of what is there.
. "$(dirname "$0")/lib.sh"
story_in_cell --agents 2

PATH=$FL_BIN_DIR:$PATH
export PATH
scripts=$STORY_DATA/completion
mkdir "$scripts"
for shell in bash zsh fish; do
	fairlead completion $shell >"$scripts/$shell" || fail "a script for $shell"
done
fairlead completion tcsh >/dev/null 2>&1
assert_equal 2 $? "a shell that has none is a usage error"

"$fairlead" session create --name web --replicas 2 -- sleep 100000 >/dev/null || fail "create web"
"$fairlead" session create --name batch -- sleep 100000 >/dev/null || fail "create batch"
wait_for 20 "web runs" session_is web running 2
wait_for 20 "batch runs" session_is batch running 1

# SHELL WORD...: what is offered for the last word, in order, in one line.
offered() {
	local shell=$1
	shift
	case $shell in
	bash)
		bash --norc -uc '. "$0"
			COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
			_fairlead 2>&1
			printf "%s\n" ${COMPREPLY[@]+"${COMPREPLY[@]}"}' "$scripts/bash" "$@"
		;;
	zsh) # compadd and _files stand for what only an editor has
		zsh -fc '. "$0"
			compadd() { [[ $1 == -- ]] && shift; print -l -- ${(M)@:#${current#*=}*} }
			compset() { current=${current#*=} }
			_files() { print -l -- ${current}*(N) }
			words=("$@") CURRENT=$# current=$words[$#]
			_fairlead' "$scripts/zsh" "$@"
		;;
	fish) fish --no-config -c 'source $argv[1]; complete -C "$argv[2]"' "$scripts/fish" "$*" | cut -f 1 ;;
	esac | sort -u | xargs
}

# Every shell offers the same.
try() { # EXPECTED WORD...
	local expected=$1 shell
	shift
	for shell in $shells; do
		[ "$expected" = "$(offered "$shell" fairlead "$@")" ] ||
			fail "$shell: fairlead $*: expected '$expected', got '$(offered "$shell" fairlead "$@")'"
	done
}

shells=bash
for shell in zsh fish; do
	if command -v $shell >/dev/null; then
		shells="$shells $shell"
	else
		echo "SKIP: no $shell here: its completion was not tried"
	fi
done
! command -v zsh >/dev/null || zsh -n "$scripts/zsh" || fail "zsh does not read its script"
! command -v fish >/dev/null || fish --no-execute "$scripts/fish" || fail "fish does not read its script"

try session se
try 'completion' comp
try 'cordon' host co
try 'stop-unknown' host st
try 'drain' host dr
try 'scale show' session s
try '' nobody x
# Options, long and short, with what their values may be.
try '--server' events --ser
try '--all' executor ls --a
try 'json' status -o j
try 'json table yaml' status -o ''
try 'json name table yaml' session ls --output ''
try 'closed ended running' session wait web --for ''
try 'bash fish zsh' completion ''
# Names, as first word or as an option's value.
try 'batch web' session show ''
try 'web' session close w
try 'web/0 web/1' executor show web
try 'dev-1 dev-2' host drain ''
try 'web' executor ls --session w
try 'dev-2' executor ls --all --host dev-2
try 'web' session close --now --timeout 5s w
try '' session scale web ''  # a number
# What a workload is given is its own.
try '' run -- l
try '' run sleep --n
try '' session create --name new -- --
# Another cell than the environment's is asked when the line names one.
try '' session show --server nats://127.0.0.1:1 w
FAIRLEAD_NATS_SERVERS=nats://127.0.0.1:1 try 'web' session show --server "$FAIRLEAD_NATS_SERVERS" w
# Files.
cd "$STORY_DATA" || fail "cd"
: >"some file.yaml"
: >some.yaml
try 'some file.yaml some.yaml' apply -f some
try 'some.yaml' diff --file some.

# Every command can be asked.
"$fairlead" help | sed -n 's/^  \([a-z]*\( [a-z-]*\)\{0,1\}\)  .*/\1/p' >commands
[ "$(wc -l <commands)" -gt 30 ] || fail "help lists the commands"
while read -r noun verb; do
	shown=$(offered bash fairlead $noun $verb --)
	assert_contains " $shown " " --help " "fairlead $noun $verb says what it takes"
	# The program's own help is made of the same tables.
	"$fairlead" $noun $verb --help | sed -n 's/^ \{2,6\}\(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p' |
		grep -vx -e --usage | sort -u >"$STORY_DATA/help"
	assert_equal "$(xargs <"$STORY_DATA/help")" "$shown" "fairlead $noun $verb"
done <commands

# The real thing: a line editor, a TAB, and what is run in the end.
typed() { # KEYS
	printf 'PS1=; . %s; fairlead() { printf "got:%%s:\\n" "$*"; }\n%b\nexit\n' "$scripts/bash" "$1" >keys
	TERM=dumb script -qec "bash --norc -i" /dev/null <keys 2>&1 | tr -d '\r' | grep '^got:' | tail -n 1
}
if command -v script >/dev/null; then
	assert_equal "got:session close --now:" "$(typed 'fairlead sess\tclo\t--no\t')" "TAB completes command and option"
	assert_equal "got:session ls --output yaml:" "$(typed 'fairlead session ls --out\ty\t')" "TAB completes a value"
	assert_equal "got:session ls --output=yaml:" "$(typed 'fairlead session ls --output=y\t')" "TAB completes behind ="
else
	echo "SKIP: no script(1) here: no TAB was pressed"
fi

for session in web batch; do
	"$fairlead" session close $session --now >/dev/null
	"$fairlead" session wait $session --for closed --timeout 60s >/dev/null || fail "$session closes"
done
wait_for 20 "the books balance" verify_clean
