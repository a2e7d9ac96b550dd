/* SPDX-License-Identifier: BSD-2-Clause
 *
 * PFs and how many VFs they have; see host.h.
 */
#include "sriov/host_priv.h"

#include "ctl/base/clock.h"
#include "sriov/sys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS (5 * SRIOV_SECOND_NS)

void sriov_host_tell(struct sriov_host *host, const char *type, const char *pf, const char *fmt,
		     ...)
{
	char text[400];
	va_list ap;

	if (host->opts.event == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	host->opts.event(host->opts.ctx, type, pf, text);
}

int sriov_host_note(struct sriov_host *host, struct err *err)
{
	struct sriov_journal j = {0};
	unsigned n = 0;
	int rc;

	if (host->journal == NULL)
		return 0;
	for (const struct sriov_claim *c = host->claims; c != NULL; c = c->next)
		n++;
	j.pfs = calloc(host->n_adapters + 1, sizeof(*j.pfs));
	j.vfs = calloc(n + 1, sizeof(*j.vfs));
	if (j.pfs == NULL || j.vfs == NULL) {
		sriov_journal_fini(&j);
		return err_set(err, -ENOMEM, "no-memory", "no memory for the journal of VFs");
	}
	memcpy(j.boot, host->boot, sizeof(j.boot));
	for (unsigned i = 0; i < host->n_adapters; i++) {
		const struct sriov_adapter *a = &host->adapters[i];
		struct sriov_journal_pf *pf = &j.pfs[j.n_pfs];

		if (!a->ours)
			continue;
		*pf = (struct sriov_journal_pf){.before = a->before,
						.made = a->made,
						.autoprobe = a->autoprobe};
		memcpy(pf->name, a->pf.name, sizeof(pf->name));
		memcpy(pf->addr, a->pf.addr, sizeof(pf->addr));
		j.n_pfs++;
	}
	for (const struct sriov_claim *c = host->claims; c != NULL; c = c->next)
		if (c->state != SRIOV_VF_LOST && j.n_vfs < SRIOV_JOURNAL_MAX_VFS)
			j.vfs[j.n_vfs++] = c->note;
	rc = sriov_journal_write(host->journal, &j, err);
	sriov_journal_fini(&j);
	return rc;
}

struct sriov_adapter *sriov_host_adapter(struct sriov_host *host, const char *name)
{
	for (unsigned i = 0; name[0] != '\0' && i < host->n_adapters; i++) {
		struct sriov_adapter *a = &host->adapters[i];

		if (strcmp(a->name, name) == 0 || strcmp(a->pf.name, name) == 0 ||
		    strcmp(a->pf.addr, name) == 0)
			return a;
	}
	return NULL;
}

/* ---- Making VFs ---- */

static int refuse_foreign(const struct sriov_pf *pf, unsigned n, struct err *err)
{
	err_set(err, -EBUSY, "vfs-exist", "%s has %u VF%s that somebody else made", pf->name,
		pf->n_vfs, pf->n_vfs == 1 ? "" : "s");
	err_why(err, "to have %u it would lose those first, with whoever uses them", n);
	err_fix(err,
		"vswitchctl sriov vfs %s %u takes them as they are; or echo 0 > "
		"/sys/class/net/%s/device/sriov_numvfs",
		pf->name, pf->n_vfs, pf->name);
	return -EBUSY;
}

static int refuse_used(const struct sriov_host *host, const struct sriov_pf *pf, struct err *err)
{
	const struct sriov_claim *c = host->claims;
	unsigned n = sriov_claims_of(host, pf);

	while (c != NULL && strcmp(c->pf.addr, pf->addr) != 0)
		c = c->next;
	err_set(err, -EBUSY, "vf-in-use", "%u VF%s of %s %s in use, one by %s", n,
		n == 1 ? "" : "s", pf->name, n == 1 ? "is" : "are",
		c != NULL ? c->note.owner : "nobody");
	err_why(err, "a PF changes their number by taking all of them away first");
	err_fix(err, "vswitchctl sriov show %s; nic set NIC --sriov off", pf->name);
	return -EBUSY;
}

/* May the PF have 'n' VFs? 'a' is what we have of it, or NULL. */
static int check_count(const struct sriov_host *host, const struct sriov_adapter *a,
		       const struct sriov_pf *pf, unsigned n, struct err *err)
{
	if (pf->total_vfs != 0 && n > pf->total_vfs) {
		err_set(err, -EINVAL, "limit", "%s can have %u VFs, not %u", pf->name,
			pf->total_vfs, n);
		err_why(err, "its firmware says so (sriov_totalvfs)");
		err_fix(err, "vswitchctl sriov vfs %s %u", pf->name, pf->total_vfs);
		return -EINVAL;
	}
	if (pf->n_vfs == n)
		return 0;
	if (sriov_claims_of(host, pf) != 0)
		return refuse_used(host, pf, err);
	if (pf->n_vfs != 0 && (a == NULL || !a->ours || a->made != pf->n_vfs))
		return refuse_foreign(pf, n, err);
	return 0;
}

/* Where the PF has them already they are taken as they are. */
static int make(struct sriov_host *host, struct sriov_adapter *a, const struct sriov_pf *pf,
		unsigned n, struct err *err)
{
	const char *root = host->opts.root;
	struct sriov_adapter was = *a;
	int rc = check_count(host, a->ours ? a : NULL, pf, n, err);

	if (rc != 0)
		return rc;
	a->pf = *pf;
	a->want = n;
	a->made = n;
	if (!a->ours) {
		a->before = pf->n_vfs;
		a->autoprobe = pf->autoprobe;
		a->ours = true;
	}
	rc = sriov_host_note(host, err);
	/* New VFs wait for guests; the host needs no interfaces of them. */
	if (rc == 0 && pf->n_vfs != n)
		rc = sriov_pf_set_autoprobe(root, pf, false, err);
	if (rc == 0)
		rc = sriov_pf_set_count(root, pf, n, err);
	if (rc == 0) {
		a->pf.n_vfs = n;
		a->present = true;
		a->reason[0] = '\0';
		return 0;
	}
	(void)sriov_pf_set_count(root, pf, pf->n_vfs, NULL);
	(void)sriov_pf_set_autoprobe(root, pf, pf->autoprobe, NULL);
	*a = was;
	(void)sriov_host_note(host, NULL);
	return rc;
}

/* As it was before us; unless somebody changed it meanwhile, then that is theirs. */
static void put_back(struct sriov_host *host, struct sriov_adapter *a)
{
	const char *root = host->opts.root;
	struct err err = {0};
	int has = a->ours ? sriov_pf_count(root, &a->pf) : -ENODEV, rc = 0;

	if (has == 0 || (has > 0 && (unsigned)has == a->made))
		rc = sriov_pf_set_count(root, &a->pf, a->before, &err);
	if (has >= 0)
		(void)sriov_pf_set_autoprobe(root, &a->pf, a->autoprobe, NULL);
	if (rc != 0)
		sriov_host_tell(host, "sriov-undo", a->pf.name, "%s", err.what);
}

/* PFs that are configured no more, and whose VFs nobody uses. */
static void drop_unwanted(struct sriov_host *host)
{
	unsigned n = 0;
	bool any = false;

	for (unsigned i = 0; i < host->n_adapters; i++) {
		struct sriov_adapter *a = &host->adapters[i];

		if (a->name[0] != '\0' || sriov_claims_of(host, &a->pf) != 0) {
			if (n != i)
				host->adapters[n] = *a;
			n++;
			continue;
		}
		put_back(host, a);
		any = true;
	}
	host->n_adapters = n;
	if (any)
		(void)sriov_host_note(host, NULL);
}

static void waits(struct sriov_host *host, struct sriov_adapter *a, const struct err *why)
{
	char reason[sizeof(a->reason)];

	snprintf(reason, sizeof(reason), "%.200s%s%.100s", why->what,
		 why->why[0] != '\0' ? ": " : "", why->why);
	a->retry_ns = clock_mono_ns() + RETRY_NS;
	if (strcmp(a->reason, reason) == 0)
		return;
	memcpy(a->reason, reason, sizeof(reason));
	sriov_host_tell(host, "sriov-waits", a->name, "%s has not its %u VFs: %s", a->name, a->want,
			a->reason);
}

static struct sriov_adapter *place_for(struct sriov_host *host, const char *name,
				       const struct sriov_pf *pf)
{
	struct sriov_adapter *a = sriov_host_adapter(host, pf != NULL ? pf->addr : name);

	if (a == NULL)
		a = sriov_host_adapter(host, name);
	if (a == NULL && host->n_adapters < SRIOV_MAX_PFS) {
		a = &host->adapters[host->n_adapters++];
		*a = (struct sriov_adapter){0};
	}
	return a;
}

static int want_one(struct sriov_host *host, const struct sriov_want *want, bool starting,
		    struct err *err)
{
	struct sriov_pf pf = {0};
	struct err why = {0};
	int rc = sriov_pf_find(host->opts.root, want->pf, &pf, &why);
	struct sriov_adapter *a = place_for(host, want->pf, rc == 0 ? &pf : NULL);

	if (a == NULL)
		return err_set(err, -ENOSPC, "limit", "at most %u PFs", SRIOV_MAX_PFS);
	if (a->name[0] != '\0' && strcmp(a->name, want->pf) != 0) {
		err_set(err, -EEXIST, "same-pf", "%.60s and %.60s are the same PF", a->name,
			want->pf);
		err_fix(err, "vswitchctl sriov remove %.60s", a->name);
		return -EEXIST;
	}
	if (a->name[0] != '\0' && a->want == want->n_vfs && a->reason[0] == '\0')
		return 0;
	snprintf(a->name, sizeof(a->name), "%s", want->pf);
	if (rc == 0)
		rc = make(host, a, &pf, want->n_vfs, &why);
	if (rc == 0)
		return 0;
	if (starting) {
		a->want = want->n_vfs;
		waits(host, a, &why);
		return 0;
	}
	err_about(&why, "sriov", want->pf);
	if (err != NULL)
		*err = why;
	return rc;
}

/* What is configured, to come back to. */
struct kept {
	unsigned n;
	struct {
		char name[64];
		unsigned want;
	} pfs[SRIOV_MAX_PFS];
};

static void keep(const struct sriov_host *host, struct kept *kept)
{
	kept->n = 0;
	for (unsigned i = 0; i < host->n_adapters; i++) {
		const struct sriov_adapter *a = &host->adapters[i];

		if (a->name[0] == '\0')
			continue;
		memcpy(kept->pfs[kept->n].name, a->name, sizeof(a->name));
		kept->pfs[kept->n++].want = a->want;
	}
}

static void restore(struct sriov_host *host, const struct kept *kept)
{
	for (unsigned i = 0; i < host->n_adapters; i++)
		host->adapters[i].name[0] = '\0';
	for (unsigned i = 0; i < kept->n; i++) {
		const struct sriov_want want = {kept->pfs[i].name, kept->pfs[i].want};

		(void)want_one(host, &want, true, NULL);
	}
	drop_unwanted(host);
}

static const struct sriov_want *find_want(const struct sriov_want *wants, unsigned n,
					  const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(wants[i].pf, name) == 0)
			return &wants[i];
	return NULL;
}

/* Do VFs that are in use go with a PF that is configured no more? */
static int check_leaving(const struct sriov_host *host, const struct sriov_want *wants, unsigned n,
			 struct err *err)
{
	for (unsigned i = 0; i < host->n_adapters; i++) {
		const struct sriov_adapter *a = &host->adapters[i];

		if (a->name[0] != '\0' && find_want(wants, n, a->name) == NULL &&
		    sriov_claims_of(host, &a->pf) != 0)
			return refuse_used(host, &a->pf, err);
	}
	return 0;
}

int sriov_host_want(struct sriov_host *host, const struct sriov_want *wants, unsigned n,
		    bool starting, struct err *err)
{
	struct kept kept;
	int rc = starting ? 0 : check_leaving(host, wants, n, err);

	if (rc != 0)
		return rc;
	keep(host, &kept);
	for (unsigned i = 0; i < host->n_adapters; i++)
		if (find_want(wants, n, host->adapters[i].name) == NULL)
			host->adapters[i].name[0] = '\0';
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = want_one(host, &wants[i], starting, err);
	if (rc != 0)
		restore(host, &kept);
	else
		drop_unwanted(host);
	return rc;
}

int sriov_host_probe(struct sriov_host *host, const struct sriov_want *wants, unsigned n,
		     struct err *err)
{
	int rc = check_leaving(host, wants, n, err);

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		const struct sriov_adapter *a = sriov_host_adapter(host, wants[i].pf);
		struct sriov_pf pf;

		if (a != NULL && a->want == wants[i].n_vfs)
			continue;
		rc = sriov_pf_find(host->opts.root, wants[i].pf, &pf, err);
		if (rc == 0)
			rc = check_count(host, a, &pf, wants[i].n_vfs, err);
		if (rc != 0)
			err_about(err, "sriov", wants[i].pf);
	}
	return rc;
}

/* ---- By itself ---- */

static void vanished(struct sriov_host *host, struct sriov_adapter *a)
{
	struct err why = {0};

	a->present = false;
	err_set(&why, -ENODEV, "no-pf", "%s is gone", a->name);
	waits(host, a, &why);
	a->retry_ns = 0;
	sriov_claims_lose(host, &a->pf, "its adapter is gone");
	/* Nothing of it is left to put back. */
	a->ours = false;
	(void)sriov_host_note(host, NULL);
}

static void changed(struct sriov_host *host, struct sriov_adapter *a, unsigned has)
{
	struct err why = {0};

	err_set(&why, -EBUSY, "vfs-changed", "somebody else changed their number to %u", has);
	err_why(&why, "%s",
		has == 0 ? "they are made again"
			 : "with none (echo 0 to its sriov_numvfs) they are made again");
	if (a->reason[0] == '\0')
		sriov_claims_lose(host, &a->pf, "somebody else changed the number of VFs");
	waits(host, a, &why);
	a->pf.n_vfs = has;
}

static void try_again(struct sriov_host *host, struct sriov_adapter *a)
{
	struct sriov_pf pf;
	struct err why = {0};
	int rc = sriov_pf_find(host->opts.root, a->name, &pf, &why);

	if (rc == 0 && (pf.n_vfs == 0 || pf.n_vfs == a->want))
		rc = make(host, a, &pf, a->want, &why);
	else if (rc == 0)
		rc = refuse_foreign(&pf, a->want, &why);
	if (rc != 0)
		waits(host, a, &why);
	else
		sriov_host_tell(host, "sriov-back", a->name, "%s has its %u VFs", a->name, a->want);
}

static void look(struct sriov_host *host, struct sriov_adapter *a, uint64_t now)
{
	int has = a->pf.addr[0] != '\0' ? sriov_pf_count(host->opts.root, &a->pf) : -ENODEV;

	if (a->name[0] == '\0')
		return;
	if (a->present && has < 0)
		vanished(host, a);
	else if (a->present && a->reason[0] == '\0' && (unsigned)has != a->want)
		changed(host, a, (unsigned)has);
	else if (a->reason[0] != '\0' && now >= a->retry_ns)
		try_again(host, a);
}

void sriov_host_tick(struct sriov_host *host)
{
	uint64_t now = clock_mono_ns();
	bool all = host->looked_ns == 0 || now - host->looked_ns >= SRIOV_SECOND_NS;

	sriov_claims_settle(host, all);
	if (!all)
		return;
	host->looked_ns = now;
	for (unsigned i = 0; i < host->n_adapters; i++)
		look(host, &host->adapters[i], now);
	sriov_claims_look(host);
	drop_unwanted(host);
}

/* ---- Life ---- */

static void boot_read(struct sriov_host *host)
{
	char path[SRIOV_PATH_SIZE];

	sriov_path(path, host->root, "/proc/sys/kernel/random/boot_id");
	(void)sriov_read(path, host->boot, sizeof(host->boot));
}

/* PFs that the pool before us had; whether they stay is for host_want() to say. */
static void adapters_recover(struct sriov_host *host, const struct sriov_journal *j)
{
	for (unsigned i = 0; i < j->n_pfs && host->n_adapters < SRIOV_MAX_PFS; i++) {
		const struct sriov_journal_pf *was = &j->pfs[i];
		struct sriov_adapter *a = &host->adapters[host->n_adapters];

		*a = (struct sriov_adapter){.want = was->made,
					    .made = was->made,
					    .before = was->before,
					    .autoprobe = was->autoprobe,
					    .ours = true,
					    .present = true};
		if (sriov_pf_find(host->root, was->name, &a->pf, NULL) == 0 &&
		    strcmp(a->pf.addr, was->addr) == 0)
			host->n_adapters++;
	}
}

static int recover(struct sriov_host *host, struct err *err)
{
	struct sriov_journal j = {0};
	int rc = sriov_journal_read(host->journal, &j, err);

	if (rc != 0) {
		/* Better no VFs put back than no switch. */
		sriov_host_tell(host, "sriov-undo", "", "%s",
				err != NULL ? err->what : "the journal cannot be read");
		return 0;
	}
	if (strcmp(j.boot, host->boot) == 0) {
		adapters_recover(host, &j);
		sriov_claims_recover(host, &j);
	}
	sriov_journal_fini(&j);
	return sriov_host_note(host, err);
}

int sriov_host_create(const struct sriov_host_opts *opts, struct sriov_host **ret_host,
		      struct err *err)
{
	struct sriov_host *host = calloc(1, sizeof(*host));
	struct err why = {0};
	int rc = 0;

	if (host != NULL)
		host->root = strdup(opts->root);
	if (host != NULL && opts->journal != NULL)
		host->journal = strdup(opts->journal);
	if (host == NULL || host->root == NULL ||
	    (opts->journal != NULL && host->journal == NULL)) {
		sriov_host_destroy(host);
		return err_set(err, -ENOMEM, "no-memory", "no memory for VFs");
	}
	host->opts = *opts;
	host->opts.root = host->root;
	boot_read(host);
	if (host->journal != NULL)
		rc = recover(host, &why);
	if (rc != 0) {
		if (err != NULL)
			*err = why;
		sriov_claims_forget(host);
		host->n_adapters = 0;
		sriov_host_destroy(host);
		return rc;
	}
	*ret_host = host;
	return 0;
}

void sriov_host_destroy(struct sriov_host *host)
{
	if (host == NULL)
		return;
	if (host->opts.root != NULL) {
		sriov_claims_hold(host);
		sriov_claims_settle(host, true);
		for (unsigned i = 0; i < host->n_adapters; i++)
			host->adapters[i].name[0] = '\0';
		drop_unwanted(host);
	}
	sriov_claims_forget(host);
	free(host->root);
	free(host->journal);
	free(host);
}
