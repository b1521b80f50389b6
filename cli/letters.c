#include "letters.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "output.h"

#include "fairlead/v1/api.pb-c.h"

#define PAGE 200

static void
letter_row(struct table *t, const Fairlead__V1__DeadLetter *m)
{
	char seq[24], age[32], body[96], size[32];

	snprintf(seq, sizeof(seq), "%" PRIu64, m->seq);
	snprintf(body, sizeof(body), "%s, %s", output_bytes(m->body_size, size, sizeof(size)),
	    m->payload);
	table_row(t, (const char *[]){seq, output_age(m->at_us, age, sizeof(age)), m->reason,
			 *m->host ? m->host : NULL, *m->subject ? m->subject : NULL,
			 *m->payload ? body : NULL, m->text});
}

static int
page_print(struct cli *c, const Fairlead__V1__LetterListAnswer *a, struct table **t)
{
	static const char *const columns[] = {
	    "LETTER", "AGE", "REASON", "FROM", "SUBJECT", "BODY", "WHY", NULL};

	if (c->output != CLI_TABLE)
		return cli_print(c, &a->base);
	if (!*t && a->n_letters > 0)
		*t = table_new(columns);
	for (size_t i = 0; *t && i < a->n_letters; i++)
		letter_row(*t, a->letters[i]);
	return 0;
}

int
letters_print(struct cli *c, const struct letters *l)
{
	Fairlead__V1__LetterListRequest q = FAIRLEAD__V1__LETTER_LIST_REQUEST__INIT;
	const Fairlead__V1__LetterListAnswer *a;
	uint64_t left = l->limit;
	struct table *t = NULL;
	struct err err = {0};
	ProtobufCMessage *m;
	int code = 0;

	q.host = (char *)(uintptr_t)(l->host ? l->host : "");
	q.reason = (char *)(uintptr_t)(l->reason ? l->reason : "");
	q.since_us = l->since_us;
	do {
		q.limit = (uint32_t)(left < PAGE ? left : PAGE);
		if (cli_call(c, "letter", "list", &q.base,
			&fairlead__v1__letter_list_answer__descriptor, &m, &err) != 0) {
			code = cli_fail(&err);
			break;
		}
		a = (Fairlead__V1__LetterListAnswer *)m;
		code = page_print(c, a, &t);
		left -= a->n_letters < left ? a->n_letters : left;
		q.after = a->next;
	} while (code == 0 && left > 0 && *q.after);
	if (t)
		putchar('\n'); /* below the commands */
	table_print_free(t);
	if (code == 0 && c->output == CLI_TABLE && *q.after)
		printf("older ones: --limit above %" PRIu64 "\n", l->limit);
	return code;
}
