/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For sources of filter modules: what vswitch has beyond the kernel's XDP.  To programs attached
 * with 'meta' it says of each packet, in front of its bytes, what 'struct vswitch_meta' holds; and
 * maps may hold ports by name.  docs/filters.md shows how to use both.
 * Installed as <vswitch_filter.h>.
 *
 * 	struct vswitch_meta *meta = (void *)(long)ctx->data_meta;
 *
 * 	if ((void *)(meta + 1) > (void *)(long)ctx->data)
 * 		return XDP_PASS;
 */
#ifndef FILTERS_VSWITCH_FILTER_H
#define FILTERS_VSWITCH_FILTER_H

#include <linux/types.h>

/* A port's number as programs know it (its ifindex).  Where a map's key or value is of this type,
 * 'vswitchctl filter map' takes and shows the port's name. */
typedef __u32 vswitch_port;

#define VSWITCH_META_EGRESS 1 /* flags: the packet leaves by 'port' */
#define VSWITCH_META_TAGGED                                                                        \
	2 /* it came with an 802.1Q tag; with 'strip-vlan' that is 'vlan' alone */

struct vswitch_meta {
	__u32 size;   /* of this, 32: larger ones may come */
	__u32 port;   /* whose filter this is: its ifindex here */
	__u32 tenant; /* id, 0: none */
	__u32 from;   /* ifindex of the port by which the packet came in */
	__u16 vlan;   /* VLAN id of the outer tag; 0: untagged */
	__u16 tci;    /* of that tag */
	__u32 flags;  /* VSWITCH_META_* */
	__u64 time;   /* nanoseconds, monotonic, of the burst */
};

#endif
