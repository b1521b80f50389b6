#include "pg_item.h"

#include <string.h>

#include "arena.h"
#include "err.h"

int
pg_item_read(
    const PGresult *r, int row, int first, struct arena *a, struct store_item *ret, struct err *err)
{
	*ret = (struct store_item){.executor_id = pg_id(r, row, first),
	    .generation = (uint64_t)pg_int(r, row, first + 1),
	    .host_seq = (uint64_t)pg_int(r, row, first + 2),
	    .desired = (enum desired_state)pg_int(r, row, first + 3),
	    .deadline_us = pg_time(r, row, first + 4),
	    .session = pg_text(r, row, first + 5, a),
	    .index = (uint32_t)pg_int(r, row, first + 6),
	    .attempt = (uint32_t)pg_int(r, row, first + 7),
	    .stop_grace_ms = (uint32_t)pg_int(r, row, first + 8)};
	if (!PQgetisnull(r, row, first + 9))
		ret->spec_body = pg_bytes(r, row, first + 9, a, &ret->spec_size);
	return ret->session && (ret->spec_body || ret->desired != DESIRED_RUN) ? 0
									       : pg_no_room(err);
}

/* Only items that still are the newest word about their executor: what was superseded is not sent.
 */
static const struct pg_statement load = {"messages_load",
    "SELECT " PG_ITEM_COLUMNS ", o.message_id, o.host_id, o.host_seq, h.encoding, h.journal_id,"
    " o.sent_at IS NOT NULL, (extract(epoch FROM clock_timestamp() - o.created_at) * 1e6)::int8"
    " FROM unnest($1::uuid[]) WITH ORDINALITY u(id, n) JOIN outbox o ON o.message_id = u.id"
    " JOIN host h ON h.host_id = o.host_id JOIN command c ON c.message_id = o.message_id"
    " JOIN executor e ON e.executor_id = c.executor_id AND e.generation = c.generation"
    " JOIN session s ON s.session_id = e.session_id"
    " JOIN executor_spec p ON p.session_id = e.session_id AND p.revision = e.revision"
    " WHERE h.state <> 4 AND c.outcome IS NULL ORDER BY u.n, c.executor_id"};

static int
message_open(
    const PGresult *r, int row, struct arena *a, struct store_message *ret, struct err *err)
{
	const int at = PG_ITEM_COLUMN_COUNT;

	*ret = (struct store_message){.message_id = pg_id(r, row, at),
	    .host_id = pg_text(r, row, at + 1, a),
	    .host_seq = (uint64_t)pg_int(r, row, at + 2),
	    .encoding = pg_text(r, row, at + 3, a),
	    .journal_id = pg_id(r, row, at + 4),
	    .resend = pg_bool(r, row, at + 5),
	    .age_us = pg_int(r, row, at + 6),
	    .items = arena_calloc(a, STORE_MESSAGE_ITEMS_MAX, sizeof(*ret->items))};
	return ret->host_id && ret->encoding && ret->items ? 0 : pg_no_room(err);
}

int
pg_messages_load(struct pg *pg, const struct id *message_ids, size_t n, struct arena *a,
    struct store_message **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;
	struct store_message *messages = arena_calloc(a, n + 1, sizeof(*messages)), *m = NULL;
	struct pg_params p;
	struct pg_array ids;
	size_t count = 0;

	*ret = messages;
	*ret_n = 0;
	if (!messages)
		return pg_no_room(err);
	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	pg_array_begin(&ids, &p, PG_UUID, n);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(&ids, &message_ids[i]);
	pg_array_end(&ids);
	if (pg_run(pg, &load, &p, &r, err) != 0)
		return -1;
	for (int row = 0; row < PQntuples(r); row++) {
		struct id id = pg_id(r, row, PG_ITEM_COLUMN_COUNT);

		if (!m || !id_equal(&m->message_id, &id)) {
			m = &messages[count++];
			if (message_open(r, row, a, m, err) != 0)
				return -1;
		}
		if (m->item_count == STORE_MESSAGE_ITEMS_MAX)
			continue;
		if (pg_item_read(r, row, 0, a, &m->items[m->item_count], err) != 0)
			return -1;
		m->item_count++;
	}
	*ret_n = count;
	return 0;
}
