#include "selector.h"

#include <string.h>

#include "arena.h"
#include "err.h"

enum op { OP_PRESENT, OP_ABSENT, OP_IN, OP_NOT_IN };

struct term {
	enum op op;
	const char *key;
	const char **values;
	size_t value_count;
};

struct selector {
	size_t count;
	struct term terms[SELECTOR_TERMS_MAX];
};

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_SIGN, TOKEN_BAD };

/* One token ahead.  Signs are && ! = != ( ) and the comma; everything else is a word. */
struct scanner {
	const char *text, *at; /* at: behind the token */
	const char *token;
	size_t length;
	enum token_kind kind;
	struct arena *arena;
	struct err *err;
};

static bool
word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("_-./:", c));
}

static void
scan(struct scanner *s)
{
	static const char *const signs[] = {"&&", "!=", "!", "=", "(", ")", ","};

	s->at += strspn(s->at, " \t");
	s->token = s->at;
	s->length = 0;
	while (word_char(s->token[s->length]))
		s->length++;
	s->kind = s->length ? TOKEN_WORD : *s->token ? TOKEN_BAD : TOKEN_END;
	for (size_t i = 0; s->kind == TOKEN_BAD && i < COUNT_OF(signs); i++) {
		size_t n = strlen(signs[i]);
		if (strncmp(s->token, signs[i], n) == 0) {
			s->kind = TOKEN_SIGN;
			s->length = n;
		}
	}
	if (s->kind == TOKEN_BAD)
		s->length = 1;
	s->at = s->token + s->length;
}

static bool
is(const struct scanner *s, enum token_kind kind, const char *text)
{
	return s->kind == kind && s->length == strlen(text) &&
	       memcmp(s->token, text, s->length) == 0;
}

static int
refuse(struct scanner *s, const char *wanted)
{
	size_t position = (size_t)(s->token - s->text) + 1;

	if (s->kind == TOKEN_END)
		return err_field(s->err, ERR_INVALID, "selector",
		    "selector ends at position %zu where %s was expected", position, wanted);
	return err_field(s->err, ERR_INVALID, "selector",
	    "selector: '%.*s' at position %zu where %s was expected",
	    s->length > 40 ? 40 : (int)s->length, s->token, position, wanted);
}

static int
no_memory(struct scanner *s)
{
	return err_set(s->err, ERR_LIMIT, "selector: out of memory");
}

/* Takes the word under the scanner. */
static int
take_word(struct scanner *s, const char *wanted, const char **ret)
{
	if (s->kind != TOKEN_WORD)
		return refuse(s, wanted);
	*ret = arena_strndup(s->arena, s->token, s->length);
	if (!*ret)
		return no_memory(s);
	scan(s);
	return 0;
}

static int
parse_list(struct scanner *s, struct term *t)
{
	/* A list holds at most one value per two characters of what is left. */
	size_t room = strlen(s->token) / 2 + 1;

	if (!is(s, TOKEN_SIGN, "("))
		return refuse(s, "(");
	t->values = arena_calloc(s->arena, room, sizeof(*t->values));
	if (!t->values)
		return no_memory(s);
	do {
		scan(s); /* the ( or the comma */
		if (take_word(s, "a value", &t->values[t->value_count]) != 0)
			return -1;
		t->value_count++;
	} while (is(s, TOKEN_SIGN, ","));
	if (!is(s, TOKEN_SIGN, ")"))
		return refuse(s, "a comma or )");
	scan(s);
	return 0;
}

static int
parse_value(struct scanner *s, struct term *t)
{
	t->values = arena_calloc(s->arena, 1, sizeof(*t->values));
	if (!t->values)
		return no_memory(s);
	scan(s); /* the = or != */
	t->value_count = 1;
	return take_word(s, "a value", &t->values[0]);
}

static int
parse_term(struct scanner *s, struct term *t)
{
	if (is(s, TOKEN_SIGN, "!")) {
		t->op = OP_ABSENT;
		scan(s);
		return take_word(s, "a label key", &t->key);
	}
	if (take_word(s, "a label key or !", &t->key) != 0)
		return -1;
	if (is(s, TOKEN_SIGN, "=") || is(s, TOKEN_SIGN, "!=")) {
		t->op = *s->token == '=' ? OP_IN : OP_NOT_IN;
		return parse_value(s, t);
	}
	if (is(s, TOKEN_WORD, "in") || is(s, TOKEN_WORD, "notin")) {
		t->op = *s->token == 'i' ? OP_IN : OP_NOT_IN;
		scan(s);
		return parse_list(s, t);
	}
	t->op = OP_PRESENT;
	return 0;
}

static int
parse_terms(struct scanner *s, struct selector *selector)
{
	scan(s);
	if (s->kind == TOKEN_END)
		return 0;
	for (;;) {
		if (selector->count == SELECTOR_TERMS_MAX)
			return err_field(s->err, ERR_LIMIT, "selector",
			    "selector has more than %d terms", SELECTOR_TERMS_MAX);
		if (parse_term(s, &selector->terms[selector->count]) != 0)
			return -1;
		selector->count++;
		if (s->kind == TOKEN_END)
			return 0;
		if (!is(s, TOKEN_SIGN, "&&"))
			return refuse(s, "=, !=, in, notin, && or the end");
		scan(s);
	}
}

int
selector_parse(const char *text, struct arena *arena, struct selector **ret, struct err *err)
{
	struct selector *selector = arena_alloc(arena, sizeof(*selector));
	struct scanner s = {.text = text ? text : "", .arena = arena, .err = err};

	if (!selector)
		return no_memory(&s);
	if (strnlen(s.text, SELECTOR_TEXT_MAX + 1) > SELECTOR_TEXT_MAX)
		return err_field(err, ERR_LIMIT, "selector", "selector has more than %d bytes",
		    SELECTOR_TEXT_MAX);
	s.at = s.text;
	if (parse_terms(&s, selector) != 0)
		return -1;
	*ret = selector;
	return 0;
}

static bool
term_match(const struct term *t, const char *value)
{
	bool listed = false;

	if (t->op == OP_PRESENT || t->op == OP_ABSENT)
		return (value != NULL) == (t->op == OP_PRESENT);
	for (size_t i = 0; value && !listed && i < t->value_count; i++)
		listed = strcmp(t->values[i], value) == 0;
	return listed == (t->op == OP_IN);
}

bool
selector_match(const struct selector *s, const struct label *labels, size_t n)
{
	for (size_t i = 0; s && i < s->count; i++) {
		const char *value = NULL;
		for (size_t j = 0; !value && j < n; j++)
			if (strcmp(labels[j].key, s->terms[i].key) == 0)
				value = labels[j].value;
		if (!term_match(&s->terms[i], value))
			return false;
	}
	return true;
}
