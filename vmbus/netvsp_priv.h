/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the network VSP share:
 *
 * 	netvsp.c        life, configuration, changes of state, indications
 * 	netvsp_nvsp.c   NVSP: versions, buffers, subchannels, data path
 * 	netvsp_rndis.c  RNDIS: start, halt, and what asks for or sets an OID
 * 	netvsp_query.c  values of OIDs
 * 	netvsp_set.c    OIDs that are set
 */
#ifndef VMBUS_NETVSP_PRIV_H
#define VMBUS_NETVSP_PRIV_H

#include "vmbus/netvsp.h"
#include "vmbus/nvsp.h"
#include "vmbus/oid.h"
#include "vmbus/rndis.h"

#define NETVSP_MIN_MTU		 1500u
#define NETVSP_MIN_RECV_SECTION	 1024u
#define NETVSP_MAX_RECV_SECTIONS UINT16_MAX /* the packet path numbers them with 16 bits */
#define NETVSP_FILTER_ALL                                                                          \
	(NETVSP_FILTER_DIRECTED | NETVSP_FILTER_MULTICAST | NETVSP_FILTER_ALL_MULTICAST |          \
	 NETVSP_FILTER_BROADCAST | NETVSP_FILTER_PROMISCUOUS)
#define NETVSP_HASH_ALL	   (NETVSP_HASH_IP4 | NETVSP_HASH_TCP4 | NETVSP_HASH_IP6 | NETVSP_HASH_TCP6)
#define NETVSP_ETH_HEADER  14u
#define NETVSP_MAX_PACKETS 8u /* of an NVSP message from the guest */
#define NETVSP_LSO_MAX	   0xF53Cu
/* The longest value of an OID that we answer with. */
#define NETVSP_VALUE_MAX (RNDIS_REPLY_MAX - 24u)

struct netvsp {
	struct netvsp_conf conf;
	const struct netvsp_ops *ops;
	void *ctx;
	struct netvsp_state state;
	bool vf_present;
	uint32_t vf_serial;
	uint64_t faults[NETVSP_N_FAULTS];
};

void netvsp_count(struct netvsp *n, enum netvsp_fault fault);
/* Makes 'next' the state, unless the owner refuses: then negative, and it is as before. */
int netvsp_commit(struct netvsp *n, const struct netvsp_state *next);
/* As that, but the owner has no say: something was taken away. */
void netvsp_withdraw(struct netvsp *n, const struct netvsp_state *next);
/* Parts of a state go back to their start: what RNDIS negotiates, each of the buffers. */
void netvsp_rndis_forget(struct netvsp_state *state);
void netvsp_recv_forget(struct netvsp_state *state);
void netvsp_send_forget(struct netvsp_state *state);
bool netvsp_version_known(uint32_t version);
bool netvsp_mac_ok(const uint8_t mac[6]);
void netvsp_indicate(struct netvsp *n, uint32_t status, const void *data, uint32_t size);
/* Tells the guest of the VF, if it can be told. */
void netvsp_send_vf(struct netvsp *n);
/* Large receive may be offered to this guest. */
bool netvsp_rsc_possible(const struct netvsp *n);
/* What is switched on now, as NDIS_OFFLOAD in the revision that fits the guest. */
void netvsp_offload_current(const struct netvsp *n, struct oid_offload *ret_offload);
uint8_t netvsp_offload_revision(const struct netvsp *n);

/* Both return an RNDIS status; of a query NETVSP_VALUE_MAX bytes at most go to 'to'. */
uint32_t netvsp_query(struct netvsp *n, const struct rndis_msg *query, void *to, size_t *ret_size);
uint32_t netvsp_set(struct netvsp *n, const struct rndis_msg *set);

#endif
