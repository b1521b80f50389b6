#include "patience.h"

#include <stdio.h>

#include "clock.h"
#include "err.h"

void
patience_begin(struct patience *p, int silent_ms)
{
	*p = (struct patience){.silent_ms = silent_ms};
	patience_heard(p);
}

void
patience_heard(struct patience *p)
{
	p->heard_us = clock_mono_us(clock_system());
	p->waiting = false;
}

bool
patience_lasts(struct patience *p, struct err *err)
{
	if (err->kind != ERR_UNAVAILABLE && err->kind != ERR_TIMEOUT)
		return false;
	if (clock_mono_us(clock_system()) - p->heard_us >= p->silent_ms * MS_US) {
		err->kind = ERR_UNAVAILABLE;
		return false;
	}
	if (!p->waiting)
		fprintf(stderr, "fairlead: waiting: %s\n", err->text);
	p->waiting = true;
	return true;
}
