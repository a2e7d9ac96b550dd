/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a PF's driver enforces of its VFs, by rtnetlink; see vf_conf.h.  libnl-route sets all fields
 * of a VF at once and says one error for them; here each is a request of its own.
 */
#include "sriov/vf_conf.h"

#include <errno.h>
#include <string.h>

#include <linux/if_link.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include "dataplane/netdev.h"

/* What the kernel says when the driver has no such thing. */
#define UNKNOWN UINT32_MAX

struct reading {
	unsigned vf;
	bool found;
	struct sriov_vf_conf conf;
	struct sriov_vf_counts counts;
};

static uint64_t count_of(struct nlattr *const tb[], int type)
{
	return tb[type] != NULL ? nla_get_u64(tb[type]) : 0;
}

static void counts_read(struct nlattr *attr, struct sriov_vf_counts *counts)
{
	struct nlattr *tb[IFLA_VF_STATS_MAX + 1];

	if (nla_parse_nested(tb, IFLA_VF_STATS_MAX, attr, NULL) != 0)
		return;
	*counts = (struct sriov_vf_counts){
		.known = true,
		.rx_packets = count_of(tb, IFLA_VF_STATS_RX_PACKETS),
		.tx_packets = count_of(tb, IFLA_VF_STATS_TX_PACKETS),
		.rx_bytes = count_of(tb, IFLA_VF_STATS_RX_BYTES),
		.tx_bytes = count_of(tb, IFLA_VF_STATS_TX_BYTES),
		.broadcast = count_of(tb, IFLA_VF_STATS_BROADCAST),
		.multicast = count_of(tb, IFLA_VF_STATS_MULTICAST),
		.rx_dropped = count_of(tb, IFLA_VF_STATS_RX_DROPPED),
		.tx_dropped = count_of(tb, IFLA_VF_STATS_TX_DROPPED),
	};
}

/* An attribute's struct, where it is long enough. */
static const void *data_of(const struct nlattr *attr, size_t size)
{
	return attr != NULL && (size_t)nla_len(attr) >= size ? nla_data(attr) : NULL;
}

static void switches_read(struct nlattr *const tb[], struct sriov_vf_conf *conf)
{
	const struct ifla_vf_spoofchk *spoof = data_of(tb[IFLA_VF_SPOOFCHK], sizeof(*spoof));
	const struct ifla_vf_trust *trust = data_of(tb[IFLA_VF_TRUST], sizeof(*trust));
	const struct ifla_vf_link_state *link = data_of(tb[IFLA_VF_LINK_STATE], sizeof(*link));

	if (spoof != NULL && spoof->setting != UNKNOWN) {
		conf->spoof_check = spoof->setting != 0;
		conf->known |= 1u << SRIOV_VF_SPOOF_CHECK;
	}
	if (trust != NULL && trust->setting != UNKNOWN) {
		conf->trust = trust->setting != 0;
		conf->known |= 1u << SRIOV_VF_TRUST;
	}
	if (link != NULL && link->link_state < SRIOV_N_LINKS) {
		conf->link = (enum sriov_vf_link)link->link_state;
		conf->known |= 1u << SRIOV_VF_LINK;
	}
}

static void vf_read(struct nlattr *attr, struct reading *r)
{
	struct nlattr *tb[IFLA_VF_MAX + 1];
	const struct ifla_vf_mac *mac;
	const struct ifla_vf_vlan *vlan;
	const struct ifla_vf_rate *rate;

	if (nla_parse_nested(tb, IFLA_VF_MAX, attr, NULL) != 0)
		return;
	mac = data_of(tb[IFLA_VF_MAC], sizeof(*mac));
	vlan = data_of(tb[IFLA_VF_VLAN], sizeof(*vlan));
	rate = data_of(tb[IFLA_VF_RATE], sizeof(*rate));
	if (mac == NULL || mac->vf != r->vf)
		return;
	r->found = true;
	memcpy(r->conf.mac, mac->mac, sizeof(r->conf.mac));
	r->conf.known = 1u << SRIOV_VF_MAC;
	if (vlan != NULL) {
		r->conf.vlan = (uint16_t)vlan->vlan;
		r->conf.qos = (uint8_t)vlan->qos;
		r->conf.known |= 1u << SRIOV_VF_VLAN;
	}
	if (rate != NULL) {
		r->conf.rate_mbps = rate->max_tx_rate;
		r->conf.known |= 1u << SRIOV_VF_RATE;
	}
	switches_read(tb, &r->conf);
	if (tb[IFLA_VF_STATS] != NULL)
		counts_read(tb[IFLA_VF_STATS], &r->counts);
}

static int link_read(struct nl_msg *msg, void *arg)
{
	struct nlattr *tb[IFLA_MAX + 1], *vf;
	int rest;

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) != 0 ||
	    tb[IFLA_VFINFO_LIST] == NULL)
		return NL_OK;
	nla_for_each_nested(vf, tb[IFLA_VFINFO_LIST], rest)
	{
		if (nla_type(vf) == IFLA_VF_INFO)
			vf_read(vf, arg);
	}
	return NL_OK;
}

static int open_socket(struct nl_sock **ret_sk)
{
	struct nl_sock *sk = nl_socket_alloc();
	int rc = sk != NULL ? nl_connect(sk, NETLINK_ROUTE) : -NLE_NOMEM;

	if (rc != 0) {
		nl_socket_free(sk);
		return dp_nl_errno(rc);
	}
	*ret_sk = sk;
	return 0;
}

static int netlink_get(void *ctx, int ifindex, unsigned vf, struct sriov_vf_conf *ret_conf,
		       struct sriov_vf_counts *ret_counts)
{
	struct ifinfomsg info = {.ifi_index = ifindex};
	struct reading r = {.vf = vf};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, 0);
	struct nl_sock *sk = NULL;
	int rc = msg != NULL ? open_socket(&sk) : -ENOMEM;

	if (rc == 0)
		nl_socket_disable_auto_ack(sk);
	if (rc == 0)
		rc = dp_nl_errno(nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, link_read, &r));
	if (rc == 0 && (nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) != 0 ||
			nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF) != 0))
		rc = -ENOMEM;
	if (rc == 0)
		rc = nl_send_auto(sk, msg) < 0 ? -EIO : 0;
	if (rc == 0)
		rc = dp_nl_errno(nl_recvmsgs_default(sk));
	nlmsg_free(msg);
	nl_socket_free(sk);
	if (rc == 0 && !r.found)
		rc = -ENODEV;
	if (rc != 0)
		return rc;
	*ret_conf = r.conf;
	if (ret_counts != NULL)
		*ret_counts = r.counts;
	return 0;
}

/* One field as its attribute.  0 or negative. */
static int put_field(struct nl_msg *msg, unsigned vf, enum sriov_vf_field field,
		     const struct sriov_vf_conf *conf)
{
	struct ifla_vf_mac mac = {.vf = vf};
	struct ifla_vf_vlan vlan = {vf, conf->vlan, conf->vlan != 0 ? conf->qos : 0};
	struct ifla_vf_rate rate = {.vf = vf, .max_tx_rate = conf->rate_mbps};
	struct ifla_vf_spoofchk spoof = {vf, conf->spoof_check};
	struct ifla_vf_trust trust = {vf, conf->trust};
	struct ifla_vf_link_state link = {vf, conf->link};

	switch (field) {
	case SRIOV_VF_MAC:
		memcpy(mac.mac, conf->mac, sizeof(conf->mac));
		return nla_put(msg, IFLA_VF_MAC, sizeof(mac), &mac);
	case SRIOV_VF_VLAN:
		return nla_put(msg, IFLA_VF_VLAN, sizeof(vlan), &vlan);
	case SRIOV_VF_SPOOF_CHECK:
		return nla_put(msg, IFLA_VF_SPOOFCHK, sizeof(spoof), &spoof);
	case SRIOV_VF_TRUST:
		return nla_put(msg, IFLA_VF_TRUST, sizeof(trust), &trust);
	case SRIOV_VF_RATE:
		return nla_put(msg, IFLA_VF_RATE, sizeof(rate), &rate);
	case SRIOV_VF_LINK:
		return nla_put(msg, IFLA_VF_LINK_STATE, sizeof(link), &link);
	case SRIOV_N_VF_FIELDS:
		break;
	}
	return -NLE_INVAL;
}

/* How a request ended, in the kernel's own number: libnl's errors merge several. */
static int answer(struct sockaddr_nl *who, struct nlmsgerr *nlerr, void *arg)
{
	*(int *)arg = nlerr->error;
	return NL_STOP;
}

static int netlink_set(void *ctx, int ifindex, unsigned vf, enum sriov_vf_field field,
		       const struct sriov_vf_conf *conf)
{
	struct ifinfomsg info = {.ifi_index = ifindex};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_SETLINK, 0);
	struct nlattr *list, *one;
	struct nl_sock *sk = NULL;
	int rc = msg != NULL ? open_socket(&sk) : -ENOMEM, said = 0;

	if (rc == 0)
		rc = dp_nl_errno(nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, answer, &said));
	if (rc == 0 && (nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) != 0 ||
			(list = nla_nest_start(msg, IFLA_VFINFO_LIST)) == NULL ||
			(one = nla_nest_start(msg, IFLA_VF_INFO)) == NULL ||
			put_field(msg, vf, field, conf) != 0 || nla_nest_end(msg, one) != 0 ||
			nla_nest_end(msg, list) != 0))
		rc = -ENOMEM;
	if (rc == 0) {
		rc = nl_send_auto(sk, msg) < 0 ? -EIO : 0;
		if (rc == 0)
			rc = nl_wait_for_ack(sk);
		rc = said != 0 ? said : dp_nl_errno(rc);
	}
	nlmsg_free(msg);
	nl_socket_free(sk);
	return rc;
}

const struct sriov_vf_ops sriov_vf_netlink = {.get = netlink_get, .set = netlink_set};
