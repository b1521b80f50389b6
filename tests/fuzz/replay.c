/* replay: gives every file of a corpus directory to the fuzz entry, whole and cut short. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX ((size_t)1024 * 1024)
#define CUTS_MAX 200

/* An exact copy, so that a sanitizer sees a read past the end. */
static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int
replay_file(const char *path, uint8_t *buffer)
{
	FILE *file = fopen(path, "re");

	if (!file) {
		perror(path);
		return -1;
	}
	size_t size = fread(buffer, 1, INPUT_BYTES_MAX, file);
	fclose(file);
	run(buffer, size);
	for (size_t cut = 1; cut <= size && cut <= CUTS_MAX; cut++)
		run(buffer, size - cut);
	return 0;
}

int
main(int argc, char **argv)
{
	uint8_t *buffer = malloc(INPUT_BYTES_MAX);
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	int files = 0, failures = 0;

	if (!directory || !buffer) {
		fprintf(stderr, "usage: %s CORPUS_DIRECTORY (which must exist)\n", argv[0]);
		free(buffer);
		return 2;
	}
	run(buffer, 0);
	for (struct dirent *entry; (entry = readdir(directory));) {
		char path[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		failures += replay_file(path, buffer) < 0;
		files++;
	}
	closedir(directory);
	free(buffer);
	printf("%d files replayed\n", files);
	/* A corpus that has gone missing must not look like a pass. */
	return files == 0 || failures > 0;
}
