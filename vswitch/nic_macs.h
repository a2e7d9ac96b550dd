/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses of synthetic NICs on switches with an uplink: while its guest is up, a NIC's address is
 * at the NIC, and is learned nowhere else.  A card with VFs hands its PF's own broadcasts back, a
 * neighbour's switch may loop them, and somebody out there may lie: a NIC would lose its answers to
 * the wire.
 *
 * Not so where the configuration says that another port sends from the address, too (a guest that
 * teams its NICs), nor for one that a guest chose itself and no guard allows: that is learned.
 *
 * Control thread.
 */
#ifndef VSWITCH_NIC_MACS_H
#define VSWITCH_NIC_MACS_H

#include <stdbool.h>

struct dp_fdb_entry;
struct dp_port;
struct vs;
struct vs_model;
struct vs_port;

/* Is the address of 'entry', in its domain and VLAN, kept at a NIC by us?  Whoever moved it away
 * meanwhile leaves it at the NIC's port then. */
bool vs_nic_macs_keep(const struct vs *vs, const struct dp_fdb_entry *entry);

/* May a port with guard mac send from 'mac', beside its own address? */
bool vs_nic_mac_allowed(const struct vs_model *m, const struct vs_port *p, const void *mac);

#endif
