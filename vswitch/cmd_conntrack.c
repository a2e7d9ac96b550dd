/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tracked connections: list, counters, flush; see cmd.h and dataplane/ct.h.
 */
#include "vswitch/cmd.h"

#include "dataplane/ct.h"
#include "dataplane/frag.h"
#include "dataplane/pipeline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct query {
	struct vs_daemon *d;
	const char *sw, *tenant;
	int zone, proto; /* -1: any */
	bool has_address, v6;
	uint8_t address[16];
	json_int_t limit, total;
	json_t *rows;
};

static int number(const json_t *params, const char *key)
{
	const json_t *v = json_object_get(params, key);

	return json_is_integer(v) ? (int)json_integer_value(v) : -1;
}

static int query_read(struct vs_daemon *d, const json_t *params, struct query *q, struct err *err)
{
	const char *address = json_string_value(json_object_get(params, "address"));

	*q = (struct query){.d = d,
			    .sw = json_string_value(json_object_get(params, "switch")),
			    .tenant = json_string_value(json_object_get(params, "tenant")),
			    .zone = number(params, "zone"),
			    .proto = number(params, "proto")};
	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	if (address == NULL)
		return 0;
	q->has_address = true;
	q->v6 = strchr(address, ':') != NULL;
	if (inet_pton(q->v6 ? AF_INET6 : AF_INET, address, q->address) != 1)
		return err_set(err, -EINVAL, "bad-address", "'%s' is no address", address);
	return 0;
}

static bool is_end(const struct query *q, const uint8_t *ip)
{
	return memcmp(q->address, ip, q->v6 ? 16 : 4) == 0;
}

static bool wanted(void *arg, const struct dp_ct_info *c)
{
	const struct query *q = arg;
	const struct vs_domain_live *dom = &q->d->vs->domains[c->domain];

	/* Those of access lists: 'acl sessions'. */
	if (c->policy)
		return false;
	/* Those of access lists are listed and ended by their ports. */
	if (c->policy)
		return false;
	if ((q->sw != NULL && (!dom->used || strcmp(q->sw, dom->sw) != 0)) ||
	    (q->tenant != NULL && (!dom->used || strcmp(q->tenant, dom->tenant) != 0)) ||
	    (q->zone >= 0 && q->zone != c->zone) || (q->proto >= 0 && q->proto != c->proto))
		return false;
	return !q->has_address ||
	       (q->v6 == c->v6 && (is_end(q, c->src) || is_end(q, c->dst) ||
				   is_end(q, c->reply_src) || is_end(q, c->reply_dst)));
}

/* "10.0.0.1:1000", "[fd00::1]:80" */
static void end_text(char *text, size_t size, bool v6, const uint8_t *ip, uint16_t port)
{
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(v6 ? AF_INET6 : AF_INET, ip, address, sizeof(address));
	snprintf(text, size, v6 ? "[%s]:%u" : "%s:%u", address, port);
}

static json_t *direction(bool v6, const uint8_t *src, uint16_t sport, const uint8_t *dst,
			 uint16_t dport)
{
	char from[64], to[64];

	end_text(from, sizeof(from), v6, src, sport);
	end_text(to, sizeof(to), v6, dst, dport);
	return json_sprintf("%s>%s", from, to);
}

static json_t *proto_json(uint8_t proto)
{
	switch (proto) {
	case 1:
		return json_string("icmp");
	case 6:
		return json_string("tcp");
	case 17:
		return json_string("udp");
	case 58:
		return json_string("icmpv6");
	case 132:
		return json_string("sctp");
	default:
		return json_sprintf("%u", proto);
	}
}

static json_t *label_json(const uint64_t label[2])
{
	char text[2 + 32 + 1] = "0x";

	for (unsigned i = 0; i < 16; i++)
		snprintf(text + 2 + 2 * i, 3, "%02x", ((const uint8_t *)label)[i]);
	return json_string(text);
}

static bool row(void *arg, const struct dp_ct_info *c)
{
	struct query *q = arg;
	const struct vs_domain_live *dom = &q->d->vs->domains[c->domain];

	if (!wanted(q, c))
		return true;
	if (q->total++ >= q->limit)
		return true;
	json_array_append_new(q->rows,
			      json_pack("{ss ss sI so so so ss sI so sI}", "switch",
					dom->used ? dom->sw : "", "tenant",
					dom->used ? dom->tenant : "", "zone", (json_int_t)c->zone,
					"proto", proto_json(c->proto), "orig",
					direction(c->v6, c->src, c->sport, c->dst, c->dport),
					"reply",
					direction(c->v6, c->reply_src, c->reply_sport, c->reply_dst,
						  c->reply_dport),
					"state",
					c->tcp_state != NULL ? c->tcp_state
					: c->replied	     ? "answered"
							     : "new",
					"mark", (json_int_t)c->mark, "label", label_json(c->label),
					"expires", (json_int_t)c->expires_s));
	return true;
}

static int conntrack_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			  struct err *err)
{
	struct vs_daemon *d = ctx;
	struct dp_ct *ct = dp_conntrack(d->vs->dp);
	int limit = number(params, "limit");
	struct query q;
	int rc = query_read(d, params, &q, err);

	if (rc != 0)
		return rc;
	q.limit = limit < 0 ? 1000 : limit == 0 ? INT64_MAX : limit;
	q.rows = json_array();
	if (ct != NULL)
		dp_ct_each(ct, dp_conntrack_now(d->vs->dp), row, &q);
	*ret = json_pack("{so sI}", "connections", q.rows, "total", q.total);
	return 0;
}

static int conntrack_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			   struct err *err)
{
	struct vs_daemon *d = ctx;
	struct dp_ct *ct = dp_conntrack(d->vs->dp);
	struct dp_ct_stats s = {.limit = DP_CT_MAX_ENTRIES};
	struct dp_frags_stats f;

	if (ct != NULL)
		dp_ct_stats(ct, &s);
	*ret = json_pack("{sI sI sI sI}", "entries", (json_int_t)s.n_entries, "limit",
			 (json_int_t)s.limit, "zones", (json_int_t)s.n_zones, "memory",
			 (json_int_t)s.memory);
	for (unsigned i = 0; i < DP_CT_N_COUNTERS; i++)
		json_object_set_new(*ret, dp_ct_counter_slug((enum dp_ct_counter)i),
				    json_integer((json_int_t)s.counters[i]));
	dp_fragments_stats(d->vs->dp, &f);
	json_object_set_new(*ret, "fragments", json_integer((json_int_t)f.pieces));
	json_object_set_new(*ret, "whole", json_integer((json_int_t)f.whole));
	return 0;
}

static int conntrack_flush(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			   struct err *err)
{
	struct vs_daemon *d = ctx;
	struct dp_ct *ct = dp_conntrack(d->vs->dp);
	struct query q;
	int rc = query_read(d, params, &q, err);

	if (rc != 0)
		return rc;
	if (ct != NULL)
		q.total = dp_ct_flush(ct, dp_conntrack_now(d->vs->dp), wanted, &q);
	*ret = json_pack("{sI}", "flushed", q.total);
	return 0;
}

/* What is in force: what was configured, or the defaults. */
static int conntrack_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			  struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_conntrack *c = &d->vs->model->conntrack;

	*ret = json_pack("{sb sI sI sI}", "tcp_strict", c->strict, "fragments",
			 (json_int_t)c->fragments, "tenant_fragments",
			 (json_int_t)c->tenant_fragments, "fragment_timeout",
			 (json_int_t)c->fragment_timeout_s * 1000);
	for (unsigned i = 0; i < DP_CT_N_TIMEOUTS; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%s", dp_ct_timeout_text((enum dp_ct_timeout)i));
		for (char *p = key; *p != '\0'; p++)
			*p = *p == '-' ? '_' : *p;
		json_object_set_new(*ret, key, json_integer((json_int_t)c->timeout_s[i] * 1000));
	}
	return 0;
}

const struct ctl_binding vs_cmd_conntracks[] = {
	{"conntrack", "list", conntrack_list},
	{"conntrack", "stats", conntrack_stats},
	{"conntrack", "show", conntrack_show},
	{"conntrack", "flush", conntrack_flush},
	{NULL, NULL, NULL},
};
