/* SPDX-License-Identifier: BSD-2-Clause
 *
 * IPFIX: what tables give becomes messages; collectors learn templates when their session begins
 * and, by UDP, again and again.  See flowrecs.h.
 *
 * Every message goes to all collectors of the exporter.  Only the sequence number differs, which
 * counts the data records of a session (RFC 7011 3.1), also those that could not be sent: so a
 * collector sees how many it lost.
 */
#include "vswitch/flowrecs_priv.h"

#include "ctl/base/clock.h"

#include <stdio.h>
#include <string.h>

#define REFRESH_MESSAGES 4096u /* by UDP: templates also after so many */

static uint32_t export_s(void)
{
	return (uint32_t)(clock_wall_ns() / 1000000000u);
}

/* ---- Flows ---- */

static void send_flows(struct exporter *x)
{
	struct ipfix_message *m = &x->message;
	size_t size = ipfix_end(m, export_s(), 0, x->domain_id);
	unsigned n = 0;

	if (size == 0)
		return;
	for (unsigned i = 0; i < x->n_sessions; i++) {
		struct session *s = x->sessions[i];

		ipfix_set_sequence(m, s->sequence);
		n += vs_collector_send(s->collector, m->bytes, size);
		s->sequence += m->n_records;
	}
	x->since_refresh++;
	x->counts.messages++;
	x->counts.bytes += size;
	x->counts.records += m->n_records;
	if (n == 0)
		x->counts.lost += m->n_records;
}

static uint32_t vrf_of(const struct vs *vs, uint16_t domain)
{
	const struct dp_view *view = dp_view(vs->dp);
	const struct dp_domain *d =
		view != NULL && domain < DP_MAX_DOMAINS ? view->domains[domain] : NULL;

	return d != NULL && d->tenant_index < vs->model->n_tenants
		       ? vs->model->tenants[d->tenant_index].id
		       : 0;
}

static void put_flow(void *arg, const struct dp_flowrec_record *r)
{
	struct exporter *x = arg;
	const struct ipfix_flow flow = {
		.record = r,
		.vrf = vrf_of(x->vs, r->domain),
		.in = vs_flowrec_interface(r->there.port),
		.out = r->has_back ? vs_flowrec_interface(r->back.port) : 0,
		.status = ipfix_status(r->there.drop),
		.back_status = ipfix_status(r->back.drop),
	};

	if (ipfix_flow(&x->message, &flow))
		return;
	send_flows(x);
	ipfix_begin(&x->message);
	(void)ipfix_flow(&x->message, &flow);
}

/* ---- What describes them ---- */

/* Messages for one session. */
struct talk {
	struct exporter *x;
	struct session *to;
	struct ipfix_message message;
};

static void send_talk(struct talk *t)
{
	struct ipfix_message *m = &t->message;
	size_t size = ipfix_end(m, export_s(), t->to->sequence, t->x->domain_id);

	if (size != 0) {
		(void)vs_collector_send(t->to->collector, m->bytes, size);
		t->to->sequence += m->n_records;
		t->x->counts.messages++;
		t->x->counts.bytes += size;
	}
	ipfix_begin(m);
}

#define PUT(t, call)                                                                               \
	do {                                                                                       \
		if (!(call)) {                                                                     \
			send_talk(t);                                                              \
			(void)(call);                                                              \
		}                                                                                  \
	} while (0)

static void put_interfaces(struct talk *t)
{
	const struct vs *vs = t->x->vs;
	const struct vs_exporter *e = vs_flowrec_exporter(vs->model, t->x->name);
	char text[240];
	uint16_t domain;

	for (unsigned i = 0; e != NULL && vs->port_ids != NULL && i < vs->model->n_ports; i++) {
		const struct vs_port *p = &vs->model->ports[i];

		if (vs->port_ids[i] == DP_NO_PORT || !vs_flowrec_sees(vs, e, p, &domain))
			continue;
		snprintf(text, sizeof(text), "%s port of switch %s%s%s", vs_port_kind_name(p->kind),
			 p->sw->name, p->tenant != NULL ? ", tenant " : "",
			 p->tenant != NULL ? p->tenant->name : "");
		PUT(t, ipfix_interface(&t->message, vs_flowrec_interface(vs->port_ids[i]), p->name,
				       text));
	}
}

static void put_statistics(struct talk *t)
{
	struct vs_flowrec_counts c = {0};
	struct ipfix_statistics s;

	(void)vs_exporter_counts(t->x->vs, t->x->name, &c);
	s = (struct ipfix_statistics){.messages = c.messages,
				      .records = c.records,
				      .bytes = c.bytes,
				      .lost_records = c.lost,
				      .ignored_packets = c.missed_packets,
				      .ignored_bytes = c.missed_bytes};
	PUT(t, ipfix_statistics(&t->message, t->x->domain_id, &s));
}

static void describe(struct exporter *x, struct session *s, bool templates)
{
	struct talk t = {.x = x, .to = s};

	ipfix_begin(&t.message);
	for (unsigned i = 0; templates && i < IPFIX_N_TEMPLATES; i++)
		PUT(&t, ipfix_template(&t.message, i));
	PUT(&t, ipfix_sampling(&t.message, x->domain_id, x->sample > 1 ? x->sample : 1));
	put_statistics(&t);
	put_interfaces(&t);
	for (unsigned i = 0; i < DP_N_DROPS; i++)
		PUT(&t,
		    ipfix_drop_reason(&t.message, (uint16_t)(i + 1), dp_drop_slug((enum dp_drop)i),
				      dp_drop_text((enum dp_drop)i)));
	send_talk(&t);
}

static void describe_all(struct exporter *x)
{
	uint64_t now = clock_mono_ns();
	bool again = now - x->refreshed_ns >= x->refresh_ns || x->since_refresh >= REFRESH_MESSAGES;

	for (unsigned i = 0; i < x->n_sessions; i++) {
		struct session *s = x->sessions[i];
		bool tcp = vs_collector_address(s->collector)->tcp;
		struct vs_collector_info info;

		vs_collector_info(s->collector, &info);
		/* By TCP a template stays known as long as the session (RFC 7011 8.1). */
		if (info.state == VS_COLLECTOR_OPEN && (s->greet || again))
			describe(x, s, s->greet || !tcp);
		s->greet = s->greet && info.state != VS_COLLECTOR_OPEN;
	}
	if (again) {
		x->refreshed_ns = now;
		x->since_refresh = 0;
	}
}

void flowrec_export_tick(struct exporter *x)
{
	describe_all(x);
	ipfix_begin(&x->message);
	dp_flowrec_collect(x->set, put_flow, x);
	send_flows(x);
}

void flowrec_export_rest(struct exporter *x)
{
	/* One that nobody has met yet would not be understood. */
	describe_all(x);
	ipfix_begin(&x->message);
	dp_flowrec_flush(x->set, put_flow, x);
	send_flows(x);
}
