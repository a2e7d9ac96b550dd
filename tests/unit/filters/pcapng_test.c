/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pcapng blocks, read back by Wireshark's tools, and against every buffer that is too small.
 */
#include "filters/pcapng.h"
#include "tests/unit/filters/tshark.h"

#include "tests/support/packet.h"

#include <unistd.h>

static char path[] = "/tmp/vswitch-pcapng-XXXXXX";
static struct pkt pkt;

static void make_packet(uint32_t payload)
{
	pkt_init(&pkt);
	pkt_eth(&pkt, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(&pkt, "10.0.0.1", "10.0.0.2");
	pkt_udp(&pkt, 1000, 2000);
	pkt_fill(&pkt, payload, 3);
	pkt_finish(&pkt, 0);
}

static const struct filter_pcapng_section section = {.hardware = "a machine",
						     .os = "Linux 6.1",
						     .application = "vswitch 0.1"};

/* Two interfaces, 'n' packets on the second and one drop on the first, statistics. */
static size_t make_file(uint8_t *buf, size_t size, unsigned n)
{
	const struct filter_pcapng_interface ifaces[] = {
		{.name = "p1",
		 .description = "lan0, tenant blue, tap",
		 .filter = "tcp port 80",
		 .snaplen = 96},
		{.name = "w\xc3\xa9"
			 "b", /* UTF-8 */
		 .snaplen = 262144},
	};
	struct filter_pcapng_packet packet = {.data = pkt.bytes, .interface = 1};
	const struct filter_pcapng_stats stats = {.interface = 1,
						  .start_ns = 1700000000000000000u,
						  .now_ns = 1700000001500000000u,
						  .received = 1000,
						  .dropped = 30,
						  .accepted = 500,
						  .os_dropped = 20,
						  .delivered = 470};
	size_t at = filter_pcapng_section(buf, size, &section);

	for (unsigned i = 0; i < 2; i++)
		at += filter_pcapng_interface(buf + at, size - at, &ifaces[i]);
	for (unsigned i = 0; i < n; i++) {
		make_packet(i);
		packet.time_ns = 1700000000123456789u + i;
		packet.cap_len = packet.pkt_len = pkt.size;
		packet.flags = FILTER_PCAPNG_OUTBOUND | FILTER_PCAPNG_UNICAST;
		at += filter_pcapng_packet(buf + at, size - at, &packet);
	}
	make_packet(100);
	packet.interface = 0;
	packet.cap_len = 45; /* Cut. */
	packet.pkt_len = pkt.size;
	packet.flags = FILTER_PCAPNG_INBOUND | FILTER_PCAPNG_BROADCAST;
	packet.comment = "drop: tenant: the destination belongs to another tenant";
	packet.verdict = "tenant";
	at += filter_pcapng_packet(buf + at, size - at, &packet);
	at += filter_pcapng_stats(buf + at, size - at, &stats);
	return at;
}

static void save(const uint8_t *buf, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(buf, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static void tshark_reads_every_field_back(void **state)
{
	static uint8_t buf[65536];

	save(buf, make_file(buf, sizeof(buf), 5));
	expect(tshark(path, "-T fields -e frame.time_epoch -e frame.cap_len -e frame.len -e "
			    "frame.interface_name "
			    "-e frame.interface_description -e frame.packet_flags_direction "
			    "-e frame.packet_flags_reception_type -e frame.comment -e udp.dstport"),
	       "1700000000.123456789\t42\t42\tw\xc3\xa9"
	       "b\t\t0x00000002\t1\t\t2000\n"
	       "1700000000.123456790\t43\t43\tw\xc3\xa9"
	       "b\t\t0x00000002\t1\t\t2000\n"
	       "1700000000.123456791\t44\t44\tw\xc3\xa9"
	       "b\t\t0x00000002\t1\t\t2000\n"
	       "1700000000.123456792\t45\t45\tw\xc3\xa9"
	       "b\t\t0x00000002\t1\t\t2000\n"
	       "1700000000.123456793\t46\t46\tw\xc3\xa9"
	       "b\t\t0x00000002\t1\t\t2000\n"
	       "1700000000.123456793\t45\t142\tp1\tlan0, tenant blue, tap\t0x00000001\t3\t"
	       "drop: tenant: the destination belongs to another tenant\t2000\n");
}

static void verdict_of_a_drop_is_its_slug(void **state)
{
	static uint8_t buf[65536];
	char digits[13] = "";
	unsigned n = 0;

	save(buf, make_file(buf, sizeof(buf), 0));
	for (const char *p = tshark(path, "-T fields -e frame.verdict.hw"); *p != '\0' && n < 12;
	     p++)
		if (*p != ' ' && *p != '\n') /* Versions differ in these. */
			digits[n++] = *p;
	assert_string_equal(digits, "74656e616e74");
}

static void capinfos_reads_section_interfaces_and_statistics(void **state)
{
	static uint8_t buf[65536];
	char command[200];
	const char *out;
	static const char *const wanted[] = {
		"Capture hardware:    a machine",
		"Capture oper-sys:    Linux 6.1",
		"Capture application: vswitch 0.1",
		"Number of interfaces in file: 2",
		"Name = p1",
		"Description = lan0, tenant blue, tap",
		"Capture length = 96",
		"Time precision = nanoseconds (9)",
		"Filter string = tcp port 80",
		"Number of packets:   4",
		"Number of stat entries = 1",
		"Strict time order:   True",
	};

	if (system("command -v capinfos >/dev/null 2>&1") != 0) {
		fprintf(stderr, "skipped: capinfos is not installed\n");
		skip();
	}
	save(buf, make_file(buf, sizeof(buf), 3));
	snprintf(command, sizeof(command), "capinfos %s 2>&1", path);
	out = shell(NULL, command);
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strstr(out, wanted[i]) == NULL)
			fail_msg("'%s' is not in:\n%s", wanted[i], out);
}

static void buffer_that_is_too_small_gets_no_block_and_is_not_overrun(void **state)
{
	const struct filter_pcapng_interface iface = {.name = "name",
						      .description = "text",
						      .filter = "tcp"};
	const struct filter_pcapng_stats stats = {.received = 1};
	const struct filter_pcapng_packet packet = {.data = pkt.bytes,
						    .cap_len = 61,
						    .pkt_len = 61,
						    .flags = 1,
						    .comment = "c",
						    .verdict = "v"};

	for (unsigned kind = 0; kind < 4; kind++) {
		size_t need = 0;

		for (size_t size = 0; size < 400; size++) {
			uint8_t *buf = malloc(size + (size == 0));
			size_t n = kind == 0   ? filter_pcapng_section(buf, size, &section)
				   : kind == 1 ? filter_pcapng_interface(buf, size, &iface)
				   : kind == 2 ? filter_pcapng_packet(buf, size, &packet)
					       : filter_pcapng_stats(buf, size, &stats);

			if (need == 0)
				need = n;
			assert_int_equal(n, size < need || need == 0 ? 0 : need);
			assert_int_equal(n % 4, 0);
			if (n != 0 && n == size)
				assert_int_equal(pkt_get32(buf, 0) != 0, 1);
			free(buf);
		}
		assert_int_not_equal(need, 0);
		if (kind == 3)
			assert_int_equal(need, FILTER_PCAPNG_STATS_SIZE);
	}
}

static void longest_texts_fit_the_promised_block_size(void **state)
{
	static char text[2000];
	static uint8_t buf[FILTER_PCAPNG_BLOCK_MAX];
	struct filter_pcapng_section s = {text, text, text};
	struct filter_pcapng_interface iface = {text, text, text, 1};
	struct filter_pcapng_packet packet = {.data = NULL,
					      .flags = 1,
					      .comment = text,
					      .verdict = text};

	memset(text, 'x', sizeof(text) - 1);
	assert_int_not_equal(filter_pcapng_section(buf, sizeof(buf), &s), 0);
	assert_int_not_equal(filter_pcapng_interface(buf, sizeof(buf), &iface), 0);
	assert_int_not_equal(filter_pcapng_packet(buf, sizeof(buf), &packet), 0);
}

static void data_that_is_in_place_already_stays(void **state)
{
	uint8_t a[300], b[300];
	struct filter_pcapng_packet packet = {.cap_len = 50, .pkt_len = 50};

	make_packet(8);
	memcpy(a + FILTER_PCAPNG_DATA, pkt.bytes, 50);
	packet.data = a + FILTER_PCAPNG_DATA;
	assert_int_equal(filter_pcapng_packet(a, sizeof(a), &packet), 88);
	packet.data = pkt.bytes;
	assert_int_equal(filter_pcapng_packet(b, sizeof(b), &packet), 88);
	assert_memory_equal(a, b, 88);
}

static void walk_ends_at_the_last_whole_block(void **state)
{
	static uint8_t buf[65536];
	size_t size = make_file(buf, sizeof(buf), 5), last = 0;
	uint64_t packets;

	for (size_t cut = 0; cut <= size; cut++) {
		size_t whole = filter_pcapng_whole_blocks(buf, cut, &packets);

		assert_true(whole <= cut && whole >= last);
		assert_true(whole == last ||
			    whole == cut); /* It grows just when a block is complete. */
		last = whole;
	}
	assert_int_equal(last, size);
	assert_int_equal(packets, 6);
}

static int remove_file(void **state)
{
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tshark_reads_every_field_back),
		cmocka_unit_test(verdict_of_a_drop_is_its_slug),
		cmocka_unit_test(capinfos_reads_section_interfaces_and_statistics),
		cmocka_unit_test(buffer_that_is_too_small_gets_no_block_and_is_not_overrun),
		cmocka_unit_test(longest_texts_fit_the_promised_block_size),
		cmocka_unit_test(data_that_is_in_place_already_stays),
		cmocka_unit_test(walk_ends_at_the_last_whole_block),
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, remove_file);
}
