/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Filter modules that run (filters/module.h): those of the model, each loaded from the copy of its
 * object (object_copy.h), and the chains of ports that refer to them.
 *
 * 	filter load  ─ take ─► bytes and their digest ─ change ─► state says the digest
 * 	             ─ apply ─► need: copy written, module loaded or swapped ─► view with chains
 *
 * A module that cannot be loaded at start stays configured, 'missing', with the reason, and is
 * tried again at each change and once a minute.  Frames of its ports are dropped meanwhile
 * (filter-missing), unless its attachment is open: a filter is there to keep frames out.
 *
 * Control thread.
 */
#ifndef VSWITCH_FILTERS_H
#define VSWITCH_FILTERS_H

#include "vswitch/object_copy.h"
#include "vswitch/vs.h"

struct ctl_call;
struct filter_module;
struct filter_modules;
struct vs_filters;

/* 'dir': where copies of objects are.  -ENOMEM. */
int vs_filters_create(struct vs *vs, const char *dir, struct vs_filters **ret_filters,
		      struct err *err);
/* No view has chains any more.  Takes NULL. */
void vs_filters_destroy(struct vs_filters *filters);

/* conf_ops.take: the object that came with a call becomes its digest in 'params'. */
int vs_filters_take(void *ctx, struct ctl_call *call, json_t *params, struct err *err);
/* The digest of the file that 'params' name, where they name none: a file of commands.  Only files
 * that everybody may read. */
int vs_filters_name_object(json_t *params, struct err *err);

/* Steps of an apply.  need: the modules of 'm' are loaded, in their new form; what changes and
 * cannot be had is an error, unless 'starting'.  restore: those that were exchanged are what they
 * were.  drop: modules that 'm' does not have go; no view may refer to them. */
int vs_filters_need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err);
void vs_filters_restore(struct vs *vs);
void vs_filters_drop(struct vs *vs, const struct vs_model *m);
/* 'm' runs: what was there before is forgotten, copies that nobody needs go. */
void vs_filters_settle(struct vs *vs, const struct vs_model *m);
/* Would need() refuse it? */
int vs_filters_probe(struct vs *vs, const struct vs_model *m, struct err *err);

/* Gives the ports of 'view', which is being compiled, their chains; 'ids' are those of its ports.
 * 0 or -ENOMEM. */
int vs_filters_compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		       struct dp_view *view);
/* A port of a view goes. */
void vs_filters_release(struct dp_vport *vport);
/* The id of a port is free again. */
void vs_filters_port_gone(struct vs *vs, uint16_t id);
/* About ten times a second. */
void vs_filters_tick(struct vs *vs);

/* NULL: it is missing, or there is none. */
struct filter_module *vs_filter_module(const struct vs *vs, const char *name);
/* Why it is missing; "": it is not. */
const char *vs_filter_reason(const struct vs *vs, const char *name);
/* NULL: none run here. */
struct filter_modules *vs_filters_set(const struct vs *vs);

#endif
