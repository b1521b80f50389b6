/* bus: the nats-servers of the cell: one, or a JetStream cluster of them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cell.h"
#include "err.h"
#include "id.h"

/* For clients and, in a cluster, for the other servers. */
struct ports {
	unsigned client, route;
};

/* The name of a server, of its store below the data, and of its configuration there. */
static void
server_name(const struct cell *c, unsigned i, char *buffer, size_t size)
{
	if (c->bus_servers == 1)
		snprintf(buffer, size, "nats");
	else
		snprintf(buffer, size, "nats-%u", i + 1);
}

/* ---- ports ---- */

/* A port that is free now, the wanted one when it still is.  The socket stays open in *ret_fd, so
 * that no second choice meets the first. */
static int
port_choose(unsigned want, unsigned *ret_port, int *ret_fd, struct err *err)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)want)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    (bind(fd, (struct sockaddr *)&address, size) != 0 &&
		(address.sin_port = 0, bind(fd, (struct sockaddr *)&address, size) != 0)) ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
		if (fd >= 0)
			close(fd);
		return err_set(err, ERR_UNAVAILABLE, "no free port: %s", strerror(errno));
	}
	*ret_port = ntohs(address.sin_port);
	*ret_fd = fd;
	return 0;
}

static int
ports_choose(struct ports *ports, unsigned n, struct err *err)
{
	int fds[2 * CELL_BUS_SERVERS_MAX] = {0};
	unsigned opened = 0;
	int r = 0;

	for (unsigned i = 0; i < 2 * n && r == 0; i++) {
		unsigned *port = i % 2 ? &ports[i / 2].route : &ports[i / 2].client;

		r = port_choose(*port, port, &fds[opened], err);
		if (r == 0)
			opened++;
	}
	while (opened > 0)
		close(fds[--opened]);
	return r;
}

/* Those of the last start: a restart keeps urls.  What a store holds of a cluster is of no use to a
 * bus of another size, so the size is the data's. */
static int
ports_read(const char *path, struct ports *ports, unsigned n, struct err *err)
{
	FILE *file = fopen(path, "re");
	char line[64];
	unsigned lines = 0;

	if (!file)
		return errno == ENOENT
			   ? 0
			   : err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		char *end;

		if (lines++ >= n)
			continue;
		ports[lines - 1].client = (unsigned)strtoul(line, &end, 10) & 0xffff;
		ports[lines - 1].route = (unsigned)strtoul(end, NULL, 10) & 0xffff;
	}
	fclose(file);
	if (lines != 0 && lines != n)
		return err_field(err, ERR_CONFLICT, "bus-servers",
		    "this data is of a bus of %u, not of %u", lines, n);
	return 0;
}

static int
ports_write(const char *path, const struct ports *ports, unsigned n, struct err *err)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	for (unsigned i = 0; i < n; i++)
		fprintf(file, "%u %u\n", ports[i].client, ports[i].route);
	return fclose(file) == 0 ? 0 : err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
}

/* ---- configuration ---- */

static void
routes_write(FILE *file, const struct cell *c, const struct ports *ports, unsigned self)
{
	/* Nobody who takes a port that a dead server left knows the password: two cells of one
	 * machine never grow together.  Clients use the addresses they are given, no others: what
	 * stands between them and a server stays there. */
	fprintf(file,
	    "cluster {\n  name: fairlead-dev\n  listen: \"127.0.0.1:%u\"\n  no_advertise: true\n"
	    "  authorization { user: route, password: \"%s\" }\n  routes: [\n",
	    ports[self].route, c->system_password);
	/* A server has no use for a route to itself. */
	for (unsigned i = 0; i < c->bus_servers; i++) {
		if (i != self)
			fprintf(file, "    \"nats://route:%s@127.0.0.1:%u\"\n", c->system_password,
			    ports[i].route);
	}
	fprintf(file, "  ]\n}\n");
}

static int
server_configure(const struct cell *c, const struct ports *ports, unsigned i, struct err *err)
{
	char name[CHILD_NAME_BYTES], path[400];
	int fd;
	FILE *file;

	server_name(c, i, name, sizeof(name));
	snprintf(path, sizeof(path), "%s/%s.conf", c->data, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file) {
		if (fd >= 0)
			close(fd);
		return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	}
	fprintf(file,
	    "listen: \"127.0.0.1:%u\"\nserver_name: fairlead-dev%s\n"
	    "jetstream { store_dir: \"%s/%s\" }\n"
	    "accounts {\n  $SYS { users: [ { user: system, password: \"%s\" } ] }\n"
	    /* The servers tell of connections of named accounts only. */
	    "  CELL { jetstream: enabled, users: [ { user: cell } ] }\n}\n"
	    "no_auth_user: cell\n",
	    ports[i].client, name + strlen("nats"), c->data, name, c->system_password);
	if (c->bus_servers > 1)
		routes_write(file, c, ports, i);
	return fclose(file) == 0 ? 0 : err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
}

static void
urls_join(struct cell *c, const struct ports *ports)
{
	size_t used = 0;

	for (unsigned i = 0; i < c->bus_servers; i++)
		used += (size_t)snprintf(c->nats_url + used, sizeof(c->nats_url) - used,
		    "%snats://127.0.0.1:%u", i ? "," : "", ports[i].client);
}

/* Configurations are written anew at each start: nothing in them but ports needs to last. */
int
cell_bus_configure(struct cell *c, struct err *err)
{
	struct ports ports[CELL_BUS_SERVERS_MAX] = {0};
	struct id secret = id_new();
	char path[320];

	id_to_hex(&secret, c->system_password);
	snprintf(path, sizeof(path), "%s/nats.port", c->data);
	if (ports_read(path, ports, c->bus_servers, err) != 0 ||
	    ports_choose(ports, c->bus_servers, err) != 0 ||
	    ports_write(path, ports, c->bus_servers, err) != 0)
		return -1;
	for (unsigned i = 0; i < c->bus_servers; i++) {
		if (server_configure(c, ports, i, err) != 0)
			return -1;
	}
	urls_join(c, ports);
	/* Not in the process list: hubs inherit it. */
	if (setenv("FAIRLEAD_HUB_NATS_SYSTEM_USER", "system", 1) != 0 ||
	    setenv("FAIRLEAD_HUB_NATS_SYSTEM_PASSWORD", c->system_password, 1) != 0)
		return err_set(err, ERR_INTERNAL, "no memory for the environment");
	return 0;
}

void
cell_bus_child(const struct cell *c, unsigned i, struct child *child)
{
	char name[CHILD_NAME_BYTES];

	server_name(c, i, name, sizeof(name));
	child_init(child, name, SIGTERM);
	/* A server before 2.11 starts the sender of its cluster's elections and says only then
	 * which account it speaks for.  Where the sender runs first, on a second processor, the
	 * server is mute for life: never elected, never counted, and a stream of three finds two.
	 */
	if (c->bus_servers > 1) {
		child_arg(child, "env");
		child_arg(child, "GOMAXPROCS=1");
	}
	child_arg(child, "nats-server");
	child_arg(child, "--config");
	child_arg(child, "%s/%s.conf", c->data, name);
}
