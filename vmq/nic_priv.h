/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC, as its files see it; see nic.h.
 */
#ifndef VMQ_NIC_PRIV_H
#define VMQ_NIC_PRIV_H

#include "ctl/base/unix_socket.h"
#include "hv/gpa.h"
#include "vmbus/attach.h"
#include "vmbus/netvsp.h"
#include "vmq/nic.h"
#include "vmq/queue.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

/* Of one NIC: rings of 64 channels, buffers, and as many again that are being replaced. */
#define NIC_MAX_GPADLS	    256
#define NIC_MAX_GPADL_PAGES (128 * 1024)

struct dp_sigbus;
struct dp_watch;
struct vmq_journal;

struct nic_gpadl {
	LIST_ENTRY(nic_gpadl) entry;
	struct vmbus_gpadl list; /* last: pages follow */
};

struct nic_channel {
	struct vmq_queue *queue; /* NULL: not open */
	uint16_t relid;
	int kick_fd, call_fd;
	struct vmq_event *event; /* where signals go instead of call_fd; NULL: there is none */
	uint32_t ring_gpadl;
	/* Until READY: the guest had it open before this connection. */
	bool to_resume;
	uint32_t ring_offset;
	uint8_t monitor_id;
};

/* What lasts as long as one worker's connection. */
struct nic_attachment {
	int fd; /* -1: nobody is there */
	struct dp_watch *watch;
	char who[VMBUS_ATTACH_TEXT_SIZE];
	uint32_t version; /* of the protocol, that both speak */
	bool greeted;	  /* HELLO came */
	bool ready;	  /* READY came */
	bool resumed;
	struct gpa_map memory;
	struct dp_sigbus *guards[GPA_MAX_RANGES];
	atomic_bool lost;
	uint64_t parent_to_child, child_to_parent; /* monitor pages; 0: none */
	LIST_HEAD(, nic_gpadl) gpadls;
	uint32_t n_gpadls, n_gpadl_pages;
	struct nic_channel channels[NETVSP_MAX_CHANNELS];
	unsigned n_open;
	struct vmbus_pages *recv, *send; /* of the state's buffers; NULL: none */
	uint32_t recv_gpadl, send_gpadl;
	struct vmq_bufs *bufs;
	struct vmq_journal *journal;
	bool link_owed;		     /* the guest has not been told of the link as it is */
	unsigned subchannels_wanted; /* to be asked for when the answer is on the ring; 0: none */
};

/* A receive queue of the port: the channels that it serves, and a descriptor that is readable when
 * any of their guests' signals is. */
struct nic_rxq {
	struct vmq_nic *nic;
	int epoll_fd;
	uint16_t next; /* the channel to begin with */
};

struct vmq_nic {
	struct vmq_path path;
	_Atomic uint16_t n_channels; /* above the highest open one */
	/* Of channels whose guest does not signal: how often it wants to be looked at; 0: it does.
	 */
	_Atomic uint32_t latency_us[NETVSP_MAX_CHANNELS];
	uint16_t n_rxq;
	struct nic_rxq *rxqs;
	/* Control thread only. */
	struct dp_port *port;
	struct netvsp *vsp;
	struct netvsp_conf vsp_conf;
	struct vmq_nic_conf conf;
	uint16_t max_channels;
	struct unix_socket socket;
	struct dp_watch *listen_watch;
	struct nic_attachment at;
	int control_fd; /* eventfd: a control message waits */
	struct dp_watch *control_watch;
	struct vmq_control *control;
	struct vmq_mail *mail;
	struct vmq_rules *rules; /* those in force */
	uint8_t *buf;		 /* of VMBUS_ATTACH_MAX_SIZE bytes: the message being read */
	uint64_t n_attached, n_resumed, n_refused;
	/* nic_vf.c */
	vmq_data_path_fn on_data_path;
	void *data_path_ctx;
	bool data_path;	  /* as it was told last */
	bool by_vf;	  /* groups' frames come to the guest by its VF */
	char reason[160]; /* why the last attachment ended; "" */
	uint64_t faults[VMQ_N_FAULTS];
	/* Counters of queues that were closed. */
	struct nic_totals {
		uint64_t from_packets, from_bytes, from_ring_packets, to_packets, to_bytes,
			to_ring_packets, signals, kicks, no_section, ring_full, filtered, malformed,
			completions;
	} gone;
};

/* ---- attach.c ---- */

int nic_attach_listen(struct vmq_nic *nic, const char *path, gid_t group, struct err *err);
void nic_attach_close(struct vmq_nic *nic);
/* Deals with what the worker has said, some messages of it.  The NIC may have nobody attached, and
 * no channel, afterwards. */
void nic_attach_read(void *nic);
/* Ends the connection; the reason is for people. */
__attribute__((format(printf, 2, 3))) void nic_detach(struct vmq_nic *nic, const char *fmt, ...);
/* To the worker.  Ends the connection when that cannot be said. */
void nic_say(struct vmq_nic *nic, const struct vmbus_attach_msg *msg);

/* ---- nic.c: what the worker said; 0, or negative: its connection ends for that ---- */

int nic_memory(struct vmq_nic *nic, const struct vmbus_attach_msg *hello, const int *fds,
	       struct err *err);
/* Makes a state, or takes up 'state_fd' (-1: none). */
int nic_state(struct vmq_nic *nic, int state_fd, struct err *err);
int nic_gpadl_add(struct vmq_nic *nic, const struct vmbus_attach_msg *msg);
int nic_gpadl_remove(struct vmq_nic *nic, uint16_t relid, uint32_t id);
const struct vmbus_gpadl *nic_gpadl_find(const struct vmq_nic *nic, uint32_t id);
/* Takes the descriptors when it returns 0.  *ret_status: what to answer. */
int nic_open(struct vmq_nic *nic, const struct vmbus_attach_msg *msg, const int fds[2],
	     uint32_t *ret_status);
/* Of no channel that is open: nothing. */
void nic_close(struct vmq_nic *nic, uint16_t relid);
/* Where a channel's signals go.  Takes 'irq_fd', if the message has one. */
int nic_event(struct vmq_nic *nic, const struct vmbus_attach_msg *msg, int irq_fd);
void nic_retargeted(struct vmq_nic *nic, uint16_t relid);
void nic_ready(struct vmq_nic *nic);
/* Lets go of everything that came with the connection. */
void nic_let_go(struct vmq_nic *nic);
struct nic_channel *nic_channel_find(struct vmq_nic *nic, uint16_t relid);

/* ---- nic_vsp.c ---- */

extern const struct netvsp_ops nic_vsp_ops;
/* Rules that say: no frames, no buffers.  0 or -ENOMEM. */
int nic_rules_clear(struct vmq_nic *nic);
/* What was agreed, as rules.  0, -ENOMEM, or -EFAULT: buffers that are not there. */
int nic_rules_make(struct vmq_nic *nic, const struct netvsp_state *state, bool resume);
/* Whether frames can flow, and what the port may be given. */
void nic_link_settle(struct vmq_nic *nic);
/* A control message waits. */
void nic_on_control(void *arg);
/* Tells the guest what there was no room for. */
void nic_debts_settle(struct vmq_nic *nic);
/* Asks for subchannels, once the guest can have read the answer to its request. */
void nic_subchannels_settle(struct vmq_nic *nic);

/* ---- nic_vf.c ---- */

/* Tells the owner, if it is news. */
void nic_data_path_settle(struct vmq_nic *nic, bool active);

/* ---- nic_show.c ---- */

void nic_totals_add(struct nic_totals *totals, const struct vmq_queue_stats *stats);
json_t *nic_show(struct dp_port *port);

#endif
