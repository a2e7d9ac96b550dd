/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vswitchctl as people and scripts use it: what it prints where, and what it exits with.
 */
#include "tests/unit/ctl/tool_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct daemon d;

static int start(void **state)
{
	unsetenv("VSWITCH_SOCKET");
	daemon_start(&d);
	return 0;
}

static int stop(void **state)
{
	daemon_stop(&d);
	return 0;
}

/* Exit code and both outputs, exactly; NULL: whatever. */
static void assert_run(const char *words, int exit_code, const char *out, const char *err)
{
	struct run run;

	run_tool(&d, words, &run);
	if (run.exit_code != exit_code)
		fail_msg("%s: exit %d\n%s%s", words, run.exit_code, run.out, run.err);
	if (out != NULL)
		assert_string_equal(run.out, out);
	if (err != NULL)
		assert_string_equal(run.err, err);
	run_free(&run);
}

static void assert_script(const char *script, int exit_code, const char *out)
{
	struct run run;

	run_shell(&d, script, &run);
	if (run.exit_code != exit_code || strcmp(run.out, out) != 0)
		fail_msg("%s: exit %d\n%s%s", script, run.exit_code, run.out, run.err);
	run_free(&run);
}

static void answers_are_tables_without_colours_when_nobody_looks(void **state)
{
	assert_run("port list", 0,
		   "NAME  SWITCH  STATE   MTU     RX\np1    lan0    up     1500  1 000\n", "");
	assert_run("port show p9", 0, "name: p9\n", "");
}

static void json_is_the_daemons_answer(void **state)
{
	assert_run("port show p9 --json", 0, "{\n  \"name\": \"p9\"\n}\n", "");
	assert_run("--json port show missing", 3, NULL, "");
	assert_script("$T port show missing --json | grep -c '\"slug\": \"not-found\"'", 0, "1\n");
}

static void errors_are_three_lines_on_standard_error(void **state)
{
	assert_run("port show busy", 4, "",
		   "error[port-busy]: what of busy\n  why: why of busy\n  fix: fix of busy\n");
}

static void exit_codes_tell_what_kind_of_error(void **state)
{
	assert_run("port show broken", 1, "", NULL);
	assert_run("port shw p1", 2, "", NULL);
	assert_run("port show", 2, "", NULL);
	assert_run("", 2, "", NULL);
	assert_run("port show missing", 3, "", NULL);
	assert_run("port show invalid", 5, "", NULL);
	assert_run("--socket /nonexistent/x port list", 6, "", NULL);
	assert_run("port show forbidden", 7, "", NULL);
	assert_run("port show slow --timeout 100ms", 9, "", NULL);
	assert_run("port show unknown", 11, "", NULL);
	assert_run("switch verify", 1, NULL, "");
}

static void a_daemon_that_dies_is_unreachable(void **state)
{
	assert_run("port show crash", 6, "", NULL);
}

static void the_environment_names_the_socket(void **state)
{
	assert_script("VSWITCH_SOCKET=$PWD/c.sock ${T%% *} port show p9", 0, "name: p9\n");
}

static void a_change_says_its_revision_and_check_changes_nothing(void **state)
{
	assert_run("switch add lan0 --type internal", 0, "ok: revision 8\n", "");
	assert_run("switch add lan0 --type internal --check", 8,
		   "+ switch add lan0 --type internal\ncheck: it would be done; nothing was\n", "");
	assert_run("switch add lan0 --type internal --confirm 60s", 0,
		   "ok: revision 8\nundone in 1m unless: vswitchctl config confirm\n", "");
	assert_run("port list --check", 2, "", NULL);
	assert_run("port list --confirm 5s", 2, "", NULL);
}

static void configuration_is_printed_as_it_is(void **state)
{
	assert_run("config show", 0, "switch add lan0 --type internal\n", "");
	assert_run("config", 0, "switch add lan0 --type internal\n", "");
}

static void files_are_read_by_the_tool(void **state)
{
	assert_script("echo hello >f; $T config check f", 0, "+ hello?\n");
	assert_script("echo hello | $T config check -", 0, "+ hello?\n");
	assert_run("config check nofile", 3, "", NULL);
	assert_run("config check .", 1, "", NULL);
	/* The file is wrong, not the words. */
	assert_script("echo bad >f; $T config check f", 5, "");
	assert_script("printf '\\377\\n' >f; $T config check f", 5, "");
	assert_script("printf 'a\\0b' >f; $T config check f", 5, "");
	assert_script("head -c 4000000 /dev/zero | tr '\\0' a >f; $T config check f", 5, "");
}

static void watching_shows_rates_until_it_is_interrupted(void **state)
{
	struct run run;

	/* Each call finds a thousand frames more. */
	run_shell(&d, "timeout -s INT 2 $T port list -w0.2; [ $? = 124 ]", &run);
	assert_int_equal(run.exit_code, 0);
	assert_string_equal(run.err, "");
	assert_non_null(
		strstr(run.out, "NAME  SWITCH  STATE   MTU       RX\np1    lan0    up     1500  "));
	assert_non_null(strstr(run.out, "/s\n\nNAME"));
	run_free(&run);
	/* ^C is how it ends: no failure. */
	assert_script("$T port list -w0.1 >w & p=$!; sleep 1; kill -INT $p; wait $p", 0, "");
	run_shell(&d, "timeout -s INT 1 $T port list -w0.2 --json | tail -1", &run);
	assert_non_null(strstr(run.out, "\"rx_packets_per_s\":"));
	run_free(&run);
	assert_run("vlan show -w", 2, "", NULL);
}

static void events_are_printed_as_they_come(void **state)
{
	assert_run("events watch --limit 5", 0, "-  link  p1  p1 is up\n-  link  p1  p1 is down\n",
		   "");
	assert_run("events -w --limit 5 --json", 0,
		   "{\"type\":\"link\",\"port\":\"p1\",\"text\":\"p1 is up\"}\n"
		   "{\"type\":\"link\",\"port\":\"p1\",\"text\":\"p1 is down\"}\n",
		   "");
	assert_script("$T events -w | head -1", 0, "-  link  p1  p1 is up\n");
}

static void a_captures_file_is_new_and_nobody_elses(void **state)
{
	assert_run("capture start p1 -w c.pcapng", 0,
		   "capture 3 writes to c.pcapng; to end it: vswitchctl capture stop 3\n", "");
	assert_script("cat c.pcapng; stat -c %a c.pcapng", 0,
		      "{\"port\":[\"p1\"],\"write\":\"c.pcapng\"}\n600\n");
	assert_run("capture start p2 -w c.pcapng", 4, "", NULL);
	assert_run("capture start p2 -w c.pcapng --force", 0, NULL, "");
	assert_script("cat c.pcapng", 0, "{\"port\":[\"p2\"],\"write\":\"c.pcapng\"}\n");
	assert_run("capture start p2 -w none/c.pcapng", 3, "", NULL);
}

static void a_capture_that_cannot_start_leaves_no_file(void **state)
{
	assert_run("capture start --tenant x -w n.pcapng", 3, "", NULL);
	assert_script("ls n.pcapng", 2, "");
	/* What was there before stays. */
	assert_script("echo old >o; $T capture start --tenant x -w o --force; ls o", 0, "o\n");
}

static void a_capture_to_standard_output_ends_with_the_tool(void **state)
{
	assert_run("capture start p1 -c 1 -w -", 0,
		   "{\"port\":[\"p1\"],\"write\":\"-\",\"count\":1,\"attach\":true}\n",
		   "1 frames captured, 0 lost: all there was\n");
	/* ^C stops it in order: what the daemon says last is still heard. */
	assert_script("$T capture start p1 -w - 2>e & p=$!; sleep 1; kill -INT $p; wait $p; r=$?; "
		      "cat e; exit $r",
		      0,
		      "{\"port\":[\"p1\"],\"write\":\"-\",\"attach\":true}\n1 frames captured, 0 "
		      "lost: stopped\n");
}

static void frames_are_printed_by_tcpdump_when_there_is_no_file(void **state)
{
	/* A tcpdump of paper: it prints what it reads. */
	assert_script("mkdir -p bin; printf '#!/bin/sh\\necho \"$@\"; exec cat\\n' >bin/tcpdump; "
		      "chmod +x bin/tcpdump; "
		      "PATH=$PWD/bin:$PATH $T capture start p1 -c 1",
		      0, "-nn -l -r -\n{\"port\":[\"p1\"],\"count\":1,\"attach\":true}\n");
	assert_script("PATH=$PWD/none $T capture start p1 -c 1", 3, "");
	/* A capture that cannot start leaves tcpdump out of it. */
	assert_script("PATH=$PWD/bin:$PATH $T capture start --tenant x", 3, "");
}

static void a_ring_is_a_folder_and_a_name(void **state)
{
	assert_script(
		"mkdir -p r; $T capture start p1 -w r/x.pcapng --ring 3x64Ki --json | tr -d ' \\n'",
		0, "{\"id\":3,\"params\":{\"port\":[\"p1\"],\"write\":\"x\",\"ring\":\"3x64Ki\"}}");
	assert_run("capture start p1 --ring 3x64Ki", 2, "", NULL);
	assert_run("capture start p1 -w - --ring 3x64Ki", 2, "", NULL);
	assert_run("capture start p1 -w r/ --ring 3x64Ki", 2, "", NULL);
}

static void doctor_names_what_to_do(void **state)
{
	struct run run;

	run_tool(&d, "doctor", &run);
	assert_int_equal(run.exit_code, 1);
	assert_non_null(strstr(run.out, "warn  daemon: vswitchd 0.0.0-other answers"));
	assert_non_null(strstr(run.out, "fail  cores: none\n        why: nothing moves\n"
					"        fix: vswitchctl core add 1\n"));
	run_free(&run);
	/* Without a daemon it says so, and what else it can see. */
	run_tool(&d, "--socket /nonexistent/x doctor", &run);
	assert_int_equal(run.exit_code, 1);
	assert_non_null(strstr(run.out, "fail  daemon: "));
	assert_non_null(strstr(run.out, "huge pages: "));
	run_free(&run);
}

static void help_is_found_everywhere(void **state)
{
	assert_run("--help", 0, NULL, "");
	assert_run("help", 0, NULL, "");
	assert_run("port --help", 0, NULL, "");
	assert_run("port -h", 0, NULL, "");
	assert_run("help port", 0, NULL, "");
	assert_run("help port add", 0, NULL, "");
	assert_run("port add x --help", 0, NULL, "");
	assert_run("--version", 0, NULL, "");
	assert_run("help prot", 2, "", NULL);
	assert_script("$T --help | head -2 | cut -c-13", 0, "Examples:\n  vswitchctl \n");
	assert_script("$T port --help | head -2 | cut -c-13", 0, "Examples:\n  vswitchctl \n");
	assert_script("$T port add --help | head -1", 0, "Examples:\n");
	assert_script("$T port list --help | grep -c -e --watch", 0, "1\n");
}

static void a_full_disk_is_an_error(void **state)
{
	assert_script("$T --help >/dev/full", 1, "");
	assert_script("$T port list --json >/dev/full", 1, "");
}

static void completion_knows_live_names(void **state)
{
	assert_script("$T complete 'vswitchctl --socket c.sock port show '", 0, "p1\n");
	assert_script("$T complete 'vswitchctl port ad'", 0, "add\n");
	assert_script("$T complete 'vswitchctl port \"ad'", 0, "");
	assert_script("$T complete 'vswitchctl'", 0, "");
	assert_script("$T complete", 0, "");
	assert_script("${T%% *} --socket /nonexistent complete 'vswitchctl port show '", 0, "");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
		TEST(answers_are_tables_without_colours_when_nobody_looks),
		TEST(json_is_the_daemons_answer),
		TEST(errors_are_three_lines_on_standard_error),
		TEST(exit_codes_tell_what_kind_of_error),
		TEST(a_daemon_that_dies_is_unreachable),
		TEST(the_environment_names_the_socket),
		TEST(a_change_says_its_revision_and_check_changes_nothing),
		TEST(configuration_is_printed_as_it_is),
		TEST(files_are_read_by_the_tool),
		TEST(watching_shows_rates_until_it_is_interrupted),
		TEST(events_are_printed_as_they_come),
		TEST(a_captures_file_is_new_and_nobody_elses),
		TEST(a_capture_that_cannot_start_leaves_no_file),
		TEST(a_capture_to_standard_output_ends_with_the_tool),
		TEST(frames_are_printed_by_tcpdump_when_there_is_no_file),
		TEST(a_ring_is_a_folder_and_a_name),
		TEST(doctor_names_what_to_do),
		TEST(help_is_found_everywhere),
		TEST(a_full_disk_is_an_error),
		TEST(completion_knows_live_names),
#undef TEST
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s VSWITCHCTL\n", argv[0]);
		return 2;
	}
	tool_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
