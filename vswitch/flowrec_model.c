/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Exporters of flow records in the model; see flowrecs.h.
 */
#include "vswitch/flowrecs.h"

#include "ctl/conf.h"
#include "vswitch/ipfix.h"
#include "vswitch/model_priv.h"
#include "vswitch/sflow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ACTIVE_MS   60000
#define INACTIVE_MS 15000
#define MAX_FLOWS   65536
#define REFRESH_MS  60000
#define HEAD	    128
#define RATE	    1000
#define COUNTERS_MS 20000

/* A number of its own for an exporter that was given none: that of its name (FNV-1a), not 0, which
 * means "no domain in particular". */
static uint32_t domain_id_of(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return (hash & 0x7fffffff) | 1;
}

static int where_read(const struct vs_model *m, const char *noun, const json_t *body,
		      struct vs_exporter *e, struct err *err)
{
	const char *sw = vs_body_str(body, "switch"), *tenant = vs_body_str(body, "tenant");

	e->where.sw = vs_model_switch(m, sw);
	e->where.tenant = vs_model_tenant(m, tenant);
	if (sw == NULL && tenant == NULL) {
		err_set(err, -EINVAL, "usage", "%s %s: whose frames?", noun, e->name);
		err_why(err, "it exports what comes in by the ports of a switch or of a tenant");
		err_fix(err,
			"give --switch NAME, --tenant NAME, or both: the tenant's ports there");
		return -EINVAL;
	}
	if (sw != NULL && e->where.sw == NULL)
		return conf_refuse_missing(m->state, "switch", sw, noun, err);
	if (tenant != NULL && e->where.tenant == NULL)
		return conf_refuse_missing(m->state, "tenant", tenant, noun, err);
	return 0;
}

static int collector_twice(const char *noun, const struct vs_exporter *e, const char *text,
			   struct err *err)
{
	err_set(err, -EEXIST, "collector-twice", "%s %s: collector %s is given twice", noun,
		e->name, text);
	err_why(err, "it would count everything double");
	err_fix(err, "give each collector once");
	return -EEXIST;
}

static int collectors_read(const char *noun, const json_t *body, uint16_t port, bool udp_only,
			   struct vs_exporter *e, struct err *err)
{
	const json_t *list = json_object_get(body, "collector");
	size_t n = json_array_size(list);

	if (n == 0 || n > VS_MAX_COLLECTORS) {
		err_set(err, -EINVAL, "usage", "%s %s: give 1 to %d collectors", noun, e->name,
			VS_MAX_COLLECTORS);
		err_fix(err, "--collector udp:10.0.0.9:%u", port);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct vs_collector_address *to = &e->collectors[i];
		int rc = vs_collector_parse(text != NULL ? text : "", port, udp_only, to, err);

		if (rc != 0)
			return rc;
		for (size_t k = 0; k < i; k++)
			if (strcmp(e->collectors[k].text, to->text) == 0)
				return collector_twice(noun, e, to->text, err);
		e->n_collectors++;
	}
	return 0;
}

static int bad_number(const char *noun, const struct vs_exporter *e, const char *option,
		      const char *range, struct err *err)
{
	err_set(err, -EINVAL, "bad-number", "%s %s: --%s must be %s", noun, e->name, option, range);
	err_fix(err, "leave it out for the default");
	return -EINVAL;
}

static int exporter_read(struct vs_model *m, const char *name, const json_t *body,
			 struct vs_exporter *e, struct err *err)
{
	uint64_t active = vs_body_number(body, "active", ACTIVE_MS),
		 inactive = vs_body_number(body, "inactive", INACTIVE_MS),
		 flows = vs_body_number(body, "max_flows", MAX_FLOWS),
		 sample = vs_body_number(body, "sample", 1),
		 refresh = vs_body_number(body, "template_refresh", REFRESH_MS);
	int rc;

	e->name = name;
	e->domain_id = (uint32_t)vs_body_number(body, "domain_id", domain_id_of(name));
	e->refresh_ms = (uint32_t)refresh;
	e->flows = (struct dp_flowrec_opts){.max_flows = (uint32_t)flows,
					    .active_ms = (uint32_t)active,
					    .inactive_ms = (uint32_t)inactive,
					    .sample = (uint32_t)sample};
	rc = where_read(m, "ipfix", body, e, err);
	if (rc == 0)
		rc = collectors_read("ipfix", body, IPFIX_PORT, false, e, err);
	if (rc != 0)
		return rc;
	if (active < 1000 || active > 86400000)
		return bad_number("ipfix", e, "active", "1s to 1d", err);
	if (inactive < 1000 || inactive > 86400000)
		return bad_number("ipfix", e, "inactive", "1s to 1d", err);
	if (flows < 64 || flows > 1048576)
		return bad_number("ipfix", e, "max-flows", "64 to 1048576", err);
	if (sample < 1 || sample > 1000000)
		return bad_number("ipfix", e, "sample", "1 to 1000000", err);
	if (refresh < 1000 || refresh > 86400000)
		return bad_number("ipfix", e, "template-refresh", "1s to 1d", err);
	return 0;
}

static int agent_read(const char *text, struct vs_exporter *e, struct err *err)
{
	if (text == NULL)
		return 0;
	if (inet_pton(AF_INET, text, e->agent) == 1) {
		e->agent_family = 4;
		return 0;
	}
	if (inet_pton(AF_INET6, text, e->agent) == 1) {
		e->agent_family = 6;
		return 0;
	}
	err_set(err, -EINVAL, "bad-agent", "sflow %s: '%.60s' is no address", e->name, text);
	err_why(err, "collectors tell switches apart by the address that samples say");
	err_fix(err, "--agent 10.0.0.1, an address of this host");
	return -EINVAL;
}

static int sampler_read(struct vs_model *m, const char *name, const json_t *body,
			struct vs_exporter *e, struct err *err)
{
	uint64_t rate = vs_body_number(body, "sample", RATE),
		 head = vs_body_number(body, "header", HEAD),
		 counters = vs_body_number(body, "counters", COUNTERS_MS);
	int rc;

	e->name = name;
	e->rate = (uint32_t)rate;
	e->head = (uint32_t)head;
	e->counters_ms = (uint32_t)counters;
	rc = where_read(m, "sflow", body, e, err);
	if (rc == 0)
		rc = collectors_read("sflow", body, SFLOW_PORT, true, e, err);
	if (rc == 0)
		rc = agent_read(vs_body_str(body, "agent"), e, err);
	if (rc != 0)
		return rc;
	if (rate < 1 || rate > 16777215)
		return bad_number("sflow", e, "sample", "1 to 16777215", err);
	if (head < 14 || head > DP_SAMPLE_HEAD)
		return bad_number("sflow", e, "header", "14 to 512", err);
	if (counters != 0 && (counters < 1000 || counters > 86400000))
		return bad_number("sflow", e, "counters", "0, or 1s to 1d", err);
	return 0;
}

typedef int (*read_fn)(struct vs_model *m, const char *name, const json_t *body,
		       struct vs_exporter *e, struct err *err);

static int read_kind(struct vs_model *m, const char *kind, read_fn fn, struct vs_exporter **ret,
		     unsigned *ret_n, struct err *err)
{
	json_t *objects = json_object_get(m->state, kind), *body;
	const char *name;

	if (json_object_size(objects) > VS_MAX_EXPORTERS)
		return err_set(err, -ENOSPC, "limit", "at most %d of %s can be configured",
			       VS_MAX_EXPORTERS, kind);
	*ret = calloc(json_object_size(objects) + 1, sizeof(**ret));
	if (*ret == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	json_object_foreach(objects, name, body) {
		int rc = fn(m, name, body, &(*ret)[(*ret_n)++], err);

		if (rc != 0) {
			err_about(err, kind, name);
			return rc;
		}
	}
	return 0;
}

/* By what is configured alone. */
static bool may_see(const struct vs_exporter *e, const struct vs_port *p)
{
	if (e->where.sw != NULL && e->where.sw != p->sw)
		return false;
	if (e->where.tenant == NULL || e->where.tenant == p->tenant)
		return true;
	for (unsigned i = 0; i < p->n_shared; i++)
		if (p->shared[i].tenant == e->where.tenant)
			return true;
	return false;
}

bool vs_flowrec_sees(const struct vs *vs, const struct vs_exporter *e, const struct vs_port *p,
		     uint16_t *ret_domain)
{
	if (!may_see(e, p))
		return false;
	*ret_domain = DP_NO_DOMAIN;
	if (e->where.tenant != NULL && p->n_shared != 0)
		*ret_domain = vs_domain_id(vs, p->sw->name, e->where.tenant->name);
	return e->where.tenant == NULL || p->n_shared == 0 || *ret_domain != DP_NO_DOMAIN;
}

/* A port has room for a few. */
static int count_check(const struct vs_model *m, const char *noun, const struct vs_exporter *list,
		       unsigned n, struct err *err)
{
	for (unsigned i = 0; n > DP_FLOWREC_MAX && i < m->n_ports; i++) {
		const struct vs_exporter *last = NULL;
		unsigned seen = 0;

		for (unsigned k = 0; k < n; k++) {
			if (!may_see(&list[k], &m->ports[i]))
				continue;
			seen++;
			last = &list[k];
		}
		if (seen <= DP_FLOWREC_MAX)
			continue;
		err_set(err, -ENOSPC, "limit", "port %s: at most %d of %s may see a port",
			m->ports[i].name, DP_FLOWREC_MAX, noun);
		err_why(err, "each of them costs every packet of the port");
		err_fix(err, "vswitchctl %s list; give one of them more collectors instead", noun);
		err_about(err, noun, last->name);
		return -ENOSPC;
	}
	return 0;
}

int vs_flowrec_read(struct vs_model *m, void **ret, struct err *err)
{
	struct vs_flowrec_conf *conf;
	int rc;

	if (json_object_get(m->state, "ipfix") == NULL &&
	    json_object_get(m->state, "sflow") == NULL)
		return 0;
	conf = calloc(1, sizeof(*conf));
	if (conf == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	rc = read_kind(m, "ipfix", exporter_read, &conf->exporters, &conf->n_exporters, err);
	if (rc == 0)
		rc = read_kind(m, "sflow", sampler_read, &conf->samplers, &conf->n_samplers, err);
	if (rc == 0)
		rc = count_check(m, "ipfix", conf->exporters, conf->n_exporters, err);
	if (rc == 0)
		rc = count_check(m, "sflow", conf->samplers, conf->n_samplers, err);
	if (rc != 0) {
		vs_flowrec_forget(conf);
		return rc;
	}
	*ret = conf;
	return 0;
}

void vs_flowrec_forget(void *arg)
{
	struct vs_flowrec_conf *conf = arg;

	if (conf == NULL)
		return;
	free(conf->exporters);
	free(conf->samplers);
	free(conf);
}

static const struct vs_exporter *find(const struct vs_exporter *list, unsigned n, const char *name)
{
	for (unsigned i = 0; name != NULL && i < n; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

const struct vs_exporter *vs_flowrec_exporter(const struct vs_model *m, const char *name)
{
	const struct vs_flowrec_conf *conf = vs_flowrec_conf(m);

	return conf != NULL ? find(conf->exporters, conf->n_exporters, name) : NULL;
}

const struct vs_exporter *vs_flowrec_sampler(const struct vs_model *m, const char *name)
{
	const struct vs_flowrec_conf *conf = vs_flowrec_conf(m);

	return conf != NULL ? find(conf->samplers, conf->n_samplers, name) : NULL;
}
