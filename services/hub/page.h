/* page: the one rule for `limit` in list requests. */
#ifndef PAGE_H
#define PAGE_H

#include <stdint.h>

#include "err.h"
#include "hub_bounds.h"

#define PAGE_DEFAULT 100

/* 0: PAGE_DEFAULT.  ERR_LIMIT above PAGE_MAX. */
static inline int
page_limit(uint32_t asked, uint32_t *ret, struct err *err)
{
	if (asked > PAGE_MAX)
		return err_field(err, ERR_LIMIT, "limit", "a page has at most %d rows", PAGE_MAX);
	*ret = asked ? asked : PAGE_DEFAULT;
	return 0;
}

#endif
