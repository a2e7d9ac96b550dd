/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'trace' and 'why': what becomes of a frame (trace.h), for people.  Control thread.
 */
#include "vswitch/cmd.h"
#include "vswitch/flow_frame.h"
#include "vswitch/flow_key.h"
#include "vswitch/flow_names.h"
#include "vswitch/qos_live.h"
#include "vswitch/sriov.h"
#include "vswitch/switch_flows.h"
#include "vswitch/trace.h"

#include "ctl/base/wire.h"
#include "dataplane/queue.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_LIMIT   DP_TRACE_MAX_FRAME
#define TEXT_LIMIT    (1u << 20)
#define BYTES_SHOWN   2048u /* of a frame that was sent, as hexadecimal digits */
#define NAMES_SHOWN   8u
#define DEFAULT_TTL   64u
#define EVENTS_LISTED 256u
#define NOTE_SIZE     300u

/* A question, and what it takes to answer it. */
struct asked {
	const struct vs_daemon *d;
	const struct vs_port *p;
	uint16_t id;
	struct vs_flow_names names;
	struct of_text_ports ports;
	struct vs_trace_names text;
	struct wr frame;
	struct dp_tunnel_outer outer;
};

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* ---- The frame that is asked about ---- */

static int bad_frame(struct err *err, const char *what)
{
	err_set(err, -EINVAL, "bad-frame", "the frame is wrong: %s", what);
	err_why(err, "a frame is a flow without actions, or its bytes as hexadecimal digits");
	err_fix(err, "vswitchctl trace PORT tcp,nw_dst=10.0.0.2,tp_dst=80");
	return -EINVAL;
}

/* Digits, with white space and ':' between bytes. */
static int frame_of_hex(struct asked *a, const char *hex, struct err *err)
{
	unsigned n = 0, byte = 0;

	for (; *hex != '\0'; hex++) {
		static const char digits[] = "0123456789abcdef";
		const char *at = strchr(digits, tolower((unsigned char)*hex));

		if (isspace((unsigned char)*hex) || (*hex == ':' && n % 2 == 0))
			continue;
		if (at == NULL)
			return bad_frame(err, "it has a character that is no hexadecimal digit");
		byte = byte << 4 | (unsigned)(at - digits);
		if (++n % 2 == 0)
			wr_u8(&a->frame, (uint8_t)byte);
	}
	if (n % 2 != 0)
		return bad_frame(err, "it ends within a byte");
	if (!wr_ok(&a->frame))
		return bad_frame(err, "it is longer than 65535 bytes");
	return n == 0 ? bad_frame(err, "it is empty") : 0;
}

static bool is_hex(const char *text)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF:");

	return n >= 28 && text[n] == '\0';
}

static int no_such_frame(struct err *err, const char *field)
{
	err_set(err, -EINVAL, "bad-frame", "no frame that comes in by a port can have this %s",
		field);
	err_why(err,
		"a trace starts at the wire, where there are only bytes; rules and tunnels set "
		"the rest");
	err_fix(err, "leave %s out, or trace the frame that a rule gives it", field);
	return -EINVAL;
}

/* What was around the frame is not in it. */
static void take_outer(struct asked *a, struct dp_key *key, struct dp_key *mask)
{
	static const uint8_t fields[] = {DP_FIELD_TUN_ID, DP_FIELD_TUN_SRC, DP_FIELD_TUN_DST,
					 DP_FIELD_TUN_SRC6, DP_FIELD_TUN_DST6};
	struct dp_tunnel_outer *o = &a->outer;

	o->vni = (uint32_t)dp_key_get(key, DP_FIELD_TUN_ID);
	dp_key_get_bytes(key, DP_FIELD_TUN_SRC, o->src.b);
	dp_key_get_bytes(key, DP_FIELD_TUN_DST, o->dst.b);
	if ((dp_key_get(mask, DP_FIELD_TUN_SRC) | dp_key_get(mask, DP_FIELD_TUN_DST)) == 0) {
		dp_key_get_bytes(key, DP_FIELD_TUN_SRC6, o->src.b);
		dp_key_get_bytes(key, DP_FIELD_TUN_DST6, o->dst.b);
		o->src.v6 = o->dst.v6 = true;
	}
	for (size_t i = 0; i < sizeof(fields); i++) {
		memset(key->b + dp_fields[fields[i]].offset, 0, dp_fields[fields[i]].size);
		memset(mask->b + dp_fields[fields[i]].offset, 0, dp_fields[fields[i]].size);
	}
}

static int frame_of_match(struct asked *a, struct of_match *match, struct err *err)
{
	const struct of_oxm *in = of_match_find(match, OF_F_IN_PORT);
	const struct of_oxm *ttl = of_match_find(match, OF_F_IP_TTL);
	uint8_t ttl_value = ttl != NULL ? (uint8_t)of_oxm_value(ttl) : DEFAULT_TTL;
	uint16_t own = a->d->vs->live[a->id].number;
	struct dp_key key, mask;
	enum dp_field field;

	if (in != NULL && of_oxm_value(in) != own) {
		err_set(err, -EINVAL, "bad-frame",
			"in_port says another port than '%s', where the frame comes in",
			a->p->name);
		err_fix(err, "leave in_port out");
		return -EINVAL;
	}
	of_match_unset(match, OF_F_IP_TTL);
	for (unsigned i = 0; i < match->n; i++)
		if (vs_flow_field((enum of_field)match->v[i].field) == DP_N_FIELDS)
			return no_such_frame(err,
					     of_field_info((enum of_field)match->v[i].field)->name);
	if (vs_flow_key(match, &key, &mask) != OF_OK)
		return bad_frame(err, "its fields do not go together");
	if (vs_is_tunnel(a->p))
		take_outer(a, &key, &mask);
	field = vs_flow_frame(&key, &mask, ttl_value, &a->frame);
	if (!wr_ok(&a->frame))
		return err_set(err, -ENOMEM, "no-memory", "no memory for the frame");
	return field != DP_N_FIELDS ? no_such_frame(err, vs_trace_field_name(field)) : 0;
}

static int frame_of_flow(struct asked *a, const char *text, struct err *err)
{
	struct of_text_error text_err = {0};
	struct of_match match;
	int rc = of_text_match_parse(text, 1, &a->ports, &match, &text_err);

	if (rc != 0)
		return rc == -EINVAL ? vs_flow_bad_text(err, &text_err, NULL)
				     : err_set(err, rc, "no-memory", "no memory for the frame");
	return frame_of_match(a, &match, err);
}

static const char *name_of_id(void *arg, uint16_t id)
{
	const struct asked *a = arg;

	return id < DP_MAX_PORTS ? vs_port_name(a->d->vs, id) : NULL;
}

static const char *class_name(const struct asked *a, const struct dp_trace_event *e)
{
	const char *name = vs_qos_class_name(a->d->vs, e->port, e->queue);

	return name != NULL ? name : "to";
}

static int ask(const struct vs_daemon *d, const json_t *params, struct asked *a, struct err *err)
{
	int id = vs_cmd_port(d, params, "port", err);
	const char *flow = param(params, "flow"), *hex = param(params, "frame");

	if (id < 0)
		return id;
	*a = (struct asked){.d = d, .id = (uint16_t)id, .frame = wr_init(FRAME_LIMIT)};
	a->p = vs_model_port(d->vs->model, param(params, "port"));
	a->names = (struct vs_flow_names){.d = d, .sw = a->p->sw};
	a->ports = vs_flow_text_ports(&a->names);
	a->text = (struct vs_trace_names){.ports = &a->ports, .port = name_of_id, .arg = a};
	if (hex != NULL)
		return frame_of_hex(a, hex, err);
	if (flow != NULL && is_hex(flow))
		return frame_of_hex(a, flow, err);
	return frame_of_flow(a, flow != NULL ? flow : "", err);
}

static int run(struct asked *a, bool costs, struct vs_trace **ret_trace, struct err *err)
{
	struct vs_flows *flows = vs_switch_flows(a->d->vs, a->p->sw->name);
	int rc = vs_trace_run_tunnel(a->d->vs->dp, flows, a->id, a->frame.bytes,
				     (uint32_t)a->frame.size, &a->outer, costs, ret_trace);

	if (rc == -ENOENT) {
		err_set(err, rc, "port-away", "port '%s' is not in the switch yet", a->p->name);
		err_why(err, "its device has not been there since it was configured");
		err_fix(err, "vswitchctl port show %s", a->p->name);
	} else if (rc != 0) {
		err_set(err, rc, "no-memory", "no memory, or no packet buffer, for a trace");
	}
	return rc;
}

/* ---- The short form ---- */

static unsigned n_sent(const struct vs_trace *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->dp.n_events; i++)
		n += t->dp.events[i].what == DP_TRACE_SENT;
	return n;
}

/* " by its queue 3"; of what the queue's rate would do nothing is said. */
static void put_queue(FILE *f, const struct dp_trace_event *e)
{
	if (e->queue == DP_QUEUE_NONE)
		return;
	fprintf(f, e->has_queue ? " by its queue %u" : " (it has no queue %u)", e->queue);
}

static void put_sent(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->dp.n_events; i++) {
		const struct dp_trace_event *e = &t->dp.events[i];

		if (e->what != DP_TRACE_SENT)
			continue;
		if (n++ < NAMES_SHOWN) {
			fprintf(f, "%s%s", n == 1 ? "sent to " : ", ",
				name_of_id((void *)(uintptr_t)a, e->port));
			put_queue(f, e);
		}
	}
	if (n > NAMES_SHOWN)
		fprintf(f, " and %u more", n - NAMES_SHOWN);
}

/* "dropped: tenant (the destination belongs to another tenant), towards db1" */
static void put_drop(FILE *f, const struct asked *a, const struct dp_trace_event *e)
{
	const char *port = e->port != DP_NO_PORT ? name_of_id((void *)(uintptr_t)a, e->port) : NULL;

	fprintf(f, "dropped: %s (%s)", dp_drop_slug(e->reason), dp_drop_text(e->reason));
	if (port != NULL)
		fprintf(f, ", on its way to %s", port);
}

static void put_fate(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	const char *sep = "";

	if (n_sent(t) != 0) {
		put_sent(f, a, t);
		sep = "; a copy ";
	}
	for (unsigned i = 0, n = 0; i < t->dp.n_events && n < NAMES_SHOWN; i++) {
		if (t->dp.events[i].what != DP_TRACE_DROPPED &&
		    t->dp.events[i].what != DP_TRACE_LOST)
			continue;
		fputs(sep, f);
		put_drop(f, a, &t->dp.events[i]);
		sep = "; ";
		n++;
	}
}

static void put_rule(FILE *f, const struct asked *a, const struct vs_rule *rule)
{
	struct wr wr = wr_init(TEXT_LIMIT);
	struct rd rd = rd_init(rule->match, rule->match_size);
	struct of_match match;

	if (of_match_decode(&rd, &match) == OF_OK && match.n != 0) {
		of_text_match_print(&wr, &match, &a->ports);
		wr_u8(&wr, ' ');
	}
	wr_bytes(&wr, "actions=", 8);
	of_text_instrs_print(&wr, &rule->instrs, &a->ports);
	fprintf(f, "priority=%u ", rule->priority);
	if (wr_ok(&wr))
		fwrite(wr.bytes, 1, wr.size, f);
	wr_fini(&wr);
}

static const struct dp_trace_event *learned_word(const struct vs_trace *t)
{
	for (unsigned i = 0; i < t->dp.n_events; i++)
		if (t->dp.events[i].what == DP_TRACE_FOUND ||
		    t->dp.events[i].what == DP_TRACE_FLOODED)
			return &t->dp.events[i];
	return NULL;
}

static void put_normal(FILE *f, const struct asked *a, const struct dp_trace_event *e)
{
	if (e->what == DP_TRACE_FOUND)
		fprintf(f, "the address was learned, or set, behind %s",
			name_of_id((void *)(uintptr_t)a, e->port));
	else
		fputs("the destination is a group, or not known: flooded", f);
	if (e->vlan != 0)
		fprintf(f, ", in VLAN %u", e->vlan);
}

/* "the egress lists of db1 deny it, web: 20 deny tcp from any to any" */
static void put_asked(FILE *f, const struct asked *a, const struct vs_trace *t,
		      const struct dp_trace_event *e)
{
	fprintf(f, "the %s lists of %s %s it, %.*s", e->egress ? "egress" : "ingress",
		name_of_id((void *)(uintptr_t)a, e->port), e->allowed ? "allow" : "deny",
		(int)(e->at != UINT32_MAX ? e->size : 0),
		e->at != UINT32_MAX ? (const char *)t->dp.bytes + e->at : "");
}

/* Access lists that were asked, the denials if there are some; false: nobody was. */
static bool put_lists(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	bool any = false, denied = false;
	unsigned n = 0;

	for (unsigned i = 0; i < t->dp.n_events; i++)
		denied |= t->dp.events[i].what == DP_TRACE_ASKED && !t->dp.events[i].allowed;
	for (unsigned i = 0; i < t->dp.n_events && n < NAMES_SHOWN; i++) {
		const struct dp_trace_event *e = &t->dp.events[i];

		if (e->what != DP_TRACE_ASKED || e->allowed == denied)
			continue;
		fputs(n++ != 0 ? "; " : "", f);
		put_asked(f, a, t, e);
		any = true;
	}
	return any;
}

static void put_reason(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	const struct vs_trace_table *table = vs_trace_decider(t);
	const struct dp_trace_event *normal = learned_word(t);

	if (t->dp.drop != DP_N_DROPS) {
		fprintf(f, "%s did not let it in", a->p->name);
		return;
	}
	if (put_lists(f, a, t) && (table != NULL || normal != NULL))
		fputs("; ", f);
	if (table != NULL && table->rule == NULL)
		fprintf(f, "no rule of table %u fits", table->table);
	else if (table != NULL) {
		fprintf(f, "table %u, ", table->table);
		put_rule(f, a, table->rule);
	}
	if (normal != NULL) {
		fputs(table != NULL ? "; NORMAL: " : "", f);
		put_normal(f, a, normal);
	}
}

/* What is not the switch's to decide, for a VF has it; empty: nothing. */
static void note_of(const struct asked *a, char *note, size_t size)
{
	note[0] = '\0';
	if (a->frame.size >= 6)
		vs_sriov_note(a->d->vs, a->p->name, a->frame.bytes, note, size);
}

static void put_note(FILE *f, const struct asked *a, const char *label)
{
	char note[NOTE_SIZE];

	note_of(a, note, sizeof(note));
	if (note[0] != '\0')
		fprintf(f, "%s%s\n", label, note);
}

static json_t *note_json(const struct asked *a)
{
	char note[NOTE_SIZE];

	note_of(a, note, sizeof(note));
	return note[0] != '\0' ? json_string(note) : json_null();
}

/* ---- The long form ---- */

static void put_cycles(FILE *f, uint64_t cycles)
{
	if (cycles != 0)
		fprintf(f, "  [%llu cycles]", (unsigned long long)cycles);
	fputc('\n', f);
}

static void put_edge(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	fputs("edge      ", f);
	if (t->dp.drop != DP_N_DROPS)
		fprintf(f, "refused: %s (%s)", dp_drop_slug(t->dp.drop), dp_drop_text(t->dp.drop));
	else if (t->dp.cvlan != 0)
		fprintf(f, "admitted, carried in VLAN %u", t->dp.cvlan);
	else
		fputs("admitted, untagged", f);
	if (a->p->tenant != NULL)
		fprintf(f, ", tenant %s", a->p->tenant->name);
	if (t->dp.captured)
		fputs("; a capture sees it", f);
	put_cycles(f, t->dp.cost.edge);
}

static void put_caches(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	for (unsigned i = 0; i < t->dp.n_caches; i++) {
		const struct dp_trace_cache *c = &t->dp.caches[i];

		fprintf(f, "cache     core %u: ", c->cpu);
		if (!c->hit) {
			fprintf(f, "not there (%u group%s)", c->groups, c->groups == 1 ? "" : "s");
		} else {
			fprintf(f, "there, in group %u, for all with the same ", c->groups);
			vs_trace_put_key(f, NULL, &c->mask, &a->text);
			fputs(c->same	  ? ""
			      : c->behind ? "; the rules have changed since, it goes with the next "
					    "frame"
					  : "; its program is not what the rules say now",
			      f);
		}
		put_cycles(f, i == 0 ? t->dp.cost.cache : 0);
	}
}

static void put_actions(FILE *f, const struct asked *a, const struct vs_trace *t, unsigned from,
			unsigned to, const char *what)
{
	for (unsigned i = from; i < to; i++) {
		struct wr wr = wr_init(TEXT_LIMIT);
		struct of_actions one = {.n = 1, .v = (struct of_action *)(uintptr_t)t->actions[i]};

		of_text_actions_print(&wr, &one, &a->ports);
		fprintf(f, "          %s ", i == from ? what : "   ");
		if (wr_ok(&wr))
			fwrite(wr.bytes, 1, wr.size, f);
		fputc('\n', f);
		wr_fini(&wr);
	}
}

static void put_table(FILE *f, const struct asked *a, const struct vs_trace *t, unsigned i)
{
	const struct vs_flows *flows = vs_switch_flows(a->d->vs, a->p->sw->name);
	const struct vs_trace_table *table = &t->tables[i];
	unsigned end = i + 1 < t->n_tables ? table[1].first_action : t->set_from;
	struct dp_flow_counts counts;

	fprintf(f, "table %-3u ", table->table);
	if (table->rule == NULL)
		fputs("no rule fits: dropped", f);
	else
		put_rule(f, a, table->rule);
	put_cycles(f, table->cycles);
	if (table->rule != NULL) {
		vs_rule_counts(flows, table->rule, &counts);
		fprintf(f, "          cookie 0x%llx, %llu packets, %llu bytes\n",
			(unsigned long long)table->rule->cookie, (unsigned long long)counts.packets,
			(unsigned long long)counts.bytes);
	}
	fputs("          looked at ", f);
	vs_trace_put_key(f, &table->key, &table->wc, &a->text);
	fputc('\n', f);
	put_actions(f, a, t, table->first_action, end, "do");
}

static void put_rules(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	fputs("key       ", f);
	vs_trace_put_key(f, &t->dp.key, &t->dp.wc, &a->text);
	put_cycles(f, t->dp.cost.key);
	put_caches(f, a, t);
	for (unsigned i = 0; i < t->n_tables; i++)
		put_table(f, a, t, i);
	if (t->set_from < t->n_actions) {
		fputs("set       executed at the end of the tables\n", f);
		put_actions(f, a, t, t->set_from, t->n_actions, "do");
	}
	fputs("program   ", f);
	vs_trace_put_steps(f, t->dp.steps, t->dp.steps_size, &a->text);
	fputs(t->dp.kept ? "" : "  (not kept: made anew for each frame)", f);
	put_cycles(f, t->dp.cost.translate);
}

static void put_event(FILE *f, const struct asked *a, const struct vs_trace *t,
		      const struct dp_trace_event *e)
{
	switch (e->what) {
	case DP_TRACE_SENT:
		fprintf(f, "out       %s", name_of_id((void *)(uintptr_t)a, e->port));
		put_queue(f, e);
		fputs(": ", f);
		if (e->at != UINT32_MAX)
			vs_trace_put_frame(f, t->dp.bytes + e->at, e->size);
		else
			fprintf(f, "%u bytes", e->size);
		break;
	case DP_TRACE_DROPPED:
	case DP_TRACE_LOST:
		fputs("drop      ", f);
		put_drop(f, a, e);
		break;
	case DP_TRACE_MIRRORS:
		fprintf(f, "mirrors   %s, %s: %.*s would copy it",
			name_of_id((void *)(uintptr_t)a, e->port), e->egress ? "egress" : "ingress",
			(int)(e->at != UINT32_MAX ? e->size : 0),
			e->at != UINT32_MAX ? (const char *)t->dp.bytes + e->at : "");
		break;
	case DP_TRACE_FOUND:
	case DP_TRACE_FLOODED:
		fputs("normal    ", f);
		put_normal(f, a, e);
		break;
	case DP_TRACE_ASKED:
		fputs("acl       ", f);
		put_asked(f, a, t, e);
		break;
	case DP_TRACE_FILTERS:
		fprintf(f, "filters   %s, %s: %.*s (not run, taken to pass it)",
			name_of_id((void *)(uintptr_t)a, e->port), e->egress ? "egress" : "ingress",
			(int)(e->at != UINT32_MAX ? e->size : 0),
			e->at != UINT32_MAX ? (const char *)t->dp.bytes + e->at : "");
		break;
	case DP_TRACE_SHAPED:
		fprintf(f, "shaper    %s: waits in '%s'", name_of_id((void *)(uintptr_t)a, e->port),
			class_name(a, e));
		break;
	}
	fputc('\n', f);
}

static void put_costs(FILE *f, const struct dp_trace_cost *c)
{
	fputs("cost      ", f);
	if (c->first != 0)
		fprintf(f, "%llu cycles for the first frame of a flow, ",
			(unsigned long long)c->first);
	fprintf(f, "%llu for the next alone, %llu each in a burst\n", (unsigned long long)c->next,
		(unsigned long long)c->burst);
}

static void put_long(FILE *f, const struct asked *a, const struct vs_trace *t, bool costs)
{
	fprintf(f, "in        %s (switch %s): ", a->p->name, a->p->sw->name);
	vs_trace_put_frame(f, a->frame.bytes, (uint32_t)a->frame.size);
	fputc('\n', f);
	put_edge(f, a, t);
	if (t->dp.drop == DP_N_DROPS && t->dp.has_rules)
		put_rules(f, a, t);
	for (unsigned i = 0; i < t->dp.n_events && i < EVENTS_LISTED; i++)
		put_event(f, a, t, &t->dp.events[i]);
	if (t->dp.n_events > EVENTS_LISTED || t->dp.n_more != 0)
		fprintf(f, "          and %u more\n",
			t->dp.n_events - EVENTS_LISTED + t->dp.n_more);
	fputs("fate      ", f);
	put_fate(f, a, t);
	fputc('\n', f);
	put_note(f, a, "note      ");
	if (costs)
		put_costs(f, &t->dp.cost);
}

/* ---- As JSON ---- */

static json_t *words(void (*put)(FILE *f, const struct asked *a, const struct vs_trace *t),
		     const struct asked *a, const struct vs_trace *t)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	json_t *json;

	if (f == NULL)
		return NULL;
	put(f, a, t);
	json = fclose(f) == 0 ? json_stringn(text, size) : NULL;
	free(text);
	return json;
}

static json_t *hex_of(const uint8_t *bytes, uint32_t size)
{
	char hex[2 * BYTES_SHOWN + 1] = "";

	if (size > BYTES_SHOWN)
		size = BYTES_SHOWN;
	for (uint32_t i = 0; i < size; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	return json_string(hex);
}

static json_t *with_mirrors(json_t *row, const struct vs_trace *t, const struct dp_trace_event *e)
{
	json_object_set_new(row, "side", json_string(e->egress ? "egress" : "ingress"));
	json_object_set_new(row, "mirrors",
			    e->at != UINT32_MAX
				    ? json_stringn((const char *)t->dp.bytes + e->at, e->size)
				    : json_null());
	return row;
}

static json_t *event_json(const struct asked *a, const struct vs_trace *t,
			  const struct dp_trace_event *e)
{
	static const char *const whats[] = {
		[DP_TRACE_SENT] = "sent",	[DP_TRACE_DROPPED] = "dropped",
		[DP_TRACE_LOST] = "lost",	[DP_TRACE_FOUND] = "found",
		[DP_TRACE_FLOODED] = "flooded", [DP_TRACE_FILTERS] = "filters",
		[DP_TRACE_ASKED] = "acl",	[DP_TRACE_SHAPED] = "shaped",
	};
	json_t *row =
		json_pack("{ss}", "what", e->what == DP_TRACE_MIRRORS ? "mirrors" : whats[e->what]);

	if (e->port != DP_NO_PORT)
		json_object_set_new(row, "port",
				    json_string(name_of_id((void *)(uintptr_t)a, e->port)));
	if (e->what == DP_TRACE_MIRRORS)
		return with_mirrors(row, t, e);
	if (e->reason != DP_N_DROPS)
		json_object_set_new(row, "reason", json_string(dp_drop_slug(e->reason)));
	if (e->what == DP_TRACE_FOUND || e->what == DP_TRACE_FLOODED)
		json_object_set_new(row, "vlan", json_integer(e->vlan));
	if (e->what == DP_TRACE_SENT)
		json_object_set_new(row, "size", json_integer(e->size));
	if (e->queue != DP_QUEUE_NONE && e->has_queue)
		json_object_set_new(row, "queue", json_integer(e->queue));
	if (e->what == DP_TRACE_SHAPED)
		json_object_set_new(row, "class", json_string(class_name(a, e)));
	if (e->what == DP_TRACE_FILTERS || e->what == DP_TRACE_ASKED)
		json_object_set_new(row, "side", json_string(e->egress ? "egress" : "ingress"));
	if (e->what == DP_TRACE_ASKED)
		json_object_set_new(row, "allowed", json_boolean(e->allowed));
	if (e->what == DP_TRACE_ASKED && e->at != UINT32_MAX)
		json_object_set_new(row, "entry",
				    json_stringn((const char *)t->dp.bytes + e->at, e->size));
	else if (e->what == DP_TRACE_FILTERS && e->at != UINT32_MAX)
		json_object_set_new(row, "filters",
				    json_stringn((const char *)t->dp.bytes + e->at, e->size));
	else if (e->at != UINT32_MAX)
		json_object_set_new(row, "bytes", hex_of(t->dp.bytes + e->at, e->size));
	return row;
}

static json_t *table_json(const struct asked *a, const struct vs_trace_table *table)
{
	json_t *row =
		json_pack("{si sI}", "table", table->table, "cycles", (json_int_t)table->cycles);
	char *text = NULL;
	size_t size = 0;
	FILE *f = table->rule != NULL ? open_memstream(&text, &size) : NULL;

	if (table->rule != NULL)
		json_object_set_new(row, "cookie", json_integer((json_int_t)table->rule->cookie));
	if (f != NULL) {
		put_rule(f, a, table->rule);
		if (fclose(f) == 0)
			json_object_set_new(row, "rule", json_stringn(text, size));
		free(text);
	}
	return row;
}

static void put_long_free(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	put_long(f, a, t, false);
}

static void put_long_costs(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	put_long(f, a, t, true);
}

static json_t *answer(const struct asked *a, const struct vs_trace *t, bool costs)
{
	const struct dp_trace_cost *c = &t->dp.cost;
	json_t *tables = json_array(), *events = json_array(), *json;

	for (unsigned i = 0; i < t->n_tables; i++)
		json_array_append_new(tables, table_json(a, &t->tables[i]));
	for (unsigned i = 0; i < t->dp.n_events && i < EVENTS_LISTED; i++)
		json_array_append_new(events, event_json(a, t, &t->dp.events[i]));
	json = json_pack("{so so ss si so so s{sI sI sI sI sI sI sI}}", "fate",
			 words(put_fate, a, t), "because", words(put_reason, a, t), "edge",
			 t->dp.drop == DP_N_DROPS ? "admitted" : dp_drop_slug(t->dp.drop), "vlan",
			 t->dp.cvlan, "tables", tables, "events", events, "cycles", "edge",
			 (json_int_t)c->edge, "key", (json_int_t)c->key, "cache",
			 (json_int_t)c->cache, "translate", (json_int_t)c->translate, "first",
			 (json_int_t)c->first, "next", (json_int_t)c->next, "burst",
			 (json_int_t)c->burst);
	json_object_set_new(json, "note", note_json(a));
	json_object_set_new(json, "text", words(costs ? put_long_costs : put_long_free, a, t));
	return json;
}

static int trace_run(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	bool costs = !json_is_false(json_object_get(params, "cost"));
	struct vs_trace *t = NULL;
	struct asked a = {0};
	int rc = ask(ctx, params, &a, err);

	if (rc == 0)
		rc = run(&a, costs, &t, err);
	if (rc == 0)
		*ret = answer(&a, t, costs);
	vs_trace_free(t);
	wr_fini(&a.frame);
	return rc;
}

static void put_short(FILE *f, const struct asked *a, const struct vs_trace *t)
{
	put_fate(f, a, t);
	fputs("\n  because ", f);
	put_reason(f, a, t);
	fputc('\n', f);
	put_note(f, a, "  note: ");
}

static int why_run(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		   struct err *err)
{
	struct vs_trace *t = NULL;
	struct asked a = {0};
	int rc = ask(ctx, params, &a, err);

	if (rc == 0)
		rc = run(&a, false, &t, err);
	if (rc == 0)
		*ret = json_pack("{so so so so}", "fate", words(put_fate, &a, t), "because",
				 words(put_reason, &a, t), "note", note_json(&a), "text",
				 words(put_short, &a, t));
	vs_trace_free(t);
	wr_fini(&a.frame);
	return rc;
}

const struct ctl_binding vs_cmd_traces[] = {
	{"trace", "run", trace_run},
	{"why", "run", why_run},
	{NULL, NULL, NULL},
};
