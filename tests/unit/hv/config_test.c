/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration of a worker: what is taken, what is refused and in which words.
 */
#include "hv/worker/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MB (1024 * 1024ull)

static const char full[] =
	"{\"name\": \"web1\", \"id\": 7, \"uid\": 1879048199, \"dir\": \"/run/vswitch/vm/web1\","
	" \"group\": 99,"
	" \"memory\": {\"size\": 268435456, \"minimum\": 134217728, \"maximum\": 536870912,"
	" \"buffer\": 10, \"priority\": 90, \"pages\": \"small\"},"
	" \"processors\": 2, \"cpu\": \"host\", \"nested\": true, \"face\": \"user\","
	" \"kernel\": \"/boot/vmlinuz\", \"initrd\": \"/boot/initrd.img\","
	" \"cmdline\": \"console=ttyS0\","
	" \"nics\": [{\"name\": \"lan0\"}, {\"name\": \"lan1\"}],"
	" \"disks\": [{\"name\": \"root\", \"path\": \"/vms/web1.img\", \"format\": \"raw\","
	" \"readonly\": false, \"lun\": 0, \"cache\": \"safe\"},"
	" {\"name\": \"cd\", \"path\": \"/srv/debian.iso\", \"format\": \"iso\", \"lun\": 1}],"
	" \"on_crash\": \"reset\"}";

static const char least[] = "{\"name\": \"a\", \"dir\": \"/d\", \"kernel\": \"/k\","
			    " \"memory\": {\"size\": 33554432}}";

static struct worker_config *take(const char *text)
{
	struct worker_config *config = NULL;
	struct err err = {0};

	if (worker_config_parse(text, strlen(text), &config, &err) != 0)
		fail_msg("%s", err.what);
	return config;
}

static void what_is_said_is_taken(void **state)
{
	struct worker_config *c = take(full);

	assert_string_equal(c->name, "web1");
	assert_int_equal(c->id, 7);
	assert_int_equal(c->uid, 1879048199);
	assert_int_equal(c->gid, 1879048199);
	assert_true(c->has_group);
	assert_int_equal(c->group, 99);
	assert_string_equal(c->dir, "/run/vswitch/vm/web1");
	assert_int_equal(c->memory_size, 256 * MB);
	assert_int_equal(c->memory_minimum, 128 * MB);
	assert_int_equal(c->memory_maximum, 512 * MB);
	assert_int_equal(c->memory_buffer, 10);
	assert_int_equal(c->memory_priority, 90);
	assert_int_equal(c->memory_pages, HV_PAGES_SMALL);
	assert_int_equal(c->processors, 2);
	assert_true(c->nested);
	assert_int_equal(c->face, HV_FACE_USER);
	assert_string_equal(c->initrd, "/boot/initrd.img");
	assert_int_equal(c->n_nics, 2);
	assert_string_equal(c->nics[1], "lan1");
	assert_int_equal(c->n_disks, 2);
	assert_int_equal(c->disks[0].format, WORKER_DISK_RAW);
	assert_false(c->disks[0].readonly);
	assert_true(c->disks[1].readonly); /* whatever it says: it is an ISO */
	assert_int_equal(c->on_crash, WORKER_CRASH_RESET);
	worker_config_destroy(c);
}

static void what_is_not_said_has_a_meaning(void **state)
{
	struct worker_config *c = take(least);

	assert_int_equal(c->processors, 1);
	assert_string_equal(c->cpu, "host");
	assert_int_equal(c->face, HV_FACE_AUTO);
	assert_int_equal(c->memory_pages, HV_PAGES_AUTO);
	assert_int_equal(c->memory_minimum, 32 * MB);
	assert_int_equal(c->memory_maximum, 32 * MB);
	assert_null(c->initrd);
	assert_false(c->has_group);
	assert_int_equal(c->on_crash, WORKER_CRASH_STOP);
	worker_config_destroy(c);
}

/* 'least' with 'from' put in place of 'to'; refused, with 'words'. */
static void refused(const char *from, const char *to, const char *words)
{
	struct worker_config *config = NULL;
	const char *at = strstr(least, from);
	struct err err = {0};
	char text[8192];

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - least), least, to, at + strlen(from));
	if (worker_config_parse(text, strlen(text), &config, &err) != -EINVAL)
		fail_msg("was taken: %s", text);
	assert_null(config);
	assert_string_equal(err.slug, "bad-config");
	if (strstr(err.what, words) == NULL)
		fail_msg("'%s' does not say '%s'", err.what, words);
}

static void what_is_wrong_is_named(void **state)
{
	refused("\"a\"", "\"\"", "name");
	refused("\"a\"", "\"../x\"", "cannot be a name");
	refused("\"a\"", "\"a b\"", "cannot be a name");
	refused("\"a\"", "\".\"", "cannot be a name");
	refused("\"a\"", "7", "name: must be a text");
	refused("\"a\"", "\"a\\u0000b\"", "not JSON");
	refused("\"a\"",
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
		"at most 63");
	refused("\"/d\"", "\"d\"", "dir: must be a path from '/' on");
	refused("\"kernel\": \"/k\",", "", "kernel: is missing");
	refused("33554432", "33554431", "memory.size");
	refused("33554432", "33554433", "2 MB");
	refused("33554432", "0", "memory.size");
	refused("33554432", "-1", "memory.size");
	refused("33554432", "18446744073709551615", "");
	refused("33554432", "33554432.0", "memory.size");
	refused("33554432", "33554432, \"minimum\": 67108864", "must not fall");
	refused("33554432", "33554432, \"maximum\": 33554432, \"pages\": \"big\"",
		"auto, small, huge");
	refused("33554432", "33554432, \"typo\": 1", "'typo' is not a setting");
	refused("\"a\"", "\"a\", \"processors\": 0", "from 1 to 64");
	refused("\"a\"", "\"a\", \"processors\": 65", "from 1 to 64");
	refused("\"a\"", "\"a\", \"face\": \"kvn\"", "auto, kvm, user");
	refused("\"a\"", "\"a\", \"nested\": 1", "true or false");
	refused("\"a\"", "\"a\", \"name\": \"b\"", "not JSON");
	refused("\"a\"", "\"a\", \"memery\": {}", "'memery' is not a setting");
	refused("{\"size\": 33554432}", "[]", "memory: must be an object");
}

static void lists_have_ends(void **state)
{
	char nics[1024] = "", disks[8192] = "";

	for (unsigned i = 0; i < WORKER_MAX_NICS + 1; i++)
		snprintf(nics + strlen(nics), sizeof(nics) - strlen(nics), "%s{\"name\": \"n%u\"}",
			 i > 0 ? "," : "\"a\", \"nics\": [", i);
	strcat(nics, "]");
	refused("\"a\"", nics, "at most 8");
	for (unsigned i = 0; i < WORKER_MAX_DISKS + 1; i++)
		snprintf(disks + strlen(disks), sizeof(disks) - strlen(disks),
			 "%s{\"name\": \"n%u\", \"path\": \"/p\", \"lun\": %u}",
			 i > 0 ? "," : "\"a\", \"disks\": [", i, i);
	strcat(disks, "]");
	refused("\"a\"", disks, "at most 64");
	refused("\"a\"", "\"a\", \"nics\": [{\"name\": \"n\"}, {\"name\": \"n\"}]", "twice");
	refused("\"a\"", "\"a\", \"nics\": [{\"name\": \"n\", \"mac\": 1}]", "nics[0]");
	refused("\"a\"", "\"a\", \"nics\": [7]", "nics[0]: must be an object");
	refused("\"a\"", "\"a\", \"disks\": [{\"name\": \"d\"}]", "has no path");
	refused("\"a\"",
		"\"a\", \"disks\": [{\"name\": \"d\"},"
		" {\"name\": \"e\", \"path\": \"/p\", \"lun\": 1}]",
		"disks[0]: has no path");
	refused("\"a\"", "\"a\", \"disks\": [{\"name\": \"d\", \"path\": \"/p\", \"lun\": 64}]",
		"disks[0].lun");
	refused("\"a\"",
		"\"a\", \"disks\": [{\"name\": \"d\", \"path\": \"/p\"},"
		" {\"name\": \"e\", \"path\": \"/p\"}]",
		"one name or lun");
	refused("\"a\"",
		"\"a\", \"disks\": [{\"name\": \"d\", \"path\": \"/p\", \"format\": \"vmdk\"}]",
		"raw, iso, qcow2, vhd, vhdx");
}

static int read_of(const char *text, size_t size, struct err *err)
{
	struct worker_config *config = NULL;
	int fd = memfd_create("config", MFD_CLOEXEC), rc;

	assert_int_equal(write(fd, text, size), (ssize_t)size);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	rc = worker_config_read(fd, &config, err);
	worker_config_destroy(config);
	close(fd);
	return rc;
}

static void a_file_is_read_to_its_end(void **state)
{
	char *text = calloc(1, WORKER_CONFIG_MAX + 1);
	struct err err = {0};

	assert_int_equal(read_of(full, strlen(full), &err), 0);
	assert_int_equal(read_of("", 0, &err), -EINVAL);
	assert_int_equal(read_of(full, strlen(full) - 1, &err), -EINVAL);
	memset(text, ' ', WORKER_CONFIG_MAX + 1);
	memcpy(text, least, strlen(least));
	assert_int_equal(read_of(text, WORKER_CONFIG_MAX, &err), 0);
	assert_int_equal(read_of(text, WORKER_CONFIG_MAX + 1, &err), -EFBIG);
	assert_int_equal(worker_config_read(-1, NULL, &err), -EBADF);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_is_taken),
		cmocka_unit_test(what_is_not_said_has_a_meaning),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(lists_have_ends),
		cmocka_unit_test(a_file_is_read_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
