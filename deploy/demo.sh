#!/usr/bin/env bash
# demo: what a person would type into a cell that has just come up.
set -euo pipefail
run() {
	printf '\n$ %s\n' "$*"
	"$@" </dev/null
}
run fairlead host ls
run fairlead run -- sh -c 'echo "hello from $(hostname)"'
run fairlead apply -f examples/sessions/hello.yaml
fairlead session wait hello --for ended --timeout 60s >/dev/null
run fairlead session show hello
run fairlead executor logs hello/0
run fairlead session close hello
fairlead session wait hello --for closed --timeout 60s >/dev/null
run fairlead events --session hello
run fairlead status
run fairlead executor show hello/0
