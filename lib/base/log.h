/* log: a stable event name and typed fields; stderr only, one write per line.
 *
 *     log_info("executor.running", LOG_ID("executor", &id), LOG_MS("took", took_us));
 *
 * logfmt when stderr is a terminal, JSON lines otherwise.  Libraries never log above DEBUG.
 * Thread safe. */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct err;
struct id;
struct options;

enum log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARN_LEVEL, LOG_ERROR_LEVEL };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
enum log_type {
	LOG_TYPE_STRING,
	LOG_TYPE_INT,
	LOG_TYPE_UINT,
	LOG_TYPE_MS,
	LOG_TYPE_ID,
	LOG_TYPE_ERR
};

struct log_field {
	const char *key;
	enum log_type type;
	union {
		const char *string;
		int64_t integer;
		uint64_t uinteger;
		const struct id *id;
		const struct err *err;
	} value;
};

#define LOG_STR(k, v) ((struct log_field){.key = (k), .type = LOG_TYPE_STRING, .value.string = (v)})
#define LOG_INT(k, v)                                                                              \
	((struct log_field){.key = (k), .type = LOG_TYPE_INT, .value.integer = (int64_t)(v)})
#define LOG_UINT(k, v)                                                                             \
	((struct log_field){.key = (k), .type = LOG_TYPE_UINT, .value.uinteger = (uint64_t)(v)})
/* v: microseconds; printed as milliseconds with three decimals. */
#define LOG_MS(k, v)                                                                               \
	((struct log_field){.key = (k), .type = LOG_TYPE_MS, .value.integer = (int64_t)(v)})
#define LOG_ID(k, v) ((struct log_field){.key = (k), .type = LOG_TYPE_ID, .value.id = (v)})
#define LOG_ERR(v) ((struct log_field){.key = "error", .type = LOG_TYPE_ERR, .value.err = (v)})

/* Called once by main before threads start.  service and instance are on every line. */
void log_init(
    enum log_level level, enum log_format format, const char *service, const char *instance);
/* The same, as options log_level and log_format ask for. */
MUST_USE int log_configure(
    const struct options *options, const char *service, const char *instance, struct err *err);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);

#define LOG_AT(level, event, ...)                                                                  \
	log_write((level), (event), (const struct log_field[]){__VA_ARGS__},                       \
	    sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
/* At least one field is needed: LOG_STR("why", ...) when nothing else fits. */
#define log_debug(event, ...) LOG_AT(LOG_DEBUG_LEVEL, event, __VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_INFO_LEVEL, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_WARN_LEVEL, event, __VA_ARGS__)
#define log_error(event, ...) LOG_AT(LOG_ERROR_LEVEL, event, __VA_ARGS__)

#endif
