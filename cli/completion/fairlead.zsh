#compdef fairlead
# zsh completion of fairlead: fairlead completion zsh >DIRECTORY-OF-$fpath/_fairlead
# Names of sessions, hosts and executors are asked of the cell; a cell that is away completes nothing.

#@commands@

# Offers what can stand for a VALUE.
_fairlead_values() {
	local ask=''
	case $1 in
	SESSION) ask='session ls' ;;
	HOST) ask='host ls' ;;
	SESSION/INDEX) ask='executor ls' ;;
	FILE) _files && return ;;
	DIR) _files -/ && return ;;
	*'|'*) compadd -- ${(s:|:)1} && return ;;
	esac
	[[ -n $ask ]] || return 1
	compadd -- ${(f)"$($words[1] ${=ask} $context --timeout 2s -o name 2>/dev/null </dev/null)"}
}

# The options and positions of a command, told from what stands between it and the current word.
_fairlead_command() { # FIRST-WORD-AFTER-THE-COMMAND
	local word entry pending='' option=''
	local -a known positions options context
	local -i i
	known=(${=takes})
	options=(${${(M)known:#-*}%%=*})
	positions=(${${known:#-*}#:})
	for ((i = $1; i < CURRENT; i++)); do
		word=$words[i]
		[[ $word != -- ]] || return 1
		if [[ -n $pending ]]; then
			[[ $option != (--server|--prefix) ]] || context+=($option $word)
			pending=''
		elif [[ $word == --*=* ]]; then
			[[ $word != (--server|--prefix)=* ]] || context+=($word)
		elif [[ $word == -* ]]; then
			option=$word
			for entry in $known; do
				[[ $entry != $word=* ]] || pending=${entry#*=}
			done
		elif [[ $positions[1] == ... ]]; then
			return 1 # the rest is the workload's
		else
			shift positions 2>/dev/null
		fi
	done
	if [[ -z $pending && $words[CURRENT] == --*=* ]]; then
		for entry in $known; do
			[[ $entry != ${words[CURRENT]%%=*}=* ]] || pending=${entry#*=}
		done
		compset -P '*='
	fi
	if [[ -n $pending ]]; then
		_fairlead_values $pending
	elif [[ $words[CURRENT] == -* || $#positions == 0 ]]; then
		compadd -- $options
	else
		_fairlead_values $positions[1]
	fi
}

_fairlead() {
	local takes='' verbs=''
	if ((CURRENT == 2)); then
		_fairlead_verbs '' && compadd -- ${=verbs}
	elif _fairlead_takes "$words[2]"; then
		_fairlead_command 3
	elif ((CURRENT == 3)); then
		_fairlead_verbs "$words[2]" && compadd -- ${=verbs}
	elif _fairlead_takes "$words[2] $words[3]"; then
		_fairlead_command 4
	fi
}

# As a file of $fpath it is the function itself; read by `source`, it has to say so.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
	_fairlead "$@"
elif (($+functions[compdef])); then
	compdef _fairlead fairlead
fi
