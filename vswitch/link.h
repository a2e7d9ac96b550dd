/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses of Linux interfaces, through libnl-route.  Control thread.
 */
#ifndef VSWITCH_LINK_H
#define VSWITCH_LINK_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Does the interface (of our namespace) carry an address that is not link-local?  Writes it as "10.0.0.5/24". */
bool vs_link_has_address(const char *ifname, char *text, size_t size);

/* Adds "10.0.0.5/24" to an interface of the namespace 'netns_fd' (-1: ours).  One that is there already is no error. */
int vs_link_address_add(int netns_fd, const char *ifname, const char *cidr, struct err *err);
int vs_link_address_remove(int netns_fd, const char *ifname, const char *cidr, struct err *err);

#endif
