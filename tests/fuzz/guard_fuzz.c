/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the slow way of guards with frames, one after the other, at two guarded ports and a
 * trusted one, whose bindings they make.
 *
 * Input: frames, each behind a byte that says at which port, a byte that says how much of it is
 * contiguous (0: all), and two bytes of its size.
 */
#include "dataplane/guard_slow.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define N_PORTS 3

static struct dp_guard guards[N_PORTS];
static struct dp_guard_state states[N_PORTS];
static uint64_t macs[N_PORTS][1];
static struct dp_guard_address addresses[N_PORTS];

static const struct dp_guard *guard_of(void *arg, uint16_t port)
{
	return port < N_PORTS ? &guards[port] : NULL;
}

static uint16_t port_of(void *arg, uint32_t where, const uint8_t mac[6])
{
	return mac[5];
}

static void set_up(struct dp_guard_book *book)
{
	memset(states, 0, sizeof(states));
	for (uint16_t i = 0; i < N_PORTS; i++) {
		memcpy(macs[i], (const uint8_t[]){2, 0, 0, 0, 0, (uint8_t)i}, 6);
		addresses[i] = (struct dp_guard_address){.ip = {.b = {10, 0, 0, (uint8_t)i}},
							 .prefix = 32};
		guards[i] =
			(struct dp_guard){.on = i == 2 ? DP_GUARD_TRUSTED | DP_GUARD_ANSWER
						       : DP_GUARD_MAC | DP_GUARD_IP |
								 DP_GUARD_DHCP | DP_GUARD_ROUTER |
								 DP_GUARD_ARP | DP_GUARD_BPDU |
								 DP_GUARD_LEARN_DHCP |
								 DP_GUARD_LEARN_ND |
								 DP_GUARD_ANSWER,
					  .port = i,
					  .max_learned = 4,
					  .n_macs = 1,
					  .macs = macs[i],
					  .n_prefixes = 1,
					  .prefixes = &addresses[i],
					  .state = &states[i],
					  .book = book};
	}
}

static void check(const uint8_t *frame, uint32_t size, uint32_t frame_size, uint8_t port,
		  uint64_t now)
{
	static const struct dp_guard_around around = {guard_of, port_of, NULL};
	uint8_t *exact = malloc(size != 0 ? size : 1);
	struct dp_guard_verdict v;
	struct dp_headers h;
	const struct dp_guard_frame f = {.g = &guards[port],
					 .around = &around,
					 .d = exact,
					 .size = size,
					 .h = &h,
					 .now_tsc = now << 20,
					 .now_ms = now};

	memcpy(exact, frame, size);
	dp_parse_head(exact, size, frame_size, &h);
	dp_guard_judge(&f, &v);
	if ((unsigned)v.rule > DP_N_GUARD_RULES)
		abort();
	/* Who was checked is who it is. */
	if (v.checked && v.rule == DP_N_GUARD_RULES && port != 2 &&
	    memcmp(exact + 6, macs[port], 6) != 0)
		abort();
	free(exact);
}

static void count_port(void *arg, const struct dp_guard_binding *b)
{
	unsigned *n = arg;

	if (b->port >= N_PORTS || ++n[b->port] > 4 + DP_GUARD_MAX_LINK_LOCAL)
		abort();
}

static void clean_up(struct dp_guard_book *book)
{
	unsigned n[N_PORTS] = {0};

	dp_guard_book_each(book, DP_GUARD_ALL_PORTS, count_port, n);
	for (uint16_t i = 0; i < N_PORTS; i++)
		dp_guard_book_port_gone(book, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dp_guard_book *book;
	static uint64_t version;
	uint64_t now = 1000;

	if (book == NULL)
		book = dp_guard_book_create();
	set_up(book);
	while (size >= 4) {
		uint32_t frame_size = (uint32_t)(data[2] << 8 | data[3]) % 2048, cut;

		if (frame_size > size - 4)
			frame_size = (uint32_t)(size - 4);
		cut = data[1] == 0 ? frame_size : frame_size * data[1] / 256;
		check(data + 4, cut, frame_size, data[0] % N_PORTS, now);
		now += data[0];
		data += 4 + frame_size;
		size -= 4 + frame_size;
	}
	/* To go through all of the book takes longer than all else. */
	if (dp_guard_book_version(book) != version)
		clean_up(book);
	version = dp_guard_book_version(book);
	return 0;
}
