/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The switch is killed at every single store that it makes to memory which outlives it, and the
 * next one goes on: each packet of the guest is completed exactly once, each control message
 * answered exactly once, no frame comes twice, and no section is lost.
 *
 * 	parent   guest; forks ──► child: the switch, which dies before its n-th store
 * 	         the switch again, out of the journal ◄──┘
 *
 * Stores are counted by the processor: the memory is read-only in the child, each store faults, is
 * counted, and stepped over.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/nicguest.h"
#include "vmbus/nvsp.h"

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)

#define TRAP_FLAG 0x100
#define N_SENT	  12u  /* frames of the guest */
#define N_MOST	  256u /* with those that it sends when the switch is dead */
#define N_LENT	  3u   /* packets to the guest that it completes meanwhile */
#define N_IN	  10u  /* frames to the guest while the child runs */

static struct rte_mempool *pool;
static uint8_t first_frame = 100;

/* ---- A process that dies at a store ---- */

static struct {
	struct {
		void *va;
		size_t size;
	} areas[2];
	unsigned stores, last;
} watch;

static void protect(int prot)
{
	for (unsigned i = 0; i < 2; i++)
		if (mprotect(watch.areas[i].va, watch.areas[i].size, prot) != 0)
			_exit(2);
}

static void on_store(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	const uint8_t *at = info->si_addr;
	bool ours = false;

	for (unsigned i = 0; i < 2; i++)
		ours |= at >= (const uint8_t *)watch.areas[i].va &&
			at < (const uint8_t *)watch.areas[i].va + watch.areas[i].size;
	if (!ours)
		_exit(3);
	if (++watch.stores == watch.last)
		kill(getpid(), SIGKILL);
	protect(PROT_READ | PROT_WRITE);
	uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
	protect(PROT_READ);
}

static size_t file_size(int fd)
{
	return (size_t)lseek(fd, 0, SEEK_END);
}

static void watch_start(const struct nicguest *g, unsigned last)
{
	struct sigaction store = {.sa_sigaction = on_store, .sa_flags = SA_SIGINFO};
	struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	watch.areas[0].va = g->memory;
	watch.areas[0].size = g->size;
	watch.areas[1].va = g->journal->area;
	watch.areas[1].size = file_size(vmq_journal_fd(g->journal));
	watch.stores = 0;
	watch.last = last;
	sigaction(SIGSEGV, &store, NULL);
	sigaction(SIGTRAP, &step, NULL);
	protect(PROT_READ);
}

/* Runs 'fn' in a process that dies before its store number 'last'.  False: it made fewer. */
static bool dies(struct nicguest *g, void (*fn)(struct nicguest *), unsigned last)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		watch_start(g, last);
		fn(g);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

/* ---- The switch ---- */

static void poll_queue(struct nicguest *g)
{
	struct rte_mbuf *pkts[32];
	uint16_t malformed = 0,
		 n = vmq_queue_from_guest(g->channels[0].queue, pool, pkts, 8, &malformed);

	rte_pktmbuf_free_bulk(pkts, n);
}

static void answer_control(struct nicguest *g)
{
	static const uint8_t answer[32] = {0x04, 0, 0, 0x80};
	const struct vmq_control_item *item = vmq_control_next(g->control);

	if (item == NULL)
		return;
	vmq_mail_rndis(g->mail, answer, sizeof(answer));
	vmq_control_done(g->control, g->channels[0].queue);
}

/* As much as the guest waits for. */
static void work(struct nicguest *g)
{
	for (unsigned i = 0; i < 8; i++) {
		poll_queue(g);
		answer_control(g);
	}
}

static void send_frames(struct nicguest *g, uint8_t first, unsigned n)
{
	struct rte_mbuf *pkts[N_IN];
	uint8_t refused;
	uint16_t sent;

	for (unsigned i = 0; i < n; i++) {
		pkts[i] = rte_pktmbuf_alloc(pool);
		if (pkts[i] == NULL)
			abort();
		memset(rte_pktmbuf_append(pkts[i], 60), first + (int)i, 60);
	}
	sent = vmq_path_to_guest(&g->path, pkts, (uint16_t)n, &refused);
	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
}

/* Both directions in turn, then all that is left. */
static void life(struct nicguest *g)
{
	poll_queue(g);
	send_frames(g, first_frame, N_IN / 2);
	answer_control(g);
	poll_queue(g);
	send_frames(g, (uint8_t)(first_frame + N_IN / 2), N_IN / 2);
	work(g);
}

/* The journal's mapping stays, for it is watched. */
static void second_life(struct nicguest *g)
{
	g->keep_journal = true;
	if (nicguest_resume(g) != 0)
		_exit(4);
	first_frame += N_IN;
	life(g);
}

/* ---- The guest ---- */

static void put_control(struct nicguest *g)
{
	const uint8_t query[28] = {0x04};
	struct nvsp_rndis rndis = {NVSP_RNDIS, 1, 63, sizeof(query)};

	vmbus_pages_write(g->send, 63ull * g->opts.send_section, query, sizeof(query));
	assert_true(nicguest_put_any(g, 0, VMBUS_PKT_INBAND, VMBUS_PKT_COMPLETION_REQUESTED, 5000,
				     &rndis, sizeof(rndis)));
}

/* Packets to complete, sections to take back, a control message in the middle. */
static struct nicguest *prepare(void)
{
	struct nicguest *g =
		nicguest_create(&(struct nicguest_opts){.n_recv = 64, .ring_pages = 2});
	uint8_t frame[60] = {0};

	g->keep = true;
	for (unsigned i = 0; i < N_LENT; i++)
		send_frames(g, (uint8_t)(10 * i), 2 + i);
	nicguest_poll(g, 0);
	for (unsigned i = 0; i < N_SENT; i++) {
		assert_true(nicguest_send(g, 0, 1000 + i, frame, sizeof(frame)));
		if (i == N_SENT / 2)
			put_control(g);
		if (i == 2)
			for (unsigned k = 0, e = 0; k < N_LENT; k++, e += 1 + k)
				nicguest_complete(g, 0, g->events[e].transaction_id);
	}
	nicguest_clear(g);
	g->n_kept = 0;
	nicguest_show(g, 0);
	return g;
}

/* The guest goes on while no switch is there: reads what it finds, and fills its ring.  Returns how
 * many frames it has sent. */
static unsigned guest_goes_on(struct nicguest *g)
{
	uint8_t frame[60] = {0};
	unsigned n = N_SENT;

	nicguest_poll(g, 0);
	while (n < N_MOST && nicguest_send(g, 0, 1000 + n, frame, sizeof(frame)))
		n++;
	nicguest_show(g, 0);
	return n;
}

static void check_events(const struct nicguest *g, unsigned n_sent)
{
	unsigned completions[N_MOST] = {0}, frames[256] = {0}, answers = 0, controls = 0;

	for (unsigned i = 0; i < g->n_events; i++) {
		const struct nicguest_event *e = &g->events[i];

		if (e->kind == NICGUEST_FRAME_IN)
			frames[e->bytes[0]]++;
		else if (e->kind == NICGUEST_RNDIS)
			answers++;
		else if (e->transaction_id == 5000)
			controls++;
		else if (e->transaction_id - 1000 < n_sent)
			completions[e->transaction_id - 1000]++;
		else
			fail_msg("event of nothing");
	}
	for (unsigned i = 0; i < n_sent; i++)
		assert_int_equal(completions[i], 1);
	for (unsigned i = 0; i < 256; i++)
		assert_true(frames[i] <= (i >= 100 && i < 100 + 2 * N_IN));
	assert_int_equal(answers, 1);
	assert_int_equal(controls, 1);
}

/* What the guest kept when the switch was dead. */
static void give_back_rest(struct nicguest *g)
{
	for (unsigned i = 0; i < g->n_kept; i++)
		nicguest_complete(g, 0, g->kept[i]);
	g->n_kept = 0;
}

/* The next switch works until all is quiet; then nothing must be missing. */
static void check_after(struct nicguest *g)
{
	unsigned n_sent = guest_goes_on(g);
	const struct vmq_queue *q;

	assert_int_equal(nicguest_resume(g), 0);
	g->keep = false;
	for (unsigned i = 0; i < 4; i++) {
		work(g);
		nicguest_poll(g, 0);
	}
	give_back_rest(g);
	work(g);
	check_events(g, n_sent);
	q = g->channels[0].queue;
	assert_int_equal(q->fault, VMQ_FAULT_NONE);
	assert_int_equal(q->stats.bad_completions, 0);
	assert_int_equal(g->bufs->n_free + q->cached_n, g->opts.n_recv);
}

static void killed_at_any_store_nothing_is_lost_or_told_twice(void **state)
{
	bool died = true;
	unsigned last;

	for (last = 1; died; last++) {
		struct nicguest *g = prepare();

		died = dies(g, life, last);
		check_after(g);
		nicguest_destroy(g);
	}
	assert_true(last > 100);
	print_message("%u stores\n", last);
}

static void killed_again_while_it_takes_over_too(void **state)
{
	uint32_t seed = 1;

	for (unsigned i = 0; i < 400; i++) {
		struct nicguest *g = prepare();
		bool died;

		seed = seed * 1664525 + 1013904223;
		died = dies(g, life, 1 + (seed >> 8) % 100);
		assert_true(died);
		seed = seed * 1664525 + 1013904223;
		dies(g, second_life, 1 + (seed >> 8) % 200);
		check_after(g);
		nicguest_destroy(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_store_nothing_is_lost_or_told_twice),
		cmocka_unit_test(killed_again_while_it_takes_over_too),
	};

	/* What a child holds when it dies is lost to the pool. */
	pool = mbufs_pool("vmq-kill", 32767, 256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: single steps do not go together with sanitizers, or with this processor");
	return 77; /* needs the processor's single steps, and handlers of its own */
}

#endif
