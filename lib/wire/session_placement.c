#include "session_placement.h"

#include <string.h>

#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "selector.h"

void
session_placement_defaults(Fairlead__V1__PlacementSpec *p)
{
	if (*p->spread && p->max_skew == 0)
		p->max_skew = 1;
	if (*p->anti_affinity && p->max_per_value == 0)
		p->max_per_value = 1;
}

/* Whatever a selector can name. */
static int
check_key(const char *key, const char *field, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-./:";

	if (key[strspn(key, allowed)] == '\0')
		return 0;
	return err_field(err, ERR_INVALID, field,
	    "%s: \"%.63s\" is no label key; allowed: letters, digits and _ - . / :, or host for "
	    "each host by itself",
	    field, key);
}

/* A number that counts something needs that something. */
static int
check_pair(
    const char *key, uint32_t number, const char *field, const char *key_field, struct err *err)
{
	if (number == 0 || *key)
		return 0;
	return err_field(err, ERR_INVALID, field,
	    "%s: %u says nothing without %s: a label key, or host for each host by itself", field,
	    number, key_field);
}

int
session_placement_check(const Fairlead__V1__PlacementSpec *p, struct arena *arena, struct err *err)
{
	struct selector *selector;

	if (selector_parse(p->selector, arena, &selector, err) != 0) {
		struct err inner = *err;

		return err_field(
		    err, inner.kind, "placement.selector", "placement.selector: %s", inner.text);
	}
	if (check_key(p->spread, "placement.spread", err) != 0 ||
	    check_key(p->anti_affinity, "placement.anti_affinity", err) != 0)
		return -1;
	if (check_pair(p->spread, p->max_skew, "placement.max_skew", "spread", err) != 0)
		return -1;
	return check_pair(
	    p->anti_affinity, p->max_per_value, "placement.max_per_value", "anti_affinity", err);
}

const char *
session_spec_needs(const Fairlead__V1__SessionSpec *checked)
{
	bool restarts = strcmp(checked->restart->policy, "never") != 0;
	bool stops = checked->disconnect->stop_on_host_after_ms > 0;

	if (restarts && stops)
		return "restart stop_on_host_after";
	return restarts ? "restart" : stops ? "stop_on_host_after" : "";
}
