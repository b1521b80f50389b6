/* bus_servers_said: lists of servers without their secrets. */
#include "test.h"

#include <string.h>

#include "bus.h"

static void
hosts_are_said_and_credentials_are_not(void **state)
{
	static const struct {
		const char *servers, *said;
	} rows[] = {
	    {"", ""},
	    {"nats://n1:4222", "nats://n1:4222"},
	    {"nats://u:secret@n1:4222", "nats://n1:4222"},
	    {"u:secret@n1", "n1"},
	    {"tls://u:se@cret@n1:4222,nats://n2, nats://u:secret@[::1]:4222",
		"tls://n1:4222,nats://n2, nats://[::1]:4222"},
	    {"nats://token@", "nats://"},
	};
	char buffer[96];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(
		    bus_servers_said(rows[i].servers, buffer, sizeof(buffer)), rows[i].said);
}

static void
a_list_that_is_too_long_is_cut(void **state)
{
	char buffer[12];

	(void)state;
	assert_string_equal(
	    bus_servers_said("nats://u:p@n1:4222,nats://n2", buffer, sizeof(buffer)),
	    "nats://n1:4");
	assert_string_equal(bus_servers_said("nats://u:p@n1", buffer, 1), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hosts_are_said_and_credentials_are_not),
	    cmocka_unit_test(a_list_that_is_too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
