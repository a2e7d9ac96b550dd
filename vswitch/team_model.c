/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Teams as configured; see teams.h.
 */
#include "vswitch/team_priv.h"

#include "vswitch/model_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_names[] = {"active-backup", "address", "port", "static", "lacp"};

const char *vs_team_mode_name(enum vs_team_mode mode)
{
	return mode_names[mode];
}

const struct vs_team *vs_team_of(const struct vs_model *m, const struct vs_port *p)
{
	const struct vs_team_conf *conf = m->policy[VS_POLICY_TEAM];

	for (unsigned i = 0; conf != NULL && i < conf->n; i++)
		if (conf->v[i].port == p)
			return &conf->v[i];
	return NULL;
}

static enum vs_team_mode mode_of(const json_t *body)
{
	const char *word = vs_body_str(body, "team_mode");

	for (unsigned i = 0; word != NULL && i < sizeof(mode_names) / sizeof(mode_names[0]); i++)
		if (strcmp(mode_names[i], word) == 0)
			return (enum vs_team_mode)i;
	return VS_TEAM_ACTIVE_BACKUP;
}

static struct vs_team *find(struct vs_team_conf *conf, const char *name)
{
	for (unsigned i = 0; i < conf->n; i++)
		if (strcmp(conf->v[i].port->name, name) == 0)
			return &conf->v[i];
	return NULL;
}

static int no_team(const struct vs_port *p, const char *team, struct err *err)
{
	err_set(err, -ENOENT, "no-team", "port %s: there is no team %s", p->name, team);
	err_why(err, "a team is a port of kind team, and members name it");
	err_fix(err, "vswitchctl port add %s %s --kind team; vswitchctl team list", p->sw->name,
		team);
	return -ENOENT;
}

static int other_switch(const struct vs_port *p, const struct vs_team *t, struct err *err)
{
	err_set(err, -EINVAL, "wrong-switch", "port %s: team %s is on switch %s, not %s", p->name,
		t->port->name, t->port->sw->name, p->sw->name);
	err_why(err, "what comes by a member comes in by its team's switch");
	err_fix(err, "vswitchctl port remove %s; vswitchctl port add %s %s ... --team %s", p->name,
		t->port->sw->name, p->name, t->port->name);
	return -EINVAL;
}

static int member_check(const struct vs_port *p, const struct vs_team *t, struct err *err)
{
	if (p->kind != VS_PHYS && p->kind != VS_MEM && p->kind != VS_MEMIF)
		return err_set(err, -EINVAL, "bad-member",
			       "port %s: a member of a team is of kind phys, memif or mem",
			       p->name);
	if (p->sw != t->port->sw)
		return other_switch(p, t, err);
	if (t->n_members == DP_TEAM_MAX_MEMBERS) {
		err_set(err, -ENOSPC, "limit", "port %s: team %s has %u members already", p->name,
			t->port->name, DP_TEAM_MAX_MEMBERS);
		err_fix(err, "vswitchctl team show %s; vswitchctl team leave PORT", t->port->name);
		return -ENOSPC;
	}
	if (p->mtu < t->port->mtu) {
		err_set(err, -EINVAL, "bad-mtu",
			"port %s: its MTU %u is less than the %u of team %s", p->name, p->mtu,
			t->port->mtu, t->port->name);
		err_why(err, "any member may have to carry any frame");
		err_fix(err, "vswitchctl port set %s --mtu %u", p->name, t->port->mtu);
		return -EINVAL;
	}
	return 0;
}

static int member_read(struct vs_team_conf *conf, struct vs_port *p, struct err *err)
{
	const char *name = vs_body_str(p->body, "team");
	struct vs_team *t = name != NULL ? find(conf, name) : NULL;
	int rc;

	if (name == NULL)
		return 0;
	rc = t == NULL ? no_team(p, name, err) : member_check(p, t, err);
	if (rc != 0) {
		err_about(err, "port", p->name);
		return rc;
	}
	t->members[t->n_members++] = p;
	p->team = t->port;
	return 0;
}

static int primary_read(struct vs_team *t, struct err *err)
{
	const char *name = vs_body_str(t->port->body, "team_primary");

	for (unsigned i = 0; name != NULL && i < t->n_members; i++)
		if (strcmp(t->members[i]->name, name) == 0)
			t->primary = t->members[i];
	if (name == NULL || t->primary != NULL)
		return 0;
	err_set(err, -EINVAL, "bad-primary", "team %s: port %s is no member of it", t->port->name,
		name);
	err_why(err, "the primary is one of the members");
	err_fix(err, "vswitchctl team join %s %s, or vswitchctl team set %s --default team-primary",
		t->port->name, name, t->port->name);
	err_about(err, "port", t->port->name);
	return -EINVAL;
}

static void team_read(struct vs_team *t, const struct vs_port *p)
{
	const char *rate = vs_body_str(p->body, "lacp_rate");

	*t = (struct vs_team){
		.port = p,
		.mode = mode_of(p->body),
		.fast = rate == NULL || strcmp(rate, "fast") == 0,
		.passive = vs_body_flag(p->body, "lacp_passive", false),
	};
}

int vs_teams_read(struct vs_model *m, void **ret, struct err *err)
{
	struct vs_team_conf *conf;
	unsigned n = 0;
	int rc = 0;

	for (unsigned i = 0; i < m->n_ports; i++)
		n += m->ports[i].kind == VS_TEAM || vs_body_str(m->ports[i].body, "team") != NULL;
	if (n == 0)
		return 0;
	conf = calloc(1, sizeof(*conf) + n * sizeof(conf->v[0]));
	if (conf == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	*ret = conf; /* The model's from here on. */
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].kind == VS_TEAM)
			team_read(&conf->v[conf->n++], &m->ports[i]);
	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++)
		rc = member_read(conf, &m->ports[i], err);
	for (unsigned i = 0; rc == 0 && i < conf->n; i++)
		rc = primary_read(&conf->v[i], err);
	return rc;
}

void vs_teams_forget(void *conf)
{
	free(conf);
}
