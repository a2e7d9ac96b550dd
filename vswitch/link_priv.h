/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the link_*.c files share.
 */
#ifndef VSWITCH_LINK_PRIV_H
#define VSWITCH_LINK_PRIV_H

#include "vswitch/link.h"

struct nl_sock;
struct rtnl_link;

struct vs_link {
	struct nl_sock *sk;
	int ioctl_fd; /* ethtool */
};

/* All but the driver's name. */
void vs_link_info_fill(struct rtnl_link *link, struct vs_link_info *ret_info);

/* Addresses as data: adds one that vs_link_addresses() described (link_addr.c). */
int vs_link_restore_address(struct vs_link *link, int ifindex, const json_t *address,
			    struct err *err);
int vs_link_delete_address(struct vs_link *link, int ifindex, const json_t *address,
			   struct err *err);

/* -EINVAL with words for a libnl error. */
int vs_link_error(struct err *err, int nl_rc, const char *what);

#endif
