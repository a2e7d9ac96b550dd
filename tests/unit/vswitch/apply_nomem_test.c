/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A change of the configuration when the n-th allocation fails, for every n: it is refused in
 * words, and the switch runs what it ran before.  What cannot be refused any more is done.
 */
#include "vswitch/queues.h"
#include "vswitch/vs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/fdb.h"
#include "tests/support/test_dp.h"

/* The linker puts these in place of the originals (-Wl,--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static int fail_at = -1; /* counts down; -1: never */

static bool fails(void)
{
	return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

static struct dp *dp;
static struct vs *vs;

/* One port stays, one changes its device, one leaves, one comes; a tenant gets another flooding
 * limit, an uplink is shared, a private VLAN has its map, a queue changes, one goes, one comes. */
static const char before[] = "{'switch':{'s':{'type':'external'}},'tenant':{'t':{'id':1,'flood_"
			     "rate':2000000},'u':{'id':2}},'port':{"
			     "'stays':{'switch':'s','kind':'mem','tenant':'t','vlan':5},"
			     "'changes':{'switch':'s','kind':'mem'},"
			     "'leaves':{'switch':'s','kind':'mem'}},'queue':{"
			     "'stays 1':{'port':'stays','id':1,'max_rate':2000},"
			     "'stays 2':{'port':'stays','id':2}}}";
static const char after[] =
	"{'switch':{'s':{'type':'external'}},'tenant':{'t':{'id':1,'flood_rate':1000000},"
	"'u':{'id':2}},'port':{"
	"'stays':{'switch':'s','kind':'mem','tenant':'t','vlan':6},"
	"'changes':{'switch':'s','kind':'mem','queues':2},"
	"'comes':{'switch':'s','kind':'mem','tenant':'u','vlan_mode':'isolated','vlan':1,"
	"'secondary':'2'}},"
	"'mac':{'m':{'switch':'s','port':'comes','mac':'02:00:00:00:00:01'}},"
	"'queue':{'stays 1':{'port':'stays','id':1,'max_rate':1000},"
	"'comes 3':{'port':'comes','id':3,'max_rate':1000}}}";

static int apply(const char *text, struct err *err)
{
	char *json = strdup(text);
	json_t *state;
	int rc, armed = fail_at;

	fail_at = -1;
	for (char *c = json; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	state = json_loads(json, 0, NULL);
	free(json);
	assert_non_null(state);
	fail_at = armed;
	rc = vs_apply(vs, NULL, state, false, err);
	json_decref(state);
	return rc;
}

static bool runs(const char *name)
{
	uint16_t id = vs_port_id(vs, name);
	const struct dp_view *view = dp_view(dp);

	return id != DP_NO_PORT && vs->live[id].port != NULL && view->vports[id] != NULL &&
	       view->vports[id]->port == vs->live[id].port &&
	       (view->vports[id]->flags & DP_VP_UP) != 0;
}

static unsigned n_vports(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DP_MAX_PORTS; i++)
		n += dp_view(dp)->vports[i] != NULL;
	return n;
}

static const struct dp_vport *vport(const char *name)
{
	return dp_view(dp)->vports[vs_port_id(vs, name)];
}

/* The limit that workers look at is the one that is kept, and has its rate. */
static bool flood_limit_is(uint64_t rate_bps)
{
	const struct vs_domain_live *d = &vs->domains[vs_domain_id(vs, "s", "t")];

	return d->flood != NULL && d->flood_rate_bps == rate_bps &&
	       dp_view(dp)->domains[vport("stays")->domain]->flood_limit == d->flood;
}

/* The queue of 'stays' that changes is the one that is kept, with this rate, and it has 'n'. */
static bool queues_are(uint16_t n, uint64_t max_bps)
{
	const struct dp_port_queues *queues = vport("stays")->queues;
	const struct vs_queue_live *live = vs_queue_find(vs, "stays", 1);

	return queues->n == n && live != NULL && live->queue == dp_queue_find(queues, 1) &&
	       dp_queue_spec(live->queue)->max_bps == max_bps;
}

static void runs_before(void)
{
	assert_true(queues_are(2, 2000));
	assert_null(vs_queue_find(vs, "comes", 3));
	assert_true(flood_limit_is(2000000));
	assert_true(runs("stays") && runs("changes") && runs("leaves"));
	assert_int_equal(n_vports(), 3);
	assert_int_equal(vs_port_id(vs, "comes"), DP_NO_PORT);
	assert_int_equal(vport("stays")->pvid, 5);
	assert_int_equal(vs->live[vs_port_id(vs, "changes")].port->n_rxq, 1);
	assert_int_equal(vs_domain_id(vs, "s", "u"), DP_NO_DOMAIN);
	assert_null(vs_model_port(vs->model, "comes"));
}

static void runs_after(void)
{
	assert_true(queues_are(1, 1000));
	assert_non_null(vport("comes")->queues);
	assert_null(vs_queue_find(vs, "stays", 2));
	assert_true(flood_limit_is(1000000));
	assert_true(runs("stays") && runs("changes") && runs("comes"));
	assert_int_equal(n_vports(), 3);
	assert_int_equal(vs_port_id(vs, "leaves"), DP_NO_PORT);
	assert_int_equal(vport("stays")->pvid, 6);
	assert_int_equal(vs->live[vs_port_id(vs, "changes")].port->n_rxq, 2);
	assert_non_null(vs_model_port(vs->model, "comes"));
}

static void change_without_memory_leaves_all_as_it_was(void **state)
{
	struct err err = {0};
	unsigned n_refused = 0;
	int n = 0;

	for (bool done = false; !done; n++) {
		int rc;

		fail_at = -1;
		assert_int_equal(apply(before, &err), 0);
		runs_before();
		memset(&err, 0, sizeof(err));
		fail_at = n;
		rc = apply(after, &err);
		done = fail_at >= 0;
		fail_at = -1;
		if (rc == 0) {
			runs_after();
			continue;
		}
		if (rc != -ENOMEM || err.code != -ENOMEM || err.what[0] == '\0')
			fail_msg("allocation %d: %d, %s: %s", n, rc, err.slug, err.what);
		runs_before();
		n_refused++;
	}
	assert_true(n_refused > 20); /* If fewer, the wrapping does not work. */
}

static void switch_that_has_no_memory_is_not_made(void **state)
{
	const struct vs_opts opts = {.dp = dp};
	struct err err = {0};
	struct vs *second = NULL;
	int n = 0;

	for (;; n++) {
		fail_at = n;
		if (vs_create(&opts, &second, &err) == 0)
			break;
		assert_int_equal(fail_at, -1);
		assert_null(second);
		assert_int_equal(err.code, -ENOMEM);
	}
	fail_at = -1;
	assert_in_range(n, 14, 64);
	vs_destroy(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(change_without_memory_leaves_all_as_it_was),
		cmocka_unit_test(switch_that_has_no_memory_is_not_made),
	};
	struct vs_opts opts = {0};
	int failed;

	dp = test_dp_create(4095);
	opts.dp = dp;
	if (vs_create(&opts, &vs, NULL) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	vs_destroy(vs);
	test_dp_destroy(dp);
	return failed;
}
