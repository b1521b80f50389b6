#include "id.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "err.h"

/* The 74 random bits of a UUIDv7 as two numbers: high is rand_a (12), low is rand_b (62). */
#define HIGH_BITS 12
#define LOW_BITS 62
#define LOW_MAX ((UINT64_C(1) << LOW_BITS) - 1)
#define HIGH_MAX ((UINT64_C(1) << HIGH_BITS) - 1)

static struct id
pack(uint64_t time_ms, uint64_t high, uint64_t low)
{
	struct id id;

	for (int i = 0; i < 6; i++)
		id.bytes[i] = (uint8_t)(time_ms >> (40 - 8 * i));
	id.bytes[6] = (uint8_t)(0x70 | (high >> 8));
	id.bytes[7] = (uint8_t)high;
	for (int i = 0; i < 8; i++)
		id.bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	return id;
}

struct id
id_new(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static uint64_t last_ms, high, low;
	struct timespec now;
	uint64_t random[2];

	/* Fresh randomness every time: a pool would be shared with a forked child. */
	ssize_t got = getrandom(random, sizeof(random), 0);
	assert(got == (ssize_t)sizeof(random));
	(void)got;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;

	pthread_mutex_lock(&lock);
	if (now_ms > last_ms) {
		last_ms = now_ms;
		high = random[0] & (HIGH_MAX >> 1); /* half of the range is room to count up */
		low = random[1] & LOW_MAX;
	} else {
		/* The same millisecond, or the wall clock went back: count on from the last id. */
		low += (random[0] & UINT32_MAX) + 1;
		if (low > LOW_MAX) {
			low &= LOW_MAX;
			high++;
		}
		if (high > HIGH_MAX) {
			high = 0;
			last_ms++;
		}
	}
	struct id id = pack(last_ms, high, low);
	pthread_mutex_unlock(&lock);
	return id;
}

struct id
id_from_parts(uint64_t time_ms, uint64_t random)
{
	/* All 64 bits are kept, in order: 12 in rand_a, 52 at the top of rand_b. */
	return pack(time_ms, random >> 52, (random << HIGH_BITS) >> 2);
}

bool
id_is_zero(const struct id *id)
{
	static const struct id zero;

	return id_equal(id, &zero);
}

int
id_compare(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, ID_BYTES);
}

bool
id_equal(const struct id *a, const struct id *b)
{
	return id_compare(a, b) == 0;
}

char *
id_to_hex(const struct id *id, char buffer[ID_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < ID_BYTES; i++) {
		buffer[2 * i] = digits[id->bytes[i] >> 4];
		buffer[2 * i + 1] = digits[id->bytes[i] & 15];
	}
	buffer[2 * ID_BYTES] = '\0';
	return buffer;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
id_from_hex(const char *text, struct id *ret_id, struct err *err)
{
	size_t length = strnlen(text, 37);
	bool dashed = length == 36;
	struct id id = {{0}};

	if (!dashed && length != 32)
		return err_set(err, ERR_INVALID, "\"%.40s\" is not an id: 32 hex digits", text);
	for (size_t i = 0, digit = 0; i < length; i++) {
		if (dashed && (i == 8 || i == 13 || i == 18 || i == 23)) {
			if (text[i] != '-')
				return err_set(err, ERR_INVALID,
				    "\"%s\" is not an id: no dash at %zu", text, i);
			continue;
		}
		int value = hex_value(text[i]);
		if (value < 0)
			return err_set(
			    err, ERR_INVALID, "\"%s\" is not an id: 32 hex digits", text);
		id.bytes[digit / 2] = (uint8_t)(id.bytes[digit / 2] << 4 | value);
		digit++;
	}
	*ret_id = id;
	return 0;
}

int
id_from_bytes(const void *data, size_t size, struct id *ret_id, struct err *err)
{
	if (size != ID_BYTES)
		return err_set(err, ERR_INVALID, "an id has %d bytes, not %zu", ID_BYTES, size);
	memcpy(ret_id->bytes, data, ID_BYTES);
	return 0;
}
