/* A configuration file and an environment variable of any content: accepted or refused by name. */
#include "fuzz.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "err.h"
#include "options.h"

static const struct option_row rows[] = {
    {"name", OPTION_STRING, "x", 0, 0, 0, "h"},
    {"count", OPTION_INT, "4", 0, 1, 64, "h"},
    {"flag", OPTION_BOOL, NULL, 0, 0, 0, "h"},
    {"wait", OPTION_DURATION_MS, "15s", 0, 1000, 60000, "h"},
    {"size", OPTION_BYTES, "64Ki", 0, 0, 0, "h"},
    {"pin", OPTION_STRING, NULL, OPTION_SECRET, 0, 0, "h"},
    {NULL, OPTION_STRING, NULL, 0, 0, 0, NULL},
};

static void
load(char **argv, int argc, char **environment)
{
	struct options *o = options_new("F", rows);
	struct err err = {0};

	if (!o)
		abort();
	if (options_load(o, argc, argv, environment, NULL, &err) < 0) {
		assert(err.kind == ERR_INVALID && err.text[0]);
	} else {
		assert(options_int(o, "count") >= 1 && options_int(o, "count") <= 64);
		assert(options_int(o, "wait") >= 1000 && options_int(o, "wait") <= 60000);
	}
	options_free(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[40], *variable = malloc(size + 3);
	char program[] = "f", config[] = "--config";
	int fd = memfd_create("options", MFD_CLOEXEC);

	if (!variable || fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	load((char *[]){program, config, path, NULL}, 3, NULL);
	close(fd);
	memcpy(variable, "F_", 2);
	memcpy(variable + 2, data, size);
	variable[size + 2] = '\0';
	/* Files named by the input are not opened: they would make runs differ. */
	if (!strcasestr(variable, "_file") && !strcasestr(variable, "config"))
		load((char *[]){program, NULL}, 1, (char *[]){variable, NULL});
	free(variable);
	return 0;
}
