/* SPDX-License-Identifier: BSD-2-Clause
 *
 * NVSP messages: bytes where the protocol has them, every length, both ends.
 */
#include "vmbus/nvsp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sample {
	struct nvsp_msg msg;
	bool from_guest;
	size_t size; /* the least that a reader must take */
};

static const struct sample samples[] = {
	{{.type = NVSP_INIT, .init = {NVSP_V5, NVSP_V5}}, true, 12},
	{{.type = NVSP_INIT_COMPLETE, .init_complete = {NVSP_V6_1, 34, 1}}, false, 16},
	{{.type = NVSP_SEND_NDIS_VER, .ndis_ver = {6, 30}}, true, 12},
	{{.type = NVSP_SEND_RECV_BUF, .buf = {0xe1e10, 0xcafe}}, true, 10},
	{{.type = NVSP_SEND_RECV_BUF_COMPLETE,
	  .recv_buf_complete = {1, 1, 0, 1728, 9709, 9709 * 1728}},
	 false,
	 28},
	{{.type = NVSP_REVOKE_RECV_BUF, .buf = {.id = 0xcafe}}, true, 6},
	{{.type = NVSP_SEND_SEND_BUF, .buf = {0xe1e11, 7}}, true, 10},
	{{.type = NVSP_SEND_SEND_BUF_COMPLETE, .send_buf_complete = {1, 6144}}, false, 12},
	{{.type = NVSP_REVOKE_SEND_BUF, .buf = {.id = 7}}, true, 6},
	{{.type = NVSP_RNDIS, .rndis = {NVSP_RNDIS, 1, 12, 100}}, true, 16},
	{{.type = NVSP_RNDIS, .rndis = {NVSP_RNDIS, 0, NVSP_NO_SECTION, 0}}, false, 16},
	{{.type = NVSP_RNDIS_COMPLETE, .rndis_complete = {NVSP_RNDIS_COMPLETE, 1}}, true, 8},
	{{.type = NVSP_RNDIS_COMPLETE, .rndis_complete = {NVSP_RNDIS_COMPLETE, 5}}, false, 8},
	{{.type = NVSP_SEND_NDIS_CONFIG, .ndis_config = {1514, 0x8c}}, true, 20},
	{{.type = NVSP_VF_ASSOCIATION, .vf = {1, 77}}, false, 12},
	{{.type = NVSP_SWITCH_DATA_PATH, .data_path = {1}}, true, 8},
	{{.type = NVSP_SUBCHANNEL, .subchannel = {1, 7}}, true, 12},
	{{.type = NVSP_SUBCHANNEL, .subchannel_complete = {1, 7}}, false, 12},
	{{.type = NVSP_INDIRECTION_TABLE, .indirection = {16, {1, 2, 3}}}, false, 76},
};
#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

/* A reader of a message in memory that is as long as it says. */
static int read_exactly(const uint8_t *bytes, size_t size, bool from_guest, struct nvsp_msg *m)
{
	uint8_t *exact = malloc(size == 0 ? 1 : size);
	int ret;

	assert_non_null(exact);
	if (size > 0)
		memcpy(exact, bytes, size);
	ret = nvsp_read(exact, size, from_guest, m);
	free(exact);
	return ret;
}

static void what_is_written_is_read(void **state)
{
	uint8_t bytes[NVSP_MSG_MAX];
	struct nvsp_msg m;

	for (size_t i = 0; i < N_SAMPLES; i++) {
		const struct sample *s = &samples[i];
		size_t size = nvsp_write(&s->msg, s->from_guest, NVSP_V6_1, bytes);

		memset(&m, 0, sizeof(m));
		assert_true(size >= s->size);
		assert_int_equal(read_exactly(bytes, size, s->from_guest, &m), 0);
		assert_memory_equal(&m, &s->msg, sizeof(m));
	}
}

static void no_message_is_read_from_less_than_its_bytes(void **state)
{
	uint8_t bytes[NVSP_MSG_MAX];
	struct nvsp_msg m;

	for (size_t i = 0; i < N_SAMPLES; i++) {
		const struct sample *s = &samples[i];

		nvsp_write(&s->msg, s->from_guest, 0, bytes);
		for (size_t size = 0; size < s->size; size++)
			assert_int_equal(read_exactly(bytes, size, s->from_guest, &m), -EBADMSG);
		for (size_t size = s->size; size <= NVSP_MSG_MAX; size++)
			assert_int_equal(read_exactly(bytes, size, s->from_guest, &m), 0);
	}
}

static void what_only_the_other_end_sends_is_refused(void **state)
{
	uint8_t bytes[NVSP_MSG_MAX];
	struct nvsp_msg m = {.type = NVSP_INIT};

	for (size_t i = 0; i < N_SAMPLES; i++) {
		const struct sample *s = &samples[i];

		nvsp_write(&s->msg, s->from_guest, 0, bytes);
		if (s->msg.type == NVSP_RNDIS || s->msg.type == NVSP_RNDIS_COMPLETE ||
		    s->msg.type == NVSP_SUBCHANNEL)
			continue;
		assert_int_equal(nvsp_read(bytes, NVSP_MSG_MAX, !s->from_guest, &m), -EOPNOTSUPP);
	}
	assert_int_equal(m.type, NVSP_INIT);
}

static void unknown_types_are_refused(void **state)
{
	static const uint32_t types[] = {0, 3, 99, 109, 126, 131, 135, 136, 0xffffffff};
	uint8_t bytes[NVSP_MSG_MAX] = {0};
	struct nvsp_msg m;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		memcpy(bytes, &types[i], 4);
		assert_int_equal(nvsp_read(bytes, sizeof(bytes), true, &m), -EOPNOTSUPP);
		assert_int_equal(nvsp_read(bytes, sizeof(bytes), false, &m), -EOPNOTSUPP);
	}
}

/* Linux compares a completion's size with that of messages it does not wait for. */
static void completions_are_as_long_as_linux_wants_them(void **state)
{
	static const enum nvsp_type types[] = {NVSP_INIT_COMPLETE, NVSP_SEND_RECV_BUF_COMPLETE,
					       NVSP_SEND_SEND_BUF_COMPLETE, NVSP_SUBCHANNEL};
	uint8_t bytes[NVSP_MSG_MAX];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct nvsp_msg m = {.type = types[i]};

		assert_int_equal(nvsp_write(&m, false, 0, bytes), 0x1c);
		assert_int_equal(nvsp_write(&m, false, NVSP_V5, bytes), 0x1c);
		assert_int_equal(nvsp_write(&m, false, NVSP_V6, bytes), 0x1c);
		assert_int_equal(nvsp_write(&m, false, NVSP_V6_1, bytes), 0x28);
	}
}

static void completion_of_a_packet_is_eight_bytes_both_ways(void **state)
{
	struct nvsp_msg m = {.type = NVSP_RNDIS_COMPLETE, .rndis_complete.status = 1};
	uint8_t bytes[NVSP_MSG_MAX];

	assert_int_equal(nvsp_write(&m, false, NVSP_V6_1, bytes), 8);
	assert_int_equal(nvsp_write(&m, true, NVSP_V6_1, bytes), 8);
	assert_memory_equal(bytes, "\x6c\0\0\0\1\0\0\0", 8);
}

static void bytes_lie_where_the_protocol_has_them(void **state)
{
	struct nvsp_msg m = {.type = NVSP_SEND_NDIS_CONFIG,
			     .ndis_config = {0x04030201, 0x8877665544332211}};
	uint8_t bytes[NVSP_MSG_MAX];

	assert_int_equal(nvsp_write(&m, true, 0, bytes), 40);
	assert_memory_equal(bytes,
			    "\x7d\0\0\0\1\2\3\4\0\0\0\0\x11\x22\x33\x44\x55\x66\x77\x88\0\0\0\0",
			    24);
	m = (struct nvsp_msg){.type = NVSP_INIT_COMPLETE, .init_complete = {NVSP_V6_1, 34, 1}};
	nvsp_write(&m, false, 0, bytes);
	assert_memory_equal(bytes, "\2\0\0\0\1\0\6\0\x22\0\0\0\1\0\0\0", 16);
}

static void a_table_that_points_outside_is_refused(void **state)
{
	struct nvsp_msg m = {.type = NVSP_INDIRECTION_TABLE, .indirection = {.count = 16}}, read;
	uint8_t bytes[NVSP_MSG_MAX];

	assert_int_equal(nvsp_write(&m, false, NVSP_V6_1, bytes), 76);
	assert_int_equal(bytes[8], 12);
	bytes[8] = 11;
	assert_int_equal(read_exactly(bytes, 76, false, &read), -EBADMSG);
	bytes[8] = 0;
	assert_int_equal(read_exactly(bytes, 76, false, &read), -EBADMSG);
	bytes[8] = 13;
	assert_int_equal(read_exactly(bytes, 76, false, &read), -EBADMSG);
	assert_int_equal(read_exactly(bytes, 77, false, &read), 0);
	memset(bytes + 8, 0xff, 4);
	assert_int_equal(read_exactly(bytes, 76, false, &read), -EBADMSG);
	memset(bytes + 8, 0, 4);
	bytes[8] = 12;
	bytes[4] = 17;
	assert_int_equal(read_exactly(bytes, 128, false, &read), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(no_message_is_read_from_less_than_its_bytes),
		cmocka_unit_test(what_only_the_other_end_sends_is_refused),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(completions_are_as_long_as_linux_wants_them),
		cmocka_unit_test(completion_of_a_packet_is_eight_bytes_both_ways),
		cmocka_unit_test(bytes_lie_where_the_protocol_has_them),
		cmocka_unit_test(a_table_that_points_outside_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
