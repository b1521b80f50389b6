#include "command.h"

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "name.h"

int
command_item_encode(const struct store_item *row, struct arena *arena,
    Fairlead__V1__CommandItem **ret, struct err *err)
{
	Fairlead__V1__CommandItem *m = arena_alloc(arena, sizeof(*m));
	char name[EXECUTOR_NAME_BYTES];
	ProtobufCMessage *spec;

	if (!m)
		return err_set(err, ERR_LIMIT, "command is larger than there is room for");
	fairlead__v1__command_item__init(m);
	m->executor_id = wire_bytes_of_id(&row->executor_id, arena);
	m->generation = row->generation;
	m->desired = (Fairlead__V1__Desired)row->desired;
	m->host_seq = row->host_seq;
	m->deadline_us = row->deadline_us;
	m->attempt = row->attempt;
	m->stop_grace_ms = row->stop_grace_ms;
	m->name =
	    arena_strdup(arena, executor_name_format(row->session, row->index, row->attempt, name));
	if (!m->name || !m->executor_id.data)
		return err_set(err, ERR_LIMIT, "command is larger than there is room for");
	if (row->desired == DESIRED_RUN) {
		if (wire_decode(&fairlead__v1__executor_spec__descriptor, WIRE_PROTOBUF,
			row->spec_body, row->spec_size, arena, &spec, err) != 0)
			return err_wrap(err, "stored spec of %s", m->name);
		m->spec = (Fairlead__V1__ExecutorSpec *)spec;
	}
	*ret = m;
	return 0;
}
