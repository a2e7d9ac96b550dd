/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers, called as programs call them: what each promises, and its edges.
 */
#include "filters/ebpf/helper.h"

#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "filters/ebpf/helper_priv.h"
#include "filters/ebpf/map.h"
#include "filters/ebpf/prog.h"

#define P(p)	 ((uint64_t)(uintptr_t)(p))
#define ERROR(e) ((uint64_t) - (int64_t)(e))

static uint64_t call(uint32_t id, uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5)
{
	const struct ebpf_helper *helper = ebpf_helper(id);

	assert_non_null(helper);
	assert_non_null(helper->fn);
	return helper->fn(r1, r2, r3, r4, r5);
}

/* ---- Surroundings ---- */

static char printed[1024];
static uint64_t now = 5000000000;

static void take_line(const struct ebpf_env *env, const char *line, uint32_t size)
{
	assert_true(size < sizeof(printed));
	memcpy(printed, line, size);
	printed[size] = '\0';
}

static uint64_t clock_now(const struct ebpf_env *env)
{
	return now;
}

static long routes(const struct ebpf_env *env, const struct ebpf_ctx *ctx, void *params,
		   uint32_t flags)
{
	((struct bpf_fib_lookup *)params)->ifindex = 77;
	return flags == 0 ? BPF_FIB_LKUP_RET_SUCCESS : BPF_FIB_LKUP_RET_NOT_FWDED;
}

static uint32_t mtu_of(const struct ebpf_env *env, uint32_t ifindex)
{
	return ifindex == 9 ? 100 : ifindex == 5 ? 50 : 0;
}

static const struct ebpf_ops ops = {.now_ns = clock_now,
				    .fib_lookup = routes,
				    .mtu = mtu_of,
				    .print = take_line};
static struct ebpf_env env;
static uint8_t frame[1024];
static struct ebpf_ctx ctx;

/* A packet of 100 bytes that count up, 256 before it, 100 behind. */
static int surround(void **state)
{
	env = (struct ebpf_env){.cpu = 1, .random = 7, .ops = &ops};
	ebpf_env_enter(&env);
	memset(frame, 0xee, sizeof(frame));
	for (unsigned i = 0; i < 100; i++)
		frame[256 + i] = (uint8_t)i;
	ctx = (struct ebpf_ctx){.data = frame + 256,
				.data_end = frame + 356,
				.meta = frame + 256,
				.ingress_ifindex = 5,
				.frame_size = 100,
				.hard_start = frame,
				.hard_end = frame + 456};
	env.ctx = &ctx;
	printed[0] = '\0';
	return 0;
}

static struct ebpf_map *map_make(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t n)
{
	const struct ebpf_map_def def = {.name = "m",
					 .type = type,
					 .key_size = key_size,
					 .value_size = value_size,
					 .max_entries = n,
					 .memory_fd = -1};
	struct ebpf_map *map = NULL;
	struct err err = {0};

	if (ebpf_map_create(&def, 2, &map, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
	return map;
}

/* ---- The table ---- */

static void every_helper_has_its_name(void **state)
{
	char name[64];

	for (uint32_t id = 0; id < 300; id++) {
		const struct ebpf_helper *helper = ebpf_helper(id);

		ebpf_helper_name(id, name, sizeof(name));
		if (helper == NULL)
			continue;
		assert_string_equal(helper->name, name);
		assert_int_equal(helper->fn == NULL, (helper->flags & EBPF_HELPER_CONTROL) != 0);
	}
	assert_null(ebpf_helper(0));
	assert_null(ebpf_helper(UINT32_MAX));
	assert_null(ebpf_helper(BPF_FUNC_sk_lookup_tcp));
	assert_string_equal(ebpf_helper_name(BPF_FUNC_sk_lookup_tcp, name, sizeof(name)),
			    "bpf_sk_lookup_tcp");
	assert_string_equal(ebpf_helper_name(9999, name, sizeof(name)), "helper 9999");
}

static void what_changes_packets_is_marked(void **state)
{
	static const uint32_t writers[] = {BPF_FUNC_xdp_adjust_head, BPF_FUNC_xdp_adjust_meta,
					   BPF_FUNC_xdp_adjust_tail, BPF_FUNC_xdp_store_bytes};

	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		assert_true((ebpf_helper(writers[i])->flags & EBPF_HELPER_WRITES) != 0);
	assert_true((ebpf_helper(BPF_FUNC_xdp_load_bytes)->flags & EBPF_HELPER_WRITES) == 0);
	assert_true((ebpf_helper(BPF_FUNC_trace_printk)->flags & EBPF_HELPER_GPL) != 0);
}

/* ---- Packets ---- */

static uint64_t head(int by)
{
	return call(BPF_FUNC_xdp_adjust_head, P(&ctx), (uint32_t)by, 0, 0, 0);
}

static uint64_t meta(int by)
{
	return call(BPF_FUNC_xdp_adjust_meta, P(&ctx), (uint32_t)by, 0, 0, 0);
}

static uint64_t tail(int by)
{
	return call(BPF_FUNC_xdp_adjust_tail, P(&ctx), (uint32_t)by, 0, 0, 0);
}

/* The kernel keeps 40 bytes of the 256, and an Ethernet header of the packet. */
static void head_moves_within_its_room(void **state)
{
	assert_int_equal(head(-217), ERROR(EINVAL));
	assert_ptr_equal(ctx.data, frame + 256);
	assert_int_equal(head(-216), 0);
	assert_ptr_equal(ctx.data, frame + 40);
	assert_ptr_equal(ctx.meta, ctx.data);
	assert_int_equal(ctx.frame_size, 316);
	assert_int_equal(head(-1), ERROR(EINVAL));
	assert_int_equal(head(316 - 13), ERROR(EINVAL));
	assert_int_equal(head(316 - 14), 0);
	assert_int_equal(ctx.data_end - ctx.data, 14);
	assert_int_equal(ctx.frame_size, 14);
	assert_int_equal(head(INT32_MIN), ERROR(EINVAL));
	assert_int_equal(head(INT32_MAX), ERROR(EINVAL));
}

static void metadata_goes_with_the_head(void **state)
{
	assert_int_equal(meta(-8), 0);
	memcpy(ctx.meta, "metadata", 8);
	assert_int_equal(head(-209), ERROR(EINVAL));
	assert_int_equal(head(-208), 0);
	assert_memory_equal(ctx.meta, "metadata", 8);
	assert_ptr_equal(ctx.meta + 8, ctx.data);
	assert_int_equal(head(20), 0);
	assert_memory_equal(ctx.meta, "metadata", 8);
}

static void metadata_is_aligned_and_bounded(void **state)
{
	assert_int_equal(meta(-1), ERROR(EACCES));
	assert_int_equal(meta(-6), ERROR(EACCES));
	assert_int_equal(meta(4), ERROR(EINVAL));
	assert_int_equal(meta(-217), ERROR(EINVAL));
	assert_int_equal(meta(INT32_MIN), ERROR(EINVAL));
	assert_ptr_equal(ctx.meta, ctx.data);
	assert_int_equal(meta(-216), 0);
	assert_int_equal(meta(-4), ERROR(EINVAL));
	assert_int_equal(meta(212), 0);
	assert_int_equal(ctx.data - ctx.meta, 4);
	/* Where there is more room: so much of it at most. */
	ctx.data = ctx.meta = frame + 600;
	ctx.data_end = frame + 700;
	assert_int_equal(meta(-256), ERROR(EACCES));
	assert_int_equal(meta(-252), 0);
}

static void tail_grows_with_zeros_and_shrinks(void **state)
{
	assert_int_equal(tail(101), ERROR(EINVAL));
	assert_int_equal(tail(100), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(frame[356 + i], 0);
	assert_int_equal(frame[456], 0xee);
	assert_int_equal(ctx.frame_size, 200);
	assert_int_equal(tail(-187), ERROR(EINVAL));
	assert_int_equal(tail(-186), 0);
	assert_int_equal(ctx.data_end - ctx.data, 14);
	assert_int_equal(tail(INT32_MIN), ERROR(EINVAL));
	assert_int_equal(tail(INT32_MAX), ERROR(EINVAL));
}

static void tail_of_a_packet_that_is_not_all_here_stays(void **state)
{
	ctx.frame_size = 1500;
	assert_int_equal(tail(-1), ERROR(EOPNOTSUPP));
	assert_int_equal(call(BPF_FUNC_xdp_get_buff_len, P(&ctx), 0, 0, 0, 0), 1500);
}

static void bytes_are_loaded_and_stored(void **state)
{
	uint8_t bytes[8] = {0};

	assert_int_equal(call(BPF_FUNC_xdp_load_bytes, P(&ctx), 92, P(bytes), 8, 0), 0);
	assert_int_equal(bytes[0], 92);
	assert_int_equal(bytes[7], 99);
	assert_int_equal(call(BPF_FUNC_xdp_load_bytes, P(&ctx), 93, P(bytes), 8, 0), ERROR(EINVAL));
	assert_int_equal(call(BPF_FUNC_xdp_load_bytes, P(&ctx), 0x10000, P(bytes), 1, 0),
			 ERROR(EFAULT));
	assert_int_equal(call(BPF_FUNC_xdp_load_bytes, P(&ctx), 0xffffffff, P(bytes), 8, 0),
			 ERROR(EFAULT));
	assert_int_equal(call(BPF_FUNC_xdp_store_bytes, P(&ctx), 98, P("ab"), 2, 0), 0);
	assert_memory_equal(frame + 354, "ab", 2);
	assert_int_equal(call(BPF_FUNC_xdp_store_bytes, P(&ctx), 99, P("ab"), 2, 0), ERROR(EINVAL));
	assert_int_equal(frame[356], 0xee);
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

static uint16_t sum_of(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint64_t)(bytes[i] | bytes[i + 1] << 8);
	return fold(sum);
}

static uint64_t diff(const void *from, uint32_t from_size, const void *to, uint32_t to_size,
		     uint32_t seed)
{
	return call(BPF_FUNC_csum_diff, P(from), from_size, P(to), to_size, seed);
}

static void checksum_differences_add_up(void **state)
{
	uint8_t a[64], b[64];

	srand(3);
	for (unsigned round = 0; round < 200; round++) {
		uint32_t size = (uint32_t)rand() % 17 * 4, seed = (uint32_t)rand();

		for (unsigned i = 0; i < 64; i++) {
			a[i] = (uint8_t)rand();
			b[i] = (uint8_t)rand();
		}
		assert_int_equal(fold(diff(a, size, NULL, 0, 0) + sum_of(a, size)) % 0xffff, 0);
		if (size > 0)
			assert_int_equal(diff(NULL, 0, b, size, seed),
					 fold((uint64_t)sum_of(b, size) + fold(seed)));
		assert_int_equal(fold(diff(a, size, b, size, 0) + sum_of(a, size)) % 0xffff,
				 sum_of(b, size) % 0xffff);
	}
}

/* What a kernel of 2025 says: which of the two zeros. */
static void checksum_edges_are_the_kernels(void **state)
{
	const uint8_t zeros[8] = {0}, ones[4] = {0xff, 0xff, 0xff, 0xff};

	assert_int_equal(diff(zeros, 3, NULL, 0, 0), ERROR(EINVAL));
	assert_int_equal(diff(NULL, 0, zeros, 6, 0), ERROR(EINVAL));
	assert_int_equal(diff(NULL, 0, NULL, 0, 0x12345678), 0x68ac);
	assert_int_equal(diff(NULL, 0, zeros, 8, 0), 0);
	assert_int_equal(diff(NULL, 0, ones, 4, 0), 0xffff);
	assert_int_equal(diff(zeros, 8, NULL, 0, 0), 0);
	assert_int_equal(diff(ones, 4, ones, 4, 0), 0xffff);
}

/* ---- Where it goes ---- */

static void redirect_names_a_port(void **state)
{
	env.redirect.map = (void *)&env;
	assert_int_equal(call(BPF_FUNC_redirect, 12, 0, 0, 0, 0), EBPF_REDIRECT);
	assert_int_equal(env.redirect.ifindex, 12);
	assert_null(env.redirect.map);
	assert_int_equal(call(BPF_FUNC_redirect, 12, 1, 0, 0, 0), EBPF_ABORTED);
}

static uint64_t by_map(struct ebpf_map *map, uint64_t key, uint64_t flags)
{
	return call(BPF_FUNC_redirect_map, P(map), key, flags, 0, 0);
}

static void redirect_by_map_or_what_its_flags_say(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_DEVMAP, 4, 4, 8);
	uint32_t key = 2, ifindex = 9;

	assert_int_equal(ebpf_map_write(map, &key, &ifindex, BPF_ANY), 0);
	assert_int_equal(by_map(map, 2, 0), EBPF_REDIRECT);
	assert_int_equal(env.redirect.ifindex, 9);
	assert_ptr_equal(env.redirect.map, map);
	assert_int_equal(by_map(map, 3, EBPF_PASS), EBPF_PASS);
	assert_int_equal(env.redirect.ifindex, 0); /* The last call counts. */
	assert_int_equal(by_map(map, 3, EBPF_TX), EBPF_TX);
	assert_int_equal(by_map(map, 8, 0), EBPF_ABORTED);
	assert_int_equal(by_map(map, 2, 4), EBPF_ABORTED);
	assert_int_equal(by_map(map, 2, 1ull << 32), EBPF_ABORTED);
	assert_int_equal(by_map(map, 5, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS), EBPF_REDIRECT);
	assert_int_equal(env.redirect.flags, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
	assert_ptr_equal(env.redirect.map, map);
	ebpf_map_unref(map);
}

/* As in a kernel where nobody has put a socket or a processor in. */
static void redirect_to_what_only_kernels_have_takes_the_other_verdict(void **state)
{
	const uint32_t types[] = {BPF_MAP_TYPE_XSKMAP, BPF_MAP_TYPE_CPUMAP};
	uint32_t key = 0, value = 1;

	for (unsigned i = 0; i < 2; i++) {
		struct ebpf_map *map = map_make(types[i], 4, 4, 8);

		assert_int_equal(ebpf_map_write(map, &key, &value, BPF_ANY), -ENOTSUP);
		assert_int_equal(call(BPF_FUNC_map_lookup_elem, P(map), P(&key), 0, 0, 0), 0);
		assert_int_equal(by_map(map, 0, EBPF_PASS), EBPF_PASS);
		assert_int_equal(by_map(map, 0, 0), EBPF_ABORTED);
		assert_int_equal(by_map(map, 0, BPF_F_BROADCAST), EBPF_ABORTED);
		assert_int_equal(ebpf_map_count(map), 0);
		ebpf_map_unref(map);
	}
}

static void routes_are_the_switchs(void **state)
{
	struct bpf_fib_lookup params = {.family = 2};

	assert_int_equal(call(BPF_FUNC_fib_lookup, P(&ctx), P(&params), sizeof(params), 0, 0), 0);
	assert_int_equal(params.ifindex, 77);
	assert_int_equal(call(BPF_FUNC_fib_lookup, P(&ctx), P(&params), sizeof(params) - 1, 0, 0),
			 ERROR(EINVAL));
	env.ops = NULL;
	assert_int_equal(call(BPF_FUNC_fib_lookup, P(&ctx), P(&params), sizeof(params), 0, 0),
			 ERROR(EAFNOSUPPORT));
}

static uint64_t mtu(uint32_t ifindex, uint32_t *size, int32_t change, uint64_t flags)
{
	return call(BPF_FUNC_check_mtu, P(&ctx), ifindex, P(size), (uint32_t)change, flags);
}

static void mtu_is_compared(void **state)
{
	uint32_t size = 0;

	assert_int_equal(mtu(9, &size, 14, 0), BPF_MTU_CHK_RET_SUCCESS); /* 100 + 14 */
	assert_int_equal(size, 100);
	size = 0;
	assert_int_equal(mtu(9, &size, 15, 0), BPF_MTU_CHK_RET_FRAG_NEEDED);
	size = 101;
	assert_int_equal(mtu(9, &size, 0, 0), BPF_MTU_CHK_RET_FRAG_NEEDED);
	size = 101;
	assert_int_equal(mtu(9, &size, -1, 0), BPF_MTU_CHK_RET_SUCCESS);
	size = 0;
	assert_int_equal(mtu(0, &size, 0, 0), BPF_MTU_CHK_RET_FRAG_NEEDED); /* where it came in */
	assert_int_equal(size, 50);
	assert_int_equal(mtu(4, &size, 0, 0), ERROR(ENODEV));
	assert_int_equal(mtu(9, &size, 0, 1), ERROR(EINVAL));
}

/* ---- Clocks, chance ---- */

static void clocks_go_on(void **state)
{
	uint64_t boot = call(BPF_FUNC_ktime_get_boot_ns, 0, 0, 0, 0, 0);

	assert_int_equal(call(BPF_FUNC_ktime_get_ns, 0, 0, 0, 0, 0), now);
	assert_true(call(BPF_FUNC_ktime_get_boot_ns, 0, 0, 0, 0, 0) >= boot);
	assert_true(boot > 0);
	assert_true(call(BPF_FUNC_ktime_get_coarse_ns, 0, 0, 0, 0, 0) > 0);
	assert_true(call(BPF_FUNC_ktime_get_tai_ns, 0, 0, 0, 0, 0) > 1000000000ull * 1600000000);
	env.ops = NULL;
	assert_true(call(BPF_FUNC_ktime_get_ns, 0, 0, 0, 0, 0) != now);
}

/* Five minutes before 2^32, at boot; a tick is 1 to 10 ms. */
static void jiffies_count_as_the_kernels(void **state)
{
	uint64_t coarse = call(BPF_FUNC_ktime_get_coarse_ns, 0, 0, 0, 0, 0);
	uint64_t jiffies = call(BPF_FUNC_jiffies64, 0, 0, 0, 0, 0);

	assert_true(jiffies >= (1ull << 32) - 300 * 1000 + coarse / 10000000);
	assert_true(jiffies <= (1ull << 32) - 300 * 100 + coarse / 1000000 + 1000);
}

static void chance_is_32_bits_and_moves(void **state)
{
	uint64_t all = 0, ones = UINT64_MAX;

	for (int i = 0; i < 64; i++) {
		uint64_t x = call(BPF_FUNC_get_prandom_u32, 0, 0, 0, 0, 0);

		all |= x;
		ones &= x;
	}
	assert_int_equal(all, UINT32_MAX);
	assert_int_equal(ones, 0);
	assert_int_equal(call(BPF_FUNC_get_smp_processor_id, 0, 0, 0, 0, 0), 1);
	assert_true(call(BPF_FUNC_get_numa_node_id, 0, 0, 0, 0, 0) < 1024);
}

/* ---- Numbers and texts ---- */

static uint64_t to_long(const char *text, uint64_t flags, int64_t *ret)
{
	return call(BPF_FUNC_strtol, P(text), strlen(text), flags, P(ret), 0);
}

static uint64_t to_ulong(const char *text, uint64_t flags, uint64_t *ret)
{
	return call(BPF_FUNC_strtoul, P(text), strlen(text), flags, P(ret), 0);
}

static void numbers_are_read_as_the_kernel_reads_them(void **state)
{
	int64_t l;
	uint64_t u;

	assert_int_equal(to_long("  -12x", 0, &l), 5);
	assert_int_equal(l, -12);
	assert_int_equal(to_long("0x1F", 0, &l), 4);
	assert_int_equal(l, 31);
	assert_int_equal(to_long("0xg", 0, &l), 1);
	assert_int_equal(to_long("017", 0, &l), 3);
	assert_int_equal(l, 15);
	assert_int_equal(to_long("ff:", 16, &l), 2);
	assert_int_equal(l, 255);
	assert_int_equal(to_long("-9223372036854775808", 10, &l), 20);
	assert_int_equal(l, INT64_MIN);
	assert_int_equal(to_long("9223372036854775808", 10, &l), ERROR(ERANGE));
	assert_int_equal(to_long("99999999999999999999", 10, &l), ERROR(ERANGE));
	assert_int_equal(to_long("x", 10, &l), ERROR(EINVAL));
	assert_int_equal(to_long("", 10, &l), ERROR(EINVAL));
	assert_int_equal(to_long("-", 10, &l), ERROR(EINVAL));
	assert_int_equal(to_long("1", 2, &l), ERROR(EINVAL));
	assert_int_equal(to_long("1", 32, &l), ERROR(EINVAL));
	assert_int_equal(to_ulong("18446744073709551615", 0, &u), 20);
	assert_int_equal(u, UINT64_MAX);
	assert_int_equal(to_ulong("-1", 0, &u), ERROR(EINVAL));
}

static void texts_are_compared(void **state)
{
	assert_int_equal(call(BPF_FUNC_strncmp, P("abc"), 3, P("abc"), 0, 0), 0);
	assert_int_equal(call(BPF_FUNC_strncmp, P("abd"), 3, P("abc"), 0, 0), 1);
	assert_int_equal(call(BPF_FUNC_strncmp, P("a"), 1, P("z"), 0, 0), (uint64_t)-1);
	assert_int_equal(call(BPF_FUNC_strncmp, P("abX"), 2, P("abY"), 0, 0), 0);
}

#define PRINT(fmt, a, b, c) call(BPF_FUNC_trace_printk, P(fmt), sizeof(fmt), a, b, c)

static void lines_are_printed(void **state)
{
	assert_int_equal(PRINT("n %d of %llu: %x\n", (uint32_t)-5, 1ull << 40, 0xabc), 27);
	assert_string_equal(printed, "n -5 of 1099511627776: abc");
	PRINT("%5d|%-5d|%05d", 42, 42, 42);
	assert_string_equal(printed, "   42|42   |00042");
	PRINT("%+d % d %X", 7, 7, 0xbeef);
	assert_string_equal(printed, "+7  7 BEEF");
	PRINT("100%% %c%c", 'o', 'k', 0);
	assert_string_equal(printed, "100% ok");
	PRINT("%ld %lu %i", (uint64_t)-1, (uint64_t)-1, 0);
	assert_string_equal(printed, "-1 18446744073709551615 0");
	PRINT("%03d", (uint32_t)-5, 0, 0);
	assert_string_equal(printed, "-05");
}

static void addresses_are_printed(void **state)
{
	const uint8_t v4[4] = {10, 0, 200, 7};
	const uint8_t v6[16] = {0xfe, 0x80, [15] = 1};

	memcpy(frame + 256, v4, sizeof(v4));
	PRINT("%pI4 %pi4", P(frame + 256), P(frame + 256), 0);
	assert_string_equal(printed, "10.0.200.7 010.000.200.007");
	PRINT("%pI6", P(v6), 0, 0);
	assert_string_equal(printed, "fe80:0000:0000:0000:0000:0000:0000:0001");
	PRINT("%p", P(v6), 0, 0);
	assert_int_equal(strlen(printed), 16);
	assert_int_equal(strncmp(printed, "00000000", 8), 0); /* hashed */
	PRINT("%px", 0xffff888012345678, 0, 0);
	assert_string_equal(printed, "ffff888012345678");
}

static void strings_are_read_where_the_program_has_memory(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_ARRAY, 4, 16, 1);
	struct ebpf_map *maps[] = {map};
	const struct ebpf_prog prog = {.n_maps = 1, .maps = maps};
	char *heap = strdup("not the program's"), stack[] = "stack";
	uint32_t key = 0;
	char value[16] = "in a map";

	env.prog = &prog;
	assert_int_equal(ebpf_map_write(map, &key, value, BPF_ANY), 0);
	memcpy(frame + 256, "packet", 7);
	PRINT("%s %s %s", P(map->values), P(frame + 256), P(stack));
	assert_string_equal(printed, "in a map packet stack");
	PRINT("<%s%s%s>", P(heap), 8, UINT64_MAX);
	assert_string_equal(printed, "<>");
	/* Without its end it ends where the map does. */
	memset(value, 'x', sizeof(value));
	assert_int_equal(ebpf_map_write(map, &key, value, BPF_ANY), 0);
	PRINT("%s|", P(map->values + 12), 0, 0);
	assert_string_equal(printed, "xxxx|");
	free(heap);
	ebpf_map_unref(map);
}

static void formats_that_the_kernel_refuses_are_refused(void **state)
{
	assert_int_equal(PRINT("%d %d %d %d", 1, 2, 3), ERROR(EINVAL));
	assert_int_equal(PRINT("%n", 1, 0, 0), ERROR(EINVAL));
	assert_int_equal(PRINT("%f", 1, 0, 0), ERROR(EINVAL));
	assert_int_equal(PRINT("%ls", 1, 0, 0), ERROR(EINVAL));
	assert_int_equal(PRINT("%.3s", 1, 0, 0), ERROR(EINVAL));
	assert_int_equal(PRINT("%pI5", 1, 0, 0), ERROR(EINVAL));
	assert_int_equal(PRINT("%pM", 1, 0, 0), ERROR(EINVAL));
	assert_int_equal(PRINT("%", 1, 0, 0), ERROR(EINVAL));
	assert_int_equal(PRINT("\x1b[2J", 0, 0, 0), ERROR(EINVAL));
	assert_int_equal(call(BPF_FUNC_trace_printk, P("no end"), 6, 0, 0, 0), ERROR(EINVAL));
	assert_string_equal(printed, "");
}

static void what_is_printed_moves_no_cursor(void **state)
{
	memcpy(frame + 256, "\x1b[2J\xff\n", 7);
	PRINT("a\tb %s\n\n", P(frame + 256), 0, 0);
	assert_string_equal(printed, "a b ?[2J?");
	PRINT("%9999999d", 1, 0, 0); /* no more than a line */
	assert_true(strlen(printed) < 600);
}

static void many_arguments_are_printed(void **state)
{
	const uint64_t args[] = {1, 2, 3, 4, 5};

	assert_int_equal(call(BPF_FUNC_trace_vprintk, P("%d%d%d%d%d"), 11, P(args), 40, 0), 5);
	assert_string_equal(printed, "12345");
	assert_int_equal(call(BPF_FUNC_trace_vprintk, P("%d"), 3, P(args), 39, 0), ERROR(EINVAL));
	assert_int_equal(call(BPF_FUNC_trace_vprintk, P("%d"), 3, P(args), 104, 0), ERROR(EINVAL));
	assert_int_equal(call(BPF_FUNC_trace_vprintk, P("%d"), 3, 0, 8, 0), ERROR(EINVAL));
	assert_int_equal(call(BPF_FUNC_trace_vprintk, P("ok"), 3, 0, 0, 0), 2);
}

static void texts_are_made(void **state)
{
	const uint64_t args[] = {7, 0xab};
	char text[8];

	memset(text, '#', sizeof(text));
	assert_int_equal(call(BPF_FUNC_snprintf, P(text), 8, P("%d-%x"), P(args), 16), 5);
	assert_string_equal(text, "7-ab");
	assert_int_equal(call(BPF_FUNC_snprintf, P(text), 3, P("%d-%x"), P(args), 16), 5);
	assert_string_equal(text, "7-");
	assert_int_equal(text[4], '\0'); /* untouched since */
	assert_int_equal(call(BPF_FUNC_snprintf, P(text), 0, P("%d-%x"), P(args), 16), 5);
	assert_int_equal(call(BPF_FUNC_snprintf, P(text), 8, P("%d%d%d"), P(args), 16),
			 ERROR(EINVAL));
}

/* ---- Maps and records ---- */

static void maps_are_used(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_HASH, 4, 8, 4);
	uint32_t key = 3;
	uint64_t value = 44, *found;

	assert_int_equal(call(BPF_FUNC_map_lookup_elem, P(map), P(&key), 0, 0, 0), 0);
	assert_int_equal(call(BPF_FUNC_map_update_elem, P(map), P(&key), P(&value), BPF_ANY, 0), 0);
	found = ebpf_ptr(call(BPF_FUNC_map_lookup_elem, P(map), P(&key), 0, 0, 0));
	assert_non_null(found);
	assert_int_equal(*found, 44);
	assert_int_equal(call(BPF_FUNC_map_update_elem, P(map), P(&key), P(&value), BPF_NOEXIST, 0),
			 ERROR(EEXIST));
	assert_int_equal(call(BPF_FUNC_map_delete_elem, P(map), P(&key), 0, 0, 0), 0);
	assert_int_equal(call(BPF_FUNC_map_delete_elem, P(map), P(&key), 0, 0, 0), ERROR(ENOENT));
	assert_int_equal(call(BPF_FUNC_map_push_elem, P(map), P(&value), 0, 0, 0),
			 ERROR(EOPNOTSUPP));
	ebpf_map_unref(map);
}

static void per_cpu_values_are_the_workers_own(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 2);
	uint32_t key = 1;
	uint64_t *mine = ebpf_ptr(call(BPF_FUNC_map_lookup_elem, P(map), P(&key), 0, 0, 0));
	uint64_t *other;

	assert_non_null(mine);
	*mine = 5;
	other = ebpf_ptr(call(BPF_FUNC_map_lookup_percpu_elem, P(map), P(&key), 0, 0, 0));
	assert_non_null(other);
	assert_int_equal(*other, 0);
	assert_int_equal(call(BPF_FUNC_map_lookup_percpu_elem, P(map), P(&key), 1, 0, 0), P(mine));
	assert_int_equal(call(BPF_FUNC_map_lookup_percpu_elem, P(map), P(&key), 2, 0, 0), 0);
	ebpf_map_unref(map);
}

static void queues_are_used(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_QUEUE, 0, 4, 2);
	uint32_t value = 8;

	assert_int_equal(call(BPF_FUNC_map_push_elem, P(map), P(&value), BPF_ANY, 0, 0), 0);
	value = 0;
	assert_int_equal(call(BPF_FUNC_map_peek_elem, P(map), P(&value), 0, 0, 0), 0);
	assert_int_equal(value, 8);
	assert_int_equal(call(BPF_FUNC_map_pop_elem, P(map), P(&value), 0, 0, 0), 0);
	assert_int_equal(call(BPF_FUNC_map_pop_elem, P(map), P(&value), 0, 0, 0), ERROR(ENOENT));
	ebpf_map_unref(map);
}

static uint8_t record[4096];
static uint32_t record_size;

static void take_record(void *arg, uint32_t cpu, const void *data, uint32_t size)
{
	assert_true(size <= sizeof(record));
	memcpy(record, data, size);
	record_size = size;
}

static void ring_takes_records(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
	uint8_t *sample = ebpf_ptr(call(BPF_FUNC_ringbuf_reserve, P(map), 5, 0, 0, 0));

	assert_non_null(sample);
	memcpy(sample, "hello", 5);
	call(BPF_FUNC_ringbuf_submit, P(sample), 0, 0, 0, 0);
	assert_int_equal(ebpf_map_drain(map, 8, take_record, NULL), 1);
	assert_int_equal(record_size, 5);
	assert_memory_equal(record, "hello", 5);
	assert_int_equal(call(BPF_FUNC_ringbuf_output, P(map), P("bye"), 3, 0, 0), 0);
	assert_true(call(BPF_FUNC_ringbuf_query, P(map), BPF_RB_AVAIL_DATA, 0, 0, 0) > 0);
	assert_int_equal(call(BPF_FUNC_ringbuf_query, P(map), BPF_RB_RING_SIZE, 0, 0, 0), 4096);
	assert_int_equal(ebpf_map_drain(map, 8, take_record, NULL), 1);
	assert_int_equal(call(BPF_FUNC_ringbuf_output, P(map), P("bye"), 3, 4, 0), ERROR(EINVAL));
	assert_int_equal(call(BPF_FUNC_ringbuf_reserve, P(map), 5, 1, 0, 0), 0);
	assert_int_equal(call(BPF_FUNC_ringbuf_reserve, P(map), 4096, 0, 0, 0), 0);
	sample = ebpf_ptr(call(BPF_FUNC_ringbuf_reserve, P(map), 5, 0, 0, 0));
	call(BPF_FUNC_ringbuf_discard, P(sample), 0, 0, 0, 0);
	assert_int_equal(ebpf_map_drain(map, 8, take_record, NULL), 0);
	ebpf_map_unref(map);
}

static uint64_t output(struct ebpf_map *map, uint64_t flags)
{
	return call(BPF_FUNC_perf_event_output, P(&ctx), P(map), flags, P("data"), 4);
}

static void perf_record_has_bytes_of_the_packet(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 4);

	assert_int_equal(output(map, BPF_F_CURRENT_CPU | 100ull << 32), 0);
	assert_int_equal(ebpf_map_drain(map, 8, take_record, NULL), 1);
	assert_true(record_size >= 104);
	assert_memory_equal(record, "data", 4);
	assert_memory_equal(record + 4, ctx.data, 100);
	assert_int_equal(output(map, BPF_F_CURRENT_CPU | 101ull << 32), ERROR(EFAULT));
	assert_int_equal(output(map, 1), 0);
	assert_int_equal(output(map, 0), ERROR(EOPNOTSUPP));
	assert_int_equal(output(map, 4), ERROR(E2BIG));
	assert_int_equal(output(map, 1ull << 63), ERROR(EINVAL));
	ebpf_map_unref(map);
}

static void dynamic_pointers_know_their_bounds(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
	struct bpf_dynptr ptr;
	uint8_t bytes[8] = "abcdefg";
	uint8_t *data;

	assert_int_equal(call(BPF_FUNC_ringbuf_reserve_dynptr, P(map), 16, 0, P(&ptr), 0), 0);
	assert_int_equal(call(BPF_FUNC_dynptr_write, P(&ptr), 8, P(bytes), 8, 0), 0);
	assert_int_equal(call(BPF_FUNC_dynptr_write, P(&ptr), 9, P(bytes), 8, 0), ERROR(E2BIG));
	assert_int_equal(call(BPF_FUNC_dynptr_write, P(&ptr), 0, P(bytes), 8, 1), ERROR(EINVAL));
	data = ebpf_ptr(call(BPF_FUNC_dynptr_data, P(&ptr), 8, 8, 0, 0));
	assert_non_null(data);
	assert_memory_equal(data, "abcdefg", 8);
	assert_int_equal(call(BPF_FUNC_dynptr_data, P(&ptr), 8, 9, 0, 0), 0);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(call(BPF_FUNC_dynptr_read, P(bytes), 4, P(&ptr), 8, 0), 0);
	assert_memory_equal(bytes, "abcd", 5);
	assert_int_equal(call(BPF_FUNC_dynptr_read, P(bytes), 4, P(&ptr), UINT32_MAX, 0),
			 ERROR(E2BIG));
	call(BPF_FUNC_ringbuf_submit_dynptr, P(&ptr), 0, 0, 0, 0);
	assert_int_equal(ebpf_map_drain(map, 8, take_record, NULL), 1);
	assert_int_equal(record_size, 16);
	assert_int_equal(call(BPF_FUNC_dynptr_read, P(bytes), 1, P(&ptr), 0, 0), ERROR(EINVAL));
	ebpf_map_unref(map);
}

static void refused_dynamic_pointer_does_nothing(void **state)
{
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
	struct bpf_dynptr ptr;
	uint8_t bytes[8] = {0};

	memset(&ptr, 0xff, sizeof(ptr));
	assert_true((int64_t)call(BPF_FUNC_ringbuf_reserve_dynptr, P(map), 8192, 0, P(&ptr), 0) <
		    0);
	assert_int_equal(call(BPF_FUNC_dynptr_data, P(&ptr), 0, 0, 0, 0), 0);
	call(BPF_FUNC_ringbuf_discard_dynptr, P(&ptr), 0, 0, 0, 0);
	assert_int_equal(call(BPF_FUNC_dynptr_from_mem, P(bytes), 8, 1, P(&ptr), 0), ERROR(EINVAL));
	assert_int_equal(call(BPF_FUNC_dynptr_from_mem, P(bytes), 1 << 24, 0, P(&ptr), 0),
			 ERROR(E2BIG));
	assert_int_equal(call(BPF_FUNC_dynptr_from_mem, P(bytes), 8, 0, P(&ptr), 0), 0);
	assert_int_equal(call(BPF_FUNC_dynptr_write, P(&ptr), 4, P("wxyz"), 4, 0), 0);
	assert_memory_equal(bytes + 4, "wxyz", 4);
	ebpf_map_unref(map);
}

/* ---- SYN cookies ---- */

struct syn {
	struct tcphdr tcp;
	uint8_t options[8];
};

static void syn_make(struct syn *syn, uint32_t sequence, uint16_t mss)
{
	memset(syn, 0, sizeof(*syn));
	syn->tcp.source = htons(1234);
	syn->tcp.dest = htons(80);
	syn->tcp.seq = htonl(sequence);
	syn->tcp.syn = 1;
	syn->tcp.doff = sizeof(*syn) / 4;
	memcpy(syn->options, (uint8_t[]){1, 2, 4, (uint8_t)(mss >> 8), (uint8_t)mss, 0}, 6);
}

/* What who got the cookie answers. */
static void ack_make(struct syn *ack, const struct syn *syn, uint32_t cookie)
{
	*ack = *syn;
	ack->tcp.syn = 0;
	ack->tcp.ack = 1;
	ack->tcp.seq = htonl(ntohl(syn->tcp.seq) + 1);
	ack->tcp.ack_seq = htonl(cookie + 1);
}

static uint64_t check4(const struct iphdr *ip, const struct syn *ack)
{
	return call(BPF_FUNC_tcp_raw_check_syncookie_ipv4, P(ip), P(&ack->tcp), 0, 0, 0);
}

static void cookie_comes_back(void **state)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .saddr = 0x0100000a, .daddr = 0x0200000a};
	struct syn syn, ack;
	uint64_t cookie;

	syn_make(&syn, 0xfffffff0, 1450);
	cookie = call(BPF_FUNC_tcp_raw_gen_syncookie_ipv4, P(&ip), P(&syn), sizeof(syn), 0, 0);
	assert_int_equal(cookie >> 32, 1440); /* of four sizes, the next that is not larger */
	ack_make(&ack, &syn, (uint32_t)cookie);
	assert_int_equal(check4(&ip, &ack), 0);
	ip.saddr++;
	assert_int_equal(check4(&ip, &ack), ERROR(EACCES));
	ip.saddr--;
	for (unsigned bit = 0; bit < 32; bit++) {
		ack_make(&ack, &syn, (uint32_t)cookie ^ 1u << bit);
		assert_int_equal(check4(&ip, &ack), ERROR(EACCES));
	}
}

static void cookie_grows_old(void **state)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .saddr = 1, .daddr = 2};
	struct syn syn, ack;
	uint64_t cookie, then = now;

	now = 60000000000u * 63; /* its six bits are about to wrap */
	syn_make(&syn, 77, 0);
	cookie = call(BPF_FUNC_tcp_raw_gen_syncookie_ipv4, P(&ip), P(&syn), sizeof(syn), 0, 0);
	assert_int_equal(cookie >> 32, 536);
	ack_make(&ack, &syn, (uint32_t)cookie);
	now += 60000000000u;
	assert_int_equal(check4(&ip, &ack), 0);
	now += 60000000000u;
	assert_int_equal(check4(&ip, &ack), ERROR(EACCES));
	now += 60000000000u * 62; /* The same six bits. */
	assert_int_equal(check4(&ip, &ack), ERROR(EACCES));
	now = then;
}

static void cookies_of_ipv6_are_others(void **state)
{
	struct ipv6hdr ip = {.version = 6};
	struct syn syn, ack;
	uint64_t cookie;

	ip.saddr.s6_addr[15] = 1;
	syn_make(&syn, 5, 9000);
	cookie = call(BPF_FUNC_tcp_raw_gen_syncookie_ipv6, P(&ip), P(&syn), sizeof(syn), 0, 0);
	assert_int_equal(cookie >> 32, 1440);
	ack_make(&ack, &syn, (uint32_t)cookie);
	assert_int_equal(call(BPF_FUNC_tcp_raw_check_syncookie_ipv6, P(&ip), P(&ack), 0, 0, 0), 0);
	ip.saddr.s6_addr[0] = 1;
	assert_int_equal(call(BPF_FUNC_tcp_raw_check_syncookie_ipv6, P(&ip), P(&ack), 0, 0, 0),
			 ERROR(EACCES));
}

static void options_of_a_syn_are_bounded(void **state)
{
	struct iphdr ip = {.version = 4, .ihl = 5};
	struct syn syn;

	syn_make(&syn, 5, 1460);
	assert_int_equal(call(BPF_FUNC_tcp_raw_gen_syncookie_ipv4, P(&ip), P(&syn), sizeof(syn) - 4,
			      0, 0),
			 ERROR(EINVAL));
	assert_int_equal(call(BPF_FUNC_tcp_raw_gen_syncookie_ipv4, P(&ip), P(&syn), 16, 0, 0),
			 ERROR(EINVAL));
	for (unsigned size = 0; size < 256; size++) {
		struct syn *heap = malloc(sizeof(*heap)); /* ASan sees its end */

		assert_non_null(heap);
		*heap = syn;
		heap->options[0] = 8;
		heap->options[1] = (uint8_t)size;
		call(BPF_FUNC_tcp_raw_gen_syncookie_ipv4, P(&ip), P(heap), sizeof(*heap), 0, 0);
		memset(heap->options, 1, 8);
		heap->options[7] = 2;
		call(BPF_FUNC_tcp_raw_gen_syncookie_ipv4, P(&ip), P(heap), sizeof(*heap), 0, 0);
		free(heap);
	}
}

/* The paper's example: bytes 0 to 14 under the key of bytes 0 to 15. */
static void siphash_is_the_papers(void **state)
{
	const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t bytes[15];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	assert_true(ebpf_siphash(key, bytes, sizeof(bytes)) == 0xa129ca6149be45e5);
}

#define T(name) cmocka_unit_test_setup(name, surround)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_helper_has_its_name),
		T(what_changes_packets_is_marked),
		T(head_moves_within_its_room),
		T(metadata_goes_with_the_head),
		T(metadata_is_aligned_and_bounded),
		T(tail_grows_with_zeros_and_shrinks),
		T(tail_of_a_packet_that_is_not_all_here_stays),
		T(bytes_are_loaded_and_stored),
		T(checksum_differences_add_up),
		T(checksum_edges_are_the_kernels),
		T(redirect_names_a_port),
		T(redirect_by_map_or_what_its_flags_say),
		T(redirect_to_what_only_kernels_have_takes_the_other_verdict),
		T(routes_are_the_switchs),
		T(mtu_is_compared),
		T(clocks_go_on),
		T(jiffies_count_as_the_kernels),
		T(chance_is_32_bits_and_moves),
		T(numbers_are_read_as_the_kernel_reads_them),
		T(texts_are_compared),
		T(lines_are_printed),
		T(addresses_are_printed),
		T(strings_are_read_where_the_program_has_memory),
		T(formats_that_the_kernel_refuses_are_refused),
		T(what_is_printed_moves_no_cursor),
		T(many_arguments_are_printed),
		T(texts_are_made),
		T(maps_are_used),
		T(per_cpu_values_are_the_workers_own),
		T(queues_are_used),
		T(ring_takes_records),
		T(perf_record_has_bytes_of_the_packet),
		T(dynamic_pointers_know_their_bounds),
		T(refused_dynamic_pointer_does_nothing),
		T(cookie_comes_back),
		T(cookie_grows_old),
		T(cookies_of_ipv6_are_others),
		T(options_of_a_syn_are_bounded),
		T(siphash_is_the_papers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
