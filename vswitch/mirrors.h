/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mirrors as configured and as they run: dataplane/mirror.h says what they do.
 *
 * 	mirror_model.c  what the state says, checked
 * 	mirror_view.c   which ports' frames each copies, and to where: into a view
 * 	mirrors.c       what lasts from view to view; where copies cannot go, and since when
 *
 * A mirror whose target is not there (its port was removed, or its device is away) waits: it counts
 * what it could not copy, says why, and goes on when the target is back.
 *
 * Whom copies may reach is the administrator's word: a port of no tenant sees what it is told to; a
 * port of a tenant only its own tenant's, unless the mirror says '--across-tenants'.  A port that
 * moves to another tenant later cannot change that: the model is refused.
 *
 * Control thread.
 */
#ifndef VSWITCH_MIRRORS_H
#define VSWITCH_MIRRORS_H

#include "ctl/base/err.h"
#include "dataplane/mirror.h"
#include "vswitch/model.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct filter_match;
struct vs;

struct vs_mirror {
	const char *name;
	const json_t *body;
	/* Whose frames: any of these. */
	const struct vs_port **ports;
	const struct vs_tenant **tenants;
	const struct vs_switch **switches;
	unsigned n_ports, n_tenants, n_switches;
	bool sides[DP_N_FILTER_SIDES];
	bool has_vlans;
	uint64_t vlans[DP_VLAN_WORDS];
	const char *filter; /* NULL: none */
	enum dp_mirror_kind kind;
	const char *to;		      /* a port's or VTEP's name, which may be gone */
	const struct vs_port *target; /* the same; NULL: it is gone */
	bool keep;		      /* the target goes on as a port like others */
	bool across;
	uint16_t vlan; /* of copies */
	const struct vs_switch *sw;
	const struct vs_tenant *tenant;
	struct dp_ip address;
	struct dp_erspan erspan;
	uint32_t snaplen, sample;
	uint64_t bps, pps;
	bool twice;
};

struct vs_mirrors_conf {
	unsigned n;
	struct vs_mirror v[];
};

static inline const struct vs_mirrors_conf *vs_mirrors_of(const struct vs_model *m)
{
	return m->policy[VS_POLICY_MIRROR];
}
const struct vs_mirror *vs_model_mirror(const struct vs_model *m, const char *name);
/* Does the mirror look at frames of the port? */
bool vs_mirror_covers(const struct vs_model *m, const struct vs_mirror *mirror,
		      const struct vs_port *p);
/* Does some mirror send copies to it?  'ret_only': and nothing else may go there. */
bool vs_mirror_is_target(const struct vs_model *m, const struct vs_port *p, bool *ret_only);
/* Does it carry copies of a mirror with a VLAN as its target? */
bool vs_mirror_carries(const struct vs_mirror *mirror, const struct vs_port *p);
/* "port mon0", "vlan 999 of switch lan0", "192.0.2.9 session 7": for people. */
void vs_mirror_target_text(const struct vs_mirror *mirror, char *text, size_t size);
/* The tenant that gets copies; NULL: none. */
const struct vs_tenant *vs_mirror_target_tenant(const struct vs_mirror *mirror);

int vs_mirrors_read(struct vs_model *m, void **ret, struct err *err);
void vs_mirrors_forget(void *conf);

/* ---- As they run ---- */

struct vs_mirror_program {
	char *text;
	struct filter_match *match;
	unsigned refs; /* of compiled mirrors */
};

/* What a mirror is in the view that runs. */
struct vs_mirror_stats {
	struct dp_mirror_count count;
	bool waits;
	const char *reason;    /* then; "" */
	unsigned n_ports;      /* that it looks at */
	uint64_t target_drops; /* what its target port could not send; 0: no port */
};
/* False: there is no such mirror. */
bool vs_mirror_stats(struct vs *vs, const struct vs_mirror *mirror, struct vs_mirror_stats *ret);

/* For mirror_view.c. */
struct dp_mirror_live *vs_mirror_live(struct vs *vs, const char *name, uint8_t *ret_slot);
struct vs_mirror_program *vs_mirror_program(struct vs *vs, const char *text);
int vs_mirrors_compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		       struct dp_view *view);
void vs_mirrors_release(struct dp_vport *vport);

#endif
