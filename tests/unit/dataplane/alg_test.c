/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What FTP and TFTP say about connections to come: words, and nonsense that looks like them.
 */
#include "dataplane/alg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct dp_alg_said said;

/* Behind the last byte is where a sanitizer guards. */
static bool says(bool server, const char *text)
{
	size_t size = strlen(text);
	char *exact = malloc(size + 1);
	bool ok;

	assert_non_null(exact);
	memcpy(exact, text, size);
	memset(&said, 0, sizeof(said));
	exact = realloc(exact, size == 0 ? 1 : size);
	ok = dp_alg_ftp(exact, size, server, &said);
	free(exact);
	return ok;
}

static void client_says_where_it_waits(void **state)
{
	assert_true(says(false, "PORT 10,0,0,1,4,1\r\n"));
	assert_memory_equal(said.ip, ((uint8_t[]){10, 0, 0, 1}), 4);
	assert_int_equal(said.port, 1025);
	assert_true(says(false, "port 10,0,0,1,255,255\n"));
	assert_int_equal(said.port, 65535);
	assert_true(says(false, "EPRT |1|10.0.0.1|1025|\r\n"));
	assert_memory_equal(said.ip, ((uint8_t[]){10, 0, 0, 1}), 4);
	assert_int_equal(said.port, 1025);
	assert_true(says(false, "EPRT !2!fd00::1!2000!\r\n"));
	assert_true(said.v6);
	assert_int_equal(said.ip[0], 0xfd);
	assert_int_equal(said.ip[15], 1);
	assert_int_equal(said.port, 2000);
}

/* Its words, with another address and port. */
static const char *instead(bool server, const char *text, unsigned at, unsigned size)
{
	static char words[DP_ALG_WORDS + 1];
	size_t n;

	assert_true(says(server, text));
	assert_int_equal(said.at, at);
	assert_int_equal(said.size, size);
	said.ip[0] = said.v6 ? 0xfe : 192;
	said.port = 65535;
	n = dp_alg_ftp_words(&said, words);
	assert_true(n <= DP_ALG_WORDS);
	words[n] = '\0';
	return words;
}

static void words_can_be_said_of_others(void **state)
{
	assert_string_equal(instead(false, "PORT 10,0,0,1,4,1\r\n", 5, 12), "192,0,0,1,255,255");
	assert_string_equal(instead(false, "EPRT |1|10.0.0.1|1025|\r\n", 8, 13), "192.0.0.1|65535");
	assert_string_equal(instead(false, "EPRT ,1,10.0.0.1,1025,\r\n", 8, 13), "192.0.0.1,65535");
	assert_string_equal(instead(false, "EPRT !2!fd00::1!2000!\r\n", 8, 12), "fe00::1!65535");
	assert_string_equal(instead(true, "227 Passive Mode (10,0,0,2,4,1).\r\n", 18, 12),
			    "192,0,0,2,255,255");
	assert_string_equal(instead(true, "227 =10,0,0,2,4,1\r\n", 5, 12), "192,0,0,2,255,255");
}

static void server_says_where_it_waits(void **state)
{
	assert_true(says(true, "227 Entering Passive Mode (10,0,0,2,4,1).\r\n"));
	assert_memory_equal(said.ip, ((uint8_t[]){10, 0, 0, 2}), 4);
	assert_int_equal(said.port, 1025);
	assert_true(says(true, "227 =10,0,0,2,4,1\r\n"));
	assert_true(says(true, "229 Extended (|||1025|)\r\n"));
	assert_false(said.has_address);
	assert_int_equal(said.port, 1025);
}

static void others_words_are_nothing(void **state)
{
	static const char *const client[] = {
		"",
		"\n",
		"PORT\n",
		"PORT \n",
		"PORT 10,0,0,1,4\r\n",
		"PORT 10,0,0,1,4,256\r\n",
		"PORT 10,0,0,1,0,0\r\n",
		"PORT 10,0,0,1,4,1",
		"PORT 10,0,0,1,4,1 x\r\n",
		"PORT 10,0,0,1,-4,1\r\n",
		"PORT 1000,0,0,1,4,1\r\n",
		"XPORT 10,0,0,1,4,1\r\n",
		"PORT 99999999999999999999,0,0,1,4,1\r\n",
		"EPRT\n",
		"EPRT \n",
		"EPRT |\n",
		"EPRT |1\n",
		"EPRT |3|10.0.0.1|1025|\n",
		"EPRT |1|fd00::1|1025|\n",
		"EPRT |2|10.0.0.1|1025|\n",
		"EPRT |1|10.0.0.1|65536|\n",
		"EPRT |1|10.0.0.1|1025\n",
		"EPRT |1||1025|\n",
		"EPRT |0|10.0.0.1|1025|\n",
		"EPRT |1|10.0.0.1!1025|\n",
		"EPRT |2|1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb|1025|\n",
		"227 Passive (10,0,0,2,4,1)\r\n",
		"NOOP\nPORT 10,0,0,1,4,1\r\n"};
	static const char *const server[] = {"227 \n",
					     "227-(10,0,0,2,4,1)\n",
					     "227 (10,0,0,2,4\n",
					     "227 ()\n",
					     "229 \n",
					     "229 |||1025|\n",
					     "229 (|||1025)\n",
					     "229 (|1|10.0.0.1|1025|)\n",
					     "229 (|||0|)\n",
					     "229 (\n",
					     "229 (|\n",
					     "229 (|||\n",
					     "PORT 10,0,0,1,4,1\r\n",
					     "2270 (1,1,1,1,9,9)\n"};

	for (size_t i = 0; i < sizeof(client) / sizeof(client[0]); i++)
		if (says(false, client[i]))
			fail_msg("client: %s", client[i]);
	for (size_t i = 0; i < sizeof(server) / sizeof(server[0]); i++)
		if (says(true, server[i]))
			fail_msg("server: %s", server[i]);
}

static void tftp_begins_with_a_request(void **state)
{
	assert_true(dp_alg_tftp((const uint8_t *)"\0\1a\0b\0", 6));
	assert_true(dp_alg_tftp((const uint8_t *)"\0\2a\0octet\0", 10));
	assert_false(dp_alg_tftp((const uint8_t *)"\0\3a\0b\0", 6));
	assert_false(dp_alg_tftp((const uint8_t *)"\1\1a\0b\0", 6));
	assert_false(dp_alg_tftp((const uint8_t *)"\0\1a\0b", 5));
	assert_false(dp_alg_tftp((const uint8_t *)"", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_says_where_it_waits),
		cmocka_unit_test(words_can_be_said_of_others),
		cmocka_unit_test(server_says_where_it_waits),
		cmocka_unit_test(others_words_are_nothing),
		cmocka_unit_test(tftp_begins_with_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
