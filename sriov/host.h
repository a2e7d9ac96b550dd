/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VFs of this machine's adapters, taken for guests and given back.
 *
 * 	FREE ─claim_take(): policy, vfio-pci─► TAKEN ─claim_release()─► CLOSING
 * 	  ▲                                                               │
 * 	  └──────────── nobody has it open any more: as it was ◄──────────┘
 *
 * Whoever is given a VF is a process of its own that outlives this one.  What was changed is noted
 * in the journal before it is; after kill -9 the next host finds there what is to be undone, and
 * what is not because the VF is still in use: that one is HELD until its owner, by name, takes it
 * again, or lets go.
 *
 * 	HELD ─claim_take() by its owner─► TAKEN (as it runs; nothing is bound or reset)
 * 	HELD ─nobody has it open any more─► FREE
 * 	any ─the PF goes, or its VFs do─► LOST: the owner is told, and releases it
 *
 * Control thread.
 */
#ifndef SRIOV_HOST_H
#define SRIOV_HOST_H

#include "ctl/base/err.h"
#include "sriov/iommu.h"
#include "sriov/pf.h"
#include "sriov/pool.h"
#include "sriov/vf_conf.h"

#include <stdbool.h>

struct sriov_host;
struct sriov_claim;

struct sriov_host_opts {
	const char *root;    /* "" but in tests */
	const char *journal; /* path; NULL: nothing outlives this process */
	const struct sriov_vf_ops *vf;
	const struct sriov_vfio_ops *vfio;
	void *vf_ctx, *vfio_ctx;
	/* Something happened to a PF by itself; may be NULL. */
	void (*event)(void *ctx, const char *type, const char *pf, const char *text);
	void *ctx;
};

/* Reads the journal of the host before, and undoes what nobody uses. */
int sriov_host_create(const struct sriov_host_opts *opts, struct sriov_host **ret_host,
		      struct err *err);
/* VFs that are in use stay as they are, all else is undone.  Takes NULL. */
void sriov_host_destroy(struct sriov_host *host);

struct sriov_want {
	const char *pf;
	unsigned n_vfs;
};
/* Would host_want() refuse it, as far as can be told without touching anything? */
int sriov_host_probe(struct sriov_host *host, const struct sriov_want *wants, unsigned n,
		     struct err *err);
/* From now on these PFs have so many VFs, and others those that they had before us.  All or
 * nothing.  'starting': what cannot be had waits, with the reason, and is tried again.
 * -EBUSY: VFs are in use that would go; or somebody else made VFs there. */
int sriov_host_want(struct sriov_host *host, const struct sriov_want *wants, unsigned n,
		    bool starting, struct err *err);
/* Some times a second: VFs that are open no more; once a second: PFs that vanish, come back, or
 * whose VFs somebody else changed. */
void sriov_host_tick(struct sriov_host *host);

/* The VF is gone, or its PF is: 'why' in words.  The owner releases it, not from in here. */
typedef void (*sriov_lost_fn)(void *ctx, void *claim, const char *why);

/* Takes a free VF of 'pf' for 'owner', sets its policy and binds it to vfio-pci; or, where the
 * owner has one from before this process, that one, and sets the policy that is not so.
 * *ret_held (may be NULL) says that it was the latter: then the guest uses it, and it is not opened
 * again.  The caller releases it.
 * -ENOENT: no VFs of that PF are configured; -ENOSPC: none is free; -EBUSY, -ENODEV: VFIO cannot
 * hand it out; -ENOTSUP: the driver does not enforce the policy.  On failure nothing is changed. */
int sriov_claim_take(struct sriov_host *host, const char *pf, const char *owner,
		     const struct sriov_vf_conf *conf, sriov_lost_fn lost, void *ctx,
		     struct sriov_claim **ret_claim, bool *ret_held, struct err *err);
/* Descriptors for who runs the guest; the caller closes them when they are passed on. */
int sriov_claim_open(struct sriov_claim *claim, struct sriov_vfio_fds *ret_fds, struct err *err);
/* Another policy while it runs; on failure the former one holds. */
int sriov_claim_change(struct sriov_claim *claim, const struct sriov_vf_conf *conf,
		       struct err *err);
/* Given back: once nobody has it open, it is as it was before.  Takes NULL. */
void sriov_claim_release(struct sriov_claim *claim);

/* Of a VF that is taken. */
const char *sriov_claim_pf(const struct sriov_claim *claim); /* the PF's interface */
unsigned sriov_claim_index(const struct sriov_claim *claim);
const char *sriov_claim_owner(const struct sriov_claim *claim);
/* Where it is and its PCI ids; borrowed. */
const struct sriov_device *sriov_claim_device(const struct sriov_claim *claim);
enum sriov_vf_health {
	SRIOV_VF_WELL,
	SRIOV_VF_LINK_DOWN, /* its adapter has no link */
	SRIOV_VF_CHANGED,   /* somebody else changed its policy */
	SRIOV_VF_GONE,	    /* with its adapter, or out of it */
};
/* Looks at most once a second. */
enum sriov_vf_health sriov_claim_health(struct sriov_claim *claim);
int sriov_claim_counts(struct sriov_claim *claim, struct sriov_vf_counts *ret_counts);

enum sriov_vf_state {
	SRIOV_VF_FREE,
	SRIOV_VF_TAKEN,
	SRIOV_VF_CLOSING,
	SRIOV_VF_HELD,
	SRIOV_VF_LOST,
	SRIOV_VF_USED, /* by somebody else: it has a driver of its own, or an interface in use */
	SRIOV_N_VF_STATES,
};
const char *sriov_vf_state_name(enum sriov_vf_state state);

/* What the fail-over of NICs takes VFs by; its context is the struct sriov_host.  An owner that has
 * a VF from before this process gets that one again, as it runs. */
extern const struct sriov_pool_ops sriov_host_pool;

/* For showing. */
struct sriov_vf_info {
	unsigned index;
	enum sriov_vf_state state;
	char owner[SRIOV_OWNER_SIZE];
	struct sriov_device device; /* addr "": it has none */
	struct sriov_vf_conf conf;
	struct sriov_vf_counts counts;
};

struct sriov_pf_info {
	struct sriov_pf pf;
	unsigned want;	  /* VFs; 0: not configured */
	unsigned in_use;  /* taken, held or closing */
	bool present;	  /* the PF is there */
	char reason[320]; /* why it has not what is configured; "": it has */
};

/* PFs that are configured, or are there; returns how many, at most 'max'. */
unsigned sriov_host_pfs(struct sriov_host *host, struct sriov_pf_info *ret_pfs, unsigned max);
/* VF 'index' of a PF.  -ENOENT: there is none. */
int sriov_host_vf(struct sriov_host *host, const char *pf, unsigned index,
		  struct sriov_vf_info *ret_vf);
/* How many VFs of the PF could be taken now. */
unsigned sriov_host_free(struct sriov_host *host, const char *pf);

#endif
