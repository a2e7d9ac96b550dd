/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A vhost-user port between its two halves: port_vhost.c (the port: open, frames, link) and
 * vhost_dev.c (what librte_vhost tells on its own thread).
 */
#ifndef DATAPLANE_VHOST_PRIV_H
#define DATAPLANE_VHOST_PRIV_H

#include "dataplane/port.h"
#include "dataplane/vring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define VHOST_MAX_PAIRS 128 /* librte_vhost's limit */
#define VHOST_MAX_RINGS (2 * VHOST_MAX_PAIRS)

/* A ring of the guest: number 2p is where pair p receives, 2p + 1 where it transmits.  Made when
 * the guest first enables it, kept until the port is closed. */
struct vhost_ring {
	struct dp_vring ring;
	struct vhost_port *port;
	uint16_t index;
	bool enabled; /* by the peer */
};

/* Which of the guest's transmit rings a receive queue polls: pairs i, i + n_rxq, ...  A guest may
 * have more pairs than the port has queues. */
struct vhost_rxq {
	struct vhost_port *port;
	_Atomic uint16_t n;
	uint16_t next;
	_Atomic bool announce; /* a RARP frame waits to be sent for the guest */
	struct vhost_ring *_Atomic rings[];
};

struct vhost_txq {
	struct vhost_ring *_Atomic ring; /* NULL: none enabled */
};

/* After so many requests that were not offered a port has no more peers: see message_begins(). */
#define VHOST_MAX_UNOFFERED 16

struct vhost_port {
	struct dp_port *dp_port;
	LIST_ENTRY(vhost_port) entry;
	char path[108];
	bool server, offloads;

	pthread_mutex_t mutex; /* everything below; never held while waiting for librte_vhost */
	int vid;	       /* -1: no connection */
	bool running;	       /* the guest's driver is up */
	bool paused;	       /* a message is changing what the rings stand on */
	bool memory_lies;      /* the peer's memory is not what it says */
	uint64_t features;
	uint32_t n_connects;
	uint32_t n_unoffered; /* requests that were not offered, each the end of a connection */
	uint16_t guest_mtu;   /* 0: not told */
	uint8_t fault;	      /* enum dp_vring_fault that stopped the port, and its ring */
	uint16_t fault_ring;
	uint32_t n_faults; /* since the port was opened */
	struct rte_ether_addr announce_mac;
	struct dp_vmem *vmem;
	struct vhost_ring *rings[VHOST_MAX_RINGS];
	struct vhost_rxq **rxq; /* n_rxq of the port */
	struct vhost_txq *txq;	/* n_txq */
};

/* Features of librte_vhost that a port does not offer. */
uint64_t vhost_features_off(bool offloads);

/* Starts listening or connecting.  librte_vhost's thread may call back from now on. */
int vhost_dev_start(struct vhost_port *vp, struct err *err);
/* Ends it; no call back afterwards. */
void vhost_dev_stop(struct vhost_port *vp);

/* Takes all rings away from the workers if one is at fault, or memory is gone.  Control thread. */
void vhost_dev_check(struct vhost_port *vp);

#endif
