/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The peer of a vhost-user port: a connection, its memory, its rings.  librte_vhost owns the
 * socket, speaks the protocol and maps the memory; this file takes rings from it, gives them to
 * workers and takes them back.
 *
 * 	nothing ─new_connection─► connected ─new_device─► running ─destroy_device─► connected
 * 	   ▲                                                                            │
 * 	   └───────────────────────────── destroy_connection ───────────────────────────┘
 *
 * Threads: callbacks come on librte_vhost's event thread, destroy_device also on the control thread
 * (inside vhost_dev_stop()).  Some come while librte_vhost holds the locks of its virtqueues;
 * workers never call it, so waiting for a worker here cannot deadlock.
 *
 * A ring is a worker's while 'live' is true under the ring's lock, which is held for one burst.
 * While the peer's message changes what a ring stands on (memory, addresses, features, event fds)
 * no ring is live: message_begins() takes them away, message_ended() gives them back.  Ring
 * positions are handed back to librte_vhost each time, for it must answer GET_VRING_BASE.
 *
 * Source: vhost-user protocol (QEMU docs/interop/vhost-user.rst).
 */
#include "dataplane/vhost_priv.h"

#include "dataplane/sigbus.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_vhost.h>

/* Requests of the peer that matter here. */
enum {
	SET_FEATURES = 2,
	RESET_OWNER = 4,
	SET_MEM_TABLE = 5,
	SET_LOG_BASE = 6,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	SEND_RARP = 19,
	POSTCOPY_ADVISE = 28,
	POSTCOPY_LISTEN = 29,
	POSTCOPY_END = 30,
	GET_INFLIGHT_FD = 31,
	SET_INFLIGHT_FD = 32,
	RESET_DEVICE = 34,
};

/* Protocol features that librte_vhost offers and a network card has no use for: message_begins().
 */
static const uint64_t PROTOCOL_OFF = 1u << 12 /* INFLIGHT_SHMFD */;

/* What every vhost-user message starts with. */
struct message {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
	uint64_t u64;
} __attribute__((packed));

/* librte_vhost's callbacks carry a number, from which comes a path, and no pointer: hence the one
 * list of the process. */
static LIST_HEAD(, vhost_port) ports = LIST_HEAD_INITIALIZER(ports);
static pthread_mutex_t ports_mutex = PTHREAD_MUTEX_INITIALIZER;

static struct vhost_port *port_of(int vid)
{
	struct vhost_port *vp;
	char path[PATH_MAX];

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) != 0)
		return NULL;
	pthread_mutex_lock(&ports_mutex);
	LIST_FOREACH(vp, &ports, entry)
		if (strcmp(vp->path, path) == 0)
			break;
	pthread_mutex_unlock(&ports_mutex);
	return vp;
}

uint64_t vhost_features_off(bool offloads)
{
	/* Fragmentation of UDP by IP is not what switches and NICs do any more. */
	uint64_t off = 1ull << VIRTIO_NET_F_HOST_UFO | 1ull << VIRTIO_NET_F_GUEST_UFO;

	if (!offloads)
		off |= 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM |
		       1ull << VIRTIO_NET_F_GSO | 1ull << VIRTIO_NET_F_HOST_TSO4 |
		       1ull << VIRTIO_NET_F_HOST_TSO6 | 1ull << VIRTIO_NET_F_HOST_ECN |
		       1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6 |
		       1ull << VIRTIO_NET_F_GUEST_ECN;
	return off;
}

static bool has(const struct vhost_port *vp, unsigned feature)
{
	return (vp->features >> feature & 1) != 0;
}

/* ---- Rings: to the workers and back.  All with vp->mutex held. ---- */

static void log_write(void *ctx, bool used_ring, uint64_t addr, uint64_t size)
{
	const struct vhost_ring *vr = ctx;

	dp_sigbus_thread(
		true); /* The log is a file of the peer's, too, and nobody tells us where. */
	if (used_ring)
		rte_vhost_log_used_vring(vr->port->vid, vr->index, addr, size);
	else
		rte_vhost_log_write(vr->port->vid, addr, size);
	dp_sigbus_thread(false);
}

/* Takes a ring from the workers and tells librte_vhost how far it got. */
static void ring_take_back(struct vhost_port *vp, struct vhost_ring *vr)
{
	uint16_t base = vr->ring.last;

	if (!vr->ring.live) /* Written on this side only, so it may be read without the lock. */
		return;
	rte_spinlock_lock(&vr->ring.lock);
	vr->ring.live = false;
	dp_vring_settle(&vr->ring);
	base = vr->ring.last;
	if (vr->ring.packed && vr->ring.wrap)
		base |= 0x8000;
	rte_spinlock_unlock(&vr->ring.lock);
	rte_vhost_set_vring_base(vp->vid, vr->index, base, base);
}

/* librte_vhost gives addresses of rings that it could map in part only, too. */
static bool mapped(const struct dp_vmem *mem, const void *p, uint64_t size, uintptr_t align)
{
	uintptr_t at = (uintptr_t)p;

	if (p == NULL || (at & (align - 1)) != 0)
		return false;
	for (unsigned i = 0; i < mem->n; i++) {
		uint64_t offset = at - (uintptr_t)mem->region[i].va;

		if (offset < mem->region[i].size && size <= mem->region[i].size - offset)
			return true;
	}
	return false;
}

static bool all_mapped(const struct dp_vmem *mem, const struct dp_vring *r)
{
	uint64_t n = r->size;

	if (r->packed)
		return mapped(mem, r->desc, n * sizeof(*r->packed_desc), 16) &&
		       mapped(mem, r->driver_event, sizeof(*r->driver_event), 4) &&
		       mapped(mem, r->device_event, sizeof(*r->device_event), 4);
	return mapped(mem, r->desc, n * sizeof(*r->desc), 16) &&
	       mapped(mem, r->avail, 4 + n * 2 + (r->event_idx ? 2 : 0), 2) &&
	       mapped(mem, r->used, 4 + n * sizeof(struct vring_used_elem), 4);
}

/* What librte_vhost knows of the ring, as a dp_vring.  False when it cannot be used. */
static bool ring_read(const struct vhost_port *vp, struct vhost_ring *vr, struct dp_vring *ret)
{
	struct rte_vhost_vring v;
	uint16_t avail, used;
	bool packed = has(vp, VIRTIO_F_RING_PACKED);

	memset(&v, 0, sizeof(v));
	if (rte_vhost_get_vhost_vring(vp->vid, vr->index, &v) != 0 ||
	    rte_vhost_get_vring_base(vp->vid, vr->index, &avail, &used) != 0)
		return false;
	if (v.size == 0 || v.size > DP_VRING_MAX_SIZE || (!packed && (v.size & (v.size - 1)) != 0))
		return false;
	*ret = (struct dp_vring){
		.desc = v.desc,
		.avail = v.avail,
		.used = v.used,
		.mem = vp->vmem,
		.size = v.size,
		.last = packed ? avail & 0x7fff : avail,
		.wrap = packed && avail >> 15 != 0,
		.packed = packed,
		.hdr_size = has(vp, VIRTIO_F_VERSION_1) || has(vp, VIRTIO_NET_F_MRG_RXBUF) || packed
				    ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
				    : sizeof(struct virtio_net_hdr),
		.event_idx = has(vp, VIRTIO_RING_F_EVENT_IDX),
		.mergeable = has(vp, VIRTIO_NET_F_MRG_RXBUF),
		.data_valid = has(vp, VIRTIO_NET_F_GUEST_CSUM),
		.ecn = has(vp, VIRTIO_NET_F_GUEST_ECN),
		.call_fd = v.callfd,
		.log = has(vp, VHOST_F_LOG_ALL) ? log_write : NULL,
		.log_ctx = vr,
	};
	return (!packed || ret->last < ret->size) && all_mapped(vp->vmem, ret);
}

static void ring_give(struct vhost_port *vp, struct vhost_ring *vr)
{
	struct dp_vring next, *r = &vr->ring;

	if (r->live || !vr->enabled || vp->vmem == NULL || !ring_read(vp, vr, &next))
		return;
	rte_spinlock_lock(&r->lock);
	next.lock = r->lock;
	next.live = true;
	next.malformed = r->malformed;
	next.signals = r->signals;
	*r = next;
	dp_vring_no_kick(r);
	rte_spinlock_unlock(&r->lock);
	/* The peer may wait for a signal that was due while nobody looked. */
	if (r->call_fd >= 0)
		(void)eventfd_write(r->call_fd, 1);
}

/* Says which rings each queue of the port serves. */
static void map_queues(struct vhost_port *vp)
{
	struct dp_port *port = vp->dp_port;
	struct vhost_ring *to_guest[VHOST_MAX_PAIRS];
	unsigned n_to_guest = 0;

	for (uint16_t i = 0; i < port->n_rxq; i++) {
		uint16_t n = 0;

		for (unsigned p = i; p < VHOST_MAX_PAIRS; p += port->n_rxq) {
			struct vhost_ring *vr = vp->rings[2 * p + 1];

			if (vr != NULL && vr->enabled)
				atomic_store(&vp->rxq[i]->rings[n++], vr);
		}
		atomic_store(&vp->rxq[i]->n, n);
	}
	for (unsigned p = 0; p < VHOST_MAX_PAIRS; p++)
		if (vp->rings[2 * p] != NULL && vp->rings[2 * p]->enabled)
			to_guest[n_to_guest++] = vp->rings[2 * p];
	for (uint16_t i = 0; i < port->n_txq; i++)
		atomic_store(&vp->txq[i].ring, n_to_guest > 0 ? to_guest[i % n_to_guest] : NULL);
}

static void link_update(struct vhost_port *vp)
{
	const struct vhost_ring *to = vp->rings[0], *from = vp->rings[1];

	atomic_store(&vp->dp_port->link_up,
		     vp->running && to != NULL && from != NULL && to->ring.live && from->ring.live);
}

static void take_back_all(struct vhost_port *vp)
{
	for (unsigned i = 0; i < VHOST_MAX_RINGS; i++)
		if (vp->rings[i] != NULL)
			ring_take_back(vp, vp->rings[i]);
}

/* No ring is live. */
static void memory_forget(struct vhost_port *vp)
{
	for (unsigned i = 0; vp->vmem != NULL && i < vp->vmem->n; i++)
		dp_sigbus_remove(vp->vmem->region[i].guard);
	free(vp->vmem);
	vp->vmem = NULL;
}

/* Adds a region.  False when it is not what the peer says, or there is no memory. */
static bool memory_add(struct vhost_port *vp, const struct rte_vhost_mem_region *r)
{
	uint64_t end = r->host_user_addr - (uint64_t)(uintptr_t)r->mmap_addr + r->size;
	struct dp_vmem_region *to = &vp->vmem->region[vp->vmem->n];
	struct stat st;

	/* Pages beyond the end of the file are mapped, and there is nothing in them. */
	if (fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size < end) {
		vp->memory_lies = true;
		return false;
	}
	*to = (struct dp_vmem_region){.gpa = r->guest_phys_addr,
				      .size = r->size,
				      .va = (uint8_t *)(uintptr_t)r->host_user_addr};
	to->guard = dp_sigbus_add(to->va, r->size, &vp->vmem->lost);
	if (to->guard == NULL)
		return false;
	vp->vmem->n++;
	return true;
}

/* Reads the peer's memory table.  No ring is live. */
static void memory_read(struct vhost_port *vp)
{
	struct rte_vhost_memory *m = NULL;

	memory_forget(vp);
	vp->memory_lies = false;
	if (rte_vhost_get_mem_table(vp->vid, &m) != 0 || m == NULL || m->nregions > DP_VMEM_MAX) {
		free(m);
		return;
	}
	vp->vmem = calloc(1, sizeof(*vp->vmem));
	for (uint32_t i = 0; vp->vmem != NULL && i < m->nregions; i++)
		if (!memory_add(vp, &m->regions[i]))
			memory_forget(vp);
	free(m);
}

/* No ring is live. */
static void give_all(struct vhost_port *vp)
{
	vp->paused = false;
	if (!vp->running || vp->fault != DP_VRING_NONE)
		return;
	rte_vhost_get_negotiated_features(vp->vid, &vp->features);
	memory_read(vp);
	for (unsigned i = 0; i < VHOST_MAX_RINGS; i++)
		if (vp->rings[i] != NULL)
			ring_give(vp, vp->rings[i]);
	link_update(vp);
}

static uint32_t tx_caps(const struct vhost_port *vp)
{
	uint32_t caps = DP_TX_CHAIN;

	if (!has(vp, VIRTIO_NET_F_GUEST_CSUM))
		return caps;
	/* Not SCTP: the header can say "Internet checksum" only. */
	caps |= DP_TX_CSUM_TCP | DP_TX_CSUM_UDP;
	caps |= has(vp, VIRTIO_NET_F_GUEST_TSO4) ? DP_TX_TSO4 : 0;
	caps |= has(vp, VIRTIO_NET_F_GUEST_TSO6) ? DP_TX_TSO6 : 0;
	return caps;
}

static const struct vhost_ring *ring_at_fault(const struct vhost_port *vp)
{
	for (unsigned i = 0; i < VHOST_MAX_RINGS; i++)
		if (vp->rings[i] != NULL && vp->rings[i]->ring.live &&
		    vp->rings[i]->ring.fault != DP_VRING_NONE)
			return vp->rings[i];
	return NULL;
}

void vhost_dev_check(struct vhost_port *vp)
{
	const struct vhost_ring *bad;
	bool lost;

	pthread_mutex_lock(&vp->mutex);
	bad = ring_at_fault(vp);
	lost = vp->vmem != NULL && atomic_load(&vp->vmem->lost);
	if ((bad != NULL || lost) && vp->fault == DP_VRING_NONE) {
		vp->fault = lost ? DP_VRING_LOST : bad->ring.fault;
		vp->fault_ring = bad != NULL ? bad->index : 0;
		vp->n_faults++;
		take_back_all(vp);
		link_update(vp);
	}
	pthread_mutex_unlock(&vp->mutex);
}

/* ---- What librte_vhost tells ---- */

static enum rte_vhost_msg_result message_begins(int vid, void *msg)
{
	struct vhost_port *vp = port_of(vid);
	const struct message *m = msg;

	/* librte_vhost looks at rings before we have seen where they are; this thread is its own.
	 */
	dp_sigbus_thread(true);
	if (vp == NULL)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	switch (m->request) {
	case SET_FEATURES:
	case RESET_OWNER:
	case SET_MEM_TABLE:
	case SET_LOG_BASE:
	case SET_VRING_NUM:
	case SET_VRING_ADDR:
	case SET_VRING_BASE:
	case GET_VRING_BASE:
	case SET_VRING_KICK:
	case SET_VRING_CALL:
	case RESET_DEVICE:
		pthread_mutex_lock(&vp->mutex);
		take_back_all(vp);
		memory_forget(vp); /* It may be unmapped now. */
		vp->paused = true;
		pthread_mutex_unlock(&vp->mutex);
		break;
	/* What no network card needs.  librte_vhost serves them without having offered them, and
	 * keeps a descriptor open for each that is said twice.  The peer is hung up on; as the
	 * descriptors that came along stay open then, too, there is an end to it. */
	case POSTCOPY_ADVISE:
	case POSTCOPY_LISTEN:
	case POSTCOPY_END:
	case GET_INFLIGHT_FD:
	case SET_INFLIGHT_FD:
		pthread_mutex_lock(&vp->mutex);
		vp->n_unoffered++;
		pthread_mutex_unlock(&vp->mutex);
		return RTE_VHOST_MSG_RESULT_ERR;
	default:
		break;
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

/* Not called for a message that failed; then the next one gives the rings back, or the connection
 * ends. */
static enum rte_vhost_msg_result message_ended(int vid, void *msg)
{
	struct vhost_port *vp = port_of(vid);
	const struct message *m = msg;

	if (vp == NULL)
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	pthread_mutex_lock(&vp->mutex);
	if (vp->paused)
		give_all(vp);
	if (m->request == SEND_RARP) {
		memcpy(&vp->announce_mac, &m->u64, sizeof(vp->announce_mac));
		atomic_store(&vp->rxq[0]->announce, true);
	}
	pthread_mutex_unlock(&vp->mutex);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static int new_connection(int vid)
{
	static const struct rte_vhost_user_extern_ops ops = {.pre_msg_handle = message_begins,
							     .post_msg_handle = message_ended};
	struct vhost_port *vp = port_of(vid);
	int rc = -1;

	if (vp == NULL)
		return -1;
	pthread_mutex_lock(&vp->mutex);
	/* A port has one peer; a second one is turned away. */
	if (vp->vid < 0 && vp->n_unoffered < VHOST_MAX_UNOFFERED) {
		rc = rte_vhost_extern_callback_register(vid, &ops, NULL);
		if (rc == 0) {
			vp->vid = vid;
			vp->n_connects++;
			vp->fault = DP_VRING_NONE;
		}
	}
	pthread_mutex_unlock(&vp->mutex);
	return rc;
}

static void destroy_connection(int vid)
{
	struct vhost_port *vp = port_of(vid);

	if (vp == NULL)
		return;
	pthread_mutex_lock(&vp->mutex);
	if (vp->vid == vid) {
		vp->vid = -1;
		for (unsigned i = 0; i < VHOST_MAX_RINGS; i++)
			if (vp->rings[i] != NULL)
				vp->rings[i]->enabled = false;
		map_queues(vp);
	}
	pthread_mutex_unlock(&vp->mutex);
}

static int new_device(int vid)
{
	struct vhost_port *vp = port_of(vid);

	if (vp == NULL)
		return -1;
	pthread_mutex_lock(&vp->mutex);
	if (vp->vid == vid) {
		vp->running = true;
		vp->fault = DP_VRING_NONE;
		if (rte_vhost_get_mtu(vid, &vp->guest_mtu) != 0)
			vp->guest_mtu = 0;
		rte_vhost_get_negotiated_features(vid, &vp->features);
		vp->dp_port->tx_caps = tx_caps(vp); /* Before the link is up. */
		give_all(vp);
	}
	pthread_mutex_unlock(&vp->mutex);
	return 0;
}

static void destroy_device(int vid)
{
	struct vhost_port *vp = port_of(vid);

	if (vp == NULL)
		return;
	pthread_mutex_lock(&vp->mutex);
	if (vp->vid == vid) {
		take_back_all(vp);
		vp->running = false;
		memory_forget(vp);
		link_update(vp);
	}
	pthread_mutex_unlock(&vp->mutex);
}

static struct vhost_ring *ring_make(struct vhost_port *vp, uint16_t index)
{
	struct vhost_ring *vr = aligned_alloc(64, sizeof(*vr));

	if (vr == NULL)
		return NULL;
	memset(vr, 0, sizeof(*vr));
	vr->port = vp;
	vr->index = index;
	rte_spinlock_init(&vr->ring.lock);
	return vr;
}

static int vring_state_changed(int vid, uint16_t index, int enable)
{
	struct vhost_port *vp = port_of(vid);
	struct vhost_ring *vr;

	if (vp == NULL || index >= VHOST_MAX_RINGS)
		return 0;
	pthread_mutex_lock(&vp->mutex);
	if (vp->rings[index] == NULL)
		vp->rings[index] = ring_make(vp, index);
	vr = vp->rings[index];
	if (vp->vid == vid && vr != NULL) {
		if (enable == 0)
			ring_take_back(vp, vr);
		vr->enabled = enable != 0;
		map_queues(vp);
		if (vp->running && !vp->paused && vp->fault == DP_VRING_NONE)
			ring_give(vp, vr);
		link_update(vp);
	}
	pthread_mutex_unlock(&vp->mutex);
	return 0;
}

static const struct rte_vhost_device_ops device_ops = {
	.new_connection = new_connection,
	.destroy_connection = destroy_connection,
	.new_device = new_device,
	.destroy_device = destroy_device,
	.vring_state_changed = vring_state_changed,
};

/* ---- Start and stop ---- */

static void forget(struct vhost_port *vp)
{
	pthread_mutex_lock(&ports_mutex);
	LIST_REMOVE(vp, entry);
	pthread_mutex_unlock(&ports_mutex);
}

int vhost_dev_start(struct vhost_port *vp, struct err *err)
{
	uint64_t protocol = 0;
	int code;

	if (rte_vhost_driver_register(vp->path, vp->server ? 0 : RTE_VHOST_USER_CLIENT) != 0)
		return err_set(err, -ENOSPC, "vhost-socket",
			       "cannot register vhost socket '%s': too many, or no memory",
			       vp->path);
	pthread_mutex_lock(&ports_mutex);
	LIST_INSERT_HEAD(&ports, vp, entry);
	pthread_mutex_unlock(&ports_mutex);
	errno = 0;
	if (rte_vhost_driver_disable_features(vp->path, vhost_features_off(vp->offloads)) == 0 &&
	    rte_vhost_driver_get_protocol_features(vp->path, &protocol) == 0 &&
	    rte_vhost_driver_set_protocol_features(vp->path, protocol & ~PROTOCOL_OFF) == 0 &&
	    rte_vhost_driver_callback_register(vp->path, &device_ops) == 0 &&
	    rte_vhost_driver_start(vp->path) == 0)
		return 0;
	code = errno != 0 ? -errno : -EIO;
	vhost_dev_stop(vp);
	return err_set(err, code, "vhost-socket", "cannot %s '%s': %s",
		       vp->server ? "listen on" : "connect to", vp->path, strerror(-code));
}

void vhost_dev_stop(struct vhost_port *vp)
{
	rte_vhost_driver_unregister(vp->path);
	forget(vp);
}
