/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The key-value service beside a guest whose daemon knows some keys, lies about others, and stops.
 */
#include "vmbus/ic_kvp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ic_rig.h"

#define N_PAIRS 80

struct pair {
	char key[32], value[32];
};

struct state {
	struct ic_rig rig;
	struct ic_kvp *kvp;
	struct ic_guest guest;
	unsigned n_changed, n_got;
	int error;
	char got[32];
	bool got_any;
	/* The guest's daemon: its pools, and the addresses of its NICs. */
	unsigned n[3];
	struct pair pool[3][N_PAIRS];
	const char *addresses;
	unsigned n_requests;
	bool silent;
};

static const uint8_t nic[6] = {2, 1, 3}, other_nic[6] = {4, 5, 6};

static void on_changed(void *ctx)
{
	((struct state *)ctx)->n_changed++;
}

static void on_got(void *ctx, int error, const char *value)
{
	struct state *s = ctx;

	s->n_got++;
	s->error = error;
	s->got_any = value != NULL;
	snprintf(s->got, sizeof(s->got), "%s", value != NULL ? value : "");
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct ic_kvp_opts opts = {.changed = on_changed, .ctx = s};

	assert_non_null(s);
	ic_rig_init(&s->rig);
	assert_int_equal(ic_kvp_create(&s->rig.env, &opts, &s->kvp), 0);
	ic_kvp_tick(s->kvp, s->rig.now_ns);
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
	ic_kvp_destroy(s->kvp);
	ic_rig_fini(&s->rig);
	free(s);
	return 0;
}

/* ---- The guest's daemon ---- */

static int find(const struct state *s, unsigned pool, const char *key)
{
	for (unsigned i = 0; i < s->n[pool]; i++) {
		if (strcmp(s->pool[pool][i].key, key) == 0)
			return (int)i;
	}
	return -1;
}

static void store(struct state *s, unsigned pool, const char *key, const char *value)
{
	int at = find(s, pool, key);
	struct pair *p = &s->pool[pool][at < 0 ? (int)s->n[pool]++ : at];

	snprintf(p->key, sizeof(p->key), "%s", key);
	snprintf(p->value, sizeof(p->value), "%s", value);
}

static void answer_pair(struct state *s, size_t body, int at, unsigned pool)
{
	uint8_t data[KVP_REQUEST_MAX];

	if (at < 0 || at >= (int)s->n[pool]) {
		ic_guest_answer(&s->guest, IC_E_NO_MORE, NULL, 0);
		return;
	}
	assert_true(kvp_write_set(data, KVP_POOL_AUTO, s->pool[pool][at].key,
				  s->pool[pool][at].value) > 0);
	memcpy(s->guest.bytes + IC_HEADER_SIZE + body, data + 4, 12 + 512 + 2048);
	ic_guest_answer(&s->guest, 0, NULL, 0);
}

static void answer_ip(struct state *s)
{
	if (s->addresses == NULL) {
		ic_guest_answer(&s->guest, IC_E_FAIL, NULL, 0);
		return;
	}
	assert_true(vmbus_utf16_write(s->addresses, s->guest.bytes + IC_HEADER_SIZE + 2 + 258,
				      2048) > 0);
	ic_guest_answer(&s->guest, 0, NULL, 0);
}

static void serve_one(struct state *s)
{
	const uint8_t *d = s->guest.m.data;
	char key[32], value[32];

	s->n_requests++;
	vmbus_utf16_read(d + 4 + (d[0] == KVP_DELETE ? 4 : 12), 64, key, sizeof(key));
	vmbus_utf16_read(d + 16 + 512, 64, value, sizeof(value));
	switch (d[0]) {
	case KVP_ENUMERATE:
		answer_pair(s, 8, d[4], d[1]);
		break;
	case KVP_GET:
		answer_pair(s, 4, find(s, d[1], key), d[1]);
		break;
	case KVP_SET:
		store(s, d[1], key, value);
		ic_guest_answer(&s->guest, 0, NULL, 0);
		break;
	case KVP_DELETE:
		if (find(s, d[1], key) >= 0)
			s->pool[d[1]][find(s, d[1], key)].key[0] = '\0';
		ic_guest_answer(&s->guest, 0, NULL, 0);
		break;
	case KVP_GET_IP:
		answer_ip(s);
		break;
	default:
		fail();
	}
}

static void serve(struct state *s)
{
	while (!s->silent && ic_guest_take(&s->guest)) {
		assert_int_equal(ic_read(s->guest.bytes, s->guest.size, &s->guest.m), 0);
		assert_int_equal(s->guest.m.type, IC_KVP);
		serve_one(s);
	}
}

static void tick(struct state *s, uint64_t ns)
{
	ic_kvp_tick(s->kvp, s->rig.now_ns += ns);
	serve(s);
}

static void start(struct state *s)
{
	ic_guest_start(&s->guest, &s->rig, &ic_guest_kvp, (struct ic_version){4, 0});
	tick(s, 0);
}

static void debian(struct state *s)
{
	store(s, KVP_POOL_AUTO, "FullyQualifiedDomainName", "web1.example.net");
	store(s, KVP_POOL_AUTO, "OSName", "Debian GNU/Linux");
	store(s, KVP_POOL_AUTO, "OSVersion", "6.1.0-18-cloud-amd64");
	store(s, KVP_POOL_GUEST, "backup", "yesterday");
	s->addresses = "10.1.2.3;fe80::1";
}

/* ---- Rounds ---- */

static void what_the_guest_says_is_known(void **state)
{
	struct state *s = *state;
	const char *key, *value;

	debian(s);
	assert_int_equal(ic_kvp_nic_add(s->kvp, nic), 0);
	assert_int_equal(ic_kvp_nic_add(s->kvp, nic), -EEXIST);
	assert_null(ic_kvp_nic(s->kvp, nic));
	assert_null(ic_kvp_find(s->kvp, KVP_POOL_AUTO, "OSName"));
	start(s);
	assert_int_equal(s->n_changed, 1);
	assert_string_equal(ic_kvp_find(s->kvp, KVP_POOL_AUTO, "OSName"), "Debian GNU/Linux");
	assert_null(ic_kvp_find(s->kvp, KVP_POOL_AUTO, "osname"));
	assert_string_equal(ic_kvp_find(s->kvp, KVP_POOL_GUEST, "backup"), "yesterday");
	assert_true(ic_kvp_item(s->kvp, KVP_POOL_AUTO, 2, &key, &value));
	assert_string_equal(key, "OSVersion");
	assert_false(ic_kvp_item(s->kvp, KVP_POOL_AUTO, 3, &key, &value));
	assert_int_equal(ic_kvp_nic(s->kvp, nic)->n, 2);
	assert_string_equal(ic_kvp_nic(s->kvp, nic)->text[1], "fe80::1");
	assert_null(ic_kvp_nic(s->kvp, other_nic));
}

static void rounds_are_seldom_once_there_is_an_address(void **state)
{
	struct state *s = *state;
	unsigned n;

	debian(s);
	s->addresses = NULL;
	assert_int_equal(ic_kvp_nic_add(s->kvp, nic), 0);
	start(s);
	n = s->n_requests;
	tick(s, 5 * IC_RIG_S - 1);
	assert_int_equal(s->n_requests, n);
	s->addresses = "10.1.2.3";
	tick(s, 1);
	assert_true(s->n_requests > n);
	assert_int_equal(s->n_changed, 2);
	n = s->n_requests;
	for (unsigned i = 0; i < 29; i++)
		tick(s, IC_RIG_S);
	assert_int_equal(s->n_requests, n);
	tick(s, IC_RIG_S);
	assert_true(s->n_requests > n);
	assert_int_equal(s->n_changed, 2); /* nothing new */
	s->addresses = "10.1.2.4";
	tick(s, 30 * IC_RIG_S);
	assert_int_equal(s->n_changed, 3);
	assert_string_equal(ic_kvp_nic(s->kvp, nic)->text[0], "10.1.2.4");
}

static void list_without_an_end_is_cut(void **state)
{
	struct state *s = *state;
	const char *key, *value;

	for (unsigned i = 0; i < N_PAIRS; i++) {
		snprintf(s->pool[KVP_POOL_AUTO][i].key, 32, "key%u", i);
		s->n[KVP_POOL_AUTO]++;
	}
	start(s);
	assert_true(ic_kvp_item(s->kvp, KVP_POOL_AUTO, IC_KVP_MAX_ITEMS - 1, &key, &value));
	assert_false(ic_kvp_item(s->kvp, KVP_POOL_AUTO, IC_KVP_MAX_ITEMS, &key, &value));
}

/* Answers whose lengths lie, and no end. */
static void nonsense_for_ever_ends_a_round(void **state)
{
	struct state *s = *state;
	struct ic_info info;
	unsigned n = 0;

	ic_guest_start(&s->guest, &s->rig, &ic_guest_kvp, (struct ic_version){4, 0});
	ic_kvp_tick(s->kvp, s->rig.now_ns);
	while (ic_guest_take(&s->guest)) {
		memset(s->guest.bytes + IC_HEADER_SIZE, 0xff, s->guest.size - IC_HEADER_SIZE);
		ic_guest_answer(&s->guest, 0, NULL, 0);
		assert_true(++n < 1000);
	}
	ic_kvp_info(s->kvp, &info);
	assert_int_equal(info.faults[IC_FAULT_DATA], n);
	assert_int_equal(s->n_changed, 0);
}

static void round_that_fails_changes_nothing(void **state)
{
	struct state *s = *state;

	debian(s);
	start(s);
	assert_int_equal(s->n_changed, 1);
	s->silent = true;
	tick(s, 30 * IC_RIG_S);
	tick(s, 30 * IC_RIG_S);
	assert_int_equal(s->n_changed, 1);
	assert_string_equal(ic_kvp_find(s->kvp, KVP_POOL_AUTO, "OSName"), "Debian GNU/Linux");
}

static void guest_that_goes_away_has_nothing(void **state)
{
	struct state *s = *state;

	debian(s);
	start(s);
	ic_guest_close(&s->guest);
	assert_int_equal(s->n_changed, 2);
	assert_null(ic_kvp_find(s->kvp, KVP_POOL_AUTO, "OSName"));
	start(s);
	assert_int_equal(s->n_changed, 3);
	assert_non_null(ic_kvp_find(s->kvp, KVP_POOL_AUTO, "OSName"));
}

static void removed_nics_answer_is_nobodys(void **state)
{
	struct state *s = *state;

	s->addresses = "10.9.9.9";
	assert_int_equal(ic_kvp_nic_add(s->kvp, nic), 0);
	ic_guest_start(&s->guest, &s->rig, &ic_guest_kvp, (struct ic_version){4, 0});
	ic_kvp_tick(s->kvp, s->rig.now_ns);
	do {
		ic_guest_expect(&s->guest, IC_KVP);
		if (s->guest.m.data[0] == KVP_GET_IP)
			break;
		serve_one(s);
	} while (true);
	ic_kvp_nic_remove(s->kvp, nic);
	assert_int_equal(ic_kvp_nic_add(s->kvp, other_nic), 0);
	answer_ip(s);
	assert_null(ic_kvp_nic(s->kvp, nic));
	assert_null(ic_kvp_nic(s->kvp, other_nic));
	s->addresses = "10.7.7.7";
	serve(s);
	assert_string_equal(ic_kvp_nic(s->kvp, other_nic)->text[0], "10.7.7.7");
}

static void nics_have_a_limit(void **state)
{
	struct state *s = *state;
	uint8_t mac[6] = {0};

	for (unsigned i = 0; i < IC_KVP_MAX_NICS; i++) {
		mac[0] = (uint8_t)(i + 2);
		assert_int_equal(ic_kvp_nic_add(s->kvp, mac), 0);
	}
	assert_int_equal(ic_kvp_nic_add(s->kvp, nic), -ENOSPC);
	ic_kvp_nic_remove(s->kvp, nic); /* nothing */
	ic_kvp_nic_remove(s->kvp, mac);
	assert_int_equal(ic_kvp_nic_add(s->kvp, nic), 0);
}

/* ---- Set ---- */

static void keys_are_written_when_the_guest_is_there(void **state)
{
	struct state *s = *state;

	assert_int_equal(ic_kvp_set(s->kvp, "role", "web"), 0);
	start(s);
	assert_int_equal(find(s, 0, "role"), 0);
	assert_string_equal(s->pool[0][0].value, "web");
	assert_int_equal(ic_kvp_set(s->kvp, "role", "mail"), 0);
	serve(s);
	assert_string_equal(s->pool[0][0].value, "mail");
	s->n[0] = 0; /* another disk */
	ic_guest_close(&s->guest);
	start(s);
	assert_string_equal(s->pool[0][0].value, "mail");
	assert_int_equal(ic_kvp_set(s->kvp, "role", NULL), 0);
	serve(s);
	assert_int_equal(find(s, 0, "role"), -1);
	s->n_requests = 0;
	tick(s, 0);
	assert_int_equal(s->n_requests, 0);
}

static void key_that_changes_under_way_is_written_again(void **state)
{
	struct state *s = *state;

	start(s);
	s->silent = true;
	assert_int_equal(ic_kvp_set(s->kvp, "role", "web"), 0);
	assert_int_equal(ic_kvp_set(s->kvp, "role", "mail"), 0);
	s->silent = false;
	serve(s);
	assert_string_equal(s->pool[0][0].value, "mail");
	assert_int_equal(ic_kvp_set(s->kvp, "role", NULL), 0);
	assert_int_equal(ic_kvp_set(s->kvp, "role", "dns"), 0);
	serve(s);
	assert_int_equal(find(s, 0, "role"), 1);
	assert_string_equal(s->pool[0][1].value, "dns");
}

static void key_that_failed_is_tried_in_the_next_round(void **state)
{
	struct state *s = *state;

	start(s);
	assert_int_equal(ic_kvp_set(s->kvp, "role", "web"), 0);
	ic_guest_expect(&s->guest, IC_KVP);
	ic_guest_answer(&s->guest, IC_E_FAIL, NULL, 0);
	assert_false(ic_guest_take(&s->guest));
	tick(s, 30 * IC_RIG_S);
	assert_string_equal(s->pool[0][0].value, "web");
}

static void keys_have_limits(void **state)
{
	struct state *s = *state;
	char key[300];

	assert_int_equal(ic_kvp_set(s->kvp, "", "x"), -EINVAL);
	assert_int_equal(ic_kvp_set(s->kvp, "\xff", "x"), -EINVAL);
	memset(key, 'k', sizeof(key));
	key[256] = '\0';
	assert_int_equal(ic_kvp_set(s->kvp, key, "x"), -E2BIG);
	for (unsigned i = 0; i < IC_KVP_MAX_SET; i++) {
		snprintf(key, sizeof(key), "key%u", i);
		assert_int_equal(ic_kvp_set(s->kvp, key, "x"), 0);
	}
	assert_int_equal(ic_kvp_set(s->kvp, "more", "x"), -ENOSPC);
	assert_int_equal(ic_kvp_set(s->kvp, "key7", "y"), 0);
}

/* ---- Get ---- */

static void keys_are_asked_for(void **state)
{
	struct state *s = *state;

	debian(s);
	assert_int_equal(ic_kvp_get(s->kvp, KVP_POOL_GUEST, "backup", on_got, s), -ENOTCONN);
	start(s);
	assert_int_equal(ic_kvp_get(s->kvp, KVP_POOL_GUEST, "backup", on_got, s), 0);
	assert_int_equal(ic_kvp_get(s->kvp, KVP_POOL_GUEST, "nothing", on_got, s), 0);
	serve(s);
	assert_int_equal(s->n_got, 2);
	assert_false(s->got_any);
	assert_int_equal(s->error, 0);
	assert_int_equal(ic_kvp_get(s->kvp, KVP_POOL_GUEST, "backup", on_got, s), 0);
	serve(s);
	assert_string_equal(s->got, "yesterday");
}

static void asking_ends_with_the_guest(void **state)
{
	struct state *s = *state;

	start(s);
	s->silent = true;
	for (unsigned i = 0; i < IC_KVP_MAX_GETS; i++)
		assert_int_equal(ic_kvp_get(s->kvp, KVP_POOL_GUEST, "k", on_got, s), 0);
	assert_int_equal(ic_kvp_get(s->kvp, KVP_POOL_GUEST, "k", on_got, s), -EBUSY);
	tick(s, 30 * IC_RIG_S);
	assert_int_equal(s->n_got, 1);
	assert_int_equal(s->error, -ETIMEDOUT);
	ic_guest_close(&s->guest);
	assert_int_equal(s->n_got, IC_KVP_MAX_GETS);
	assert_int_equal(s->error, -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(what_the_guest_says_is_known),
		T(rounds_are_seldom_once_there_is_an_address),
		T(list_without_an_end_is_cut),
		T(nonsense_for_ever_ends_a_round),
		T(round_that_fails_changes_nothing),
		T(guest_that_goes_away_has_nothing),
		T(removed_nics_answer_is_nobodys),
		T(nics_have_a_limit),
		T(keys_are_written_when_the_guest_is_there),
		T(key_that_changes_under_way_is_written_again),
		T(key_that_failed_is_tried_in_the_next_round),
		T(keys_have_limits),
		T(keys_are_asked_for),
		T(asking_ends_with_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
