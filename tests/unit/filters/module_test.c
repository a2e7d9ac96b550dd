/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Modules of real objects (module.bpf.c): loaded by the kernel's verifier, run by the compiler, and
 * swapped: maps that are the same keep what they hold, and what is refused changes nothing.  Skips
 * where the kernel lets nobody load programs.
 *
 * 	module_test OBJECT1 .. OBJECT5
 */
#include "filters/chain_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp_priv.h"
#include "filters/ebpf/object.h"
#include "tests/support/test_dp.h"

#define N_VERSIONS 5

static struct object {
	uint8_t bytes[65536];
	size_t size;
} objects[N_VERSIONS + 1];

static struct dp *dp;
static struct filter_modules *set;
static struct filter_module *module;
static struct dp_worker worker;
static struct dp_view view;
static struct dp_vport vport = {.id = 6, .max_frame = 1514};
static struct dp_filter_burst burst;
static struct rte_mbuf *m;
static unsigned n_waits;

static void count_wait(void *arg)
{
	n_waits++;
}

static struct filter_module_opts opts_of(unsigned version)
{
	return (struct filter_module_opts){.name = "tally",
					   .elf = objects[version].bytes,
					   .size = objects[version].size};
}

static int load(unsigned version, const char *name, const char *program,
		struct filter_module **ret_module, struct err *err)
{
	struct filter_module_opts opts = opts_of(version);

	opts.name = name;
	opts.program = program;
	return filter_module_load(set, &opts, ret_module, err);
}

static int swap(unsigned version, struct err *err)
{
	const struct filter_module_opts opts = opts_of(version);

	return filter_module_swap(module, &opts, err);
}

/* One frame of 'size' bytes through the module; true when it passes. */
static bool passes(enum filter_role role, uint16_t size)
{
	const struct filter_slot slot = {.module = module, .role = role};
	struct dp_filter_chain *chain = filter_chain_create(&slot, 1);
	enum dp_filter_result result;

	rte_pktmbuf_reset(m);
	assert_non_null(rte_pktmbuf_append(m, size));
	burst = (struct dp_filter_burst){.w = &worker, .vp = &vport, .pkts = &m, .n = 1};
	result = chain->head.ops->run(chain, &burst);
	filter_chain_destroy(chain);
	return result == DP_FILTER_ALL_PASS;
}

static uint64_t counted(uint32_t size)
{
	struct ebpf_map *map = filter_module_map(module, "sizes");
	uint64_t n = 0;

	assert_non_null(map);
	return ebpf_map_read(map, &size, &n) == 0 ? n : 0;
}

static int fresh(void **state)
{
	const struct filter_modules_opts opts = {.n_cpus = 2, .wait = count_wait};
	struct err err = {0};
	int rc;

	if (filter_modules_create(&opts, &set, &err) != 0)
		return -1;
	rc = load(1, "tally", NULL, &module, &err);
	if (rc != 0)
		print_error("%s: %s\n", err.what, err.why);
	return rc;
}

static int done(void **state)
{
	filter_modules_destroy(set);
	return 0;
}

static void module_runs_and_counts(void **state)
{
	struct filter_module_stats s;

	assert_true(passes(FILTER_ROLE_FILTER, 60));
	assert_true(passes(FILTER_ROLE_CAPTURE, 60));
	assert_true(passes(FILTER_ROLE_FILTER, 70));
	assert_int_equal(counted(60), 2);
	assert_int_equal(counted(70), 1);
	filter_module_stats(module, &s);
	assert_int_equal(s.packets, 3);
	assert_int_equal(s.pass, 3);
	assert_string_equal(filter_module_prog(module)->name, "tally");
}

static void swap_changes_the_program_and_keeps_what_maps_hold(void **state)
{
	struct err err = {0};

	assert_true(passes(FILTER_ROLE_FILTER, 60));
	n_waits = 0;
	assert_int_equal(swap(2, &err), 0);
	assert_true(n_waits != 0);
	assert_int_equal(counted(60), 1);
	assert_false(passes(FILTER_ROLE_FILTER, 60));
	assert_int_equal(counted(60), 2);
	assert_int_equal(swap(1, &err), 0);
	assert_true(passes(FILTER_ROLE_FILTER, 60));
	assert_int_equal(counted(60), 3);
}

static void refuses(unsigned version, const char *slug)
{
	const struct ebpf_prog *prog = filter_module_prog(module);
	const struct ebpf_object *object = filter_module_object(module);
	struct err err = {0};

	assert_true(swap(version, &err) < 0);
	if (slug != NULL)
		assert_string_equal(err.slug, slug);
	assert_true(err.what[0] != '\0');
	assert_ptr_equal(filter_module_prog(module), prog);
	assert_ptr_equal(filter_module_object(module), object);
	assert_true(passes(FILTER_ROLE_FILTER, 60));
}

static void swap_that_is_refused_changes_nothing(void **state)
{
	assert_true(passes(FILTER_ROLE_FILTER, 60));
	refuses(3, "map-differs");
	refuses(5, "refused");
	assert_int_equal(counted(60), 3);
}

static void swap_must_fit_the_roles_that_the_module_has(void **state)
{
	const struct filter_slot slot = {.module = module, .role = FILTER_ROLE_CAPTURE};
	struct dp_filter_chain *chain = filter_chain_create(&slot, 1);
	struct err err = {0};

	refuses(4, "filter-role");
	assert_int_equal(swap(2, &err), 0);
	filter_chain_destroy(chain);
	assert_int_equal(swap(4, &err), 0);
	assert_true(passes(FILTER_ROLE_FILTER, 60));
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[19], 1);
}

static void program_is_the_only_one_or_named(void **state)
{
	struct filter_module *other;
	struct err err = {0};

	assert_int_equal(load(1, "tally", NULL, &other, &err), -EEXIST);
	assert_string_equal(err.slug, "filter-exists");
	/* Two, and neither is meant. */
	assert_int_equal(load(3, "x", NULL, &other, &err), -ENOENT);
	assert_string_equal(err.slug, "no-program");
	assert_non_null(strstr(err.why, "another"));
	assert_int_equal(load(3, "x", "nothing", &other, &err), -ENOENT);
	assert_int_equal(load(3, "x", "another", &other, &err), 0);
	assert_int_equal(load(3, "another", NULL, &other, &err), 0);
	/* One of the two is for the way out of a device map. */
	assert_int_equal(load(2, "y", NULL, &other, &err), 0);
	assert_string_equal(filter_module_prog(other)->name, "tally");
	assert_ptr_equal(filter_module_find(set, "y"), other);
	filter_module_unload(other);
	assert_null(filter_module_find(set, "y"));
}

static void verify_says_what_load_and_swap_would_and_does_neither(void **state)
{
	const struct ebpf_prog *prog = filter_module_prog(module);
	struct filter_module_opts opts = opts_of(3);
	struct ebpf_object *object = NULL;
	struct err err = {0};

	assert_true(filter_module_verify(set, &opts, &object, &err) < 0);
	opts.name = "new";
	opts.program = "tally";
	assert_int_equal(filter_module_verify(set, &opts, &object, &err), 0);
	assert_non_null(object);
	ebpf_object_destroy(object);
	assert_null(filter_module_find(set, "new"));
	assert_ptr_equal(filter_module_prog(module), prog);
}

static void slurp(const char *path, struct object *ret)
{
	FILE *f = fopen(path, "rb");

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	ret->size = fread(ret->bytes, 1, sizeof(ret->bytes), f);
	fclose(f);
}

/* May programs be loaded here at all? */
static bool may_load(void)
{
	const struct filter_modules_opts opts = {.n_cpus = 1};
	struct err err = {0};
	int rc;

	if (filter_modules_create(&opts, &set, &err) != 0)
		exit(1);
	rc = load(1, "tally", NULL, &module, &err);
	filter_modules_destroy(set);
	if (rc == -EPERM)
		printf("skipped: %s\n", err.what);
	return rc != -EPERM;
}

static int start(void **state)
{
	dp = worker.dp;
	m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	return m != NULL ? 0 : -1;
}

static int finish(void **state)
{
	rte_pktmbuf_free(m);
	test_dp_destroy(dp);
	return 0;
}

int main(int argc, char **argv)
{
#define FRESH(name) cmocka_unit_test_setup_teardown(name, fresh, done)
	const struct CMUnitTest tests[] = {
		FRESH(module_runs_and_counts),
		FRESH(swap_changes_the_program_and_keeps_what_maps_hold),
		FRESH(swap_that_is_refused_changes_nothing),
		FRESH(swap_must_fit_the_roles_that_the_module_has),
		FRESH(program_is_the_only_one_or_named),
		FRESH(verify_says_what_load_and_swap_would_and_does_neither),
	};

	if (argc != N_VERSIONS + 1)
		return 2;
	for (int i = 1; i <= N_VERSIONS; i++)
		slurp(argv[i], &objects[i]);
	worker.dp = test_dp_create(1023); /* starts EAL, which clocks need */
	worker.view = &view;
	if (!may_load())
		return 77;
	return cmocka_run_group_tests(tests, start, finish);
}
