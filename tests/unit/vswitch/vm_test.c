/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VMs and their processes, with one that has no machine (tests/tools/fake_vmworker.c): starts that
 * succeed and fail, stops that need force, ends of all kinds and what the policy makes of them, a
 * daemon that goes and comes back, devices that come and go.
 */
#include "vswitch/vm.h"

#include "ctl/base/clock.h"
#include "vswitch/model.h"
#include "vswitch/vm_host.h"
#include "vswitch/vm_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#define WAIT_MS 20000

static char dir[] = "/tmp/vm_test.XXXXXX";
static const char *worker;
static struct event_base *base;
static struct vs_vms *vms;
static struct vs_model *model;
static json_t *state;
static char events[8192];
static unsigned n_connects;
static struct err err;

/* ---- The switch, of paper ---- */

static int nic_connect(void *ctx, const char *port)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	close(ends[1]);
	n_connects++;
	return ends[0];
}

static bool nic_waits(void *ctx, const char *port)
{
	return true;
}

static void event_told(void *ctx, const char *type, const char *vm, const char *text)
{
	size_t n = strlen(events);

	snprintf(events + n, sizeof(events) - n, "%s %s\n", type, text);
}

static void create(void)
{
	static const struct vs_vms_ops ops = {.nic_connect = nic_connect,
					      .nic_waits = nic_waits,
					      .event = event_told};
	const struct vs_vms_opts opts = {
		.base = base, .run_dir = dir, .worker = worker, .ops = &ops, .backoff_ms = 50};

	assert_int_equal(vs_vms_create(&opts, &vms, &err), 0);
}

/* The model of 'state', which replaces the one before. */
static void follow(void)
{
	struct vs_model *next = NULL;

	if (vs_model_create(state, &next, &err) != 0)
		fail_msg("%s", err.what);
	vs_vms_follow(vms, next);
	vs_model_destroy(model);
	model = next;
}

static int check(void)
{
	struct vs_model *next = NULL;
	int rc;

	assert_int_equal(vs_model_create(state, &next, &err), 0);
	rc = vs_vms_check(vms, next, &err);
	vs_model_destroy(next);
	return rc;
}

static json_t *kind(const char *name)
{
	json_t *objects = json_object_get(state, name);

	if (objects == NULL) {
		objects = json_object();
		json_object_set_new(state, name, objects);
	}
	return objects;
}

static void configure(const char *name, const char *words, const char *restart)
{
	static int id;

	json_object_set_new(kind("vm"), name,
			    json_pack("{ss si ss ss ss}", "name", name, "id", ++id, "kernel",
				      worker, "cmdline", words, "restart", restart));
}

static void set_up(void)
{
	state = json_pack("{s{s{ss ss}}}", "switch", "lan", "name", "lan", "type", "private");
	events[0] = '\0';
	n_connects = 0;
	create();
}

static void tear_down(void)
{
	char command[200];
	const char *name;

	/* Nobody outlives a test. */
	for (unsigned i = 0; (name = vs_vms_nth(vms, i)) != NULL; i++) {
		struct vs_vm_live *vm = vs_vm_find(vms, name);

		if (vm->pid > 0)
			(void)kill(vm->pid, SIGKILL);
	}
	vs_vms_destroy(vms);
	vs_model_destroy(model);
	json_decref(state);
	model = NULL;
	snprintf(command, sizeof(command), "rm -rf %s/vm", dir);
	assert_int_equal(system(command), 0);
}

/* ---- Waiting ---- */

struct done {
	bool is;
	struct err err;
};

static void on_done(void *arg, const struct err *no)
{
	struct done *d = arg;

	d->is = true;
	d->err = no != NULL ? *no : (struct err){0};
}

static void turn(void)
{
	struct timeval tv = {.tv_usec = 10000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
	vs_vms_tick(vms);
}

static bool within(bool (*holds)(const void *arg), const void *arg)
{
	uint64_t end = clock_mono_ns() + WAIT_MS * 1000000ull;

	while (!holds(arg) && clock_mono_ns() < end)
		turn();
	return holds(arg);
}

static bool is_done(const void *arg)
{
	return ((const struct done *)arg)->is;
}

static bool is_told(const void *arg)
{
	return strstr(events, arg) != NULL;
}

static void await_event(const char *text)
{
	if (!within(is_told, text))
		fail_msg("never told: %s\ntold:\n%s", text, events);
}

/* Starts; the errno of what became of it. */
static int start(const char *name, unsigned timeout_ms)
{
	struct done d = {0};
	int rc = vs_vm_start(vms, name, timeout_ms, on_done, &d, &err);

	if (rc != 0)
		return rc;
	assert_false(d.is); /* never from the call itself */
	if (!within(is_done, &d))
		fail_msg("%s neither started nor failed", name);
	err = d.err;
	return d.err.code;
}

static int stop(const char *name, bool off, unsigned timeout_ms)
{
	struct done d = {0};
	int rc = vs_vm_stop(vms, name, off, timeout_ms, on_done, &d, &err);

	if (rc != 0)
		return rc;
	if (!within(is_done, &d))
		fail_msg("%s did not stop", name);
	return d.err.code;
}

static const char *state_of(const char *name)
{
	return vs_vm_state_name(vs_vm_state(vms, name));
}

/* What its process was asked. */
static const char *asked(const char *name)
{
	static char text[8192];
	char path[200];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/vm/%s/asked", dir, name);
	f = fopen(path, "r");
	if (f != NULL) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

struct request {
	const char *vm, *text;
};

static bool is_asked(const void *arg)
{
	const struct request *r = arg;

	return strstr(asked(r->vm), r->text) != NULL;
}

static void await_request(const char *vm, const char *text)
{
	const struct request r = {vm, text};

	if (!within(is_asked, &r))
		fail_msg("%s was never asked: %s\nasked:\n%s", vm, text, asked(vm));
}

/* ---- Starting ---- */

static void vm_starts_runs_and_stops(void **unused)
{
	json_t *row;

	set_up();
	configure("a", "", "on-failure");
	follow();
	assert_string_equal(state_of("a"), "stopped");
	assert_int_equal(start("a", 10000), 0);
	assert_string_equal(state_of("a"), "running");
	assert_int_equal(vs_vm_start(vms, "a", 1000, on_done, NULL, &err), -EEXIST);
	assert_string_equal(err.slug, "vm-running");
	assert_int_equal(vs_vm_start(vms, "b", 1000, on_done, NULL, &err), -ENOENT);
	row = vs_vm_row(vms, "a", true);
	assert_string_equal(vs_vm_text(row, "os"), "Fake ?[2J 1.0");
	assert_string_equal(vs_vm_text(row, "host"), "guest-host");
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "ips"), 0)),
			    "10.0.0.7");
	assert_true(vs_vm_number(row, "pid") > 0);
	json_decref(row);
	assert_int_equal(stop("a", false, 10000), 0);
	assert_string_equal(state_of("a"), "stopped");
	assert_non_null(strstr(asked("a"), "stop shutdown"));
	assert_null(strstr(asked("a"), "stop off"));
	row = vs_vm_row(vms, "a", true);
	assert_string_equal(vs_vm_text(row, "os"), "");
	assert_string_equal(vs_vm_text(row, "face"), "auto");
	assert_int_equal(json_array_size(json_object_get(row, "ips")), 0);
	json_decref(row);
	assert_int_equal(vs_vm_stop(vms, "a", false, 1000, on_done, NULL, &err), 1);
	tear_down();
}

static void start_that_fails_says_why_and_is_not_tried_again(void **unused)
{
	static const struct {
		const char *words, *slug, *what;
		unsigned timeout_ms;
	} cases[] = {{"fail", "not-a-kernel", "it is no kernel", 20000},
		     {"mute", "vm-failed", "before it was ready", 20000},
		     {"silent", "vm-silent", "not ready in time", 700},
		     {"garbage", "vm-gone", "gone", 20000},
		     {"deaf", "vm-silent", "not ready in time", 700},
		     {"other", "bad-worker", "somebody", 20000}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up();
		configure("a", cases[i].words, "always");
		follow();
		assert_true(start("a", cases[i].timeout_ms) < 0);
		if (strcmp(err.slug, cases[i].slug) != 0 || strstr(err.what, cases[i].what) == NULL)
			fail_msg("%s: %s: %s", cases[i].words, err.slug, err.what);
		await_event("vm-failed");
		assert_string_equal(state_of("a"), "stopped");
		assert_null(strstr(events, "vm-restart"));
		tear_down();
	}
}

static void without_the_program_nothing_starts(void **unused)
{
	const char *was = worker;

	worker = "/nowhere/vmworker";
	set_up();
	worker = was;
	configure("a", "", "always");
	follow();
	assert_int_equal(start("a", 1000), -ENOENT);
	assert_string_equal(err.slug, "no-vmworker");
	assert_string_equal(state_of("a"), "stopped");
	tear_down();
}

static void kernel_that_went_away_is_said_before_anything_starts(void **unused)
{
	set_up();
	configure("a", "", "never");
	json_object_set_new(json_object_get(kind("vm"), "a"), "kernel", json_string("/nowhere/k"));
	follow();
	assert_int_equal(start("a", 1000), -ENOENT);
	assert_string_equal(err.slug, "no-file");
	tear_down();
}

/* It must not have what is ours: descriptors, session, blocked signals. */
static void process_inherits_nothing(void **unused)
{
	int secret = open("/dev/null", O_RDONLY); /* not O_CLOEXEC, as of a library */
	char command[200], text[200] = "";
	struct vs_vm_live *vm;
	FILE *f;

	set_up();
	configure("a", "", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	vm = vs_vm_find(vms, "a");
	/* 0, 2, the lock, two listeners, our connection. */
	snprintf(command, sizeof(command), "ls /proc/%d/fd | wc -l", (int)vm->pid);
	f = popen(command, "r");
	assert_non_null(fgets(text, sizeof(text), f));
	pclose(f);
	assert_int_equal(atoi(text), 6);
	assert_int_equal(getsid(vm->pid), vm->pid);
	close(secret);
	tear_down();
}

/* ---- Stopping ---- */

static void guest_that_does_not_shut_down_is_switched_off(void **unused)
{
	set_up();
	configure("a", "nostop", "always");
	configure("b", "noshut", "always");
	follow();
	assert_int_equal(start("a", 10000), 0);
	assert_int_equal(stop("a", false, 200), 0);
	assert_non_null(strstr(asked("a"), "stop off"));
	assert_string_equal(state_of("a"), "stopped");
	/* Nobody in it would hear: at once. */
	assert_int_equal(start("b", 10000), 0);
	assert_int_equal(stop("b", false, 1000000), 0);
	assert_null(strstr(events, "vm-restart"));
	tear_down();
}

static void process_that_does_not_end_is_killed(void **unused)
{
	uint64_t began = clock_mono_ns();

	set_up();
	configure("a", "stubborn", "always");
	follow();
	assert_int_equal(start("a", 10000), 0);
	assert_int_equal(stop("a", true, 1000), 0);
	assert_true(clock_mono_ns() - began >= 4000000000ull);
	assert_non_null(strstr(events, "vm-killed"));
	assert_string_equal(state_of("a"), "stopped");
	tear_down();
}

static void paused_vm_is_switched_off_and_a_starting_one_killed(void **unused)
{
	struct done started = {0};

	set_up();
	configure("a", "", "never");
	configure("b", "silent", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	assert_int_equal(vs_vm_ask(vms, "a", "pause", NULL, 1000, NULL, NULL, &err), 0);
	await_request("a", "pause");
	while (strcmp(state_of("a"), "paused") != 0)
		turn();
	assert_int_equal(stop("a", false, 1000000), 0);
	assert_int_equal(vs_vm_start(vms, "b", 60000, on_done, &started, &err), 0);
	turn();
	assert_int_equal(stop("b", false, 1000000), 0);
	assert_true(started.is && started.err.code < 0);
	tear_down();
}

/* ---- Ends ---- */

static void policy_decides_about_every_end(void **unused)
{
	static const struct {
		enum vs_restart restart;
		bool failed;
		enum vs_vm_next next;
	} cases[] = {{VS_RESTART_NEVER, true, VS_VM_STAYS},
		     {VS_RESTART_NEVER, false, VS_VM_STAYS},
		     {VS_RESTART_ON_FAILURE, true, VS_VM_AGAIN},
		     {VS_RESTART_ON_FAILURE, false, VS_VM_STAYS},
		     {VS_RESTART_ALWAYS, true, VS_VM_AGAIN},
		     {VS_RESTART_ALWAYS, false, VS_VM_AGAIN}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(vs_vm_policy(cases[i].restart, cases[i].failed), cases[i].next);
}

static void vm_that_powers_off_stays_off_unless_always(void **unused)
{
	set_up();
	configure("a", "end=0@50", "on-failure");
	configure("b", "end=0@50 once", "always");
	follow();
	assert_int_equal(start("a", 10000), 0);
	assert_int_equal(start("b", 10000), 0);
	await_event("VM a: it powered off");
	await_event("vm-restart VM b");
	assert_string_equal(state_of("a"), "stopped");
	while (strcmp(state_of("b"), "running") != 0)
		turn();
	tear_down();
}

static void killed_process_starts_again_with_a_longer_wait_each_time(void **unused)
{
	struct vs_vm_live *vm;

	set_up();
	configure("a", "", "on-failure");
	follow();
	assert_int_equal(start("a", 10000), 0);
	vm = vs_vm_find(vms, "a");
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = vm->pid;
		static const char *const waits[] = {"in 0.0 s", "in 0.1 s", "in 0.2 s"};

		events[0] = '\0';
		kill(pid, SIGKILL);
		await_event("vm-restart");
		assert_non_null(strstr(events, "killed by signal 9"));
		assert_non_null(strstr(events, waits[i]));
		assert_string_equal(state_of("a"), "waiting");
		await_event("vm-started");
		assert_true(vm->pid != pid);
		assert_int_equal(vm->n_restarts, i + 1);
	}
	/* Who stops it while it waits has stopped it. */
	events[0] = '\0';
	kill(vm->pid, SIGKILL);
	await_event("vm-restart");
	assert_int_equal(vs_vm_stop(vms, "a", false, 1000, on_done, NULL, &err), 1);
	assert_string_equal(state_of("a"), "stopped");
	for (int i = 0; i < 60; i++)
		turn();
	assert_string_equal(state_of("a"), "stopped");
	tear_down();
}

static void crash_is_told_with_its_text(void **unused)
{
	json_t *row;

	set_up();
	configure("a", "crash@50", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	await_event("VM a: its kernel crashed");
	assert_non_null(
		strstr(events,
		       "vm-crashed VM a crashed: Kernel panic - not syncing: told to?[31m"));
	row = vs_vm_row(vms, "a", true);
	assert_non_null(strstr(vs_vm_text(row, "note"), "Kernel panic"));
	assert_non_null(strstr(vs_vm_text(row, "crash.text"), "Kernel panic"));
	assert_string_equal(vs_vm_text(row, "state"), "stopped");
	json_decref(row);
	tear_down();
}

/* Which of the two the loop finds first is chance. */
static void last_words_are_heard_before_the_end(void **unused)
{
	set_up();
	configure("a", "crash@100", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	usleep(400000);
	vs_vm_on_ended(-1, 0, vs_vm_find(vms, "a"));
	assert_non_null(strstr(events, "vm-crashed VM a crashed: Kernel panic"));
	assert_string_equal(state_of("a"), "stopped");
	tear_down();
}

static void heart_is_news_when_it_stops_and_when_it_is_back(void **unused)
{
	json_t *row;

	set_up();
	configure("a", "heart@200", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	await_event("VM a: no heartbeat");
	assert_null(strstr(events, "is back"));
	row = vs_vm_row(vms, "a", true);
	assert_string_equal(vs_vm_text(row, "heartbeat"), "lost");
	assert_non_null(strstr(vs_vm_text(row, "note"), "silent"));
	json_decref(row);
	await_event("VM a: its heartbeat is back");
	row = vs_vm_row(vms, "a", true);
	assert_string_equal(vs_vm_text(row, "note"), "");
	json_decref(row);
	tear_down();
}

static void flood_of_events_stops_nobody_else(void **unused)
{
	set_up();
	configure("a", "flood", "never");
	configure("b", "", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	assert_int_equal(start("b", 10000), 0);
	assert_int_equal(stop("b", false, 5000), 0);
	assert_int_equal(stop("a", false, 5000), 0);
	tear_down();
}

/* ---- A daemon that goes and comes back ---- */

static void come_back(void)
{
	vs_vms_destroy(vms);
	events[0] = '\0';
	create();
	follow();
}

static void vm_that_runs_is_taken_up_again(void **unused)
{
	pid_t pid;

	set_up();
	configure("a", "", "on-failure");
	configure("b", "", "on-failure");
	follow();
	assert_int_equal(start("a", 10000), 0);
	pid = vs_vm_find(vms, "a")->pid;
	come_back();
	await_event("VM a runs, taken up again");
	assert_int_equal(vs_vm_find(vms, "a")->pid, pid);
	assert_string_equal(state_of("a"), "running");
	assert_string_equal(state_of("b"), "stopped");
	/* It is no child now, and its end is seen all the same. */
	kill(pid, SIGKILL);
	await_event("vm-restart VM a");
	await_event("VM a runs (process");
	assert_int_equal(stop("a", false, 5000), 0);
	come_back();
	for (int i = 0; i < 20; i++)
		turn();
	assert_string_equal(state_of("a"), "stopped");
	tear_down();
}

/* The daemon died while the process was starting, and came back before it listened: there must not
 * be a second one. */
static void process_that_listens_late_is_found_and_not_doubled(void **unused)
{
	struct done d = {0};
	pid_t pid;

	set_up();
	configure("a", "late=600", "on-failure");
	follow();
	assert_int_equal(vs_vm_start(vms, "a", 10000, on_done, &d, &err), 0);
	pid = vs_vm_find(vms, "a")->pid;
	come_back();
	await_event("VM a runs, taken up again");
	assert_int_equal(vs_vm_find(vms, "a")->pid, pid);
	tear_down();
}

static void vm_that_died_meanwhile_starts_by_its_policy(void **unused)
{
	set_up();
	configure("a", "", "on-failure");
	configure("b", "", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	assert_int_equal(start("b", 10000), 0);
	kill(vs_vm_find(vms, "a")->pid, SIGKILL);
	kill(vs_vm_find(vms, "b")->pid, SIGKILL);
	usleep(100000);
	come_back();
	await_event("VM a runs (process");
	assert_string_equal(state_of("b"), "stopped");
	tear_down();
}

static void vm_that_is_configured_no_more_is_stopped(void **unused)
{
	set_up();
	configure("a", "", "always");
	follow();
	assert_int_equal(start("a", 10000), 0);
	/* Not while the daemon looks. */
	json_object_del(kind("vm"), "a");
	assert_int_equal(check(), -EBUSY);
	assert_string_equal(err.slug, "vm-running");
	come_back();
	await_event("vm-orphan VM a");
	await_event("vm-stopped VM a");
	assert_null(vs_vms_nth(vms, 0));
	tear_down();
}

static void vm_starts_with_the_host_and_only_then(void **unused)
{
	char path[200];

	set_up();
	configure("a", "", "never");
	json_object_set_new(json_object_get(kind("vm"), "a"), "autostart", json_true());
	configure("b", "", "never");
	follow();
	await_event("VM a runs");
	assert_string_equal(state_of("b"), "stopped");
	assert_int_equal(stop("a", false, 5000), 0);
	/* The daemon started, not the host. */
	come_back();
	for (int i = 0; i < 20; i++)
		turn();
	assert_string_equal(state_of("a"), "stopped");
	snprintf(path, sizeof(path), "%s/vm/boot", dir);
	assert_int_equal(unlink(path), 0);
	come_back();
	await_event("VM a runs");
	tear_down();
}

static void folder_of_a_stranger_is_left_alone(void **unused)
{
	char path[200];

	set_up();
	configure("a", "", "never");
	snprintf(path, sizeof(path), "%s/vm", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	for (const char *const *name = (const char *const[]){"-x", "a b", "zzz", NULL};
	     *name != NULL; name++) {
		snprintf(path, sizeof(path), "%s/vm/%s", dir, *name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	follow();
	assert_string_equal(vs_vms_nth(vms, 0), "a");
	assert_null(vs_vms_nth(vms, 1));
	tear_down();
}

/* ---- Devices ---- */

static void put_nic(const char *name)
{
	json_object_set_new(kind("port"), name,
			    json_pack("{ss ss ss}", "switch", "lan", "name", name, "kind",
				      "vmbus"));
}

static void put_disk(const char *name, int lun, const char *format, const char *path)
{
	json_object_set_new(kind("disk"), name,
			    json_pack("{ss ss ss si sb}", "name", name, "path", path, "format",
				      format, "lun", lun, "readonly", 1));
}

static void nics_are_handed_over_and_come_and_go(void **unused)
{
	set_up();
	configure("a", "", "never");
	put_nic("a/nic0");
	put_nic("other/nic0");
	follow();
	assert_int_equal(start("a", 10000), 0);
	await_request("a", "nic-attach nic0 1");
	assert_null(strstr(asked("a"), "nic-add nic0"));
	put_nic("a/nic1");
	assert_int_equal(check(), 0);
	follow();
	await_request("a", "nic-add nic1 0");
	await_request("a", "nic-attach nic1 1");
	json_object_del(kind("port"), "a/nic0");
	follow();
	await_request("a", "nic-remove nic0 0");
	assert_null(strstr(asked("a"), "other"));
	/* Its port waits, so it is handed another connection after a while. */
	assert_true(n_connects >= 2);
	come_back();
	await_event("taken up again");
	n_connects = 0;
	follow();
	await_request("a", "nic-attach nic1 1");
	tear_down();
}

static void raw_disks_come_and_go_others_do_not(void **unused)
{
	set_up();
	configure("a", "", "never");
	put_disk("a/root", 0, "qcow2", "/bin/sh");
	follow();
	assert_int_equal(start("a", 10000), 0);
	put_disk("a/more", 1, "raw", "/bin/ls");
	assert_int_equal(check(), 0);
	follow();
	await_request("a", "disk-add more 1");
	json_object_del(kind("disk"), "a/more");
	assert_int_equal(check(), 0);
	follow();
	await_request("a", "disk-remove more 0");
	put_disk("a/third", 2, "vhdx", "/bin/cat");
	assert_int_equal(check(), -EBUSY);
	assert_non_null(strstr(err.why, "vhdx"));
	json_object_del(kind("disk"), "a/third");
	json_object_del(kind("disk"), "a/root");
	assert_int_equal(check(), -EBUSY);
	assert_int_equal(stop("a", false, 5000), 0);
	assert_int_equal(check(), 0);
	tear_down();
}

static void what_changes_at_the_next_start_is_shown(void **unused)
{
	json_t *row;

	set_up();
	configure("a", "", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	json_object_set_new(json_object_get(kind("vm"), "a"), "processors", json_integer(2));
	assert_int_equal(check(), 0);
	follow();
	row = vs_vm_row(vms, "a", true);
	assert_int_equal(json_array_size(json_object_get(row, "at_next_start")), 1);
	json_decref(row);
	tear_down();
}

static void shortage_of_the_host_grows_as_memory_goes(void **unused)
{
	static const struct {
		uint64_t total, available;
		unsigned shortage;
	} cases[] = {{1000, 1000, 0}, {1000, 200, 0}, {1000, 199, 6},
		     {1000, 125, 53}, {1000, 60, 93}, {1000, 50, 100},
		     {1000, 0, 100},  {0, 0, 0},      {50, 0, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(vs_vm_shortage(cases[i].total, cases[i].available),
				 cases[i].shortage);
	assert_int_equal(vs_vm_shortage_of(
				 "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable: 50 kB\n"),
			 100);
	assert_int_equal(vs_vm_shortage_of(""), 0);
	assert_true(vs_vm_host_shortage() <= 100);
}

static void addresses_are_told_apart_by_nic_where_the_guest_does(void **unused)
{
	json_t *ips;

	set_up();
	configure("a", "", "never");
	follow();
	assert_int_equal(start("a", 10000), 0);
	ips = vs_vm_nic_ips(vms, "a", "nic1");
	assert_string_equal(json_string_value(json_array_get(ips, 0)), "10.0.1.7");
	json_decref(ips);
	ips = vs_vm_nic_ips(vms, "a", "nic0");
	assert_string_equal(json_string_value(json_array_get(ips, 0)), "10.0.0.7");
	json_decref(ips);
	ips = vs_vm_nic_ips(vms, "b", "nic0");
	assert_int_equal(json_array_size(ips), 0);
	json_decref(ips);
	tear_down();
}

static void two_hundred_vms_are_listed(void **unused)
{
	char name[16];
	unsigned n = 0;

	set_up();
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		configure(name, "", "never");
	}
	follow();
	while (vs_vms_nth(vms, n) != NULL)
		n++;
	assert_int_equal(n, 200);
	assert_string_equal(vs_vms_nth(vms, 2), "vm2");
	assert_string_equal(vs_vms_nth(vms, 10), "vm10");
	tear_down();
}

static int make(void **unused)
{
	assert_non_null(mkdtemp(dir));
	base = event_base_new();
	return base != NULL ? 0 : -1;
}

static int unmake(void **unused)
{
	event_base_free(base);
	return rmdir(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vm_starts_runs_and_stops),
		cmocka_unit_test(start_that_fails_says_why_and_is_not_tried_again),
		cmocka_unit_test(without_the_program_nothing_starts),
		cmocka_unit_test(kernel_that_went_away_is_said_before_anything_starts),
		cmocka_unit_test(process_inherits_nothing),
		cmocka_unit_test(guest_that_does_not_shut_down_is_switched_off),
		cmocka_unit_test(process_that_does_not_end_is_killed),
		cmocka_unit_test(paused_vm_is_switched_off_and_a_starting_one_killed),
		cmocka_unit_test(policy_decides_about_every_end),
		cmocka_unit_test(vm_that_powers_off_stays_off_unless_always),
		cmocka_unit_test(killed_process_starts_again_with_a_longer_wait_each_time),
		cmocka_unit_test(crash_is_told_with_its_text),
		cmocka_unit_test(last_words_are_heard_before_the_end),
		cmocka_unit_test(heart_is_news_when_it_stops_and_when_it_is_back),
		cmocka_unit_test(flood_of_events_stops_nobody_else),
		cmocka_unit_test(vm_that_runs_is_taken_up_again),
		cmocka_unit_test(process_that_listens_late_is_found_and_not_doubled),
		cmocka_unit_test(vm_that_died_meanwhile_starts_by_its_policy),
		cmocka_unit_test(vm_that_is_configured_no_more_is_stopped),
		cmocka_unit_test(vm_starts_with_the_host_and_only_then),
		cmocka_unit_test(folder_of_a_stranger_is_left_alone),
		cmocka_unit_test(nics_are_handed_over_and_come_and_go),
		cmocka_unit_test(raw_disks_come_and_go_others_do_not),
		cmocka_unit_test(what_changes_at_the_next_start_is_shown),
		cmocka_unit_test(shortage_of_the_host_grows_as_memory_goes),
		cmocka_unit_test(addresses_are_told_apart_by_nic_where_the_guest_does),
		cmocka_unit_test(two_hundred_vms_are_listed),
	};

	if (argc != 2)
		return 2;
	worker = realpath(argv[1], NULL);
	cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER"));
	return cmocka_run_group_tests(tests, make, unmake);
}
