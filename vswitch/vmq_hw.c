/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose queues are the device's: the part of vmq_live.c that speaks with vmq/steer.h.
 *
 * An uplink's device is asked the first time that a NIC behind it is to have queues.  Where it can
 * steer, the first NICs in their order (those asked for, then the busiest) have its queues, the
 * others the switch's.  A NIC that the device refuses, or whose rule it lost and does not take
 * again, has the switch's for RETRY_LOOKS looks.
 *
 * Frames are moved by dataplane/vmq.h's dp_vmq_to_device() and dp_vmq_from_device(), a NIC at a
 * time, so that one refusal concerns one NIC.
 *
 * Control thread.
 */
#include "vswitch/vmq_priv.h"

#include "dataplane/vmq.h"
#include "vmq/steer.h"
#include "vswitch/vs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_LOOKS   20u
#define WAITING_LOOKS 4u /* a rule that the device lost comes back, or does not */
#define MOVES_A_LOOK  4u
/* Of a device's queues this part stays everybody's. */
#define SHARED_PART 2u

struct vs_vmq_device {
	LIST_ENTRY(vs_vmq_device) in_list;
	struct dp_port *port;
	struct vmq_steer *steer; /* NULL: it cannot, see 'why' */
	unsigned retry;		 /* looks until it is asked again */
	bool may_restart;	 /* it was asked with that */
	char why[VS_VMQ_WHY];
	/* While queues are shared out. */
	bool asked;
	unsigned n_free, n_rules, n_taken;
	bool used[DP_MAX_QUEUES];
};

struct word {
	struct vs_vmq_device *dev;
	const struct dp_steer_rule *rule;
};

static struct dp_port *port_of(const struct vs *vs, uint16_t id)
{
	const struct dp_view *view = dp_view(vs->dp);
	const struct dp_vport *vp = id < view->n_vports ? view->vports[id] : NULL;

	return vp != NULL && vp->team == NULL ? vp->port : NULL;
}

static struct vs_vmq_device *find(struct vs_vmq_devices *devices, const struct dp_port *port)
{
	struct vs_vmq_device *dev;

	LIST_FOREACH(dev, devices, in_list)
		if (dev->port == port)
			return dev;
	return NULL;
}

static void forget(struct vs_vmq_device *dev)
{
	vmq_steer_close(dev->steer);
	LIST_REMOVE(dev, in_list);
	free(dev);
}

void vs_vmq_hw_closes(struct vs_vmq_devices *devices, const struct dp_port *port)
{
	struct vs_vmq_device *dev = port != NULL ? find(devices, port) : NULL;

	if (dev != NULL)
		forget(dev);
}

void vs_vmq_hw_fini(struct vs_vmq_devices *devices)
{
	while (!LIST_EMPTY(devices))
		forget(LIST_FIRST(devices));
}

static void why_not(struct vs_vmq_device *dev, const struct err *err)
{
	bool more = err->fix[0] != '\0';

	snprintf(dev->why, sizeof(dev->why), "%.120s%s%.120s", err->what,
		 err->why[0] != '\0' ? ": " : (more ? "; " : ""),
		 err->why[0] != '\0' ? err->why : err->fix);
}

/* Asks the device, if it was not asked lately.  NULL without memory. */
static struct vs_vmq_device *ask(struct vs_vmq_devices *devices, struct dp_port *port,
				 bool may_restart)
{
	struct vs_vmq_device *dev = find(devices, port);
	struct err err = {0};

	if (dev == NULL) {
		dev = calloc(1, sizeof(*dev));
		if (dev == NULL)
			return NULL;
		dev->port = port;
		LIST_INSERT_HEAD(devices, dev, in_list);
	}
	if (may_restart && !dev->may_restart)
		dev->retry = 0;
	if (dev->steer != NULL || (dev->retry != 0 && --dev->retry != 0))
		return dev;
	dev->retry = RETRY_LOOKS;
	dev->may_restart = may_restart;
	if (vmq_steer_open(port, port->n_rxq / SHARED_PART, may_restart, &dev->steer, &err) != 0) {
		dev->steer = NULL;
		why_not(dev, &err);
	}
	return dev;
}

/* ---- Rules ---- */

static struct dp_steer_rule rule_of(const struct vs_vmq_device *dev, const struct dp_vmq_spec *spec)
{
	return (struct dp_steer_rule){.mac = spec->mac,
				      .vlan = vmq_steer_caps(dev->steer)->by_vlan
						      ? spec->vid
						      : DP_STEER_ANY_VLAN,
				      .queue = spec->hw[0],
				      .n_queues = spec->n_queues};
}

static int put_on(void *ctx, struct err *err)
{
	const struct word *word = ctx;

	return vmq_steer_set(word->dev->steer, word->rule, err);
}

static int take_off(void *ctx, struct err *err)
{
	const struct word *word = ctx;

	if (word->dev == NULL)
		return 0;
	return vmq_steer_unset(word->dev->steer, &word->rule->mac, word->rule->vlan, err);
}

void vs_vmq_hw_leave(struct vs *vs, struct vs_vmq_devices *devices, struct vs_vmq_nic *nic)
{
	const struct dp_vmq_spec *spec = nic->vmq != NULL ? dp_vmq_spec(nic->vmq) : NULL;
	struct dp_steer_rule rule = {0};
	struct word word = {NULL, &rule};
	struct dp_port *port;

	if (spec == NULL || !spec->is_hw || dp_vmq_gone(nic->vmq))
		return;
	port = port_of(vs, spec->uplink);
	word.dev = port != NULL ? find(devices, port) : NULL;
	if (word.dev != NULL && word.dev->steer == NULL)
		word.dev = NULL;
	if (word.dev != NULL)
		rule = rule_of(word.dev, spec);
	(void)dp_vmq_from_device(vs->dp, take_off, &word, &nic->vmq, NULL);
	nic->kind[0] = '\0';
}

static bool has_owner(const struct vs *vs, const struct vs_vmq_nic *nics,
		      const struct vs_vmq_device *dev, const struct dp_steer_rule *rule)
{
	for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
		const struct dp_vmq *vmq = nics[i].vmq;
		const struct dp_vmq_spec *spec = vmq != NULL ? dp_vmq_spec(vmq) : NULL;
		struct dp_steer_rule its;

		if (spec == NULL || !spec->is_hw || dp_vmq_gone(vmq) ||
		    port_of(vs, spec->uplink) != dev->port)
			continue;
		its = rule_of(dev, spec);
		if (rte_is_same_ether_addr(&its.mac, &rule->mac) && its.vlan == rule->vlan)
			return true;
	}
	return false;
}

/* Rules that the device would not let go of, and those of an uplink that left and came back. */
static void drop_orphans(const struct vs *vs, const struct vs_vmq_nic *nics,
			 struct vs_vmq_device *dev)
{
	unsigned n;
	const struct dp_steer_rule *rules = vmq_steer_rules(dev->steer, &n);

	for (unsigned i = 0; i < n; i++) {
		const struct dp_steer_rule rule = rules[i];

		if (has_owner(vs, nics, dev, &rule))
			continue;
		if (vmq_steer_unset(dev->steer, &rule.mac, rule.vlan, NULL) != 0)
			return;
		rules = vmq_steer_rules(dev->steer, &n);
		i = UINT_MAX; /* From the start. */
	}
}

void vs_vmq_hw_tick(struct vs *vs, struct vs_vmq_devices *devices)
{
	struct vs_vmq_device *dev;

	LIST_FOREACH(dev, devices, in_list)
		if (dev->steer != NULL)
			(void)vmq_steer_tick(dev->steer);
}

/* ---- Who gets which ---- */

static bool no(struct vs_vmq_candidate *c, const char *why)
{
	snprintf(c->hw_why, sizeof(c->hw_why), "%s", why);
	return false;
}

static bool no_room(struct vs_vmq_candidate *c, const struct vs_vmq_device *dev)
{
	snprintf(c->hw_why, sizeof(c->hw_why),
		 dev->n_taken != 0
			 ? "all queues that %s has for one NIC are taken: %u NICs go first"
			 : "%s has too few queues for it",
		 dev->port->name, dev->n_taken);
	return false;
}

/* Only the first has it where the device does not look at VLANs. */
static bool is_twice(const struct vs_vmq_candidate *c, const struct vs_vmq_candidate *all)
{
	for (; all != c; all++)
		if (all->spec.is_hw && all->spec.uplink == c->spec.uplink &&
		    rte_is_same_ether_addr(&all->spec.mac, &c->spec.mac))
			return true;
	return false;
}

/* The device lost its rule, and did not take it again. */
static bool waits_long(struct vs_vmq_nic *nic, struct vs_vmq_device *dev)
{
	const struct dp_vmq_spec *spec = dp_vmq_spec(nic->vmq);
	const struct dp_steer_rule rule = rule_of(dev, spec);

	if (vmq_steer_state(dev->steer, &rule.mac, rule.vlan) == VMQ_STEER_ON)
		nic->hw_waits = 0;
	else
		nic->hw_waits++;
	return nic->hw_waits > WAITING_LOOKS;
}

static bool is_hw(const struct vs_vmq_nic *nic)
{
	return nic->vmq != NULL && dp_vmq_spec(nic->vmq)->is_hw && !dp_vmq_gone(nic->vmq);
}

static bool may(struct vs_vmq_candidate *c, const struct vs_vmq_candidate *all,
		struct vs_vmq_nic *nic, struct vs_vmq_device *dev, uint16_t *n)
{
	const struct dp_steer_caps *caps = vmq_steer_caps(dev->steer);
	uint16_t step = RTE_MAX(caps->stride, (uint16_t)1);

	if (nic->hw_retry != 0) {
		nic->hw_retry--;
		return no(c, nic->hw_why);
	}
	if (is_hw(nic) && waits_long(nic, dev)) {
		nic->hw_waits = 0;
		nic->hw_retry = RETRY_LOOKS;
		snprintf(nic->hw_why, sizeof(nic->hw_why), "%.180s", vmq_steer_why(dev->steer));
		return no(c, nic->hw_why);
	}
	if (*n > caps->max_spread && c->asked)
		return no(c, "the device does not spread one NIC over so many queues");
	*n = RTE_MIN(*n, caps->max_spread);
	if (!caps->by_vlan && is_twice(c, all))
		return no(c, "the device does not look at VLANs, and another NIC has the "
			     "address");
	if (*n * step > dev->n_free || dev->n_rules == 0)
		return no_room(c, dev);
	return true;
}

static void take(struct vs_vmq_device *dev, struct vs_vmq_candidate *c, uint16_t first, uint16_t n)
{
	c->spec.is_hw = true;
	c->spec.n_queues = n;
	for (uint16_t i = 0; i < DP_VMQ_MAX_QUEUES; i++)
		c->spec.hw[i] = i < n ? (uint16_t)(first + i) : 0;
	for (uint16_t i = 0; i < n; i++)
		dev->used[first + i] = true;
}

/* Where it is, if it may stay there. */
static bool keeps(struct vs_vmq_device *dev, struct vs_vmq_candidate *c,
		  const struct vs_vmq_nic *nic, uint16_t n)
{
	const struct dp_vmq_spec *spec = is_hw(nic) ? dp_vmq_spec(nic->vmq) : NULL;

	if (spec == NULL || spec->uplink != c->spec.uplink || spec->vid != c->spec.vid ||
	    spec->n_queues != n || !rte_is_same_ether_addr(&spec->mac, &c->spec.mac))
		return false;
	take(dev, c, spec->hw[0], n);
	return true;
}

static bool is_free(const struct vs_vmq_device *dev, uint16_t first, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (dev->used[first + i])
			return false;
	return true;
}

static bool place(struct vs_vmq_device *dev, struct vs_vmq_candidate *c, uint16_t n)
{
	const struct dp_steer_caps *caps = vmq_steer_caps(dev->steer);
	uint16_t step = RTE_MAX(caps->stride, (uint16_t)1);

	for (uint32_t q = caps->first; q + n <= (uint32_t)caps->first + caps->n_queues; q += step)
		if (is_free(dev, (uint16_t)q, n)) {
			take(dev, c, (uint16_t)q, n);
			return true;
		}
	return no(c, "no queues side by side are free");
}

static struct vs_vmq_device *device_of(struct vs *vs, struct vs_vmq_devices *devices,
				       const struct vs_vmq_candidate *c)
{
	struct dp_port *port = port_of(vs, c->spec.uplink);

	return port != NULL ? find(devices, port) : NULL;
}

static bool may_restart(const struct vs *vs, const struct vs_vmq_candidate *c, unsigned n,
			const struct dp_port *port)
{
	for (unsigned i = 0; i < n; i++)
		if (c[i].hw == VS_VMQ_HW_ON && port_of(vs, c[i].spec.uplink) == port)
			return true;
	return false;
}

static void begin(struct vs *vs, struct vs_vmq_devices *devices, struct vs_vmq_nic *nics,
		  struct vs_vmq_candidate *c, unsigned n)
{
	struct vs_vmq_device *dev;

	for (unsigned i = 0; i < n; i++) {
		struct dp_port *port = port_of(vs, c[i].spec.uplink);

		if (c[i].hw == VS_VMQ_HW_OFF || port == NULL)
			continue;
		dev = find(devices, port);
		/* Once a look. */
		if (dev == NULL || !dev->asked) {
			dev = ask(devices, port, may_restart(vs, c, n, port));
			if (dev != NULL)
				dev->asked = true;
		}
	}
	LIST_FOREACH(dev, devices, in_list) {
		dev->asked = false;
		if (dev->steer == NULL)
			continue;
		drop_orphans(vs, nics, dev);
		memset(dev->used, 0, sizeof(dev->used));
		dev->n_free = vmq_steer_caps(dev->steer)->n_queues;
		dev->n_rules = vmq_steer_caps(dev->steer)->max_rules;
		dev->n_taken = 0;
	}
}

/* How many queues of its device it gets; 0: 'hw_why' says why none. */
static uint16_t count(struct vs_vmq_nic *nic, struct vs_vmq_candidate *c,
		      const struct vs_vmq_candidate *all)
{
	struct vs_vmq_device *dev = c->dev;
	uint16_t n = c->spec.n_queues;

	if (c->hw == VS_VMQ_HW_OFF)
		return no(c, "the device's queues are forbidden to it: vmq set --hardware auto");
	if (dev == NULL || dev->steer == NULL)
		return no(c, dev != NULL ? dev->why : "out of memory");
	if (!may(c, all, nic, dev, &n))
		return 0;
	c->spec.is_hw = true;
	dev->n_free -= n * RTE_MAX(vmq_steer_caps(dev->steer)->stride, (uint16_t)1);
	dev->n_rules--;
	dev->n_taken++;
	return n;
}

void vs_vmq_hw_share(struct vs *vs, struct vs_vmq_devices *devices, struct vs_vmq_nic *nics,
		     struct vs_vmq_candidate *c, unsigned n)
{
	begin(vs, devices, nics, c, n);
	for (unsigned i = 0; i < n; i++) {
		c[i].dev = device_of(vs, devices, &c[i]);
		c[i].hw_n = count(&nics[c[i].id], &c[i], c);
	}
	/* Who has some keeps them. */
	for (unsigned i = 0; i < n; i++)
		if (c[i].hw_n != 0 && keeps(c[i].dev, &c[i], &nics[c[i].id], c[i].hw_n))
			c[i].hw_n = 0;
	for (unsigned i = 0; i < n; i++)
		if (c[i].hw_n != 0 && !place(c[i].dev, &c[i], c[i].hw_n))
			c[i].spec.is_hw = false;
}

/* ---- Giving ---- */

static void name_kind(struct vs_vmq_nic *nic, const struct vs_vmq_device *dev, uint16_t n)
{
	const char *kind = vmq_steer_caps(dev->steer)->kind;

	if (strcmp(kind, "flow") == 0)
		kind = n > 1 ? "rss-context" : "rte_flow";
	snprintf(nic->kind, sizeof(nic->kind), "%s", kind);
}

bool vs_vmq_hw_give(struct vs *vs, struct vs_vmq_nic *nic, const struct vs_vmq_candidate *c,
		    unsigned *moves)
{
	struct vs_vmq_device *dev = c->dev;
	struct dp_steer_rule rule;
	struct word word = {dev, &rule};
	struct err err = {0};

	if (is_hw(nic)) {
		snprintf(nic->why, sizeof(nic->why), "%.180s",
			 dev != NULL && dev->steer != NULL ? vmq_steer_why(dev->steer) : "");
		return true;
	}
	if (dev == NULL || dev->steer == NULL || (*moves)++ >= MOVES_A_LOOK) {
		snprintf(nic->why, sizeof(nic->why), "it gets a queue of the device soon");
		return false;
	}
	rule = rule_of(dev, &c->spec);
	if (dp_vmq_to_device(vs->dp, &c->spec, put_on, &word, &nic->vmq, &err) != 0) {
		nic->hw_retry = RETRY_LOOKS;
		snprintf(nic->hw_why, sizeof(nic->hw_why), "%.110s%s%.70s", err.what,
			 err.why[0] != '\0' ? ": " : "", err.why);
		snprintf(nic->why, sizeof(nic->why), "%s", nic->hw_why);
		return false;
	}
	name_kind(nic, dev, c->spec.n_queues);
	snprintf(nic->why, sizeof(nic->why), "%.180s", vmq_steer_why(dev->steer));
	return true;
}
