# bash completion of fairlead.  For all: fairlead completion bash >/etc/bash_completion.d/fairlead
# Names of sessions, hosts and executors are asked of the cell; a cell that is away completes nothing.

#@commands@

# The words that can stand for a VALUE, one per line.
_fairlead_values() {
	local ask=
	case $1 in
	SESSION) ask='session ls' ;;
	HOST) ask='host ls' ;;
	SESSION/INDEX) ask='executor ls' ;;
	*'|'*) printf '%s\n' "${1//|/$'\n'}" ;;
	esac
	[[ -z $ask ]] || "${COMP_WORDS[0]}" $ask "${context[@]}" --timeout 2s -o name 2>/dev/null </dev/null
}

_fairlead_reply() { # VALUE CURRENT-WORD
	case $1 in
	FILE)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$2")
		;;
	DIR)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$2")
		;;
	*) mapfile -t COMPREPLY < <(compgen -W "$(_fairlead_values "$1")" -- "$2") ;;
	esac
}

# The options and positions of a command, told from what stands between it and the current word.
_fairlead_command() { # FIRST-WORD-AFTER-THE-COMMAND CURRENT-WORD
	local i word entry pending='' option='' options=''
	local -a known=() positions=() context=()
	read -ra known <<<"$takes"
	for entry in "${known[@]}"; do
		case $entry in
		-*) options+=" ${entry%%=*}" ;;
		*) positions+=("${entry#:}") ;;
		esac
	done
	for ((i = $1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--) return ;;
		=) continue ;; # "--option=value" comes as three words
		esac
		if [[ -n $pending ]]; then
			case $option in # which cell is meant
			--server | --prefix) context+=("$option" "$word") ;;
			esac
			pending=
		elif [[ $word == -* ]]; then
			option=$word
			for entry in "${known[@]}"; do
				[[ $entry != "$word="* ]] || pending=${entry#*=}
			done
		elif [[ ${positions[0]-} == ... ]]; then
			return # the rest is the workload's
		else
			positions=("${positions[@]:1}")
		fi
	done
	if [[ -n $pending ]]; then
		_fairlead_reply "$pending" "$2"
	elif [[ $2 == -* || ${#positions[@]} == 0 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$2")
	else
		_fairlead_reply "${positions[0]}" "$2"
	fi
}

_fairlead() {
	local current=${COMP_WORDS[COMP_CWORD]} takes='' verbs=''
	COMPREPLY=()
	[[ $current != = ]] || current=
	if ((COMP_CWORD == 1)); then
		_fairlead_verbs ''
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$current")
	elif _fairlead_takes "${COMP_WORDS[1]}"; then
		_fairlead_command 2 "$current"
	elif ((COMP_CWORD == 2)); then
		_fairlead_verbs "${COMP_WORDS[1]}" || return 0
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$current")
	elif _fairlead_takes "${COMP_WORDS[1]} ${COMP_WORDS[2]}"; then
		_fairlead_command 3 "$current"
	fi
	return 0
}
complete -F _fairlead fairlead
