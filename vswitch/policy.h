/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Policy of ports: access lists, guards, bandwidth, mirrors, flow records, VFs.  Each is a part
 * with the same life, so that model, view and apply know them as one table (policy.c):
 *
 * 	state ─ read ─► vs_model.policy[i] ─ need ─► vs.policy[i] ─ compile ─► view ─► settle
 * 	                                      └ restore, when the change fails
 *
 * A part is a 'static const' table at the bottom of its file.  Any function may be NULL.  Control
 * thread.
 */
#ifndef VSWITCH_POLICY_H
#define VSWITCH_POLICY_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct dp_view;
struct dp_vport;
struct vs;
struct vs_model;

enum vs_policy_id {
	VS_POLICY_ACL,
	VS_POLICY_GUARD,
	VS_POLICY_QOS,
	VS_POLICY_MIRROR,
	VS_POLICY_FLOWREC,
	VS_POLICY_TEAM,
	VS_POLICY_VMQ,
	VS_POLICY_SRIOV,
	VS_POLICY_NIC_MACS, /* after the NICs whose addresses VFs have */
	VS_POLICY_PFS,	    /* after the NICs that have VFs of them */
	VS_N_POLICIES,
};

struct vs_policy {
	/* Reads m->state, once ports, tenants, switches and VMs are, into *ret, and checks all that
	 * needs no device.  Errors name the object (err_about()). */
	int (*read)(struct vs_model *m, void **ret, struct err *err);
	void (*forget)(void *conf);
	/* What runs for the whole life of 'vs'; the first model follows by need(). */
	int (*create)(struct vs *vs, void **ret, struct err *err);
	void (*destroy)(struct vs *vs, void *live);
	/* Would need() refuse it?  ('--check') */
	int (*probe)(struct vs *vs, const struct vs_model *m, struct err *err);
	/* All that compile() must find, beside what the running model uses; 'starting': what cannot
	 * be had is missing, with the reason, and no error.  restore: 'm' of need() is not to be.
	 */
	int (*need)(struct vs *vs, const struct vs_model *m, bool starting, struct err *err);
	void (*restore)(struct vs *vs);
	/* Hangs things on the ports of a view that is being made; 'ids' are those of m's ports.  0
	 * or -ENOMEM.  Also for views that no change made (vs_republish()). */
	int (*compile)(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		       struct dp_view *view);
	/* A port of a view goes, no worker reads it. */
	void (*release)(struct dp_vport *vport);
	/* 'm' runs, and no older view: what only others needed goes. */
	void (*settle)(struct vs *vs, const struct vs_model *m);
	/* The id of a port is free again. */
	void (*port_gone)(struct vs *vs, uint16_t id);
	/* About ten times a second. */
	void (*tick)(struct vs *vs);
};

extern const struct vs_policy vs_policy_acl, vs_policy_guard, vs_policy_qos, vs_policy_mirror,
	vs_policy_flowrec, vs_policy_team, vs_policy_vmq, vs_policy_sriov, vs_policy_nic_macs,
	vs_policy_pfs;

/* The same for all of them, in their order. */
int vs_policies_read(struct vs_model *m, struct err *err);
void vs_policies_forget(struct vs_model *m);
int vs_policies_create(struct vs *vs, struct err *err);
void vs_policies_destroy(struct vs *vs);
int vs_policies_probe(struct vs *vs, const struct vs_model *m, struct err *err);
int vs_policies_need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err);
void vs_policies_restore(struct vs *vs);
int vs_policies_compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
			struct dp_view *view);
void vs_policies_release(struct dp_vport *vport);
void vs_policies_settle(struct vs *vs, const struct vs_model *m);
void vs_policies_port_gone(struct vs *vs, uint16_t id);
void vs_policies_tick(struct vs *vs);

#endif
