/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Chains of several programs on a real switch, at random: frames of one segment and of many, shared
 * ones, super-frames, tagged ones; programs that write, push and pull at both ends, drop, send back
 * and elsewhere, with tags taken out and metadata before.  What a program does to a frame is
 * written in the frame, so that a model that knows nothing of buffers says what comes out, byte for
 * byte.  The ledger balances at every read, and no buffer stays behind.
 */
#include "filters/chain_priv.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "dataplane/view.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define N_PORTS	 4
#define N_PROGS	 4
#define N_ROUNDS 150
#define N_FRAMES 24
#define MOST	 4000u
#define MSS	 300u

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct filter_modules *set;
static struct filter_module *modules[N_PROGS];
static struct dp_filter_chain *chains[N_PORTS][DP_N_FILTER_SIDES];
static uint64_t n_received, rnd = 1;

/* ---- What a frame tells programs to do ----
 *
 * Its source address is 02, number, number, what, by, verdict; its destination is nobody's.  The
 * addresses stay where they are relative to the frame's start: a program that moves the head copies
 * them. */
enum { AT_NUMBER = 7, AT_WHAT = 9, AT_BY = 10, AT_VERDICT = 11, MACS = 12 };
enum what { NOTHING, WRITE, PULL, PUSH, SHRINK, GROW, N_WHATS };

static uint32_t by_of(const uint8_t *d)
{
	return d[AT_BY] % 64u;
}

/* Of the programs in a frame's way, which one heeds its verdict: 'who' is in the upper bits. */
static uint64_t verdict_of(const uint8_t *d, unsigned who)
{
	return d[AT_VERDICT] >> 4 == who ? d[AT_VERDICT] & 7u : (unsigned)EBPF_PASS;
}

static void pull(struct ebpf_ctx *ctx, uint32_t by)
{
	memmove(ctx->data + by, ctx->data, MACS);
	ctx->data += by;
}

static void push(struct ebpf_ctx *ctx, uint32_t by)
{
	memmove(ctx->data - by, ctx->data, MACS);
	ctx->data -= by;
	memset(ctx->data + MACS, 0xaa, by);
}

static uint64_t act(struct ebpf_ctx *ctx, unsigned who, bool may_write, bool may_move)
{
	const uint64_t verdict = verdict_of(ctx->data, who);
	const uint32_t by = by_of(ctx->data), what = ctx->data[AT_WHAT];

	if (what == WRITE && may_write)
		ctx->data[ctx->data_end - ctx->data - 1] ^= (uint8_t)(who + 1);
	else if (what == PULL && may_move)
		pull(ctx, by);
	else if (what == PUSH && may_move)
		push(ctx, by);
	else if (what == SHRINK && may_move)
		ctx->data_end -= by;
	else if (what == GROW && may_move) {
		memset(ctx->data_end, 0x55, by);
		ctx->data_end += by;
	}
	return verdict;
}

static uint64_t reader(struct ebpf_ctx *ctx)
{
	return act(ctx, 0, false, false);
}

static uint64_t writer(struct ebpf_ctx *ctx)
{
	return act(ctx, 1, true, false);
}

static uint64_t mover(struct ebpf_ctx *ctx)
{
	return act(ctx, 2, true, true);
}

/* Elsewhere: the port is in the address too. */
static uint64_t sender(struct ebpf_ctx *ctx)
{
	uint64_t verdict = act(ctx, 3, false, false);

	if (verdict == EBPF_REDIRECT)
		ebpf_env_here->redirect.ifindex = 1u + ctx->data[AT_BY] % (N_PORTS + 1);
	return verdict;
}

#define READS  (EBPF_READS_CTX | EBPF_READS_BYTES)
#define WRITES (READS | EBPF_WRITES_PACKET)

static struct ebpf_prog programs[N_PROGS] = {
	{.code = reader, .does = READS, .refs = 1},
	{.code = writer, .does = WRITES, .refs = 1},
	{.code = mover, .does = WRITES | EBPF_MOVES_ENDS, .refs = 1},
	{.code = sender, .does = READS | EBPF_REDIRECTS, .refs = 1},
};

/* ---- The model: bytes only ---- */

struct frame {
	uint8_t in;
	uint32_t size;
	uint8_t bytes[MOST];
};

static struct frame sent[N_FRAMES];
static struct {
	unsigned n[N_PORTS];  /* copies that must come out there */
	struct frame at_port; /* as they left the ingress chain; the rest is the egress chain's */
	bool cut;	      /* a super-frame: bytes are not compared */
	bool dead;
} wanted[N_FRAMES];

static bool is_tagged(const struct frame *f)
{
	return f->bytes[12] == 0x81 && f->bytes[13] == 0;
}

/* One program on the bytes that it sees. */
static uint64_t model_act(struct frame *f, unsigned who)
{
	struct ebpf_ctx ctx;
	static uint8_t room[MOST + 1024];

	memcpy(room + 512, f->bytes, f->size);
	ctx.data = room + 512;
	ctx.data_end = ctx.data + f->size;
	{
		uint64_t verdict = act(&ctx, who, who == 1 || who == 2, who == 2);

		f->size = (uint32_t)(ctx.data_end - ctx.data);
		memcpy(f->bytes, ctx.data, f->size);
		return verdict;
	}
}

static uint64_t model_slot(struct frame *f, const struct filter_slot *s)
{
	unsigned who = 0;
	uint8_t tag[4];
	uint64_t verdict;

	while (modules[who] != s->module)
		who++;
	if (!s->strip_vlan || !is_tagged(f))
		return model_act(f, who);
	memcpy(tag, f->bytes + MACS, 4);
	memmove(f->bytes + MACS, f->bytes + MACS + 4, f->size - MACS - 4);
	f->size -= 4;
	verdict = model_act(f, who);
	memmove(f->bytes + MACS + 4, f->bytes + MACS, f->size - MACS);
	memcpy(f->bytes + MACS, tag, 4);
	f->size += 4;
	return verdict;
}

/* PASS, or what ended it. */
static uint64_t model_chain(struct frame *f, const struct dp_filter_chain *chain)
{
	for (uint32_t i = 0; chain != NULL && i < chain->n; i++) {
		const struct filter_slot *s = &chain->slots[i];
		uint64_t verdict = model_slot(f, s);
		bool sends = verdict == EBPF_TX || verdict == EBPF_REDIRECT;

		if (s->role == FILTER_ROLE_CAPTURE || verdict == EBPF_PASS)
			continue;
		if (sends && (s->role != FILTER_ROLE_FORWARD ||
			      (verdict == EBPF_REDIRECT && s->module != modules[3])))
			return EBPF_ABORTED; /* refused */
		return verdict;
	}
	return EBPF_PASS;
}

/* ---- The switch ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view->domains[1]);
	free(view);
}

/* Ports 0 and 1 are one tenant's, 2 and 3 another's; all are trunks of all VLANs. */
static void publish(bool with_ports)
{
	static const uint16_t ports[2][2] = {{0, 1}, {2, 3}};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 2, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_vport *v = aligned_alloc(64, sizeof(*v));

		*v = (struct dp_vport){.port = with_ports ? port[i] : NULL,
				       .id = (uint16_t)i,
				       .domain = i / 2,
				       .flags = DP_VP_UP | DP_VP_FLOOD | DP_VP_FLOOD_GROUP |
						DP_VP_UNTAGGED_IN | DP_VP_TAGGED_IN | DP_VP_TAG_OUT,
				       .native_out = 0,
				       .tpid_out = rte_cpu_to_be_16(0x8100),
				       .max_frame = 9000};
		memset(v->vlan_in, 0xff, sizeof(v->vlan_in));
		memset(v->vlan_out, 0xff, sizeof(v->vlan_out));
		v->filters[DP_FILTER_INGRESS] = chains[i][DP_FILTER_INGRESS];
		v->filters[DP_FILTER_EGRESS] = chains[i][DP_FILTER_EGRESS];
		view->vports[i] = v;
	}
	for (uint16_t i = 0; i < 2; i++) {
		view->domains[i] = calloc(1, sizeof(*view->domains[i]));
		*view->domains[i] = (struct dp_domain){.id = i, .n_ports = 2, .ports = ports[i]};
	}
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static struct dp_filter_chain *random_chain(enum dp_filter_side side)
{
	struct filter_slot slots[3];
	uint32_t n = (uint32_t)(pkt_rand(&rnd) % 4);

	for (uint32_t i = 0; i < n; i++) {
		unsigned who = (unsigned)(pkt_rand(&rnd) % (side == DP_FILTER_EGRESS ? 3 : 4));

		slots[i] = (struct filter_slot){.module = modules[who],
						.role = who == 3 ? FILTER_ROLE_FORWARD
								 : FILTER_ROLE_FILTER,
						.order = i,
						.strip_vlan = pkt_rand(&rnd) % 2 == 0,
						.meta = pkt_rand(&rnd) % 3 == 0};
		if (who == 0 && pkt_rand(&rnd) % 2 == 0)
			slots[i].role = FILTER_ROLE_CAPTURE;
		if (who < 3 && side == DP_FILTER_INGRESS && pkt_rand(&rnd) % 2 == 0)
			slots[i].role = slots[i].role == FILTER_ROLE_FILTER ? FILTER_ROLE_FORWARD
									    : slots[i].role;
	}
	return n != 0 ? filter_chain_create(slots, n) : NULL;
}

static void new_chains(bool any)
{
	struct dp_filter_chain *old[N_PORTS][DP_N_FILTER_SIDES];

	memcpy(old, chains, sizeof(old));
	for (unsigned i = 0; i < N_PORTS; i++)
		for (unsigned side = 0; side < DP_N_FILTER_SIDES; side++)
			chains[i][side] = any ? random_chain(side) : NULL;
	publish(any);
	for (unsigned i = 0; i < N_PORTS; i++)
		for (unsigned side = 0; side < DP_N_FILTER_SIDES; side++)
			filter_chain_destroy(old[i][side]);
}

/* ---- Frames ---- */

static struct pkt p;

static bool is_super(void)
{
	return pkt_rand(&rnd) % 8 == 0;
}

static void make(unsigned i, bool super)
{
	static const uint8_t verdicts[] = {EBPF_PASS, EBPF_PASS,     EBPF_PASS,	  EBPF_DROP,
					   EBPF_TX,   EBPF_REDIRECT, EBPF_ABORTED};
	struct frame *f = &sent[i];
	char src[32];

	snprintf(src, sizeof(src), "02:%02x:00:%02x:%02x:%02x", i,
		 (unsigned)(pkt_rand(&rnd) % N_WHATS), (unsigned)(pkt_rand(&rnd) % 256),
		 (unsigned)(pkt_rand(&rnd) % N_PROGS << 4 | verdicts[pkt_rand(&rnd) % 7]));
	pkt_init(&p);
	pkt_eth(&p, "ff:ff:ff:ff:ff:ff", src);
	if (pkt_rand(&rnd) % 3 == 0)
		pkt_vlan(&p, 0x8100, (uint16_t)(1 + pkt_rand(&rnd) % 100));
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_tcp(&p, 1000, 80, PKT_ACK);
	/* So long that programs which shorten it three times leave a frame. */
	pkt_fill(&p, super ? 1000 : 400 + (uint32_t)(pkt_rand(&rnd) % 2500), i);
	pkt_finish(&p, super ? PKT_PARTIAL : 0);
	f->in = (uint8_t)(pkt_rand(&rnd) % N_PORTS);
	f->size = p.size;
	memcpy(f->bytes, p.bytes, p.size);
}

static void ask_for_segments(struct rte_mbuf *m, const struct frame *f)
{
	m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG;
	m->l2_len = is_tagged(f) ? 18 : 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = MSS;
}

static struct rte_mbuf *shared[N_FRAMES];
static unsigned n_shared;

static void inject(unsigned i, bool super)
{
	struct frame *f = &sent[i];
	struct rte_mbuf *m =
		pkt_rand(&rnd) % 3 == 0
			? mbufs_cut(dp_pool(dp, 0, false), f->bytes, f->size, 64, 3, &rnd)
			: mbufs_make(dp_pool(dp, 0, false), f->bytes, f->size, NULL, 0);

	assert_non_null(m);
	if (super)
		ask_for_segments(m, f);
	if (pkt_rand(&rnd) % 4 == 0) {
		shared[n_shared++] = m;
		m = rte_pktmbuf_clone(m, dp_pool(dp, 0, false));
		assert_non_null(m);
	}
	assert_int_equal(dp_port_mem_inject(port[f->in], 0, &m, 1), 1);
	n_received++;
}

/* Where it comes out, and how. */
static void expect(unsigned i, bool super)
{
	struct frame f = sent[i];
	uint64_t verdict = model_chain(&f, chains[f.in][DP_FILTER_INGRESS]);
	unsigned to = f.in ^ 1u; /* the other port of its tenant */

	memset(&wanted[i], 0, sizeof(wanted[i]));
	wanted[i].cut = super;
	if (verdict == EBPF_TX)
		to = f.in;
	else if (verdict == EBPF_REDIRECT)
		to = f.bytes[AT_BY] % (N_PORTS + 1);
	if (verdict == EBPF_DROP || verdict == EBPF_ABORTED || to == N_PORTS || to / 2 != f.in / 2)
		return;
	if (model_chain(&f, chains[to][DP_FILTER_EGRESS]) != EBPF_PASS)
		return;
	wanted[i].n[to] = 1;
	wanted[i].at_port = f;
}

/* ---- The ledger ---- */

static uint64_t sum(const uint64_t *v)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += v[i];
	return n;
}

static void settle(void)
{
	for (int i = 0; i < 20000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		for (uint16_t id = 0; id < N_PORTS; id++) {
			const struct dp_count *c = dp_port_count(dp, id);

			assert_int_equal(c->rx_packets + c->copies,
					 c->forwarded + sum(c->drops_rx));
			assert_int_equal(c->offered + c->segments,
					 c->tx_packets + sum(c->drops_tx));
		}
		assert_int_equal(t->forwarded, t->offered);
		if (t->rx_packets == n_received)
			return;
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	fail_msg("the worker did not take the frames");
}

static void check_one(unsigned to, const struct rte_mbuf *m)
{
	static uint8_t bytes[MOST + 1000];
	uint32_t size = mbufs_read(m, bytes, sizeof(bytes));
	unsigned i = bytes[AT_NUMBER];

	assert_in_range(i, 0, N_FRAMES - 1);
	assert_int_equal(sent[i].in / 2, to / 2);
	assert_true(wanted[i].cut || wanted[i].n[to] == 1);
	if (wanted[i].cut)
		return;
	wanted[i].n[to]--;
	assert_int_equal(size, wanted[i].at_port.size);
	assert_memory_equal(bytes, wanted[i].at_port.bytes, size);
}

static void check(void)
{
	settle();
	for (unsigned to = 0; to < N_PORTS; to++) {
		struct rte_mbuf *got[512];
		uint16_t n = dp_port_mem_collect(port[to], got, 512);

		for (uint16_t k = 0; k < n; k++)
			check_one(to, got[k]);
		rte_pktmbuf_free_bulk(got, n);
	}
	for (unsigned i = 0; i < N_FRAMES; i++)
		for (unsigned to = 0; to < N_PORTS && !wanted[i].cut; to++)
			assert_int_equal(wanted[i].n[to], 0);
	/* Who shares bytes with a frame that went through programs still has them as they were. */
	for (unsigned i = 0; i < n_shared; i++) {
		static uint8_t bytes[MOST];
		uint32_t size = mbufs_read(shared[i], bytes, sizeof(bytes));

		assert_int_equal(size, sent[bytes[AT_NUMBER]].size);
		assert_memory_equal(bytes, sent[bytes[AT_NUMBER]].bytes, size);
		rte_pktmbuf_free(shared[i]);
	}
	n_shared = 0;
}

static void random_programs_leave_the_bytes_that_a_model_says(void **state)
{
	for (unsigned round = 0; round < N_ROUNDS; round++) {
		bool super[N_FRAMES];

		new_chains(true);
		for (unsigned i = 0; i < N_FRAMES; i++) {
			super[i] = is_super();
			make(i, super[i]);
			expect(i, super[i]);
		}
		for (unsigned i = 0; i < N_FRAMES; i++)
			inject(i, super[i]);
		check();
	}
}

/* ---- */

static int make_modules(void)
{
	const struct filter_modules_opts opts = {.n_cpus = 64};
	struct err err = {0};

	if (filter_modules_create(&opts, &set, &err) != 0)
		return -1;
	for (unsigned i = 0; i < N_PROGS; i++) {
		char name[2] = {(char)('a' + i), '\0'};

		if (filter_module_make(set, name,
				       filter_current_create(&programs[i], 0, FILTER_BYPASS), NULL,
				       &modules[i], &err) != 0)
			return -1;
	}
	return 0;
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3"};
	struct err err = {0};
	unsigned cpu = 0;
	cpu_set_t mine;

	sched_getaffinity(0, sizeof(mine), &mine);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &mine))
		cpu++;
	dp = test_dp_create(4095);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_port_opts o = {.name = names[i],
					 .kind = "mem",
					 .netns_fd = -1,
					 .n_queues = 1,
					 .mtu = 8986};

		if (dp_port_open(dp, &o, &port[i], &err) != 0)
			return -1;
		dp_port_mem_set_link(port[i], true);
	}
	publish(true);
	dp_set_max_sleep(dp, 50);
	return make_modules() != 0 ? -1 : dp_worker_add(dp, cpu, &err);
}

static int finish(void **state)
{
	unsigned left;

	new_chains(false);
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	filter_modules_destroy(set);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_programs_leave_the_bytes_that_a_model_says),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
