/* SPDX-License-Identifier: BSD-2-Clause
 *
 * PCI functions of a machine come and go: a model of one behind the bus (tests/tools), a guest of
 * paper that speaks to it, a machine on the real KVM that never runs.  Skipped, with the reason,
 * where there is none.
 */
#include "hv/worker/function.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "hv/layout.h"
#include "hv/partition.h"
#include "tests/support/vpci_rig.h"

#define SKIP	    77
#define PATIENCE_MS 50
#define WINDOW	    (HV_LOW_WINDOW + 0x10000)

struct bench {
	struct vpci_rig rig; /* but for its own function */
	struct event_base *base;
	struct hv_partition *partition;
	struct functions *functions;
	char state[16], why[16];
	unsigned n_events, n_done;
	bool ejected, connected;
	int wants; /* written: the host wants the last device back */
};

static struct bench b;

static void on_event(void *ctx, const char *name, const char *state, const char *why,
		     const char *text)
{
	snprintf(b.state, sizeof(b.state), "%s", state);
	snprintf(b.why, sizeof(b.why), "%s", why != NULL ? why : "");
	b.n_events++;
}

static void on_done(void *ctx, bool ejected)
{
	b.n_done++;
	b.ejected = ejected;
}

static int make(void)
{
	const struct hv_partition_opts machine = {.n_vps = 2,
						  .memory_size = 32ull << 20,
						  .pages = HV_PAGES_SMALL};
	struct functions_opts opts = {.backend = &worker_function_backend,
				      .patience_ms = PATIENCE_MS,
				      .event = on_event};
	struct err err = {0};
	int rc;

	memset(&b, 0, sizeof(b));
	b.wants = -1;
	rc = hv_partition_create(&machine, &b.partition, &err);
	if (rc != 0) {
		fprintf(stderr, "skipped: %s: %s\n", err.what, err.why);
		return rc;
	}
	b.base = event_base_new();
	ic_rig_init(&b.rig.bus);
	opts.base = b.base;
	opts.server = b.rig.bus.env.server;
	opts.partition = b.partition;
	return functions_create(&opts, &b.functions, &err);
}

static int setup(void **state)
{
	return make();
}

static int teardown(void **state)
{
	if (b.rig.open)
		vpci_rig_close(&b.rig);
	if (b.connected)
		ic_rig_unload(&b.rig.bus);
	functions_destroy(b.functions);
	ic_rig_fini(&b.rig.bus);
	hv_partition_destroy(b.partition);
	event_base_free(b.base);
	if (b.wants >= 0)
		close(b.wants);
	return 0;
}

static void work(void)
{
	ic_rig_work(&b.rig.bus);
	(void)event_base_loop(b.base, EVLOOP_NONBLOCK);
	ic_rig_work(&b.rig.bus);
}

/* Until somebody is done. */
static void wait_done(unsigned n)
{
	for (unsigned i = 0; b.n_done < n && i < 5000; i++) {
		work();
		usleep(1000);
	}
	assert_int_equal(b.n_done, n);
}

/* Attaches one; 'ret_ends' are pipes whose other ends the worker has. */
static int attach(const char *name, uint32_t serial, int ret_ends[3], struct err *err)
{
	struct function_spec spec = {.name = name, .address = "0000:03:10.0", .serial = serial};
	int fds[3][2];

	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pipe2(fds[i], O_CLOEXEC | O_NONBLOCK), 0);
		ret_ends[i] = fds[i][1];
	}
	spec.fds = (struct sriov_vfio_fds){fds[0][0], fds[1][0], fds[2][0]};
	return functions_attach(b.functions, &spec, err);
}

/* All three are closed by now; closes ours. */
static bool closed(const int ends[3])
{
	bool all = true;

	for (unsigned i = 0; i < 3; i++) {
		all = write(ends[i], "x", 1) < 0 && errno == EPIPE && all;
		close(ends[i]);
	}
	return all;
}

static void send_words(const uint32_t *words, size_t size, bool answer)
{
	vpci_rig_send(&b.rig, words, size, answer);
	work();
}

static void ask_ok(const uint32_t *words, size_t size)
{
	send_words(words, size, true);
	assert_true(ic_guest_take(&b.rig.guest));
	assert_int_equal(vpci_rig_word(&b.rig, 0), VPCI_OK);
}

/* As far as D0. */
static void start(void)
{
	const uint32_t version[] = {VPCI_QUERY_VERSION, VPCI_V1_4};
	const uint32_t d0[] = {VPCI_D0_ENTRY, 0, (uint32_t)WINDOW, 0};

	ic_rig_connect(&b.rig.bus);
	b.connected = true;
	vpci_rig_open(&b.rig);
	ask_ok(version, sizeof(version));
	ask_ok(d0, sizeof(d0));
}

static bool is(const char *key, const char *value)
{
	json_t *list = functions_info(b.functions);
	const char *text = json_string_value(json_object_get(json_array_get(list, 0), key));
	bool same = text != NULL && strcmp(text, value) == 0;

	json_decref(list);
	return same;
}

static size_t n_functions(void)
{
	json_t *list = functions_info(b.functions);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

/* ---- Tests ---- */

static void a_guest_is_offered_it_and_lets_go(void **state)
{
	const uint32_t complete[] = {VPCI_EJECTION_COMPLETE, 0, 0};
	struct err err = {0};
	int ends[3];

	assert_int_equal(attach("lan0", 5, ends, &err), 0);
	assert_string_equal(b.state, "offered");
	start();
	assert_true(is("bus", "on"));
	assert_true(is("version", "1.4"));
	assert_true(is("state", "offered"));
	assert_int_equal(functions_detach(b.functions, "lan0", on_done, NULL, &err), 0);
	assert_true(is("state", "ejecting"));
	assert_int_equal(functions_detach(b.functions, "lan0", on_done, NULL, &err), -EBUSY);
	assert_int_equal(b.n_done, 0);
	work();
	assert_true(ic_guest_take(&b.rig.guest));
	assert_int_equal(vpci_rig_word(&b.rig, 0), VPCI_EJECT);
	send_words(complete, sizeof(complete), false);
	wait_done(1);
	assert_true(b.ejected);
	assert_string_equal(b.state, "gone");
	assert_string_equal(b.why, "");
	assert_int_equal(n_functions(), 0);
	assert_true(closed(ends));
}

static void a_guest_that_does_not_let_go_is_not_waited_for(void **state)
{
	struct err err = {0};
	int ends[3];

	assert_int_equal(attach("lan0", 5, ends, &err), 0);
	start();
	assert_int_equal(functions_detach(b.functions, "lan0", on_done, NULL, &err), 0);
	wait_done(1);
	assert_false(b.ejected);
	assert_string_equal(b.why, "forced");
	assert_true(closed(ends));
}

static void what_no_guest_knows_goes_at_once(void **state)
{
	struct err err = {0};
	int ends[3];

	assert_int_equal(attach("lan0", 5, ends, &err), 0);
	assert_int_equal(functions_detach(b.functions, "lan0", on_done, NULL, &err), 0);
	assert_int_equal(b.n_done, 0); /* never from in there */
	wait_done(1);
	assert_true(b.ejected);
	assert_true(closed(ends));
	assert_int_equal(functions_detach(b.functions, "lan0", on_done, NULL, &err), -ENOENT);
	/* And again, under the same name. */
	assert_int_equal(attach("lan0", 5, ends, &err), 0);
	assert_int_equal(functions_detach(b.functions, "lan0", on_done, NULL, &err), 0);
	wait_done(2);
	assert_true(closed(ends));
}

static void the_host_wants_it_back(void **state)
{
	struct err err = {0};
	int ends[3];

	assert_int_equal(attach("lan0", 5, ends, &err), 0);
	assert_int_equal(write(ends[2], "x", 1), 1);
	work();
	assert_string_equal(b.state, "gone");
	assert_int_equal(b.n_events, 3);
	assert_true(closed(ends));
	assert_int_equal(n_functions(), 0);
}

static void a_second_of_its_kind_is_refused(void **state)
{
	int first[3], ends[3];
	struct err err = {0};
	char name[16];

	assert_int_equal(attach("lan0", 5, first, &err), 0);
	assert_int_equal(attach("lan0", 6, ends, &err), -EEXIST);
	assert_true(closed(ends));
	assert_int_equal(attach("lan1", 5, ends, &err), -EEXIST);
	assert_true(closed(ends));
	assert_int_equal(attach("", 7, ends, &err), -EINVAL);
	assert_true(closed(ends));
	assert_int_equal(attach("lan1", 0, ends, &err), -EINVAL);
	assert_true(closed(ends));
	assert_int_equal(n_functions(), 1);
	for (unsigned i = 1; i < WORKER_MAX_FUNCTIONS; i++) {
		snprintf(name, sizeof(name), "nic%u", i);
		assert_int_equal(attach(name, 100 + i, ends, &err), 0);
		for (unsigned j = 0; j < 3; j++)
			close(ends[j]); /* the host wants it back, when it looks */
	}
	assert_int_equal(attach("more", 200, ends, &err), -ENOSPC);
	assert_true(closed(ends));
	for (unsigned j = 0; j < 3; j++)
		close(first[j]);
}

static void memory_is_not_given_back_while_there_is_one(void **state)
{
	struct hv_memory *memory = hv_partition_memory(b.partition);
	uint8_t *page = gpa_at(&memory->map, 0x200000, 4096);
	struct err err = {0};
	int ends[3];

	assert_non_null(page);
	if (page == NULL)
		return;
	page[0] = 1;
	assert_int_equal(attach("lan0", 5, ends, &err), 0);
	assert_int_equal(hv_memory_discard(memory, 0x200000, 4096), 0);
	assert_int_equal(page[0], 1);
	assert_int_equal(functions_detach(b.functions, "lan0", on_done, NULL, &err), 0);
	wait_done(1);
	assert_int_equal(hv_memory_discard(memory, 0x200000, 4096), 0);
	assert_int_equal(page[0], 0);
	assert_true(closed(ends));
}

static void it_ends_with_the_machine(void **state)
{
	struct err err = {0};
	int ends[3];

	assert_int_equal(attach("lan0", 5, ends, &err), 0);
	start();
	for (unsigned j = 0; j < 3; j++)
		close(ends[j]);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_guest_is_offered_it_and_lets_go),
		T(a_guest_that_does_not_let_go_is_not_waited_for),
		T(what_no_guest_knows_goes_at_once),
		T(the_host_wants_it_back),
		T(a_second_of_its_kind_is_refused),
		T(memory_is_not_given_back_while_there_is_one),
		T(it_ends_with_the_machine),
	};

	if (make() != 0)
		return SKIP;
	teardown(NULL);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
