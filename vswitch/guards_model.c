/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards of ports in the model, and the one table of their defaults; see guards.h.
 */
#include "vswitch/guards.h"

#include "ctl/conf.h"
#include "ctl/spec.h"
#include "ctl/spec_guard.h"
#include "vswitch/model_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a careful administrator picks for the NIC of a machine whose owner is not to be trusted, for
 * any other port, and for what leads to the rest of the network.  Rates of 'vm' are far above what
 * a machine needs that is well, and far below what harms the others.  docs/guards.md shows this
 * table, and a test holds the two against each other. */
const struct vs_guard_row vs_guard_rows[VS_N_GUARD_OPTIONS] = {
	/* clang-format off */
	/* option, words, values of vm, open, uplink; what it does */
	[VS_GUARD_MODE] =           {"mode", "enforce|watch", {VS_GUARD_ENFORCE, 0, 0},
				     "whether violations are dropped, or counted and told only"},
	[VS_GUARD_MAC] =            {"mac", "off|on|watch", {VS_GUARD_ON, 0, 0},
				     "frames come from the port's own addresses"},
	[VS_GUARD_IP] =             {"ip", "off|fixed|learned", {0, 0, 0},
				     "packets come from the port's IP addresses"},
	[VS_GUARD_DHCP_SERVER] =    {"dhcp-server", "allow|deny", {VS_GUARD_DENY, 0, 0},
				     "answers of DHCPv4 and DHCPv6 servers"},
	[VS_GUARD_ROUTER] =         {"router", "allow|deny", {VS_GUARD_DENY, 0, 0},
				     "router advertisements, and redirects"},
	[VS_GUARD_ARP] =            {"arp", "off|on", {VS_GUARD_ON, 0, 0},
				     "ARP and neighbour discovery name their true sender"},
	[VS_GUARD_ARP_RATE] =       {"arp-rate", NULL, {1000, 0, 0},
				     "ARP and neighbour discovery packets a second"},
	[VS_GUARD_BROADCAST_RATE] = {"broadcast-rate", NULL, {2000, 0, 0},
				     "broadcast frames a second"},
	[VS_GUARD_MULTICAST_RATE] = {"multicast-rate", NULL, {20000, 0, 0},
				     "multicast frames a second"},
	[VS_GUARD_UNKNOWN_RATE] =   {"unknown-rate", NULL, {20000, 0, 0},
				     "frames a second to addresses nobody has learned"},
	[VS_GUARD_BPDU] =           {"bpdu", "allow|drop|shutdown", {VS_GUARD_BPDU_DROP, 0, 0},
				     "bridge protocol frames; shutdown holds the port 5 minutes"},
	[VS_GUARD_PROXY] =          {"proxy", "off|on", {0, 0, 0},
				     "the switch answers ARP and ND for addresses it knows"},
	[VS_GUARD_TRUSTED] =        {"trusted", "off|on", {0, 0, VS_GUARD_ON},
				     "leases of DHCP servers behind it are learned"},
	[VS_GUARD_PROTECTED] =      {"protected", "off|on", {0, 0, 0},
				     "does not reach other protected ports"},
	/* clang-format on */
};

static const char *const profiles[VS_N_GUARD_PROFILES] = {"vm", "open", "uplink"};

const char *vs_guard_profile_name(enum vs_guard_profile profile)
{
	return profiles[profile];
}

/* "dhcp-server" -> "dhcp_server" */
static const char *key_of(enum vs_guard_option option, char key[CTL_KEY_SIZE])
{
	snprintf(key, CTL_KEY_SIZE, "%s", vs_guard_rows[option].option);
	for (char *p = key; *p != '\0'; p++)
		*p = (char)(*p == '-' ? '_' : *p);
	return key;
}

/* The place of a word among "a|b|c"; -1: it is none of them. */
static int place_of(const char *words, const char *word)
{
	size_t n = strlen(word);
	int place = 0;

	for (const char *p = words; p != NULL; p = strchr(p, '|'), p += p != NULL, place++)
		if (strncmp(p, word, n) == 0 && (p[n] == '|' || p[n] == '\0'))
			return place;
	return -1;
}

void vs_guard_value_format(enum vs_guard_option option, uint32_t value, char *text, size_t size)
{
	const char *p = vs_guard_rows[option].words;

	if (p == NULL && value == 0)
		snprintf(text, size, "no limit");
	else if (p == NULL)
		snprintf(text, size, "%u", value);
	for (; p != NULL && value > 0; value--)
		p = strchr(p, '|') + 1;
	if (p != NULL)
		snprintf(text, size, "%.*s", (int)strcspn(p, "|"), p);
}

bool vs_guard_is_active(const struct vs_guard *g)
{
	for (int i = VS_GUARD_MAC; i <= VS_GUARD_TRUSTED; i++)
		if (g->value[i] != 0)
			return true;
	return false;
}

/* ---- Addresses ---- */

/* Clears the bits behind 'len'; true when one was set. */
static bool clear_host_bits(struct dp_ip *ip, unsigned len)
{
	bool any = false;

	for (unsigned bit = len; bit < (ip->v6 ? 128u : 32u); bit++) {
		uint8_t mask = (uint8_t)(0x80 >> (bit % 8));

		any |= (ip->b[bit / 8] & mask) != 0;
		ip->b[bit / 8] &= (uint8_t)~mask;
	}
	return any;
}

void vs_guard_prefix_format(const struct vs_guard_prefix *p, char text[VS_GUARD_PREFIX_SIZE])
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(p->ip.v6 ? AF_INET6 : AF_INET, p->ip.b, address, sizeof(address));
	if (p->len == (p->ip.v6 ? 128 : 32))
		snprintf(text, VS_GUARD_PREFIX_SIZE, "%s", address);
	else
		snprintf(text, VS_GUARD_PREFIX_SIZE, "%s/%u", address, p->len);
}

static int bad_address(const char *port, const char *text, const char *why, const char *fix,
		       struct err *err)
{
	err_set(err, -EINVAL, "bad-address",
		"guards of port %s: '%.64s' is no address to send from", port, text);
	err_why(err, "%s", why);
	err_fix(err, "%s", fix);
	return -EINVAL;
}

/* Nobody sends from these. */
static bool is_odd(const struct vs_guard_prefix *p, unsigned full)
{
	bool group = p->ip.v6 ? p->ip.b[0] == 0xff : p->ip.b[0] >= 224;

	if (p->len == 0)
		return false;
	return group || (p->len == full && p->ip.w[0] == 0 && p->ip.w[1] == 0) ||
	       (!p->ip.v6 && p->ip.b[0] == 127);
}

int vs_guard_prefix_parse(const char *port, const char *text, struct vs_guard_prefix *ret,
			  struct err *err)
{
	struct vs_guard_prefix p = {0}, asked;
	char address[VS_GUARD_PREFIX_SIZE] = "", right[VS_GUARD_PREFIX_SIZE], fix[160];
	const char *slash = strchr(text, '/');
	unsigned full, len;

	snprintf(address, sizeof(address), "%.*s",
		 slash != NULL ? (int)(slash - text) : (int)sizeof(address), text);
	p.ip.v6 = strchr(address, ':') != NULL;
	full = p.ip.v6 ? 128 : 32;
	len = slash != NULL ? (unsigned)strtoul(slash + 1, NULL, 10) : full;
	if (inet_pton(p.ip.v6 ? AF_INET6 : AF_INET, address, p.ip.b) != 1 || len > full)
		return bad_address(port, text, "it cannot be read",
				   "write it like 10.0.0.5, 10.0.0.0/28 or fd00::5", err);
	p.len = (uint8_t)len;
	asked = p;
	if (clear_host_bits(&p.ip, len)) {
		vs_guard_prefix_format(&p, right);
		asked.len = (uint8_t)full;
		vs_guard_prefix_format(&asked, address);
		snprintf(fix, sizeof(fix), "say %s for one address, or %s for all of them", address,
			 right);
		return bad_address(port, text, "it has bits behind its prefix", fix, err);
	}
	if (is_odd(&p, full))
		return bad_address(port, text,
				   "it is a group's, a loopback address, or stands for none",
				   "give the address that the machine has", err);
	*ret = p;
	return 0;
}

static bool same_prefix(const struct vs_guard_prefix *a, const struct vs_guard_prefix *b)
{
	return a->len == b->len && dp_ip_equal(&a->ip, &b->ip);
}

static int addresses_read(struct vs_guard *g, struct err *err)
{
	const json_t *list = json_object_get(g->body, "address");
	size_t i;
	json_t *item;

	if (json_array_size(list) == 0)
		return 0;
	g->addresses = calloc(json_array_size(list), sizeof(*g->addresses));
	if (g->addresses == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);
		int rc = vs_guard_prefix_parse(g->port->name, text != NULL ? text : "",
					       &g->addresses[i], err);

		if (rc != 0)
			return rc;
		for (size_t k = 0; k < i; k++)
			if (same_prefix(&g->addresses[k], &g->addresses[i]))
				return bad_address(g->port->name, text, "it is given twice",
						   "give each once", err);
		g->n_addresses++;
	}
	return 0;
}

static int macs_read(struct vs_guard *g, struct err *err)
{
	const json_t *list = json_object_get(g->body, "allow_mac");
	size_t i;
	json_t *item;

	if (json_array_size(list) == 0)
		return 0;
	g->macs = calloc(json_array_size(list), sizeof(*g->macs));
	if (g->macs == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		if (text != NULL && ctl_mac_parse(text, g->macs[i].addr_bytes, NULL) == 0 &&
		    rte_is_valid_assigned_ether_addr(&g->macs[i])) {
			g->n_macs++;
			continue;
		}
		err_set(err, -EINVAL, "bad-mac", "guards of port %s: --allow-mac '%.64s'",
			g->port->name, text != NULL ? text : "");
		err_why(err, "a group's address, or all zeros, is no machine's");
		err_fix(err, "give the address that the machine sends from");
		return -EINVAL;
	}
	return 0;
}

/* ---- What belongs together ---- */

/* Whose address the switch knows, because it sets it. */
static bool knows_mac(const struct vs_port *p)
{
	return p->kind == VS_TAP || p->kind == VS_HOST || p->kind == VS_VMBUS ||
	       p->kind == VS_MEM ||
	       ((p->kind == VS_VHOST || p->kind == VS_MEMIF) &&
		vs_body_str(p->body, "mac") != NULL);
}

static int mac_check(const struct vs_guard *g, struct err *err)
{
	const char *name = g->port->name;

	if (g->value[VS_GUARD_MAC] == VS_GUARD_OFF || g->n_macs != 0 || knows_mac(g->port))
		return 0;
	err_set(err, -EINVAL, "no-mac", "guards of port %s: no address would be its own", name);
	err_why(err, "nobody tells the switch the address behind a %s port%s",
		vs_port_kind_name(g->port->kind),
		g->port->kind == VS_VHOST || g->port->kind == VS_MEMIF ? " without --mac" : "");
	err_fix(err, "vswitchctl guard set %s --mac on --allow-mac 02:00:00:00:00:01, or --mac off",
		name);
	return -EINVAL;
}

static int ip_check(const struct vs_guard *g, struct err *err)
{
	if (g->value[VS_GUARD_IP] != VS_GUARD_FIXED || g->n_addresses != 0)
		return 0;
	err_set(err, -EINVAL, "no-address", "guards of port %s: --ip fixed without an --address",
		g->port->name);
	err_why(err, "the machine could send no packet at all");
	err_fix(err, "vswitchctl guard set %s --ip fixed --address 10.0.0.5, or --ip learned",
		g->port->name);
	return -EINVAL;
}

/* Frames of a VTEP are the underlay's, made by the switch. */
static int kind_check(const struct vs_guard *g, struct err *err)
{
	if (g->body == NULL || g->port->kind != VS_VTEP)
		return 0;
	err_set(err, -EINVAL, "no-guards", "port %s is a vtep, which has no guards", g->port->name);
	err_why(err, "behind it there is the switch itself");
	err_fix(err, "guard its tunnel ports, or the ports of machines");
	return -EINVAL;
}

/* ---- Reading ---- */

static uint32_t value_read(const struct vs_guard *g, enum vs_guard_option option)
{
	const struct vs_guard_row *row = &vs_guard_rows[option];
	char key[CTL_KEY_SIZE];
	const json_t *said = json_object_get(g->body, key_of(option, key));
	int place;

	if (json_is_boolean(said))
		return json_is_true(said) ? VS_GUARD_ON : VS_GUARD_OFF;
	if (row->words == NULL && json_is_integer(said))
		return (uint32_t)json_integer_value(said);
	place = json_is_string(said) ? place_of(row->words, json_string_value(said)) : -1;
	/* Whoever lets bridge protocol frames pass ('port set --bpdu on') means it. */
	if (said == NULL && option == VS_GUARD_BPDU && g->port->bpdu)
		return VS_GUARD_BPDU_ALLOW;
	return place >= 0 ? (uint32_t)place : row->value[g->profile];
}

static enum vs_guard_profile profile_of(const struct vs_port *p, const json_t *body)
{
	const char *said = vs_body_str(body, "profile");

	for (int i = 0; said != NULL && i < VS_N_GUARD_PROFILES; i++)
		if (strcmp(said, profiles[i]) == 0)
			return (enum vs_guard_profile)i;
	return p->vm != NULL ? VS_GUARD_VM : VS_GUARD_OPEN;
}

static int guard_read(struct vs_guard *g, const struct vs_port *p, const json_t *body,
		      struct err *err)
{
	int rc;

	*g = (struct vs_guard){.port = p, .body = body, .profile = profile_of(p, body)};
	for (int i = 0; i < VS_N_GUARD_OPTIONS; i++)
		g->value[i] = value_read(g, (enum vs_guard_option)i);
	rc = kind_check(g, err);
	if (rc == 0)
		rc = macs_read(g, err);
	if (rc == 0)
		rc = addresses_read(g, err);
	if (rc == 0)
		rc = mac_check(g, err);
	return rc == 0 ? ip_check(g, err) : rc;
}

int vs_guards_read(struct vs_model *m, void **ret_conf, struct err *err)
{
	const json_t *objects = json_object_get(m->state, "guard");
	struct vs_guard_conf *conf = calloc(1, sizeof(*conf));
	int rc = vs_model_strays(m, objects, "guard", err);

	if (conf != NULL)
		conf->guards = calloc(m->n_ports + 1, sizeof(*conf->guards));
	*ret_conf = conf;
	if (conf == NULL || conf->guards == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	while (rc == 0 && conf->n < m->n_ports) {
		const struct vs_port *p = &m->ports[conf->n];

		rc = guard_read(&conf->guards[conf->n++], p, json_object_get(objects, p->name),
				err);
		if (rc != 0)
			err_about(err, json_object_get(objects, p->name) != NULL ? "guard" : "port",
				  p->name);
	}
	return rc;
}

void vs_guards_forget(void *arg)
{
	struct vs_guard_conf *conf = arg;

	for (unsigned i = 0; conf->guards != NULL && i < conf->n; i++) {
		free(conf->guards[i].macs);
		free(conf->guards[i].addresses);
	}
	free(conf->guards);
	free(conf);
}

const struct vs_guard *vs_guard_of(const struct vs_model *m, const struct vs_port *port)
{
	const struct vs_guard_conf *conf = m->policy[VS_POLICY_GUARD];

	return conf != NULL && port != NULL ? &conf->guards[port - m->ports] : NULL;
}
