/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See steer.h.  Each rule is as wished ('want'), and on the device or not ('on').  A change goes in
 * three steps, which are taken back in the other direction:
 *
 * 	take off what goes ──► put on what comes ──► the new list becomes the list
 *
 * Off before on, since a device may be full, and since most refuse two rules for one address.
 */
#include "vmq/steer.h"

#include "dataplane/port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ticks between two tries at what a device refuses. */
#define RETRY_TICKS 10u
/* Rules that nobody wants and the device does not let go of; more are forgotten. */
#define MAX_STRAYS 16u

struct rule {
	struct dp_steer_rule want;
	void *handle; /* the driver's */
	bool on;
	bool kept; /* while a change goes on: stays as it is */
};

struct vmq_steer {
	struct dp_port *port;
	const struct dp_steer_ops *ops;
	struct dp_steer_caps caps;
	struct rule *rules;
	struct dp_steer_rule *wants; /* the same, as vmq_steer_rules() shows them */
	unsigned n_rules;
	struct rule strays[MAX_STRAYS];
	unsigned n_strays;
	uint32_t generation;
	bool gone;
	unsigned retry;	   /* ticks until the next try */
	char refusal[200]; /* of rules that wait; "": none */
	char why[520];
};

#define MAC_FMT	    "%02x:%02x:%02x:%02x:%02x:%02x"
#define MAC_ARGS(m) m[0], m[1], m[2], m[3], m[4], m[5]

static bool same_key(const struct dp_steer_rule *a, const struct dp_steer_rule *b)
{
	return rte_is_same_ether_addr(&a->mac, &b->mac) && a->vlan == b->vlan;
}

static bool same_rule(const struct dp_steer_rule *a, const struct dp_steer_rule *b)
{
	return same_key(a, b) && a->queue == b->queue && a->n_queues == b->n_queues;
}

static struct rule *find(struct rule *rules, unsigned n, const struct dp_steer_rule *key)
{
	for (unsigned i = 0; i < n; i++)
		if (same_key(&rules[i].want, key))
			return &rules[i];
	return NULL;
}

/* ---- Open ---- */

/* What a driver says is believed as far as the port has it. */
static void doubt(struct dp_steer_caps *caps, const struct dp_port *port)
{
	if (caps->first == 0)
		caps->first = 1;
	if (caps->first >= port->n_rxq)
		caps->n_queues = 0;
	else
		caps->n_queues = RTE_MIN(caps->n_queues, (uint16_t)(port->n_rxq - caps->first));
	caps->max_rules = RTE_MIN(caps->max_rules, (uint16_t)DP_STEER_MAX_RULES);
	caps->max_spread = RTE_MAX(RTE_MIN(caps->max_spread, caps->n_queues), (uint16_t)1);
}

static void add_reason(char *text, size_t size, const char *kind, const struct err *err)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s: %.150s", used != 0 ? "; " : "", kind, err->what);
}

/* One way; 0 or negative with 'err'. */
static int try_way(struct vmq_steer *s, const struct dp_steer_ops *ops, uint16_t n_shared,
		   struct err *err)
{
	int rc;

	memset(&s->caps, 0, sizeof(s->caps));
	rc = ops->open(s->port, n_shared, &s->caps, err);
	if (rc != 0)
		return rc;
	doubt(&s->caps, s->port);
	s->caps.kind = ops->kind;
	if (s->caps.n_queues != 0 && s->caps.max_rules != 0)
		return 0;
	ops->close(s->port);
	return err_set(err, -EOPNOTSUPP, "steer-limits", "the driver says %u queues and %u rules",
		       s->caps.n_queues, s->caps.max_rules);
}

static int no_way(const struct dp_port *port, const char *reasons, struct err *err)
{
	err_set(err, -EOPNOTSUPP, "no-steering",
		"the device of port '%s' puts no VM's frames on a queue of their own", port->name);
	err_why(err, "%s", reasons[0] != '\0' ? reasons : "its driver has no such rules");
	return -EOPNOTSUPP;
}

static int too_few(const struct dp_port *port, uint16_t n_shared, struct err *err)
{
	err_set(err, -ENOSPC, "few-queues",
		"port '%s' has %u receive queue%s, and %u must stay everybody's", port->name,
		port->n_rxq, port->n_rxq == 1 ? "" : "s", n_shared);
	err_fix(err, "vswitchctl port set %s --queues %u", port->name, n_shared + 1u);
	return -ENOSPC;
}

static int choose(struct vmq_steer *s, uint16_t n_shared, bool may_restart, struct err *err)
{
	const struct dp_steer_ops *const *way =
		s->port->ops->steer != NULL ? s->port->ops->steer(s->port) : NULL;
	char reasons[320] = "";

	for (; way != NULL && *way != NULL; way++) {
		struct err one = {0};

		if ((*way)->restarts && !may_restart) {
			err_set(&one, -EPERM, "steer-restart",
				"it restarts the device: vmq set NIC --hardware on");
		} else if (try_way(s, *way, n_shared, &one) == 0) {
			s->ops = *way;
			snprintf(s->why, sizeof(s->why), "%s", reasons);
			return 0;
		}
		add_reason(reasons, sizeof(reasons), (*way)->kind, &one);
	}
	return no_way(s->port, reasons, err);
}

int vmq_steer_open(struct dp_port *port, uint16_t n_shared, bool may_restart,
		   struct vmq_steer **ret, struct err *err)
{
	struct vmq_steer *s;
	size_t used;
	int rc;

	n_shared = RTE_MAX(n_shared, (uint16_t)1);
	if (port->ops->steer == NULL)
		return no_way(port, "", err);
	if (port->n_rxq <= n_shared)
		return too_few(port, n_shared, err);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	s->port = port;
	rc = choose(s, n_shared, may_restart, err);
	if (rc != 0) {
		free(s);
		return rc;
	}
	/* Why no better way was had stays said, behind what this way lacks. */
	used = strlen(s->caps.why);
	snprintf(s->caps.why + used, sizeof(s->caps.why) - used, "%s%s",
		 used != 0 && s->why[0] != '\0' ? "; " : "", s->why);
	s->generation = s->ops->generation(port, &s->gone);
	*ret = s;
	return 0;
}

/* ---- What it is ---- */

const struct dp_steer_caps *vmq_steer_caps(const struct vmq_steer *s)
{
	return &s->caps;
}

static unsigned count_waiting(const struct vmq_steer *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_rules; i++)
		n += !s->rules[i].on;
	return n;
}

static void explain(struct vmq_steer *s)
{
	unsigned waiting = count_waiting(s);

	if (s->gone)
		snprintf(s->why, sizeof(s->why), "the device vanished");
	else if (waiting != 0)
		snprintf(s->why, sizeof(s->why), "%u of %u rules wait: %s", waiting, s->n_rules,
			 s->refusal[0] != '\0' ? s->refusal : "the device was restarted");
	else
		snprintf(s->why, sizeof(s->why), "%s", s->caps.why);
}

const char *vmq_steer_why(const struct vmq_steer *s)
{
	explain((struct vmq_steer *)(uintptr_t)s);
	return s->why;
}

const struct dp_steer_rule *vmq_steer_rules(const struct vmq_steer *s, unsigned *ret_n)
{
	*ret_n = s->n_rules;
	return s->wants;
}

enum vmq_steer_state vmq_steer_state(const struct vmq_steer *s, const struct rte_ether_addr *mac,
				     uint16_t vlan)
{
	const struct dp_steer_rule key = {.mac = *mac, .vlan = vlan};
	const struct rule *r = find(s->rules, s->n_rules, &key);

	if (r == NULL)
		return VMQ_STEER_OFF;
	return r->on && !s->gone ? VMQ_STEER_ON : VMQ_STEER_WAITING;
}

int vmq_steer_count(const struct vmq_steer *s, uint16_t queue, uint64_t *ret_packets)
{
	if (s->gone)
		return -ENODEV;
	if (s->ops->count == NULL)
		return -EOPNOTSUPP;
	return s->ops->count(s->port, queue, ret_packets);
}

/* ---- Changes ---- */

static int bad_rule(const struct dp_steer_rule *r, const char *what, struct err *err)
{
	const uint8_t *m = r->mac.addr_bytes;

	return err_set(err, -EINVAL, "bad-rule", "rule for " MAC_FMT ": %s", MAC_ARGS(m), what);
}

static int check_rule(const struct vmq_steer *s, const struct dp_steer_rule *r, struct err *err)
{
	uint32_t n = RTE_MAX(r->n_queues, (uint16_t)1);
	const struct dp_steer_caps *c = &s->caps;

	if (!rte_is_valid_assigned_ether_addr(&r->mac))
		return bad_rule(r, "a group address, or zero, is nobody's", err);
	if (r->vlan > 4094 && r->vlan != DP_STEER_ANY_VLAN)
		return bad_rule(r, "there is no such VLAN", err);
	if (r->queue < c->first || r->queue + n > (uint32_t)c->first + c->n_queues)
		return bad_rule(r, "its queue is not one that can be somebody's own", err);
	if (n > c->max_spread)
		return bad_rule(r, "the device does not spread one address over so many queues",
				err);
	return 0;
}

/* Do two rules want the same frames, as the device tells them apart? */
static bool clash(const struct vmq_steer *s, const struct dp_steer_rule *a,
		  const struct dp_steer_rule *b)
{
	return rte_is_same_ether_addr(&a->mac, &b->mac) && (!s->caps.by_vlan || a->vlan == b->vlan);
}

static int check(const struct vmq_steer *s, const struct dp_steer_rule *rules, unsigned n,
		 struct err *err)
{
	int rc = 0;

	if (n > s->caps.max_rules)
		return err_set(err, -ENOSPC, "too-many-rules",
			       "%u rules: the device of port '%s' takes %u", n, s->port->name,
			       s->caps.max_rules);
	for (unsigned i = 0; i < n && rc == 0; i++) {
		rc = check_rule(s, &rules[i], err);
		for (unsigned j = 0; j < i && rc == 0; j++)
			if (clash(s, &rules[i], &rules[j]))
				rc = bad_rule(&rules[i],
					      s->caps.by_vlan ? "it is there twice"
							      : "the device does not look at "
								"VLANs, and it is there twice",
					      err);
	}
	return rc;
}

static int put_on(struct vmq_steer *s, struct rule *r, struct err *err)
{
	int rc = s->ops->add(s->port, &r->want, &r->handle, err);

	r->on = rc == 0;
	return rc;
}

static int take_off(struct vmq_steer *s, struct rule *r, bool forgotten)
{
	int rc = r->on ? s->ops->del(s->port, &r->want, r->handle, forgotten) : 0;

	if (rc == 0)
		r->on = false;
	return rc;
}

/* Off it goes, or later. */
static void take_back(struct vmq_steer *s, struct rule *r)
{
	if (take_off(s, r, false) == 0)
		return;
	if (s->n_strays < MAX_STRAYS)
		s->strays[s->n_strays++] = *r;
	else
		take_off(s, r, true);
	r->on = false;
	s->retry = RETRY_TICKS;
}

static void take_off_strays(struct vmq_steer *s, bool forgotten)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_strays; i++)
		if (take_off(s, &s->strays[i], forgotten) != 0)
			s->strays[n++] = s->strays[i];
	s->n_strays = n;
}

/* Puts on what is off; whatever is refused waits.  Returns how many came on. */
static unsigned put_on_all(struct vmq_steer *s)
{
	unsigned done = 0;

	s->refusal[0] = '\0';
	s->retry = RETRY_TICKS;
	take_off_strays(s, false);
	for (unsigned i = 0; i < s->n_rules; i++) {
		struct err err = {0};

		if (s->rules[i].on)
			continue;
		if (put_on(s, &s->rules[i], &err) == 0)
			done++;
		else
			snprintf(s->refusal, sizeof(s->refusal), "%.190s", err.what);
	}
	return done;
}

/* The device lost its rules: what is ours of them is freed.  True when any was on. */
static bool forget(struct vmq_steer *s)
{
	bool any = false;

	for (unsigned i = 0; i < s->n_rules; i++)
		if (s->rules[i].on) {
			take_off(s, &s->rules[i], true);
			s->rules[i].on = false;
			any = true;
		}
	take_off_strays(s, true);
	s->retry = 0;
	return any;
}

void vmq_steer_close(struct vmq_steer *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->n_rules; i++)
		take_back(s, &s->rules[i]);
	take_off_strays(s, true); /* The close ends them. */
	s->ops->close(s->port);
	free(s->rules);
	free(s->wants);
	free(s);
}

static bool look(struct vmq_steer *s)
{
	bool gone = false, changed;
	uint32_t generation = s->ops->generation(s->port, &gone);

	changed = gone != s->gone;
	if (generation != s->generation || (gone && !s->gone))
		changed |= forget(s);
	s->generation = generation;
	s->gone = gone;
	return changed;
}

bool vmq_steer_tick(struct vmq_steer *s)
{
	bool changed = look(s);

	if (s->gone || (count_waiting(s) == 0 && s->n_strays == 0))
		return changed;
	if (s->retry != 0) {
		s->retry--;
		return changed;
	}
	return put_on_all(s) != 0 || changed;
}

/* Takes off what 'next' does not keep.  On failure nothing was taken off. */
static int take_off_old(struct vmq_steer *s, struct err *err)
{
	for (unsigned i = 0; i < s->n_rules; i++) {
		const uint8_t *m = s->rules[i].want.mac.addr_bytes;
		int rc = s->rules[i].kept ? 0 : take_off(s, &s->rules[i], false);

		if (rc == 0)
			continue;
		put_on_all(s);
		err_set(err, rc, "device-refused",
			"the device of port '%s' keeps the rule for " MAC_FMT ": %s", s->port->name,
			MAC_ARGS(m), strerror(-rc));
		return rc;
	}
	return 0;
}

/* Puts on what is new of 'next'.  On failure none of it stays. */
static int put_on_new(struct vmq_steer *s, struct rule *next, unsigned n, struct err *err)
{
	struct err one = {0};
	int rc = 0;

	for (unsigned i = 0; i < n && rc == 0; i++) {
		const uint8_t *m = next[i].want.mac.addr_bytes;

		if (!next[i].kept)
			rc = put_on(s, &next[i], &one);
		if (rc != 0) {
			err_set(err, rc, "device-refused",
				"the device of port '%s' refuses the rule for " MAC_FMT,
				s->port->name, MAC_ARGS(m));
			err_why(err, "%s", one.what);
		}
	}
	for (unsigned i = 0; i < n && rc != 0; i++)
		if (!next[i].kept)
			take_back(s, &next[i]);
	return rc;
}

static int exchange(struct vmq_steer *s, struct rule *next, unsigned n, struct err *err)
{
	int rc;

	for (unsigned i = 0; i < s->n_rules; i++)
		s->rules[i].kept = false;
	for (unsigned i = 0; i < n; i++) {
		struct rule *old = find(s->rules, s->n_rules, &next[i].want);

		if (old == NULL || !same_rule(&old->want, &next[i].want))
			continue;
		next[i] = *old;
		next[i].kept = old->kept = true;
	}
	rc = take_off_old(s, err);
	if (rc != 0)
		return rc;
	rc = put_on_new(s, next, n, err);
	if (rc != 0)
		put_on_all(s); /* The former set again; what is refused now waits. */
	return rc;
}

/* Takes 'next' and 'wants' when it returns 0. */
static int replace(struct vmq_steer *s, struct rule *next, struct dp_steer_rule *wants, unsigned n,
		   struct err *err)
{
	int rc = exchange(s, next, n, err);

	if (rc != 0)
		return rc;
	free(s->rules);
	free(s->wants);
	s->rules = next;
	s->wants = wants;
	s->n_rules = n;
	return 0;
}

int vmq_steer_apply(struct vmq_steer *s, const struct dp_steer_rule *rules, unsigned n,
		    struct err *err)
{
	struct dp_steer_rule *wants;
	struct rule *next;
	int rc = check(s, rules, n, err);

	if (rc != 0)
		return rc;
	look(s);
	if (s->gone)
		return err_set(err, -ENODEV, "device-gone", "the device of port '%s' vanished",
			       s->port->name);
	next = calloc(n + 1, sizeof(*next));
	wants = calloc(n + 1, sizeof(*wants));
	if (next == NULL || wants == NULL) {
		rc = err_set(err, -ENOMEM, "no-memory", "no memory for %u rules", n);
	} else {
		for (unsigned i = 0; i < n; i++)
			next[i].want = wants[i] = rules[i];
		rc = replace(s, next, wants, n, err);
	}
	if (rc != 0) {
		free(next);
		free(wants);
	}
	return rc;
}

/* The set as it is but for 'key', and room for one more; NULL: no memory. */
static struct dp_steer_rule *others(const struct vmq_steer *s, const struct dp_steer_rule *key,
				    unsigned *ret_n)
{
	struct dp_steer_rule *rules = calloc(s->n_rules + 1, sizeof(*rules));

	*ret_n = 0;
	for (unsigned i = 0; rules != NULL && i < s->n_rules; i++)
		if (!same_key(&s->wants[i], key))
			rules[(*ret_n)++] = s->wants[i];
	return rules;
}

int vmq_steer_set(struct vmq_steer *s, const struct dp_steer_rule *rule, struct err *err)
{
	unsigned n;
	struct dp_steer_rule *rules = others(s, rule, &n);
	int rc;

	if (rules == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	rules[n++] = *rule;
	rc = vmq_steer_apply(s, rules, n, err);
	free(rules);
	return rc;
}

int vmq_steer_unset(struct vmq_steer *s, const struct rte_ether_addr *mac, uint16_t vlan,
		    struct err *err)
{
	const struct dp_steer_rule key = {.mac = *mac, .vlan = vlan};
	struct dp_steer_rule *rules;
	unsigned n;
	int rc;

	if (find(s->rules, s->n_rules, &key) == NULL)
		return err_set(err, -ENOENT, "no-rule", "there is no such rule");
	rules = others(s, &key, &n);
	if (rules == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	rc = vmq_steer_apply(s, rules, n, err);
	free(rules);
	return rc;
}
