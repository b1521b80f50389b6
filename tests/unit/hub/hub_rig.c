#include "hub_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "hub_metrics.h"
#include "metrics.h"
#include "test.h"

static int
mute_server(char *url, size_t size)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	snprintf(url, size, "host=127.0.0.1 port=%u dbname=none", ntohs(address.sin_port));
	return fd;
}

int
hub_rig_setup(void **state)
{
	struct hub_rig *r = calloc(1, sizeof(*r));

	r->mute = mute_server(r->database_url, sizeof(r->database_url));
	r->metrics = metrics_new();
	r->hub = (struct hub){.settings = {.instance = "test",
				  .prefix = "fl",
				  .database_url = r->database_url,
				  .database_role = "",
				  .api_workers = 1,
				  .report_batch = 1},
	    .bus = bus_memory_new(clock_system(), false),
	    .metrics = hub_metrics_new(r->metrics)};
	r->hub.intake_bus = r->hub.bus;
	*state = r;
	return 0;
}

int
hub_rig_teardown(void **state)
{
	struct hub_rig *r = *state;

	bus_free(r->hub.bus);
	hub_metrics_free(r->hub.metrics);
	metrics_free(r->metrics);
	close(r->mute);
	free(r);
	return 0;
}
