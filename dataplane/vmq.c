/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vmq.h: queues come and go.  Control thread.
 */
#include "dataplane/vmq_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/fdb_priv.h"

#define LEAST_LIMIT    64u
#define POOL_SHARE     4u /* a quarter of all buffers may wait in rings */
#define TRIES	       50u
#define TRY_NS	       200000
#define SMALLEST_TABLE 16u

static uint64_t key_of(const struct dp_vmq_spec *spec)
{
	uint64_t mac = 0;

	memcpy(&mac, spec->mac.addr_bytes, sizeof(spec->mac.addr_bytes));
	return mac | (uint64_t)spec->vid << VMQ_KEY_VID;
}

/* ---- The table ---- */

static void table_put(struct dp_vmq_table *table, struct dp_vmq *vmq)
{
	uint64_t key = key_of(&vmq->spec);
	uint32_t i = (uint32_t)(key * table->secret >> table->shift);

	while (table->at[i].key != 0)
		i = (i + 1) & table->mask;
	table->at[i].key = key;
	table->at[i].vmq = vmq;
	table->n++;
}

static bool is_steered(const struct dp_vmq *vmq, const struct dp_port *port)
{
	return vmq->port == port && !vmq->spec.is_hw;
}

static uint32_t n_steered(const struct dp *dp, const struct dp_port *port)
{
	const struct dp_vmq *vmq;
	uint32_t n = 0;

	LIST_FOREACH(vmq, &dp->vmqs, in_dp)
		n += is_steered(vmq, port);
	return n;
}

static void table_fill(struct dp_vmq_table *table, const struct dp *dp, const struct dp_port *port)
{
	struct dp_vmq *vmq;

	memset(table->at, 0, (table->mask + 1) * sizeof(table->at[0]));
	table->n = 0;
	LIST_FOREACH(vmq, &dp->vmqs, in_dp)
		if (is_steered(vmq, port))
			table_put(table, vmq);
}

/* Of all NICs with rings on 'port'.  NULL without memory. */
static struct dp_vmq_table *table_make(const struct dp *dp, const struct dp_port *port)
{
	uint32_t size = SMALLEST_TABLE, n = n_steered(dp, port);
	struct dp_vmq_table *table;

	while (size < n * 2)
		size *= 2;
	table = calloc(1, sizeof(*table) + size * sizeof(table->at[0]));
	if (table == NULL)
		return NULL;
	table->secret = dp->fdb->seed[0] | 1;
	table->mask = size - 1;
	table->shift = 64 - (uint32_t)__builtin_ctz(size);
	table_fill(table, dp, port);
	return table;
}

static struct dp_vmq_table *table_change(struct dp_port *port, struct dp_vmq_table *table)
{
	return atomic_exchange_explicit(&port->vmq_table, table, memory_order_acq_rel);
}

/* ---- Life of queues ---- */

static void ring_empty(struct rte_ring *ring)
{
	struct rte_mbuf *m;

	while (ring != NULL && rte_ring_sc_dequeue(ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

static void ring_free(struct rte_ring *ring)
{
	ring_empty(ring);
	free(ring);
}

static struct rte_ring *ring_make(void)
{
	size_t size = (size_t)rte_ring_get_memsize(DP_VMQ_RING);
	struct rte_ring *ring = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, 64));

	if (ring != NULL && rte_ring_init(ring, "vmq", DP_VMQ_RING, RING_F_SC_DEQ) != 0) {
		free(ring);
		return NULL;
	}
	return ring;
}

static struct dp_vmq_queue *queue_create(struct dp_vmq *vmq, uint16_t i)
{
	struct dp_vmq_queue *vq = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*vq), 64));

	if (vq == NULL)
		return NULL;
	memset(vq, 0, sizeof(*vq));
	vq->vmq = vmq;
	if (vmq->spec.is_hw) {
		vq->rxq = &vmq->port->rxq[vmq->spec.hw[i]];
		return vq;
	}
	vq->ring = ring_make();
	if (vq->ring == NULL) {
		free(vq);
		return NULL;
	}
	atomic_store(&vq->limit, DP_VMQ_RING - 1);
	vq->rxq = &vq->own;
	vq->own.rx = dp_vmq_rx;
	vq->own.port = vmq->port;
	vq->own.priv = vq;
	vq->own.wake_fd = -1;
	vq->own.soft = true;
	atomic_store(&vq->own.vmq, vq);
	return vq;
}

static void vmq_free(struct dp_vmq *vmq)
{
	for (uint16_t i = 0; i < vmq->spec.n_queues; i++) {
		if (vmq->queues[i] == NULL)
			continue;
		ring_free(vmq->queues[i]->ring);
		free(vmq->queues[i]);
	}
	free(vmq);
}

/* Indices are for people: the first that no queue of the port has. */
static uint16_t free_index(const struct dp *dp, const struct dp_port *port)
{
	uint16_t index = DP_VMQ_FIRST_INDEX;

	for (unsigned i = 0; i < dp->n_placed; i++) {
		const struct dp_rxq *q = dp->placed[i].q;

		if (q->port == port && q->soft && q->index >= index)
			index = (uint16_t)(q->index + 1);
	}
	return index;
}

/* Whatever waits in rings is not there for anybody else to receive into. */
static void set_limits(struct dp *dp)
{
	uint32_t n = 0, limit;
	struct dp_vmq *vmq;

	LIST_FOREACH(vmq, &dp->vmqs, in_dp)
		n += vmq->spec.is_hw ? 0 : vmq->spec.n_queues;
	if (n == 0)
		return;
	limit = dp->pools[0].pool->size / POOL_SHARE / n;
	limit = RTE_MAX(RTE_MIN(limit, DP_VMQ_RING - 1u), LEAST_LIMIT);
	LIST_FOREACH(vmq, &dp->vmqs, in_dp)
		for (uint16_t i = 0; i < vmq->spec.n_queues; i++)
			atomic_store(&vmq->queues[i]->limit, limit);
}

static bool is_dedicated(const struct dp_port *port, uint16_t queue)
{
	return atomic_load(&port->rxq[queue].vmq) != NULL;
}

static int check_hw(const struct dp_vmq_spec *spec, const struct dp_port *port, struct err *err)
{
	for (uint16_t i = 0; spec->is_hw && i < spec->n_queues; i++) {
		if (spec->hw[i] >= port->n_rxq)
			return err_set(err, -EINVAL, "vmq-range", "%s has no queue %u", port->name,
				       spec->hw[i]);
		if (is_dedicated(port, spec->hw[i]))
			return err_set(err, -EBUSY, "vmq-queue", "%s queue %u is another NIC's",
				       port->name, spec->hw[i]);
	}
	return 0;
}

static int check(struct dp *dp, const struct dp_vmq_spec *spec, struct dp_port **ret_port,
		 struct err *err)
{
	const struct dp_view *view = dp_view(dp);
	const struct dp_vport *vp = spec->uplink < DP_MAX_PORTS ? view->vports[spec->uplink] : NULL;
	unsigned n = 0;
	struct dp_vmq *vmq;

	if (spec->n_queues == 0 || spec->n_queues > DP_VMQ_MAX_QUEUES || spec->vid >= DP_VLANS ||
	    !rte_is_valid_assigned_ether_addr(&spec->mac))
		return err_set(err, -EINVAL, "vmq-range", "no such queues");
	if (vp == NULL || vp->port == NULL || vp->port->n_rxq == 0 || vp->team != NULL)
		return err_set(err, -ENOENT, "vmq-uplink", "port %u receives nothing",
			       spec->uplink);
	LIST_FOREACH(vmq, &dp->vmqs, in_dp) {
		n += vmq->port == vp->port;
		/* While it moves from the one kind to the other it has both (vmq_move.c). */
		if (vmq->port == vp->port && key_of(&vmq->spec) == key_of(spec) &&
		    vmq->spec.is_hw == spec->is_hw)
			return err_set(err, -EEXIST, "vmq-exists",
				       "this address has queues on %s already", vp->port->name);
	}
	if (n >= DP_VMQ_MAX)
		return err_set(err, -ENOSPC, "vmq-limit", "%u NICs have queues on %s already",
			       DP_VMQ_MAX, vp->port->name);
	*ret_port = vp->port;
	return check_hw(spec, vp->port, err);
}

static struct dp_vmq *vmq_make(struct dp *dp, const struct dp_vmq_spec *spec, struct dp_port *port)
{
	struct dp_vmq *vmq = calloc(1, sizeof(*vmq));
	uint16_t index = free_index(dp, port);

	if (vmq == NULL)
		return NULL;
	vmq->dp = dp;
	vmq->port = port;
	vmq->spec = *spec;
	for (uint16_t i = 0; i < spec->n_queues; i++) {
		vmq->queues[i] = queue_create(vmq, i);
		if (vmq->queues[i] == NULL) {
			vmq_free(vmq);
			return NULL;
		}
		vmq->queues[i]->own.index = (uint16_t)(index + i);
	}
	return vmq;
}

/* The table first, then a worker: see vmq.h about order. */
static int start_rings(struct dp_vmq *vmq)
{
	struct dp *dp = vmq->dp;
	struct dp_vmq_table *table, *old;
	int rc = dp_place_reserve(dp, vmq->spec.n_queues);

	if (rc != 0)
		return rc;
	table = table_make(dp, vmq->port);
	if (table == NULL)
		return -ENOMEM;
	set_limits(dp);
	old = table_change(vmq->port, table);
	dp_synchronize(dp);
	free(old);
	return 0;
}

void dp_vmq_place(struct dp_vmq *vmq)
{
	for (uint16_t i = 0; i < vmq->spec.n_queues; i++)
		dp_place_queue(vmq->dp, vmq->queues[i]->rxq);
}

static void start_hw(struct dp_vmq *vmq)
{
	for (uint16_t i = 0; i < vmq->spec.n_queues; i++)
		atomic_store(&vmq->queues[i]->rxq->vmq, vmq->queues[i]);
}

int dp_vmq_add_held(struct dp *dp, const struct dp_vmq_spec *spec, struct dp_vmq **ret_vmq,
		    struct err *err)
{
	struct dp_port *port = NULL;
	struct dp_vmq *vmq;
	int rc = check(dp, spec, &port, err);

	if (rc != 0)
		return rc;
	vmq = vmq_make(dp, spec, port);
	if (vmq == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a NIC's queues");
	LIST_INSERT_HEAD(&dp->vmqs, vmq, in_dp);
	if (spec->is_hw)
		start_hw(vmq);
	else
		rc = start_rings(vmq);
	if (rc != 0) {
		LIST_REMOVE(vmq, in_dp);
		vmq_free(vmq);
		return err_set(err, rc, "no-memory", "no memory for a NIC's queues");
	}
	*ret_vmq = vmq;
	return 0;
}

int dp_vmq_add(struct dp *dp, const struct dp_vmq_spec *spec, struct dp_vmq **ret_vmq,
	       struct err *err)
{
	int rc = dp_vmq_add_held(dp, spec, ret_vmq, err);

	if (rc == 0 && !spec->is_hw)
		dp_vmq_place(*ret_vmq);
	return rc;
}

/* All that was put into its rings has gone on. */
static bool is_idle(const struct dp_vmq *vmq)
{
	for (uint16_t i = 0; i < vmq->spec.n_queues; i++) {
		const struct dp_vmq_queue *vq = vmq->queues[i];

		if (rte_ring_count(vq->ring) != 0 || atomic_load(&vq->busy))
			return false;
	}
	return true;
}

/* Takes it out of the table if it is empty, which it stays while nobody moves. */
static bool try_unsteer(struct dp_vmq *vmq, bool anyway)
{
	struct dp_port *port = vmq->port;
	struct dp_vmq_table *old = NULL;
	bool idle;

	dp_pause(vmq->dp);
	idle = anyway || is_idle(vmq);
	if (idle) {
		LIST_REMOVE(vmq, in_dp);
		if (n_steered(vmq->dp, port) == 0)
			old = table_change(port, NULL);
		else
			table_fill(atomic_load(&port->vmq_table), vmq->dp, port);
	}
	dp_resume(vmq->dp);
	if (idle)
		dp_synchronize(vmq->dp);
	free(old);
	return idle;
}

static void stop_rings(struct dp_vmq *vmq)
{
	bool done = dp_n_workers(vmq->dp) == 0 && try_unsteer(vmq, true);

	atomic_store(&vmq->closing, true);
	for (unsigned i = 0; !done; i++) {
		done = try_unsteer(vmq, i == 2 * TRIES);
		atomic_store(&vmq->refuses, i >= TRIES);
		if (!done)
			nanosleep(&(struct timespec){0, TRY_NS}, NULL);
	}
	for (uint16_t i = 0; i < vmq->spec.n_queues; i++)
		dp_place_remove_queue(vmq->dp, vmq->queues[i]->rxq);
	set_limits(vmq->dp);
}

/* The device's queues are nobody's any more. */
static void stop_hw(struct dp_vmq *vmq)
{
	for (uint16_t i = 0; i < vmq->spec.n_queues; i++)
		atomic_store(&vmq->queues[i]->rxq->vmq, NULL);
	dp_synchronize(vmq->dp);
	LIST_REMOVE(vmq, in_dp);
}

void dp_vmq_remove(struct dp *dp, struct dp_vmq *vmq)
{
	if (vmq == NULL)
		return;
	if (vmq->port == NULL)
		LIST_REMOVE(vmq, in_dp);
	else if (vmq->spec.is_hw)
		stop_hw(vmq);
	else
		stop_rings(vmq);
	vmq_free(vmq);
}

void dp_vmq_port_gone(struct dp *dp, struct dp_port *port)
{
	struct dp_vmq_table *old = table_change(port, NULL);
	struct dp_vmq *vmq;

	dp_synchronize(dp);
	free(old);
	LIST_FOREACH(vmq, &dp->vmqs, in_dp) {
		if (vmq->port != port)
			continue;
		vmq->port = NULL;
		for (uint16_t i = 0; i < vmq->spec.n_queues; i++) {
			if (vmq->spec.is_hw)
				atomic_store(&vmq->queues[i]->rxq->vmq, NULL);
			ring_empty(vmq->queues[i]->ring);
		}
	}
}

void dp_vmq_fini(struct dp *dp)
{
	const struct dp_view *view = dp_view(dp);
	struct dp_vmq *vmq;

	for (uint16_t id = 0; view != NULL && id < view->n_vports; id++)
		if (view->vports[id] != NULL && view->vports[id]->port != NULL)
			free(table_change(view->vports[id]->port, NULL));
	while ((vmq = LIST_FIRST(&dp->vmqs)) != NULL) {
		LIST_REMOVE(vmq, in_dp);
		vmq_free(vmq);
	}
}

/* ---- What there is ---- */

bool dp_vmq_gone(const struct dp_vmq *vmq)
{
	return vmq->port == NULL;
}

const struct dp_vmq_spec *dp_vmq_spec(const struct dp_vmq *vmq)
{
	return &vmq->spec;
}

void dp_vmq_queue_info(const struct dp *dp, const struct dp_vmq *vmq, uint16_t i,
		       struct dp_vmq_info *ret_info)
{
	const struct dp_vmq_queue *vq = vmq->queues[i];
	const struct dp_rxq *q = vq->rxq;
	const struct dp_placed *placed = vmq->port != NULL ? dp_place_find(dp, q) : NULL;

	*ret_info = (struct dp_vmq_info){.cpu = -1, .dropped = atomic_load(&vq->dropped)};
	if (vmq->port == NULL)
		return;
	ret_info->direct = atomic_load(&vq->direct);
	ret_info->packets = atomic_load(&q->packets);
	ret_info->bytes = atomic_load(&q->bytes);
	ret_info->waits = vq->ring != NULL ? rte_ring_count(vq->ring) : 0;
	if (placed == NULL || placed->worker == NULL)
		return;
	ret_info->cpu = (int)placed->worker->cpu;
	ret_info->load = placed->load;
	ret_info->moves = placed->moves;
	ret_info->at_home = vq->ring != NULL && dp_place_home(dp, vmq->port) == placed->worker;
}
