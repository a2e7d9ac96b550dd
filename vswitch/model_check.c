/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What objects of the model ask of each other; what one asks of itself is in model.c.
 */
#include "vswitch/model_priv.h"

#include "vswitch/target.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int mac_used(const struct vs_model *m, const struct vs_static_mac *s, const char *name,
		    char *mac, struct err *err)
{
	const char *other =
		vs_body_str(json_object_get(json_object_get(m->state, "mac"), name), "port");

	for (char *p = mac; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	err_set(err, -EEXIST, "mac-used",
		"cannot add static address %s to port %s: it is port %s's", mac, s->port->name,
		other);
	if (s->vlan != 0)
		err_why(err, "an address lives behind one port of a switch and VLAN (here %s, %u)",
			s->sw->name, s->vlan);
	else
		err_why(err, "an address lives behind one port of a switch (here %s)", s->sw->name);
	err_fix(err, "first: vswitchctl mac remove %s %s --port %s", s->sw->name, mac, other);
	err_about(err, "mac", s->name);
	err_about(err, "mac", name);
	return -EEXIST;
}

/* An address lives in one place of a tenant on a switch and VLAN. */
int vs_model_macs_check(const struct vs_model *m, struct err *err)
{
	json_t *seen = json_object();
	int rc = seen != NULL ? 0 : -ENOMEM;

	for (unsigned i = 0; rc == 0 && i < m->n_macs; i++) {
		const struct vs_static_mac *s = &m->macs[i];
		const struct vs_tenant *t = s->port->tenant;
		char mac[RTE_ETHER_ADDR_FMT_SIZE], key[256];
		const char *other;

		rte_ether_format_addr(mac, sizeof(mac), &s->mac);
		snprintf(key, sizeof(key), "%s %s %u %s", mac, s->sw->name, s->vlan,
			 t != NULL ? t->name : "");
		other = vs_body_str(seen, key);
		if (other == NULL) {
			json_object_set_new(seen, key, json_string(s->name));
			continue;
		}
		rc = mac_used(m, s, other, mac, err);
	}
	json_decref(seen);
	return rc;
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Interfaces of one name can be in two namespaces; links of one memif socket have numbers. */
static bool same_place(const struct vs_port *a, const struct vs_port *b)
{
	if (a->kind != b->kind || a->place == NULL || b->place == NULL ||
	    strcmp(a->place, b->place) != 0)
		return false;
	if (a->kind == VS_MEMIF)
		return vs_body_number(a->body, "id", 0) == vs_body_number(b->body, "id", 0);
	return same_text(vs_body_str(a->body, "netns"), vs_body_str(b->body, "netns")) &&
	       vs_body_number(a->body, "pid", 0) == vs_body_number(b->body, "pid", 0);
}

/* Two ports must not want the same device: the second would fail, or worse, share it. */
int vs_model_devices_check(const struct vs_model *m, struct err *err)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *a = &m->ports[i];
		bool named;

		for (unsigned j = 0; j < i; j++) {
			if (!same_place(a, &m->ports[j]))
				continue;
			err_set(err, -EEXIST, "device-used", "port %s: %s %s is port %s's", a->name,
				vs_model_place_key(a->kind, &named), a->place, m->ports[j].name);
			err_why(err, "two ports cannot be served by one device");
			err_fix(err, "vswitchctl port remove %s first, or choose another",
				m->ports[j].name);
			err_about(err, "port", a->name);
			err_about(err, "port", m->ports[j].name);
			return -EEXIST;
		}
	}
	return 0;
}

static const struct vs_port *asks_same(const struct vs_model *m, unsigned n,
				       const struct vs_port *p)
{
	for (unsigned i = 0; i < n; i++)
		if (m->ports[i].of_port == p->of_port && m->ports[i].sw == p->sw)
			return &m->ports[i];
	return NULL;
}

int vs_model_numbers_check(const struct vs_model *m, struct err *err)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i], *other;

		other = p->of_port != 0 ? asks_same(m, i, p) : NULL;
		if (other == NULL)
			continue;
		err_set(err, -EEXIST, "of-port-used",
			"port %s: OpenFlow number %u of switch %s is port %s's", p->name,
			p->of_port, p->sw->name, other->name);
		err_why(err, "rules and controllers know a port of a switch by its number alone");
		err_fix(err,
			"choose another --of-port, or first: vswitchctl port set %s --of-port N",
			other->name);
		err_about(err, "port", p->name);
		err_about(err, "port", other->name);
		return -EEXIST;
	}
	return 0;
}

/* A secondary VLAN has one primary on a switch. */
int vs_model_pvlans_check(const struct vs_model *m, struct err *err)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *a = &m->ports[i];

		for (unsigned j = 0; a->vlan.mode >= VS_ISOLATED && j < i; j++) {
			const struct vs_port *b = &m->ports[j];

			if (b->vlan.mode < VS_ISOLATED || b->sw != a->sw ||
			    b->tenant != a->tenant || b->vlan.vlan == a->vlan.vlan)
				continue;
			for (unsigned v = 1; v < 4095; v++) {
				if (!dp_vlan_test(a->vlan.secondary, (uint16_t)v) ||
				    !dp_vlan_test(b->vlan.secondary, (uint16_t)v))
					continue;
				err_set(err, -EINVAL, "bad-pvlan",
					"port %s: secondary VLAN %u belongs to primary %u on port "
					"%s",
					a->name, v, b->vlan.vlan, b->name);
				err_why(err, "a secondary VLAN has one primary on a switch");
				err_fix(err, "use another secondary VLAN");
				err_about(err, "port", a->name);
				err_about(err, "port", b->name);
				return -EINVAL;
			}
		}
	}
	return 0;
}

/* They are read, so they can be parsed. */
static bool same_address(const struct vs_controller *a, const struct vs_controller *b)
{
	struct vs_target x, y;

	return vs_target_parse(a->target, &x, NULL) == 0 &&
	       vs_target_parse(b->target, &y, NULL) == 0 && x.listens && y.listens &&
	       x.address_size == y.address_size &&
	       memcmp(&x.address, &y.address, x.address_size) == 0;
}

/* Two listeners cannot have one address.  (Two switches may connect to one controller.) */
int vs_model_controllers_check(const struct vs_model *m, struct err *err)
{
	for (unsigned i = 0; i < m->n_controllers; i++) {
		const struct vs_controller *a = &m->controllers[i];

		for (unsigned j = 0; j < i; j++) {
			const struct vs_controller *b = &m->controllers[j];

			if (!same_address(a, b))
				continue;
			err_set(err, -EEXIST, "address-used",
				"controller %s of switch %s: switch %s listens there", a->target,
				a->sw->name, b->sw->name);
			err_why(err, "who connects could not be told which switch is meant");
			err_fix(err, "choose another port or path");
			err_about(err, "controller", a->name);
			err_about(err, "controller", b->name);
			return -EEXIST;
		}
	}
	return 0;
}
