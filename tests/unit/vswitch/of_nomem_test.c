/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory that runs out: each allocation of the codec fails once; what was begun is given back
 * (LeakSanitizer sees the rest), and the caller is told.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"
#include "vswitch/of/text.h"

/* The linker puts it in place of the original (-Wl,--wrap). */
void *__wrap_realloc(void *old, size_t size);
void *__real_realloc(void *old, size_t size);

static int fail_at; /* the n-th from here fails; 0: none does */

void *__wrap_realloc(void *old, size_t size)
{
	return fail_at > 0 && --fail_at == 0 ? NULL : __real_realloc(old, size);
}

static const char flow[] = "tcp,actions=1,2,3,ct(commit,nat(src=1.2.3.4),exec(set_field:1->ct_mark)"
			   "),write_actions(1,2)";
static const char group[] =
	"group_id=1,type=all,bucket=actions=1,2,bucket=actions=3,bucket=actions=4";
static const char meter[] = "meter=1,kbps,band=type=drop,rate=1,band=type=drop,rate=2";

/* Calls 'try' with its first, second... allocation failing until none does; each must say so. */
static void exhaust(int (*try)(void))
{
	for (int n = 1; n < 1000; n++) {
		int rc;

		fail_at = n;
		rc = try();
		if (fail_at > 0) { /* there were fewer */
			fail_at = 0;
			assert_int_equal(rc, 0);
			assert_true(n > 2);
			return;
		}
		assert_int_equal(rc, -ENOMEM);
	}
	fail();
}

static int read_flow(void)
{
	struct of_flow_mod mod;
	int rc = of_text_flow_parse(flow, 1, OFPFC_ADD, NULL, &mod, NULL);

	if (rc == 0)
		of_flow_mod_fini(&mod);
	return rc;
}

static int read_group(void)
{
	struct of_group_mod mod;
	int rc = of_text_group_parse(group, 1, OFPGC_ADD, NULL, &mod, NULL);

	if (rc == 0)
		of_group_fini(&mod.group);
	return rc;
}

static int read_meter(void)
{
	struct of_meter_mod mod;
	int rc = of_text_meter_parse(meter, 1, OFPMC_ADD, &mod, NULL);

	if (rc == 0)
		of_meter_fini(&mod.meter);
	return rc;
}

static struct wr bytes;

static int decode_flow(void)
{
	struct rd rd = rd_init(bytes.bytes + OF_HEADER_SIZE, bytes.size - OF_HEADER_SIZE);
	struct of_flow_mod mod;
	enum of_error error = of_flow_mod_decode(&rd, &mod);

	if (error == OF_OK)
		of_flow_mod_fini(&mod);
	return error == OF_ERROR_NO_MEMORY ? -ENOMEM : (int)error;
}

static int decode_group(void)
{
	struct rd rd = rd_init(bytes.bytes + OF_HEADER_SIZE, bytes.size - OF_HEADER_SIZE);
	struct of_group_mod mod;
	enum of_error error = of_group_mod_decode(&rd, &mod);

	if (error == OF_OK)
		of_group_fini(&mod.group);
	return error == OF_ERROR_NO_MEMORY ? -ENOMEM : (int)error;
}

static struct of_flow_mod original;

static int copy_flow(void)
{
	struct of_instrs copy;

	if (!of_instrs_copy(&original.instrs, &copy))
		return -ENOMEM;
	of_instrs_fini(&copy);
	return 0;
}

static int encode_flow(void)
{
	struct wr wr = wr_init(1 << 20);
	bool ok;

	for (int i = 0; i < 20; i++)
		of_flow_mod_encode(&wr, 1, &original);
	ok = wr_ok(&wr);
	wr_fini(&wr);
	return ok ? 0 : -ENOMEM;
}

static void text_is_refused_when_memory_runs_out(void **state)
{
	exhaust(read_flow);
	exhaust(read_group);
}

static void bands_are_refused_when_memory_runs_out(void **state)
{
	fail_at = 1;
	assert_int_equal(read_meter(), -ENOMEM);
	fail_at = 2;
	assert_int_equal(read_meter(), -ENOMEM);
	fail_at = 0;
	assert_int_equal(read_meter(), 0);
}

static void messages_are_refused_when_memory_runs_out(void **state)
{
	struct of_group_mod mod;

	assert_int_equal(of_text_flow_parse(flow, 1, OFPFC_ADD, NULL, &original, NULL), 0);
	bytes = wr_init(65535);
	of_flow_mod_encode(&bytes, 1, &original);
	exhaust(decode_flow);
	exhaust(copy_flow);
	exhaust(encode_flow);
	wr_cut(&bytes, 0);
	assert_int_equal(of_text_group_parse(group, 1, OFPGC_ADD, NULL, &mod, NULL), 0);
	of_group_mod_encode(&bytes, 1, &mod);
	of_group_fini(&mod.group);
	exhaust(decode_group);
	wr_fini(&bytes);
	of_flow_mod_fini(&original);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_refused_when_memory_runs_out),
		cmocka_unit_test(bands_are_refused_when_memory_runs_out),
		cmocka_unit_test(messages_are_refused_when_memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
