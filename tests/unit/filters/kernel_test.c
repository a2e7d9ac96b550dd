/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The same program on the same packets, three times: in the kernel (BPF_PROG_TEST_RUN), by the
 * interpreter and by the compiler.  Same verdicts, same bytes, same maps afterwards.
 *
 * 	kernel_test [-n PACKETS] [-s SEED] OBJECT...
 *
 * An object is a file that clang made (tests/support/xdp); the program that runs is the one named
 * as the file.  Each object sees every packet in its turn, and its maps remember.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "filters/ebpf/object.h"
#include "tests/support/ebpf_pieces.h"
#include "tests/support/packet_gen.h"

#define MAX_OBJECTS 64
#define MAX_VALUE   4096
#define MAX_CPUS    1024
#define MIN_PACKET  14
#define MAX_PACKET  1600
/* As the kernel's test run has it: a page, less what it puts at its end. */
#define ROOM	 (4096 - 320)
#define LOOPBACK 1

enum { INTERPRETED, COMPILED, N_OURS };
static const char *const side_names[N_OURS] = {"interpreter", "compiler"};

static unsigned n_packets = 2000, n_random = 1000;
static uint64_t seed = 1;
static bool verbose;
static unsigned n_compared;
static unsigned cpu; /* that this runs on: which copy of the kernel's per-CPU values is ours */

struct run {
	uint32_t verdict, size;
	uint8_t bytes[4096];
};

/* An object, three times. */
struct trio {
	char name[64];
	void *elf;
	size_t elf_size;
	struct bpf_object *kernel;
	int fd;
	struct ebpf_object *ours[N_OURS];
	const struct ebpf_prog *progs[N_OURS];
	double seconds[1 + N_OURS];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int be_quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static void read_elf(struct trio *t, const char *path)
{
	FILE *file = fopen(path, "rb");
	const char *base = strrchr(path, '/');

	if (file == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	fseek(file, 0, SEEK_END);
	t->elf_size = ftell(file);
	rewind(file);
	t->elf = malloc(t->elf_size);
	assert_non_null(t->elf);
	assert_int_equal(fread(t->elf, 1, t->elf_size, file), t->elf_size);
	fclose(file);
	snprintf(t->name, sizeof(t->name), "%s", base != NULL ? base + 1 : path);
	t->name[strcspn(t->name, ".")] = '\0';
}

/* False: nobody may load programs here. */
static bool load_kernel(struct trio *t)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = t->name);
	const struct bpf_program *prog;
	int rc;

	t->kernel = bpf_object__open_mem(t->elf, t->elf_size, &opts);
	assert_non_null(t->kernel);
	rc = bpf_object__load(t->kernel);
	if (rc == -EPERM || rc == -EACCES || rc == -ENOSYS) {
		print_message("bpf(2) says: %s\n", strerror(-rc));
		return false;
	}
	assert_int_equal(rc, 0);
	prog = bpf_object__find_program_by_name(t->kernel, t->name);
	assert_non_null(prog);
	t->fd = bpf_program__fd(prog);
	return true;
}

static void load_ours(struct trio *t)
{
	struct err err;

	for (int side = 0; side < N_OURS; side++) {
		const struct ebpf_object_opts opts = {.name = t->name,
						      .n_cpus = 1,
						      .interpret = side == INTERPRETED};

		if (ebpf_object_load(t->elf, t->elf_size, &opts, &t->ours[side], &err) != 0)
			fail_msg("%s: %s: %s", t->name, err.what, err.why);
		t->progs[side] = ebpf_object_find_prog(t->ours[side], t->name);
		assert_non_null(t->progs[side]);
		if ((t->progs[side]->code != NULL) != (side == COMPILED))
			print_message("%s is %scompiled\n", t->name,
				      t->progs[side]->code != NULL ? "" : "not ");
	}
}

static void unload(struct trio *t)
{
	for (int side = 0; side < N_OURS; side++)
		ebpf_object_destroy(t->ours[side]);
	bpf_object__close(t->kernel);
	free(t->elf);
}

/* ---- A packet ---- */

static void run_kernel(struct trio *t, const uint8_t *bytes, uint32_t size, struct run *ret)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = size,
		    .data_out = ret->bytes, .data_size_out = sizeof(ret->bytes), .repeat = 1);
	double start = now();
	int rc = bpf_prog_test_run_opts(t->fd, &opts);

	t->seconds[N_OURS] += now() - start;
	assert_int_equal(rc, 0);
	ret->verdict = opts.retval;
	ret->size = opts.data_size_out;
}

static void run_ours(struct trio *t, int side, const uint8_t *bytes, uint32_t size, struct run *ret)
{
	static uint8_t room[ROOM];
	struct ebpf_ctx ctx = {
		.data = room + EBPF_HEADROOM,
		.meta = room + EBPF_HEADROOM,
		.data_end = room + EBPF_HEADROOM + size,
		.hard_start = room,
		.hard_end = room + sizeof(room),
		.frame_size = size,
		.ingress_ifindex = LOOPBACK,
	};
	double start;

	memset(room, 0, sizeof(room)); /* What a program puts in front and does not write. */
	memcpy(ctx.data, bytes, size);
	ebpf_env_here->n_tail = 0;
	ebpf_env_here->prog = t->progs[side];
	start = now();
	ret->verdict = (uint32_t)ebpf_run(t->progs[side], &ctx);
	t->seconds[side] += now() - start;
	/* The kernel's test run gives the metadata back as well. */
	ret->size = ctx.data_end - ctx.meta;
	memcpy(ret->bytes, ctx.meta, ret->size);
}

static void compare_runs(const struct trio *t, int side, unsigned packet, const struct run *kernel,
			 const struct run *ours)
{
	if (ours->verdict != kernel->verdict || ours->size != kernel->size)
		fail_msg("%s, packet %u: the %s says %u, %u bytes; the kernel %u, %u bytes",
			 t->name, packet, side_names[side], ours->verdict, ours->size,
			 kernel->verdict, kernel->size);
	for (uint32_t i = 0; i < ours->size; i++)
		if (ours->bytes[i] != kernel->bytes[i])
			fail_msg("%s, packet %u: byte %u is %#x by the %s, %#x by the kernel",
				 t->name, packet, i, ours->bytes[i], side_names[side],
				 kernel->bytes[i]);
}

/* What is known of a program before it runs is so. */
static void check_does(const struct trio *t, const uint8_t *bytes, uint32_t size,
		       const struct run *kernel)
{
	uint32_t does = t->progs[COMPILED]->does;

	if ((does & (EBPF_WRITES_PACKET | EBPF_MOVES_ENDS | EBPF_TAIL_CALLS)) == 0 &&
	    (kernel->size != size || memcmp(kernel->bytes, bytes, size) != 0))
		fail_msg("%s writes to packets, but is not known to (%#x)", t->name, does);
}

static const struct pkt *next_packet(uint64_t *state)
{
	static struct pkt p;

	pkt_random(&p, state);
	if (pkt_rand(state) >> 62 == 0)
		pkt_mutate(&p, state);
	while (p.size < MIN_PACKET)
		p.bytes[p.size++] = 0;
	if (p.size > MAX_PACKET)
		p.size = MAX_PACKET - pkt_rand(state) % 1000;
	return &p;
}

/* ---- Maps ---- */

static struct ebpf_map *our_map(const struct trio *t, int side, const char *name)
{
	for (uint32_t i = 0; i < ebpf_object_n_maps(t->ours[side]); i++)
		if (strcmp(ebpf_object_map(t->ours[side], i)->def.name, name) == 0)
			return ebpf_object_map(t->ours[side], i);
	return NULL;
}

static bool is_percpu(enum bpf_map_type type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static void fail_value(const struct trio *t, int side, const char *map, const uint8_t *key,
		       const char *what)
{
	fail_msg("%s, map %s, key %02x%02x%02x%02x...: %s by the %s", t->name, map, key[0], key[1],
		 key[2], key[3], what, side_names[side]);
}

static void compare_value(const struct trio *t, int side, const struct bpf_map *kernel,
			  struct ebpf_map *ours, const uint8_t *key)
{
	static uint8_t theirs[MAX_VALUE * MAX_CPUS], mine[MAX_VALUE];
	uint32_t size = bpf_map__value_size(kernel);
	size_t copy = is_percpu(bpf_map__type(kernel)) ? (size + 7) / 8 * 8 * (size_t)cpu : 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(kernel), key, theirs), 0);
	if (ebpf_map_read(ours, key, mine) != 0)
		fail_value(t, side, bpf_map__name(kernel), key, "missing");
	else if (memcmp(theirs + copy, mine, size) != 0)
		fail_value(t, side, bpf_map__name(kernel), key, "another value");
}

/* Every key of the kernel's is ours, with its value, and we have no more. */
static void compare_keys(const struct trio *t, int side, const struct bpf_map *kernel,
			 struct ebpf_map *ours)
{
	uint8_t key[EBPF_MAX_KEY], last[EBPF_MAX_KEY];
	unsigned n = 0, n_ours = 0;

	for (int rc = bpf_map_get_next_key(bpf_map__fd(kernel), NULL, key); rc == 0; n++) {
		compare_value(t, side, kernel, ours, key);
		memcpy(last, key, sizeof(key));
		rc = bpf_map_get_next_key(bpf_map__fd(kernel), last, key);
	}
	for (int rc = ours->ops->next(ours, NULL, key); rc == 0; n_ours++) {
		memcpy(last, key, sizeof(key));
		rc = ours->ops->next(ours, last, key);
	}
	if (n != n_ours)
		fail_msg("%s, map %s: %u elements by the %s, %u by the kernel", t->name,
			 bpf_map__name(kernel), n_ours, side_names[side], n);
}

/* What is in a queue or a stack goes out: the kernel's into 'ret', which says how many. */
static unsigned drain_kernel(const struct bpf_map *map, uint64_t *ret, unsigned max)
{
	unsigned n = 0;

	while (n < max && bpf_map_lookup_and_delete_elem(bpf_map__fd(map), NULL, &ret[n]) == 0)
		n++;
	return n;
}

static void compare_queue(const struct trio *t, const struct bpf_map *kernel)
{
	uint64_t theirs[256] = {0};
	unsigned n = drain_kernel(kernel, theirs, 256);

	for (int side = 0; side < N_OURS; side++) {
		struct ebpf_map *ours = our_map(t, side, bpf_map__name(kernel));

		for (unsigned i = 0; i <= n; i++) {
			uint64_t value = 0;
			long rc = ours->ops->pop(ours, &value);

			if (rc != (i < n ? 0 : -ENOENT) || value != theirs[i])
				fail_msg("%s, map %s: element %u differs by the %s", t->name,
					 bpf_map__name(kernel), i, side_names[side]);
		}
	}
}

static void compare_map(const struct trio *t, const struct bpf_map *kernel, bool last)
{
	enum bpf_map_type type = bpf_map__type(kernel);

	if (type == BPF_MAP_TYPE_PROG_ARRAY)
		return;
	if (type == BPF_MAP_TYPE_QUEUE || type == BPF_MAP_TYPE_STACK) {
		if (last)
			compare_queue(t, kernel);
		return;
	}
	for (int side = 0; side < N_OURS; side++) {
		struct ebpf_map *ours = our_map(t, side, bpf_map__name(kernel));

		if (ours == NULL)
			fail_msg("%s: no map %s", t->name, bpf_map__name(kernel));
		else
			compare_keys(t, side, kernel, ours);
	}
}

static void compare_maps(const struct trio *t, bool last)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, t->kernel) compare_map(t, map, last);
}

/* ---- All of it ---- */

static void compare_packets(struct trio *t)
{
	static struct run kernel, ours;
	uint64_t state = seed;
	unsigned verdicts[5] = {0};

	for (unsigned i = 0; i < n_packets; i++) {
		const struct pkt *p = next_packet(&state);

		run_kernel(t, p->bytes, p->size, &kernel);
		for (int side = 0; side < N_OURS; side++) {
			run_ours(t, side, p->bytes, p->size, &ours);
			compare_runs(t, side, i, &kernel, &ours);
		}
		check_does(t, p->bytes, p->size, &kernel);
		verdicts[kernel.verdict % 5]++;
		if (i % (n_packets / 8 + 1) == 0)
			compare_maps(t, false);
	}
	compare_maps(t, true);
	print_message(
		"%s: %u aborted, %u dropped, %u passed, %u sent back; ns a packet: %.0f kernel "
		"(with its call), %.0f interpreter, %.0f compiler (with the clock)\n",
		t->name, verdicts[0], verdicts[1], verdicts[2], verdicts[3],
		t->seconds[N_OURS] / n_packets * 1e9, t->seconds[INTERPRETED] / n_packets * 1e9,
		t->seconds[COMPILED] / n_packets * 1e9);
}

static void kernel_interpreter_and_compiler_agree(void **state)
{
	struct trio t = {.fd = -1};

	read_elf(&t, *state);
	if (!load_kernel(&t)) {
		unload(&t);
		skip();
	}
	load_ours(&t);
	compare_packets(&t);
	n_compared++;
	unload(&t);
}

/* ---- Random programs ---- */

#define PACKETS_EACH 6

struct values {
	int fd; /* the kernel's */
	struct ebpf_map *ours[N_OURS];
};

static bool make_values(struct values *v)
{
	const struct ebpf_map_def def = {
		.name = "values",
		.type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = EBPF_PIECES_VALUE,
		.max_entries = 1,
		.memory_fd = -1,
	};

	v->fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "values", 4, EBPF_PIECES_VALUE, 1, NULL);
	for (int side = 0; side < N_OURS; side++)
		assert_int_equal(ebpf_map_create(&def, 1, &v->ours[side], NULL), 0);
	return v->fd >= 0;
}

static void clear_values(const struct values *v)
{
	const uint8_t zeros[EBPF_PIECES_VALUE] = {0};
	const uint32_t key = 0;

	assert_int_equal(bpf_map_update_elem(v->fd, &key, zeros, BPF_ANY), 0);
	for (int side = 0; side < N_OURS; side++)
		assert_int_equal(ebpf_map_write(v->ours[side], &key, zeros, BPF_ANY), 0);
}

static void compare_values(const struct trio *t, const struct values *v)
{
	uint8_t theirs[EBPF_PIECES_VALUE], mine[EBPF_PIECES_VALUE];
	const uint32_t key = 0;

	assert_int_equal(bpf_map_lookup_elem(v->fd, &key, theirs), 0);
	for (int side = 0; side < N_OURS; side++) {
		assert_int_equal(ebpf_map_read(v->ours[side], &key, mine), 0);
		if (memcmp(theirs, mine, sizeof(mine)) != 0)
			fail_msg("%s: the map differs by the %s", t->name, side_names[side]);
	}
}

static void make_random(struct trio *t, const struct values *v, const struct bpf_insn *insns,
			uint32_t n)
{
	struct err err;

	for (int side = 0; side < N_OURS; side++) {
		const struct ebpf_map_ref ref = {.fd = v->fd, .map = v->ours[side]};
		const struct ebpf_prog_opts opts = {
			.name = t->name,
			.insns = insns,
			.n = n,
			.maps = &ref,
			.n_maps = 1,
			.gpl = true,
			.interpret = side == INTERPRETED,
		};
		struct ebpf_prog *prog = NULL;

		if (ebpf_prog_create(&opts, &prog, &err) != 0)
			fail_msg("%s: the verifier accepts it, we do not: %s: %s", t->name,
				 err.what, err.why);
		t->progs[side] = prog;
	}
}

static void run_random(struct trio *t, const struct values *v, uint64_t *state)
{
	static struct run kernel, ours;

	clear_values(v);
	for (unsigned i = 0; i < PACKETS_EACH; i++) {
		const struct pkt *p = next_packet(state);

		run_kernel(t, p->bytes, p->size, &kernel);
		for (int side = 0; side < N_OURS; side++) {
			run_ours(t, side, p->bytes, p->size, &ours);
			compare_runs(t, side, i, &kernel, &ours);
		}
		check_does(t, p->bytes, p->size, &kernel);
	}
	compare_values(t, v);
}

struct counts {
	unsigned accepted, ctx, maybe, writes;
};

static void count_notes(struct counts *c, const struct ebpf_prog *prog)
{
	c->accepted++;
	c->writes += (prog->does & EBPF_WRITES_PACKET) != 0;
	for (uint32_t i = 0; i < prog->n; i++) {
		c->ctx += prog->notes[i] == EBPF_CTX;
		c->maybe += prog->notes[i] == EBPF_MAYBE_CTX;
	}
}

/* With what the verifier thinks of it when somebody asks (-v). */
static int load_random(const struct bpf_insn *insns, uint32_t n)
{
	static char log[1 << 20];
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log),
		    .log_level = 2);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, NULL, "GPL", insns, n, verbose ? &opts : NULL);

	if (verbose)
		puts(log);
	return fd;
}

/* One; the verifier may refuse it. */
static void one_random(const struct values *v, uint64_t *state, struct counts *counts)
{
	static struct bpf_insn insns[EBPF_PIECES_MAX];
	struct trio t = {0};
	uint32_t n;

	snprintf(t.name, sizeof(t.name), "random program of seed %#" PRIx64, *state);
	n = ebpf_pieces(insns, v->fd, state);
	t.fd = load_random(insns, n);
	if (t.fd < 0)
		return;
	make_random(&t, v, insns, n);
	count_notes(counts, t.progs[COMPILED]);
	run_random(&t, v, state);
	for (int side = 0; side < N_OURS; side++)
		ebpf_prog_unref((struct ebpf_prog *)(uintptr_t)t.progs[side]);
	close(t.fd);
}

static void all_agree_about_random_programs(void **unused)
{
	struct counts counts = {0};
	struct values v;
	uint64_t state = seed;

	if (!make_values(&v)) {
		print_message("bpf(2) says: %s\n", strerror(errno));
		skip();
	}
	for (unsigned i = 0; i < n_random; i++)
		one_random(&v, &state, &counts);
	print_message("%u of %u random programs accepted; %u loads of the context, %u that may be, "
		      "%u programs write to packets\n",
		      counts.accepted, n_random, counts.ctx, counts.maybe, counts.writes);
	assert_true(counts.accepted >= n_random / 20);
	n_compared++;
	for (int side = 0; side < N_OURS; side++)
		ebpf_map_unref(v.ours[side]);
	close(v.fd);
}

static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	cpu = sched_getcpu();
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[MAX_OBJECTS + 1];
	static struct ebpf_env env = {.random = 1};
	size_t n = 0;
	int option, rc;

	while ((option = getopt(argc, argv, "n:r:s:v")) != -1) {
		if (option == 'n')
			n_packets = strtoul(optarg, NULL, 0);
		else if (option == 'r')
			n_random = strtoul(optarg, NULL, 0);
		else if (option == 'v')
			verbose = true;
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	for (; optind < argc && n < MAX_OBJECTS; n++, optind++) {
		const char *base = strrchr(argv[optind], '/');

		tests[n] = (struct CMUnitTest){
			.name = base != NULL ? base + 1 : argv[optind],
			.test_func = kernel_interpreter_and_compiler_agree,
			.initial_state = argv[optind],
		};
	}
	if (n == 0)
		puts("no clang with a BPF target made objects: random programs only");
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(all_agree_about_random_programs);
	ebpf_env_here = &env;
	libbpf_set_print(be_quiet);
	stay_on_one_cpu();
	rc = _cmocka_run_group_tests("kernel", tests, n, NULL, NULL);
	return rc == 0 && n_compared == 0 ? 77 : rc;
}
