/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The address of a tap or host port that was not given one: made from the host's identity and the
 * names of switch and port.  The same at every start, so that neighbours' caches, DHCP leases and
 * addresses made from it stay; another on another host.  Any thread.
 */
#ifndef VSWITCH_PORT_MAC_H
#define VSWITCH_PORT_MAC_H

#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>

/* Unicast, locally administered; 46 bits of a hash, from which 'host' cannot be told. */
void vs_port_mac_make(const char *host, const char *sw, const char *port,
		      struct rte_ether_addr *ret_mac);

/* machine-id(5); where there is none the firmware's, else the host's name. */
void vs_host_identity(char *text, size_t size);

#endif
