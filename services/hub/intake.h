/* intake: reports from FL_REPORTS into Postgres (K14, K18).
 *
 * A fetch thread decodes and folds ahead of two commit threads, each of which joins a batch in one
 * statement; messages are acknowledged only after that commit, by another thread.  Several hubs
 * pull the same durable, so batches may commit in any order. */
#ifndef INTAKE_H
#define INTAKE_H

#include "compiler.h"

struct err;
struct hub;
struct intake;

MUST_USE int intake_start(struct hub *h, struct intake **ret, struct err *err);
/* Fetches nothing more; intake_stop waits for what is under way.  NULL is fine. */
void intake_close(struct intake *s);
/* What was fetched is committed and acknowledged first, unless Postgres does not answer: then it is
 * given back.  NULL is fine. */
void intake_stop(struct intake *s);

#endif
