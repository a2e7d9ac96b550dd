/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes what a guest can say to its hypervisor without VMBus: hypercalls, the SynIC's MSRs, its
 * pages, a crash text.  Memory is four pages; what is done beside it, ASan sees.
 *
 * Input: records of 26 bytes: what to do, a register's number, three words.
 */
#include "hv/crash.h"
#include "hv/device.h"
#include "hv/gpa.h"
#include "hv/hypercall.h"
#include "hv/mail.h"
#include "hv/synic.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "tests/fuzz/fuzz.h"

#define RECORD	    26
#define PAGES	    4
#define MEMORY_SIZE (PAGES * (size_t)GPA_PAGE_SIZE)

static void check_call(const struct gpa_map *memory, const uint64_t words[3])
{
	struct hv_hypercall call;
	struct hv_retarget retarget;
	struct hv_mail mail;
	uint32_t id;

	if (hv_hypercall_decode(words[0], words[1], words[2], &call) != HV_STATUS_SUCCESS)
		return;
	if (hv_hypercall_message(&call, memory, &mail) == HV_STATUS_SUCCESS &&
	    (mail.message.size > HV_MESSAGE_MAX ||
	     (mail.message.connection_id != 1 && mail.message.connection_id != 4)))
		abort();
	if (hv_hypercall_signal(&call, memory, &id) == HV_STATUS_SUCCESS && id > 0xffffff)
		abort();
	if (hv_hypercall_retarget(&call, memory, &retarget) == HV_STATUS_SUCCESS &&
	    retarget.vp >= 64 * 64)
		abort();
}

static void check_crash(const struct gpa_map *memory, const uint64_t words[3])
{
	char text[128];

	hv_crash_text(memory, words[0], words[1], text, sizeof(text));
	for (const char *c = text; *c != '\0'; c++)
		if ((*c < ' ' && *c != '\n' && *c != '\t') || *c > '~')
			abort();
}

static void check_synic(struct hv_synic *synic, const struct gpa_map *memory, uint8_t what,
			uint8_t msr, const uint64_t words[3])
{
	static const uint8_t message[HV_MESSAGE_MAX + 1];
	uint64_t gpa;

	switch (what % 6) {
	case 0:
		(void)hv_synic_write(synic, memory, HV_MSR_SCONTROL + msr % 40, words[0]);
		break;
	case 1:
		hv_synic_set(synic, words[0], words[1], words[2]);
		break;
	case 2:
		(void)hv_synic_post(synic, memory, message, words[0] % (sizeof(message) + 1));
		break;
	case 3:
		(void)hv_synic_signal(synic, memory, (unsigned)words[0]);
		break;
	case 4:
		if (hv_synic_flags(synic, memory, &gpa) == 0 &&
		    gpa_at(memory, gpa, HV_SLOT_SIZE) == NULL)
			abort();
		(void)hv_synic_stands(synic, memory);
		break;
	default:
		(void)hv_synic_wake(synic);
		(void)hv_synic_read(synic, HV_MSR_SCONTROL + msr % 40, &gpa);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = aligned_alloc(GPA_PAGE_SIZE, MEMORY_SIZE);
	struct gpa_map memory = {.n = 1, .range[0] = {.size = MEMORY_SIZE, .va = bytes}};
	struct rd rd = rd_init(data, size);
	struct hv_synic synic;

	if (bytes == NULL)
		return 0;
	memset(bytes, 0, MEMORY_SIZE);
	hv_synic_init(&synic, -1);
	while (rd.left >= RECORD) {
		uint8_t what = rd_u8(&rd), msr = rd_u8(&rd);
		uint64_t words[3] = {rd_le64(&rd), rd_le64(&rd), rd_le64(&rd)};

		if (what < 64)
			memcpy(bytes + words[0] % (MEMORY_SIZE / 8 - 1) * 8, &words[1], 16);
		else if (what < 128)
			check_call(&memory, words);
		else if (what < 144)
			check_crash(&memory, words);
		else
			check_synic(&synic, &memory, what, msr, words);
	}
	free(bytes);
	return 0;
}
