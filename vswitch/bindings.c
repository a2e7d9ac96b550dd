/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses that ports learned (dataplane/guard.h), from the control thread's side: shown, taken
 * back, and kept in a file, so that a restart of the daemon cuts off no machine until it asks for a
 * lease again.  They are no configuration: the store does not have them.
 *
 * The file is beside the store, written a second after something was learned or ended (where there
 * are thousands, some seconds), whole and then renamed.  A crash loses what came after that, a
 * damaged file all of them, which is told:
 *
 * 	{"version": 1, "bindings": [{"port": "web1", "ip": "10.0.0.5", "mac": "02:..", "vlan": 0,
 * 	 "how": "dhcp4", "until": 1767225600000}]}
 *
 * 'until' is milliseconds since 1970, 0 for ever.
 */
#include "vswitch/guards_priv.h"

#include "ctl/base/clock.h"
#include "ctl/spec.h"
#include "dataplane/pipeline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE	  (64 << 20)
#define BINDINGS_A_SECOND 4000

struct vs_bindings {
	char *path;	  /* NULL: nothing is kept */
	json_t *pending;  /* what the file said, until the first model runs */
	uint64_t version; /* of what was written last */
	unsigned wait_s;  /* seconds until the next: many cost the control thread time */
	bool failed;	  /* the last write did; told once */
	char note[200];	  /* why the file was not read; "": told, or nothing to tell */
};

static const char *const hows[DP_N_GUARD_HOWS] = {
	[DP_GUARD_FIXED] = "configured", [DP_GUARD_HAND] = "bound",  [DP_GUARD_DHCP4] = "dhcp4",
	[DP_GUARD_DHCP6] = "dhcp6",	 [DP_GUARD_BY_ND] = "asked",
};

const char *vs_binding_how(uint8_t how)
{
	return how < DP_N_GUARD_HOWS ? hows[how] : "";
}

static bool is_learned(const struct dp_guard_binding *b)
{
	return b->how == DP_GUARD_DHCP4 || b->how == DP_GUARD_DHCP6 || b->how == DP_GUARD_BY_ND;
}

/* ---- The file ---- */

/* Reads the whole file; NULL with the reason in 'note'. */
static json_t *load(const char *path, char *note, size_t size)
{
	json_error_t error;
	json_t *json;
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		if (errno != ENOENT)
			snprintf(note, size, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (fseek(f, 0, SEEK_END) != 0 || ftell(f) > MAX_FILE) {
		snprintf(note, size, "%s: it is too long", path);
		fclose(f);
		return NULL;
	}
	rewind(f);
	json = json_loadf(f, 0, &error);
	fclose(f);
	if (json == NULL)
		snprintf(note, size, "%s:%d: %s", path, error.line, error.text);
	return json;
}

struct vs_bindings *vs_bindings_create(const char *path)
{
	struct vs_bindings *b = calloc(1, sizeof(*b));

	if (b == NULL || path == NULL)
		return b;
	b->path = strdup(path);
	if (b->path == NULL) {
		free(b);
		return NULL;
	}
	b->pending = load(path, b->note, sizeof(b->note));
	return b;
}

static const char *ip_text(const struct dp_ip *ip, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(ip->v6 ? AF_INET6 : AF_INET, ip->b, text, INET6_ADDRSTRLEN);
}

struct writer {
	const struct vs *vs;
	json_t *list;
	uint64_t now_ms, wall_ms;
};

static void put_binding(void *arg, const struct dp_guard_binding *b)
{
	struct writer *w = arg;
	const char *port = vs_port_name(w->vs, b->port);
	uint64_t until = b->until_ms != 0 ? w->wall_ms + b->until_ms - w->now_ms : 0;
	char ip[INET6_ADDRSTRLEN], mac[18];

	if (port == NULL || !is_learned(b))
		return;
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", b->mac[0], b->mac[1], b->mac[2],
		 b->mac[3], b->mac[4], b->mac[5]);
	json_array_append_new(w->list, json_pack("{ss ss ss si ss sI}", "port", port, "ip",
						 ip_text(&b->ip, ip), "mac", mac, "vlan", b->vlan,
						 "how", hows[b->how], "until", (json_int_t)until));
}

static int write_file(const char *path, const json_t *json)
{
	char temporary[4200];
	FILE *f;
	int fd;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", path) >= sizeof(temporary))
		return -ENAMETOOLONG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f == NULL) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	if (json_dumpf(json, f, JSON_COMPACT) != 0 || fflush(f) != 0) {
		fclose(f);
		return -EIO;
	}
	if (fclose(f) != 0 || rename(temporary, path) != 0)
		return -errno;
	return 0;
}

static void save(struct vs *vs, struct vs_bindings *b)
{
	uint64_t version = dp_guard_bindings_version(vs->dp);
	struct writer w = {.vs = vs,
			   .list = json_array(),
			   .now_ms = dp_flow_now_ms(vs->dp),
			   .wall_ms = clock_wall_ns() / 1000000};
	json_t *json;
	size_t n;
	int rc;

	/* What nobody restored yet must not be written over. */
	if (b->path == NULL || b->pending != NULL || version == b->version) {
		json_decref(w.list);
		return;
	}
	(void)dp_guard_bindings(vs->dp, DP_GUARD_ALL_PORTS, put_binding, &w);
	n = json_array_size(w.list);
	json = json_pack("{si so}", "version", 1, "bindings", w.list);
	rc = json != NULL ? write_file(b->path, json) : -ENOMEM;
	json_decref(json);
	if (rc != 0 && !b->failed)
		vs_event(
			vs, "guard-bindings", NULL,
			"guard: learned addresses cannot be kept in %s: %s; a restart would forget "
			"them",
			b->path, strerror(-rc));
	b->failed = rc != 0;
	b->version = version;
	b->wait_s = (unsigned)(n / BINDINGS_A_SECOND);
}

void vs_bindings_keep(struct vs *vs)
{
	struct vs_bindings *b = vs_guards(vs) != NULL ? vs_guards(vs)->bindings : NULL;

	if (b == NULL)
		return;
	save(vs, b);
	free(b->path);
	b->path = NULL;
}

void vs_bindings_destroy(struct vs_bindings *b)
{
	if (b == NULL)
		return;
	json_decref(b->pending);
	free(b->path);
	free(b);
}

/* ---- After a restart ---- */

static uint8_t how_of(const char *word)
{
	for (uint8_t i = 0; word != NULL && i < DP_N_GUARD_HOWS; i++)
		if (strcmp(word, hows[i]) == 0)
			return i;
	return DP_N_GUARD_HOWS;
}

bool vs_binding_parse(const json_t *json, struct vs_kept_binding *ret)
{
	const char *port = NULL, *ip = NULL, *mac = NULL, *how = NULL;
	struct vs_kept_binding k = {0};
	json_int_t until = 0, vlan = 0;

	if (json_unpack((json_t *)(uintptr_t)json, "{ss ss ss sI ss sI}", "port", &port, "ip", &ip,
			"mac", &mac, "vlan", &vlan, "how", &how, "until", &until) != 0 ||
	    vlan < 0 || vlan >= DP_VLANS || until < 0)
		return false;
	k.port = port;
	k.until_wall_ms = (uint64_t)until;
	k.binding.ip.v6 = strchr(ip, ':') != NULL;
	k.binding.vlan = (uint16_t)vlan;
	k.binding.how = how_of(how);
	if (inet_pton(k.binding.ip.v6 ? AF_INET6 : AF_INET, ip, k.binding.ip.b) != 1 ||
	    ctl_mac_parse(mac, k.binding.mac, NULL) != 0 || !is_learned(&k.binding))
		return false;
	*ret = k;
	return true;
}

static uint16_t domain_of(const struct vs *vs, const struct vs_port *p)
{
	return vs_domain_id(vs, p->sw->name, p->tenant != NULL ? p->tenant->name : NULL);
}

/* Puts in what this daemon knows of it; false: the port learns no more, or the lease is over. */
static bool place_binding(const struct vs *vs, const struct vs_model *m, uint64_t wall_ms,
			  struct vs_kept_binding *k)
{
	const struct vs_guard *g = vs_guard_of(m, vs_model_port(m, k->port));
	struct dp_guard_binding *b = &k->binding;

	if (g == NULL || g->value[VS_GUARD_IP] != VS_GUARD_LEARNED ||
	    (k->until_wall_ms != 0 && k->until_wall_ms <= wall_ms))
		return false;
	b->port = vs_port_id(vs, k->port);
	b->domain = domain_of(vs, g->port);
	if (k->until_wall_ms != 0)
		b->until_ms = dp_flow_now_ms(vs->dp) + k->until_wall_ms - wall_ms;
	return b->port != DP_NO_PORT && b->domain != DP_NO_DOMAIN;
}

void vs_bindings_restore(struct vs *vs, const struct vs_model *m)
{
	struct vs_bindings *b = vs_guards(vs)->bindings;
	uint64_t wall_ms = clock_wall_ns() / 1000000;
	json_t *item;
	size_t i;

	if (b->note[0] != '\0')
		vs_event(vs, "guard-bindings", NULL,
			 "guard: addresses learned before are forgotten: %s", b->note);
	b->note[0] = '\0';
	json_array_foreach(json_object_get(b->pending, "bindings"), i, item) {
		struct vs_kept_binding k;

		if (vs_binding_parse(item, &k) && place_binding(vs, m, wall_ms, &k))
			(void)dp_guard_bind(vs->dp, &k.binding);
	}
	json_decref(b->pending);
	b->pending = NULL;
}

/* ---- What no longer holds ---- */

/* Where a port learns. */
struct learner {
	bool learns, any_domain; /* an uplink that tenants share has those of all of them */
	uint16_t domain;
};

struct sweep {
	struct vs *vs;
	const struct learner *learners; /* by id: theirs stay; NULL: nobody's */
	const struct dp_ip *ip;		/* NULL: any */
	struct dp_guard_binding *found;
	unsigned n, size;
};

static bool holds(const struct sweep *s, const struct dp_guard_binding *b)
{
	const struct learner *l = s->learners != NULL ? &s->learners[b->port] : NULL;

	return l != NULL && l->learns && (l->any_domain || l->domain == b->domain);
}

static void collect(void *arg, const struct dp_guard_binding *b)
{
	struct sweep *s = arg;

	if (!is_learned(b) || b->port >= DP_MAX_PORTS || holds(s, b) ||
	    (s->ip != NULL && !dp_ip_equal(s->ip, &b->ip)))
		return;
	if (s->n == s->size) {
		unsigned size = s->size != 0 ? s->size * 2 : 64;
		struct dp_guard_binding *more = realloc(s->found, size * sizeof(*more));

		if (more == NULL)
			return;
		s->found = more;
		s->size = size;
	}
	s->found[s->n++] = *b;
}

static unsigned sweep(struct sweep *s, uint16_t id)
{
	unsigned n = 0;

	(void)dp_guard_bindings(s->vs->dp, id, collect, s);
	for (unsigned i = 0; i < s->n; i++) {
		const struct dp_guard_binding *b = &s->found[i];

		n += dp_guard_unbind(s->vs->dp, b->domain, b->vlan, b->port, &b->ip) == 0;
	}
	free(s->found);
	return n;
}

unsigned vs_bindings_drop(struct vs *vs, uint16_t id, const struct dp_ip *ip)
{
	struct sweep s = {.vs = vs, .ip = ip};

	return sweep(&s, id);
}

static void put_learners(const struct vs *vs, const struct vs_guard_conf *conf,
			 struct learner learners[DP_MAX_PORTS])
{
	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		const struct vs_port *p = conf->guards[i].port;
		uint16_t id;

		if (conf->guards[i].value[VS_GUARD_IP] != VS_GUARD_LEARNED)
			continue;
		id = vs_port_id(vs, p->name);
		if (id < DP_MAX_PORTS)
			learners[id] = (struct learner){true, p->n_shared != 0, domain_of(vs, p)};
	}
}

void vs_bindings_settle(struct vs *vs, const struct vs_model *m)
{
	struct learner *learners = calloc(DP_MAX_PORTS, sizeof(*learners));
	struct sweep s = {.vs = vs, .learners = learners};

	if (learners == NULL)
		return;
	put_learners(vs, m->policy[VS_POLICY_GUARD], learners);
	(void)sweep(&s, DP_GUARD_ALL_PORTS);
	free(learners);
}

static void count_learned(void *arg, const struct dp_guard_binding *b)
{
	*(unsigned *)arg += is_learned(b);
}

unsigned vs_bindings_count(const struct vs *vs, uint16_t id)
{
	unsigned n = 0;

	(void)dp_guard_bindings(vs->dp, id, count_learned, &n);
	return n;
}

void vs_bindings_tick(struct vs *vs)
{
	struct vs_bindings *b = vs_guards(vs)->bindings;

	if (b->wait_s == 0)
		save(vs, b);
	else
		b->wait_s--;
}
