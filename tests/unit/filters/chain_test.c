/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Chains on bursts made by hand.  The programs are C functions: what runs them cannot tell.  What a
 * program sees of a frame, what becomes of what it did, and whose say counts; budgets on a clock
 * that the test sets; a program that is swapped while a worker runs it.
 */
#include "filters/chain_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/dp_priv.h"
#include "dataplane/fdb.h"
#include "dataplane/neigh.h"
#include "dataplane/queue.h"
#include "dataplane/tunnel.h"
#include "filters/vswitch_filter.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define N_CPUS	  2
#define MAX_PROGS 16

static struct dp *dp;
static struct filter_modules *set;
static struct dp_worker worker; /* that is none */
static struct dp_view view;
static struct dp_vport vport = {.id = 6, .max_frame = 1514};
static struct dp_filter_burst burst;
static struct rte_mbuf *pkts[DP_FILTER_MAX_FRAMES];

static unsigned n_events;
static char last_what[32], last_text[300], last_module[FILTER_MODULE_NAME_LEN + 1];

static void on_event(void *arg, const char *module, const char *what, const char *text)
{
	n_events++;
	snprintf(last_module, sizeof(last_module), "%s", module);
	snprintf(last_what, sizeof(last_what), "%s", what);
	snprintf(last_text, sizeof(last_text), "%s", text);
}

static int start(void **state)
{
	dp = test_dp_create(4095);
	worker.dp = dp;
	worker.view = &view;
	view.vports[6] = &vport;
	return 0;
}

static int finish(void **state)
{
	unsigned left = test_dp_in_use(dp);

	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

static int fresh(void **state)
{
	const struct filter_modules_opts opts = {.n_cpus = N_CPUS, .event = on_event};
	struct err err = {0};

	n_events = 0;
	return filter_modules_create(&opts, &set, &err);
}

static int done(void **state)
{
	filter_modules_destroy(set);
	return 0;
}

/* ---- Programs and modules ---- */

static struct ebpf_prog progs[MAX_PROGS];
static unsigned n_progs;

static struct ebpf_prog *prog_of(ebpf_run_fn code, uint32_t does)
{
	struct ebpf_prog *prog = &progs[n_progs++ % MAX_PROGS];

	/* One reference is the test's, so that it is never freed. */
	*prog = (struct ebpf_prog){.code = code, .does = does, .refs = 1};
	return prog;
}

static struct filter_module *module_with(const char *name, ebpf_run_fn code, uint32_t does,
					 uint32_t budget, enum filter_policy policy)
{
	struct filter_current *cur = filter_current_create(prog_of(code, does), budget, policy);
	struct filter_module *m;
	struct err err;

	assert_non_null(cur);
	assert_int_equal(filter_module_make(set, name, cur, NULL, &m, &err), 0);
	return m;
}

static struct filter_module *module_of(ebpf_run_fn code, uint32_t does)
{
	return module_with("one", code, does, 0, FILTER_BYPASS);
}

static struct dp_filter_chain *chain_of(struct filter_module *m, enum filter_role role)
{
	const struct filter_slot slot = {.module = m, .role = role};
	struct dp_filter_chain *chain = filter_chain_create(&slot, 1);

	assert_non_null(chain);
	return chain;
}

/* ---- Frames and bursts ---- */

static struct pkt p;

static struct rte_mbuf *frame(uint32_t payload, const uint32_t *cuts, unsigned n_cuts)
{
	struct rte_mbuf *m;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_udp(&p, 1000, 2000);
	pkt_fill(&p, payload, 1);
	pkt_finish(&p, 0);
	m = mbufs_make(dp_filter_pool(&worker), p.bytes, p.size, cuts, n_cuts);
	assert_non_null(m);
	m->port = 6;
	return m;
}

static enum dp_filter_result run_n(struct dp_filter_chain *chain, uint16_t n)
{
	burst.w = &worker;
	burst.vp = &vport;
	burst.pkts = pkts;
	burst.n = n;
	return chain->head.ops->run(chain, &burst);
}

static enum dp_filter_result run_one(struct dp_filter_chain *chain, struct rte_mbuf *m)
{
	pkts[0] = m;
	return run_n(chain, 1);
}

static enum dp_filter_kind fate(void)
{
	return burst.fates[0].kind;
}

static enum dp_drop reason(void)
{
	return burst.fates[0].reason;
}

static void free_one(struct dp_filter_chain *chain)
{
	rte_pktmbuf_free(pkts[0]);
	filter_chain_destroy(chain);
}

/* The frame in pkts[0] has these bytes. */
static void expect_bytes(const uint8_t *bytes, uint32_t size)
{
	static uint8_t got[PKT_MAX];

	assert_int_equal(pkts[0]->pkt_len, size);
	assert_int_equal(mbufs_read(pkts[0], got, sizeof(got)), size);
	assert_memory_equal(got, bytes, size);
}

/* ---- Verdicts and roles ---- */

static uint64_t verdict; /* that the next programs return */

static uint64_t say(struct ebpf_ctx *ctx)
{
	return verdict;
}

static enum dp_drop verdict_of(enum filter_role role, enum dp_filter_side side, uint64_t says)
{
	struct filter_module *m = module_of(say, 0);
	struct dp_filter_chain *chain = chain_of(m, role);
	enum dp_drop got = DP_N_DROPS;

	verdict = says;
	burst.side = side;
	if (run_one(chain, frame(10, NULL, 0)) == DP_FILTER_DECIDED && fate() == DP_FATE_DROP)
		got = reason();
	else
		assert_true(side == DP_FILTER_INGRESS || fate() == DP_FATE_PASS);
	burst.side = DP_FILTER_INGRESS;
	free_one(chain);
	filter_module_unload(m);
	return got;
}

static void verdicts_are_the_kernels(void **state)
{
	const enum filter_role role = FILTER_ROLE_FORWARD;

	assert_int_equal(verdict_of(role, 0, EBPF_PASS), DP_N_DROPS);
	assert_int_equal(verdict_of(role, 0, EBPF_DROP), DP_DROP_FILTER_DROP);
	assert_int_equal(verdict_of(role, 0, EBPF_ABORTED), DP_DROP_FILTER_ABORTED);
	assert_int_equal(verdict_of(role, 0, 77), DP_DROP_FILTER_ABORTED);
	/* Of r0 the lower half counts. */
	assert_int_equal(verdict_of(role, 0, UINT64_C(7) << 32 | EBPF_PASS), DP_N_DROPS);
	assert_int_equal(verdict_of(role, 0, EBPF_TX), DP_N_DROPS);
	assert_int_equal(burst.fates[0].kind, DP_FATE_PORT);
	assert_int_equal(burst.fates[0].port, 6);
	/* It has called nobody who says where to. */
	assert_int_equal(verdict_of(role, 0, EBPF_REDIRECT), DP_DROP_FILTER_REFUSED);
}

static void role_bounds_what_a_verdict_does(void **state)
{
	for (uint64_t v = EBPF_ABORTED; v <= EBPF_REDIRECT; v++)
		assert_int_equal(verdict_of(FILTER_ROLE_CAPTURE, 0, v), DP_N_DROPS);
	assert_int_equal(verdict_of(FILTER_ROLE_FILTER, 0, EBPF_DROP), DP_DROP_FILTER_DROP);
	assert_int_equal(verdict_of(FILTER_ROLE_FILTER, 0, EBPF_TX), DP_DROP_FILTER_REFUSED);
	assert_int_equal(verdict_of(FILTER_ROLE_FORWARD, DP_FILTER_EGRESS, EBPF_TX),
			 DP_DROP_FILTER_REFUSED);
}

static void check_role(uint32_t does, bool capture, bool filter)
{
	struct filter_module *m = module_of(say, does);
	struct err err = {0};

	assert_int_equal(filter_role_check(m, FILTER_ROLE_CAPTURE, 0, &err) == 0, capture);
	assert_int_equal(filter_role_check(m, FILTER_ROLE_FILTER, 0, &err) == 0, filter);
	assert_int_equal(filter_role_check(m, FILTER_ROLE_FORWARD, 0, &err), 0);
	if (!capture)
		assert_string_equal(err.slug, "filter-role");
	assert_int_equal(filter_role_check(m, FILTER_ROLE_FORWARD, DP_FILTER_EGRESS, &err),
			 -EINVAL);
	filter_module_unload(m);
}

static void role_is_checked_by_what_the_program_does(void **state)
{
	check_role(0, true, true);
	check_role(EBPF_READS_CTX | EBPF_READS_BYTES | EBPF_OUTPUTS, true, true);
	check_role(EBPF_WRITES_PACKET, false, true);
	check_role(EBPF_MOVES_ENDS, false, true);
	check_role(EBPF_REDIRECTS, false, false);
}

static uint64_t to_7(struct ebpf_ctx *ctx)
{
	assert_int_equal(ebpf_env_here->redirect.ifindex, 0);
	ebpf_env_here->redirect.ifindex = 8;
	return verdict;
}

static void redirect_names_a_port_and_lasts_one_frame(void **state)
{
	struct filter_module *m = module_of(to_7, EBPF_REDIRECTS | EBPF_READS_CTX);
	struct dp_filter_chain *chain = chain_of(m, FILTER_ROLE_FORWARD);

	verdict = EBPF_PASS;
	assert_int_equal(run_one(chain, frame(10, NULL, 0)), DP_FILTER_ALL_PASS);
	verdict = EBPF_REDIRECT;
	assert_int_equal(run_n(chain, 1), DP_FILTER_DECIDED);
	assert_int_equal(fate(), DP_FATE_PORT);
	assert_int_equal(burst.fates[0].port, 7);
	free_one(chain);
}

/* ---- Order ---- */

static char seen_by[16];

#define SEES(c, says)                                                                              \
	static uint64_t sees_##c(struct ebpf_ctx *ctx)                                             \
	{                                                                                          \
		strcat(seen_by, #c);                                                               \
		return says;                                                                       \
	}
SEES(a, EBPF_PASS)
SEES(b, EBPF_PASS)
SEES(c, EBPF_DROP)
SEES(d, EBPF_PASS)

static void slots_run_in_their_order_and_the_dead_go_no_further(void **state)
{
	struct filter_slot slots[] = {
		{.module = module_with("d", sees_d, 0, 0, 0), .role = FILTER_ROLE_FORWARD},
		{.module = module_with("c", sees_c, 0, 0, 0),
		 .role = FILTER_ROLE_FILTER,
		 .order = 9},
		{.module = module_with("b", sees_b, 0, 0, 0),
		 .role = FILTER_ROLE_FILTER,
		 .order = 8},
		{.module = module_with("a", sees_a, 0, 0, 0),
		 .role = FILTER_ROLE_CAPTURE,
		 .order = 10},
	};
	struct dp_filter_chain *chain = filter_chain_create(slots, 4);
	struct filter_module_stats s;

	seen_by[0] = '\0';
	assert_int_equal(run_one(chain, frame(10, NULL, 0)), DP_FILTER_DECIDED);
	assert_string_equal(seen_by, "abc");
	assert_string_equal(chain->head.ops->name(chain, 0), "a");
	assert_string_equal(chain->head.ops->name(chain, 3), "d");
	assert_null(chain->head.ops->name(chain, 4));
	filter_module_stats(slots[0].module, &s);
	assert_int_equal(s.packets, 0);
	free_one(chain);
}

/* One module on three ports: two of an attachment to their switch, and one's own. */
static void attachments_count_apart_and_outlive_their_chains(void **state)
{
	struct filter_module *m = module_of(sees_c, 0);
	struct filter_slot slot = {.module = m, .role = FILTER_ROLE_CAPTURE, .where = "switch"};
	struct dp_filter_chain *a = filter_chain_create(&slot, 1), *b, *own, *next;
	struct filter_module_stats s;

	b = filter_chain_create(&slot, 1);
	slot.where = "port";
	own = filter_chain_create(&slot, 1);
	for (unsigned i = 0; i < 6; i++) {
		seen_by[0] = '\0';
		run_one(i < 2 ? a : i == 2 ? b : own, frame(10, NULL, 0));
		rte_pktmbuf_free(pkts[0]);
	}
	filter_module_stats_at(m, "switch", &s);
	assert_int_equal(s.packets, 3);
	assert_int_equal(s.drop, 3);
	filter_module_stats_at(m, "port", &s);
	assert_int_equal(s.packets, 3);
	filter_module_stats(m, &s);
	assert_int_equal(s.packets, 6);
	filter_module_stats_at(m, "elsewhere", &s);
	assert_int_equal(s.packets, 0);

	/* A new view's chain is there before the old one goes. */
	filter_chain_destroy(a);
	next = filter_chain_create(&slot, 1);
	filter_chain_destroy(own);
	seen_by[0] = '\0';
	run_one(next, frame(10, NULL, 0));
	rte_pktmbuf_free(pkts[0]);
	filter_module_stats_at(m, "port", &s);
	assert_int_equal(s.packets, 4);
	filter_chain_destroy(next);
	filter_module_stats_at(m, "port", &s);
	assert_int_equal(s.packets, 0);
	filter_module_stats(m, &s);
	assert_int_equal(s.packets, 7);
	assert_int_equal(s.drop, 7);
	filter_chain_destroy(b);
}

/* Every second frame dies in the first slot, of the others every third in the second. */
static uint64_t odd_dies(struct ebpf_ctx *ctx)
{
	return (ctx->data[ctx->data_end - ctx->data - 1] & 1) != 0 ? EBPF_DROP : EBPF_PASS;
}

static uint64_t third_dies(struct ebpf_ctx *ctx)
{
	return ctx->data[ctx->data_end - ctx->data - 1] % 3 == 0 ? EBPF_ABORTED : EBPF_PASS;
}

static void second_slot_sees_who_is_left_of_a_full_burst(void **state)
{
	const uint32_t does = EBPF_READS_CTX | EBPF_READS_BYTES;
	struct filter_slot slots[] = {
		{.module = module_with("a", odd_dies, does, 0, 0), .role = FILTER_ROLE_FILTER},
		{.module = module_with("b", third_dies, does, 0, 0), .role = FILTER_ROLE_FILTER},
	};
	struct dp_filter_chain *chain = filter_chain_create(slots, 2);
	struct filter_module_stats a, b;

	for (uint8_t i = 0; i < 64; i++) {
		pkts[i] = frame(10, NULL, 0);
		*rte_pktmbuf_mtod_offset(pkts[i], uint8_t *, pkts[i]->data_len - 1) = i;
	}
	assert_int_equal(run_n(chain, 64), DP_FILTER_DECIDED);
	for (unsigned i = 0; i < 64; i++) {
		const struct dp_filter_fate *f = &burst.fates[i];

		assert_int_equal(f->kind, i % 2 != 0 || i % 3 == 0 ? DP_FATE_DROP : DP_FATE_PASS);
		if (i % 2 != 0)
			assert_int_equal(f->reason, DP_DROP_FILTER_DROP);
	}
	filter_module_stats(slots[0].module, &a);
	filter_module_stats(slots[1].module, &b);
	assert_int_equal(a.packets, 64);
	assert_int_equal(a.drop, 32);
	assert_int_equal(a.pass, 32);
	assert_int_equal(b.packets, 32);
	assert_int_equal(b.aborted, 11);
	assert_true(a.cycles != 0 && b.cycles != 0);
	rte_pktmbuf_free_bulk(pkts, 64);
	filter_chain_destroy(chain);
}

/* ---- What a program sees ---- */

static const uint8_t *seen_at;
static uint32_t seen_size, seen_room, seen_tail;
static uint8_t seen_bytes[PKT_MAX];

static uint64_t look(struct ebpf_ctx *ctx)
{
	seen_at = ctx->data;
	seen_size = (uint32_t)(ctx->data_end - ctx->data);
	seen_room = (uint32_t)(ctx->data - ctx->hard_start);
	seen_tail = (uint32_t)(ctx->hard_end - ctx->data_end);
	assert_int_equal(ctx->frame_size, seen_size);
	memcpy(seen_bytes, ctx->data, seen_size);
	return EBPF_PASS;
}

#define LOOKS (EBPF_READS_CTX | EBPF_READS_BYTES)

static void expect_seen_whole(void)
{
	assert_int_equal(seen_size, p.size);
	assert_memory_equal(seen_bytes, p.bytes, p.size);
}

static void reader_sees_all_bytes_and_copies_only_chains(void **state)
{
	const uint32_t cuts[] = {60, 61, 200};
	struct dp_filter_chain *chain = chain_of(module_of(look, LOOKS), FILTER_ROLE_CAPTURE);
	struct rte_mbuf *m, *clone;

	assert_int_equal(run_one(chain, m = frame(300, NULL, 0)), DP_FILTER_ALL_PASS);
	expect_seen_whole();
	assert_ptr_equal(seen_at, rte_pktmbuf_mtod(m, uint8_t *));
	clone = rte_pktmbuf_clone(m, dp_filter_pool(&worker));
	run_one(chain, clone);
	expect_seen_whole();
	assert_ptr_equal(seen_at, rte_pktmbuf_mtod(m, uint8_t *));
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(clone);
	run_one(chain, m = frame(300, cuts, 3));
	expect_seen_whole();
	assert_ptr_equal(pkts[0], m);
	rte_pktmbuf_free(m);
	run_one(chain, frame(65000, NULL, 0));
	expect_seen_whole();
	free_one(chain);
}

static void who_looks_at_no_bytes_sees_the_length_of_a_chain(void **state)
{
	const uint32_t cuts[] = {60};
	struct dp_filter_chain *chain;
	struct rte_mbuf *m = frame(300, cuts, 1);

	chain = chain_of(module_of(say, EBPF_READS_CTX), FILTER_ROLE_FILTER);
	verdict = EBPF_PASS;
	assert_int_equal(run_one(chain, m), DP_FILTER_ALL_PASS);
	free_one(chain);
}

static uint64_t scribble(struct ebpf_ctx *ctx)
{
	look(ctx);
	ctx->data[20] ^= 0xff;
	ctx->data[seen_size - 1] ^= 0xff;
	return EBPF_PASS;
}

static void expect_scribbled(void)
{
	p.bytes[20] ^= 0xff;
	p.bytes[p.size - 1] ^= 0xff;
	expect_bytes(p.bytes, p.size);
	assert_int_equal(pkts[0]->port, 6);
}

#define WRITES (LOOKS | EBPF_WRITES_PACKET)

static void writer_changes_its_frame_and_nobody_elses(void **state)
{
	const uint32_t cuts[] = {60, 61, 200};
	struct dp_filter_chain *chain = chain_of(module_of(scribble, WRITES), FILTER_ROLE_FILTER);
	uint8_t bytes[1000];
	struct rte_mbuf *m;

	assert_int_equal(run_one(chain, m = frame(300, NULL, 0)), DP_FILTER_ALL_PASS);
	assert_ptr_equal(pkts[0], m); /* in place */
	expect_scribbled();
	rte_pktmbuf_free(m);
	m = frame(300, NULL, 0);
	run_one(chain, rte_pktmbuf_clone(m, dp_filter_pool(&worker)));
	assert_int_equal(mbufs_read(m, bytes, sizeof(bytes)), p.size);
	assert_memory_equal(bytes, p.bytes, p.size); /* who shared it has it as it was */
	expect_scribbled();
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(pkts[0]);
	run_one(chain, frame(300, cuts, 3));
	expect_scribbled();
	rte_pktmbuf_free(pkts[0]);
	run_one(chain, frame(65000, NULL, 0));
	expect_scribbled();
	free_one(chain);
}

static void shared_frame_that_a_writer_leaves_alone_is_not_copied(void **state)
{
	struct dp_filter_chain *chain = chain_of(module_of(look, WRITES), FILTER_ROLE_FILTER);
	struct rte_mbuf *m = frame(300, NULL, 0);
	struct rte_mbuf *clone = rte_pktmbuf_clone(m, dp_filter_pool(&worker));

	run_one(chain, clone);
	assert_ptr_equal(pkts[0], clone);
	rte_pktmbuf_free(m);
	free_one(chain);
}

static void what_held_for_the_old_bytes_is_gone_after_a_writer(void **state)
{
	struct dp_filter_chain *chain = chain_of(module_of(scribble, WRITES), FILTER_ROLE_FILTER);
	struct rte_mbuf *m = frame(10, NULL, 0);

	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	run_one(chain, m);
	assert_int_equal(m->ol_flags & (RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_L4_CKSUM_MASK), 0);
	rte_pktmbuf_free(m);
	m = frame(3000, NULL, 0);
	m->ol_flags |= DP_QUEUE_MARK;
	m->hash.sched.queue_id = 77;
	run_one(chain, m);
	assert_int_equal(pkts[0]->ol_flags, DP_QUEUE_MARK);
	assert_int_equal(pkts[0]->hash.sched.queue_id, 77);
	free_one(chain);
}

static void writer_is_given_finished_frames_only(void **state)
{
	struct filter_module *m = module_of(scribble, WRITES);
	struct dp_filter_chain *chain = chain_of(m, FILTER_ROLE_FILTER);
	struct filter_module_stats s;

	pkts[0] = frame(10, NULL, 0);
	pkts[0]->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV4;
	assert_int_equal(run_n(chain, 1), DP_FILTER_FINISH);
	expect_bytes(p.bytes, p.size);
	filter_module_stats(m, &s);
	assert_int_equal(s.packets, 0);
	pkts[0]->ol_flags = 0;
	assert_int_equal(run_n(chain, 1), DP_FILTER_ALL_PASS);
	free_one(chain);
}

/* ---- Ends ---- */

static int32_t move_head, move_tail;

static uint64_t move(struct ebpf_ctx *ctx)
{
	look(ctx);
	ctx->data += move_head;
	ctx->data_end += move_tail;
	for (int32_t i = move_head; i < 0; i++)
		ctx->data[i - move_head] = (uint8_t)i;
	for (int32_t i = 0; i < move_tail; i++)
		ctx->data_end[i - move_tail] = (uint8_t)(i + 100);
	return EBPF_PASS;
}

#define MOVES (WRITES | EBPF_MOVES_ENDS)

/* As move() would leave the packet of 'p'. */
static uint32_t moved(uint8_t *to)
{
	uint32_t n = 0;

	for (int32_t i = move_head; i < 0; i++)
		to[n++] = (uint8_t)i;
	for (int64_t i = move_head > 0 ? move_head : 0;
	     i < (int64_t)p.size + (move_tail < 0 ? move_tail : 0); i++)
		to[n++] = p.bytes[i];
	for (int32_t i = 0; i < move_tail; i++)
		to[n++] = (uint8_t)(i + 100);
	return n;
}

static void ends_move_in_place_and_in_copies(void **state)
{
	static const int32_t by[][2] = {{0, 0},	  {-14, 0}, {-256, 0}, {14, 0},
					{0, -20}, {0, 30},  {-50, 9},  {20, -20}};
	const uint32_t cuts[] = {60, 200};
	struct dp_filter_chain *chain = chain_of(module_of(move, MOVES), FILTER_ROLE_FILTER);
	static uint8_t want[PKT_MAX];

	for (unsigned i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		static const uint32_t sizes[] = {40, 300, 1472, 1900, 9000};

		for (unsigned k = 0; k < 10; k++) {
			move_head = by[i][0];
			move_tail = by[i][1];
			run_one(chain, frame(sizes[k / 2], cuts, k > 1 ? k % 2 * 2 : k));
			assert_true(seen_room >= EBPF_HEADROOM);
			expect_seen_whole();
			expect_bytes(want, moved(want));
			rte_pktmbuf_free(pkts[0]);
		}
	}
	filter_chain_destroy(chain);
}

static void frame_left_too_short_dies(void **state)
{
	struct dp_filter_chain *chain = chain_of(module_of(move, MOVES), FILTER_ROLE_FILTER);

	move_head = 0;
	pkts[0] = NULL;
	for (int over = 0; over < 2; over++) {
		struct rte_mbuf *m = frame(40, NULL, 0);

		rte_pktmbuf_free(pkts[0]);
		move_tail = -(int32_t)(p.size - 14 + (uint32_t)over);
		assert_int_equal(run_one(chain, m) == DP_FILTER_DECIDED, over != 0);
	}
	assert_int_equal(reason(), DP_DROP_RUNT);
	free_one(chain);
}

/* ---- Tags and metadata ---- */

static struct rte_mbuf *tagged_frame(uint16_t tci, const uint32_t *cuts, unsigned n_cuts)
{
	struct rte_mbuf *m;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_vlan(&p, 0x8100, tci);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_udp(&p, 1000, 2000);
	pkt_fill(&p, 100, 1);
	pkt_finish(&p, 0);
	m = mbufs_make(dp_filter_pool(&worker), p.bytes, p.size, cuts, n_cuts);
	m->port = 3;
	return m;
}

static struct dp_filter_chain *chain_with(ebpf_run_fn code, uint32_t does, bool strip, bool meta)
{
	const struct filter_slot slot = {.module = module_of(code, does),
					 .role = FILTER_ROLE_FILTER,
					 .strip_vlan = strip,
					 .meta = meta,
					 .tenant = 42};

	return filter_chain_create(&slot, 1);
}

/* Without the tag. */
static void expect_seen_stripped(void)
{
	assert_int_equal(seen_size, p.size - 4);
	assert_memory_equal(seen_bytes, p.bytes, 12);
	assert_memory_equal(seen_bytes + 12, p.bytes + 16, p.size - 16);
}

static void outer_tag_is_taken_out_and_put_back(void **state)
{
	static const uint32_t does[] = {LOOKS, WRITES, MOVES};
	const uint32_t cuts[] = {70};

	for (unsigned i = 0; i < 3; i++) {
		struct dp_filter_chain *chain = chain_with(look, does[i], true, false);
		struct rte_mbuf *m;

		run_one(chain, tagged_frame(0x6005, NULL, 0));
		expect_seen_stripped();
		expect_bytes(p.bytes, p.size);
		rte_pktmbuf_free(pkts[0]);
		run_one(chain, tagged_frame(0x6005, cuts, 1));
		expect_seen_stripped();
		expect_bytes(p.bytes, p.size);
		rte_pktmbuf_free(pkts[0]);
		m = tagged_frame(0x6005, NULL, 0);
		run_one(chain, rte_pktmbuf_clone(m, dp_filter_pool(&worker)));
		expect_seen_stripped();
		expect_bytes(p.bytes, p.size);
		rte_pktmbuf_free(m);
		rte_pktmbuf_free(pkts[0]);
		run_one(chain, frame(30, NULL, 0));
		expect_seen_whole();
		free_one(chain);
	}
}

/* A frame with a new head gets the tag behind the new addresses, whatever room is left. */
static void tag_goes_back_into_a_frame_with_another_head(void **state)
{
	struct dp_filter_chain *chain = chain_with(move, MOVES, true, false);
	uint8_t want[2000];
	uint32_t size;

	move_head = -256;
	move_tail = 0;
	run_one(chain, tagged_frame(5, NULL, 0));
	expect_seen_stripped();
	memcpy(want + 4, (const uint8_t[4]){0x81, 0, 0, 5}, 4);
	size = 0;
	for (int i = 0; i < 12; i++)
		want[size++] = (uint8_t)(i - 256);
	memcpy(want + size, (const uint8_t[4]){0x81, 0, 0, 5}, 4);
	size += 4;
	for (int i = 12; i < 256; i++)
		want[size++] = (uint8_t)(i - 256);
	memcpy(want + size, p.bytes, 12);
	memcpy(want + size + 12, p.bytes + 16, p.size - 16);
	expect_bytes(want, size + p.size - 4);
	free_one(chain);
}

static struct vswitch_meta got_meta;

static uint64_t read_meta(struct ebpf_ctx *ctx)
{
	look(ctx);
	assert_int_equal(ctx->data - ctx->meta, sizeof(got_meta));
	memcpy(&got_meta, ctx->meta, sizeof(got_meta));
	return EBPF_PASS;
}

static void metadata_says_what_is_documented(void **state)
{
	const uint32_t does[] = {LOOKS | EBPF_READS_META, MOVES | EBPF_READS_META};

	for (unsigned i = 0; i < 4; i++) {
		bool strip = (i & 1) != 0;
		struct dp_filter_chain *chain = chain_with(read_meta, does[i / 2], strip, true);

		burst.side = DP_FILTER_EGRESS;
		run_one(chain, tagged_frame(0x6005, NULL, 0));
		assert_int_equal(got_meta.size, sizeof(got_meta));
		assert_int_equal(got_meta.port, 7);
		assert_int_equal(got_meta.from, 4);
		assert_int_equal(got_meta.tenant, 42);
		assert_int_equal(got_meta.vlan, 5);
		assert_int_equal(got_meta.tci, 0x6005);
		assert_int_equal(got_meta.flags, VSWITCH_META_EGRESS | VSWITCH_META_TAGGED);
		expect_bytes(p.bytes, p.size);
		if (strip)
			expect_seen_stripped();
		else
			expect_seen_whole();
		rte_pktmbuf_free(pkts[0]);
		burst.side = DP_FILTER_INGRESS;
		run_one(chain, frame(10, NULL, 0));
		assert_int_equal(got_meta.flags, 0);
		assert_int_equal(got_meta.vlan, 0);
		free_one(chain);
	}
}

static void metadata_is_not_written_before_bytes_of_others(void **state)
{
	struct dp_filter_chain *chain = chain_with(read_meta, LOOKS, false, true);
	struct rte_mbuf *m = frame(10, NULL, 0), *clone;
	uint8_t before[64];

	clone = rte_pktmbuf_clone(m, dp_filter_pool(&worker));
	memset(rte_pktmbuf_mtod(m, uint8_t *) - 64, 0x5a, 64);
	memset(before, 0x5a, 64);
	run_one(chain, clone);
	assert_int_equal(got_meta.port, 7);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *) - 64, before, 64);
	rte_pktmbuf_free(m);
	free_one(chain);
}

/* ---- Captures ---- */

static uint64_t scribble_in_tail_call(struct ebpf_ctx *ctx)
{
	return scribble(ctx);
}

/* Who hangs in a program array may change after the module was attached. */
static void capture_changes_nothing_whatever_it_calls(void **state)
{
	struct filter_module *m = module_of(scribble_in_tail_call, LOOKS | EBPF_TAIL_CALLS);
	struct dp_filter_chain *chain = chain_of(m, FILTER_ROLE_CAPTURE);
	struct err err;

	assert_int_equal(filter_role_check(m, FILTER_ROLE_CAPTURE, 0, &err), 0);
	assert_int_equal(run_one(chain, frame(100, NULL, 0)), DP_FILTER_ALL_PASS);
	expect_seen_whole();
	expect_bytes(p.bytes, p.size);
	free_one(chain);
}

/* ---- Budgets ---- */

static unsigned spin;

static uint64_t slow(struct ebpf_ctx *ctx)
{
	uint64_t until = rte_rdtsc() + spin;

	while (rte_rdtsc() < until)
		;
	return EBPF_PASS;
}

static uint64_t ms(uint64_t n)
{
	return n * (rte_get_tsc_hz() / 1000);
}

static void run_for(struct dp_filter_chain *chain, unsigned n_ms)
{
	for (unsigned i = 0; i < n_ms; i++) {
		burst.now += ms(1);
		run_n(chain, 16);
	}
}

static void budget(enum filter_policy policy)
{
	struct filter_module *m = module_with("slow", slow, 0, 2000, policy);
	struct dp_filter_chain *chain = chain_of(m, FILTER_ROLE_FILTER);
	struct filter_module_stats s;

	for (unsigned i = 0; i < 16; i++)
		pkts[i] = frame(10, NULL, 0);
	burst.now = rte_rdtsc() + ms(1000000);
	spin = 100;
	run_for(chain, 300);
	filter_module_stats(m, &s);
	assert_int_equal(s.overruns, 0);
	assert_int_equal(s.packets, 300 * 16);
	spin = 8000;
	run_for(chain, 250);
	filter_module_stats(m, &s);
	assert_int_equal(s.overruns, 1);
	assert_true(s.over_budget);
	assert_true(policy == FILTER_BYPASS ? s.bypassed != 0 : s.budget_drops != 0);
	assert_int_equal(s.packets + s.bypassed + s.budget_drops, 550 * 16);
	if (policy == FILTER_DROP) {
		assert_int_equal(run_n(chain, 16), DP_FILTER_DECIDED);
		assert_int_equal(burst.fates[15].reason, DP_DROP_FILTER_BUDGET);
	} else {
		assert_int_equal(run_n(chain, 16), DP_FILTER_ALL_PASS);
	}
	/* The event, once. */
	n_events = 0;
	filter_modules_tick(set);
	filter_modules_tick(set);
	assert_int_equal(n_events, 1);
	assert_string_equal(last_what, "over-budget");
	assert_string_equal(last_module, "slow");
	/* And it is tried again. */
	spin = 100;
	burst.now += ms(FILTER_PENALTY_MS);
	run_for(chain, 300);
	filter_module_stats(m, &s);
	assert_int_equal(s.overruns, 1);
	assert_true(s.packets > 16 * 600 - 16 * 150);
	rte_pktmbuf_free_bulk(pkts, 16);
	filter_chain_destroy(chain);
	burst.now = 0;
}

static void module_over_its_budget_is_bypassed_for_a_while(void **state)
{
	budget(FILTER_BYPASS);
}

static void module_over_its_budget_drops_if_that_is_its_policy(void **state)
{
	budget(FILTER_DROP);
}

static void cost_is_a_mean_over_a_window_and_one_long_burst_is_none(void **state)
{
	const uint64_t hz = 1000000000, window = hz / 1000 * FILTER_BUDGET_MS;
	struct filter_cost c = {0};
	uint64_t now = 1;

	/* One burst in a hundred that the kernel interrupted. */
	for (unsigned i = 0; i < 2000; i++, now += window / 100)
		assert_false(filter_cost_charge(&c, now, hz, 100, i % 100 == 0 ? 10000000 : 32 * 50,
						32));
	/* Few packets say nothing, for a second. */
	c = (struct filter_cost){0};
	for (unsigned i = 0; i < 9; i++, now += window)
		assert_false(filter_cost_charge(&c, now, hz, 100, 500, 1));
	assert_false(filter_cost_charge(&c, now, hz, 100, 500, 1));
	now += window;
	assert_true(filter_cost_charge(&c, now, hz, 100, 500, 1));
	assert_true(filter_cost_is_over(&c, now + hz - 1));
	assert_false(filter_cost_is_over(&c, now + hz));
}

/* ---- Events ---- */

static uint64_t prints(struct ebpf_ctx *ctx)
{
	ebpf_env_here->ops->print(ebpf_env_here, "hello there", 5);
	return EBPF_PASS;
}

static void printed_lines_become_events_a_few_a_second(void **state)
{
	struct dp_filter_chain *chain = chain_of(module_of(prints, 0), FILTER_ROLE_FILTER);

	run_one(chain, frame(10, NULL, 0));
	filter_modules_tick(set);
	assert_int_equal(n_events, 1);
	assert_string_equal(last_what, "print");
	assert_string_equal(last_text, "hello");
	assert_string_equal(last_module, "one");
	for (unsigned i = 0; i < 10000; i++)
		run_n(chain, 1);
	filter_modules_tick(set);
	assert_true(n_events > 10 && n_events < 60);
	assert_string_equal(last_what, "print-lost");
	free_one(chain);
}

static void aborted_packets_are_an_event_now_and_then(void **state)
{
	struct dp_filter_chain *chain = chain_of(module_of(say, 0), FILTER_ROLE_FILTER);

	verdict = EBPF_ABORTED;
	for (unsigned i = 0; i < 100; i++) {
		run_one(chain, frame(10, NULL, 0));
		rte_pktmbuf_free(pkts[0]);
		filter_modules_tick(set);
	}
	assert_int_equal(n_events, 1);
	assert_string_equal(last_what, "aborted");
	filter_chain_destroy(chain);
}

/* ---- Routes ---- */

static struct bpf_fib_lookup query;

static uint64_t look_up(struct ebpf_ctx *ctx)
{
	verdict = (uint64_t)ebpf_env_here->ops->fib_lookup(ebpf_env_here, ctx, &query, 0);
	return EBPF_PASS;
}

static long answer_for(struct dp_filter_chain *chain, uint32_t to, uint16_t size)
{
	query = (struct bpf_fib_lookup){.family = AF_INET,
					.ipv4_dst = rte_cpu_to_be_32(to),
					.tot_len = size};
	run_n(chain, 1);
	return (long)verdict;
}

/* 10.0.0.0/24 is the link of a VTEP, 10.0.0.1 its gateway; who is known is 10.0.0.1. */
static void fib_is_what_the_switch_knows(void **state)
{
	static const uint16_t ids[] = {6, 7};
	struct dp_filter_chain *chain = chain_of(module_of(look_up, 0), FILTER_ROLE_FILTER);
	const struct dp_neigh_static gateway = {{.v4 = rte_cpu_to_be_32(0x0a000001)},
						{2, 0, 0, 0, 0, 0xee}};
	struct dp_vtep vtep = {.port = 7, .mtu = 1500, .mac = {{2, 0, 0, 0, 0, 7}}};
	struct dp_vport v = {.id = 7, .flags = DP_VP_UP, .vtep = &vtep};
	struct dp_domain domain = {.n_ports = 2, .ports = ids};
	struct dp_fdb_entry e = {.port = 9, .is_static = true, .mac = {{2, 0, 0, 0, 0, 0xee}}};
	struct err err = {0};

	vtep.v4 = (struct dp_vtep_side){.address = {.v4 = rte_cpu_to_be_32(0x0a000009)},
					.gateway = gateway.ip,
					.prefix = 24,
					.there = true,
					.has_gateway = true};
	vtep.neighs = dp_neighs_create();
	assert_int_equal(dp_neighs_set_static(vtep.neighs, &gateway, 1), 0);
	pkts[0] = frame(10, NULL, 0);
	assert_int_equal(answer_for(chain, 0x08080808, 100), BPF_FIB_LKUP_RET_NOT_FWDED);
	view.domains[0] = &domain;
	view.vports[7] = &v;
	assert_int_equal(answer_for(chain, 0x08080808, 100), BPF_FIB_LKUP_RET_NO_NEIGH);
	assert_int_equal(dp_fdb_add_static(dp_fdb(dp), &e, &err), 0);
	assert_int_equal(answer_for(chain, 0x08080808, 100), BPF_FIB_LKUP_RET_SUCCESS);
	assert_int_equal(query.ifindex, 10);
	assert_int_equal(query.ipv4_dst, gateway.ip.v4);
	assert_memory_equal(query.dmac, gateway.mac, 6);
	assert_memory_equal(query.smac, &vtep.mac, 6);
	assert_int_equal(answer_for(chain, 0x0a000001, 1501), BPF_FIB_LKUP_RET_FRAG_NEEDED);
	assert_int_equal(query.mtu_result, 1500);
	/* Another tenant's VTEP is none. */
	vport.domain = 1;
	assert_int_equal(answer_for(chain, 0x08080808, 100), BPF_FIB_LKUP_RET_NOT_FWDED);
	vport.domain = 0;
	view.domains[0] = NULL;
	view.vports[7] = NULL;
	dp_neighs_destroy(vtep.neighs);
	free_one(chain);
}

/* The same for 2001:db8::/64. */
static long answer_for6(struct dp_filter_chain *chain, const struct dp_ip *to, uint16_t size)
{
	query = (struct bpf_fib_lookup){.family = AF_INET6, .tot_len = size};
	memcpy(query.ipv6_dst, to->b, sizeof(to->b));
	run_n(chain, 1);
	return (long)verdict;
}

static struct dp_ip ip6(uint8_t net, uint8_t host)
{
	return (struct dp_ip){.v6 = true, .b = {0x20, 1, 0x0d, 0xb8, [7] = net, [15] = host}};
}

static void fib_knows_ipv6(void **state)
{
	static const uint16_t ids[] = {6, 7};
	struct dp_filter_chain *chain = chain_of(module_of(look_up, 0), FILTER_ROLE_FILTER);
	const struct dp_neigh_static gateway = {ip6(0, 1), {2, 0, 0, 0, 0, 0xe6}};
	const struct dp_ip far = ip6(9, 9), unknown = ip6(0, 5);
	struct dp_vtep vtep = {.port = 7, .mtu = 1500, .mac = {{2, 0, 0, 0, 0, 7}}};
	struct dp_vport v = {.id = 7, .flags = DP_VP_UP, .vtep = &vtep};
	struct dp_domain domain = {.n_ports = 2, .ports = ids};
	struct dp_fdb_entry e = {.port = 9, .is_static = true, .mac = {{2, 0, 0, 0, 0, 0xe6}}};
	struct dp_again_list *asked;
	struct err err = {0};

	vtep.v6 = (struct dp_vtep_side){.address = ip6(0, 9),
					.gateway = gateway.ip,
					.prefix = 64,
					.there = true};
	vtep.neighs = dp_neighs_create();
	assert_int_equal(dp_neighs_set_static(vtep.neighs, &gateway, 1), 0);
	assert_int_equal(dp_fdb_add_static(dp_fdb(dp), &e, &err), 0);
	view.domains[0] = &domain;
	view.vports[7] = &v;
	pkts[0] = frame(10, NULL, 0);
	/* No gateway yet, and none of IPv4 at all. */
	assert_int_equal(answer_for6(chain, &far, 100), BPF_FIB_LKUP_RET_NOT_FWDED);
	assert_int_equal(answer_for(chain, 0x08080808, 100), BPF_FIB_LKUP_RET_NOT_FWDED);
	vtep.v6.has_gateway = true;
	assert_int_equal(answer_for6(chain, &far, 100), BPF_FIB_LKUP_RET_SUCCESS);
	assert_int_equal(query.ifindex, 10);
	assert_memory_equal(query.ipv6_dst, gateway.ip.b, sizeof(query.ipv6_dst));
	assert_memory_equal(query.dmac, gateway.mac, 6);
	assert_memory_equal(query.smac, &vtep.mac, 6);
	assert_int_equal(answer_for6(chain, &far, 1501), BPF_FIB_LKUP_RET_FRAG_NEEDED);
	assert_int_equal(answer_for6(chain, &unknown, 100), BPF_FIB_LKUP_RET_NO_NEIGH);
	/* It is asked for. */
	asked = &worker.again.lists[worker.again.filling];
	assert_int_equal(asked->n, 1);
	rte_pktmbuf_free(asked->m[--asked->n]);
	view.domains[0] = NULL;
	view.vports[7] = NULL;
	dp_neighs_destroy(vtep.neighs);
	free_one(chain);
}

/* ---- Several workers ---- */

static void worker_that_was_not_foreseen_lets_nothing_pass(void **state)
{
	struct dp_filter_chain *chain = chain_of(module_of(say, 0), FILTER_ROLE_FILTER);

	verdict = EBPF_PASS;
	burst.worker = N_CPUS;
	assert_int_equal(run_one(chain, frame(10, NULL, 0)), DP_FILTER_DECIDED);
	assert_int_equal(reason(), DP_DROP_FILTER_ABORTED);
	burst.worker = 0;
	free_one(chain);
}

static void time_is_the_bursts_and_never_goes_back(void **state)
{
	struct filter_worker *fw = &set->workers[0];
	uint64_t last = 0;

	fw->burst = &burst;
	burst.now = rte_rdtsc() - ms(50);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t ns = filter_now_ns(fw);

		assert_true(ns >= last);
		last = ns;
		burst.now += ms(1) / 10;
		if (i % 100 == 99)
			filter_time_read(set);
	}
	burst.now = 0;
}

int main(void)
{
#define FRESH(name) cmocka_unit_test_setup_teardown(name, fresh, done)
	const struct CMUnitTest tests[] = {
		FRESH(verdicts_are_the_kernels),
		FRESH(role_bounds_what_a_verdict_does),
		FRESH(role_is_checked_by_what_the_program_does),
		FRESH(redirect_names_a_port_and_lasts_one_frame),
		FRESH(slots_run_in_their_order_and_the_dead_go_no_further),
		FRESH(attachments_count_apart_and_outlive_their_chains),
		FRESH(second_slot_sees_who_is_left_of_a_full_burst),
		FRESH(reader_sees_all_bytes_and_copies_only_chains),
		FRESH(who_looks_at_no_bytes_sees_the_length_of_a_chain),
		FRESH(writer_changes_its_frame_and_nobody_elses),
		FRESH(shared_frame_that_a_writer_leaves_alone_is_not_copied),
		FRESH(what_held_for_the_old_bytes_is_gone_after_a_writer),
		FRESH(writer_is_given_finished_frames_only),
		FRESH(ends_move_in_place_and_in_copies),
		FRESH(frame_left_too_short_dies),
		FRESH(outer_tag_is_taken_out_and_put_back),
		FRESH(tag_goes_back_into_a_frame_with_another_head),
		FRESH(metadata_says_what_is_documented),
		FRESH(metadata_is_not_written_before_bytes_of_others),
		FRESH(capture_changes_nothing_whatever_it_calls),
		FRESH(module_over_its_budget_is_bypassed_for_a_while),
		FRESH(module_over_its_budget_drops_if_that_is_its_policy),
		FRESH(cost_is_a_mean_over_a_window_and_one_long_burst_is_none),
		FRESH(printed_lines_become_events_a_few_a_second),
		FRESH(aborted_packets_are_an_event_now_and_then),
		FRESH(fib_is_what_the_switch_knows),
		FRESH(fib_knows_ipv6),
		FRESH(worker_that_was_not_foreseen_lets_nothing_pass),
		FRESH(time_is_the_bursts_and_never_goes_back),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
