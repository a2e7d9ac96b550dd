/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Holds a table of docs/filters-compat.md true: what loads of the objects that Debian's xdp-tools
 * installs, and that its filter filters.
 *
 * 	compat_test docs/filters-compat.md
 */
#include "filters/ebpf/object.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filters/ebpf/object_priv.h"

#define INSTALLED "/usr/lib/*/bpf/*.o"
#define SECTION	  "## Debian's xdp-tools"

static const char *table;
static glob_t installed;

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static int load(const char *path, struct ebpf_object **ret_object, struct err *err)
{
	const struct ebpf_object_opts opts = {.name = "test", .n_cpus = 2};
	uint8_t *bytes = malloc(EBPF_MAX_OBJECT);
	FILE *file = fopen(path, "re");
	size_t size;
	int rc;

	assert_non_null(bytes);
	assert_non_null(file);
	size = fread(bytes, 1, EBPF_MAX_OBJECT, file);
	fclose(file);
	rc = ebpf_object_load(bytes, size, &opts, ret_object, err);
	free(bytes);
	return rc;
}

/* What the table says of it: "loads", or "refused (`SLUG`)". */
static void said_of(const char *name, char *ret, size_t size)
{
	char line[512], want[128];
	FILE *file = fopen(table, "re");
	bool here = false;

	ret[0] = '\0';
	assert_non_null(file);
	snprintf(want, sizeof(want), "| `%s` | ", name);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '#')
			here = strncmp(line, SECTION, strlen(SECTION)) == 0;
		if (here && strncmp(line, want, strlen(want)) == 0)
			snprintf(ret, size, "%.*s", (int)strcspn(line + strlen(want), "|") - 1,
				 line + strlen(want));
	}
	fclose(file);
}

static void objects_of_xdp_tools_do_what_the_table_says(void **state)
{
	for (size_t i = 0; i < installed.gl_pathc; i++) {
		const char *name = base_of(installed.gl_pathv[i]);
		struct ebpf_object *object = NULL;
		struct err err = {0};
		char said[128], found[128] = "loads";

		if (load(installed.gl_pathv[i], &object, &err) != 0)
			snprintf(found, sizeof(found), "refused (`%s`)", err.slug);
		said_of(name, said, sizeof(said));
		if (strcmp(said, found) != 0)
			fail_msg("%s: the table says \"%s\", it is \"%s\" %s: %s", name, said,
				 found, err.what, err.why);
		ebpf_object_destroy(object);
	}
}

static struct ebpf_map *map_find(const struct ebpf_object *object, const char *name)
{
	for (uint32_t i = 0; i < ebpf_object_n_maps(object); i++)
		if (strcmp(ebpf_object_map(object, i)->def.name, name) == 0)
			return ebpf_object_map(object, i);
	fail_msg("no map %s", name);
	abort();
}

/* A UDP packet from 10.0.0.x, in a frame with room around it. */
static uint64_t run(const struct ebpf_prog *prog, uint8_t from)
{
	static uint8_t frame[512];
	static const uint8_t headers[] = {2,	0, 0,  0,  0, 1, 2, 0, 0,  0,  0, 2, 8,	 0,
					  0x45, 0, 0,  28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0,
					  0,	0, 10, 0,  0, 9, 0, 7, 0,  7,  0, 8, 0,	 0};
	struct ebpf_env env = {.cpu = 1, .prog = prog};
	struct ebpf_ctx ctx = {.data = frame + 256,
			       .meta = frame + 256,
			       .data_end = frame + 256 + 64,
			       .frame_size = 64,
			       .hard_start = frame,
			       .hard_end = frame + sizeof(frame)};
	uint64_t verdict;

	memcpy(ctx.data, headers, sizeof(headers));
	ctx.data[29] = from;
	ebpf_env_enter(&env);
	verdict = ebpf_run(prog, &ctx);
	ebpf_env_here = NULL;
	return verdict;
}

/* As 'xdp-filter ip 10.0.0.7 --mode src' writes it: a flag in each CPU's value. */
static void xdp_filter_drops_whom_its_map_names(void **state)
{
	const uint8_t bad[4] = {10, 0, 0, 7};
	const uint64_t by_source[2] = {1, 1};
	struct ebpf_object *object = NULL;
	uint64_t counts[2] = {0};
	struct ebpf_prog *prog;
	struct ebpf_map *map;
	struct err err = {0};
	size_t i = 0;

	while (i < installed.gl_pathc &&
	       strcmp(base_of(installed.gl_pathv[i]), "xdpfilt_alw_ip.o") != 0)
		i++;
	if (i == installed.gl_pathc)
		skip();
	assert_int_equal(load(installed.gl_pathv[i], &object, &err), 0);
	prog = ebpf_object_prog(object, 0);
	map = map_find(object, "filter_ipv4");
	assert_int_equal(run(prog, 7), EBPF_PASS);
	assert_int_equal(ebpf_map_write(map, bad, by_source, BPF_ANY), 0);
	assert_int_equal(run(prog, 7), EBPF_DROP);
	assert_int_equal(run(prog, 8), EBPF_PASS);
	assert_int_equal(ebpf_map_read(map, bad, counts), 0);
	assert_int_equal(counts[0], 1);
	assert_true(counts[1] > 1); /* It counts above its flags, on the CPU where it was. */
	ebpf_object_destroy(object);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_of_xdp_tools_do_what_the_table_says),
		cmocka_unit_test(xdp_filter_drops_whom_its_map_names),
	};
	struct err err = {0};
	int rc;

	if (argc != 2)
		return 2;
	table = argv[1];
	if (ebpf_permission_check("test", &err) != 0) {
		printf("skipped: %s: %s\n", err.what, err.why);
		return 77;
	}
	if (glob(INSTALLED, 0, NULL, &installed) != 0) {
		printf("skipped: no objects in %s: apt-get install xdp-tools\n", INSTALLED);
		return 77;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	globfree(&installed);
	return rc;
}
