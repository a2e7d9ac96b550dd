/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A producer and a consumer that take turns at every look at the ring's header, in random order,
 * beside a list of packets that says what must come out.
 *
 * Both are coroutines of one thread, and ring.c is compiled in here with a switch at each of its
 * steps.  What is shown:
 *
 * 	content   packets come out whole, in order, once, and not before they were shown
 * 	wake-up   who sleeps is woken: never are both asleep while there is something to do
 * 	needless  a signal for packets means that, after they were shown, the mask was off at some
 * 	          moment and the ring had been empty at some moment; one for room, that what was
 * 	          waited for was not there before this batch, and is now
 *
 * (Memory order is not shown here, but in ring_thread_test.c: steps are seen in their order.)
 */
static void step(void);
#define VMBUS_RING_STEP() step()
#include "vmbus/ring.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>

#include <cmocka.h>

#define STACK	  (64 * 1024)
#define MAX_SIZE  1024
#define N_PACKETS 150
#define N_SEEDS	  3000
#define N_WANTED  64

struct sent {
	uint16_t type, flags;
	uint32_t header_size, payload_size;
	uint8_t bytes[MAX_SIZE];
};

enum who { PRODUCER, CONSUMER, N_WHO };

static struct world {
	uint64_t random;
	_Alignas(64) struct vmbus_ring_hdr hdr;
	_Alignas(64) uint8_t data[MAX_SIZE];
	struct vmbus_ring ring;
	struct vmbus_out out;
	struct vmbus_in in;
	struct sent sent[N_PACKETS];
	uint32_t n_put, n_shown, n_taken;
	/* The coroutines. */
	ucontext_t main, context[N_WHO];
	uint8_t stack[N_WHO][STACK];
	enum who now;
	bool asleep[N_WHO], signalled[N_WHO], done[N_WHO], running;
	/* What was true at some moment since the producer showed its last batch. */
	bool watched, was_unmasked, was_drained;
	uint32_t begun;
	/* Whether the consumer's last batch gave what was waited for at some moment since it ended;
	 * the producer may take it, and say that it waits no more, before the consumer has looked.
	 */
	bool room_watched, room_was_wanted;
	uint32_t read_before, wanted[N_WANTED], n_wanted;
	uint64_t n_signals, n_room_signals, n_sleeps;
} w;

static uint32_t pick(uint32_t n)
{
	w.random = w.random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w.random >> 33) % n;
}

static void must(bool ok, const char *what)
{
	if (!ok)
		fail_msg("%s (%u put, %u shown, %u taken)", what, w.n_put, w.n_shown, w.n_taken);
}

/* Whether this batch of the consumer made the room more than 'wanted'.  What the producer wrote
 * meanwhile counts against both. */
static bool gave_room(uint32_t wanted)
{
	uint32_t room = w.ring.size - vmbus_ring_distance(&w.ring, w.hdr.read, w.hdr.write);
	uint32_t given = vmbus_ring_distance(&w.ring, w.read_before, w.hdr.read);

	return room > wanted && (int64_t)room - given <= wanted;
}

/* Notes what is true at this moment. */
static void observe(void)
{
	uint32_t pending = w.hdr.pending;

	if (w.watched) {
		w.was_unmasked = w.was_unmasked || w.hdr.mask == 0;
		w.was_drained = w.was_drained || w.hdr.read == w.begun;
	}
	if (!w.room_watched)
		return;
	if (pending != 0 && w.n_wanted < N_WANTED)
		w.wanted[w.n_wanted++] = pending;
	for (uint32_t i = 0; i < w.n_wanted; i++)
		w.room_was_wanted = w.room_was_wanted || gave_room(w.wanted[i]);
}

static void yield(void)
{
	swapcontext(&w.context[w.now], &w.main);
}

/* The other's turn, perhaps. */
static void step(void)
{
	if (!w.running)
		return;
	observe();
	if (pick(2) == 0)
		yield();
	observe();
}

static void sleep_until_signalled(enum who who)
{
	w.asleep[who] = true;
	w.n_sleeps++;
	while (!w.signalled[who])
		yield();
	w.signalled[who] = false;
	w.asleep[who] = false;
}

/* ---- Producer ---- */

static struct sent *make(uint32_t i)
{
	struct sent *s = &w.sent[i];

	s->type = (uint16_t)(pick(2) == 0 ? VMBUS_PKT_INBAND : VMBUS_PKT_GPA_DIRECT);
	s->flags = (uint16_t)pick(2);
	s->header_size = 8 * pick(4);
	s->payload_size = pick(3) == 0 ? pick(w.ring.size - 64 - s->header_size) : pick(40);
	for (uint32_t k = 0; k < s->header_size + s->payload_size; k++)
		s->bytes[k] = (uint8_t)pick(256);
	return s;
}

/* Puts some packets; how much room the next one wants, or 0. */
static uint32_t put_batch(void)
{
	uint32_t n = pick(6);

	vmbus_out_begin(&w.out);
	for (; n > 0 && w.n_put < N_PACKETS; n--) {
		struct sent *s = &w.sent[w.n_put];
		int rc = vmbus_out_put(&w.out, s->type, s->flags, w.n_put, s->bytes, s->header_size,
				       s->bytes + s->header_size, s->payload_size);

		if (rc == -EAGAIN)
			return vmbus_packet_size(s->header_size, s->payload_size);
		must(rc == 0, "packet refused");
		w.n_put++;
	}
	return 0;
}

static void show_batch(void)
{
	bool signal;

	w.begun = w.hdr.write;
	w.was_unmasked = false;
	w.was_drained = false;
	w.n_shown = w.n_put; /* from now on it may be seen */
	w.watched = true;
	signal = vmbus_out_end(&w.out);
	observe();
	w.watched = false;
	if (!signal)
		return;
	must(w.was_unmasked, "signal though it was masked all the time");
	must(w.was_drained, "signal though the ring was not empty");
	w.n_signals++;
	w.signalled[CONSUMER] = true;
}

static void produce(void)
{
	while (w.n_put < N_PACKETS) {
		uint32_t wanted = put_batch();

		show_batch();
		if (wanted != 0 && pick(4) != 0) {
			if (vmbus_out_wait(&w.out, wanted)) {
				sleep_until_signalled(PRODUCER);
				if (pick(2) == 0)
					vmbus_out_wait(&w.out, 0);
			}
		}
	}
	vmbus_out_wait(&w.out, 0);
	w.done[PRODUCER] = true;
	for (;;)
		yield();
}

/* ---- Consumer ---- */

static void take(const struct vmbus_packet *p)
{
	const struct sent *s = &w.sent[w.n_taken];
	uint8_t got[MAX_SIZE];

	must(w.n_taken < w.n_shown, "packet that was not shown");
	must(p->desc.transaction_id == w.n_taken, "another packet than the next");
	must(p->desc.type == s->type && p->desc.flags == s->flags, "type or flags");
	must(p->header_size == 16 + s->header_size, "size of the header");
	must(p->payload_size == ((s->payload_size + 7) & ~7u), "size of the payload");
	must(vmbus_in_copy(&w.in, p, 16, got, s->header_size + s->payload_size), "copy");
	must(memcmp(got, s->bytes, s->header_size + s->payload_size) == 0, "bytes");
	w.n_taken++;
}

static void take_batch(uint32_t most)
{
	struct vmbus_packet p = {0};
	bool taken = false;

	for (; most > 0 && vmbus_in_next(&w.in, &p); most--) {
		take(&p);
		taken = true;
	}
	if (taken && pick(8) == 0) {
		vmbus_in_back(&w.in, &p);
		w.n_taken--;
	}
}

static void give_room(void)
{
	bool signal;

	w.read_before = w.hdr.read;
	w.room_was_wanted = false;
	w.n_wanted = 0;
	w.room_watched = true;
	signal = vmbus_in_end(&w.in);
	observe();
	w.room_watched = false;
	if (!signal)
		return;
	must(w.room_was_wanted, "signal for room that nobody waits for");
	w.n_room_signals++;
	w.signalled[PRODUCER] = true;
}

static void consume(void)
{
	bool masks = pick(4) != 0; /* some consumers never mask */

	while (w.n_taken < N_PACKETS) {
		if (masks)
			vmbus_in_mask(&w.in, true);
		if (vmbus_in_begin(&w.in) != 0) {
			take_batch(1 + pick(8));
			give_room();
		} else if (vmbus_in_sleep(&w.in)) {
			sleep_until_signalled(CONSUMER);
		}
		must(w.in.fault == VMBUS_RING_NONE, "ring is broken");
	}
	w.done[CONSUMER] = true;
	for (;;)
		yield();
}

/* ---- Both ---- */

static bool may_run(enum who who)
{
	return !w.done[who] && (!w.asleep[who] || w.signalled[who]);
}

static void start(enum who who, void (*run)(void))
{
	getcontext(&w.context[who]);
	w.context[who].uc_stack.ss_sp = w.stack[who];
	w.context[who].uc_stack.ss_size = STACK;
	makecontext(&w.context[who], run, 0);
}

static void run_seed(uint64_t seed)
{
	uint32_t index;

	memset(&w, 0, offsetof(struct world, main));
	memset(&w.now, 0, sizeof(w) - offsetof(struct world, now));
	w.random = seed;
	w.ring = (struct vmbus_ring){&w.hdr, w.data, 128 + 8 * pick((MAX_SIZE - 128) / 8 + 1)};
	index = 8 * pick(w.ring.size / 8);
	w.hdr.write = index;
	w.hdr.read = index;
	vmbus_out_init(&w.out, &w.ring);
	vmbus_in_init(&w.in, &w.ring);
	for (uint32_t i = 0; i < N_PACKETS; i++)
		make(i);
	start(PRODUCER, produce);
	start(CONSUMER, consume);
	w.running = true;
	while (!w.done[CONSUMER] || !w.done[PRODUCER]) {
		enum who who = pick(2) == 0 ? PRODUCER : CONSUMER;

		if (!may_run(who))
			who = who == PRODUCER ? CONSUMER : PRODUCER;
		must(may_run(who), "both sleep: a wake-up was lost");
		w.now = who;
		swapcontext(&w.main, &w.context[who]);
	}
	w.running = false;
}

static void ring_is_a_list_of_packets_and_wakes_whoever_sleeps(void **state)
{
	uint64_t signals = 0, room_signals = 0, sleeps = 0;

	for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
		run_seed(seed * 0x9e3779b97f4a7c15ull);
		signals += w.n_signals;
		room_signals += w.n_room_signals;
		sleeps += w.n_sleeps;
	}
	print_message("%llu sleeps, %llu signals for packets, %llu for room\n",
		      (unsigned long long)sleeps, (unsigned long long)signals,
		      (unsigned long long)room_signals);
	assert_true(signals > N_SEEDS);
	assert_true(room_signals > N_SEEDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_is_a_list_of_packets_and_wakes_whoever_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
