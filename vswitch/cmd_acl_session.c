/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sessions that stateful entries opened: connections of the tracker in their ports' zones; see
 * cmd.h.
 */
#include "vswitch/cmd_acl.h"

#include "dataplane/ct.h"
#include "dataplane/pipeline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct query {
	const struct vs_daemon *d;
	uint16_t *port_of; /* by zone; DP_NO_PORT: no port's */
	const char *port, *tenant;
	int proto; /* -1: any */
	bool has_address, v6;
	uint8_t address[16];
	json_int_t limit, total;
	json_t *rows;
};

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* A word or a number; -1: neither. */
static int proto_of(const char *word)
{
	char *end;
	long value;

	for (const struct vs_acl_proto *p = vs_acl_protos; p->word != NULL; p++)
		if (p->proto >= 0 && strcmp(p->word, word) == 0)
			return p->proto;
	value = word[0] >= '0' && word[0] <= '9' ? strtol(word, &end, 10) : -1;
	return value >= 0 && value <= 255 && *end == '\0' ? (int)value : -1;
}

static json_t *proto_json(uint8_t proto)
{
	for (const struct vs_acl_proto *p = vs_acl_protos; p->word != NULL; p++)
		if (p->proto == proto)
			return json_string(p->word);
	return json_sprintf("%u", proto);
}

static int address_read(struct query *q, const char *address, struct err *err)
{
	q->has_address = true;
	q->v6 = strchr(address, ':') != NULL;
	if (inet_pton(q->v6 ? AF_INET6 : AF_INET, address, q->address) != 1)
		return err_set(err, -EINVAL, "bad-address", "'%.64s' is no address", address);
	return 0;
}

static int zones_read(struct query *q, struct err *err)
{
	const struct vs *vs = q->d->vs;

	q->port_of = malloc((UINT16_MAX + 1) * sizeof(*q->port_of));
	if (q->port_of == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	for (unsigned i = 0; i <= UINT16_MAX; i++)
		q->port_of[i] = DP_NO_PORT;
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++)
		if (vs->live[id].name[0] != '\0')
			q->port_of[vs_acl_zone(id)] = id;
	return 0;
}

static int query_read(const struct vs_daemon *d, const json_t *params, struct query *q,
		      struct err *err)
{
	const char *proto = param(params, "proto"), *address = param(params, "address");

	*q = (struct query){.d = d,
			    .port = param(params, "port"),
			    .tenant = param(params, "tenant"),
			    .proto = proto != NULL ? proto_of(proto) : -1};
	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	if (proto != NULL && q->proto < 0)
		return err_set(err, -EINVAL, "bad-protocol",
			       "'%.32s' is no protocol: tcp, udp, "
			       "icmp, .. or 0 to 255",
			       proto);
	if (address != NULL && address_read(q, address, err) != 0)
		return -EINVAL;
	return zones_read(q, err);
}

static bool is_end(const struct query *q, const uint8_t *ip)
{
	return memcmp(q->address, ip, q->v6 ? 16 : 4) == 0;
}

/* The port that it is a session of, or DP_NO_PORT. */
static uint16_t port_of(const struct query *q, const struct dp_ct_info *c)
{
	const struct vs_domain_live *dom = &q->d->vs->domains[c->domain];
	uint16_t id = q->port_of[c->zone];
	const struct vs_port *p;

	if (!c->policy || id == DP_NO_PORT || !dom->used)
		return DP_NO_PORT;
	p = vs_model_port(q->d->vs->model, q->d->vs->live[id].name);
	return p != NULL ? id : DP_NO_PORT;
}

static bool wanted(void *arg, const struct dp_ct_info *c)
{
	const struct query *q = arg;
	uint16_t id = port_of(q, c);
	const struct vs_port *p;

	if (id == DP_NO_PORT || (q->proto >= 0 && q->proto != c->proto) ||
	    (q->port != NULL && strcmp(q->port, q->d->vs->live[id].name) != 0))
		return false;
	p = vs_model_port(q->d->vs->model, q->d->vs->live[id].name);
	if (q->tenant != NULL && (p->tenant == NULL || strcmp(p->tenant->name, q->tenant) != 0))
		return false;
	return !q->has_address || (q->v6 == c->v6 && (is_end(q, c->src) || is_end(q, c->dst)));
}

/* "10.0.0.1:1000>[fd00::1]:80" */
static json_t *direction(bool v6, const uint8_t *src, uint16_t sport, const uint8_t *dst,
			 uint16_t dport)
{
	char from[INET6_ADDRSTRLEN] = "", to[INET6_ADDRSTRLEN] = "";
	int family = v6 ? AF_INET6 : AF_INET;

	inet_ntop(family, src, from, sizeof(from));
	inet_ntop(family, dst, to, sizeof(to));
	return json_sprintf(v6 ? "[%s]:%u>[%s]:%u" : "%s:%u>%s:%u", from, sport, to, dport);
}

static bool row(void *arg, const struct dp_ct_info *c)
{
	struct query *q = arg;

	if (!wanted(q, c) || q->total++ >= q->limit)
		return true;
	json_array_append_new(q->rows,
			      json_pack("{ss so so so ss sI}", "port",
					q->d->vs->live[port_of(q, c)].name, "proto",
					proto_json(c->proto), "orig",
					direction(c->v6, c->src, c->sport, c->dst, c->dport),
					"reply",
					direction(c->v6, c->reply_src, c->reply_sport, c->reply_dst,
						  c->reply_dport),
					"state",
					c->tcp_state != NULL ? c->tcp_state
					: c->replied	     ? "answered"
							     : "new",
					"expires", (json_int_t)c->expires_s));
	return true;
}

int vs_acl_session_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	const struct vs_daemon *d = ctx;
	struct dp_ct *ct = dp_conntrack(d->vs->dp);
	const json_t *limit = json_object_get(params, "limit");
	struct query q;
	int rc = query_read(d, params, &q, err);

	if (rc != 0)
		return rc;
	q.limit = limit == NULL ? 1000 : json_integer_value(limit);
	q.limit = q.limit == 0 ? INT64_MAX : q.limit;
	q.rows = json_array();
	if (ct != NULL)
		dp_ct_each(ct, dp_conntrack_now(d->vs->dp), row, &q);
	*ret = json_pack("{so sI}", "sessions", q.rows, "total", q.total);
	free(q.port_of);
	return 0;
}

static int check_all(const json_t *params, struct err *err)
{
	if (json_object_size(params) != 0)
		return 0;
	err_set(err, -EINVAL, "usage", "acl session kill: which?");
	err_why(err, "without a word it would end every session of every port");
	err_fix(err, "say --port, --tenant, --proto or --address; or --all");
	return -EINVAL;
}

int vs_acl_session_kill(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	const struct vs_daemon *d = ctx;
	struct dp_ct *ct = dp_conntrack(d->vs->dp);
	struct query q;
	int rc = check_all(params, err);

	if (rc == 0)
		rc = query_read(d, params, &q, err);
	if (rc != 0)
		return rc;
	if (ct != NULL)
		q.total = dp_ct_flush(ct, dp_conntrack_now(d->vs->dp), wanted, &q);
	*ret = json_pack("{sI}", "killed", q.total);
	free(q.port_of);
	return 0;
}
