/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Objects: what comes of those in bpf/, and of damaged ones.  Arguments: the objects, by path.
 */
#include "filters/ebpf/object.h"

#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "filters/ebpf/object_priv.h"

static char **objects;
static int n_objects;

struct file {
	uint8_t *bytes;
	size_t size;
};

static struct file file_read(const char *path)
{
	struct file file = {.bytes = malloc(EBPF_MAX_OBJECT)};
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	assert_non_null(file.bytes);
	file.size = fread(file.bytes, 1, EBPF_MAX_OBJECT, f);
	fclose(f);
	return file;
}

static struct file object_read(const char *name)
{
	for (int i = 0; i < n_objects; i++) {
		const char *base = strrchr(objects[i], '/');

		if (strcmp(base != NULL ? base + 1 : objects[i], name) == 0)
			return file_read(objects[i]);
	}
	fail_msg("no object %s", name);
	return (struct file){0};
}

static const struct ebpf_object_opts plain = {.name = "test", .n_cpus = 2};

static struct ebpf_object *load_with(const char *name, const struct ebpf_object_opts *opts)
{
	struct file file = object_read(name);
	struct ebpf_object *object = NULL;
	struct err err = {0};

	if (ebpf_object_load(file.bytes, file.size, opts, &object, &err) != 0)
		fail_msg("%s: %s: %s", name, err.what, err.why);
	free(file.bytes);
	return object;
}

static int refusal_with(const char *name, const struct ebpf_object_opts *opts, struct err *err)
{
	struct file file = object_read(name);
	struct ebpf_object *object = NULL;
	int rc = ebpf_object_load(file.bytes, file.size, opts, &object, err);

	assert_null(object);
	assert_int_equal(err->code, rc);
	assert_true(err->slug[0] != '\0' && err->what[0] != '\0' && err->why[0] != '\0');
	free(file.bytes);
	return rc;
}

static int refusal(const char *name, struct err *err)
{
	return refusal_with(name, &plain, err);
}

/* Runs on a packet of 64 bytes that begin so. */
static uint64_t run(const struct ebpf_object *object, const char *prog, uint8_t first,
		    uint32_t egress)
{
	static uint8_t frame[512];
	struct ebpf_env env = {.cpu = 1};
	struct ebpf_ctx ctx = {.data = frame + 256,
			       .meta = frame + 256,
			       .data_end = frame + 256 + 64,
			       .egress_ifindex = egress,
			       .frame_size = 64,
			       .hard_start = frame,
			       .hard_end = frame + sizeof(frame)};
	const struct ebpf_prog *p = ebpf_object_find_prog(object, prog);
	uint64_t verdict;

	assert_non_null(p);
	frame[256] = first;
	env.prog = p;
	ebpf_env_enter(&env);
	verdict = ebpf_run(p, &ctx);
	ebpf_env_here = NULL;
	return verdict;
}

static struct ebpf_map *map_find(const struct ebpf_object *object, const char *name)
{
	for (uint32_t i = 0; i < ebpf_object_n_maps(object); i++)
		if (strcmp(ebpf_object_map(object, i)->def.name, name) == 0)
			return ebpf_object_map(object, i);
	fail_msg("no map %s", name);
	abort();
}

static uint32_t value32(struct ebpf_map *map, uint32_t key, unsigned index)
{
	uint32_t values[64] = {0};

	assert_true(ebpf_map_io_size(map) <= sizeof(values));
	assert_int_equal(ebpf_map_read(map, &key, values), 0);
	return values[index];
}

static void programs_of_other_hooks_are_left_out(void **state)
{
	struct ebpf_object *object = load_with("object_basics.o", &plain);

	assert_int_equal(ebpf_object_n_progs(object), 3);
	assert_string_equal(ebpf_object_prog(object, 0)->name, "basics");
	assert_string_equal(ebpf_object_prog(object, 1)->name, "old_name");
	assert_string_equal(ebpf_object_prog(object, 1)->section, "xdp_old");
	assert_string_equal(ebpf_object_prog(object, 2)->name, "way_out");
	assert_null(ebpf_object_find_prog(object, "other_hook"));
	assert_null(ebpf_object_find_prog(object, "on_request"));
	assert_null(ebpf_object_find_prog(object, "other_name"));
	ebpf_object_destroy(object);
}

static void maps_are_as_the_object_says(void **state)
{
	struct ebpf_object *object = load_with("object_basics.o", &plain);
	struct ebpf_map *seen = map_find(object, "seen"), *guarded = map_find(object, "guarded");
	uint32_t key, value;

	assert_int_equal(seen->type, BPF_MAP_TYPE_HASH);
	assert_int_equal(seen->max_entries, 100000); /* The kernel was given fewer. */
	assert_int_equal(seen->value_size, 8);
	assert_int_equal(map_find(object, "unsized")->max_entries, plain.n_cpus);
	assert_non_null(map_find(object, "counts")->def.memory);
	assert_int_equal(guarded->def.spin_lock_off, 4 + 1);
	assert_non_null(ebpf_object_btf(object));
	ebpf_object_map_types(object, 0, &key, &value);
	assert_true(key != 0 && value != 0);
	assert_string_equal(ebpf_object_wishes(object), "role=filter meta");
	ebpf_object_destroy(object);
}

static void program_runs_with_maps_and_global_data(void **state)
{
	struct ebpf_object *object = load_with("object_basics.o", &plain);

	for (int i = 0; i < 3; i++)
		assert_int_equal(run(object, "basics", 0xff, 0), EBPF_DROP);
	assert_int_equal(run(object, "basics", 0xfe, 0), EBPF_PASS);
	assert_int_equal(value32(map_find(object, "seen"), 1, 0), 4);
	assert_int_equal(value32(map_find(object, "counts"), 1, 0), 8);
	assert_int_equal(value32(map_find(object, "guarded"), 0, 2), 12);
	assert_int_equal(value32(map_find(object, "test.data"), 0, 0), 48);
	assert_int_equal(value32(map_find(object, "test.bss"), 0, 0), 4);
	assert_int_equal(run(object, "way_out", 0, 3), EBPF_PASS);
	assert_int_equal(run(object, "way_out", 0, 4), EBPF_DROP);
	ebpf_object_destroy(object);
}

static void interpreted_program_does_the_same(void **state)
{
	const struct ebpf_object_opts opts = {.name = "test", .n_cpus = 2, .interpret = true};
	struct ebpf_object *object = load_with("object_basics.o", &opts);

	assert_null(ebpf_object_prog(object, 0)->code);
	assert_int_equal(run(object, "basics", 0xff, 0), EBPF_DROP);
	assert_int_equal(run(object, "basics", 0xfe, 0), EBPF_PASS);
	assert_int_equal(value32(map_find(object, "counts"), 1, 0), 4);
	ebpf_object_destroy(object);
}

/* The verifier has left out what these constants never do. */
static void constants_of_a_program_cannot_be_set(void **state)
{
	struct ebpf_object *object = load_with("object_basics.o", &plain);
	struct ebpf_map *constants = map_find(object, "test.rodata");
	uint32_t key = 0, value = 100;

	assert_int_equal(value32(constants, 0, 0), 7);
	assert_int_not_equal(ebpf_map_write(constants, &key, &value, BPF_ANY), 0);
	assert_int_equal(value32(constants, 0, 0), 7);
	ebpf_object_destroy(object);
}

static void maps_hold_maps_and_programs_from_the_start(void **state)
{
	struct ebpf_object *object = load_with("object_slots.o", &plain);

	assert_int_equal(run(object, "root", 0, 0), EBPF_TX);
	assert_int_equal(run(object, "root", 0, 0), EBPF_TX);
	assert_int_equal(value32(map_find(object, "inner_b"), 9, 0), 2);
	assert_int_equal(ebpf_map_count(map_find(object, "inner_a")), 0);
	assert_int_equal(map_find(object, "inner_a")->max_entries, 500);
	assert_ptr_equal(ebpf_map_prog(map_find(object, "next"), 5),
			 ebpf_object_find_prog(object, "leaf"));
	ebpf_object_destroy(object);
}

static void verifier_is_quoted_when_it_accepts(void **state)
{
	struct ebpf_object *object = load_with("object_basics.o", &plain);

	assert_non_null(strstr(ebpf_object_verdict(object, "basics"), " instructions processed, "));
	assert_string_equal(ebpf_object_verdict(object, "nobody"), "");
	ebpf_object_destroy(object);
}

static void refused_program_is_named_with_its_line(void **state)
{
	struct err err = {0};

	assert_int_equal(refusal("object_refused.o", &err), -EINVAL);
	assert_string_equal(err.slug, "refused");
	assert_non_null(strstr(err.what, "'unsound'"));
	assert_non_null(strstr(err.why, "invalid access to packet"));
	assert_non_null(strstr(err.why, "return data[12] == 8"));
}

/* A log of a million instructions would take seconds: this has none, and no line of the source. */
static void program_that_is_too_complex_is_told_so(void **state)
{
	struct err err = {0};

	assert_int_equal(refusal("object_complex.o", &err), -EINVAL);
	assert_string_equal(err.slug, "refused");
	assert_non_null(strstr(err.why, "too large"));
	assert_null(strstr(err.why, "; at"));
	assert_non_null(strstr(err.fix, "bpf_loop"));
}

static void licence_is_asked_for(void **state)
{
	struct err err = {0};

	assert_int_equal(refusal("object_no_licence.o", &err), -EINVAL);
	assert_string_equal(err.slug, "refused");
	assert_non_null(strstr(err.why, "GPL"));
	assert_non_null(strstr(err.fix, "license"));
}

static void what_is_the_kernels_is_refused_by_name(void **state)
{
	struct err err = {0};

	assert_int_equal(refusal("object_kernel.o", &err), -ENOTSUP);
	assert_string_equal(err.slug, "kernel-symbol");
	assert_non_null(strstr(err.what, "bpf_xdp_metadata_rx_hash"));
	assert_int_equal(refusal("object_task.o", &err), -ENOTSUP);
	assert_string_equal(err.slug, "helper");
	assert_non_null(strstr(err.what, "bpf_get_current_task"));
}

static void object_without_xdp_says_what_it_has(void **state)
{
	struct err err = {0};

	assert_int_equal(refusal("object_other.o", &err), -EINVAL);
	assert_non_null(strstr(err.why, "'classify'"));
	assert_non_null(strstr(err.why, "\"tc\""));
}

static void what_is_too_big_is_refused(void **state)
{
	struct err err = {0};

	assert_int_equal(refusal("object_maps.o", &err), -E2BIG);
	assert_string_equal(err.slug, "too-many-maps");
	assert_non_null(strstr(err.what, "10000"));
	assert_int_equal(refusal("object_huge.o", &err), -E2BIG);
	assert_string_equal(err.slug, "map-memory");
	assert_non_null(strstr(err.why, "'small'"));
	assert_int_equal(refusal("object_long.o", &err), -E2BIG);
	assert_non_null(strstr(err.what, "1000002 instructions"));
}

static void memory_has_the_limit_that_is_given(void **state)
{
	struct ebpf_object_opts opts = plain;
	struct err err = {0};

	opts.max_map_memory = 1 << 20;
	assert_int_equal(refusal_with("object_basics.o", &opts, &err), -E2BIG);
	assert_non_null(strstr(err.why, "'seen'"));
	opts.max_map_memory = 64 << 20;
	ebpf_object_destroy(load_with("object_basics.o", &opts));
}

/* Maps that were there. */
struct registry {
	struct ebpf_map *maps[8];
	unsigned n, n_asked;
};

static struct ebpf_map *registry_find(void *arg, const char *name)
{
	struct registry *registry = arg;

	registry->n_asked++;
	for (unsigned i = 0; i < registry->n; i++)
		if (strcmp(registry->maps[i]->def.name, name) == 0)
			return registry->maps[i];
	return NULL;
}

static void maps_of_a_name_outlive_the_object(void **state)
{
	struct ebpf_object *first = load_with("object_basics.o", &plain), *second;
	struct registry registry = {.n = 3};
	struct ebpf_object_opts opts = plain;

	registry.maps[0] = ebpf_map_ref(map_find(first, "seen"));
	registry.maps[1] = ebpf_map_ref(map_find(first, "counts"));
	registry.maps[2] = ebpf_map_ref(map_find(first, "guarded"));
	run(first, "basics", 0, 0);
	ebpf_object_destroy(first);

	opts.find_map = registry_find;
	opts.arg = &registry;
	second = load_with("object_basics.o", &opts);
	assert_int_equal(registry.n_asked, 4); /* Nobody asks for global data. */
	for (unsigned i = 0; i < registry.n; i++)
		assert_ptr_equal(map_find(second, registry.maps[i]->def.name), registry.maps[i]);
	run(second, "basics", 0, 0);
	assert_int_equal(value32(registry.maps[0], 1, 0), 2);
	assert_int_equal(value32(registry.maps[1], 1, 0), 4);
	assert_int_equal(value32(registry.maps[2], 0, 2), 6);
	assert_int_equal(value32(map_find(second, "test.bss"), 0, 0), 1);
	ebpf_object_destroy(second);
	for (unsigned i = 0; i < registry.n; i++)
		ebpf_map_unref(registry.maps[i]);
}

static void map_that_differs_is_refused(void **state)
{
	struct ebpf_map_def def = {.name = "counts",
				   .type = BPF_MAP_TYPE_ARRAY,
				   .key_size = 4,
				   .value_size = 8,
				   .max_entries = 3,
				   .memory_fd = -1};
	struct registry registry = {.n = 1};
	struct ebpf_object_opts opts = plain;
	struct err err = {0};

	assert_int_equal(ebpf_map_create(&def, 2, &registry.maps[0], &err), 0);
	opts.find_map = registry_find;
	opts.arg = &registry;
	assert_int_equal(refusal_with("object_basics.o", &opts, &err), -EEXIST);
	assert_string_equal(err.slug, "map-differs");
	assert_non_null(strstr(err.what, "'counts'"));
	assert_int_equal(registry.maps[0]->refs, 1);
	ebpf_map_unref(registry.maps[0]);
}

/* What another object's programs are in, a swap must not change before it is done. */
static void filled_array_of_programs_is_the_objects_own(void **state)
{
	struct ebpf_object *first = load_with("object_slots.o", &plain), *second;
	struct registry registry = {.n = 2};
	struct ebpf_object_opts opts = plain;

	registry.maps[0] = ebpf_map_ref(map_find(first, "next"));
	registry.maps[1] = ebpf_map_ref(map_find(first, "later"));
	opts.find_map = registry_find;
	opts.arg = &registry;
	second = load_with("object_slots.o", &opts);
	assert_ptr_not_equal(map_find(second, "next"), registry.maps[0]);
	assert_ptr_equal(map_find(second, "later"), registry.maps[1]);
	assert_ptr_equal(ebpf_map_prog(registry.maps[0], 5), ebpf_object_find_prog(first, "leaf"));
	ebpf_object_destroy(second);
	ebpf_object_destroy(first);
	ebpf_map_unref(registry.maps[0]);
	ebpf_map_unref(registry.maps[1]);
}

/* Loads it, whatever comes of it. */
static int try(const void *bytes, size_t size)
{
	struct ebpf_object *object = NULL;
	struct err err = {0};
	int rc = ebpf_object_load(bytes, size, &plain, &object, &err);

	if (rc != 0 && (err.what[0] == '\0' || strstr(err.why, "the loader crashed") != NULL))
		fail_msg("%d: %s: %s", rc, err.what, err.why);
	ebpf_object_destroy(object);
	return rc;
}

static void object_cut_short_is_refused(void **state)
{
	struct file file = object_read("object_slots.o");

	for (size_t size = 0; size < file.size; size += size < 128 ? 16 : 256)
		assert_int_not_equal(try(file.bytes, size), 0);
	free(file.bytes);
}

static void damaged_object_harms_nobody(void **state)
{
	struct file file = object_read("object_basics.o");
	uint8_t *copy = malloc(file.size);
	uint64_t random = 88172645463325252u;

	assert_non_null(copy);
	for (int i = 0; i < 200; i++) {
		memcpy(copy, file.bytes, file.size);
		for (int n = 0; n < 1 + i % 8; n++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			copy[random % file.size] = (uint8_t)(random >> 32);
		}
		try(copy, file.size);
	}
	free(copy);
	free(file.bytes);
}

static void section_of_types_may_be_garbage(void **state)
{
	struct file file = object_read("object_basics.o");
	uint8_t *btf = memmem(file.bytes, file.size, "\x9f\xeb\x01\x00", 4);

	assert_non_null(btf);
	memset(btf + 4, 0xff, 64);
	assert_int_not_equal(try(file.bytes, file.size), 0);
	free(file.bytes);
}

static void program_of_the_host_is_refused(void **state)
{
	struct file file = file_read("/proc/self/exe");
	struct ebpf_object *object;
	struct err err = {0};

	assert_int_equal(ebpf_object_load(file.bytes, file.size, &plain, &object, &err), -EINVAL);
	assert_non_null(strstr(err.why, "another machine"));
	assert_non_null(strstr(err.fix, "-target bpf"));
	free(file.bytes);
}

static unsigned open_files(void)
{
	glob_t found;
	unsigned n = glob("/proc/self/fd/*", 0, NULL, &found) == 0 ? (unsigned)found.gl_pathc : 0;

	globfree(&found);
	return n;
}

static void nothing_stays_open(void **state)
{
	struct err err = {0};
	unsigned before = open_files();

	ebpf_object_destroy(load_with("object_basics.o", &plain));
	ebpf_object_destroy(load_with("object_slots.o", &plain));
	refusal("object_refused.o", &err);
	refusal("object_task.o", &err);
	assert_int_equal(open_files(), before);
}

/* libbpf writes to standard error when it may. */
static void nothing_goes_to_standard_error(void **state)
{
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);
	struct err err = {0};
	long size;

	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	refusal("object_refused.o", &err);
	refusal("object_other.o", &err);
	ebpf_object_destroy(load_with("object_basics.o", &plain));
	fflush(stderr);
	dup2(kept, STDERR_FILENO);
	close(kept);
	fseek(file, 0, SEEK_END);
	size = lseek(fileno(file), 0, SEEK_END);
	fclose(file);
	assert_int_equal(size, 0);
}

static void who_may_not_load_is_told_why(void **state)
{
	struct file file = object_read("object_basics.o");
	struct ebpf_object *object;
	struct err err = {0};
	int status;
	pid_t child;

	if (getuid() != 0)
		skip();
	child = fork();
	if (child == 0) {
		int rc = setuid(65534) != 0
				 ? 0
				 : ebpf_object_load(file.bytes, file.size, &plain, &object, &err);

		_exit(rc == -EPERM && strcmp(err.slug, "no-bpf") == 0 &&
				      strstr(err.why, "CAP_BPF") != NULL && err.fix[0] != '\0'
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	free(file.bytes);
}

static void verdicts_of_kernels_old_and_new_are_read(void **state)
{
	char why[320];

	ebpf_verdict_refused("0: R1=ctx() R10=fp0\n"
			     "; __u8 *p = ctx->data; @ a.bpf.c:6\n"
			     "0: (61) r1 = *(u32 *)(r1 +0)\n"
			     "; return p[10]; @ a.bpf.c:7\n"
			     ";  @ a.bpf.c:0\n"
			     "1: (71) r1 = *(u8 *)(r1 +10)\n"
			     "invalid access to packet, off=10 size=1\n"
			     "R1 offset is outside of the packet\n"
			     "processed 2 insns (limit 1000000)\n",
			     why, sizeof(why));
	assert_string_equal(why, "invalid access to packet, off=10 size=1: R1 offset is outside of "
				 "the packet; at a.bpf.c:7: return p[10];");
	ebpf_verdict_refused("0: R1=ctx(id=0,off=0,imm=0) R10=fp0\n"
			     "; return *p;\n"
			     "7: (79) r0 = *(u64 *)(r0 +0)\n"
			     " R0_w=map_value_or_null(id=1) R10=fp0\n"
			     "R0 invalid mem access 'map_value_or_null'\n",
			     why, sizeof(why));
	assert_string_equal(why, "R0 invalid mem access 'map_value_or_null'; at: return *p;");
	ebpf_verdict_refused("7: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'inv'\n"
			     "verification time 40 usec\nstack depth 8\n",
			     why, sizeof(why));
	assert_string_equal(
		why, "R0 invalid mem access 'inv'; at instruction 7: (79) r0 = *(u64 *)(r0 +0)");
	ebpf_verdict_refused("", why, sizeof(why));
	assert_string_equal(why, "");
	ebpf_verdict_refused("\n\n\n;\n @ \n; @ x", why, sizeof(why));
	ebpf_verdict_accepted("verification time 3 usec\nstack depth 8+16\n"
			      "processed 12 insns (limit 1000000)\n",
			      why, sizeof(why));
	assert_string_equal(why, "12 instructions processed, 24 bytes of stack");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_of_other_hooks_are_left_out),
		cmocka_unit_test(maps_are_as_the_object_says),
		cmocka_unit_test(program_runs_with_maps_and_global_data),
		cmocka_unit_test(interpreted_program_does_the_same),
		cmocka_unit_test(constants_of_a_program_cannot_be_set),
		cmocka_unit_test(maps_hold_maps_and_programs_from_the_start),
		cmocka_unit_test(verifier_is_quoted_when_it_accepts),
		cmocka_unit_test(refused_program_is_named_with_its_line),
		cmocka_unit_test(program_that_is_too_complex_is_told_so),
		cmocka_unit_test(licence_is_asked_for),
		cmocka_unit_test(what_is_the_kernels_is_refused_by_name),
		cmocka_unit_test(object_without_xdp_says_what_it_has),
		cmocka_unit_test(what_is_too_big_is_refused),
		cmocka_unit_test(memory_has_the_limit_that_is_given),
		cmocka_unit_test(maps_of_a_name_outlive_the_object),
		cmocka_unit_test(map_that_differs_is_refused),
		cmocka_unit_test(filled_array_of_programs_is_the_objects_own),
		cmocka_unit_test(object_cut_short_is_refused),
		cmocka_unit_test(damaged_object_harms_nobody),
		cmocka_unit_test(section_of_types_may_be_garbage),
		cmocka_unit_test(program_of_the_host_is_refused),
		cmocka_unit_test(nothing_stays_open),
		cmocka_unit_test(nothing_goes_to_standard_error),
		cmocka_unit_test(who_may_not_load_is_told_why),
		cmocka_unit_test(verdicts_of_kernels_old_and_new_are_read),
	};
	struct err err = {0};

	objects = argv + 1;
	n_objects = argc - 1;
	if (n_objects == 0) {
		printf("skipped: no clang with a BPF target when this was built\n");
		return 77;
	}
	if (ebpf_permission_check("test", &err) != 0) {
		printf("skipped: %s: %s\n", err.what, err.why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
