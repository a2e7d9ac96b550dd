/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of the configuration: all of one or nothing of it, whatever fails.
 */
#include "tests/unit/ctl/conf_support.h"
#include "tests/unit/ctl/fault_vfs.h"

#include "ctl/conf_priv.h"

#include <event2/event.h>
#include <sqlite3.h>
#include <sys/wait.h>

static struct folder folder;
static struct fake_switch sw;
static struct ctl_server server;
static struct event_base *base;
static struct store *store;
static struct conf *conf;
static char told[512];
static unsigned n_told;

static const struct ctl_call as_root = {.uid = 0}, dry = {.check = true};

static int add_numbered(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	char name[16];

	assert_ptr_equal(ctx, &sw);
	snprintf(name, sizeof(name), "t%lld",
		 (long long)json_integer_value(json_object_get(params, "id")));
	*ret_result = json_pack("{s:s}", "made", name);
	return conf_edit_add(state, "tenant", name,
			     json_pack("{s:s, s:O}", "name", name, "id",
				       json_object_get(params, "id")),
			     err);
}

static const struct conf_binding bindings[] = {
	{"switch", "add", NULL},
	{"switch", "set", NULL},
	{"switch", "remove", NULL},
	{"port", "add", NULL},
	{"port", "set", NULL},
	{"port", "remove", NULL},
	{"tenant", "add", add_numbered},
	{"tenant", "remove", NULL},
	{"config", "set", NULL},
	{"core", "set", NULL},
	{"core", "add", NULL},
	{"core", "remove", NULL},
	{"mac", "add", NULL},
	{"mac", "remove", NULL},
	{NULL, NULL, NULL},
};

static void remember(void *ctx, uint64_t revision, const char *text)
{
	n_told++;
	snprintf(told, sizeof(told), "%s", text);
}

static void open_conf(void)
{
	struct err err = {0};

	store = must_open(folder.store, NULL);
	memset(&server, 0, sizeof(server));
	if (conf_create(base, store, &fake_ops, &sw, &conf, &err) != 0 ||
	    conf_bind(conf, &server, bindings, &err) != 0)
		fail_msg("%s", err.what);
	conf_on_change(conf, remember, NULL);
}

static void start_conf(const char *initial)
{
	struct err err = {0};

	open_conf();
	if (conf_start(conf, initial, &err) != 0)
		fail_msg("conf_start: %s: %s", err.what, err.why);
}

static void stop_conf(void)
{
	conf_destroy(conf);
	conf = NULL;
	store_close(store);
	store = NULL;
}

/* As after a restart of the daemon: the switch is gone too. */
static void restart_conf(void)
{
	stop_conf();
	fake_switch_reset(&sw);
	start_conf(NULL);
}

static int setup(void **unused)
{
	fault_vfs_arm(FAULT_NONE, 0, 0, 0);
	folder_make(&folder);
	fake_switch_reset(&sw);
	base = event_base_new();
	start_conf(NULL);
	return 0;
}

static int teardown(void **unused)
{
	fault_vfs_arm(FAULT_NONE, 0, 0, 0);
	stop_conf();
	event_base_free(base);
	json_decref(sw.running);
	sw.running = NULL;
	folder_drop(&folder);
	return 0;
}

static void must(const char *line)
{
	struct err err = {0};

	if (run_line(&server, as_root, line, NULL, NULL, &err) != 0)
		fail_msg("%s: %s: %s", line, err.what, err.why);
}

static void assert_text(const char *expect)
{
	char *text = conf_text_format(conf_state(conf)), *running = conf_text_format(sw.running);
	json_t *kept = must_load(store);

	assert_string_equal(text, expect);
	assert_string_equal(running, expect);
	assert_true(json_equal(kept, conf_state(conf)));
	assert_int_equal(conf_revision(conf), store_revision(store));
	json_decref(kept);
	free(text);
	free(running);
}

#define TWO "switch add lan0 --type internal\nport add lan0 p1 --kind tap\n"

static void make_two(void)
{
	must("switch add lan0 --type internal");
	must("port add lan0 p1 --kind tap");
}

static void change_is_checked_applied_kept_and_told(void **unused)
{
	make_two();
	assert_text(TWO);
	assert_int_equal(conf_revision(conf), 2);
	assert_int_equal(sw.n_checks, 2);
	assert_int_equal(sw.n_applies, 2);
	assert_string_equal(told, "revision 2 by root: port add lan0 p1 --kind tap");
	assert_non_null(conf_object(conf, "port", "p1"));
	assert_null(conf_object(conf, "port", "p2"));
	restart_conf();
	assert_text(TWO);
	assert_true(sw.starting);
}

static void change_that_the_check_refuses_changes_nothing(void **unused)
{
	struct err err = {0};

	make_two();
	assert_int_equal(run_line(&server, as_root, "port add lan9 p2 --kind tap", NULL, NULL,
				  &err),
			 -ENOENT);
	assert_string_equal(err.slug, "no-switch");
	assert_int_equal(sw.n_applies, 2);
	assert_text(TWO);
	assert_int_equal(run_line(&server, as_root, "switch remove lan0", NULL, NULL, &err),
			 -ENOENT);
	assert_text(TWO);
}

static void apply_that_fails_at_any_object_changes_nothing(void **unused)
{
	static const char text[] =
		"switch add a --type private\nswitch add b --type private\nport add a q1 --kind "
		"mem\nport add b q2 --kind mem\nport add b q3 --kind mem\n";
	struct err err;

	make_two();
	/* Two objects go, five come. */
	for (unsigned n = 1; n <= 7; n++) {
		sw.fail_at = n;
		sw.n_fails = 1;
		assert_int_equal(run_line(&server, as_root, "config load x", text, NULL, &err),
				 -EIO);
		assert_string_equal(err.slug, "device-failed");
		assert_int_equal(sw.fail_at, 0);
		assert_text(TWO);
	}
	assert_int_equal(run_line(&server, as_root, "config load x", text, NULL, &err), 0);
	assert_text(text);
	assert_int_equal(conf_revision(conf), 3);
}

static void break_disk(void)
{
	fault_vfs_arm(FAULT_BROKEN, 1, SQLITE_FULL, 0);
	sw.on_apply = NULL;
}

static void commit_that_fails_takes_the_change_back_from_the_switch(void **unused)
{
	struct err err;

	make_two();
	sw.on_apply = break_disk;
	assert_int_equal(run_line(&server, as_root, "port add lan0 p2 --kind tap", NULL, NULL,
				  &err),
			 -ENOSPC);
	assert_string_equal(err.slug, "disk-full");
	assert_true(fault_vfs_happened());
	fault_vfs_arm(FAULT_NONE, 0, 0, 0);
	assert_int_equal(sw.n_applies, 4);
	assert_text(TWO);
	must("port add lan0 p2 --kind tap");
	assert_text(TWO "port add lan0 p2 --kind tap\n");
	assert_int_equal(conf_revision(conf), 3);
	restart_conf();
	assert_text(TWO "port add lan0 p2 --kind tap\n");
}

static void what_comes_with_a_call_is_in_its_parameters(void **unused)
{
	struct err err;

	make_two();
	sw.comes = "02:00:00:00:00:01";
	must("port add lan0 p2 --kind tap");
	assert_text(TWO "port add lan0 p2 --kind tap --mac 02:00:00:00:00:01\n");
	sw.comes = "";
	assert_int_equal(run_line(&server, as_root, "port add lan0 p3 --kind tap", NULL, NULL,
				  &err),
			 -EBADMSG);
	assert_string_equal(err.slug, "bad-file");
	assert_text(TWO "port add lan0 p2 --kind tap --mac 02:00:00:00:00:01\n");
	sw.comes = NULL;
}

static void full_disk_is_refused_before_the_switch_is_touched(void **unused)
{
	struct err err;

	make_two();
	fault_vfs_arm(FAULT_BROKEN, 1, SQLITE_FULL, 0);
	assert_int_equal(run_line(&server, as_root, "port add lan0 p2 --kind tap", NULL, NULL,
				  &err),
			 -ENOSPC);
	fault_vfs_arm(FAULT_NONE, 0, 0, 0);
	assert_int_equal(sw.n_applies, 2);
	assert_text(TWO);
}

static void break_disk_and_switch(void)
{
	break_disk();
	sw.fail_at = 1;
}

static void switch_that_cannot_be_put_back_is_said(void **unused)
{
	struct err err;

	make_two();
	sw.on_apply = break_disk_and_switch;
	assert_int_equal(run_line(&server, as_root, "port add lan0 p2 --kind tap", NULL, NULL,
				  &err),
			 -ENOSPC);
	fault_vfs_arm(FAULT_NONE, 0, 0, 0);
	assert_non_null(strstr(err.why, "could not be put back"));
	assert_non_null(strstr(err.fix, "restart"));
	assert_int_equal(conf_revision(conf), 2);
}

static void dry_run_says_what_would_change_and_changes_nothing(void **unused)
{
	json_t *result = NULL, *change;
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, dry, "port set p1 --vlan 7", NULL, &result, &err), 0);
	assert_true(json_is_true(json_object_get(result, "would_change")));
	assert_true(json_is_false(json_object_get(result, "changed")));
	change = json_array_get(json_object_get(result, "changes"), 0);
	assert_string_equal(json_string_value(json_object_get(change, "op")), "change");
	assert_string_equal(json_string_value(json_object_get(change, "command")),
			    "port set p1 --vlan 7");
	json_decref(result);
	assert_text(TWO);
	assert_int_equal(sw.n_applies, 2);
	assert_int_equal(run_line(&server, dry, "port set p1 --kind tap", NULL, &result, &err),
			 -EINVAL);
	assert_int_equal(run_line(&server, dry, "port add nope p1x --kind tap", NULL, &result,
				  &err),
			 -ENOENT);
}

static void change_to_the_same_makes_no_revision(void **unused)
{
	json_t *result = NULL;
	struct err err;

	make_two();
	must("port set p1 --vlan 7");
	assert_int_equal(conf_revision(conf), 3);
	assert_int_equal(run_line(&server, as_root, "port set p1 --vlan 7", NULL, &result, &err),
			 0);
	assert_true(json_is_false(json_object_get(result, "changed")));
	json_decref(result);
	assert_int_equal(run_line(&server, dry, "port set p1 --vlan 7", NULL, &result, &err), 0);
	assert_true(json_is_false(json_object_get(result, "would_change")));
	json_decref(result);
	assert_int_equal(conf_revision(conf), 3);
	assert_int_equal(sw.n_applies, 3);
}

static void binding_may_make_the_change_and_say_something(void **unused)
{
	json_t *result = NULL;
	struct err err;

	assert_int_equal(run_line(&server, as_root, "tenant add any --id 7", NULL, &result, &err),
			 0);
	assert_string_equal(json_string_value(json_object_get(result, "made")), "t7");
	assert_int_equal(json_integer_value(json_object_get(result, "revision")), 1);
	json_decref(result);
	assert_text("tenant add t7 --id 7\n");
	assert_int_equal(run_line(&server, as_root, "tenant add other --id 7", NULL, NULL, &err),
			 -EEXIST);
	assert_string_equal(err.slug, "exists");
}

/* As a binding of another folder may do it: by hand, leaving the kind behind. */
static int remove_all(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		      struct err *err)
{
	json_object_clear(json_object_get(state, "port"));
	json_object_clear(json_object_get(state, "switch"));
	return 0;
}

static void kind_that_a_change_left_empty_is_gone(void **unused)
{
	static const struct conf_binding clears[] = {{"switch", "remove", remove_all},
						     {NULL, NULL, NULL}};
	json_t *state = NULL;
	struct err err = {0};

	make_two();
	server.n = 0;
	assert_int_equal(conf_bind(conf, &server, clears, &err), 0);
	assert_int_equal(conf_text_parse(conf, "switch remove lan0", conf_state(conf), &state,
					 &err),
			 0);
	assert_int_equal(json_object_size(state), 0);
	json_decref(state);
	must("switch remove lan0");
	assert_text("");
	assert_int_equal(json_object_size(conf_state(conf)), 0);
	restart_conf();
	assert_text("");
}

static void binding_of_what_is_no_command_is_refused(void **unused)
{
	static const struct conf_binding wrong[] = {{"switch", "explode", NULL},
						    {NULL, NULL, NULL}};
	static const struct conf_binding vague[] = {{"config", "load", NULL}, {NULL, NULL, NULL}};
	struct err err;

	assert_int_equal(conf_bind(conf, &server, wrong, &err), -ENOENT);
	assert_int_equal(conf_bind(conf, &server, vague, &err), -ENOENT);
}

/* Generic edits */

static void object_that_exists_is_not_added_again(void **unused)
{
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, as_root, "port add lan0 p1 --kind mem", NULL, NULL,
				  &err),
			 -EEXIST);
	assert_string_equal(err.slug, "exists");
	assert_non_null(strstr(err.fix, "port remove p1"));
	assert_text(TWO);
}

static void object_that_is_missing_is_named_with_a_near_one(void **unused)
{
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, as_root, "port remove p11", NULL, NULL, &err), -ENOENT);
	assert_string_equal(err.slug, "not-found");
	assert_non_null(strstr(err.why, "'p1'"));
	assert_int_equal(run_line(&server, as_root, "switch set lan1 --loop-guard off", NULL, NULL,
				  &err),
			 -ENOENT);
	assert_text(TWO);
}

static void set_merges_and_default_takes_away(void **unused)
{
	make_two();
	must("port set p1 --vlan 5 --mtu 9000");
	must("port set p1 --vlan 6");
	assert_text("switch add lan0 --type internal\n"
		    "port add lan0 p1 --kind tap --mtu 9000 --vlan 6\n");
	must("port set p1 --default mtu,vlan");
	assert_text(TWO);
}

static void set_prunes_what_the_new_mode_forbids(void **unused)
{
	make_two();
	must("port set p1 --vlan 5");
	must("port set p1 --vlan-mode trunk --allowed 1-9");
	assert_text("switch add lan0 --type internal\n"
		    "port add lan0 p1 --kind tap --vlan-mode trunk --allowed 1-9\n");
}

static void set_refuses_what_the_object_is_made_of(void **unused)
{
	const struct ctl_spec *spec = ctl_spec_find("port", "set");
	json_t *state, *params;
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, as_root, "port set p1 --kind mem", NULL, NULL, &err),
			 -EINVAL);
	assert_text(TWO);
	/* The command table refused that one; should a table let it pass, the edit does not. */
	state = json_deep_copy(conf_state(conf));
	params = json_pack("{s:s, s:s, s:i}", "name", "p1", "kind", "mem", "vlan", 9);
	assert_int_equal(conf_edit(state, spec, params, &err), -EINVAL);
	assert_string_equal(err.slug, "fixed");
	assert_string_equal(
		err.fix,
		"vswitchctl port remove p1 && vswitchctl port add lan0 p1 --kind mem --vlan 9");
	assert_true(json_equal(state, conf_state(conf)));
	/* To say what it is already changes nothing. */
	json_object_set_new(params, "kind", json_string("tap"));
	assert_int_equal(conf_edit(state, spec, params, &err), 0);
	json_decref(params);
	json_decref(state);
}

static void set_refuses_what_the_mode_forbids(void **unused)
{
	struct err err;

	make_two();
	must("port set p1 --vlan-mode trunk --allowed 1-9");
	assert_int_equal(run_line(&server, as_root, "port set p1 --vlan 5", NULL, NULL, &err),
			 -EINVAL);
	assert_non_null(strstr(err.what, "vlan"));
	assert_text("switch add lan0 --type internal\n"
		    "port add lan0 p1 --kind tap --vlan-mode trunk --allowed 1-9\n");
}

static void setting_of_which_there_is_one_comes_and_goes(void **unused)
{
	make_two();
	must("config set --mac-age 10m");
	must("config set --metrics 127.0.0.1:9464");
	must("core set --rebalance off");
	must("core add 1");
	assert_text("config set --metrics 127.0.0.1:9464 --mac-age 10m\n"
		    "core set --rebalance off\ncore add 1\n" TWO);
	must("config set --default metrics,mac-age");
	must("core set --default rebalance");
	must("core remove 1");
	assert_text(TWO);
}

static void address_is_removed_by_as_much_as_names_it(void **unused)
{
	struct err err;

	make_two();
	must("port add lan0 p2 --kind tap");
	must("mac add lan0 02:00:00:00:00:01 --port p1");
	must("mac add lan0 02:00:00:00:00:01 --port p1 --vlan 5");
	must("mac add lan0 02:00:00:00:00:02 --port p2 --vlan 6");
	assert_int_equal(run_line(&server, as_root, "mac add lan0 02:00:00:00:00:01 --port p1",
				  NULL, NULL, &err),
			 -EEXIST);
	assert_int_equal(run_line(&server, as_root, "mac remove lan0 02:00:00:00:00:03", NULL, NULL,
				  &err),
			 -ENOENT);
	assert_int_equal(run_line(&server, as_root, "mac remove lan0 02:00:00:00:00:01", NULL, NULL,
				  &err),
			 -EINVAL);
	assert_string_equal(err.slug, "ambiguous");
	must("mac remove lan0 02:00:00:00:00:02");
	must("mac remove lan0 02:00:00:00:00:01 --port p1");
	assert_text(TWO "port add lan0 p2 --kind tap\n"
			"mac add lan0 02:00:00:00:00:01 --port p1 --vlan 5\n");
}

static void default_of_what_has_none_is_refused(void **unused)
{
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, as_root, "port set p1 --default nonsense", NULL, NULL,
				  &err),
			 -EINVAL);
	assert_int_equal(run_line(&server, as_root, "port set p1 --default name", NULL, NULL, &err),
			 -EINVAL);
	assert_int_equal(run_line(&server, as_root, "port set p1 --default switch", NULL, NULL,
				  &err),
			 -EINVAL);
	assert_text(TWO);
}

/* Start */

static void first_start_commits_the_initial_text(void **unused)
{
	json_t *result = NULL, *row;
	struct err err;

	stop_conf();
	fake_switch_reset(&sw);
	start_conf("# comment\n" TWO);
	assert_text(TWO);
	assert_int_equal(conf_revision(conf), 1);
	assert_true(sw.starting);
	assert_int_equal(run_line(&server, as_root, "config history", NULL, &result, &err), 0);
	row = json_array_get(json_object_get(result, "history"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "who")), "vswitchd");
	json_decref(result);
	/* Not twice, and not over what somebody has emptied on purpose. */
	must("port remove p1");
	must("switch remove lan0");
	stop_conf();
	fake_switch_reset(&sw);
	start_conf(TWO);
	assert_text("");
	assert_int_equal(conf_revision(conf), 3);
}

static void initial_text_that_is_wrong_is_refused_whole(void **unused)
{
	struct err err = {0};

	stop_conf();
	fake_switch_reset(&sw);
	open_conf();
	assert_int_equal(conf_start(conf,
				    "switch add lan0 --type private\nport add lan1 p --kind tap\n",
				    &err),
			 -ENOENT);
	assert_int_equal(store_revision(store), 0);
	assert_int_equal(json_object_size(sw.running), 0);
	assert_int_equal(conf_start(conf, "switch add lan0 --type private\nswitch ad lan1\n", &err),
			 -EINVAL);
	assert_non_null(strstr(err.what, "line 2, column 1"));
	assert_int_equal(store_revision(store), 0);
}

static void refuse_start_with(json_t *state, const char *in_what)
{
	json_t *empty = json_object();
	struct err err = {0};

	stop_conf();
	fake_switch_reset(&sw);
	folder_clear(&folder);
	open_conf();
	must_change(store, empty, state, "by hand");
	assert_true(conf_start(conf, NULL, &err) < 0);
	if (strstr(err.what, in_what) == NULL)
		fail_msg("'%s' does not say '%s'", err.what, in_what);
	assert_int_equal(sw.n_applies, 0);
	json_decref(empty);
	json_decref(state);
}

static void stored_state_that_is_not_ours_is_refused(void **unused)
{
	refuse_start_with(json_pack("{s:{s:{s:i}}}", "rocket", "r1", "thrust", 9), "rocket 'r1'");
	refuse_start_with(json_pack("{s:{s:{s:s, s:s}}}", "switch", "lan0", "name", "lan1", "type",
				    "private"),
			  "lan0");
	refuse_start_with(json_pack("{s:{s:{s:s, s:s, s:i}}}", "switch", "lan0", "name", "lan0",
				    "type", "private", "nonsense", 1),
			  "switch 'lan0': ");
	refuse_start_with(json_pack("{s:{s:{s:s, s:s, s:s}}}", "port", "p1", "name", "p1", "switch",
				    "lan0", "kind", "tap"),
			  "no switch 'lan0'");
	/* An argument of the command that is no setting. */
	refuse_start_with(json_pack("{s:{s:{s:[s]}}}", "settings", "settings", "default",
				    "metrics"),
			  "settings");
}

static void start_that_the_switch_refuses_is_an_error(void **unused)
{
	struct err err = {0};

	make_two();
	stop_conf();
	fake_switch_reset(&sw);
	open_conf();
	sw.fail_at = 2;
	assert_int_equal(conf_start(conf, NULL, &err), -EIO);
	assert_string_equal(err.slug, "device-failed");
	sw.fail_at = 0;
	assert_int_equal(conf_start(conf, NULL, &err), 0);
	assert_text(TWO);
}

static void configuration_without_a_store_works(void **unused)
{
	struct conf *loose;
	struct ctl_server calls = {0};
	struct fake_switch other = {0};
	json_t *result = NULL;
	struct err err;

	fake_switch_reset(&other);
	assert_int_equal(conf_create(NULL, NULL, &fake_ops, &other, &loose, &err), 0);
	assert_int_equal(conf_bind(loose, &calls, bindings, &err), 0);
	assert_int_equal(conf_start(loose, TWO, &err), 0);
	assert_int_equal(conf_revision(loose), 1);
	assert_int_equal(run_line(&calls, as_root, "port remove p1", NULL, NULL, &err), 0);
	assert_int_equal(conf_revision(loose), 2);
	assert_int_equal(run_line(&calls, as_root, "config history", NULL, &result, &err), 0);
	assert_int_equal(json_array_size(json_object_get(result, "history")), 0);
	json_decref(result);
	assert_int_equal(run_line(&calls, as_root, "config rollback 1", NULL, NULL, &err), -ENOENT);
	conf_destroy(loose);
	json_decref(other.running);
}

/* Confirm */

static struct ctl_call confirm_in(uint64_t ms)
{
	return (struct ctl_call){.confirm_ms = ms};
}

static void run_events(unsigned ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

static void unconfirmed_change_rolls_back_in_time(void **unused)
{
	json_t *result = NULL;
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, confirm_in(40), "port remove p1", NULL, &result, &err),
			 0);
	assert_int_equal(json_integer_value(json_object_get(result, "confirm_ms")), 40);
	json_decref(result);
	assert_text("switch add lan0 --type internal\n");
	run_events(10);
	assert_int_equal(conf_revision(conf), 3);
	run_events(100);
	assert_text(TWO);
	assert_int_equal(conf_revision(conf), 4);
	assert_non_null(strstr(told, "rollback 2 (not confirmed"));
	assert_null(store_note_get(store, "unconfirmed"));
	must("port remove p1");
}

static void confirmed_change_stays(void **unused)
{
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, confirm_in(30), "port remove p1", NULL, NULL, &err), 0);
	assert_int_equal(run_line(&server, as_root, "config confirm", NULL, NULL, &err), 0);
	run_events(80);
	assert_text("switch add lan0 --type internal\n");
	assert_int_equal(conf_revision(conf), 3);
	assert_int_equal(run_line(&server, as_root, "config confirm", NULL, NULL, &err), -ENOENT);
	assert_string_equal(err.slug, "nothing-pending");
	restart_conf();
	assert_text("switch add lan0 --type internal\n");
}

static void second_change_waits_for_the_first_to_be_confirmed(void **unused)
{
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, confirm_in(60000), "port remove p1", NULL, NULL, &err),
			 0);
	assert_int_equal(run_line(&server, as_root, "switch remove lan0", NULL, NULL, &err),
			 -EBUSY);
	assert_string_equal(err.slug, "confirm-pending");
	assert_non_null(strstr(err.why, "revision 2 in 60 s"));
	assert_non_null(strstr(err.fix, "config confirm"));
	assert_int_equal(run_line(&server, dry, "switch remove lan0", NULL, NULL, &err), 0);
	assert_int_equal(run_line(&server, as_root, "config rollback 1", NULL, NULL, &err), -EBUSY);
	assert_int_equal(conf_revision(conf), 3);
	assert_int_equal(run_line(&server, dry, "config rollback 2", NULL, NULL, &err), 0);
	assert_int_equal(conf_revision(conf), 3);
	assert_int_equal(run_line(&server, as_root, "config rollback 2", NULL, NULL, &err), 0);
	assert_text(TWO);
	assert_int_equal(conf_revision(conf), 4);
	must("port remove p1");
}

static void restart_rolls_an_unconfirmed_change_back(void **unused)
{
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, confirm_in(60000), "port remove p1", NULL, NULL, &err),
			 0);
	restart_conf();
	assert_text(TWO);
	assert_int_equal(conf_revision(conf), 4);
	/* The switch never ran the unconfirmed state. */
	assert_int_equal(sw.n_applies, 1);
	restart_conf();
	assert_int_equal(conf_revision(conf), 4);
	must("port remove p1");
}

static void confirmation_that_cannot_be_kept_is_refused(void **unused)
{
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, confirm_in(60000), "port remove p1", NULL, NULL, &err),
			 0);
	fault_vfs_arm(FAULT_BROKEN, 1, SQLITE_FULL, 0);
	assert_int_equal(run_line(&server, as_root, "config confirm", NULL, NULL, &err), -ENOSPC);
	fault_vfs_arm(FAULT_NONE, 0, 0, 0);
	assert_int_equal(run_line(&server, as_root, "switch remove lan0", NULL, NULL, &err),
			 -EBUSY);
	assert_int_equal(run_line(&server, as_root, "config confirm", NULL, NULL, &err), 0);
}

static void change_without_difference_does_not_wait(void **unused)
{
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, confirm_in(60000), "port set p1 --default vlan", NULL,
				  NULL, &err),
			 0);
	assert_int_equal(conf_revision(conf), 2);
	must("port remove p1");
}

/* The noun */

static void an_earlier_revision_can_be_shown(void **unused)
{
	json_t *result = NULL;
	struct err err;

	make_two();
	must("port set p1 --vlan 5");
	assert_int_equal(run_line(&server, as_root, "config show 2", NULL, &result, &err), 0);
	assert_string_equal(json_string_value(json_object_get(result, "text")), TWO);
	assert_int_equal(json_integer_value(json_object_get(result, "revision")), 2);
	json_decref(result);
	result = NULL;
	assert_int_equal(run_line(&server, as_root, "config show 99", NULL, &result, &err),
			 -ENOENT);
	assert_int_equal(run_line(&server, as_root, "config show", NULL, &result, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "revision")), 3);
	json_decref(result);
}

static void rollback_and_history_tell_who_did_what(void **unused)
{
	json_t *result = NULL, *history, *row;
	struct err err;

	make_two();
	must("port set p1 --vlan 5");
	assert_int_equal(run_line(&server, (struct ctl_call){.uid = 65533}, "config rollback 2",
				  NULL, NULL, &err),
			 0);
	assert_text(TWO);
	assert_int_equal(run_line(&server, as_root, "config rollback 3", NULL, NULL, &err), 0);
	assert_text("switch add lan0 --type internal\nport add lan0 p1 --kind tap --vlan 5\n");
	assert_int_equal(run_line(&server, as_root, "config rollback 0", NULL, NULL, &err), 0);
	assert_text("");
	assert_int_equal(run_line(&server, as_root, "config rollback 99", NULL, NULL, &err),
			 -ENOENT);
	assert_int_equal(run_line(&server, as_root, "config history", NULL, &result, &err), 0);
	history = json_object_get(result, "history");
	assert_int_equal(json_array_size(history), 6);
	row = json_array_get(history, 2);
	assert_int_equal(json_integer_value(json_object_get(row, "revision")), 4);
	assert_string_equal(json_string_value(json_object_get(row, "who")), "uid 65533");
	assert_string_equal(json_string_value(json_object_get(row, "command")),
			    "config rollback 2");
	json_decref(result);
}

static void show_prints_what_load_takes(void **unused)
{
	json_t *result = NULL, *before;
	char *text;
	struct err err;

	make_two();
	must("port add lan0 odd --kind phys --device \"it's a 'test'; $HOME # no comment\"");
	before = json_deep_copy(conf_state(conf));
	assert_int_equal(run_line(&server, as_root, "config show", NULL, &result, &err), 0);
	text = strdup(json_string_value(json_object_get(result, "text")));
	json_decref(result);
	/* "failed-command | vswitchctl config load -" is not to remove everything. */
	assert_int_equal(run_line(&server, as_root, "config load x", " # nothing\n\n", NULL, &err),
			 -EINVAL);
	assert_string_equal(err.slug, "empty-file");
	assert_true(json_equal(conf_state(conf), before));
	assert_int_equal(run_line(&server, as_root, "config load x", "switch add z --type private",
				  NULL, &err),
			 0);
	assert_text("switch add z --type private\n");
	assert_int_equal(run_line(&server, as_root, "config load x", text, NULL, &err), 0);
	assert_true(json_equal(conf_state(conf), before));
	free(text);
	json_decref(before);
}

static void load_replaces_or_merges_and_keeps_its_file_out_of_history(void **unused)
{
	json_t *result = NULL, *row;
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, as_root, "config load x --merge",
				  "port add lan0 p2 --kind tap\n", NULL, &err),
			 0);
	assert_text(TWO "port add lan0 p2 --kind tap\n");
	assert_int_equal(run_line(&server, as_root, "config load x",
				  "switch add only --type private\n", NULL, &err),
			 0);
	assert_text("switch add only --type private\n");
	assert_int_equal(run_line(&server, as_root, "config history", NULL, &result, &err), 0);
	row = json_array_get(json_object_get(result, "history"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "command")), "config load");
	json_decref(result);
	assert_int_equal(run_line(&server, as_root, "config load x",
				  "switch add a --type private\nswitch add a --type private\n",
				  NULL, &err),
			 -EEXIST);
	assert_non_null(strstr(err.what, "line 2, column 1: switch 'a' exists"));
	assert_text("switch add only --type private\n");
}

static void check_of_a_file_is_a_dry_run(void **unused)
{
	json_t *result = NULL;
	struct err err;

	make_two();
	assert_int_equal(run_line(&server, as_root, "config check x",
				  "switch add a --type private\n", &result, &err),
			 0);
	assert_int_equal(json_array_size(json_object_get(result, "changes")), 3);
	json_decref(result);
	assert_int_equal(run_line(&server, as_root, "config check x", TWO, &result, &err), 0);
	assert_int_equal(json_array_size(json_object_get(result, "changes")), 0);
	json_decref(result);
	assert_int_equal(run_line(&server, as_root, "config check x", "port add b p --kind tap\n",
				  NULL, &err),
			 -ENOENT);
	assert_text(TWO);
}

static void diff_prints_the_commands_from_one_to_the_other(void **unused)
{
	json_t *result = NULL;
	struct err err;

	make_two();
	must("port set p1 --vlan 5");
	assert_int_equal(run_line(&server, as_root, "config diff", NULL, &result, &err), 0);
	assert_string_equal(json_string_value(json_object_get(result, "text")),
			    "port set p1 --vlan 5\n");
	json_decref(result);
	assert_int_equal(run_line(&server, as_root, "config diff 1", NULL, &result, &err), 0);
	assert_string_equal(json_string_value(json_object_get(result, "text")),
			    "port add lan0 p1 --kind tap --vlan 5\n");
	json_decref(result);
	assert_int_equal(run_line(&server, as_root, "config diff --file x",
				  "switch add lan0 --type private\n", &result, &err),
			 0);
	assert_string_equal(json_string_value(json_object_get(result, "text")),
			    "port remove p1\nswitch remove lan0\nswitch add lan0 --type private\n");
	json_decref(result);
	assert_text("switch add lan0 --type internal\nport add lan0 p1 --kind tap --vlan 5\n");
}

static void long_command_is_cut_in_history(void **unused)
{
	char line[3000];
	json_t *result = NULL, *row;
	struct err err;
	size_t n = (size_t)snprintf(line, sizeof(line), "port add lan0 odd --kind phys --device '");

	while (n < 2500) {
		memcpy(line + n, "\xc3\xa9", 2);
		n += 2;
	}
	strcpy(line + n, "'");
	make_two();
	must(line);
	assert_int_equal(run_line(&server, as_root, "config history", NULL, &result, &err), 0);
	row = json_array_get(json_object_get(result, "history"), 0);
	assert_in_range(strlen(json_string_value(json_object_get(row, "command"))), 900, 1010);
	json_decref(result);
}

static void good_copy_follows_within_seconds(void **unused)
{
	make_two();
	assert_true(store_copy_due(store));
	run_events(1300);
	assert_false(store_copy_due(store));
}

static unsigned steps_seen[CONF_STEP_DONE + 1], n_steps;

static void see_step(void *ctx, enum conf_step step)
{
	steps_seen[step] = ++n_steps;
}

static void steps_come_in_order(void **unused)
{
	conf_on_step(conf, see_step, NULL);
	must("switch add lan0 --type private");
	assert_int_equal(n_steps, CONF_STEP_DONE + 1);
	for (unsigned i = 0; i <= CONF_STEP_DONE; i++)
		assert_int_equal(steps_seen[i], i + 1);
}

static int install_disk(void **unused)
{
	fault_vfs_install();
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(change_is_checked_applied_kept_and_told),
		T(change_that_the_check_refuses_changes_nothing),
		T(apply_that_fails_at_any_object_changes_nothing),
		T(commit_that_fails_takes_the_change_back_from_the_switch),
		T(what_comes_with_a_call_is_in_its_parameters),
		T(full_disk_is_refused_before_the_switch_is_touched),
		T(switch_that_cannot_be_put_back_is_said),
		T(dry_run_says_what_would_change_and_changes_nothing),
		T(change_to_the_same_makes_no_revision),
		T(binding_may_make_the_change_and_say_something),
		T(kind_that_a_change_left_empty_is_gone),
		T(binding_of_what_is_no_command_is_refused),
		T(object_that_exists_is_not_added_again),
		T(object_that_is_missing_is_named_with_a_near_one),
		T(set_merges_and_default_takes_away),
		T(set_prunes_what_the_new_mode_forbids),
		T(set_refuses_what_the_object_is_made_of),
		T(set_refuses_what_the_mode_forbids),
		T(setting_of_which_there_is_one_comes_and_goes),
		T(address_is_removed_by_as_much_as_names_it),
		T(default_of_what_has_none_is_refused),
		T(first_start_commits_the_initial_text),
		T(initial_text_that_is_wrong_is_refused_whole),
		T(stored_state_that_is_not_ours_is_refused),
		T(start_that_the_switch_refuses_is_an_error),
		T(configuration_without_a_store_works),
		T(unconfirmed_change_rolls_back_in_time),
		T(confirmed_change_stays),
		T(second_change_waits_for_the_first_to_be_confirmed),
		T(restart_rolls_an_unconfirmed_change_back),
		T(confirmation_that_cannot_be_kept_is_refused),
		T(change_without_difference_does_not_wait),
		T(an_earlier_revision_can_be_shown),
		T(rollback_and_history_tell_who_did_what),
		T(show_prints_what_load_takes),
		T(load_replaces_or_merges_and_keeps_its_file_out_of_history),
		T(check_of_a_file_is_a_dry_run),
		T(diff_prints_the_commands_from_one_to_the_other),
		T(long_command_is_cut_in_history),
		T(good_copy_follows_within_seconds),
		T(steps_come_in_order),
	};

	return cmocka_run_group_tests_name("conf", tests, install_disk, NULL);
}
