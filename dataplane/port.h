/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A port: something that frames come from and go to.  This is the live half, made of a driver
 * ('struct dp_port_ops', one file port_*.c for each) and its queues; what the switch thinks of the
 * port (tenant, VLANs, state) is the immutable 'struct dp_vport' of view.h.
 *
 * Life: the control thread opens a port, publishes it in a view, and hands its receive queues to
 * workers (rxq.h). To remove it: out of the view, queues off the workers, wait for a grace period,
 * close.  So the control thread may rely on no worker being inside a driver's rx or tx when 'close'
 * runs.
 *
 * Frames are mbufs, possibly chained.  What a driver must do for offloads, so that every pair of
 * kinds works:
 *
 * 	rx   A frame whose L4 checksum is not filled in (virtio NEEDS_CSUM, kernel CHECKSUM_PARTIAL)
 * carries RTE_MBUF_F_TX_IPV4 or _IPV6 (and _IP_CKSUM never), RTE_MBUF_F_TX_{TCP,UDP,SCTP}_CKSUM and
 * 	     l2_len, l3_len (l4_len for TSO); the checksum field then holds the pseudo-header sum.
 * A super-frame adds RTE_MBUF_F_TX_TCP_SEG or _UDP_SEG and tso_segsz.  This is what DPDK calls a
 * transmit request: the frame can be transmitted as it is by a port that has the offload. tx
 * dp_tx() gives a driver only what its 'tx_caps' says it can do; the rest was done in software
 * before (csum.h, gso.h).  The driver takes every mbuf it accepts; the others stay the caller's. It
 * may move frames that it cannot send behind those it took, so that one bad frame holds up no
 * others, and leaves the reason in txq->refused.
 *
 * m->port holds the switch's port id of the ingress port (not DPDK's) from receive to transmit.
 */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include "ctl/base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <jansson.h>

#define DP_MAX_PORTS	  4096
#define DP_MAX_QUEUES	  64
#define DP_PORT_NAME_SIZE 64
#define DP_BURST	  32
#define DP_NO_PORT	  UINT16_MAX

struct dp;
struct dp_capture_point;
struct dp_port;
struct dp_rxq;
struct dp_steer_ops;
struct dp_txq;
struct dp_vmq_queue;
struct dp_vmq_table;
struct dp_vport;
struct dp_worker;
struct rte_mempool;

/* Receives up to 'n' frames; the caller owns them.  Worker that owns the queue only. */
typedef uint16_t (*dp_rx_fn)(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n);

/* Transmits; takes the first 'return value' frames, the rest stay the caller's.  One worker at a
 * time per queue. */
typedef uint16_t (*dp_tx_fn)(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n);

/* The worker that polls the queue is about to sleep.  Makes 'wake_fd' tell of the next frame, and
 * returns how long the worker may sleep at most on this queue's account, in microseconds: 0 when
 * frames wait, UINT32_MAX when the descriptor tells of all.  The next rx takes it back. */
typedef uint32_t (*dp_arm_fn)(struct dp_rxq *q);

/* Bits of tx_caps: what may reach the driver's tx unfinished. */
#define DP_TX_CSUM_TCP	(1u << 0) /* with RTE_MBUF_F_TX_TCP_CKSUM */
#define DP_TX_CSUM_UDP	(1u << 1)
#define DP_TX_CSUM_SCTP (1u << 2)
#define DP_TX_TSO4	(1u << 3) /* RTE_MBUF_F_TX_TCP_SEG over IPv4 */
#define DP_TX_TSO6	(1u << 4)
#define DP_TX_USO	(1u << 5) /* RTE_MBUF_F_TX_UDP_SEG */
#define DP_TX_CHAIN	(1u << 6) /* frames of several segments */

/* A receive queue, as its worker sees it: a cache line that is read by everybody, and one that its
 * worker writes with every burst. */
struct dp_rxq {
	dp_rx_fn rx;
	struct dp_port *port;
	void *priv; /* the driver's */
	struct rte_mempool *pool;
	/* Not NULL: the queue is polled while its worker is awake, and 'wake_fd' is for sleep. */
	dp_arm_fn arm;
	struct dp_vmq_queue *_Atomic vmq; /* it is one NIC's (vmq.h); NULL: everybody's */
	struct dp_worker *_Atomic worker; /* who polls it; NULL: nobody, or nobody yet */
	int wake_fd;	    /* readable when frames wait (level); -1: the queue must be polled */
	uint16_t index;	    /* queue number on the port */
	_Atomic bool paced; /* its port may have a pace (pace.h): look there */
	bool soft;	    /* a ring (vmq.h): who puts frames in wakes its worker */
	/* The worker's. */
	_Alignas(64) bool ready; /* epoll said that 'wake_fd' is readable */
	bool held, muted;	 /* its port is in debt; 'wake_fd' is not in epoll */
	uint32_t malformed;	 /* not yet in the ledger; dp_rx_malformed() */
	uint32_t n_full;	 /* times in a row that it gave a whole burst */
	/* Read by anyone relaxed. */
	_Atomic uint64_t packets, bytes, polls, busy_cycles;
} __attribute__((aligned(64)));

struct dp_txq {
	struct dp_port *port;
	void *priv;
	uint16_t index;
	uint8_t refused; /* enum dp_drop: why the last tx left frames behind; the driver sets it
			    when it does */
	_Atomic uint64_t packets, bytes;
} __attribute__((aligned(64)));

/* What an administrator asked of a port.  Strings are borrowed during the call only.  Absent: NULL,
 * 0, -1. */
struct dp_port_opts {
	const char *name; /* the port's name, unique on the host */
	const char *kind; /* "tap" "packet" "xdp" "eth" "vhost" "memif" "mem": which ops */
	const struct dp_port_ops *ops; /* of a driver above (vmq); NULL: find them by 'kind' */
	const char *ifname;	       /* tap, packet, xdp: Linux interface */
	const char
		*devargs;   /* eth: DPDK device arguments, "0000:03:00.0"; memif: "id=7,secret=x" */
	const char *socket; /* vhost, memif: path; memif also "@name" */
	bool server;	    /* vhost, memif: the switch listens; else it connects and reconnects */
	bool has_group;	    /* vmbus: members of 'group' may attach besides */
	gid_t group;
	int netns_fd; /* tap, packet, xdp: open the device in this network namespace; -1: our own */
	uint16_t n_queues; /* asked for; 0: the driver's choice, at most the number of workers */
	uint16_t n_desc;   /* ring size; 0: driver's choice */
	uint16_t mtu;	   /* 0: 1500 */
	bool has_mac;
	struct rte_ether_addr mac;
	bool offloads; /* false: do everything in software */
};

struct dp_link {
	bool up;
	uint32_t speed_mbps; /* 0: unknown */
	bool full_duplex;
	char reason[96]; /* when down: why, for people; may be empty */
};

struct dp_port_ops {
	const char *kind;
	/* Optional: would 'open' refuse this, as far as can be told without touching anything?  Is
	 * asked before each 'open', and alone for a dry run.  Control thread. */
	int (*check)(const struct dp_port_opts *opts, struct err *err);
	/* Opens the device: sets priv, n_rxq, n_txq, rxq[].priv/wake_fd, txq[].priv, tx_caps, mtu,
	 * mac, driver. On failure nothing is left behind.  Control thread. */
	int (*open)(struct dp_port *port, const struct dp_port_opts *opts, struct err *err);
	/* Control thread, no worker inside.  Frees everything open made. */
	void (*close)(struct dp_port *port);
	/* Optional; NULL: not supported by this kind.  Control thread, while workers poll. */
	int (*set_mtu)(struct dp_port *port, uint16_t mtu, struct err *err);
	int (*set_mac)(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err);
	/* Called about ten times a second by the control thread; must not block. */
	void (*link)(struct dp_port *port, struct dp_link *ret_link);
	/* Optional: the driver's own view (driver, queues, peers, counters), as a JSON object, new
	 * reference. */
	json_t *(*show)(struct dp_port *port);
	/* Optional: the ways in which the device can put a VM's frames on queues of their own, best
	 * first, NULL at the end (steer.h). */
	const struct dp_steer_ops *const *(*steer)(struct dp_port *port);
	dp_rx_fn rx;
	dp_tx_fn tx;
	/* Of a port without queues (tunnel.h): takes what is sent to it, and counts it.  Worker. */
	void (*sink)(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		     uint16_t n);
};

/* The live half.  The first line is what workers read. */
struct dp_port {
	dp_tx_fn tx;
	struct dp_txq *txq; /* n_txq of them */
	uint32_t tx_caps;   /* DP_TX_* */
	uint16_t n_txq;
	uint16_t n_rxq;
	uint16_t id;		    /* index into the view; set before the port is published */
	_Atomic uint16_t max_frame; /* longest frame the driver sends, tags not counted: mtu + 14 */
	_Atomic bool link_up;	    /* written by the control thread or the driver's own thread */
	struct dp_rxq *rxq;	    /* n_rxq of them */
	struct dp_vmq_table
		*_Atomic vmq_table; /* NICs that have queues of their own (vmq.h); NULL: none */
	const struct dp_port_ops *ops;
	void *priv;
	struct dp *dp;
	uint16_t mtu;
	struct rte_ether_addr mac;
	struct rte_ether_addr own_mac; /* what it has when none is asked for; zero: unknown */
	_Atomic(struct dp_capture_point *)
		capture;   /* NULL when nobody captures; dp_port_set_capture() */
	bool link_told;	   /* the tick: the state of the last event */
	uint16_t rx_least; /* fewest frames that rx needs room for; 0: 1 */
	uint32_t serial;   /* no other port of this dataplane has or had it */
	char name[DP_PORT_NAME_SIZE];
	char driver[32]; /* "net_af_xdp", "tap", for people */
	char note[160];	 /* why it is not what was asked for ("AF_PACKET: the driver has no XDP");
			    may be empty */
} __attribute__((aligned(64)));

extern const struct dp_port_ops dp_port_tap_ops, dp_port_packet_ops, dp_port_xdp_ops,
	dp_port_eth_ops, dp_port_vhost_ops, dp_port_memif_ops, dp_port_mem_ops;

/* Would dp_port_open() refuse that, as far as can be told without touching a device?  0 if not. */
int dp_port_check(const struct dp_port_opts *opts, struct err *err);

/* Opens a port of opts->kind: finds the ops, allocates, opens.  The port is not published yet: see
 * dp_port_attach() in dp.h.  Returns 0, -EINVAL, or what the driver says. */
int dp_port_open(struct dp *dp, const struct dp_port_opts *opts, struct dp_port **ret_port,
		 struct err *err);
/* Takes NULL.  The port must be detached. */
void dp_port_close(struct dp_port *port);

/* For drivers: is it 68 to 'max'?  0, or -EINVAL, slug "mtu-range". */
int dp_mtu_check(uint16_t mtu, uint16_t max, struct err *err);

/* For drivers: allocate the queue arrays (rxq[i].rx, .port, .index, .wake_fd = -1 set).  -ENOMEM or
 * 0. */
int dp_port_alloc_queues(struct dp_port *port, uint16_t n_rxq, uint16_t n_txq);

/* For drivers that find a malformed frame or descriptor while receiving: counts it in the port's
 * ledger as received and dropped (RX_MALFORMED).  Worker that owns 'q' only. */
void dp_rx_malformed(struct dp_rxq *q, uint16_t n);

#endif
