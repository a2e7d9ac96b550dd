/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An external switch that takes the interface the host itself is reached by must not cut it off:
 *
 * 	before   eth1 10.0.0.5/24, routes        after   eth1 (port) ── switch ── host
 * port 10.0.0.5/24, routes
 *
 * The host port takes the interface's MAC address as well, so that neighbours' tables stay right.
 * What was moved is written to a file under /run before it is moved: a daemon that is killed takes
 * its host port with it, and the next one finds the record and gives the interface its addresses
 * back before it does anything else.  (After a reboot the system configures the interface itself,
 * and /run is empty.)  Together with --confirm a change that cuts the administrator off undoes
 * itself.  Control thread.
 */
#include "vswitch/takeover.h"

#include "ctl/base/log.h"
#include "vswitch/link.h"
#include "vswitch/vs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_MODULE "takeover"

struct vs_takeovers {
	char path[256];
	json_t *records; /* {uplink port: {"host": port, "undo": ..}} */
};

static int save(const struct vs_takeovers *t)
{
	if (json_object_size(t->records) == 0)
		return unlink(t->path) == 0 || errno == ENOENT ? 0 : -errno;
	return json_dump_file(t->records, t->path, JSON_COMPACT) == 0 ? 0 : -EIO;
}

static void move_back(const json_t *record, const char *port)
{
	struct vs_link *link;
	struct err err = {0};

	if (vs_link_open(-1, &link, &err) == 0) {
		(void)vs_link_move_back(link, json_object_get(record, "undo"), &err);
		vs_link_close(link);
	}
	if (err.code != 0)
		log_error("port %s: addresses are not back on the interface: %s", port, err.what);
	else
		log_info("port %s: addresses are back on the interface", port);
}

static void forget(struct vs_takeovers *t, const char *port)
{
	move_back(json_object_get(t->records, port), port);
	json_object_del(t->records, port);
	(void)save(t);
}

int vs_takeovers_create(const char *path, struct vs_takeovers **ret_takeovers, struct err *err)
{
	struct vs_takeovers *t = calloc(1, sizeof(*t));
	const char *port;
	json_t *record;
	void *tmp;

	if (t == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	snprintf(t->path, sizeof(t->path), "%s", path);
	t->records = json_load_file(path, 0, NULL);
	if (!json_is_object(t->records)) {
		json_decref(t->records);
		t->records = json_object();
	}
	json_object_foreach_safe(t->records, tmp, port, record)
	{
		log_warn("port %s: the last daemon died with the interface's addresses", port);
		forget(t, port);
	}
	*ret_takeovers = t;
	return 0;
}

void vs_takeovers_destroy(struct vs_takeovers *t)
{
	const char *port;
	json_t *record;
	void *tmp;

	if (t == NULL)
		return;
	json_object_foreach_safe(t->records, tmp, port, record) forget(t, port);
	json_decref(t->records);
	free(t);
}

static const char *ifname_of(const struct vs_port *p)
{
	const char *key = p->kind == VS_PHYS ? "device" : "ifname";
	const char *name = json_string_value(json_object_get(p->body, key));

	return name != NULL ? name : p->name;
}

/* The host port of a switch: where the addresses go. */
static const struct vs_port *host_port(const struct vs_model *m, const struct vs_switch *sw)
{
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].sw == sw && m->ports[i].kind == VS_HOST)
			return &m->ports[i];
	return NULL;
}

static bool wanted(const struct vs_model *m, const char *port, const json_t *record)
{
	const struct vs_port *p = vs_model_port(m, port), *host = NULL;
	const char *name = json_string_value(json_object_get(record, "host"));

	if (p == NULL || !json_is_true(json_object_get(p->body, "take_address")))
		return false;
	host = host_port(m, p->sw);
	return host != NULL && strcmp(host->name, name) == 0;
}

/* The host port that nothing is moved to any more has its own address again: two interfaces with
 * one address confuse whoever looks for either. */
static void return_mac(struct vs *vs, const char *host)
{
	const struct vs_live *live = &vs->live[vs_port_id(vs, host)];
	const char *text = json_string_value(json_object_get(live->body, "mac"));
	struct rte_ether_addr mac = live->own_mac;
	struct err ignored;
	const char *port;
	json_t *record;

	json_object_foreach(vs->takeovers->records, port, record) {
		if (strcmp(json_string_value(json_object_get(record, "host")), host) == 0)
			return;
	}
	if (text != NULL)
		(void)rte_ether_unformat_addr(text, &mac);
	if (!rte_is_zero_ether_addr(&mac))
		(void)live->port->ops->set_mac(live->port, &mac, &ignored);
}

void vs_takeovers_release(struct vs *vs, const struct vs_model *after)
{
	struct vs_takeovers *t = vs->takeovers;
	const char *port;
	json_t *record;
	void *tmp;

	if (t == NULL)
		return;
	json_object_foreach_safe(t->records, tmp, port, record)
	{
		uint16_t host = vs_port_id(vs, json_string_value(json_object_get(record, "host")));

		if (wanted(after, port, record))
			continue;
		forget(t, port);
		if (host != DP_NO_PORT && vs->live[host].port != NULL)
			return_mac(vs, vs->live[host].name);
	}
}

/* The neighbours know the host by the interface's address. */
static int take_mac(struct vs *vs, struct vs_link *link, const struct vs_port *p,
		    const struct vs_port *host, struct err *err)
{
	struct dp_port *port = vs->live[vs_port_id(vs, host->name)].port;
	struct vs_link_info info;
	int rc = vs_link_find(link, ifname_of(p), &info, err);

	if (rc != 0 || port == NULL || port->ops->set_mac == NULL)
		return rc;
	return port->ops->set_mac(port, &info.mac, err);
}

static int move(struct vs *vs, const struct vs_port *p, const struct vs_port *host, struct err *err)
{
	struct vs_takeovers *t = vs->takeovers;
	struct vs_link *link;
	json_t *undo = NULL;
	int rc = vs_link_open(-1, &link, err);

	if (rc != 0)
		return rc;
	rc = take_mac(vs, link, p, host, err);
	if (rc == 0)
		rc = vs_link_move(link, ifname_of(p), ifname_of(host), &undo, err);
	vs_link_close(link);
	if (rc != 0)
		return rc;
	json_object_set_new(t->records, p->name,
			    json_pack("{ss so}", "host", host->name, "undo", undo));
	if (save(t) == 0)
		return 0;
	forget(t, p->name);
	err_set(err, -EIO, "takeover", "port %s: cannot write %s", p->name, t->path);
	err_why(err, "without it a killed daemon would take the host's addresses with it");
	return -EIO;
}

static int no_host_port(const struct vs_port *p, struct err *err)
{
	err_set(err, -EINVAL, "no-host-port",
		"cannot take the addresses of %s: switch %s has no host port", p->name,
		p->sw->name);
	err_why(err, "they have to go somewhere, or the host is cut off");
	err_fix(err, "vswitchctl port add %s host0 --kind host, then try again", p->sw->name);
	err_about(err, "port", p->name);
	return -EINVAL;
}

int vs_takeovers_probe(const struct vs_model *m, const struct vs_port *p, struct err *err)
{
	if (!json_is_true(json_object_get(p->body, "take_address")) || host_port(m, p->sw) != NULL)
		return 0;
	return no_host_port(p, err);
}

int vs_takeovers_engage(struct vs *vs, const struct vs_model *m, struct err *err)
{
	struct vs_takeovers *t = vs->takeovers;

	for (unsigned i = 0; t != NULL && i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i], *host;
		int rc;

		if (!json_is_true(json_object_get(p->body, "take_address")) ||
		    json_object_get(t->records, p->name) != NULL ||
		    vs->live[vs_port_id(vs, p->name)].port == NULL)
			continue;
		host = host_port(m, p->sw);
		if (host == NULL || vs->live[vs_port_id(vs, host->name)].port == NULL)
			return no_host_port(p, err);
		rc = move(vs, p, host, err);
		if (rc != 0) {
			err_about(err, "port", p->name);
			return rc;
		}
		vs_event(vs, "takeover", p->name, "addresses of %s moved to %s", ifname_of(p),
			 ifname_of(host));
	}
	return 0;
}
