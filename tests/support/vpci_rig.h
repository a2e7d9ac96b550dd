/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A PCI bus on VMBus, the function behind it, and a guest that speaks to it as Linux' pci-hyperv
 * does.  The function is a model of a network VF: BAR 0 of 16 KB, BAR 4 of 64 KB with the MSI-X
 * table and its pending bits, both of 64 bits; a list of capabilities with more in it than guests
 * may see.
 *
 * Tests fail in it, not return.
 */
#ifndef TESTS_SUPPORT_VPCI_RIG_H
#define TESTS_SUPPORT_VPCI_RIG_H

#include "tests/support/ic_rig.h"
#include "vmbus/vpci.h"

#define VPCI_RIG_VECTORS 10u
#define VPCI_RIG_VPS	 4u
#define VPCI_RIG_PM	 0x40u
#define VPCI_RIG_MSI	 0x50u
#define VPCI_RIG_MSIX	 0x70u
#define VPCI_RIG_EXPRESS 0xa0u
#define VPCI_RIG_TABLE	 0x0u
#define VPCI_RIG_PBA	 0x2000u
#define VPCI_RIG_WINDOW	 0xf8000000ull

/* What the backend was told. */
struct vpci_rig_route {
	uint32_t vp, vector;
	unsigned n;
};

struct vpci_rig {
	struct ic_rig bus;
	struct ic_guest guest;
	bool open;
	struct vpci *vpci;
	/* The function. */
	uint8_t config[VPCI_CONFIG_SIZE];
	unsigned n_config_writes;
	uint64_t mapped[VPCI_N_BARS], window;
	bool master, ejected;
	unsigned n_resets;
	struct vpci_rig_route routes[VPCI_RIG_VECTORS];
	uint32_t pending; /* bits */
	uint64_t bar_written;
	int map_rc, window_rc;
	const struct vpci_backend_ops *backend; /* its calls; their context is the rig */
};

/* The function and its bus; a guest is connected, the channel not open. */
void vpci_rig_init(struct vpci_rig *rig);
void vpci_rig_fini(struct vpci_rig *rig);
void vpci_rig_open(struct vpci_rig *rig);
void vpci_rig_close(struct vpci_rig *rig);

/* Sends a message; 'answer': a completion is asked for. */
void vpci_rig_send(struct vpci_rig *rig, const void *bytes, size_t size, bool answer);
/* The same, and takes the completion, which must come, into rig->guest.bytes; its status. */
uint32_t vpci_rig_ask(struct vpci_rig *rig, const void *bytes, size_t size);
/* A word of the last packet taken. */
uint32_t vpci_rig_word(const struct vpci_rig *rig, unsigned offset);

/* As Linux: agrees on that version, asks for relations, requirements, enters D0, says that
 * resources are assigned. */
void vpci_rig_start(struct vpci_rig *rig, uint32_t version);
/* Asks for an interrupt as that version does. */
uint32_t vpci_rig_create(struct vpci_rig *rig, uint32_t version, uint32_t vector, uint16_t vp,
			 struct vpci_cookie *ret_cookie);
/* Places BAR 0 at 'gpa', BAR 4 64 KB above, through the window, and turns decoding on. */
void vpci_rig_place(struct vpci_rig *rig, uint64_t gpa);
/* The function's configuration space, as the guest sees it. */
uint32_t vpci_rig_config(struct vpci_rig *rig, uint32_t offset, unsigned size);
void vpci_rig_config_set(struct vpci_rig *rig, uint32_t offset, unsigned size, uint32_t value);

#endif
