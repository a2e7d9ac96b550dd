/* SPDX-License-Identifier: BSD-2-Clause
 *
 * IPFIX messages, read back by a reader of their templates that knows nothing of who wrote them.
 */
#include "vswitch/ipfix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAX_FIELDS 64

struct field {
	uint32_t pen;
	uint16_t ie, size;
};

struct template
{
	uint16_t n;
	bool options;
	struct field fields[MAX_FIELDS];
};

/* What a reader has seen. */
static struct template templates[16];
static unsigned n_records, n_templates;
/* Of the last record: values by element, of which enterprise. */
static struct {
	struct field field;
	uint64_t value;
	char text[260];
} values[MAX_FIELDS];
static unsigned n_values;

static const struct dp_flowrec_record flow4 = {
	.family = 4,
	.proto = 6,
	.domain = 3,
	.vlan = 100,
	.sport = 1000,
	.dport = 80,
	.src = {10, 0, 0, 1},
	.dst = {10, 0, 0, 2},
	.src_mac = {2, 0, 0, 0, 0, 1},
	.dst_mac = {2, 0, 0, 0, 0, 2},
	.end = DP_FLOWREC_CLOSED,
	.has_back = true,
	.there = {.packets = 5,
		  .bytes = 500,
		  .dropped_packets = 1,
		  .dropped_bytes = 100,
		  .start_ms = 1700000000123,
		  .end_ms = 1700000001456,
		  .tcp_flags = 0x1b,
		  .drop = DP_DROP_TX_FULL,
		  .port = 7},
	.back = {.packets = 4, .bytes = 400, .tcp_flags = 0x12, .drop = DP_N_DROPS, .port = 9},
};

static void read_template(struct rd *rd, bool options)
{
	uint16_t id = rd_be16(rd);
	struct template *t = &templates[id - 256];

	assert_in_range(id, 256, 271);
	t->options = options;
	t->n = rd_be16(rd);
	assert_in_range(t->n, 1, MAX_FIELDS);
	if (options)
		assert_int_equal(rd_be16(rd), 1);
	for (unsigned i = 0; i < t->n; i++) {
		struct field *f = &t->fields[i];

		f->ie = rd_be16(rd);
		f->size = rd_be16(rd);
		f->pen = 0;
		if ((f->ie & 0x8000) != 0) {
			f->ie &= 0x7fff;
			f->pen = rd_be32(rd);
		}
		/* RFC 7011 8: an element once only in a template. */
		for (unsigned k = 0; k < i; k++)
			assert_false(t->fields[k].ie == f->ie && t->fields[k].pen == f->pen);
	}
	n_templates++;
}

static void read_record(struct rd *rd, const struct template *t)
{
	assert_true(t->n != 0);
	n_values = 0;
	for (unsigned i = 0; i < t->n; i++) {
		size_t size = t->fields[i].size;
		const uint8_t *bytes;

		if (size == 65535)
			size = rd_u8(rd);
		bytes = rd_bytes(rd, size);
		assert_true(rd_ok(rd));
		values[n_values].field = t->fields[i];
		values[n_values].value = 0;
		memset(values[n_values].text, 0, sizeof(values[n_values].text));
		memcpy(values[n_values].text, bytes, size);
		for (size_t k = 0; k < size; k++)
			values[n_values].value = values[n_values].value << 8 | bytes[k];
		n_values++;
	}
	n_records++;
}

static void read_message(const uint8_t *bytes, size_t size, uint32_t sequence)
{
	struct rd rd = rd_init(bytes, size);

	assert_true(size <= 1400);
	assert_int_equal(rd_be16(&rd), 10);
	assert_int_equal(rd_be16(&rd), size);
	assert_int_equal(rd_be32(&rd), 1700000000);
	assert_int_equal(rd_be32(&rd), sequence);
	assert_int_equal(rd_be32(&rd), 42);
	while (rd.left != 0) {
		uint16_t id = rd_be16(&rd), length = rd_be16(&rd);
		struct rd set = rd_sub(&rd, length - 4u);

		assert_true(length > 4 && rd_ok(&rd));
		while (set.left != 0) {
			if (id == 2 || id == 3)
				read_template(&set, id == 3);
			else
				read_record(&set, &templates[id - 256]);
			assert_true(rd_ok(&set));
		}
	}
}

static uint64_t value(uint32_t pen, uint16_t ie)
{
	for (unsigned i = 0; i < n_values; i++)
		if (values[i].field.pen == pen && values[i].field.ie == ie)
			return values[i].value;
	fail_msg("no element %u of %u", ie, pen);
	return 0;
}

static void send_templates(struct ipfix_message *m)
{
	ipfix_begin(m);
	for (unsigned i = 0; i < IPFIX_N_TEMPLATES; i++) {
		if (ipfix_template(m, i))
			continue;
		read_message(m->bytes, ipfix_end(m, 1700000000, 0, 42), 0);
		ipfix_begin(m);
		assert_true(ipfix_template(m, i));
	}
	read_message(m->bytes, ipfix_end(m, 1700000000, 0, 42), 0);
}

static int forget(void **state)
{
	memset(templates, 0, sizeof(templates));
	n_records = n_templates = 0;
	return 0;
}

static void all_templates_are_told_in_messages_that_are_not_too_long(void **state)
{
	struct ipfix_message m;

	send_templates(&m);
	assert_int_equal(n_templates, IPFIX_N_TEMPLATES);
	assert_int_equal(n_records, 0);
	assert_false(templates[IPFIX_FLOW4 - 256].options);
	assert_true(templates[IPFIX_SAMPLING - 256].options);
}

static void a_conversation_says_both_directions(void **state)
{
	const struct ipfix_flow flow = {.record = &flow4,
					.vrf = 77,
					.in = 8,
					.out = 10,
					.status = ipfix_status(DP_DROP_TX_FULL),
					.back_status = ipfix_status(DP_N_DROPS)};
	struct ipfix_message m;

	send_templates(&m);
	ipfix_begin(&m);
	assert_true(ipfix_flow(&m, &flow));
	read_message(m.bytes, ipfix_end(&m, 1700000000, 9, 42), 9);
	assert_int_equal(n_records, 1);
	assert_int_equal(m.n_records, 1);
	assert_int_equal(value(0, 8), 0x0a000001);
	assert_int_equal(value(0, 12), 0x0a000002);
	assert_int_equal(value(0, 7), 1000);
	assert_int_equal(value(0, 11), 80);
	assert_int_equal(value(0, 4), 6);
	assert_int_equal(value(0, 1), 500);
	assert_int_equal(value(0, 2), 5);
	assert_int_equal(value(0, 133), 1);
	assert_int_equal(value(0, 152), 1700000000123);
	assert_int_equal(value(0, 153), 1700000001456);
	assert_int_equal(value(0, 6), 0x1b);
	assert_int_equal(value(0, 58), 100);
	assert_int_equal(value(0, 234), 77);
	assert_int_equal(value(0, 10), 8);
	assert_int_equal(value(0, 14), 10);
	assert_int_equal(value(0, 136), 3);
	assert_int_equal(value(0, 239), 1);
	assert_int_equal(value(0, 89) >> 6, 2);
	assert_int_equal(value(IPFIX_PEN, 1), DP_DROP_TX_FULL + 1);
	assert_int_equal(value(IPFIX_REVERSE_PEN, 1), 400);
	assert_int_equal(value(IPFIX_REVERSE_PEN, 2), 4);
	assert_int_equal(value(IPFIX_REVERSE_PEN, 6), 0x12);
	assert_int_equal(value(IPFIX_REVERSE_PEN, 89), 64);
}

static void pings_and_frames_have_their_own_fields(void **state)
{
	struct dp_flowrec_record r = {.family = 6,
				      .proto = 58,
				      .dport = 128 << 8,
				      .src = {0xfd, 0, 1},
				      .there = {.packets = 1, .bytes = 64, .drop = DP_N_DROPS}};
	struct ipfix_flow flow = {.record = &r, .status = 64};
	struct ipfix_message m;

	send_templates(&m);
	ipfix_begin(&m);
	assert_true(ipfix_flow(&m, &flow));
	read_message(m.bytes, ipfix_end(&m, 1700000000, 0, 42), 0);
	assert_int_equal(value(0, 139), 128 << 8);
	assert_int_equal(value(0, 11), 0);
	assert_int_equal(value(IPFIX_PEN, 1), 0);
	r = (struct dp_flowrec_record){.family = 0, .eth_type = 0x806, .there = {.packets = 1}};
	ipfix_begin(&m);
	assert_true(ipfix_flow(&m, &flow));
	read_message(m.bytes, ipfix_end(&m, 1700000000, 0, 42), 0);
	assert_int_equal(value(0, 256), 0x806);
}

static void a_full_message_takes_no_more_and_stays_whole(void **state)
{
	struct dp_flowrec_record r[3] = {flow4, flow4, flow4};
	struct ipfix_message m;
	unsigned n = 0;

	r[1].family = 6;
	r[2].family = 0;
	for (unsigned first = 0; first < 3; first++) {
		send_templates(&m);
		n_records = 0;
		ipfix_begin(&m);
		for (n = 0;; n++) {
			const struct ipfix_flow flow = {.record = &r[(first + n) % 3]};

			if (!ipfix_flow(&m, &flow))
				break;
		}
		assert_in_range(n, 5, 20);
		read_message(m.bytes, ipfix_end(&m, 1700000000, 0, 42), 0);
		assert_int_equal(n_records, n);
		assert_int_equal(m.n_records, n);
	}
}

static void options_say_names_however_long(void **state)
{
	const struct ipfix_statistics s = {.messages = 1, .records = 2, .lost_records = 3};
	char longest[600];
	struct ipfix_message m;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	send_templates(&m);
	ipfix_begin(&m);
	assert_true(ipfix_interface(&m, 8, "web1", longest));
	read_message(m.bytes, ipfix_end(&m, 1700000000, 0, 42), 0);
	assert_int_equal(value(0, 10), 8);
	assert_string_equal(values[1].text, "web1");
	assert_int_equal(strlen(values[2].text), 250);
	ipfix_begin(&m);
	assert_true(ipfix_statistics(&m, 42, &s));
	assert_true(ipfix_sampling(&m, 42, 100));
	assert_true(ipfix_drop_reason(&m, 5, "tenant", "another tenant's"));
	read_message(m.bytes, ipfix_end(&m, 1700000000, 0, 42), 0);
	assert_int_equal(m.n_records, 3);
	assert_string_equal(values[1].text, "tenant");
}

static void an_empty_message_is_none(void **state)
{
	struct ipfix_message m;

	ipfix_begin(&m);
	assert_int_equal(ipfix_end(&m, 1, 2, 3), 0);
}

static void every_reason_of_a_drop_is_a_status_of_dropped(void **state)
{
	for (unsigned i = 0; i < DP_N_DROPS; i++)
		assert_int_equal(ipfix_status(i) >> 6, 2);
	assert_int_equal(ipfix_status(DP_N_DROPS) >> 6, 1);
	assert_int_equal(ipfix_status(UINT16_MAX) >> 6, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_templates_are_told_in_messages_that_are_not_too_long,
				       forget),
		cmocka_unit_test_setup(a_conversation_says_both_directions, forget),
		cmocka_unit_test_setup(pings_and_frames_have_their_own_fields, forget),
		cmocka_unit_test_setup(a_full_message_takes_no_more_and_stays_whole, forget),
		cmocka_unit_test_setup(options_say_names_however_long, forget),
		cmocka_unit_test(an_empty_message_is_none),
		cmocka_unit_test(every_reason_of_a_drop_is_a_status_of_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
