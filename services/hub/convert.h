/* convert: rows of the store -> messages of the API.  Everything lives in the arena. */
#ifndef CONVERT_H
#define CONVERT_H

#include "compiler.h"
#include "store.h"

#include "fairlead/v1/api.pb-c.h"

MUST_USE int convert_session(
    const struct store_session *row, struct arena *a, Fairlead__V1__Session **ret, struct err *err);
MUST_USE int convert_executor(const struct store_executor *row, bool with_spec, struct arena *a,
    Fairlead__V1__Executor **ret, struct err *err);
MUST_USE int convert_host(const struct store_host *row, int64_t now_us, int64_t heard_us,
    struct arena *a, Fairlead__V1__Host **ret, struct err *err);
MUST_USE int convert_unknown(const struct store_unknown *rows, size_t n, struct arena *a,
    Fairlead__V1__UnknownExecutor ***ret, struct err *err);
MUST_USE int convert_command(const struct store_command *row, struct arena *a,
    Fairlead__V1__HostCommand **ret, struct err *err);
/* What happened to it, in order of time. */
MUST_USE int convert_history(const struct store_command *row, struct arena *a,
    Fairlead__V1__CommandStep ***ret, size_t *ret_n, struct err *err);
MUST_USE int convert_why(const struct store_why *rows, size_t n, struct arena *a,
    Fairlead__V1__WhyReason ***ret, struct err *err);
MUST_USE int convert_avoided(const struct store_avoided *rows, size_t n, struct arena *a,
    Fairlead__V1__AvoidedHost ***ret, size_t *ret_n, struct err *err);
void convert_counters(const uint64_t by_state[100], Fairlead__V1__Counters *ret);

#endif
