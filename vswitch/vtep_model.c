/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VTEPs and tunnel ports in the model: what their options say, and what they ask of each other; see
 * vtep.h.
 */
#include "vswitch/model_priv.h"
#include "vswitch/port_mac.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX	    0xffffffu
#define MAX_TENANTS 4094u
#define LEAST_MTU   576

static int ip_parse(const char *text, struct dp_ip *ret)
{
	struct dp_ip ip = {0};

	if (text == NULL)
		return -EINVAL;
	if (inet_pton(AF_INET, text, ip.b) != 1) {
		ip = (struct dp_ip){.v6 = true};
		if (inet_pton(AF_INET6, text, ip.b) != 1)
			return -EINVAL;
	}
	*ret = ip;
	return 0;
}

/* An address that one station can have. */
static bool is_station(const struct dp_ip *ip)
{
	if (ip->v6)
		return ip->b[0] != 0xff && (ip->w[0] != 0 || ip->w[1] != 0);
	return ip->b[0] != 0 && ip->b[0] < 224 && ip->b[0] != 127;
}

static int bad_ip(const struct vs_port *p, const char *option, const char *text, struct err *err)
{
	err_set(err, -EINVAL, "bad-address", "port %s: --%s '%s' is not an address of a station",
		p->name, option, text != NULL ? text : "");
	err_fix(err, "write it like 192.0.2.1 or 2001:db8::1");
	return -EINVAL;
}

/* ---- VTEPs ---- */

static int address_read(struct vs_port *p, const char *text, struct err *err)
{
	char word[INET6_ADDRSTRLEN + 8];
	struct dp_vtep_side *side;
	struct dp_ip ip;
	char *slash;

	snprintf(word, sizeof(word), "%s", text != NULL ? text : "");
	slash = strchr(word, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if (slash == NULL || ip_parse(word, &ip) != 0 || !is_station(&ip))
		return bad_ip(p, "address", text, err);
	side = ip.v6 ? &p->overlay->v6 : &p->overlay->v4;
	if (side->there)
		return err_set(err, -EINVAL, "bad-address",
			       "port %s: a VTEP has one address of each IP version", p->name);
	*side = (struct dp_vtep_side){.address = ip,
				      .prefix = (uint8_t)strtoul(slash, NULL, 10),
				      .there = true};
	return 0;
}

static int gateway_read(struct vs_port *p, const char *text, struct err *err)
{
	struct dp_vtep_side *side;
	struct dp_ip ip;

	if (ip_parse(text, &ip) != 0 || !is_station(&ip))
		return bad_ip(p, "gateway", text, err);
	side = ip.v6 ? &p->overlay->v6 : &p->overlay->v4;
	if (!side->there || side->has_gateway) {
		err_set(err, -EINVAL, "bad-gateway", "port %s: gateway %s has no use", p->name,
			text);
		err_why(err, side->there ? "there is one of its IP version already"
					 : "the VTEP has no address of its IP version");
		return -EINVAL;
	}
	side->gateway = ip;
	side->has_gateway = true;
	return 0;
}

static int neighbor_read(struct vs_port *p, const char *text, struct err *err)
{
	struct dp_neigh_static *s = &p->overlay->neighbors[p->overlay->n_neighbors];
	const char *eq = text != NULL ? strchr(text, '=') : NULL;
	char word[INET6_ADDRSTRLEN];
	struct rte_ether_addr mac;

	if (eq == NULL || (size_t)(eq - text) >= sizeof(word))
		eq = NULL;
	else
		snprintf(word, sizeof(word), "%.*s", (int)(eq - text), text);
	if (eq == NULL || ip_parse(word, &s->ip) != 0 || !is_station(&s->ip) ||
	    rte_ether_unformat_addr(eq + 1, &mac) != 0 || !rte_is_valid_assigned_ether_addr(&mac)) {
		err_set(err, -EINVAL, "bad-neighbor", "port %s: '%s' is not IP=MAC", p->name,
			text != NULL ? text : "");
		err_fix(err, "write it like --neighbor 192.0.2.1=02:00:00:00:00:01");
		return -EINVAL;
	}
	memcpy(s->mac, mac.addr_bytes, sizeof(s->mac));
	p->overlay->n_neighbors++;
	return 0;
}

typedef int (*item_fn)(struct vs_port *p, const char *text, struct err *err);

static int each(struct vs_port *p, const char *key, item_fn fn, struct err *err)
{
	const json_t *list = json_object_get(p->body, key);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
		rc = fn(p, json_string_value(json_array_get(list, i)), err);
	return rc;
}

static int vtep_place_check(const struct vs_port *p, struct err *err)
{
	if (p->sw->type != VS_EXTERNAL) {
		err_set(err, -EINVAL, "wrong-switch-type", "cannot add port %s: switch %s is %s",
			p->name, p->sw->name, vs_switch_type_name(p->sw->type));
		err_why(err, "a VTEP is a station of the network outside");
		err_fix(err, "add it to an external switch, and tunnel ports to this one");
		return -EINVAL;
	}
	if (p->vlan.mode != VS_ACCESS)
		return err_set(err, -EINVAL, "bad-vlan-mode",
			       "port %s: a VTEP's frames wear no tag: use --vlan-mode access",
			       p->name);
	if (p->mtu < LEAST_MTU)
		return err_set(err, -EINVAL, "bad-mtu", "port %s: an underlay's MTU is %d at least",
			       p->name, LEAST_MTU);
	return 0;
}

static int vtep_read(struct vs_port *p, struct err *err)
{
	struct vs_overlay *o = p->overlay;
	const char *mac = vs_body_str(p->body, "mac");
	char host[128];
	int rc = vtep_place_check(p, err);

	o->neighbors = calloc(json_array_size(json_object_get(p->body, "neighbor")) + 1,
			      sizeof(*o->neighbors));
	if (rc == 0 && o->neighbors == NULL)
		rc = err_set(err, -ENOMEM, "no-memory", "port %s: no memory", p->name);
	if (rc == 0)
		rc = each(p, "address", address_read, err);
	if (rc == 0 && !o->v4.there && !o->v6.there) {
		rc = err_set(err, -EINVAL, "no-address", "port %s: a VTEP needs an address",
			     p->name);
		err_fix(err, "add --address 192.0.2.1/24");
	}
	if (rc == 0)
		rc = each(p, "gateway", gateway_read, err);
	if (rc == 0)
		rc = each(p, "neighbor", neighbor_read, err);
	if (mac == NULL || rte_ether_unformat_addr(mac, &o->mac) != 0) {
		vs_host_identity(host, sizeof(host));
		vs_port_mac_make(host, p->sw->name, p->name, &o->mac);
	}
	return rc;
}

/* ---- Tunnel ports ---- */

static int remote_read(struct vs_port *p, const char *text, struct err *err)
{
	struct dp_overlay *t = &p->overlay->tunnel;
	struct dp_ip *ip = &p->overlay->remotes[t->n_remotes];

	if (text != NULL && strcmp(text, "flow") == 0) {
		t->remote_flow = true;
		return 0;
	}
	if (t->n_remotes == DP_TUNNEL_MAX_REMOTES)
		return err_set(err, -ENOSPC, "limit", "port %s: at most %u remotes", p->name,
			       DP_TUNNEL_MAX_REMOTES);
	if (ip_parse(text, ip) != 0 || !is_station(ip))
		return bad_ip(p, "remote", text, err);
	for (unsigned i = 0; i < t->n_remotes; i++)
		if (dp_ip_equal(&p->overlay->remotes[i], ip))
			return err_set(err, -EINVAL, "bad-address",
				       "port %s: remote %s is there twice", p->name, text);
	t->n_remotes++;
	return 0;
}

static bool number(const char *text, unsigned long max, unsigned long *ret)
{
	size_t n = text != NULL ? strspn(text, "0123456789") : 0;

	if (n == 0 || n > 8 || text[n] != '\0')
		return false;
	*ret = strtoul(text, NULL, 10);
	return *ret <= max;
}

static int key_read(struct vs_port *p, struct err *err)
{
	const char *text = vs_body_str(p->body, "key");
	struct dp_overlay *t = &p->overlay->tunnel;
	unsigned long key;

	if (number(text, KEY_MAX, &key)) {
		t->key = (uint32_t)key;
		return 0;
	}
	if (text != NULL && strcmp(text, "tenant") == 0) {
		t->key_mode = DP_TUNNEL_KEY_TENANT;
		return 0;
	}
	if (text != NULL && strcmp(text, "flow") == 0) {
		t->key_mode = DP_TUNNEL_KEY_FLOW;
		return 0;
	}
	if (text == NULL)
		err_set(err, -EINVAL, "no-key", "port %s: a tunnel port needs a key", p->name);
	else
		err_set(err, -EINVAL, "bad-key", "port %s: key '%s': it is 0 to %u, tenant or flow",
			p->name, text, KEY_MAX);
	err_why(err, "it is what tells the networks of one VTEP apart (VNI, VSID)");
	err_fix(err,
		"add --key 100, or --key tenant for the tenants' ids, or --key flow for rules");
	return -EINVAL;
}

/* "inherit" is 'inherit', absent 'def', else a number up to 'max'. */
static int class_read(const struct vs_port *p, const char *key, unsigned long max, int def,
		      int inherit, int *ret, struct err *err)
{
	const char *text = vs_body_str(p->body, key);
	unsigned long n;

	*ret = def;
	if (text == NULL)
		return 0;
	if (strcmp(text, "inherit") == 0) {
		*ret = inherit;
		return 0;
	}
	if (!number(text, max, &n) || (n == 0 && inherit == 0))
		return err_set(err, -EINVAL, "bad-number",
			       "port %s: --%s '%s': it is a number up to %lu, or inherit", p->name,
			       key, text, max);
	*ret = (int)n;
	return 0;
}

static void options_read(struct vs_port *p)
{
	const json_t *checksum = json_object_get(p->body, "checksum");
	const char *too_long = vs_body_str(p->body, "too_long");
	struct dp_overlay *t = &p->overlay->tunnel;

	t->type = p->kind == VS_VXLAN	 ? DP_TUN_VXLAN
		  : p->kind == VS_GENEVE ? DP_TUN_GENEVE
					 : DP_TUN_NVGRE;
	t->udp_port =
		(uint16_t)vs_body_number(p->body, "udp_port",
					 p->kind == VS_GENEVE ? DP_GENEVE_PORT : DP_VXLAN_PORT);
	t->checksum = json_is_true(checksum);
	t->checksum6 = !json_is_false(checksum);
	t->too_long = too_long != NULL && strcmp(too_long, "fragment") == 0 ? DP_TUNNEL_FRAGMENT
									    : DP_TUNNEL_TELL;
}

static int tunnel_read(struct vs_port *p, struct err *err)
{
	struct dp_overlay *t = &p->overlay->tunnel;
	int rc = key_read(p, err), ttl = 0, dscp = 0;

	options_read(p);
	if (rc == 0)
		rc = each(p, "remote", remote_read, err);
	if (rc == 0)
		rc = class_read(p, "ttl", 255, 64, 0, &ttl, err);
	if (rc == 0)
		rc = class_read(p, "dscp", 63, 0, -1, &dscp, err);
	if (rc == 0 && t->remote_flow && t->n_remotes != 0)
		rc = err_set(err, -EINVAL, "bad-address",
			     "port %s: --remote is a list of addresses, or flow", p->name);
	if (t->n_remotes == 0)
		t->remote_flow = true;
	t->ttl = (uint8_t)ttl;
	t->dscp = (int16_t)dscp;
	return rc;
}

int vs_overlay_read(struct vs_port *p, struct err *err)
{
	if (p->kind != VS_VTEP && !vs_is_tunnel(p))
		return 0;
	p->overlay = calloc(1, sizeof(*p->overlay));
	if (p->overlay == NULL)
		return err_set(err, -ENOMEM, "no-memory", "port %s: no memory", p->name);
	return p->kind == VS_VTEP ? vtep_read(p, err) : tunnel_read(p, err);
}

void vs_overlay_free(struct vs_overlay *o)
{
	if (o == NULL)
		return;
	free(o->neighbors);
	free(o);
}

/* ---- What they ask of each other ---- */

static int find_vtep(const struct vs_model *m, struct vs_port *p, struct err *err)
{
	const char *name = vs_body_str(p->body, "vtep");
	const struct vs_port *vtep = vs_model_port(m, name);

	if (vtep == NULL || vtep->kind != VS_VTEP) {
		err_set(err, vtep == NULL && name != NULL ? -ENOENT : -EINVAL, "no-vtep",
			name != NULL ? "port %s: there is no VTEP '%s'"
				     : "port %s: a tunnel port needs --vtep NAME%s",
			p->name, name != NULL ? name : "");
		err_why(err, "its packets leave with a VTEP's address");
		err_fix(err, "vswitchctl port add EXTERNAL-SWITCH %s --kind vtep --address CIDR",
			name != NULL ? name : "vtep0");
		return name != NULL ? -ENOENT : -EINVAL;
	}
	p->overlay->vtep = vtep;
	for (unsigned i = 0; i < p->overlay->tunnel.n_remotes; i++) {
		const struct dp_ip *ip = &p->overlay->remotes[i];
		const struct dp_vtep_side *side = ip->v6 ? &vtep->overlay->v6 : &vtep->overlay->v4;

		if (!side->there)
			return err_set(err, -EINVAL, "bad-address",
				       "port %s: VTEP %s has no address of the remote's IP version",
				       p->name, vtep->name);
		if (dp_ip_equal(&side->address, ip))
			return err_set(err, -EINVAL, "bad-address",
				       "port %s: the remote is VTEP %s itself", p->name,
				       vtep->name);
	}
	return 0;
}

static bool remotes_meet(const struct vs_overlay *a, const struct vs_overlay *b)
{
	if (a->tunnel.remote_flow || b->tunnel.remote_flow)
		return a->tunnel.remote_flow == b->tunnel.remote_flow;
	for (unsigned i = 0; i < a->tunnel.n_remotes; i++)
		for (unsigned k = 0; k < b->tunnel.n_remotes; k++)
			if (dp_ip_equal(&a->remotes[i], &b->remotes[k]))
				return true;
	return false;
}

/* Could a packet that comes be both ports'? */
static bool same_key(const struct vs_port *a, const struct vs_port *b)
{
	const struct dp_overlay *x = &a->overlay->tunnel, *y = &b->overlay->tunnel;

	if (a->overlay->vtep != b->overlay->vtep || x->type != y->type)
		return false;
	if (x->key_mode != y->key_mode)
		return false;
	return (x->key_mode != DP_TUNNEL_KEY_FIXED || x->key == y->key) &&
	       remotes_meet(a->overlay, b->overlay);
}

static int clash(const struct vs_port *a, const struct vs_port *b, struct err *err)
{
	err_set(err, -EEXIST, "tunnel-used", "port %s: its key and remote are port %s's", a->name,
		b->name);
	err_why(err, "a packet that comes would be both ports'");
	err_fix(err, "choose another --key or --remote");
	err_about(err, "port", b->name);
	return -EEXIST;
}

/* A UDP port says which encapsulation lies behind it, and a VTEP looks at a few. */
static int udp_ports_check(const struct vs_model *m, const struct vs_port *vtep, struct err *err)
{
	const struct vs_port *first[DP_VTEP_MAX_UDP];
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		unsigned k = 0;

		if (!vs_is_tunnel(p) || p->kind == VS_NVGRE || p->overlay->vtep != vtep)
			continue;
		while (k < n && first[k]->overlay->tunnel.udp_port != p->overlay->tunnel.udp_port)
			k++;
		if (k == DP_VTEP_MAX_UDP)
			return err_set(err, -ENOSPC, "limit",
				       "port %s: at most %u UDP ports on one VTEP", p->name,
				       DP_VTEP_MAX_UDP);
		if (k == n)
			first[n++] = p;
		if (first[k]->kind == p->kind)
			continue;
		err_set(err, -EEXIST, "udp-port-used", "port %s: UDP port %u is %s's", p->name,
			p->overlay->tunnel.udp_port, first[k]->name);
		err_why(err, "that one is of kind %s, and the UDP port says what is behind it",
			vs_port_kind_name(first[k]->kind));
		err_fix(err, "choose another --udp-port");
		return -EEXIST;
	}
	return 0;
}

/* Tenants that have another port on the switch get a VLAN that stands for them. */
static int share(const struct vs_model *m, struct vs_port *p, struct err *err)
{
	bool *there = calloc(m->n_tenants + 1, sizeof(*there));

	free(p->shared);
	p->n_shared = 0;
	p->shared = calloc(m->n_tenants + 1, sizeof(*p->shared));
	for (unsigned i = 0; there != NULL && i < m->n_ports; i++)
		if (m->ports[i].sw == p->sw && m->ports[i].tenant != NULL)
			there[m->ports[i].tenant - m->tenants] = true;
	for (unsigned i = 0; there != NULL && p->shared != NULL && i < m->n_tenants; i++) {
		if (!there[i])
			continue;
		if (p->n_shared == MAX_TENANTS) {
			free(there);
			return err_set(err, -ENOSPC, "limit",
				       "port %s: at most %u tenants by key on one port", p->name,
				       MAX_TENANTS);
		}
		p->shared[p->n_shared] =
			(struct vs_tenant_vlan){&m->tenants[i], (uint16_t)(p->n_shared + 1)};
		p->n_shared++;
	}
	free(there);
	return p->shared != NULL
		       ? 0
		       : err_set(err, -ENOMEM, "no-memory", "port %s: no memory", p->name);
}

static int tenant_key_check(const struct vs_model *m, struct vs_port *p, struct err *err)
{
	if (p->overlay->tunnel.key_mode != DP_TUNNEL_KEY_TENANT)
		return 0;
	if (p->tenant != NULL) {
		err_set(err, -EINVAL, "bad-key", "port %s: --key tenant serves all tenants",
			p->name);
		err_why(err, "the port is tenant %s's", p->tenant->name);
		err_fix(err, "leave out --tenant, or give the number as --key %u", p->tenant->id);
		return -EINVAL;
	}
	return share(m, p, err);
}

static void add_static(struct vs_model *m, const struct vs_port *p)
{
	m->macs[m->n_macs++] = (struct vs_static_mac){.name = p->name,
						      .sw = p->sw,
						      .port = p,
						      .mac = p->overlay->mac,
						      .vlan = p->vlan.vlan};
}

int vs_model_overlays_check(struct vs_model *m, struct err *err)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		struct vs_port *p = &m->ports[i];
		int rc = 0;

		if (p->kind == VS_VTEP)
			add_static(m, p);
		if (!vs_is_tunnel(p))
			continue;
		rc = find_vtep(m, p, err);
		for (unsigned k = 0; rc == 0 && k < i; k++)
			if (vs_is_tunnel(&m->ports[k]) && same_key(p, &m->ports[k]))
				rc = clash(p, &m->ports[k], err);
		if (rc == 0)
			rc = tenant_key_check(m, p, err);
		if (rc != 0) {
			err_about(err, "port", p->name);
			return rc;
		}
	}
	for (unsigned i = 0; i < m->n_ports; i++) {
		int rc = m->ports[i].kind == VS_VTEP ? udp_ports_check(m, &m->ports[i], err) : 0;

		if (rc != 0)
			return rc;
	}
	return 0;
}
