/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's driver of a synthetic NIC.
 *
 * 	net.c           life: set-up in the order of a profile, undoing it
 * 	net_control.c   one question and its answer, NVSP or RNDIS
 * 	net_oid.c       what is asked
 * 	net_rx.c        the ring from the host: frames, completions, indications
 * 	net_tx.c        frames to the host: by sections, by pages, or both
 *
 * A queue is an open channel.  Frames come as pointers into the receive buffer and stay valid until
 * guest_queue_done(), which tells the host that it may write there again; so a burst is
 *
 * 	n = guest_queue_receive() ─► look at the frames, guest_queue_send() ... ─►
 * guest_queue_done() ─► guest_queue_flush()
 *
 * Nothing reaches the host before guest_queue_flush(), and it is signalled at most once for all.
 *
 * Thread: one for each queue.  Control (everything about 'struct guest_net') belongs to the thread
 * of the first queue; frames that come to it while it waits for an answer are dropped and counted,
 * as in DPDK's driver.
 */
#ifndef VMBUS_GUEST_NET_H
#define VMBUS_GUEST_NET_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_MAX_QUEUES 64
#define GUEST_RX_BURST	 64 /* what guest_queue_receive() must have room for */
#define GUEST_MAX_FRAME	 65550
#define GUEST_TABLE_SIZE 128
#define GUEST_KEY_SIZE	 40

struct guest_channel;
struct guest_net;
struct guest_profile;
struct guest_queue;
struct oid_offload;
struct rndis_msg;

#define GUEST_HAS_CSUM 0x01u
#define GUEST_HAS_LSO  0x02u
#define GUEST_HAS_VLAN 0x04u
#define GUEST_HAS_HASH 0x08u
#define GUEST_MORE     0x10u /* received: the frame goes on in the next one (large receive) */

/* A frame, and what is said about it in the words of vmbus/rndis.h. */
struct guest_frame {
	uint8_t *data;
	uint32_t size;
	uint32_t csum, lso, hash;
	uint16_t vlan_tci;
	uint16_t flags; /* GUEST_HAS_*, GUEST_MORE */
};

/* How frames are sent. */
enum guest_mode {
	GUEST_MODE_AUTO,    /* by sections what fits, else by pages */
	GUEST_MODE_PAGES,   /* all by pages */
	GUEST_MODE_PARTIAL, /* headers by a section, the rest by pages */
};

struct guest_net_conf {
	const struct guest_profile *profile; /* NULL: the first one */
	uint16_t n_queues;		     /* wanted; 0: one */
	uint16_t mtu;			     /* 0: what the host allows */
	uint32_t recv_size, send_size;	     /* bytes; 0: the profile's */
	uint32_t ring_pages;		     /* 0: the profile's */
	uint32_t max_nvsp;		     /* the newest version to ask for; 0: all */
	uint32_t timeout_ms;		     /* of one answer; 0: 5000 */
	enum guest_mode mode;
	bool pages_form_set;	/* the next is meant, not the profile's */
	bool pages_in_range;	/* GPA direct: one range of all pages */
	uint32_t head_offset;	/* GPA direct: where the RNDIS header begins in its page, to have it
				   cross one; 0: 0 */
	uint16_t n_slots;	/* frames sent by pages that a queue may have under way; 0: 8 */
	uint16_t max_aggregate; /* frames in a section; 0: as many as the host takes */
	uint32_t filter;	/* NETVSP_FILTER_* of vmbus/netvsp.h; 0: promiscuous */
	bool scattered;		/* buffers of pages in no order */
	bool no_offloads;	/* checksums and segmentation stay off */
	bool no_rsc;
};

/* What the host said. */
struct guest_net_info {
	uint32_t nvsp_version;
	uint8_t mac[6];
	uint16_t mtu; /* agreed */
	uint16_t n_queues, host_queues;
	bool link_up;
	uint32_t speed_100bps;
	uint32_t recv_section_size, n_recv_sections, send_section_size, n_send_sections;
	uint32_t max_packets, alignment;
	uint32_t lso_max; /* bytes of a TCP super-frame over IPv4; 0: none */
	bool lso6, csum4, csum6, rsc;
	char name[64];
};

struct guest_queue_stats {
	uint64_t rx_frames, rx_bytes, rx_packets; /* packets: on the ring */
	uint64_t tx_frames, tx_bytes, tx_packets;
	uint64_t signals;
	uint64_t rx_bad;	  /* frames or packets that are none */
	uint64_t rx_dropped;	  /* frames while waiting for an answer */
	uint64_t tx_failed;	  /* completed with another status than success */
	uint64_t bad_completions; /* of something that was not sent */
	uint64_t tx_full;	  /* frames refused because the host was slow */
};

/* Bytes of guest memory that such a NIC takes. */
uint64_t guest_net_memory_size(const struct guest_net_conf *conf);
/* Sets up a NIC on an offered channel, which is borrowed.  0 or negative errno. */
int guest_net_create(struct guest_channel *primary, const struct guest_net_conf *conf,
		     struct guest_net **ret_net, struct err *err);
/* Undoes it in the order of real guests; of a rescinded channel as far as that goes.  Takes NULL.
 */
void guest_net_destroy(struct guest_net *net);

void guest_net_info(const struct guest_net *net, struct guest_net_info *ret_info);
struct guest_queue *guest_net_queue(struct guest_net *net, unsigned index);
struct guest_channel *guest_net_channel(struct guest_net *net, unsigned index);
/* The switch took it away, or the host broke a ring: no more frames.  Any thread. */
bool guest_net_gone(const struct guest_net *net);
/* Counts changes of the link, and says how it is now.  Any thread. */
uint32_t guest_net_link(const struct guest_net *net, bool *ret_up);

/* Control; 0, -EIO: refused; -ETIMEDOUT, -ENODEV. */
int guest_net_set_filter(struct guest_net *net, uint32_t filter);
int guest_net_set_mac(struct guest_net *net, const uint8_t mac[6]);
/* 'table' has GUEST_TABLE_SIZE entries, NULL: in turn; 'key' NULL: the well known one; 'hash_types'
 * are NETVSP_HASH_* of vmbus/netvsp.h. */
int guest_net_set_rss(struct guest_net *net, bool on, uint32_t hash_types, const uint8_t *table,
		      const uint8_t *key);
/* Offloads by the parameters of NDIS: what the host has is switched on or off. */
int guest_net_set_offloads(struct guest_net *net, bool on, bool rsc);
int guest_net_reset(struct guest_net *net);
int guest_net_halt(struct guest_net *net);
/* Switches to a VF (true) or back. */
int guest_net_switch_path(struct guest_net *net, bool vf);
int guest_net_revoke(struct guest_net *net, bool recv, bool send);
/* Any question: at most 'max' bytes of answer, *ret_size of them; ret_status is RNDIS's. */
int guest_net_query(struct guest_net *net, uint32_t oid, const void *input, uint32_t input_size,
		    void *to, uint32_t max, uint32_t *ret_size, uint32_t *ret_status);
int guest_net_set(struct guest_net *net, uint32_t oid, const void *value, uint32_t size,
		  uint32_t *ret_status);
/* Looks at the first queue for indications when nobody receives from it; frames are dropped. */
void guest_net_poll(struct guest_net *net);

/* Takes frames, at most 'max' (GUEST_RX_BURST or more). */
unsigned guest_queue_receive(struct guest_queue *q, struct guest_frame *frames, unsigned max);
/* All frames received are done with. */
void guest_queue_done(struct guest_queue *q);
/* Copies frames out; returns how many it took, fewer when the host is slow. */
unsigned guest_queue_send(struct guest_queue *q, const struct guest_frame *frames, unsigned n);
/* Where a frame can be put together that is then sent without a copy: GUEST_MAX_FRAME bytes; NULL:
 * none is free.  The same until guest_queue_send_room() has sent it. */
uint8_t *guest_queue_room(struct guest_queue *q);
/* Sends the frame there: 'frame' says its size and what is said about it.  False: no room on the
 * ring. */
bool guest_queue_send_room(struct guest_queue *q, const struct guest_frame *frame);
void guest_queue_flush(struct guest_queue *q);
/* True: everything sent was completed. */
bool guest_queue_idle(const struct guest_queue *q);

/* Before sleeping on the channel's call_fd: true if there is nothing to do. */
bool guest_queue_sleep(struct guest_queue *q);
/* After sleeping, or after guest_queue_sleep() said false. */
void guest_queue_wake(struct guest_queue *q);
/* Sleeps until one of them has something, or 'fd' (-1: none) is readable, or 'timeout_ms'. */
void guest_queues_wait(struct guest_queue *const *queues, unsigned n, int fd, int timeout_ms);
void guest_queue_stats(const struct guest_queue *q, struct guest_queue_stats *ret_stats);

#endif
