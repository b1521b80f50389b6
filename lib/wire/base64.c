#include "base64.h"

#include <stdint.h>
#include <string.h>

#include "arena.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *
base64_encode(const void *data, size_t size, struct arena *arena)
{
	const uint8_t *in = data;
	char *text = arena_calloc(arena, size / 3 + 1, 4), *out = text;

	if (!text)
		return NULL;
	/* The last group may be short: what is missing counts as zero and prints as '='. */
	for (size_t i = 0; i < size; i += 3) {
		size_t left = size - i;
		uint32_t group = (uint32_t)in[i] << 16;
		group |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
		group |= left > 2 ? (uint32_t)in[i + 2] : 0;
		*out++ = digits[group >> 18 & 63];
		*out++ = digits[group >> 12 & 63];
		*out++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[group & 63] : '=';
	}
	*out = '\0';
	return text;
}

int
base64_decode(const char *text, struct arena *arena, void **ret_data, size_t *ret_size)
{
	size_t length = strlen(text), size = length / 4 * 3, padding = 0;
	uint8_t *data, *out;

	if (length % 4 != 0)
		return -1;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	*ret_data = data = out = arena_alloc(arena, size);
	if (!data)
		return 0;
	for (size_t i = 0; i < length; i += 4) {
		uint32_t group = 0;
		for (size_t j = 0; j < 4; j++) {
			const char *digit = strchr(digits, text[i + j]);
			if (i + j >= length - padding)
				digit = digits; /* padding counts as zero */
			if (!digit)
				return -1;
			group = group << 6 | (uint32_t)(digit - digits);
		}
		*out++ = (uint8_t)(group >> 16);
		*out++ = (uint8_t)(group >> 8);
		*out++ = (uint8_t)group;
	}
	*ret_size = size - padding;
	return 0;
}
