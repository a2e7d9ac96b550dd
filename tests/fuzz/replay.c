/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a fuzz target over inputs that are files: replay DIR-OR-FILE...
 * Fails when it finds no input at all, which is a corpus that went missing.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Returns 1 for one input run; -1 on error. */
static int run_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size == 0 ? 1 : size);
	FILE *file = fopen(path, "rb");
	size_t n = 0;

	if (file == NULL || data == NULL) {
		perror(path);
		free(data);
		if (file != NULL)
			fclose(file);
		return -1;
	}
	n = fread(data, 1, size, file);
	fclose(file);
	if (n == size)
		LLVMFuzzerTestOneInput(data, size);
	free(data);
	return n == size ? 1 : -1;
}

/* Returns how many inputs were run; -1 on error. */
static int run(const char *path)
{
	struct stat st;
	struct dirent *entry;
	char inner[4096];
	int total = 0;
	DIR *dir;

	if (stat(path, &st) < 0) {
		perror(path);
		return -1;
	}
	if (S_ISREG(st.st_mode))
		return run_file(path, st.st_size);
	dir = opendir(path);
	if (dir == NULL) {
		perror(path);
		return -1;
	}
	while (total >= 0 && (entry = readdir(dir)) != NULL) {
		int n;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		n = run(inner);
		total = n < 0 ? -1 : total + n;
	}
	closedir(dir);
	return total;
}

int main(int argc, char **argv)
{
	int total = 0;

	for (int i = 1; i < argc; i++) {
		int n = run(argv[i]);

		if (n < 0)
			return EXIT_FAILURE;
		total += n;
	}
	printf("%d inputs\n", total);
	return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
