/* codec_yaml_write: a message as the YAML of its JSON form. */
#include "codec_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

#include "arena.h"
#include "err.h"

struct emitter {
	yaml_emitter_t yaml;
	int precision; /* of reals */
};

/* What readers of YAML 1.1 or 1.2 take for a bool or null when it stands unquoted. */
static const char *const words[] = {
    "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"};

static bool
has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* Text must read back as text.  Whatever may be a number, a date or a sign begins with no letter;
 * what the syntax forbids to stand plain is quoted by the library itself. */
static yaml_scalar_style_t
style_of(const char *text)
{
	if (has_control(text))
		return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	if (!isalpha((unsigned char)*text) && *text != '_' && *text != '/')
		return YAML_SINGLE_QUOTED_SCALAR_STYLE;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return YAML_SINGLE_QUOTED_SCALAR_STYLE;
	return YAML_ANY_SCALAR_STYLE;
}

static bool
emit_scalar(struct emitter *e, const char *text, size_t size, yaml_scalar_style_t style)
{
	yaml_event_t event;

	return yaml_scalar_event_initialize(
		   &event, NULL, NULL, (const yaml_char_t *)text, (int)size, 1, 1, style) &&
	       yaml_emitter_emit(&e->yaml, &event);
}

static bool
emit_text(struct emitter *e, const char *text)
{
	return emit_scalar(e, text, strlen(text), style_of(text));
}

/* Numbers, bools and null stand as JSON writes them. */
static bool
emit_plain(struct emitter *e, const json_t *json)
{
	char text[64];
	size_t size = json_dumpb(
	    json, text, sizeof(text), JSON_ENCODE_ANY | JSON_REAL_PRECISION((size_t)e->precision));

	return size > 0 && size <= sizeof(text) &&
	       emit_scalar(e, text, size, YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_node(struct emitter *e, json_t *json);

static bool
emit_object(struct emitter *e, json_t *object)
{
	yaml_event_t event;
	const char *key;
	json_t *value;

	if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE) ||
	    !yaml_emitter_emit(&e->yaml, &event))
		return false;
	json_object_foreach(
	    object, key, value) if (!emit_text(e, key) || !emit_node(e, value)) return false;
	return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(&e->yaml, &event);
}

static bool
emit_list(struct emitter *e, json_t *list)
{
	yaml_event_t event;
	json_t *value;
	size_t i;

	if (!yaml_sequence_start_event_initialize(
		&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE) ||
	    !yaml_emitter_emit(&e->yaml, &event))
		return false;
	json_array_foreach(list, i, value) if (!emit_node(e, value)) return false;
	return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(&e->yaml, &event);
}

static bool
emit_node(struct emitter *e, json_t *json)
{
	if (json_is_object(json))
		return emit_object(e, json);
	if (json_is_array(json))
		return emit_list(e, json);
	if (json_is_string(json))
		return emit_text(e, json_string_value(json));
	return emit_plain(e, json);
}

static bool
emit_stream(struct emitter *e, json_t *json)
{
	yaml_event_t event;

	return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	       yaml_emitter_emit(&e->yaml, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(&e->yaml, &event) && emit_node(e, json) &&
	       yaml_document_end_event_initialize(&event, 1) &&
	       yaml_emitter_emit(&e->yaml, &event) && yaml_stream_end_event_initialize(&event) &&
	       yaml_emitter_emit(&e->yaml, &event);
}

static bool
emit_file(FILE *out, json_t *json, int precision)
{
	struct emitter e = {.precision = precision};
	bool done;

	if (!yaml_emitter_initialize(&e.yaml))
		return false;
	yaml_emitter_set_output_file(&e.yaml, out);
	yaml_emitter_set_unicode(&e.yaml, 1);
	yaml_emitter_set_width(&e.yaml, -1);
	done = emit_stream(&e, json);
	yaml_emitter_delete(&e.yaml);
	return done;
}

int
wire_to_yaml(const ProtobufCMessage *m, struct arena *arena, char **ret, struct err *err)
{
	int precision;
	json_t *json = codec_json_write(m, &precision, err);
	char *text = NULL, *copy = NULL;
	size_t size = 0;
	FILE *out;
	bool done;

	if (!json)
		return -1;
	out = open_memstream(&text, &size);
	done = out && emit_file(out, json, precision);
	json_decref(json);
	if (out && fclose(out) == 0 && done)
		copy = arena_strdup(arena, text);
	free(text);
	if (!copy)
		return err_set(err, ERR_LIMIT, "message needs more memory than there is for it");
	*ret = copy;
	return 0;
}
