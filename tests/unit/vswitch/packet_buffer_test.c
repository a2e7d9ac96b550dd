/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets kept for controllers: who gets them, how often, for how long, and how many.
 */
#include "vswitch/packet_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint8_t bytes[] = {1, 2, 3};

static void packet_is_given_away_once(void **state)
{
	struct vs_packet_buffers *b = vs_packet_buffers_create();
	struct vs_packet packet;
	uint32_t id = vs_packet_buffers_put(b, 7, bytes, sizeof(bytes), 100);

	assert_int_not_equal(id, VS_NO_BUFFER);
	assert_int_equal(vs_packet_buffers_take(b, id, 200, &packet), OF_OK);
	assert_int_equal(packet.in_port, 7);
	assert_int_equal(packet.size, sizeof(bytes));
	assert_memory_equal(packet.data, bytes, sizeof(bytes));
	vs_packet_fini(&packet);
	assert_int_equal(vs_packet_buffers_take(b, id, 200, &packet), OFPBRC_BUFFER_EMPTY);
	assert_int_equal(vs_packet_buffers_take(b, id + 1, 200, &packet), OFPBRC_BUFFER_UNKNOWN);
	assert_int_equal(vs_packet_buffers_take(b, VS_NO_BUFFER, 200, &packet),
			 OFPBRC_BUFFER_UNKNOWN);
	assert_int_equal(vs_packet_buffers_take(b, 0, 200, &packet), OFPBRC_BUFFER_UNKNOWN);
	vs_packet_buffers_destroy(b);
}

static void oldest_gives_way_and_what_is_old_goes(void **state)
{
	struct vs_packet_buffers *b = vs_packet_buffers_create();
	struct vs_packet packet;
	uint32_t first = vs_packet_buffers_put(b, 1, bytes, sizeof(bytes), 0), last = first;

	for (unsigned i = 0; i < VS_PACKET_BUFFERS; i++)
		last = vs_packet_buffers_put(b, 1, bytes, sizeof(bytes), 0);
	assert_int_equal(vs_packet_buffers_take(b, first, 0, &packet), OFPBRC_BUFFER_UNKNOWN);
	assert_int_equal(vs_packet_buffers_take(b, first + 1, 0, &packet), OF_OK);
	vs_packet_fini(&packet);
	assert_int_equal(vs_packet_buffers_take(b, last, VS_PACKET_BUFFER_AGE_MS + 1, &packet),
			 OFPBRC_BUFFER_UNKNOWN);
	vs_packet_buffers_age(b, VS_PACKET_BUFFER_AGE_MS + 1);
	assert_int_equal(vs_packet_buffers_take(b, last, 0, &packet), OFPBRC_BUFFER_UNKNOWN);
	assert_int_equal(vs_packet_buffers_put(NULL, 1, bytes, 1, 0), VS_NO_BUFFER);
	vs_packet_buffers_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_is_given_away_once),
		cmocka_unit_test(oldest_gives_way_and_what_is_old_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
