/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dynamic memory beside a guest that gives pages as Linux does, and one that lies about them.
 */
#include "vmbus/balloon.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "hv/gpa.h"
#include "tests/support/ic_rig.h"

#define MB	  (1ull << 20)
#define PAGES(mb) ((mb)*MB / 4096)
#define LOW	  (64 * MB) /* from address 0 */
#define HIGH	  (64 * MB) /* from 4 GB */
#define HIGH_PFN  (1u << 20)

enum type {
	VERSION_REQUEST = 1,
	VERSION_RESPONSE,
	CAPABILITIES_REPORT,
	CAPABILITIES_RESPONSE,
	STATUS_REPORT,
	BALLOON_REQUEST,
	BALLOON_RESPONSE,
	UNBALLOON_REQUEST,
	UNBALLOON_RESPONSE,
	HOT_ADD_REQUEST,
	HOT_ADD_RESPONSE,
	INFO_MESSAGE,
};

struct state {
	struct ic_rig rig;
	struct gpa_map memory;
	struct balloon *balloon;
	struct ic_guest guest;
	uint64_t discarded;
	unsigned n_discards, n_reports;
	uint64_t last_gpa, last_size;
	int discard_rc;
};

static int discard(void *ctx, uint64_t gpa, uint64_t size)
{
	struct state *s = ctx;

	/* Never outside of memory, whatever the guest says. */
	assert_true(size > 0 && (gpa < LOW ? size <= LOW - gpa
					   : gpa >= 1ull << 32 && gpa < (1ull << 32) + HIGH &&
						     size <= (1ull << 32) + HIGH - gpa));
	s->n_discards++;
	s->discarded += size;
	s->last_gpa = gpa;
	s->last_size = size;
	return s->discard_rc;
}

static void reported(void *ctx, const struct balloon_report *report)
{
	((struct state *)ctx)->n_reports++;
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct balloon_opts opts = {.discard = discard, .reported = reported, .ctx = s};

	assert_non_null(s);
	s->memory = (struct gpa_map){.n = 2,
				     .range = {{.gpa = 0, .size = LOW},
					       {.gpa = 1ull << 32, .size = HIGH}}};
	opts.memory = &s->memory;
	ic_rig_init(&s->rig);
	assert_int_equal(balloon_create(&s->rig.env, &opts, &s->balloon), 0);
	ic_rig_connect(&s->rig);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	if (s->guest.channel != NULL)
		ic_guest_close(&s->guest);
	ic_rig_unload(&s->rig);
	balloon_destroy(s->balloon);
	ic_rig_fini(&s->rig);
	free(s);
	return 0;
}

static void tick(struct state *s, uint64_t ns)
{
	balloon_tick(s->balloon, s->rig.now_ns += ns);
}

static struct balloon_info info(const struct state *s)
{
	struct balloon_info i;

	balloon_info(s->balloon, &i);
	return i;
}

/* ---- The guest's half ---- */

/* Sends words of 64 bits behind a header; the header says 'size'. */
static void say_sized(struct state *s, unsigned type, uint16_t size, const uint64_t *words,
		      unsigned n)
{
	uint8_t bytes[8 + 8 * 600];
	struct wr wr = wr_over(bytes, sizeof(bytes));

	wr_le16(&wr, (uint16_t)type);
	wr_le16(&wr, size);
	wr_le32(&wr, 77);
	for (unsigned i = 0; i < n; i++)
		wr_le64(&wr, words[i]);
	ic_guest_send(&s->guest, VMBUS_PKT_INBAND, 0, bytes, wr.size);
}

static void say(struct state *s, unsigned type, const uint64_t *words, unsigned n)
{
	say_sized(s, type, (uint16_t)(8 + 8 * n), words, n);
}

/* Takes a message of that type; its body. */
static struct rd expect(struct state *s, unsigned type)
{
	struct rd rd;

	assert_true(ic_guest_take(&s->guest));
	assert_int_equal(s->guest.desc.type, VMBUS_PKT_INBAND);
	rd = rd_init(s->guest.bytes, s->guest.size);
	assert_int_equal(rd_le16(&rd), type);
	assert_true(rd_le16(&rd) <= s->guest.size);
	rd_skip(&rd, 4);
	return rd;
}

static void nothing(struct state *s)
{
	assert_false(ic_guest_take(&s->guest));
}

static void start(struct state *s)
{
	const uint64_t version = 0x20000, caps[] = {3, 0, 1};
	struct rd rd;

	tick(s, 0);
	ic_guest_open(&s->guest, &s->rig, &ic_guest_balloon, 0);
	say(s, VERSION_REQUEST, &version, 1);
	rd = expect(s, VERSION_RESPONSE);
	assert_int_equal(rd_le64(&rd), 1);
	say(s, CAPABILITIES_REPORT, caps, 3);
	rd = expect(s, CAPABILITIES_RESPONSE);
	assert_int_equal(rd_le64(&rd), 1);
	rd = expect(s, INFO_MESSAGE);
	rd_skip(&rd, 4);
	assert_int_equal(rd_le32(&rd), 16);
	assert_int_equal(rd_le32(&rd), 0);
	assert_int_equal(rd_le32(&rd), 8);
	assert_int_equal(rd_le64(&rd), (LOW + HIGH) / 4096);
}

static uint64_t range(uint64_t pfn, uint64_t n)
{
	return pfn | n << 40;
}

/* Answers with one range. */
static void give(struct state *s, uint64_t pfn, uint64_t n, bool more)
{
	const uint64_t words[] = {(uint64_t)(1 << 1 | more) << 32, range(pfn, n)};

	say(s, BALLOON_RESPONSE, words, 2);
}

static void give_nothing(struct state *s)
{
	const uint64_t none = 0;

	say(s, BALLOON_RESPONSE, &none, 1);
}

/* Asked for so many pages. */
static void expect_ask(struct state *s, uint32_t pages)
{
	struct rd rd = expect(s, BALLOON_REQUEST);

	assert_int_equal(rd_le32(&rd), pages);
}

/* Gets back one range. */
static void expect_return(struct state *s, uint64_t pfn, uint64_t n)
{
	struct rd rd = expect(s, UNBALLOON_REQUEST);

	assert_int_equal(rd_le32(&rd), 0);
	assert_int_equal(rd_le32(&rd), 1);
	assert_int_equal(rd_le64(&rd), range(pfn, n));
}

/* ---- Negotiation ---- */

static void versions_are_tried_until_one_fits(void **state)
{
	struct state *s = *state;
	const uint64_t versions[] = {0x30000, 0x3, 0x10000};
	struct rd rd;

	ic_guest_open(&s->guest, &s->rig, &ic_guest_balloon, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(info(s).state, BALLOON_VERSION);
		say(s, VERSION_REQUEST, &versions[i], 1);
		rd = expect(s, VERSION_RESPONSE);
		assert_int_equal(rd_le64(&rd), i == 2);
	}
	assert_int_equal(info(s).state, BALLOON_CAPS);
	assert_int_equal(info(s).version, 0x10000);
}

static void order_of_messages_is_checked(void **state)
{
	struct state *s = *state;
	const uint64_t words[6] = {0x20000};

	ic_guest_open(&s->guest, &s->rig, &ic_guest_balloon, 0);
	say(s, CAPABILITIES_REPORT, words, 3);
	say(s, STATUS_REPORT, words, 6);
	say(s, BALLOON_RESPONSE, words, 2);
	say(s, UNBALLOON_RESPONSE, words, 0);
	say(s, HOT_ADD_RESPONSE, words, 1);
	assert_int_equal(info(s).faults[BALLOON_FAULT_ORDER], 5);
	say(s, 0, words, 1);
	say(s, BALLOON_REQUEST, words, 1);
	say(s, 0xffff, words, 1);
	assert_int_equal(info(s).faults[BALLOON_FAULT_TYPE], 3);
	nothing(s);
	ic_guest_close(&s->guest);
	start(s);
	say(s, VERSION_REQUEST, words, 1);
	say(s, CAPABILITIES_REPORT, words, 3);
	assert_int_equal(info(s).faults[BALLOON_FAULT_ORDER], 7);
	assert_int_equal(info(s).state, BALLOON_READY);
}

static void sizes_are_checked(void **state)
{
	struct state *s = *state;
	const uint64_t words[600] = {0};

	start(s);
	balloon_set_target(s->balloon, 0);
	tick(s, 0);
	expect_ask(s, PAGES(32));
	for (unsigned type = 0; type < 14; type++) {
		static const uint16_t sizes[] = {0, 1, 7, 0xffff};

		for (unsigned i = 0; i < 4; i++)
			say_sized(s, type, sizes[i], words, 4);
	}
	assert_int_equal(info(s).faults[BALLOON_FAULT_FRAME], 14 * 4);
	say_sized(s, BALLOON_RESPONSE, 15, words, 4);
	say_sized(s, BALLOON_RESPONSE, 8 + 8 * 5, words, 4); /* more than the packet */
	say_sized(s, VERSION_REQUEST, 15, words, 4);
	say_sized(s, STATUS_REPORT, 23, words, 4);
	assert_int_equal(info(s).faults[BALLOON_FAULT_FRAME], 14 * 4 + 4);
	ic_guest_send(&s->guest, VMBUS_PKT_COMPLETION, 0, words, 64);
	ic_guest_send(&s->guest, VMBUS_PKT_INBAND, 0, words, 0);
	assert_int_equal(info(s).faults[BALLOON_FAULT_FRAME], 14 * 4 + 6);
	assert_true(info(s).busy); /* it still waits */
	assert_int_equal(s->n_discards, 0);
}

static void report_is_kept_within_reason(void **state)
{
	struct state *s = *state;
	const uint64_t words[] = {1000, 2000, 0, 0, 0};
	const uint64_t ones[] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};

	start(s);
	assert_int_equal(info(s).report.at_ns, 0);
	say(s, STATUS_REPORT, words, 5);
	assert_int_equal(s->n_reports, 1);
	assert_int_equal(info(s).report.at_ns, s->rig.now_ns);
	assert_int_equal(info(s).report.available, 4096000);
	assert_int_equal(info(s).report.committed, 8192000);
	say(s, STATUS_REPORT, ones, 5);
	assert_int_equal(info(s).report.available, LOW + HIGH);
	assert_int_equal(info(s).report.committed, 4 * (LOW + HIGH));
}

/* ---- Giving ---- */

static void guest_gives_what_is_asked_for(void **state)
{
	struct state *s = *state;

	start(s);
	tick(s, IC_RIG_S);
	nothing(s); /* all is its own */
	balloon_set_target(s->balloon, 100 * MB);
	tick(s, 0);
	expect_ask(s, PAGES(28));
	tick(s, IC_RIG_S);
	nothing(s); /* one at a time */
	give(s, 1024, PAGES(10), true);
	assert_int_equal(s->discarded, 10 * MB);
	assert_int_equal(s->last_gpa, 4 * MB);
	give(s, HIGH_PFN, PAGES(18), false);
	assert_int_equal(s->discarded, 28 * MB);
	assert_int_equal(s->last_gpa, 1ull << 32);
	assert_int_equal(info(s).ballooned, 28 * MB);
	assert_int_equal(info(s).given, 28 * MB);
	assert_false(info(s).busy);
	tick(s, IC_RIG_S);
	nothing(s);
}

static void guest_that_gives_part_is_asked_again(void **state)
{
	struct state *s = *state;

	start(s);
	balloon_set_target(s->balloon, 100 * MB);
	tick(s, 0);
	expect_ask(s, PAGES(28));
	give(s, 1024, PAGES(10), false);
	expect_ask(s, PAGES(18));
	give_nothing(s); /* no more */
	tick(s, 10 * IC_RIG_S - 1);
	nothing(s);
	tick(s, 1);
	expect_ask(s, PAGES(18));
}

static void many_ranges_come_in_many_messages(void **state)
{
	struct state *s = *state;
	uint64_t words[500];

	start(s);
	balloon_set_target(s->balloon, 100 * MB);
	tick(s, 0);
	expect_ask(s, PAGES(28));
	for (unsigned message = 0; message < 4; message++) {
		words[0] = (uint64_t)(499u << 1 | (message < 3)) << 32;
		for (unsigned i = 0; i < 499; i++)
			words[1 + i] = range(1024 + 2 * (message * 499 + i), 1);
		say(s, BALLOON_RESPONSE, words, 500);
	}
	assert_int_equal(info(s).ballooned, 4ul * 499 * 4096);
	assert_int_equal(s->n_discards, 4 * 499);
	expect_ask(s, PAGES(28) / 512 * 512 - 2048);
}

static void pages_that_are_no_memory_are_left_alone(void **state)
{
	struct state *s = *state;

	start(s);
	balloon_set_target(s->balloon, 0);
	tick(s, 0);
	expect_ask(s, PAGES(32));
	give(s, LOW / 4096, 1, true);
	give(s, LOW / 4096 - 1, 2, true);
	give(s, HIGH_PFN - 1, 1, true);
	give(s, HIGH_PFN + HIGH / 4096, 1, true);
	give(s, (1ull << 40) - 1, 1, true);
	give(s, 0, 0, true);
	assert_int_equal(info(s).faults[BALLOON_FAULT_RANGE], 6);
	give(s, 0, 0xffffff, true);
	assert_int_equal(info(s).faults[BALLOON_FAULT_EXCESS], 1);
	assert_int_equal(s->n_discards, 0);
	assert_int_equal(info(s).ballooned, 0);
}

static void pages_given_twice_are_left_alone(void **state)
{
	struct state *s = *state;

	start(s);
	balloon_set_target(s->balloon, 0);
	tick(s, 0);
	expect_ask(s, PAGES(32));
	give(s, 1000, 100, true);
	give(s, 1000, 100, true);
	give(s, 1099, 1, true);
	give(s, 900, 101, true);
	assert_int_equal(info(s).faults[BALLOON_FAULT_TWICE], 3);
	assert_int_equal(s->n_discards, 1);
	assert_int_equal(info(s).ballooned, 100ul * 4096);
}

static void more_than_asked_for_is_left_alone(void **state)
{
	struct state *s = *state;

	start(s);
	balloon_set_target(s->balloon, 126 * MB);
	tick(s, 0);
	expect_ask(s, 512);
	give(s, 1000, 513, true);
	give(s, 1000, 500, true);
	give(s, 2000, 13, true);
	give(s, 2000, 12, true);
	give(s, 3000, 1, false);
	assert_int_equal(info(s).faults[BALLOON_FAULT_EXCESS], 3);
	assert_int_equal(info(s).ballooned, 512ul * 4096);
	give(s, 3000, 1, false); /* and to nothing */
	assert_int_equal(info(s).faults[BALLOON_FAULT_ORDER], 1);
	assert_int_equal(s->n_discards, 2);
}

static void range_count_that_lies_is_cut(void **state)
{
	struct state *s = *state;
	const uint64_t words[] = {(uint64_t)0xffffffff << 32, range(1000, 10)};

	start(s);
	balloon_set_target(s->balloon, 0);
	tick(s, 0);
	expect_ask(s, PAGES(32));
	say(s, BALLOON_RESPONSE, words, 2);
	assert_int_equal(info(s).faults[BALLOON_FAULT_FRAME], 1);
	assert_int_equal(info(s).ballooned, 10ul * 4096);
}

static void memory_that_the_kernel_keeps_is_counted(void **state)
{
	struct state *s = *state;

	s->discard_rc = -EINVAL;
	start(s);
	balloon_set_target(s->balloon, 126 * MB);
	tick(s, 0);
	expect_ask(s, 512);
	give(s, 1024, 512, false);
	assert_int_equal(info(s).faults[BALLOON_FAULT_DISCARD], 1);
	balloon_set_target(s->balloon, 128 * MB);
	tick(s, 0);
	expect_return(s, 1024, 512);
}

static void guest_without_the_ability_is_not_asked(void **state)
{
	struct state *s = *state;
	const uint64_t version = 0x20000, caps[] = {2, 0, 0};

	ic_guest_open(&s->guest, &s->rig, &ic_guest_balloon, 0);
	say(s, VERSION_REQUEST, &version, 1);
	say(s, CAPABILITIES_REPORT, caps, 3);
	(void)expect(s, VERSION_RESPONSE);
	(void)expect(s, CAPABILITIES_RESPONSE);
	(void)expect(s, INFO_MESSAGE);
	balloon_set_target(s->balloon, 0);
	tick(s, 0);
	nothing(s);
}

/* ---- Giving back ---- */

static void pages_come_back(void **state)
{
	struct state *s = *state;
	struct rd rd;

	start(s);
	balloon_set_target(s->balloon, 100 * MB);
	tick(s, 0);
	expect_ask(s, PAGES(28));
	give(s, 1024, PAGES(10), true);
	give(s, HIGH_PFN, PAGES(18), false);
	balloon_set_target(s->balloon, 104 * MB);
	tick(s, 0);
	expect_return(s, 1024, PAGES(4));
	assert_true(info(s).busy);
	balloon_set_target(s->balloon, 128 * MB);
	tick(s, IC_RIG_S);
	nothing(s);
	say(s, UNBALLOON_RESPONSE, NULL, 0);
	rd = expect(s, UNBALLOON_REQUEST);
	rd_skip(&rd, 4);
	assert_int_equal(rd_le32(&rd), 2);
	assert_int_equal(rd_le64(&rd), range(1024 + PAGES(4), PAGES(6)));
	assert_int_equal(rd_le64(&rd), range(HIGH_PFN, PAGES(18)));
	say(s, UNBALLOON_RESPONSE, NULL, 0);
	assert_int_equal(info(s).ballooned, 0);
	assert_int_equal(info(s).returned, 28 * MB);
	say(s, UNBALLOON_RESPONSE, NULL, 0);
	assert_int_equal(info(s).faults[BALLOON_FAULT_ORDER], 1);
	/* What came back may be given again. */
	balloon_set_target(s->balloon, 100 * MB);
	tick(s, 0);
	expect_ask(s, PAGES(28));
	give(s, 1024, PAGES(10), false);
	assert_int_equal(info(s).faults[BALLOON_FAULT_TWICE], 0);
}

static void scattered_pages_come_back_in_several_messages(void **state)
{
	struct state *s = *state;
	uint64_t words[501], pages = 0;

	start(s);
	balloon_set_target(s->balloon, 100 * MB);
	tick(s, 0);
	expect_ask(s, PAGES(28));
	words[0] = (uint64_t)(500u << 1) << 32;
	for (unsigned i = 0; i < 500; i++)
		words[1 + i] = range(1024 + 2 * i, 1);
	say(s, BALLOON_RESPONSE, words, 501);
	(void)expect(s, BALLOON_REQUEST);
	give_nothing(s);
	balloon_set_target(s->balloon, 128 * MB);
	tick(s, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct rd rd = expect(s, UNBALLOON_REQUEST);
		uint32_t n;

		rd_skip(&rd, 4);
		n = rd_le32(&rd);
		assert_in_range(n, 1, 240);
		assert_true(s->guest.size <= 4096); /* Linux' buffer */
		pages += n;
		nothing(s);
		say(s, UNBALLOON_RESPONSE, NULL, 0);
	}
	assert_int_equal(pages, 500);
	nothing(s);
}

/* A guest that reads nothing loses no pages. */
static void full_ring_keeps_pages_in_the_set(void **state)
{
	struct state *s = *state;

	start(s);
	balloon_set_target(s->balloon, 126 * MB);
	tick(s, 0);
	expect_ask(s, 512);
	give(s, 1024, 512, false);
	while (vmbus_out_begin(&s->guest.channel->out) > 200 && info(s).state == BALLOON_READY) {
		const uint64_t version = 0x20000;

		say(s, VERSION_REQUEST, &version, 1); /* out of order: not answered */
		if (info(s).faults[BALLOON_FAULT_ORDER] > 600)
			break;
	}
	/* The ring to the guest is made small by what it says it has read. */
	atomic_store(&s->guest.channel->in.ring.hdr->read,
		     (atomic_load(&s->guest.channel->in.ring.hdr->write) + 8) % 12288);
	balloon_set_target(s->balloon, 128 * MB);
	tick(s, 0);
	assert_false(info(s).busy);
	assert_int_equal(info(s).ballooned, 2 * MB);
	atomic_store(&s->guest.channel->in.ring.hdr->read,
		     atomic_load(&s->guest.channel->in.ring.hdr->write));
	tick(s, 0);
	assert_true(info(s).busy);
	assert_int_equal(info(s).ballooned, 0);
}

/* ---- The end ---- */

static void guest_that_closes_has_all_its_pages(void **state)
{
	struct state *s = *state;

	start(s);
	balloon_set_target(s->balloon, 126 * MB);
	tick(s, 0);
	expect_ask(s, 512);
	give(s, 1024, 512, false);
	ic_guest_close(&s->guest);
	assert_int_equal(info(s).ballooned, 0);
	assert_int_equal(info(s).state, BALLOON_CLOSED);
	start(s);
	tick(s, 0);
	expect_ask(s, 512); /* the target is still the same */
	give(s, 1024, 512, false);
	assert_int_equal(info(s).faults[BALLOON_FAULT_TWICE], 0);
}

static void broken_ring_closes_it(void **state)
{
	struct state *s = *state;

	start(s);
	atomic_store(&s->guest.channel->out.ring.hdr->write, 5);
	guest_channel_signal(s->guest.channel);
	ic_rig_work(&s->rig);
	assert_int_equal(info(s).state, BALLOON_CLOSED);
	assert_int_equal(info(s).faults[BALLOON_FAULT_RING], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(versions_are_tried_until_one_fits),
		T(order_of_messages_is_checked),
		T(sizes_are_checked),
		T(report_is_kept_within_reason),
		T(guest_gives_what_is_asked_for),
		T(guest_that_gives_part_is_asked_again),
		T(many_ranges_come_in_many_messages),
		T(pages_that_are_no_memory_are_left_alone),
		T(pages_given_twice_are_left_alone),
		T(more_than_asked_for_is_left_alone),
		T(range_count_that_lies_is_cut),
		T(memory_that_the_kernel_keeps_is_counted),
		T(guest_without_the_ability_is_not_asked),
		T(pages_come_back),
		T(scattered_pages_come_back_in_several_messages),
		T(full_ring_keeps_pages_in_the_set),
		T(guest_that_closes_has_all_its_pages),
		T(broken_ring_closes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
