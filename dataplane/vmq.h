/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A receive queue per VM: what an uplink receives for a machine is that machine's before anything
 * else is done with it.
 *
 * 	a queue of the device, for everybody           a queue of the device, for one NIC (hardware)
 * 	  its worker looks at (MAC, VLAN) only           │
 * 	   │ not for a NIC that has queues: as ever      │
 * 	   ├─ the NIC's queue is its own: goes on ───────┤
 * 	   └─ ring ─► the worker that has the queue ─────┴─► counted, guards, filters, rules ─►
 * guest
 *
 * A queue that the device does not have is a ring (software): one more receive queue (port.h) of
 * the uplink, which place.c gives to a worker and moves like any other, by load.  So everything
 * behind the ring is another worker's work than receiving is.  A queue is with the worker that
 * receives while that one is not busy, and then costs no ring.
 *
 * Past the ring nothing is taken on trust: a frame is received there, and classified, filtered and
 * forwarded as by any queue.  What a queue of one NIC saves is looking up the destination: once a
 * burst instead of once a frame; and its sources are looked up again a few times a second only.
 *
 * Order: frames of one flow come by one queue of the device, whose worker puts them in the ring in
 * order.  It goes on with them itself only when the ring is empty and nobody is busy with what was
 * in it.  A queue comes with its ring first and its worker after a grace period, and leaves when
 * all workers stand still and it is empty.
 *
 * A frame in a ring was not received yet, as far as counters go; one that found the ring full was,
 * and is dropped there (VMQ_FULL).
 *
 * Control thread, but for what is said to be workers'.
 */
#ifndef DATAPLANE_VMQ_H
#define DATAPLANE_VMQ_H

#include "ctl/base/err.h"
#include "dataplane/port.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_VMQ_MAX	  256  /* NICs with queues of their own, of an uplink */
#define DP_VMQ_MAX_QUEUES 8    /* of a NIC */
#define DP_VMQ_RING	  1024 /* frames that wait in a queue that is a ring */

/* How software queues are numbered among those of the uplink: behind all that a device can have. */
#define DP_VMQ_FIRST_INDEX 1000

struct dp_vmq;

struct dp_vmq_spec {
	uint16_t uplink; /* port id, of a port that has a device */
	uint16_t nic;	 /* port id of the NIC: for people */
	struct rte_ether_addr mac;
	uint16_t vid;	   /* the outermost tag as frames have it on the wire; 0: none */
	uint16_t n_queues; /* 1 to DP_VMQ_MAX_QUEUES; a flow stays in one of them */
	/* Whoever steers the device (vmq/steer.h) brings frames for this (MAC, VLAN) to the
	 * device's queues hw[0..n_queues), and no others; false: the queues are rings. */
	bool is_hw;
	uint16_t hw[DP_VMQ_MAX_QUEUES];
};

/* Gives a NIC queues of its own.  Of a device's queues: when they were programmed; what comes by
 * them before is carried as ever.  Returns 0; -EINVAL, "vmq-range"; -ENOENT, "vmq-uplink": no such
 * port, no device, or a member of a team; -EEXIST, "vmq-exists": this (MAC, VLAN) has some of the
 * kind; -EBUSY, "vmq-queue": a queue of the device is another NIC's; -ENOSPC, "vmq-limit"; -ENOMEM.
 */
int dp_vmq_add(struct dp *dp, const struct dp_vmq_spec *spec, struct dp_vmq **ret_vmq,
	       struct err *err);

/* Takes them back; frames go on as before, in order.  When more come than its worker can take it
 * drops some after 10 ms, since it would wait for ever.  Frees 'vmq'.  Takes NULL.
 *
 * When an uplink leaves the view or is closed, its queues go by themselves: see dp_vmq_gone(). */
void dp_vmq_remove(struct dp *dp, struct dp_vmq *vmq);

/* Programs the device.  0 or negative with 'err'. */
typedef int (*dp_vmq_program_fn)(void *ctx, struct err *err);

/* From the switch's queues, or none, to the device's ('to', with 'is_hw').  '*vmq' is what the NIC
 * has (NULL: it shares), and becomes what it has then.  Nothing is overtaken: while 'program' makes
 * the device bring its frames by the new queues nobody polls these, until what came by the old ones
 * is through; they hold what comes meanwhile, a millisecond or two.  (A tenth of a second at most,
 * when the workers that receive cannot follow: then order gives way.)  Returns what dp_vmq_add()
 * does, or what 'program' does: then '*vmq' is as before. */
int dp_vmq_to_device(struct dp *dp, const struct dp_vmq_spec *to, dp_vmq_program_fn program,
		     void *ctx, struct dp_vmq **vmq, struct err *err);
/* Back: '*vmq' is the device's, and becomes rings, in which frames wait until the device's queues
 * are empty.  Always done, also when 'program' fails: what comes by a queue that the device does
 * not give up goes to the rings.  Without memory for them '*vmq' is NULL.  Returns what 'program'
 * does. */
int dp_vmq_from_device(struct dp *dp, dp_vmq_program_fn program, void *ctx, struct dp_vmq **vmq,
		       struct err *err);

/* True: its uplink is gone, it holds nothing any more and wants dp_vmq_remove(). */
bool dp_vmq_gone(const struct dp_vmq *vmq);

const struct dp_vmq_spec *dp_vmq_spec(const struct dp_vmq *vmq);

struct dp_vmq_info {
	int cpu;	/* of its worker; -1: none */
	double load;	/* share of a core over the last quarter of a second */
	bool at_home;	/* its worker also receives for the uplink: no ring between */
	uint32_t waits; /* frames in the ring */
	uint64_t packets, bytes;
	uint64_t direct;  /* of packets: that took no ring */
	uint64_t dropped; /* the ring was full */
	uint32_t moves;	  /* from worker to worker */
};
/* Of queue 'i', which is there. */
void dp_vmq_queue_info(const struct dp *dp, const struct dp_vmq *vmq, uint16_t i,
		       struct dp_vmq_info *ret_info);

/* ---- For workers, and place.c ---- */

struct dp_vmq_table;
struct dp_vmq_queue;

/* Frames that are sorted at once: the more go to a ring together, the less often its cache lines
 * change hands. */
#define DP_VMQ_SPREAD (4 * DP_BURST)

/* At most DP_VMQ_SPREAD frames that came by a queue for everybody.  What is for a NIC with queues
 * goes to them, the rest moves to the front of 'pkts'; returns how many these are. */
uint16_t dp_vmq_spread(struct dp_worker *w, const struct dp_vmq_table *table,
		       const struct dp_vport *in, struct rte_mbuf **pkts, uint16_t n);

/* Carries a burst that came by a NIC's own queue.  Takes the frames. */
void dp_vmq_burst(struct dp_worker *w, const struct dp_vport *in, struct dp_vmq_queue *vq,
		  struct rte_mbuf **pkts, uint16_t n);

/* What was taken out of a ring is through. */
void dp_vmq_done(struct dp_vmq_queue *vq);

/* Frames wait in this receive queue, if it is a ring. */
bool dp_vmq_waits(const struct dp_rxq *q);

/* The queues of a port that is no longer in the view: nobody polls them.  For dp_view_publish(). */
void dp_vmq_port_gone(struct dp *dp, struct dp_port *port);
/* All; when there are no workers any more. */
void dp_vmq_fini(struct dp *dp);

#endif
