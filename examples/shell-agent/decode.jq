# decode.jq: one message in JSON becomes lines of words that a shell can read without trusting them.  Every word
# is a number, an id, an enum value, or base64; what is none of these is refused here.
#
#   --arg mode live     what `nats sub --dump=-` prints: commands, heartbeat answers and hello answers
#   --arg mode sync     the answer to a sync

# 18 digits fit the shell's signed 64 bits; a 64-bit number may come as text.
def number: (. // 0) | tostring | if test("^[0-9]{1,18}$") then . else error("no number") end;
def id: if type == "string" and test("^[0-9a-f]{32}$") then . else error("no id") end;
def word: if type == "string" and test("^[A-Za-z0-9_./#-]{1,160}$") then . else "-" end;
def blank: . == null or . == "" or . == 0 or . == false or . == [] or . == {};

# What a spec asks for and this agent cannot do is refused by name, never ignored.
def can: ["driver", "command", "env", "working_dir", "resources", "stop_grace_ms", "restart", "nofile_max",
	"core_max_bytes"];
def refusal:
	if type != "object" then "invalid:no_spec"
	elif .driver != "process" then "driver:not_here"
	elif (.command | type) != "array" or (.command | length) == 0 then "invalid:command"
	elif any(.command[]; type != "string") or (.command[0] | test("=")) then "invalid:command"
	elif tojson | test("\\\\u0000") then "invalid:zero_byte"
	elif (.restart.policy // "") as $p | $p != "" and $p != "never" then "invalid:restart_policy"
	elif (.resources // {}) | (.disk_bytes | blank | not) or (.gpus | blank | not) then "overcommit:disk_or_gpus"
	else ([to_entries[] | select(.value | blank | not) | .key] - can)
		| if length > 0 then "invalid:\(.[0] | word)" else "-" end
	end;

# The shell text that sets $dir and "$@" (assignments for env, then the command).
def script: "dir=" + ((.working_dir // "") | if . == "" then "/" else . end | @sh)
	+ (if (.nofile_max | number) == "0" then "" else "; ulimit -n \(.nofile_max | number)" end)
	+ "; ulimit -c $((\(.core_max_bytes | number) / 512)); set -- "
	+ ([(.env // {} | to_entries[] | "\(.key)=\(.value)")] + .command | @sh);

def item:
	(.desired | if IN("run", "stop", "absent") then . else error("no verb") end) as $desired
	| (.generation | number | if . == "0" then error("no generation") else . end) as $generation
	| (if $desired == "run" then .spec | refusal else "-" end) as $refusal
	| (.spec // {} | if $refusal == "-" then . else {} end) as $spec
	| "item \(.executor_id | id) \($generation) \($desired) \(.host_seq | number) \(.deadline_us | number) "
	+ "\(if $desired == "run" then $spec.stop_grace_ms else .stop_grace_ms end | number) \(.name | word) "
	+ "\($refusal) \($spec.resources.slots | number) \($spec.resources.cpu_millis | number) "
	+ "\($spec.resources.memory_bytes | number) "
	+ (if $desired == "run" and $refusal == "-" then $spec | script | @base64 else "-" end);
def items: (. // []) | if type == "array" then map(try item catch "bad") else error("no items") end;

def heartbeat: ["heartbeat \(.nonce_id | id) \(.verdict | word) \(.host_seq | number) \(.cp_now_us | number)"];

def command($seq; $last):
	(if .host_id != $host then "another_host" elif .journal_id != $journal then "another_journal"
	elif (.host_seq | number) == "0" or (.items | length) > 64 or (.items | length) == 0 then "number_or_items"
	else "-" end) as $refusal
	| ["command \($seq | number) \($last | number) \($refusal) \(.host_seq | number)"]
	+ (if $refusal == "-" then .items | items else [] end) + ["end"];

def hello:
	["hello \(.hello_no | number) \(.nonce_id | id) \(.verdict | word) \(.epoch | number) \(.ticket | number) "
	+ "\(.cp_now_us | number) \(.journal_floor | number) \(.report_all // false) "
	+ "\(.protocol_revision | number) \(.heartbeat_interval_ms | number)"]
	+ [(.absent // [])[] | "absent \(.executor_id | id) \(.generation | number)"]
	+ [(.unknown // [])[] | "unknown \(.executor_id | id) \(.generation | number)"] + ["end"];

def live:
	(.Header // {}) as $h | (.Subject | startswith("_INBOX.")) as $asked
	| .Data | @base64d | fromjson | if type == "object" then . else error("no message") end
	| if $asked then hello
	elif $h["Fl-Kind"][0] == "heartbeat" then heartbeat
	else command($h["Nats-Sequence"][0]; $h["Nats-Last-Sequence"][0]) end;

def sync:
	["sync \(.nonce_id | id) \(.verdict | word) \(.cp_now_us | number) \(.as_of_seq | number) "
	+ "\(.last // false) \(.items // [] | length)"] + (.items | items) + ["end"];

try (if $mode == "live" then live else sync end) catch ["garbage"] | .[]
