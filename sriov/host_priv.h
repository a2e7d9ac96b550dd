/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the host's VFs: host.c has the PFs, host_claim.c the VFs that are taken, host_show.c what
 * is shown.
 */
#ifndef SRIOV_HOST_PRIV_H
#define SRIOV_HOST_PRIV_H

#include "sriov/host.h"
#include "sriov/journal.h"

#define SRIOV_SECOND_NS UINT64_C(1000000000)

/* A PF that is configured, or that is to be put back. */
struct sriov_adapter {
	char name[64]; /* as configured; "": it is not any more */
	unsigned want;
	struct sriov_pf pf; /* as it was found; addr "": never yet */
	unsigned before;    /* VFs that it had before us */
	unsigned made;	    /* that it has by us */
	bool autoprobe;	    /* what that was before us */
	bool ours;	    /* changed by us, and in the journal */
	bool present;
	char reason[320];
	uint64_t retry_ns;
};

struct sriov_claim {
	struct sriov_host *host;
	enum sriov_vf_state state;
	struct sriov_pf pf;
	struct sriov_device device; /* as it is handed out */
	struct sriov_journal_vf note;
	struct sriov_vf_conf conf;
	sriov_lost_fn lost;
	void *ctx;
	enum sriov_vf_health health;
	uint64_t looked_ns;
	struct sriov_claim *next;
};

struct sriov_host {
	struct sriov_host_opts opts;
	char *root, *journal; /* copies */
	char boot[SRIOV_BOOT_SIZE];
	unsigned n_adapters;
	struct sriov_adapter adapters[SRIOV_MAX_PFS];
	struct sriov_claim *claims;
	uint64_t looked_ns;
};

/* Writes down what is changed, before it is. */
int sriov_host_note(struct sriov_host *host, struct err *err);
__attribute__((format(printf, 4, 5))) void sriov_host_tell(struct sriov_host *host,
							   const char *type, const char *pf,
							   const char *fmt, ...);
/* By name as configured, interface or address; NULL. */
struct sriov_adapter *sriov_host_adapter(struct sriov_host *host, const char *name);

/* host_claim.c */
unsigned sriov_claims_of(const struct sriov_host *host, const struct sriov_pf *pf);
/* What a VF is when nobody has claimed it. */
enum sriov_vf_state sriov_device_state(const struct sriov_device *device);
struct sriov_claim *sriov_claim_of(const struct sriov_host *host, const struct sriov_pf *pf,
				   unsigned index);
/* Of the pool before this one. */
void sriov_claims_recover(struct sriov_host *host, const struct sriov_journal *journal);
/* The VFs of this PF are gone. */
void sriov_claims_lose(struct sriov_host *host, const struct sriov_pf *pf, const char *why);
/* Gives back those that nobody has open; 'all': those too that wait for their owner. */
void sriov_claims_settle(struct sriov_host *host, bool all);
/* Those whose device is not there any more. */
void sriov_claims_look(struct sriov_host *host);
/* Who took them goes, and may come back. */
void sriov_claims_hold(struct sriov_host *host);
void sriov_claims_forget(struct sriov_host *host);

#endif
