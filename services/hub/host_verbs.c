#include "host_verbs.h"

#include "fairlead/v1/host.pb-c.h"

const struct host_verb host_verbs[] = {
    {"hello", &fairlead__v1__hello__descriptor, handle_hello},
    {"sync", &fairlead__v1__sync_request__descriptor, handle_sync},
};
const size_t host_verb_count = COUNT_OF(host_verbs);
