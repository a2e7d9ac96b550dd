/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VLAN tags on egress: push, pop or rename the outer tag as the egress port wants it (IEEE
 * 802.1Q-2018 6.9).  Bytes that a frame shares with another (a clone made by flooding) are copied
 * before they are written.  Workers.
 */
#include "dataplane/dp_priv.h"

#include <string.h>

#include <rte_byteorder.h>

#define TAG_SIZE  4u
#define MACS_SIZE 12u

static bool is_shared(const struct rte_mbuf *m)
{
	return !RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1;
}

/* A private copy of a frame that shares its bytes; NULL (and the frame freed) when there is no
 * buffer. */
static struct rte_mbuf *own_bytes(struct dp_worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, dp_pool(w->dp, 0, false), 0, UINT32_MAX);

	if (copy != NULL)
		copy->port = m->port;
	rte_pktmbuf_free(m);
	return copy;
}

void dp_vlan_l2_len_changed(struct rte_mbuf *m, int by)
{
	if ((m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG |
			    RTE_MBUF_F_TX_UDP_SEG)) != 0)
		m->l2_len = (uint64_t)((int)m->l2_len + by) & 0x7f;
}

static struct rte_mbuf *push(struct rte_mbuf *m, uint16_t tpid, uint16_t tci)
{
	char *head = rte_pktmbuf_prepend(m, TAG_SIZE);
	uint16_t tag[2] = {tpid, rte_cpu_to_be_16(tci)};

	if (head == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memmove(head, head + TAG_SIZE, MACS_SIZE);
	memcpy(head + MACS_SIZE, tag, sizeof(tag));
	dp_vlan_l2_len_changed(m, (int)TAG_SIZE);
	return m;
}

static struct rte_mbuf *pop(struct rte_mbuf *m)
{
	char *head = rte_pktmbuf_mtod(m, char *);

	memmove(head + TAG_SIZE, head, MACS_SIZE);
	rte_pktmbuf_adj(m, TAG_SIZE);
	dp_vlan_l2_len_changed(m, -(int)TAG_SIZE);
	return m;
}

static uint16_t tci_read(const struct rte_mbuf *m)
{
	uint16_t tci;

	memcpy(&tci, rte_pktmbuf_mtod_offset(m, const char *, MACS_SIZE + 2), sizeof(tci));
	return rte_be_to_cpu_16(tci);
}

static void tci_write(struct rte_mbuf *m, uint16_t tci)
{
	uint16_t value = rte_cpu_to_be_16(tci);

	memcpy(rte_pktmbuf_mtod_offset(m, char *, MACS_SIZE + 2), &value, sizeof(value));
}

struct rte_mbuf *dp_vlan_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf *m,
				uint16_t domain, uint16_t cvlan, bool tagged)
{
	bool trunk = (out->flags & DP_VP_TAG_OUT) != 0;
	bool want_tag = trunk && cvlan != out->native_out;
	uint16_t wire = out->wire != NULL ? out->wire->vlan_of_domain[domain] : DP_NO_VLAN;
	uint16_t pcp = tagged ? tci_read(m) & 0xf000 : 0;

	if (want_tag == tagged && wire == DP_NO_VLAN && (!tagged || (tci_read(m) & 0xfff) == cvlan))
		return m;
	/* A tag without VLAN says a priority, and is the native VLAN's as it is. */
	if (trunk && tagged && !want_tag && wire == DP_NO_VLAN && (tci_read(m) & 0xfff) == 0)
		return m;
	if (is_shared(m)) {
		m = own_bytes(w, m);
		if (m == NULL)
			return NULL;
	}
	if (tagged && !want_tag)
		m = pop(m);
	else if (tagged)
		tci_write(m, pcp | cvlan);
	else if (want_tag)
		m = push(m, out->tpid_out, cvlan);
	if (m != NULL && wire != DP_NO_VLAN)
		m = push(m, out->tpid_out, pcp | wire);
	return m;
}
