/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes LACP with partners that say anything, at any time, on three links.  Input: steps; the low
 * two bits of a step's first byte say what it is, the next two which link:
 *
 * 	0  a frame: a byte with its size, then the frame, with the headers of LACP put in
 * 	1  the same, as it is
 * 	2  time passes: a byte, in tenths of a second
 * 	3  the link goes or comes: a byte with its speed, 0: none
 *
 * Whatever they say: who distributes has a partner that is not this system and is in sync, links
 * that are used together have one partner, and nobody is sent more than three PDUs a second.
 */
#include "vswitch/lacp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define N 3

struct rig {
	struct lacp_port ports[N], *all[N];
	uint64_t now, second;
	unsigned sent[N];
};

static void check(const struct rig *r)
{
	const struct lacp_port *first = NULL;

	for (unsigned i = 0; i < N; i++) {
		const struct lacp_port *p = &r->ports[i];

		if (lacp_reason(p) == NULL)
			abort();
		if (p->mux != LACP_MUX_DISTRIBUTING)
			continue;
		if ((p->partner.state & LACP_SYNC) == 0 || !p->selected ||
		    memcmp(p->partner.system, p->actor.system, 6) == 0)
			abort();
		if (first != NULL && (memcmp(p->partner.system, first->partner.system, 6) != 0 ||
				      p->partner.key != first->partner.key))
			abort();
		first = p;
	}
}

static void step(struct rig *r)
{
	struct lacp_pdu pdu;

	lacp_select(r->all, N);
	for (unsigned i = 0; i < N; i++) {
		lacp_port_run(&r->ports[i], r->now);
		r->sent[i] += lacp_port_tx(&r->ports[i], r->now, &pdu);
		/* Two windows of three may touch the same second. */
		if (r->sent[i] > 6)
			abort();
	}
	check(r);
}

static void pass(struct rig *r, unsigned tenths)
{
	for (unsigned t = 0; t < tenths; t++) {
		r->now += 100;
		if (r->now - r->second >= 1000) {
			r->second = r->now;
			memset(r->sent, 0, sizeof(r->sent));
		}
		step(r);
	}
}

static void hear(struct rig *r, unsigned i, const uint8_t *data, size_t size, bool dressed)
{
	static const uint8_t mac[6] = {2};
	uint8_t *exact = malloc(size != 0 ? size : 1);
	uint8_t answer[LACP_FRAME_SIZE], again[LACP_FRAME_SIZE];
	struct lacp_pdu pdu;

	memcpy(exact, data, size);
	if (dressed && size > 38) {
		static const uint8_t head[] = {0x88, 0x09, 1, 1, 1, 20};

		memcpy(exact + 12, head, sizeof(head));
		exact[36] = 2;
		exact[37] = 20;
	}
	if (lacp_marker_answer(exact, size, mac, answer) == 0 &&
	    (lacp_marker_answer(answer, sizeof(answer), mac, again) != -EPROTONOSUPPORT ||
	     lacp_parse(exact, size, &pdu) == 0))
		abort(); /* Two would answer each other for ever; or it is both. */
	if (lacp_parse(exact, size, &pdu) == 0)
		lacp_port_rx(&r->ports[i], &pdu, r->now);
	free(exact);
	step(r);
}

static void begin(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->now = r->second = 1000;
	for (unsigned i = 0; i < N; i++) {
		struct lacp_info actor = {.port = (uint16_t)(i + 1),
					  .system = {2, 0, 0, 0, 0, 1},
					  .state = LACP_ACTIVE | LACP_FAST};

		lacp_port_init(&r->ports[i], &actor);
		lacp_port_link(&r->ports[i], true, 10000, r->now);
		r->all[i] = &r->ports[i];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig r;

	begin(&r);
	for (size_t at = 0; at + 2 <= size;) {
		unsigned what = data[at] & 3, link = (data[at] >> 2 & 3) % N, n = data[at + 1];

		at += 2;
		if (what == 2) {
			pass(&r, n);
		} else if (what == 3) {
			lacp_port_link(&r.ports[link], n != 0, n * 1000, r.now);
			step(&r);
		} else {
			n = size - at < n ? (unsigned)(size - at) : n;
			hear(&r, link, data + at, n, what == 0);
			at += n;
		}
	}
	return 0;
}
