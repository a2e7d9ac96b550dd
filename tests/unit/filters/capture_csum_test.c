/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Checksums finished in a copy, checked by the receiver of tests/support, which sums on its own.
 */
#include "filters/capture_priv.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct pkt pkt;

enum proto { TCP, UDP, SCTP };

/* A frame with an unfinished checksum.  Returns the bytes before layer 4. */
static uint32_t make(bool v6, enum proto proto, uint32_t payload)
{
	uint32_t l4;

	pkt_init(&pkt);
	pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_vlan(&pkt, 0x8100, 7);
	if (v6)
		pkt_ipv6(&pkt, "fe80::1", "2001:db8::2");
	else
		pkt_ipv4(&pkt, "10.0.0.1", "10.9.8.7");
	l4 = proto == TCP   ? pkt_tcp(&pkt, 1, 2, PKT_ACK)
	     : proto == UDP ? pkt_udp(&pkt, 3, 4)
			    : pkt_sctp(&pkt, 5, 6);
	pkt_fill(&pkt, payload, payload);
	pkt_finish(&pkt, PKT_PARTIAL);
	return l4;
}

static uint32_t flags_of(bool v6, enum proto proto)
{
	return (proto == TCP   ? FILTER_REC_CSUM_TCP
		: proto == UDP ? FILTER_REC_CSUM_UDP
			       : FILTER_REC_CSUM_SCTP) |
	       (v6 ? FILTER_REC_IPV6 : 0);
}

static void finished_frame_is_right_to_a_receiver(void **state)
{
	for (unsigned k = 0; k < 6; k++) {
		for (uint32_t payload = 0; payload < 70; payload += 1 + payload % 3) {
			bool v6 = k >= 3;
			enum proto proto = (enum proto)(k % 3);
			uint32_t l4 = make(v6, proto, payload);
			const char *wrong;

			assert_true(filter_csum_finish(pkt.bytes, pkt.size, 18, l4 - 18,
						       flags_of(v6, proto)));
			wrong = oracle_receive(pkt.bytes, pkt.size);
			if (wrong != NULL)
				fail_msg("case %u, payload %u: %s", k, payload, wrong);
		}
	}
}

static void what_the_field_held_does_not_matter(void **state)
{
	uint32_t l4 = make(false, TCP, 11);

	pkt_set16(&pkt, l4 + 16,
		  0x1234); /* A super-frame's field may or may not count the length. */
	assert_true(filter_csum_finish(pkt.bytes, pkt.size, 18, l4 - 18, FILTER_REC_CSUM_TCP));
	assert_null(oracle_receive(pkt.bytes, pkt.size));
}

static void padding_is_not_summed(void **state)
{
	uint32_t l4 = make(false, UDP, 1);

	pkt_pad(&pkt, 60 - pkt.size);
	memset(pkt.bytes + pkt.size - 4, 0xee, 4);
	assert_true(filter_csum_finish(pkt.bytes, pkt.size, 18, l4 - 18, FILTER_REC_CSUM_UDP));
	assert_null(oracle_receive(pkt.bytes, pkt.size));
}

static void udp_checksum_that_sums_to_zero_is_sent_as_ones(void **state)
{
	uint32_t l4 = make(false, UDP, 2);
	uint16_t csum;

	pkt_set16(&pkt, l4 + 8, 0);
	assert_true(filter_csum_finish(pkt.bytes, pkt.size, 18, l4 - 18, FILTER_REC_CSUM_UDP));
	csum = pkt_get16(pkt.bytes, l4 + 6);
	pkt_set16(&pkt, l4 + 8, csum); /* Now everything sums to zero. */
	assert_true(filter_csum_finish(pkt.bytes, pkt.size, 18, l4 - 18, FILTER_REC_CSUM_UDP));
	assert_int_equal(pkt_get16(pkt.bytes, l4 + 6), 0xffff);
}

static void headers_that_do_not_fit_leave_the_frame_alone(void **state)
{
	static const size_t values[] = {0,  1,	13, 14, 18,  19,  20,  21,
					39, 40, 41, 60, 100, 127, 511, 65535};
	uint8_t before[200];

	for (unsigned k = 0; k < 6; k++) {
		bool v6 = k >= 3;
		enum proto proto = (enum proto)(k % 3);

		make(v6, proto, 30);
		for (size_t size = 0; size <= pkt.size; size++)
			for (unsigned i = 0; i < 16 * 16; i++) {
				/* Of its own size, so that a sanitizer sees what is beyond it. */
				uint8_t *copy = malloc(size + (size == 0));
				bool done;

				memcpy(copy, pkt.bytes, size);
				memcpy(before, pkt.bytes, size);
				done = filter_csum_finish(copy, size, values[i % 16],
							  values[i / 16], flags_of(v6, proto));
				if (!done)
					assert_memory_equal(copy, before, size);
				free(copy);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finished_frame_is_right_to_a_receiver),
		cmocka_unit_test(what_the_field_held_does_not_matter),
		cmocka_unit_test(padding_is_not_summed),
		cmocka_unit_test(udp_checksum_that_sums_to_zero_is_sent_as_ones),
		cmocka_unit_test(headers_that_do_not_fit_leave_the_frame_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
