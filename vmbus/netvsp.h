/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control half of a synthetic network adapter: what its guest negotiates over NVSP and RNDIS
 * before, between and after frames.  A state machine without memory of the guest, threads or I/O:
 * messages go in as copies, answers come out by 'struct netvsp_ops'.  Frames go by vmq/queue.h and
 * do as 'struct netvsp_state' says.
 *
 * 	channel open ─► INIT ─► NDIS_CONFIG, NDIS_VER ─► buffers ─► RNDIS INITIALIZE ─► OIDs
 * 	          ─► subchannels ─► RSS ─► packet filter != 0: frames flow
 * 	HALT, revoke, close: back to the start
 *
 * A guest waits for each answer without a limit and holds its network stack's lock meanwhile, so
 * everything is answered, if only with an error.
 *
 * Thread: one at a time.  Source: Linux drivers/net/hyperv, [MS-RNDIS], NDIS OIDs.
 */
#ifndef VMBUS_NETVSP_H
#define VMBUS_NETVSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETVSP_MAX_CHANNELS   64
#define NETVSP_TABLE_SIZE     128
#define NETVSP_KEY_SIZE	      40
#define NETVSP_SEND_SECTION   6144u
#define NETVSP_MAX_RECV_PAGES 8190

/* Bits of the packet filter. */
#define NETVSP_FILTER_DIRECTED	    0x01u
#define NETVSP_FILTER_MULTICAST	    0x02u
#define NETVSP_FILTER_ALL_MULTICAST 0x04u
#define NETVSP_FILTER_BROADCAST	    0x08u
#define NETVSP_FILTER_PROMISCUOUS   0x20u

/* Bits of hash types (RSS). */
#define NETVSP_HASH_IP4	 0x100u
#define NETVSP_HASH_TCP4 0x200u
#define NETVSP_HASH_IP6	 0x400u
#define NETVSP_HASH_TCP6 0x1000u

/* What the administrator says of a NIC. */
struct netvsp_conf {
	uint8_t mac[6];
	uint16_t mtu;	     /* longest IP packet */
	uint16_t max_queues; /* 1 to NETVSP_MAX_CHANNELS */
	bool link_up;
	uint32_t speed_mbps;
	bool offloads;	 /* checksums and segmentation are offered */
	bool rsc;	 /* large receive is offered */
	bool mac_change; /* the guest may change its address */
	char name[64];	 /* GEN_FRIENDLY_NAME */
};

/* What was agreed, and what frames do by.  Plain data: it is kept outside of the process (vmq) and
 * read back after a restart, when netvsp_state_check() has looked at it. */
struct netvsp_state {
	uint32_t nvsp_version; /* 0: not yet */
	uint32_t ndis_major, ndis_minor;
	uint32_t guest_mtu; /* longest IP packet that the guest takes; 0: not said */
	uint64_t capabilities;
	uint32_t recv_gpadl, send_gpadl; /* valid if the sizes below are not 0 */
	uint16_t recv_id, send_id;
	uint32_t recv_section_size, n_recv_sections;
	uint32_t send_section_size, n_send_sections;
	uint8_t mac[6];
	bool rndis_up;
	bool vf_active;	 /* the guest sends by its VF */
	uint32_t filter; /* 0: no frames to the guest */
	bool csum_rx4, csum_rx6, lro4, lro6;
	uint16_t n_subchannels; /* granted */
	bool rss;
	uint32_t hash_types;		  /* NETVSP_HASH_* */
	uint16_t table_size;		  /* entries in use, a power of two */
	uint8_t table[NETVSP_TABLE_SIZE]; /* channel of an entry */
	uint8_t key[NETVSP_KEY_SIZE];
};

struct netvsp_stats {
	uint64_t tx_packets, rx_packets, tx_errors, rx_errors, rx_no_buffer;
};

struct netvsp_ops {
	/* Completes the guest's packet 'transaction_id' on the primary channel; 'size' may be 0. */
	void (*complete)(void *ctx, uint64_t transaction_id, const void *payload, size_t size);
	/* Sends a control message of RNDIS to the guest by a receive section, or keeps it until
	 * there is one; at most RNDIS_REPLY_MAX bytes. */
	void (*send_rndis)(void *ctx, const void *msg, size_t size);
	/* Sends an NVSP message (VF association); guests do not complete it. */
	void (*send_nvsp)(void *ctx, const void *msg, size_t size);
	/* Bytes of the buffer that GPADL 'id' makes; 0: there is none. */
	uint64_t (*gpadl_size)(void *ctx, uint32_t id);
	/* The state is another: '*state', which netvsp_state() gives already.  Before this returns
	 * no worker goes by the old one, as far as they differ in what frames do by.  0, or
	 * negative: then it becomes the old one again, and what the guest asked for is answered
	 * with a failure; but what takes away (revoke, halt, reset, a lesser configuration) happens
	 * all the same. */
	int (*changed)(void *ctx, const struct netvsp_state *state);
	/* There shall be 'n' subchannels in all, offered already or not: after the answer that
	 * grants them. */
	void (*offer_subchannels)(void *ctx, unsigned n);
	/* The guest asks for another address; 0 or negative. */
	int (*set_mac)(void *ctx, const uint8_t mac[6]);
	void (*stats)(void *ctx, struct netvsp_stats *ret_stats);
};

#define NETVSP_FAULTS(X)                                                                           \
	X(NVSP_SHORT, "nvsp-short", "NVSP message shorter than its type")                          \
	X(NVSP_TYPE, "nvsp-type", "NVSP message of a type that guests do not send")                \
	X(NVSP_ORDER, "nvsp-order", "NVSP message that does not belong there")                     \
	X(BUFFER, "bad-buffer", "receive or send buffer that is none, or too small")               \
	X(RNDIS, "bad-rndis", "RNDIS control message with lengths that do not fit")                \
	X(RNDIS_ORDER, "rndis-order", "RNDIS control message before INITIALIZE")                   \
	X(OID, "bad-oid", "value of an OID that cannot be")
enum netvsp_fault {
#define X(name, slug, text) NETVSP_FAULT_##name,
	NETVSP_FAULTS(X)
#undef X
		NETVSP_N_FAULTS,
};

struct netvsp;

/* 'ops' is borrowed for life, *conf is copied.  NULL: no memory. */
struct netvsp *netvsp_create(const struct netvsp_conf *conf, const struct netvsp_ops *ops,
			     void *ctx);
void netvsp_destroy(struct netvsp *n);

/* The primary channel was opened or closed: from the start, but with the address that the guest
 * chose. */
void netvsp_reset(struct netvsp *n);
/* The guest takes a GPADL back: a buffer on it is gone, revoked or not. */
void netvsp_gpadl_gone(struct netvsp *n, uint32_t gpadl);
/* A packet of the primary channel that is neither RNDIS (107) nor its completion (108). */
void netvsp_message(struct netvsp *n, uint64_t transaction_id, bool completion_requested,
		    const void *payload, size_t size);
/* An RNDIS control message (its 107 is completed by the caller). */
void netvsp_rndis(struct netvsp *n, const void *msg, size_t size);
/* The administrator changed something: what can change in a running guest does (link, speed, MAC
 * and MTU by a new start of the device, which the caller arranges). */
void netvsp_set_conf(struct netvsp *n, const struct netvsp_conf *conf);
/* Tells the guest of its link and speed once more. */
void netvsp_tell_link(struct netvsp *n);
/* Tells the guest of a VF with that serial number, or that it is gone: then frames go the synthetic
 * way at once.  It is remembered for guests that come later. */
void netvsp_set_vf(struct netvsp *n, bool present, uint32_t serial);

const struct netvsp_state *netvsp_state(const struct netvsp *n);
/* After a restart: could this state be one of ours?  0 or -EBADMSG. */
int netvsp_state_check(const struct netvsp_state *state);
/* Goes on from a state that passed the check, without what the configuration does not offer any
 * more; tells the guest of its link.  'changed' is not called: the caller has to install
 * netvsp_state() anyway.  The VF has to be said again. */
void netvsp_restore(struct netvsp *n, const struct netvsp_state *state);
uint64_t netvsp_faults(const struct netvsp *n, enum netvsp_fault fault);
const char *netvsp_fault_slug(enum netvsp_fault fault);
const char *netvsp_fault_text(enum netvsp_fault fault);

#endif
