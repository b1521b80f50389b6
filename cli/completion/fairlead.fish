# fish completion of fairlead: fairlead completion fish >~/.config/fish/completions/fairlead.fish
# Names of sessions, hosts and executors are asked of the cell; a cell that is away completes nothing.

#@commands@

# What can stand for a value, one per line.
function __fairlead_values --argument-names value
	switch $value
		case SESSION
			fairlead session ls $__fairlead_context --timeout 2s -o name 2>/dev/null </dev/null
		case HOST
			fairlead host ls $__fairlead_context --timeout 2s -o name 2>/dev/null </dev/null
		case SESSION/INDEX
			fairlead executor ls $__fairlead_context --timeout 2s -o name 2>/dev/null </dev/null
		case FILE
			__fish_complete_path (commandline -ct)
		case DIR
			__fish_complete_directories (commandline -ct)
		case '*|*'
			string split '|' -- $value
	end
end

# The options and positions of a command, told from what stands between it and the current word.
function __fairlead_command --argument-names known_text
	set -l known (string split \n -- $known_text)
	set -l positions (string match -r -g '^:([^\t]*)' -- $known)
	set -l current (commandline -ct)
	set -l pending ''
	set -l option ''
	set -g __fairlead_context
	for word in $argv[2..-1]
		if test "$word" = --
			return
		end
		if test -n "$pending"
			contains -- $option --server --prefix; and set -a __fairlead_context $option $word
			set pending ''
		else if string match -q -- '--*=*' $word
			string match -q -r -- '^--(server|prefix)=' $word; and set -a __fairlead_context $word
		else if string match -q -- '-*' $word
			set option $word
			set pending (string replace -r -f -- '^'$word'=([^\t]*).*' '$1' $known)
		else if test "$positions[1]" = ...
			return # the rest is the workload's
		else
			set -e positions[1]
		end
	end
	if test -n "$pending"
		__fairlead_values $pending
	else if set -l with (string match -r -g '^(--[^=]*)=' -- $current)
		set pending (string replace -r -f -- '^'$with'=([^\t]*).*' '$1' $known)
		test -n "$pending"; and printf "$with=%s\n" (__fairlead_values $pending)
	else if string match -q -- '-*' $current; or test (count $positions) -eq 0
		string match -- '-*' $known | string replace -r '=[^\t]*' ''
	else
		__fairlead_values $positions[1]
	end
end

function __fairlead
	set -l words (commandline -opc)
	if test (count $words) -eq 1
		__fairlead_verbs ''
	else if set -l takes (__fairlead_takes $words[2])
		__fairlead_command (string join \n -- $takes | string collect) $words[3..-1]
	else if test (count $words) -eq 2
		__fairlead_verbs $words[2]
	else if set -l takes (__fairlead_takes "$words[2] $words[3]")
		__fairlead_command (string join \n -- $takes | string collect) $words[4..-1]
	end
end
complete -c fairlead -f -a '(__fairlead)'
