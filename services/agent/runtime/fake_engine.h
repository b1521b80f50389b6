/* fake_engine: the fake driver without a loop: a set of scripted executors and the times at which
 * they do things.
 *
 * For driver fake, and for the fleet simulator, which asks thousands of engines for their next time
 * and ticks those that are due.  Nothing is reported from inside start, stop or destroy: a tick
 * says it, in the order in which it was due.  Nothing runs and nothing is kept on disk: executors
 * end with the engine. */
#ifndef FAKE_ENGINE_H
#define FAKE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "driver.h"

struct err;
struct fake_engine;

/* on_event may start, stop and destroy. */
MUST_USE int fake_engine_new(void (*on_event)(void *arg, const struct driver_event *event),
    void *arg, struct fake_engine **ret, struct err *err);
void fake_engine_free(struct fake_engine *e);
MUST_USE int fake_engine_start(struct fake_engine *e, int64_t now_us, const struct id *executor_id,
    uint32_t incarnation, const char *script, struct err *err);
void fake_engine_stop(
    struct fake_engine *e, int64_t now_us, const struct id *executor_id, uint32_t grace_ms);
MUST_USE int fake_engine_destroy(
    struct fake_engine *e, int64_t now_us, const struct id *executor_id, struct err *err);
bool fake_engine_has(const struct fake_engine *e, const struct id *executor_id);
size_t fake_engine_count(const struct fake_engine *e);
/* When tick has something to say; INT64_MAX: never. */
int64_t fake_engine_next_us(const struct fake_engine *e);
/* Says what is due at now_us; bounded, so next_us may be due again at once. */
void fake_engine_tick(struct fake_engine *e, int64_t now_us);

#endif
