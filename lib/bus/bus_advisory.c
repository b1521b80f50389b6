#include "bus_advisory.h"

#include <stdio.h>
#include <string.h>
#include <jansson.h>

#include "bus.h"
#include "compiler.h"

#define PREFIX "$JS.EVENT.ADVISORY.CONSUMER."

static const struct {
	const char *subject, *reason;
} kinds[] = {
    {PREFIX "MAX_DELIVERIES.", "max_deliveries"}, {PREFIX "MSG_TERMINATED.", "terminated"}};

/* One line: what is quoted comes from whoever terminated the message. */
static void
text_get(const json_t *body, const char *key, char *buffer, size_t size)
{
	const char *value = json_string_value(json_object_get(body, key));

	snprintf(buffer, size, "%s", value ? value : "");
	for (char *c = buffer; *c; c++) {
		if ((unsigned char)*c < ' ')
			*c = ' ';
	}
}

static uint64_t
number_get(const json_t *body, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(body, key));

	return value > 0 ? (uint64_t)value : 0;
}

bool
bus_advisory_read(const struct bus_msg *m, struct bus_advisory *ret)
{
	const char *subject = bus_msg_subject(m);
	size_t i = 0;

	while (i < COUNT_OF(kinds) &&
	       strncmp(subject, kinds[i].subject, strlen(kinds[i].subject)) != 0)
		i++;
	if (i == COUNT_OF(kinds))
		return false;
	*ret = (struct bus_advisory){.reason = kinds[i].reason};
	json_t *body = json_loadb(bus_msg_data(m), bus_msg_size(m), 0, NULL);
	text_get(body, "stream", ret->stream, sizeof(ret->stream));
	text_get(body, "consumer", ret->consumer, sizeof(ret->consumer));
	text_get(body, "reason", ret->text, sizeof(ret->text));
	ret->stream_seq = number_get(body, "stream_seq");
	ret->deliveries = number_get(body, "deliveries");
	json_decref(body);
	return true;
}
