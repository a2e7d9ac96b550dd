/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that says anything of its memory: records of an operation, a count, and so many bytes. No
 * page outside of memory is given back to the host, and none twice without having been returned.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "hv/gpa.h"
#include "tests/support/ic_rig.h"
#include "vmbus/balloon.h"

#define MB	 (1ull << 20)
#define PAGES	 1024u /* 2 MB from 0, 2 MB from 4 GB */
#define HIGH_GPA (1ull << 32)

enum op { OP_RAW, OP_TICK, OP_TARGET, OP_REOPEN, OP_START, N_OPS };

struct run {
	struct ic_rig rig;
	struct ic_guest guest;
	struct gpa_map memory;
	struct balloon *balloon;
	bool given[PAGES];
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static unsigned page_of(uint64_t gpa)
{
	require(gpa % 4096 == 0 && (gpa < 2 * MB || (gpa >= HIGH_GPA && gpa < HIGH_GPA + 2 * MB)));
	return (unsigned)((gpa < 2 * MB ? gpa : gpa - HIGH_GPA + 2 * MB) / 4096);
}

static int discard(void *ctx, uint64_t gpa, uint64_t size)
{
	struct run *r = ctx;

	require(size != 0);
	for (uint64_t i = 0; i < size; i += 4096) {
		unsigned page = page_of(gpa + i);

		require(!r->given[page]);
		r->given[page] = true;
	}
	return 0;
}

/* Pages that the host returns are the guest's again. */
static void take(struct run *r)
{
	uint64_t words[1024];

	if (!ic_guest_take(&r->guest) || r->guest.size > sizeof(words))
		return;
	memcpy(words, r->guest.bytes, r->guest.size);
	if ((words[0] & 0xffff) != 8) /* unballoon */
		return;
	for (unsigned i = 0; i < words[1] >> 32; i++) {
		uint64_t pfn = words[2 + i] & ((1ull << 40) - 1), n = words[2 + i] >> 40;

		for (uint64_t k = 0; k < n; k++) {
			require(r->given[page_of((pfn + k) * 4096)]);
			r->given[page_of((pfn + k) * 4096)] = false;
		}
	}
}

/* As far as a guest that behaves gets. */
static void begin(struct run *r)
{
	const uint32_t version[] = {1 | 16u << 16, 0, 0x20000, 0};
	const uint32_t caps[] = {3 | 32u << 16, 0, 1, 0, 0, 0, 0, 0};

	ic_guest_send(&r->guest, VMBUS_PKT_INBAND, 0, version, sizeof(version));
	ic_guest_send(&r->guest, VMBUS_PKT_INBAND, 0, caps, sizeof(caps));
}

static void take_all(struct run *r)
{
	while (vmbus_in_begin(&r->guest.channel->in) != 0)
		take(r);
}

static void reopen(struct run *r)
{
	ic_guest_close(&r->guest);
	memset(r->given, 0, sizeof(r->given));
	ic_guest_open(&r->guest, &r->rig, &ic_guest_balloon, 0);
}

static void step(struct run *r, enum op op, const uint8_t *bytes, size_t size)
{
	switch (op) {
	case OP_RAW:
		ic_guest_send(&r->guest, VMBUS_PKT_INBAND, 0, bytes, size);
		break;
	case OP_TICK:
		balloon_tick(r->balloon, r->rig.now_ns += (size > 0 ? bytes[0] : 1) * IC_RIG_S);
		break;
	case OP_TARGET:
		balloon_set_target(r->balloon, (size > 0 ? bytes[0] : 0) * MB / 16);
		break;
	case OP_REOPEN:
		reopen(r);
		break;
	case OP_START:
		begin(r);
		break;
	case N_OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run *r = calloc(1, sizeof(*r));
	struct balloon_opts opts = {.discard = discard, .ctx = r};
	struct balloon_info info;
	uint64_t given = 0;

	require(r != NULL);
	r->memory = (struct gpa_map){.n = 2,
				     .range = {{.gpa = 0, .size = 2 * MB},
					       {.gpa = HIGH_GPA, .size = 2 * MB}}};
	opts.memory = &r->memory;
	ic_rig_init(&r->rig);
	require(balloon_create(&r->rig.env, &opts, &r->balloon) == 0);
	ic_rig_connect(&r->rig);
	ic_guest_open(&r->guest, &r->rig, &ic_guest_balloon, 0);
	for (size_t at = 0, n; at + 2 <= size; at += n) {
		enum op op = data[at] % N_OPS;

		n = data[at + 1];
		at += 2;
		n = n < size - at ? n : size - at;
		step(r, op, data + at, n);
		take_all(r);
	}
	for (unsigned i = 0; i < PAGES; i++)
		given += r->given[i];
	balloon_info(r->balloon, &info);
	require(info.ballooned == given * 4096);
	ic_guest_close(&r->guest);
	ic_rig_unload(&r->rig);
	balloon_destroy(r->balloon);
	ic_rig_fini(&r->rig);
	free(r);
	return 0;
}
