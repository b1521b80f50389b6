/* api_spec: from a declared spec to what the store takes; shared by session.create and .update. */
#ifndef API_SPEC_H
#define API_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

#include "fairlead/v1/api.pb-c.h"

struct api;
struct arena;
struct err;
struct store_session_new;

/* Checks the spec, fills its defaults, and makes ids for its executors.  Everything lives in the
 * request's arena. */
MUST_USE int api_spec_prepare(struct api *api, Fairlead__V1__SessionSpec *spec,
    struct store_session_new *ret, struct err *err);
/* ERR_INVALID: no present host could ever fit the checked spec (E16). */
MUST_USE int api_spec_possible(
    struct api *api, const Fairlead__V1__SessionSpec *spec, struct err *err);
/* The spec a session was declared with, checked, defaults filled in. */
MUST_USE int api_spec_stored(struct api *api, const char *name, const char *json,
    Fairlead__V1__SessionSpec **ret, struct err *err);
MUST_USE int api_spec_warn(const Fairlead__V1__SessionSpec *spec, struct arena *a, char ***ret,
    size_t *ret_n, struct err *err);

#endif
