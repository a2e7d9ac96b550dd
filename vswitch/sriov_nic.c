/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Each NIC's way: what is known of it becomes facts for its state machine (sriov/failover.h), and
 * what that asks for is done: a VF taken, handed to the VM's process, the guest told, frames
 * steered.  See sriov.h.
 *
 * A NIC is here from when it wants a VF until it neither wants nor has one; so one whose port was
 * removed stays until its VM has let go of the VF.
 *
 * Facts are looked at ten times a second, when the configuration changes, and when the guest or the
 * adapter does what cannot wait: frames leave the VF's way before the call returns.
 */
#include "vswitch/sriov_priv.h"

#include "ctl/base/clock.h"
#include "dataplane/fdb.h"
#include "sriov/pf.h"
#include "sriov/pool.h"
#include "sriov/vfio.h"
#include "vmq/nic.h"
#include "vswitch/nic_macs.h"
#include "vswitch/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTACH_MS 30000
#define DETACH_MS 25000 /* the VM's process gives its guest twenty seconds */

static struct vs_sriov *sriov_of(const struct vs *vs)
{
	return vs->policy[VS_POLICY_SRIOV];
}

static struct vs_sriov_nic *find(const struct vs_sriov *s, const char *port)
{
	struct vs_sriov_nic *nic;

	LIST_FOREACH(nic, &s->nics, entry)
		if (strcmp(nic->port, port) == 0)
			return nic;
	return NULL;
}

struct vs_sriov_nic *vs_sriov_find(const struct vs *vs, const char *port)
{
	const struct vs_sriov *s = sriov_of(vs);

	return s != NULL ? find(s, port) : NULL;
}

/* The device of a NIC's port; NULL: it is away. */
static struct dp_port *device_of(const struct vs_sriov_nic *nic)
{
	uint16_t id = vs_port_id(nic->vs, nic->port);
	struct dp_port *port = id != DP_NO_PORT ? nic->vs->live[id].port : NULL;

	return port != NULL && strcmp(port->ops->kind, vmq_port_ops.kind) == 0 ? port : NULL;
}

/* ---- What the state machine asks for ---- */

/* The pool may be the one that called us: it is given its VF back later. */
static void give_back(struct vs_sriov_nic *nic)
{
	if (nic->claim == NULL || nic->in_pool)
		return;
	nic->sriov->pool->release(nic->claim);
	nic->claim = NULL;
}

/* It cannot wait: the guest falls back by itself when its VF goes, and sends by the NIC. */
static void on_lost(void *ctx, void *claim, const char *why)
{
	struct vs_sriov_nic *nic = ctx;

	snprintf(nic->lost, sizeof(nic->lost), "%.150s", why);
	nic->in_pool = true;
	sriov_failover_fault(&nic->f, SRIOV_REASON_VF_GONE, clock_mono_ns());
	nic->in_pool = false;
}

static int take(void *ctx, struct err *err)
{
	struct vs_sriov_nic *nic = ctx;
	const struct vs_sriov *s = nic->sriov;
	bool held = false;
	int rc;

	give_back(nic);
	if (s->pool == NULL)
		return err_set(err, -ENOENT, "no-vf", "this host has no VFs");
	rc = s->pool->take(s->pool_ctx, nic->want.pf, nic->port, &nic->want.conf, on_lost, nic,
			   &nic->claim, &held, err);
	if (rc != 0) {
		nic->claim = NULL;
		return rc;
	}
	nic->has = nic->want.conf;
	nic->lost[0] = '\0';
	return held ? 1 : 0;
}

static const char *nic_name(const struct vs_sriov_nic *nic)
{
	const char *part = vs_vm_part(nic->port);

	return part != NULL ? part : nic->port;
}

/* Whose answer it is: the NIC may be gone when it comes. */
struct question {
	struct vs_sriov *s;
	char port[DP_PORT_NAME_SIZE];
};

static struct question *ask_for(const struct vs_sriov_nic *nic)
{
	struct question *q = malloc(sizeof(*q));

	if (q == NULL)
		return NULL;
	q->s = nic->sriov;
	snprintf(q->port, sizeof(q->port), "%s", nic->port);
	return q;
}

static void on_attached(void *arg, const json_t *result, const struct err *err)
{
	struct question *q = arg;
	struct vs_sriov_nic *nic = find(q->s, q->port);

	/* It may have one of an earlier time, of which nobody knows any more. */
	if (nic != NULL && result == NULL && err->code != -ECONNRESET)
		(void)vs_vm_ask(nic->vs->vms, nic->vm, "vf-detach",
				json_pack("{ss}", "name", nic_name(nic)), DETACH_MS, NULL, NULL,
				NULL);
	if (nic != NULL)
		sriov_failover_attached(&nic->f, result != NULL ? NULL : err, clock_mono_ns());
	free(q);
}

/* A number that the guest finds at the VF and in the word of it: the same for the same name, also
 * after a restart. */
static uint32_t serial_of(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return (h & 0x7fffffff) | 1;
}

static int hand_over(struct vs_sriov_nic *nic, const struct sriov_vfio_fds *fds, struct err *err)
{
	const int list[] = {fds->container, fds->group, fds->device};
	const struct sriov_pool_ops *pool = nic->sriov->pool;
	struct question *q = ask_for(nic);
	int rc;

	if (q == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a VF");
	rc = vs_vm_ask_fds(nic->vs->vms, nic->vm, "vf-attach",
			   json_pack("{ss ss sI}", "name", nic_name(nic), "address",
				     pool->device(nic->claim)->addr, "serial",
				     (json_int_t)serial_of(nic->port)),
			   list, 3, ATTACH_MS, on_attached, q, err);
	if (rc != 0)
		free(q);
	return rc;
}

static int attach(void *ctx, struct err *err)
{
	struct vs_sriov_nic *nic = ctx;
	struct sriov_vfio_fds fds;
	int rc = nic->sriov->pool->open(nic->claim, &fds, err);

	if (rc != 0)
		return rc;
	rc = hand_over(nic, &fds, err);
	close(fds.device);
	close(fds.group);
	close(fds.container);
	return rc;
}

static void associate(void *ctx, bool present)
{
	struct vs_sriov_nic *nic = ctx;
	struct dp_port *port = device_of(nic);

	if (port != NULL)
		vmq_nic_set_vf(port, present, serial_of(nic->port));
}

static void address_put(struct vs_sriov_nic *nic, uint16_t port)
{
	nic->address.port = port;
	nic->address_error = dp_fdb_move_static(dp_fdb(nic->vs->dp), &nic->address, NULL);
}

/* The address that frames for it are looked up by. */
static int address_find(struct vs_sriov_nic *nic)
{
	if (nic->uplink == DP_NO_PORT || nic->domain == DP_NO_DOMAIN)
		return -ENOENT;
	nic->address = (struct dp_fdb_entry){.vlan = nic->want.vlan,
					     .domain = nic->domain,
					     .is_static = true};
	memcpy(nic->address.mac.addr_bytes, nic->has.mac, sizeof(nic->has.mac));
	return 0;
}

static int steer_to(struct vs_sriov_nic *nic)
{
	struct dp_port *port = device_of(nic);
	int rc = port != NULL ? address_find(nic) : -ENODEV;

	if (rc == 0)
		rc = vmq_nic_by_vf(port, true);
	if (rc != 0)
		return rc;
	address_put(nic, nic->uplink);
	if (nic->address_error != 0) {
		(void)vmq_nic_by_vf(port, false);
		return nic->address_error;
	}
	dp_synchronize(nic->vs->dp);
	nic->pinned = true;
	return 0;
}

/* To the NIC, or, when that is gone, to nobody. */
static void steer_back(struct vs_sriov_nic *nic)
{
	uint16_t id = vs_port_id(nic->vs, nic->port);
	struct dp_port *port = device_of(nic);
	uint64_t from = clock_mono_ns();

	if (id != DP_NO_PORT)
		address_put(nic, id);
	else
		(void)dp_fdb_remove(dp_fdb(nic->vs->dp), &nic->address);
	nic->pinned = id != DP_NO_PORT;
	if (port != NULL)
		(void)vmq_nic_by_vf(port, false);
	dp_synchronize(nic->vs->dp);
	nic->last_gap_us = (clock_mono_ns() - from) / 1000;
	if (nic->last_gap_us > nic->worst_gap_us)
		nic->worst_gap_us = nic->last_gap_us;
}

bool vs_sriov_has_mac(const struct vs *vs, const char *port, const struct dp_fdb_entry *entry)
{
	const struct vs_sriov_nic *nic = vs_sriov_find(vs, port);

	return nic != NULL && nic->f.to_vf && nic->address.vlan == entry->vlan &&
	       nic->address.domain == entry->domain &&
	       rte_is_same_ether_addr(&nic->address.mac, &entry->mac);
}

static int steer(void *ctx, bool to_vf)
{
	if (to_vf)
		return steer_to(ctx);
	steer_back(ctx);
	return 0;
}

static void on_detached(void *arg, const json_t *result, const struct err *err)
{
	struct question *q = arg;
	struct vs_sriov_nic *nic = find(q->s, q->port);

	/* One that says nothing may have it still: it is asked again. */
	if (nic != NULL && (result != NULL || err->code != -ETIMEDOUT))
		sriov_failover_detached(&nic->f, clock_mono_ns());
	free(q);
}

/* The guest is asked, and may take its time; the adapter is not, as far as its driver can. */
static void cut_off(struct vs_sriov_nic *nic)
{
	struct sriov_vf_conf conf = nic->has;

	conf.link = SRIOV_LINK_DOWN;
	if (!nic->in_pool && nic->sriov->pool->change(nic->claim, &conf, NULL) == 0)
		nic->has = conf;
}

static int detach(void *ctx)
{
	struct vs_sriov_nic *nic = ctx;
	struct question *q = ask_for(nic);
	int rc;

	cut_off(nic);
	if (q == NULL || nic->vs->vms == NULL) {
		free(q);
		return -ENOMEM;
	}
	rc = vs_vm_ask(nic->vs->vms, nic->vm, "vf-detach", json_pack("{ss}", "name", nic_name(nic)),
		       DETACH_MS, on_detached, q, NULL);
	if (rc != 0)
		free(q);
	return rc;
}

static void release(void *ctx)
{
	struct vs_sriov_nic *nic = ctx;

	if (nic->pinned && !vs_nic_macs_keep(nic->vs, &nic->address))
		(void)dp_fdb_remove(dp_fdb(nic->vs->dp), &nic->address);
	nic->pinned = false;
	give_back(nic);
}

static void told(void *ctx, const struct sriov_failover *f)
{
	struct vs_sriov_nic *nic = ctx;
	bool by_vf = f->state == SRIOV_ACTIVE;
	const char *more = f->reason == SRIOV_REASON_POLICY    ? nic->against
			   : f->reason == SRIOV_REASON_VF_GONE ? nic->lost
							       : f->text;

	/* A guest may go to and fro as it likes. */
	if (f->state == SRIOV_OFFERED || !log_allow(&nic->lines, 10, 10))
		return;
	if (by_vf)
		vs_event(nic->vs, "sriov", nic->port, "nic %s: frames go by VF %u of %s", nic->port,
			 nic->sriov->pool->index(nic->claim), nic->sriov->pool->pf(nic->claim));
	else
		vs_event(nic->vs, "sriov", nic->port,
			 "nic %s: frames go the synthetic way: %s%s%.150s", nic->port,
			 sriov_reason_text(f->reason), more[0] != '\0' ? ": " : "", more);
}

static const struct sriov_failover_ops ops = {
	.take = take,
	.attach = attach,
	.associate = associate,
	.steer = steer,
	.detach = detach,
	.release = release,
	.told = told,
};

/* ---- Facts ---- */

/* Called before the guest is answered: frames change their way, all else waits for the tick. */
static void on_data_path(void *ctx, bool vf_active)
{
	struct vs_sriov_nic *nic = ctx;

	nic->facts.guest_active = vf_active;
	sriov_failover_facts(&nic->f, &nic->facts, clock_mono_ns());
}

/* The device may be another one than at the last look. */
static void hook(struct vs_sriov_nic *nic, struct dp_port *port)
{
	if (port == NULL || port->serial == nic->hooked)
		return;
	nic->hooked = port->serial;
	vmq_nic_on_data_path(port, on_data_path, nic);
	if (nic->f.told_guest)
		vmq_nic_set_vf(port, true, serial_of(nic->port));
}

static void unhook(struct vs_sriov_nic *nic)
{
	struct dp_port *port = device_of(nic);

	if (port != NULL && port->serial == nic->hooked)
		vmq_nic_on_data_path(port, NULL, NULL);
}

static void look_at_guest(struct vs_sriov_nic *nic)
{
	struct dp_port *port = device_of(nic);
	struct vmq_nic_guest guest = {0};

	hook(nic, port);
	if (port != NULL)
		vmq_nic_guest(port, &guest);
	nic->facts.guest_up = guest.up;
	nic->facts.guest_takes = guest.takes_vf;
	nic->facts.guest_active = guest.vf_active;
}

static void look_at_vm(struct vs_sriov_nic *nic)
{
	const struct vs_vms *vms = nic->vs->vms;
	enum vs_vm_state state = vms != NULL ? vs_vm_state(vms, nic->vm) : VS_VM_STOPPED;

	nic->facts.vm_runs = vms != NULL && vs_vm_can_be_asked(vms, nic->vm);
	nic->facts.vm_paused = state == VS_VM_PAUSED;
}

static void look_at_uplink(struct vs_sriov_nic *nic)
{
	const struct dp_port *port =
		nic->uplink != DP_NO_PORT ? nic->vs->live[nic->uplink].port : NULL;

	nic->facts.link_up = port != NULL && atomic_load(&port->link_up);
}

static bool is_wanted(const struct vs_port *p)
{
	return p != NULL && p->kind == VS_VMBUS && json_is_true(json_object_get(p->body, "sriov"));
}

/* May it have a VF, by configuration 'm', and what should that enforce? */
static void look_at_policy(struct vs_sriov_nic *nic, const struct vs_model *m)
{
	const struct vs_port *p = vs_model_port(m, nic->port);

	nic->facts.wanted = is_wanted(p);
	nic->facts.carried = false;
	if (!nic->facts.wanted)
		return;
	nic->facts.carried =
		vs_sriov_carries(nic->vs, m, p, &nic->want, nic->against, sizeof(nic->against));
	nic->uplink =
		nic->want.uplink != NULL ? vs_port_id(nic->vs, nic->want.uplink->name) : DP_NO_PORT;
	nic->domain =
		vs_domain_id(nic->vs, p->sw->name, p->tenant != NULL ? p->tenant->name : NULL);
	/* Nothing of a model that may go is kept. */
	snprintf(nic->pf, sizeof(nic->pf), "%s", nic->want.pf != NULL ? nic->want.pf : "");
	nic->want.pf = nic->pf;
	nic->want.uplink = NULL;
}

static bool same_policy(const struct sriov_vf_conf *a, const struct sriov_vf_conf *b)
{
	return memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 && a->vlan == b->vlan &&
	       a->qos == b->qos && a->spoof_check == b->spoof_check && a->trust == b->trust &&
	       a->rate_mbps == b->rate_mbps;
}

/* The VF enforces what is asked now, or is taken anew. */
static void follow_policy(struct vs_sriov_nic *nic)
{
	uint64_t now = clock_mono_ns();

	if (nic->claim == NULL || !nic->f.has_vf || nic->f.detaching || !nic->facts.carried ||
	    same_policy(&nic->has, &nic->want.conf))
		return;
	if (memcmp(nic->has.mac, nic->want.conf.mac, sizeof(nic->has.mac)) == 0 &&
	    nic->has.vlan == nic->want.conf.vlan &&
	    nic->sriov->pool->change(nic->claim, &nic->want.conf, NULL) == 0)
		nic->has = nic->want.conf;
	else
		sriov_failover_anew(&nic->f, now);
}

static void look(struct vs_sriov_nic *nic, const struct vs_model *m)
{
	look_at_policy(nic, m);
	look_at_vm(nic);
	look_at_guest(nic);
	look_at_uplink(nic);
	sriov_failover_facts(&nic->f, &nic->facts, clock_mono_ns());
	follow_policy(nic);
	if (!nic->f.has_vf)
		give_back(nic);
}

/* ---- NICs ---- */

static void add(struct vs *vs, struct vs_sriov *s, const struct vs_port *p)
{
	struct vs_sriov_nic *nic = calloc(1, sizeof(*nic));

	if (nic == NULL)
		return;
	nic->vs = vs;
	nic->sriov = s;
	nic->uplink = DP_NO_PORT;
	snprintf(nic->port, sizeof(nic->port), "%s", p->name);
	snprintf(nic->vm, sizeof(nic->vm), "%s", p->vm != NULL ? p->vm->name : "");
	sriov_failover_init(&nic->f, &ops, nic);
	LIST_INSERT_HEAD(&s->nics, nic, entry);
}

static void drop(struct vs_sriov_nic *nic)
{
	unhook(nic);
	sriov_failover_fini(&nic->f);
	give_back(nic);
	LIST_REMOVE(nic, entry);
	free(nic);
}

static void look_all(struct vs *vs, const struct vs_model *m)
{
	struct vs_sriov *s = sriov_of(vs);
	struct vs_sriov_nic *nic, *next;

	for (nic = LIST_FIRST(&s->nics); nic != NULL; nic = next) {
		next = LIST_NEXT(nic, entry);
		look(nic, m);
		if (!nic->facts.wanted && !nic->f.has_vf)
			drop(nic);
	}
}

static void settle(struct vs *vs, const struct vs_model *m)
{
	struct vs_sriov *s = sriov_of(vs);

	for (unsigned i = 0; s != NULL && i < m->n_ports; i++)
		if (is_wanted(&m->ports[i]) && find(s, m->ports[i].name) == NULL)
			add(vs, s, &m->ports[i]);
	if (s != NULL)
		look_all(vs, m);
}

static void tick(struct vs *vs)
{
	if (sriov_of(vs) == NULL)
		return;
	look_all(vs, vs->model);
	vs_sriov_look_at_faults(vs, sriov_of(vs));
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	struct vs_sriov *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for VFs");
	LIST_INIT(&s->nics);
	s->log_path = "/dev/kmsg";
	*ret = s;
	return 0;
}

/* VMs that run keep their VFs; the next daemon finds them held. */
static void forget_all(struct vs_sriov *s)
{
	struct vs_sriov_nic *nic;

	while ((nic = LIST_FIRST(&s->nics)) != NULL) {
		if (nic->f.in_vm && nic->facts.vm_runs)
			nic->claim = NULL;
		drop(nic);
	}
}

void vs_sriov_let_go(struct vs *vs)
{
	if (sriov_of(vs) != NULL)
		forget_all(sriov_of(vs));
}

static void destroy(struct vs *vs, void *live)
{
	struct vs_sriov *s = live;

	forget_all(s);
	sriov_fault_close(s->log);
	free(s);
}

void vs_sriov_use(struct vs *vs, const struct sriov_pool_ops *pool, void *ctx)
{
	struct vs_sriov *s = sriov_of(vs);

	if (s == NULL)
		return;
	forget_all(s);
	s->pool = pool;
	s->pool_ctx = ctx;
}

void vs_sriov_told(struct vs *vs, const char *vm, const char *name, const char *state,
		   const char *why)
{
	char port[DP_PORT_NAME_SIZE];
	struct vs_sriov_nic *nic;

	snprintf(port, sizeof(port), "%.40s/%.22s", vm, name);
	nic = sriov_of(vs) != NULL ? vs_sriov_find(vs, port) : NULL;
	if (nic == NULL || strcmp(state, "offered") == 0)
		return;
	snprintf(nic->lost, sizeof(nic->lost), "%.150s", why);
	sriov_failover_fault(&nic->f,
			     strcmp(why, "error") == 0 || strcmp(why, "reset") == 0
				     ? SRIOV_REASON_VF_ERROR
				     : SRIOV_REASON_VF_GONE,
			     clock_mono_ns());
}

const struct vs_policy vs_policy_sriov = {
	.create = create,
	.destroy = destroy,
	.settle = settle,
	.tick = tick,
};
