/* plan_topology: hosts sorted by the value of one label. */
#ifndef PLAN_TOPOLOGY_H
#define PLAN_TOPOLOGY_H

#include "plan.h"

#define PLAN_NO_DOMAIN UINT32_MAX

/* A domain is all hosts of one value, 0 .. domain_count.  Without arrays each host is a domain
 * (key PLAN_KEY_HOST), or all hosts are one (no key). */
struct plan_topology {
	const char *key;
	uint32_t host_count, domain_count;
	uint32_t *domains; /* of each host; PLAN_NO_DOMAIN: it lacks the label */
	uint32_t *members; /* hosts by domain, then index */
	uint32_t *starts;  /* where each domain begins in members; one more than domains */
};

/* key NULL: one domain of all.  Kept in f when there is room for one more; else it lives in the
 * scratch arena.  NULL: no memory. */
struct plan_topology *plan_topology_get(struct plan_fleet *f, const char *key);
uint32_t plan_topology_domain(const struct plan_topology *t, uint32_t host);
uint32_t plan_topology_size(const struct plan_topology *t, uint32_t domain);
/* The i-th host of a domain. */
uint32_t plan_topology_member(const struct plan_topology *t, uint32_t domain, uint32_t i);

#endif
