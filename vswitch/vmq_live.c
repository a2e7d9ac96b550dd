/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who has receive queues on an uplink, looked at twice a second: the part of policy.h.  See vmq.h.
 *
 * A NIC with '--queues N' has them always.  Of the others those have some to which more than
 * BUSY_RATE frames a second go, the busiest (by rate times weight) first, until VS_VMQ_SHARES have;
 * who has them is as busy as half again.  A NIC that was quiet for QUIET_LOOKS looks gives them
 * back.  One queue is enough until its worker has nothing else to do; then there are as many as
 * workers, until all of them together are less than one's work.
 *
 * Whether they are the device's or the switch's is vmq_hw.c's; where queues are, which worker has
 * them, dataplane/place.c's.
 */
#include "vswitch/vmq_priv.h"

#include "dataplane/vmq.h"
#include "vswitch/vs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_TICKS  5u
#define LOOKS_A_SEC 2u
#define BUSY_RATE   1000.0
#define QUIET_RATE  100.0
#define QUIET_LOOKS 20u
#define FULL_LOAD   0.8
#define SMALL_LOAD  0.4
#define INCUMBENT   1.5

struct live {
	struct vs_vmq_nic nics[DP_MAX_PORTS];
	struct vs_vmq_devices devices;
};

static struct live *live_of(const struct vs *vs)
{
	return vs->policy[VS_POLICY_VMQ];
}

const struct vs_vmq_nic *vs_vmq_nic(const struct vs *vs, uint16_t port_id)
{
	return live_of(vs) != NULL ? &live_of(vs)->nics[port_id] : NULL;
}

const char *vs_vmq_kind(const struct vs_vmq_nic *nic)
{
	if (nic->vmq == NULL)
		return "shared";
	return dp_vmq_spec(nic->vmq)->is_hw ? nic->kind : "software";
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	*ret = calloc(1, sizeof(struct live));
	return *ret != NULL ? 0 : err_set(err, -ENOMEM, "no-memory", "no memory for queues");
}

static void take_back(struct vs *vs, uint16_t id)
{
	struct vs_vmq_nic *nic = &live_of(vs)->nics[id];

	vs_vmq_hw_leave(vs, &live_of(vs)->devices, nic);
	dp_vmq_remove(vs->dp, nic->vmq);
	nic->vmq = NULL;
}

static void destroy(struct vs *vs, void *arg)
{
	struct live *live = arg;

	for (unsigned i = 0; i < DP_MAX_PORTS; i++)
		dp_vmq_remove(vs->dp, live->nics[i].vmq);
	vs_vmq_hw_fini(&live->devices);
	free(live);
}

void vs_vmq_closes(struct vs *vs, const struct dp_port *port)
{
	if (live_of(vs) != NULL)
		vs_vmq_hw_closes(&live_of(vs)->devices, port);
}

static void port_gone(struct vs *vs, uint16_t id)
{
	if (live_of(vs) == NULL)
		return;
	take_back(vs, id);
	live_of(vs)->nics[id] = (struct vs_vmq_nic){0};
}

/* ---- What a NIC's frames look like on its uplink ---- */

/* The uplink of a switch: the first with a device. */
static const struct dp_vport *uplink_of(const struct vs *vs, const struct vs_port *nic)
{
	const struct vs_model *m = vs->model;

	for (unsigned i = 0; i < m->n_ports; i++) {
		uint16_t id = m->ports[i].sw == nic->sw && m->ports[i].kind == VS_PHYS
				      ? vs->port_ids[i]
				      : DP_NO_PORT;
		const struct dp_vport *vp = id != DP_NO_PORT ? dp_view(vs->dp)->vports[id] : NULL;

		/* What members of a team receive is the team's. */
		if (vp != NULL && vp->port != NULL && vp->team == NULL)
			return vp;
	}
	return NULL;
}

/* The outer tag of its frames there; a reason in '*ret_why' when there is none that is its own. */
static bool vid_of(const struct vs *vs, const struct dp_vport *nic, const struct dp_vport *up,
		   uint16_t *ret_vid, const char **ret_why)
{
	const struct dp_domain *domain = dp_view(vs->dp)->domains[nic->domain];
	uint16_t vlan = nic->pvid;

	*ret_why = "it is a trunk: its VLANs share the uplink's queues";
	if ((nic->flags & (DP_VP_TAGGED_IN | DP_VP_TUNNEL)) != 0)
		return false;
	*ret_why = "the uplink does not carry its VLAN or tenant";
	if (up->wire != NULL) {
		*ret_vid = up->wire->vlan_of_domain[nic->domain];
		return *ret_vid != DP_NO_VLAN;
	}
	if (domain != NULL && domain->fdb_vlan != NULL)
		vlan = domain->fdb_vlan[vlan];
	if (up->domain != nic->domain || !dp_vlan_test(up->vlan_out, vlan))
		return false;
	*ret_vid = (up->flags & DP_VP_TAG_OUT) != 0 && vlan != up->native_out ? vlan : 0;
	return true;
}

static bool spec_of(const struct vs *vs, const struct vs_port *p, uint16_t id,
		    struct dp_vmq_spec *ret, const char **ret_why)
{
	const struct dp_vport *vp = dp_view(vs->dp)->vports[id], *up = uplink_of(vs, p);

	*ret_why = "its switch has no uplink that works";
	if (up == NULL)
		return false;
	*ret_why = "its device is away";
	if (vp == NULL || vp->port == NULL)
		return false;
	*ret_why = "its MAC address is not known to the switch: port set --mac";
	if (!rte_is_valid_assigned_ether_addr(&vp->port->mac))
		return false;
	*ret = (struct dp_vmq_spec){.uplink = up->id, .nic = id, .mac = vp->port->mac};
	return vid_of(vs, vp, up, &ret->vid, ret_why);
}

/* ---- How many ---- */

static double load_of(const struct vs *vs, const struct dp_vmq *vmq)
{
	double load = 0;

	for (uint16_t i = 0; i < dp_vmq_spec(vmq)->n_queues; i++) {
		struct dp_vmq_info info;

		dp_vmq_queue_info(vs->dp, vmq, i, &info);
		load += info.load;
	}
	return load;
}

static uint16_t enough(const struct vs *vs, const struct vs_vmq_nic *nic)
{
	uint16_t now = nic->vmq != NULL ? dp_vmq_spec(nic->vmq)->n_queues : 1;
	unsigned n_workers = dp_n_workers(vs->dp);
	double load = nic->vmq != NULL ? load_of(vs, nic->vmq) : 0;

	if (now == 1)
		return (uint16_t)(load < FULL_LOAD		  ? 1
				  : n_workers < DP_VMQ_MAX_QUEUES ? n_workers
								  : DP_VMQ_MAX_QUEUES);
	return load < SMALL_LOAD ? 1 : now;
}

static void measure(struct vs_vmq_nic *nic, const struct dp_vport *vp)
{
	uint64_t sent = 0;

	for (uint16_t i = 0; vp != NULL && vp->port != NULL && i < vp->port->n_txq; i++)
		sent += atomic_load_explicit(&vp->port->txq[i].packets, memory_order_relaxed);
	nic->rate = sent < nic->seen ? 0 : (double)(sent - nic->seen) * LOOKS_A_SEC;
	nic->seen = sent;
	nic->quiet = nic->rate < QUIET_RATE ? nic->quiet + 1 : 0;
}

/* Does it get queues by itself?  Else why not. */
static bool deserves(const struct vs *vs, const struct vs_vmq_nic *nic, const char **ret_why)
{
	*ret_why = "one worker does it all: core add";
	if (dp_n_workers(vs->dp) < 2)
		return false;
	*ret_why = "it receives little";
	return nic->vmq != NULL ? nic->quiet < QUIET_LOOKS : nic->rate >= BUSY_RATE;
}

/* False: no queues for it, and nic->why says why. */
static bool consider(struct vs *vs, const struct vs_vmq *v, uint16_t id,
		     struct vs_vmq_candidate *ret)
{
	struct vs_vmq_nic *nic = &live_of(vs)->nics[id];
	const char *why = "its weight is 0";
	bool ok;

	measure(nic, dp_view(vs->dp)->vports[id]);
	*ret = (struct vs_vmq_candidate){.id = id, .asked = v->queues != 0, .hw = v->hw};
	ok = v->weight != 0 && spec_of(vs, v->port, id, &ret->spec, &why) &&
	     (ret->asked || deserves(vs, nic, &why));
	snprintf(nic->why, sizeof(nic->why), "%s", ok ? "" : why);
	ret->rank = nic->rate * v->weight * (nic->vmq != NULL ? INCUMBENT : 1);
	ret->spec.n_queues = ret->asked ? v->queues : enough(vs, nic);
	return ok;
}

static int by_rank(const void *a, const void *b)
{
	const struct vs_vmq_candidate *x = a, *y = b;

	if (x->asked != y->asked)
		return x->asked ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

/* ---- Giving and taking ---- */

static bool same_spec(const struct dp_vmq_spec *a, const struct dp_vmq_spec *b)
{
	return a->uplink == b->uplink && a->vid == b->vid && a->n_queues == b->n_queues &&
	       a->is_hw == b->is_hw && rte_is_same_ether_addr(&a->mac, &b->mac);
}

static bool same_queues(const struct dp_vmq_spec *a, const struct dp_vmq_spec *b)
{
	return same_spec(a, b) && (!a->is_hw || a->hw[0] == b->hw[0]);
}

/* What it has is of another uplink, address or number.  Queues that only change their kind stay
 * until there are others. */
static void take_what_differs(struct vs *vs, const struct vs_vmq_candidate *c)
{
	struct live *live = live_of(vs);
	struct vs_vmq_nic *nic = &live->nics[c->id];
	struct dp_vmq_spec want = c->spec;

	if (nic->vmq != NULL && dp_vmq_gone(nic->vmq))
		take_back(vs, c->id);
	if (nic->vmq == NULL || same_queues(dp_vmq_spec(nic->vmq), &want))
		return;
	vs_vmq_hw_leave(vs, &live->devices, nic);
	if (nic->vmq == NULL)
		return;
	want.is_hw = false;
	if (c->spec.is_hw)
		want.n_queues = dp_vmq_spec(nic->vmq)->n_queues;
	if (!same_spec(dp_vmq_spec(nic->vmq), &want))
		take_back(vs, c->id);
}

static void give(struct vs *vs, const struct vs_vmq_candidate *c, unsigned *moves)
{
	struct live *live = live_of(vs);
	struct vs_vmq_nic *nic = &live->nics[c->id];
	struct dp_vmq_spec soft = c->spec;
	struct err err = {0};

	if (c->spec.is_hw && vs_vmq_hw_give(vs, nic, c, moves))
		return;
	if (!c->spec.is_hw)
		snprintf(nic->why, sizeof(nic->why), "%s", c->hw_why);
	soft.is_hw = false;
	if (nic->vmq == NULL && dp_vmq_add(vs->dp, &soft, &nic->vmq, &err) != 0)
		snprintf(nic->why, sizeof(nic->why), "%.120s", err.what);
}

/* The first of them in their order; the others share.  Returns how many. */
static unsigned choose(struct vs *vs, struct vs_vmq_candidate *candidates, unsigned n)
{
	unsigned n_auto = 0, n_given = 0;

	qsort(candidates, n, sizeof(*candidates), by_rank);
	for (unsigned i = 0; i < n; i++) {
		struct vs_vmq_candidate *c = &candidates[i];
		struct vs_vmq_nic *nic = &live_of(vs)->nics[c->id];

		n_auto += !c->asked;
		if (n_auto <= VS_VMQ_SHARES || c->asked) {
			candidates[n_given++] = *c;
			continue;
		}
		take_back(vs, c->id);
		snprintf(nic->why, sizeof(nic->why), "%u busier NICs have queues", VS_VMQ_SHARES);
	}
	return n_given;
}

static void share(struct vs *vs, struct vs_vmq_candidate *candidates, unsigned n)
{
	struct live *live = live_of(vs);
	unsigned moves = 0;

	n = choose(vs, candidates, n);
	vs_vmq_hw_share(vs, &live->devices, live->nics, candidates, n);
	for (unsigned i = 0; i < n; i++)
		take_what_differs(vs, &candidates[i]);
	for (unsigned i = 0; i < n; i++)
		give(vs, &candidates[i], &moves);
}

static void look(struct vs *vs)
{
	const struct vs_model *m = vs->model;
	struct vs_vmq_candidate *candidates = calloc(m->n_ports + 1, sizeof(*candidates));
	unsigned n = 0;

	for (unsigned i = 0; candidates != NULL && i < m->n_ports; i++) {
		uint16_t id = vs->port_ids[i];

		if (id == DP_NO_PORT || !vs_vmq_concerns(&m->ports[i]))
			continue;
		if (consider(vs, vs_vmq_of(m, &m->ports[i]), id, &candidates[n]))
			n++;
		else
			take_back(vs, id);
	}
	if (n != 0)
		share(vs, candidates, n);
	free(candidates);
}

static void tick(struct vs *vs)
{
	vs_vmq_hw_tick(vs, &live_of(vs)->devices);
	if (vs->ticks % LOOK_TICKS == 0 && vs->port_ids != NULL && vs->model != NULL)
		look(vs);
}

/* What is configured holds at once. */
static void settle(struct vs *vs, const struct vs_model *m)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		uint16_t id = vs_port_id(vs, m->ports[i].name);

		if (id != DP_NO_PORT && !vs_vmq_concerns(&m->ports[i]))
			take_back(vs, id);
	}
}

const struct vs_policy vs_policy_vmq = {
	.read = vs_vmq_read,
	.forget = vs_vmq_forget,
	.create = create,
	.destroy = destroy,
	.settle = settle,
	.port_gone = port_gone,
	.tick = tick,
};
