/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that says anything to its PCI bus, and writes anything anywhere in its window and BARs:
 * records of an operation, a count, and so many bytes.  The rig's function checks that it is asked
 * for nothing that is not there, and that interrupts go to processors that there are.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/vpci_rig.h"

enum op {
	OP_RAW,
	OP_ASK,
	OP_START,
	OP_REOPEN,
	OP_EJECT,
	OP_CONFIG,
	OP_WINDOW,
	OP_TABLE,
	OP_BAR,
	N_OPS
};

/* Where, how many bytes, what. */
struct access {
	uint16_t offset;
	uint8_t size, bar;
	uint64_t value;
};

static struct access access_of(const uint8_t *bytes, size_t n)
{
	struct access a = {.size = 4};

	memcpy(&a, bytes, n < sizeof(a) ? n : sizeof(a));
	a.size = (uint8_t)(a.size % 9);
	return a;
}

static void read_all(struct vpci_rig *rig)
{
	while (rig->open && ic_guest_take(&rig->guest))
		;
}

static void step(struct vpci_rig *rig, enum op op, const uint8_t *bytes, size_t size)
{
	struct access a = access_of(bytes, size);

	switch (op) {
	case OP_RAW:
	case OP_ASK:
		vpci_rig_send(rig, bytes, size, op == OP_ASK);
		break;
	case OP_START:
		vpci_rig_close(rig);
		vpci_rig_open(rig);
		vpci_rig_start(rig, VPCI_V1_1 + (size > 0 ? bytes[0] % 4 : 3));
		break;
	case OP_REOPEN:
		vpci_rig_close(rig);
		vpci_rig_open(rig);
		break;
	case OP_EJECT:
		vpci_eject(rig->vpci);
		break;
	case OP_CONFIG:
		vpci_window_write(rig->vpci, 4096u + a.offset % 256, a.size, a.value);
		(void)vpci_window_read(rig->vpci, 4096u + a.offset % 256, a.size);
		break;
	case OP_WINDOW:
		vpci_window_write(rig->vpci, a.offset, a.size, a.value);
		(void)vpci_window_read(rig->vpci, a.offset, a.size);
		break;
	case OP_TABLE:
		vpci_bar_write(rig->vpci, 4, a.offset % 256, a.size, a.value);
		(void)vpci_bar_read(rig->vpci, 4, a.offset % 256, a.size);
		break;
	case OP_BAR:
		vpci_bar_write(rig->vpci, a.bar, a.offset, a.size, a.value);
		(void)vpci_bar_read(rig->vpci, a.bar, a.offset, a.size);
		break;
	case N_OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vpci_rig *rig = malloc(sizeof(*rig));

	if (rig == NULL)
		abort();
	vpci_rig_init(rig);
	vpci_rig_open(rig);
	for (size_t at = 0, n; at + 2 <= size; at += n) {
		enum op op = data[at] % N_OPS;

		n = data[at + 1];
		at += 2;
		n = n < size - at ? n : size - at;
		/* An ejected function never comes back: its relations say so, Linux stops there. */
		if (op != OP_START || !rig->ejected)
			step(rig, op, data + at, n);
		read_all(rig);
	}
	vpci_rig_fini(rig);
	free(rig);
	return 0;
}
