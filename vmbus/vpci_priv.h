/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of a PCI bus share:
 *
 * 	vpci.c         life, messages
 * 	vpci_config.c  the configuration space that the guest sees, BARs
 * 	vpci_msix.c    cookies, the MSI-X table, where interrupts go
 */
#ifndef VMBUS_VPCI_PRIV_H
#define VMBUS_VPCI_PRIV_H

#include "vmbus/vpci.h"

struct vmbus_local;

/* A cookie, and where it leads. */
struct vpci_interrupt {
	bool used;
	uint16_t serial;
	uint32_t vector, vp;
};

struct vpci_entry {
	uint32_t address, upper, data, control;
};
#define VPCI_ENTRY_SIZE	  16u
#define VPCI_ENTRY_MASKED 1u

struct vpci_msix {
	uint32_t cap; /* where its capability is; 0: the function has none */
	unsigned n;   /* entries */
	uint8_t table_bar, pba_bar;
	uint32_t table_offset, pba_offset;
	uint16_t control; /* enable, mask all */
	struct vpci_entry *entries;
	struct vpci_interrupt interrupts[VPCI_MAX_INTERRUPTS];
	uint32_t n_interrupts, next; /* where to look for a free one */
};

struct vpci_config {
	uint16_t command;
	uint32_t bars[VPCI_N_BARS]; /* as the guest wrote them, without the type */
	bool decoding;
	/* By each dword: which bits are read from the function, and which are written to it. */
	uint32_t shown[VPCI_CONFIG_SIZE / 4], writable[VPCI_CONFIG_SIZE / 4];
	/* Bytes that are ours where 'shown' is 0. */
	uint8_t fixed[VPCI_CONFIG_SIZE];
	uint32_t express; /* where that capability is; 0: none */
};

struct vpci_reply {
	uint64_t transaction;
	uint16_t type; /* enum vmbus_packet_type */
	uint16_t size;
	uint8_t bytes[VPCI_REPLY_MAX];
};
#define VPCI_MAX_REPLIES 64u

struct vpci {
	struct vpci_opts opts;
	struct vmbus_local *local;
	struct vpci_info info; /* but for what vpci_info() counts */
	uint32_t slot;	       /* selected by the window */
	bool told_ejected;
	struct vpci_config config;
	struct vpci_msix msix;
	/* What waits for room on the ring, oldest first. */
	struct vpci_reply replies[VPCI_MAX_REPLIES];
	unsigned first_reply, n_replies;
};

void vpci_count(struct vpci *v, enum vpci_fault fault);

/* vpci_config.c.  Reads the function's capabilities; -EINVAL: see vpci_create(). */
int vpci_config_init(struct vpci *v);
/* As after power on: nothing is decoded. */
void vpci_config_reset(struct vpci *v);
/* What BARs show when all ones are written to them. */
void vpci_config_masks(const struct vpci *v, uint32_t ret_bars[VPCI_N_BARS]);
/* The guest says where BARs are, instead of writing them. */
void vpci_config_assign(struct vpci *v, const struct vpci_memory bars[VPCI_N_BARS]);

/* vpci_msix.c.  'cap': where the capability is.  -EINVAL, -ENOMEM. */
int vpci_msix_init(struct vpci *v, uint32_t cap);
void vpci_msix_fini(struct vpci *v);
/* No cookies, an empty table, everything masked. */
void vpci_msix_reset(struct vpci *v);
void vpci_msix_control(struct vpci *v, uint16_t control);
/* A status (VPCI_OK ..) and, if it is that, the cookie. */
uint32_t vpci_msix_create(struct vpci *v, const struct vpci_target *target,
			  struct vpci_cookie *ret_cookie);
bool vpci_msix_delete(struct vpci *v, const struct vpci_cookie *cookie);

#endif
