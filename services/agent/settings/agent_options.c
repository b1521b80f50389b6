#include "agent_options.h"

#include "program.h"

const struct option_row agent_options[] = {
    {"nats_servers", OPTION_STRING, "nats://127.0.0.1:4222", 0, 0, 0,
	"urls of the bus, comma separated"},
    {"nats_user", OPTION_STRING, NULL, 0, 0, 0, "user of the bus"},
    {"nats_password", OPTION_STRING, NULL, OPTION_SECRET, 0, 0, "password of the bus"},
    {"prefix", OPTION_STRING, "fl", 0, 0, 0, "first token of every subject"},
    {"host_id", OPTION_STRING, NULL, 0, 0, 0, "a DNS label; the machine's host name when unset"},
    {"pool", OPTION_STRING, "default", 0, 0, 0, "the pool this host belongs to"},
    {"labels", OPTION_STRING, NULL, 0, 0, 0, "k=v,k=v: what selectors match"},
    {"state_dir", OPTION_STRING, "/var/lib/fairlead-agent", 0, 0, 0,
	"records and executors; one agent at a time"},
    {"shim_path", OPTION_STRING, NULL, 0, 0, 0, "fairlead-shim; next to this program when unset"},
    {"cgroup", OPTION_STRING, "auto", 0, 0, 0, "auto, v2, hybrid or none"},
    {"cpu_millis", OPTION_INT, NULL, 0, 0, 100000000, "capacity; 0: every processor"},
    {"memory_bytes", OPTION_BYTES, NULL, 0, 0, INT64_MAX, "capacity; 0: all memory"},
    {"disk_bytes", OPTION_BYTES, NULL, 0, 0, INT64_MAX,
	"capacity; 0: the file system of state_dir"},
    {"gpus", OPTION_INT, "0", 0, 0, 1024, "capacity"},
    {"slots", OPTION_INT, "1000", 0, 0, 4096, "capacity"},
    {"heartbeat_interval", OPTION_DURATION_MS, "5s", 0, 500, 60000,
	"until a hello was answered; then the control plane's setting"},
    {"enable_fake", OPTION_BOOL, "false", 0, 0, 0,
	"offer the fake driver: nothing runs, for tests"},
    {"stop_executors_on_exit", OPTION_BOOL, "false", 0, 0, 0,
	"SIGTERM stops executors too; otherwise the next agent adopts them"},
    PROGRAM_LOG_OPTIONS,
    {0},
};
