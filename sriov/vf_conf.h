/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the PF's driver enforces of a VF.  Set one by one, read back and compared: a driver that
 * takes a VLAN and ignores it would put a guest on another's network.
 *
 * Control thread.  Source: Linux include/uapi/linux/if_link.h, IFLA_VFINFO_LIST.
 */
#ifndef SRIOV_VF_CONF_H
#define SRIOV_VF_CONF_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sriov_vf_link { SRIOV_LINK_AUTO, SRIOV_LINK_UP, SRIOV_LINK_DOWN, SRIOV_N_LINKS };

/* The fields of a configuration, in the order in which they are set. */
#define SRIOV_VF_FIELDS(X)                                                                         \
	X(MAC, "MAC address")                                                                      \
	X(VLAN, "VLAN")                                                                            \
	X(SPOOF_CHECK, "spoof check")                                                              \
	X(TRUST, "trust")                                                                          \
	X(RATE, "rate")                                                                            \
	X(LINK, "link state")
enum sriov_vf_field {
#define X(name, text) SRIOV_VF_##name,
	SRIOV_VF_FIELDS(X)
#undef X
		SRIOV_N_VF_FIELDS,
};
const char *sriov_vf_field_name(enum sriov_vf_field field);
const char *sriov_vf_link_name(enum sriov_vf_link link);
struct sriov_vf_conf;
bool sriov_vf_conf_same(enum sriov_vf_field field, const struct sriov_vf_conf *a,
			const struct sriov_vf_conf *b);
/* "02:00:00:00:00:01", "100 Mb/s": for people. */
void sriov_vf_field_format(enum sriov_vf_field field, const struct sriov_vf_conf *conf, char *text,
			   size_t size);

struct sriov_vf_conf {
	unsigned known; /* bits 1 << SRIOV_VF_x: the driver tells them */
	uint8_t mac[6]; /* zeros: the VF's driver makes one up */
	uint16_t vlan;	/* 0: none, the VF may tag by itself */
	uint8_t qos;	/* priority in the tag */
	bool spoof_check, trust;
	uint32_t rate_mbps; /* it sends at most; 0: no limit */
	enum sriov_vf_link link;
};

struct sriov_vf_counts {
	bool known;
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
	uint64_t broadcast, multicast, rx_dropped, tx_dropped;
};

/* How one asks the kernel; netlink, or a fake.  0 or negative errno. */
struct sriov_vf_ops {
	int (*get)(void *ctx, int ifindex, unsigned vf, struct sriov_vf_conf *ret_conf,
		   struct sriov_vf_counts *ret_counts);
	int (*set)(void *ctx, int ifindex, unsigned vf, enum sriov_vf_field field,
		   const struct sriov_vf_conf *conf);
};

/* Over rtnetlink; 'ctx' is not used. */
extern const struct sriov_vf_ops sriov_vf_netlink;

/* Makes VF 'vf' of the PF 'pf' (its interface, for people) as 'want' says, of which 'known' does
 * not count.  Where that fails half-way the VF is as it was before.  What the driver cannot do is
 * no error if it is not asked for: no VLAN, no rate, no trust, link state auto.
 * -ENOTSUP: the driver cannot, or says that it did and did not; or what the kernel said. */
int sriov_vf_conf_set(const struct sriov_vf_ops *ops, void *ctx, const char *pf, int ifindex,
		      unsigned vf, const struct sriov_vf_conf *want, struct err *err);
/* Is the VF so now?  False too when it cannot be read. */
bool sriov_vf_conf_holds(const struct sriov_vf_ops *ops, void *ctx, int ifindex, unsigned vf,
			 const struct sriov_vf_conf *want);
/* As far as the driver lets: for undoing.  Returns how many fields are not as 'was' has them. */
unsigned sriov_vf_conf_restore(const struct sriov_vf_ops *ops, void *ctx, int ifindex, unsigned vf,
			       const struct sriov_vf_conf *was);

#endif
