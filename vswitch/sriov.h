/* SPDX-License-Identifier: BSD-2-Clause
 *
 * NICs of VMs whose frames may go by a VF: 'nic set VM/NIC --sriov on'.
 *
 * 	sriov_carry.c  may they: what the switch does for a NIC and a VF cannot; what a VF shall
 * 	               enforce
 * 	sriov_nic.c    each NIC's way: facts for the state machine (sriov/failover.h), and what it
 * 	               asks for
 * 	sriov_fault.c  what an IOMMU stopped of their VFs
 * 	sriov_show.c   what people are shown
 *
 * While frames go by the VF the switch has the NIC's address at the uplink: whoever sends to it
 * sends to the adapter, whose own switch brings it to the VF.  On the way back the address is at
 * the NIC first, then the guest is told, then the VF is taken out of the VM.
 *
 * Control thread.
 */
#ifndef VSWITCH_SRIOV_H
#define VSWITCH_SRIOV_H

#include "sriov/vf_conf.h"

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct dp_fdb_entry;
struct sriov_pool_ops;
struct vs;
struct vs_model;
struct vs_port;

/* VFs come from there ('pool' is passed to ops->take()) until the next call; NULL: there are none.
 * VFs of the pool before are released. */
void vs_sriov_use(struct vs *vs, const struct sriov_pool_ops *ops, void *pool);

/* The switch stops, VMs go on: with the VFs that they have. */
void vs_sriov_let_go(struct vs *vs);

/* What a NIC would have of a VF. */
struct vs_sriov_want {
	const struct vs_port *uplink;
	const char *pf; /* the uplink's device: an interface, or an address on PCI */
	uint16_t vlan;	/* in the switch */
	struct sriov_vf_conf conf;
};
/* Can a VF do all that 'm' does for this NIC?  False: 'why' says what it cannot. */
bool vs_sriov_carries(const struct vs *vs, const struct vs_model *m, const struct vs_port *p,
		      struct vs_sriov_want *ret_want, char *why, size_t size);

/* Of a NIC with sriov on: {"state", "reason", "why", "vf", ..}; NULL: it is off, and no VF is left.
 * New reference. */
json_t *vs_sriov_row(const struct vs *vs, const char *port);
/* What the switch does not see of a frame that 'port' sends to 'dst', for it goes by a VF: "frames
 * of vm1/lan0 go by VF 3 of enp3s0: only its own switch sees them".  Empty: it sees all of it. */
void vs_sriov_note(const struct vs *vs, const char *port, const uint8_t dst[6], char *note,
		   size_t size);
/* Is the address of 'entry' at the uplink of that NIC, for its frames go by a VF? */
bool vs_sriov_has_mac(const struct vs *vs, const char *port, const struct dp_fdb_entry *entry);
/* A VM's process says what became of a NIC's VF: "gone", and so on. */
void vs_sriov_told(struct vs *vs, const char *vm, const char *nic, const char *state,
		   const char *why);

#endif
