/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mirrors: copies of what passes a port, sent to another port, into a VLAN (RSPAN), or to an
 * address (ERSPAN).  What a copy costs is all that its source pays: one that cannot be made or sent
 * (no buffer, the rate's limit, the far port down) is counted at the mirror and nothing else
 * happens.
 *
 * Ingress: as frames came in, once admitted, before guards and filters; copies leave at once.
 * Egress: as they go to the driver; copies wait until no port's gathered frames are on their way to
 * a driver, for the next port may be that one (dp_mirror_send()).  A copy may share its bytes with
 * the frame: whoever writes a frame's bytes asks first whether they are its own.
 *
 * A copy is never mirrored again: it wears DP_MIRROR_COPY wherever it goes, also inside of the
 * packet that carries it.  A frame that was copied on its way in wears DP_MIRROR_SEEN and is not
 * copied on its way out by the same mirror, unless that wants to see both.
 *
 * In the ledger copies are 'copies' of the port that was mirrored, forwarded to where they go.  Of
 * an ERSPAN copy that is the VTEP: it is offered to it, sent by it, and what carries it comes in by
 * it.
 *
 * A 'struct dp_mirror' is immutable, and its maker's; what changes is in 'struct dp_mirror_live',
 * which goes on as long as the mirror is configured.
 */
#ifndef DATAPLANE_MIRROR_H
#define DATAPLANE_MIRROR_H

#include "dataplane/erspan.h"
#include "dataplane/filter.h"
#include "dataplane/tunnel_wire.h"
#include "dataplane/view.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dp_worker;
struct rte_mbuf;

#define DP_MAX_MIRRORS 64

/* Bits of an mbuf's flags, reserved by dp_mirror_init(). */
#define DP_MIRROR_COPY_BIT 39
#define DP_MIRROR_SEEN_BIT 38
#define DP_MIRROR_COPY	   (UINT64_C(1) << DP_MIRROR_COPY_BIT)
#define DP_MIRROR_SEEN	   (UINT64_C(1) << DP_MIRROR_SEEN_BIT)

/* With DP_MIRROR_SEEN: by which mirrors, when it came in by which port.  In the mbuf, where
 * dp_mirror_init() reserved it. */
struct dp_mirror_seen {
	uint32_t mirrors[DP_MAX_MIRRORS / 32];
	uint16_t port, unused;
};

/* Why a frame that was to be copied was not. */
#define DP_MIRROR_LOSSES(X)                                                                        \
	X(BUFFER, "no-buffer", "no packet buffer left")                                            \
	X(LIMIT, "limit", "over the mirror's limit")                                               \
	X(TARGET, "target", "the target is down or away")                                          \
	X(ROUTE, "no-route", "the VTEP has no way to the address")                                 \
	X(UNRESOLVED, "unresolved", "the next hop has not told its MAC")                           \
	X(BUSY, "busy", "too many copies in one burst")

enum dp_mirror_loss {
#define X(name, slug, text) DP_MIRROR_LOST_##name,
	DP_MIRROR_LOSSES(X)
#undef X
		DP_MIRROR_N_LOSSES,
};
const char *dp_mirror_loss_slug(enum dp_mirror_loss loss);
const char *dp_mirror_loss_text(enum dp_mirror_loss loss);

/* seen = filtered + skipped + again + copied + sum(lost) */
struct dp_mirror_count {
	uint64_t seen;	   /* frames that passed a source in its direction and VLANs */
	uint64_t filtered; /* that the filter does not want */
	uint64_t skipped;  /* by sampling */
	uint64_t again;	   /* copied before, on their way in */
	uint64_t copied, bytes;
	uint64_t truncated; /* of the copied */
	uint64_t lost[DP_MIRROR_N_LOSSES];
};

/* A frame of 'cost' cycles passes when what came before is paid for, but for 'depth'. */
struct dp_mirror_limit {
	double tsc_per_byte, tsc_per_packet; /* 0: no limit */
	uint64_t depth;
};

struct dp_mirror_live {
	_Atomic uint32_t sequence;			       /* of ERSPAN */
	_Atomic uint64_t paid[2] __attribute__((aligned(64))); /* bytes, packets: until when */
	/* Of a worker, which alone writes it. */
	struct {
		_Atomic uint64_t v[sizeof(struct dp_mirror_count) / sizeof(uint64_t)];
		uint32_t sample; /* frames since the last one that was taken */
	} __attribute__((aligned(64))) counts[64];
};

enum dp_mirror_kind { DP_MIRROR_TO_PORT, DP_MIRROR_TO_VLAN, DP_MIRROR_TO_IP };

struct dp_mirror {
	struct dp_mirror_live *live;
	const char *name;
	/* Does the frame match the filter?  NULL: all do. */
	bool (*match)(const void *program, const struct rte_mbuf *m);
	const void *program;
	uint8_t slot;	       /* below DP_MAX_MIRRORS, no two alike */
	uint8_t kind;	       /* enum dp_mirror_kind */
	bool twice;	       /* also on the way out what was copied on its way in */
	uint16_t port;	       /* target, or VTEP; DP_NO_PORT: it is away */
	uint16_t domain, vlan; /* TO_VLAN: what carries the copies ... */
	uint16_t n_ports;
	const uint16_t *ports; /* ... and the ports that get them */
	struct dp_ip to;
	struct dp_erspan erspan;
	uint32_t snaplen; /* 0: whole frames */
	uint32_t sample;  /* one frame of so many; at least 1 */
	struct dp_mirror_limit limit;
	void *owner; /* its maker's */
};

/* One mirror at a port in a direction. */
struct dp_mirror_source {
	const struct dp_mirror *mirror;
	/* VLANs that carry frames that are copied, and outer VLANs of a shared uplink (its
	 * tenants); NULL: any. */
	const uint64_t *vlans, *wires;
};

struct dp_mirrors {
	uint16_t n;
	struct dp_mirror_source v[];
};

/* Once a process, after EAL.  0, or -EBUSY: somebody else has the bits or the place. */
int dp_mirror_init(void);

/* Control thread.  NULL: no memory. */
struct dp_mirror_live *dp_mirror_live_create(void);
void dp_mirror_live_destroy(struct dp_mirror_live *live);
/* All workers'; exact when they stand still. */
void dp_mirror_read(const struct dp_mirror_live *live, struct dp_mirror_count *ret);
/* bits a second and packets a second, 0: no such limit. */
void dp_mirror_limit_init(struct dp_mirror_limit *limit, uint64_t bps, uint64_t pps,
			  uint64_t tsc_hz);

/* Workers.  Borrow the frames: vp->mirrors[DP_FILTER_INGRESS], [DP_FILTER_EGRESS]. */
void dp_mirror_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n);
void dp_mirror_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		      uint16_t n);
/* Sends the copies that wait.  No port's gathered frames may be under way. */
void dp_mirror_send(struct dp_worker *w);
/* Would this mirror copy the frame there now?  Changes nothing. */
bool dp_mirror_would(const struct dp_mirror_source *source, const struct dp_vport *vp,
		     enum dp_filter_side side, const struct rte_mbuf *m);

#endif
