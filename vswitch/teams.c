/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Teams as they run; see teams.h.
 *
 * A member may send only while workers know its port by a view that says so, and must be out of the
 * set before a view comes without it: the set is made anew when a view is compiled (without those
 * that the new configuration does not name), and again when it runs (with those that it adds).
 */
#include "vswitch/teams.h"

#include "ctl/base/clock.h"
#include "vswitch/team_priv.h"
#include "vswitch/vs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#define LOOK_MS		25
#define PRIMARY_WAIT_MS 3000u /* so long a primary must have a link before it is used again */
#define LACP_PRIORITY	0x8000u

/* A port that is or was a member; by its id. */
struct member {
	struct lacp_port lacp;
	uint64_t up_since_ms; /* 0: it has no link */
	uint32_t link_serial; /* of the port that 'up_since_ms' is about */
	uint32_t serial;      /* the same of 'lacp'; 0: none */
	uint32_t speed_mbps;
	bool fast, passive;
};

struct live {
	uint16_t id; /* the team's port */
	struct live *next;
	uint64_t n_moves;
	uint16_t carrier; /* active-backup: who sends; DP_NO_PORT */
	uint16_t heard;	  /* by whom group frames are heard */
};

struct teams {
	struct vs *vs;
	struct event *timer;
	bool looking; /* the timer runs */
	struct live *live;
	struct member *members; /* by port id; [DP_MAX_PORTS] */
};

/* ---- Lives ---- */

static struct live *live_of(struct teams *x, uint16_t id)
{
	struct live *l = x->live;

	while (l != NULL && l->id != id)
		l = l->next;
	return l;
}

static struct live *live_need(struct teams *x, uint16_t id)
{
	struct live *l = live_of(x, id);

	if (l != NULL)
		return l;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	*l = (struct live){.id = id, .next = x->live, .carrier = DP_NO_PORT, .heard = DP_NO_PORT};
	x->live = l;
	return l;
}

static void live_drop(struct teams *x, uint16_t id)
{
	for (struct live **at = &x->live; *at != NULL; at = &(*at)->next) {
		struct live *l = *at;

		if (l->id != id)
			continue;
		*at = l->next;
		free(l);
		return;
	}
}

static uint64_t now_ms(void)
{
	return clock_mono_ns() / 1000000;
}

/* The device of a member as workers know it by the view that runs; NULL: they do not. */
static struct dp_port *device_of(const struct vs *vs, const struct dp_team *team, uint16_t id)
{
	const struct dp_view *view = dp_view(vs->dp);
	const struct dp_vport *vp = view != NULL && id != DP_NO_PORT ? view->vports[id] : NULL;

	return vp != NULL && vp->port != NULL && vp->port == vs->live[id].port && vp->team == team
		       ? vp->port
		       : NULL;
}

/* ---- Links ---- */

static void look_at_link(struct teams *x, uint16_t id, struct dp_port *port, uint64_t now)
{
	struct member *m = &x->members[id];
	struct dp_link link = {0};

	dp_link_look(x->vs->dp, id);
	if (!atomic_load(&port->link_up)) {
		m->up_since_ms = 0;
		return;
	}
	if (m->up_since_ms != 0 && m->link_serial == port->serial)
		return;
	m->link_serial = port->serial;
	/* Asked once for each time that the link comes: that is when the speed changes. */
	m->up_since_ms = now;
	if (port->ops->link != NULL)
		port->ops->link(port, &link);
	m->speed_mbps = link.speed_mbps;
}

/* ---- LACP ---- */

static void lacp_begin(struct teams *x, const struct vs_team *t, const struct dp_port *team,
		       uint16_t id, const struct dp_port *port)
{
	struct member *m = &x->members[id];
	struct lacp_info actor = {
		.system_priority = LACP_PRIORITY,
		.port_priority = LACP_PRIORITY,
		.port = (uint16_t)(id + 1),
		.state = (uint8_t)((t->fast ? LACP_FAST : 0) | (t->passive ? 0 : LACP_ACTIVE)),
	};

	if (m->serial == port->serial && m->fast == t->fast && m->passive == t->passive &&
	    memcmp(m->lacp.actor.system, team->mac.addr_bytes, 6) == 0)
		return;
	memcpy(actor.system, team->mac.addr_bytes, sizeof(actor.system));
	lacp_port_init(&m->lacp, &actor);
	m->serial = port->serial;
	m->fast = t->fast;
	m->passive = t->passive;
}

/* What is no LACP may be a marker.  Returns as lacp_marker_answer(). */
static int marker_came(struct teams *x, uint16_t id, const uint8_t *frame, size_t size)
{
	struct lacp_port *p = &x->members[id].lacp;
	const struct dp_port *port = x->vs->live[id].port;
	uint8_t answer[LACP_FRAME_SIZE];
	const uint8_t *mac = port != NULL && !rte_is_zero_ether_addr(&port->mac)
				     ? port->mac.addr_bytes
				     : p->actor.system;
	int rc = lacp_marker_answer(frame, size, mac, answer);

	/* The worker has carried what came before, or it would not have come to this frame. */
	if (rc == 0 && lacp_port_marker(p, now_ms()))
		(void)dp_team_send(x->vs->dp, id, answer, sizeof(answer));
	return rc;
}

static void pdu_came(void *arg, uint16_t member, const uint8_t *frame, size_t size)
{
	struct teams *x = arg;
	struct lacp_pdu pdu;
	int rc = lacp_parse(frame, size, &pdu);

	if (member >= DP_MAX_PORTS)
		return;
	if (rc == 0)
		lacp_port_rx(&x->members[member].lacp, &pdu, now_ms());
	else if (marker_came(x, member, frame, size) == -EBADMSG || rc == -EBADMSG)
		x->members[member].lacp.rx_bad++;
}

static void lacp_send(struct teams *x, uint16_t id, const struct dp_port *port,
		      const struct dp_port *team, uint64_t now)
{
	const struct rte_ether_addr *mac =
		rte_is_zero_ether_addr(&port->mac) ? &team->mac : &port->mac;
	uint8_t frame[LACP_FRAME_SIZE];
	struct lacp_pdu pdu;

	if (!lacp_port_tx(&x->members[id].lacp, now, &pdu))
		return;
	lacp_write(&pdu, mac->addr_bytes, frame);
	/* What is lost is sent again with the next period. */
	(void)dp_team_send(x->vs->dp, id, frame, sizeof(frame));
}

/* One step of all members' machines. */
static void lacp_run(struct teams *x, const struct vs_team *t, const struct dp_port *team,
		     uint16_t *ids, struct dp_port **ports, uint64_t now)
{
	struct lacp_port *all[DP_TEAM_MAX_MEMBERS] = {NULL};

	for (unsigned i = 0; i < t->n_members; i++) {
		struct member *m;

		if (ports[i] == NULL)
			continue;
		m = &x->members[ids[i]];
		lacp_begin(x, t, team, ids[i], ports[i]);
		lacp_port_link(&m->lacp, m->up_since_ms != 0 && t->members[i]->up, m->speed_mbps,
			       now);
		all[i] = &m->lacp;
	}
	dp_team_take_pdus(dp_port_team(team), pdu_came, x);
	lacp_select(all, t->n_members);
	for (unsigned i = 0; i < t->n_members; i++) {
		if (all[i] == NULL)
			continue;
		lacp_port_run(all[i], now);
		lacp_send(x, ids[i], ports[i], team, now);
	}
}

/* ---- Who sends ---- */

/* Of those that could, the one that carries all (active-backup) or is listened to for groups: the
 * primary, once it is steady; else who does it now; else the fastest. */
static uint16_t pick_one(const struct teams *x, const struct vs_team *t,
			 const struct vs_team_choice *v, uint16_t now_it, uint64_t now)
{
	const struct vs_team_choice *best = NULL, *current = NULL, *primary = NULL;

	for (unsigned i = 0; i < t->n_members; i++) {
		if (!v[i].sends)
			continue;
		if (best == NULL || v[i].speed_mbps > best->speed_mbps)
			best = &v[i];
		if (v[i].id == now_it)
			current = &v[i];
		if (t->members[i] == t->primary)
			primary = &v[i];
	}
	if (primary != NULL && primary != current &&
	    (current == NULL || now - x->members[primary->id].up_since_ms >= PRIMARY_WAIT_MS))
		return primary->id;
	if (current != NULL)
		return current->id;
	return best != NULL ? best->id : DP_NO_PORT;
}

/* Where the buckets were, by port. */
static void buckets_of(const struct dp_team_set *old, uint16_t ids[DP_TEAM_BUCKETS])
{
	for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++)
		ids[b] = old->bucket[b] < old->n_members ? old->members[old->bucket[b]].id
							 : DP_NO_PORT;
}

static void fill_buckets(struct dp_team_set *set, const uint16_t ids[DP_TEAM_BUCKETS])
{
	memset(set->bucket, DP_TEAM_NONE, sizeof(set->bucket));
	for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++)
		for (uint8_t i = 0; i < set->n_members; i++)
			if (set->members[i].id == ids[b])
				set->bucket[b] = i;
}

/* May the member be heard, and does it send? */
static void judge(const struct teams *x, const struct vs_team *t, unsigned i, uint16_t id,
		  struct vs_team_choice *c, bool *ret_heard)
{
	const struct member *m = &x->members[id];
	bool up = m->up_since_ms != 0 && t->members[i]->up;

	*c = (struct vs_team_choice){.id = id, .speed_mbps = m->speed_mbps, .sends = up};
	*ret_heard = up;
	if (t->mode != VS_TEAM_LACP)
		return;
	c->sends = up && m->lacp.mux == LACP_MUX_DISTRIBUTING;
	*ret_heard = up && m->lacp.mux >= LACP_MUX_COLLECTING;
}

static enum dp_team_spread spread_of(enum vs_team_mode mode)
{
	if (mode == VS_TEAM_ADDRESS)
		return DP_TEAM_BY_ADDRESS;
	return mode == VS_TEAM_PORT ? DP_TEAM_BY_PORT : DP_TEAM_BY_FLOW;
}

static void set_make(struct teams *x, struct live *l, const struct vs_team *t, const uint16_t *ids,
		     struct dp_port *const *ports, const struct dp_team_set *old,
		     struct dp_team_set *set)
{
	struct vs_team_choice v[DP_TEAM_MAX_MEMBERS] = {0};
	bool heard[DP_TEAM_MAX_MEMBERS] = {0};
	uint16_t buckets[DP_TEAM_BUCKETS];
	uint64_t now = now_ms();

	for (unsigned i = 0; i < t->n_members; i++) {
		v[i].id = DP_NO_PORT;
		if (ports[i] != NULL)
			judge(x, t, i, ids[i], &v[i], &heard[i]);
	}
	l->carrier = pick_one(x, t, v, l->carrier, now);
	for (unsigned i = 0; i < t->n_members && t->mode == VS_TEAM_ACTIVE_BACKUP; i++)
		v[i].sends = heard[i] = v[i].id == l->carrier && l->carrier != DP_NO_PORT;
	l->heard = l->carrier;
	buckets_of(old, buckets);
	vs_team_share(v, t->n_members, buckets);
	set->spread = spread_of(t->mode);
	set->lacp = t->mode == VS_TEAM_LACP;
	set->reflects = t->mode == VS_TEAM_ADDRESS || t->mode == VS_TEAM_PORT;
	for (unsigned i = 0; i < t->n_members; i++) {
		struct dp_team_member *m = &set->members[set->n_members];

		if (ports[i] == NULL)
			continue;
		m->port = ports[i];
		m->id = ids[i];
		m->takes = heard[i];
		m->takes_group = heard[i] && (!set->reflects || ids[i] == l->heard);
		if (v[i].sends)
			set->active[set->n_active++] = set->n_members;
		set->n_members++;
	}
	fill_buckets(set, buckets);
}

/* ---- What became of it ---- */

static uint32_t speed_of(const struct teams *x, const struct dp_team_set *set)
{
	uint32_t speed = 0;

	for (uint8_t i = 0; i < set->n_active; i++)
		speed += x->members[set->members[set->active[i]].id].speed_mbps;
	return speed;
}

static bool is_active(const struct dp_team_set *set, uint16_t id)
{
	for (uint8_t i = 0; i < set->n_active; i++)
		if (set->members[set->active[i]].id == id)
			return true;
	return false;
}

/* "eth1, eth2" */
static void names_of(const struct vs *vs, const struct dp_team_set *set, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint8_t i = 0; i < set->n_active && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i != 0 ? ", " : "",
					 vs_port_name(vs, set->members[set->active[i]].id));
}

static bool same_active(const struct dp_team_set *a, const struct dp_team_set *b)
{
	if (a->n_active != b->n_active)
		return false;
	for (uint8_t i = 0; i < a->n_active; i++)
		if (!is_active(b, a->members[a->active[i]].id))
			return false;
	return true;
}

static void tell(struct teams *x, const struct vs_team *t, struct live *l,
		 const struct dp_team_set *old, const struct dp_team_set *set)
{
	char names[300];

	if (same_active(old, set))
		return;
	l->n_moves += old->n_active != 0;
	names_of(x->vs, set, names, sizeof(names));
	if (set->n_active == 0) {
		vs_event(x->vs, "team-down", t->port->name, "team %s: no member can send",
			 t->port->name);
		return;
	}
	vs_event(x->vs, "team", t->port->name, "team %s sends by %s", t->port->name, names);
	if (t->mode <= VS_TEAM_PORT)
		vs_team_announce(x->vs, l->id);
}

static void set_link(struct teams *x, const struct vs_team *t, uint16_t id, struct dp_team *team,
		     const struct dp_team_set *set)
{
	struct dp_link link = {.up = set->n_active != 0,
			       .full_duplex = true,
			       .speed_mbps = speed_of(x, set)};

	if (!link.up)
		snprintf(link.reason, sizeof(link.reason), "%s",
			 t->n_members == 0 ? "the team has no members" : "no member can send");
	dp_team_set_link(team, &link);
	dp_link_look(x->vs->dp, id);
}

/* Brings one team up to date.  'compiling': only what the running view has may be used, and links
 * and partners are left as they are. */
static int run_one(struct teams *x, const struct vs_team *t, bool compiling)
{
	uint16_t id = vs_port_id(x->vs, t->port->name), ids[DP_TEAM_MAX_MEMBERS];
	struct dp_port *port = id != DP_NO_PORT ? x->vs->live[id].port : NULL;
	struct dp_port *ports[DP_TEAM_MAX_MEMBERS] = {NULL};
	struct dp_team *team = dp_port_team(port);
	struct live *l = team != NULL ? live_need(x, id) : NULL;
	struct dp_team_set set, before;
	uint64_t now = now_ms();

	if (l == NULL)
		return team == NULL ? 0 : -ENOMEM;
	for (unsigned i = 0; i < t->n_members; i++) {
		ids[i] = vs_port_id(x->vs, t->members[i]->name);
		ports[i] = device_of(x->vs, team, ids[i]);
		if (ports[i] != NULL && !compiling)
			look_at_link(x, ids[i], ports[i], now);
	}
	if (t->mode == VS_TEAM_LACP && !compiling)
		lacp_run(x, t, port, ids, ports, now);
	memset(&set, 0, sizeof(set));
	before = *dp_team_set(team);
	set_make(x, l, t, ids, ports, &before, &set);
	if (memcmp(&set, dp_team_set(team), sizeof(set)) != 0) {
		if (dp_team_publish(team, &set) != 0)
			return -ENOMEM;
		tell(x, t, l, &before, &set);
	}
	set_link(x, t, id, team, &set);
	return 0;
}

static int run_all(struct teams *x, const struct vs_model *m, bool compiling)
{
	const struct vs_team_conf *conf = m != NULL ? m->policy[VS_POLICY_TEAM] : NULL;
	int rc = 0;

	for (unsigned i = 0; conf != NULL && rc == 0 && i < conf->n; i++)
		rc = run_one(x, &conf->v[i], compiling);
	return rc;
}

void vs_teams_run(struct vs *vs)
{
	struct teams *x = vs->policy[VS_POLICY_TEAM];

	if (x != NULL)
		(void)run_all(x, vs->model, false);
}

/* ---- For who looks ---- */

static const char *note_of(const struct vs_team *t, const struct vs_port *member,
			   const struct dp_port *port, const struct member *m, bool active)
{
	if (!member->up)
		return "administratively down";
	if (port == NULL)
		return "its device is away";
	if (active)
		return "";
	if (m->up_since_ms == 0)
		return "no link";
	if (t->mode == VS_TEAM_LACP)
		return lacp_reason(&m->lacp);
	if (t->mode == VS_TEAM_ACTIVE_BACKUP)
		return t->primary == member ? "its link must be steady first"
					    : "another member carries the frames";
	return "";
}

bool vs_team_member(struct vs *vs, const struct vs_team *t, const struct vs_port *member,
		    struct vs_team_member_info *ret_info)
{
	struct teams *x = vs->policy[VS_POLICY_TEAM];
	uint16_t id = vs_port_id(vs, member->name), team_id = vs_port_id(vs, t->port->name);
	const struct dp_team *team =
		team_id != DP_NO_PORT ? dp_port_team(vs->live[team_id].port) : NULL;
	const struct dp_team_set *set = team != NULL ? dp_team_set(team) : NULL;
	struct vs_team_member_info info = {.note = ""};

	if (x == NULL || set == NULL || id == DP_NO_PORT)
		return false;
	info.active = is_active(set, id);
	info.note = note_of(t, member, device_of(vs, team, id), &x->members[id], info.active);
	for (uint8_t i = 0; i < set->n_members; i++) {
		if (set->members[i].id != id)
			continue;
		info.heard = set->members[i].takes;
		for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++)
			info.n_buckets += set->bucket[b] == i;
	}
	info.has_lacp = t->mode == VS_TEAM_LACP && x->members[id].serial != 0;
	info.lacp = x->members[id].lacp;
	*ret_info = info;
	return true;
}

uint64_t vs_team_moves(struct vs *vs, const struct vs_team *t)
{
	struct teams *x = vs->policy[VS_POLICY_TEAM];
	const struct live *l = x != NULL ? live_of(x, vs_port_id(vs, t->port->name)) : NULL;

	return l != NULL ? l->n_moves : 0;
}

/* ---- The part of policy.h ---- */

static void look(evutil_socket_t fd, short what, void *arg)
{
	struct teams *x = arg;

	(void)run_all(x, x->vs->model, false);
}

static void destroy(struct vs *vs, void *live)
{
	struct teams *x = live;

	while (x->live != NULL)
		live_drop(x, x->live->id);
	if (x->timer != NULL)
		event_free(x->timer);
	free(x->members);
	free(x);
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	struct teams *x = calloc(1, sizeof(*x));

	if (x != NULL) {
		x->vs = vs;
		x->members = calloc(DP_MAX_PORTS, sizeof(*x->members));
		if (vs->opts.base != NULL)
			x->timer = event_new(vs->opts.base, -1, EV_PERSIST, look, x);
	}
	if (x == NULL || x->members == NULL || (vs->opts.base != NULL && x->timer == NULL)) {
		if (x != NULL)
			destroy(vs, x);
		return err_set(err, -ENOMEM, "no-memory", "no memory for teams");
	}
	*ret = x;
	return 0;
}

static int compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		   struct dp_view *view)
{
	struct teams *x = vs->policy[VS_POLICY_TEAM];

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		uint16_t team = p->team != NULL ? vs_port_id(vs, p->team->name) : DP_NO_PORT;

		if (ids[i] == DP_NO_PORT || team == DP_NO_PORT)
			continue;
		view->vports[ids[i]]->team = dp_port_team(vs->live[team].port);
		view->vports[ids[i]]->team_port = team;
	}
	return run_all(x, m, true);
}

/* The timer runs while there are teams. */
static void settle(struct vs *vs, const struct vs_model *m)
{
	const struct timeval every = {0, LOOK_MS * 1000};
	struct teams *x = vs->policy[VS_POLICY_TEAM];
	const struct vs_team_conf *conf = m->policy[VS_POLICY_TEAM];
	bool wanted = conf != NULL && conf->n != 0;

	(void)run_all(x, m, false);
	if (x->timer == NULL || wanted == x->looking)
		return;
	x->looking = wanted;
	if (wanted)
		event_add(x->timer, &every);
	else
		event_del(x->timer);
}

static void port_gone(struct vs *vs, uint16_t id)
{
	struct teams *x = vs->policy[VS_POLICY_TEAM];

	live_drop(x, id);
	x->members[id] = (struct member){0};
}

const struct vs_policy vs_policy_team = {
	.read = vs_teams_read,
	.forget = vs_teams_forget,
	.create = create,
	.destroy = destroy,
	.compile = compile,
	.settle = settle,
	.port_gone = port_gone,
	.tick = vs_teams_run,
};
