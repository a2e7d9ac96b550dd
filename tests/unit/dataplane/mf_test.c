/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow cache in front of a classifier: whatever rules come and go, what the cache says of a key
 * is what the classifier says of it.
 */
#include "dataplane/cls.h"
#include "dataplane/mf_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_RULES 300

struct rule {
	struct dp_cls_rule cr;
	struct dp_program program; /* refs: entries that lead here */
	struct dp_key key, mask;
	bool in;
};

static struct dp_cls *cls;
static struct dp_mf *mf;
static struct rule rules[N_RULES], nothing;
static struct dp_key long_keys[DP_BURST];
static uint64_t state;

static uint32_t rnd(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

static void unref(void *arg, struct dp_program *program)
{
	assert_true(program->refs != 0);
	program->refs--;
}

static int setup(void **unused)
{
	state = 7;
	memset(rules, 0, sizeof(rules));
	memset(&nothing, 0, sizeof(nothing));
	return dp_cls_create(NULL, NULL, &cls) != 0 || dp_mf_create(100000, unref, NULL, &mf) != 0;
}

static void take_out(struct rule *r)
{
	dp_cls_remove(cls, &r->cr);
	dp_cls_rule_fini(&r->cr);
	r->in = false;
}

static int teardown(void **unused)
{
	for (unsigned i = 0; i < N_RULES; i++)
		if (rules[i].in)
			take_out(&rules[i]);
	dp_mf_destroy(mf);
	dp_cls_destroy(cls);
	return 0;
}

static struct dp_key random_key(void)
{
	struct dp_key key = {0};

	dp_key_set(&key, DP_FIELD_IN_PORT, rnd(3));
	dp_key_set(&key, DP_FIELD_IP_PROTO, 6 + rnd(2) * 11);
	dp_key_set(&key, DP_FIELD_IP4_SRC, 0x0a000000 | rnd(2) << 8 | rnd(2));
	dp_key_set(&key, DP_FIELD_IP4_DST, 0x14000000 | rnd(2) << 16 | rnd(2));
	dp_key_set(&key, DP_FIELD_TP_DST, rnd(2));
	dp_key_set(&key, DP_FIELD_TCP_FLAGS, rnd(3));
	dp_key_set(&key, DP_FIELD_IPV6_FLABEL, rnd(3));
	return key;
}

static struct dp_key random_mask(void)
{
	static const enum dp_field fields[] = {DP_FIELD_IN_PORT,    DP_FIELD_IP_PROTO,
					       DP_FIELD_IP4_SRC,    DP_FIELD_IP4_DST,
					       DP_FIELD_TP_DST,	    DP_FIELD_TCP_FLAGS,
					       DP_FIELD_IPV6_FLABEL};
	struct dp_key mask = {0};

	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (rnd(4) == 0)
			dp_key_cover(&mask, fields[i]);
	if (rnd(3) == 0)
		dp_key_set(&mask, DP_FIELD_IP4_SRC, 0xffffff00);
	return mask;
}

static struct dp_key burst_keys[DP_BURST];

static void make_long(struct dp_mf_burst *b, unsigned i)
{
	b->long_key[i] = burst_keys[i];
}

#define NOBODY ((struct dp_mf_share){0})

static struct dp_program *search(const struct dp_key *key, struct dp_key *wc)
{
	struct rule *r = (struct rule *)dp_cls_find(cls, key, 1, wc);

	return r != NULL ? &r->program : &nothing.program;
}

static void enter(const struct dp_key *key, const struct dp_key *mask, struct dp_program *program)
{
	static const uint64_t tables[4] = {1};
	struct dp_key changed = {0};

	program->refs++;
	if (dp_mf_insert(mf, 3, key, mask, program, tables, &changed, 0, NOBODY) == NULL)
		program->refs--;
}

static unsigned n_hits, n_misses;

/* A burst of random keys; what is missed is entered, some as an exact entry as well. */
static void look_up_burst(bool exact)
{
	struct dp_mf_burst b = {.n = (uint16_t)(1 + rnd(DP_BURST)),
				.long_key = long_keys,
				.make_long = make_long};

	for (unsigned i = 0; i < b.n; i++) {
		burst_keys[i] = random_key();
		memcpy(b.key[i], burst_keys[i].w, sizeof(b.key[i]));
	}
	dp_mf_lookup(mf, 3, &b);
	for (unsigned i = 0; i < b.n; i++) {
		struct dp_key wc = {0}, full = {0};
		struct dp_program *want = search(&burst_keys[i], &wc);
		bool is_short = true;

		if (b.hit[i] != NULL) {
			n_hits++;
			assert_ptr_equal(b.hit[i]->program, want);
			continue;
		}
		n_misses++;
		enter(&burst_keys[i], &wc, want);
		for (unsigned k = DP_KEY_SHORT; k < DP_KEY_WORDS; k++)
			is_short = is_short && wc.w[k] == 0;
		if (!exact || !is_short)
			continue;
		memset(full.w, 0xff, DP_KEY_SHORT * 8);
		enter(&burst_keys[i], &full, want);
	}
}

static void change_a_rule(void)
{
	struct rule *r = &rules[rnd(N_RULES)];
	struct dp_key key, mask;

	if (r->in) {
		key = r->key;
		mask = r->mask;
		take_out(r);
	} else {
		int32_t priority = (int32_t)rnd(1000000);

		r->key = key = random_key();
		r->mask = mask = random_mask();
		/* A program of a rule that is gone may still be in entries that are stale. */
		assert_int_equal(dp_cls_insert(cls, &r->cr, &key, &mask, priority, 0), 0);
		r->in = true;
	}
	dp_mf_changed(mf, 3, 0, &key, &mask);
}

static void cache_agrees_with_the_rules_while_they_change(void **unused)
{
	n_hits = n_misses = 0;
	for (unsigned n = 0; n < 3000; n++) {
		if (rnd(4) == 0)
			change_a_rule();
		if (rnd(200) == 0)
			dp_mf_all_stale(mf, 3);
		look_up_burst(true);
		if (rnd(8) == 0)
			dp_mf_upkeep(mf, n / 100, 3);
		if (rnd(50) == 0)
			dp_mf_tick(mf);
	}
	assert_true(n_hits > n_misses / 4);
	assert_true(atomic_load(&mf->invalidated) != 0);
	dp_mf_flush(mf, 3);
	assert_int_equal(mf->n_entries, 0);
	for (unsigned i = 0; i < N_RULES; i++)
		assert_int_equal(rules[i].program.refs, 0);
}

static struct dp_key numbered(uint32_t i)
{
	struct dp_key key = {0};

	dp_key_set(&key, DP_FIELD_IP4_SRC, i);
	return key;
}

static bool knows(uint32_t number)
{
	struct dp_mf_burst b = {.n = 1, .long_key = long_keys, .make_long = make_long};
	struct dp_key key = numbered(number);

	memcpy(b.key[0], key.w, sizeof(b.key[0]));
	dp_mf_lookup(mf, 3, &b);
	return b.hit[0] != NULL;
}

/* One packet of each number, in both halves of the search; bit i: the usual groups do not know the
 * i-th. */
static uint32_t unusual(const uint32_t *numbers, uint16_t n, uint32_t refused)
{
	struct dp_mf_burst b = {.n = n, .long_key = long_keys, .make_long = make_long};
	uint32_t left;

	for (unsigned i = 0; i < n; i++) {
		struct dp_key key = numbered(numbers[i]);

		memcpy(b.key[i], key.w, sizeof(b.key[i]));
	}
	left = dp_mf_lookup_usual(mf, 3, &b);
	b.refused = refused;
	dp_mf_lookup_rest(mf, 3, &b, left);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(b.hit[i] == NULL, refused >> i & 1);
	return left;
}

static void group_that_few_want_is_searched_only_for_those_left(void **unused)
{
	static const uint32_t numbers[] = {0x1111, 0x2200, 0x1111};
	struct dp_key all = {0}, high = {0}, key;

	dp_key_cover(&all, DP_FIELD_IP4_SRC);
	dp_key_set(&high, DP_FIELD_IP4_SRC, 0xff00);
	key = numbered(0x1111);
	enter(&key, &all, &nothing.program);
	key = numbered(0x2200);
	enter(&key, &high, &nothing.program);
	/* Nothing is known of new groups. */
	assert_int_equal(unusual(numbers, 3, 0), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_true(knows(0x1111));
	dp_mf_upkeep(mf, 1, 100);
	assert_int_equal(unusual(numbers, 3, 0), 2);
	assert_int_equal(unusual(numbers, 3, 2), 2);
	for (unsigned i = 0; i < 200; i++)
		assert_true(knows(0x22ff));
	dp_mf_upkeep(mf, 2, 100);
	assert_int_equal(unusual(numbers, 3, 0), 0);
	dp_mf_flush(mf, 3);
	assert_int_equal(mf->switches[3].n, 0);
	assert_int_equal(mf->switches[3].n_usual, 0);
}

static void cache_grows_and_forgets_nothing(void **unused)
{
	struct dp_key mask = {0};

	dp_key_cover(&mask, DP_FIELD_IP4_SRC);
	for (uint32_t i = 0; i < 99000; i++) {
		struct dp_key key = numbered(i);

		enter(&key, &mask, &nothing.program);
		if (i % 64 == 0)
			dp_mf_upkeep(mf, 0, 10);
		if (i % 8192 == 0)
			dp_mf_tick(mf);
	}
	assert_int_equal(mf->n_entries, 99000);
	assert_true(mf->cur->mask > 8191);
	for (uint32_t i = 0; i < 99000; i++)
		assert_true(knows(i));
	assert_false(knows(99000));
	assert_int_equal(atomic_load(&mf->refused), 0);
}

static void full_cache_refuses_and_stays_whole(void **unused)
{
	struct dp_key mask = {0};
	uint32_t known = 0;

	dp_key_cover(&mask, DP_FIELD_IP4_SRC);
	for (uint32_t i = 0; i < 120000; i++) {
		struct dp_key key = numbered(i);

		enter(&key, &mask, &nothing.program);
		dp_mf_upkeep(mf, 0, 10);
		if (i % 1024 == 0)
			dp_mf_tick(mf);
	}
	assert_int_equal(mf->n_entries, 100000);
	assert_int_equal(nothing.program.refs, 100000);
	for (uint32_t i = 0; i < 120000; i++)
		known += knows(i);
	assert_int_equal(known, 100000);
	assert_true(atomic_load(&mf->refused) >= 20000);
}

/* A change may lead to another mask; the entry of the old one is in no one's way. */
static void stale_entry_does_not_hide_one_of_another_mask(void **unused)
{
	struct dp_key none = {0}, mask = {0}, key = numbered(7);

	enter(&none, &none, &nothing.program);
	assert_true(knows(7));
	dp_mf_all_stale(mf, 3);
	assert_false(knows(7));
	dp_key_cover(&mask, DP_FIELD_IP4_SRC);
	enter(&key, &mask, &nothing.program);
	assert_true(knows(7));
	assert_false(knows(8));
}

static void unused_entries_expire_and_used_ones_stay(void **unused)
{
	struct dp_key mask = {0};

	dp_key_cover(&mask, DP_FIELD_IP4_SRC);
	for (uint32_t i = 0; i < 100; i++) {
		struct dp_key key = numbered(i);

		enter(&key, &mask, &nothing.program);
	}
	for (uint32_t now = 1; now < 30; now++) {
		assert_true(knows(5));
		for (unsigned n = 0; n < 4; n++)
			dp_mf_upkeep(mf, now, 10);
	}
	assert_int_equal(mf->n_entries, 1);
	assert_true(knows(5));
}

/* ---- Many entries ---- */

#define N_MANY 20000u

static struct dp_key many_key(uint32_t i)
{
	struct dp_key key = {0};

	dp_key_set(&key, DP_FIELD_IP4_SRC, 0x0a000000 | i);
	dp_key_set(&key, DP_FIELD_IP4_DST, 0x14000000 | i * 7);
	dp_key_set(&key, DP_FIELD_IPV6_FLABEL, i % 9);
	return key;
}

static void enter_many(void)
{
	static const uint64_t tables[4] = {1};
	struct dp_key mask = {0}, changed = {0};

	dp_key_cover(&mask, DP_FIELD_IP4_SRC);
	dp_key_cover(&mask, DP_FIELD_IP4_DST);
	dp_key_cover(&mask, DP_FIELD_IPV6_FLABEL);
	dp_mf_tick(mf);
	for (uint32_t i = 0; i < N_MANY; i++) {
		struct dp_key key = many_key(i);

		nothing.program.refs++;
		assert_non_null(dp_mf_insert(mf, 0, &key, &mask, &nothing.program, tables, &changed,
					     0, NOBODY));
	}
}

static bool known(uint32_t i)
{
	struct dp_key key = many_key(i);
	unsigned groups;

	return dp_mf_peek(mf, 0, &key, &groups) != NULL;
}

/* A rule that says something of the destination only. */
static void change_dst(uint32_t dst)
{
	struct dp_key key = {0}, mask = {0};

	dp_key_set(&key, DP_FIELD_IP4_DST, dst);
	dp_key_cover(&mask, DP_FIELD_IP4_DST);
	dp_mf_changed(mf, 0, 0, &key, &mask);
}

static void change_that_touches_none_of_many_entries_leaves_them_all(void **unused)
{
	unsigned n = 0;

	enter_many();
	for (uint32_t i = 0; i < 2000; i++)
		change_dst(0x1e000000 | i);
	for (uint32_t i = 0; i < N_MANY; i++)
		n += known(i);
	assert_int_equal(n, N_MANY);
}

static void change_takes_out_the_one_of_many_that_it_touches(void **unused)
{
	static const uint64_t tables[4] = {1};
	struct dp_key mask = {0}, changed = {0}, key = many_key(N_MANY);
	unsigned n = 0;

	enter_many();
	for (uint32_t i = 0; i < N_MANY; i += 1000)
		change_dst(0x14000000 | i * 7);
	/* One that comes while the sieve is there is known to it. */
	dp_key_cover(&mask, DP_FIELD_IP4_SRC);
	dp_key_cover(&mask, DP_FIELD_IP4_DST);
	dp_key_cover(&mask, DP_FIELD_IPV6_FLABEL);
	nothing.program.refs++;
	assert_non_null(
		dp_mf_insert(mf, 0, &key, &mask, &nothing.program, tables, &changed, 0, NOBODY));
	assert_true(known(N_MANY));
	change_dst(0x14000000 | N_MANY * 7);
	assert_false(known(N_MANY));
	for (uint32_t i = 0; i < N_MANY; i++) {
		assert_int_equal(known(i), i % 1000 != 0);
		n += known(i);
	}
	assert_int_equal(n, N_MANY - N_MANY / 1000);
}

/* More kinds of changes than there are sieves. */
static void changes_of_many_kinds_leave_nothing_stale(void **unused)
{
	enter_many();
	for (unsigned plen = 1; plen <= 32; plen++) {
		struct dp_key key = many_key(plen * 500), mask = {0};

		for (unsigned k = 0; k < 2; k++) {
			dp_key_set(&mask, DP_FIELD_IP4_SRC, UINT32_MAX << (32 - plen));
			dp_key_set(&mask, DP_FIELD_IPV6_FLABEL, k * 0xfffff);
			dp_mf_changed(mf, 0, 0, &key, &mask);
			assert_false(known(plen * 500));
		}
	}
}

static void owner_has_its_share_and_no_more(void **unused)
{
	static const uint64_t tables[4] = {1};
	const struct dp_mf_share share = {.owner = 7, .limit = 10}, other = {.owner = 8};
	struct dp_key mask = {0}, changed = {0};

	dp_key_cover(&mask, DP_FIELD_IP4_DST);
	for (unsigned round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 20; i++) {
			struct dp_key key = many_key(i);
			bool fits;

			nothing.program.refs++;
			fits = dp_mf_insert(mf, 1, &key, &mask, &nothing.program, tables, &changed,
					    0, share) != NULL;
			nothing.program.refs -= !fits;
			assert_int_equal(fits, i < 10); /* those that are there are replaced */
		}
		assert_int_equal(dp_mf_owned(mf, 7), 10);
		dp_mf_all_stale(mf, 1);
	}
	for (uint32_t i = 20; i < 30; i++) {
		struct dp_key key = many_key(i);

		nothing.program.refs++;
		assert_non_null(dp_mf_insert(mf, 1, &key, &mask, &nothing.program, tables, &changed,
					     0, other));
	}
	assert_int_equal(dp_mf_owned(mf, 8), 10);
	dp_mf_flush(mf, 1);
	assert_int_equal(dp_mf_owned(mf, 7) + dp_mf_owned(mf, 8), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(cache_agrees_with_the_rules_while_they_change),
		TEST(group_that_few_want_is_searched_only_for_those_left),
		TEST(cache_grows_and_forgets_nothing),
		TEST(full_cache_refuses_and_stays_whole),
		TEST(stale_entry_does_not_hide_one_of_another_mask),
		TEST(unused_entries_expire_and_used_ones_stay),
		TEST(change_that_touches_none_of_many_entries_leaves_them_all),
		TEST(change_takes_out_the_one_of_many_that_it_touches),
		TEST(owner_has_its_share_and_no_more),
		TEST(changes_of_many_kinds_leave_nothing_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
