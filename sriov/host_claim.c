/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VFs that are taken; see host.h.
 */
#include "sriov/host_priv.h"

#include "ctl/base/clock.h"
#include "sriov/bind.h"
#include "sriov/sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VFIO "vfio-pci"

static const char *const states[SRIOV_N_VF_STATES] = {"free",	 "taken", "closing",
						      "waiting", "gone",  "used"};

const char *sriov_vf_state_name(enum sriov_vf_state state)
{
	return states[state];
}

static bool same_pf(const struct sriov_pf *a, const struct sriov_pf *b)
{
	return strcmp(a->addr, b->addr) == 0;
}

struct sriov_claim *sriov_claim_of(const struct sriov_host *host, const struct sriov_pf *pf,
				   unsigned index)
{
	for (struct sriov_claim *c = host->claims; c != NULL; c = c->next)
		if (c->note.index == index && same_pf(&c->pf, pf))
			return c;
	return NULL;
}

unsigned sriov_claims_of(const struct sriov_host *host, const struct sriov_pf *pf)
{
	unsigned n = 0;

	for (const struct sriov_claim *c = host->claims; c != NULL; c = c->next)
		n += c->state != SRIOV_VF_LOST && same_pf(&c->pf, pf);
	return n;
}

/* A driver without an interface that we see: it is another namespace's, or serves something else.
 */
enum sriov_vf_state sriov_device_state(const struct sriov_device *dev)
{
	if (dev->driver[0] == '\0')
		return dev->driver_override[0] == '\0' ? SRIOV_VF_FREE : SRIOV_VF_USED;
	if (strcmp(dev->driver, VFIO) == 0 || dev->ifname[0] == '\0' || dev->ifup)
		return SRIOV_VF_USED;
	return SRIOV_VF_FREE;
}

static bool is_busy(const struct sriov_claim *c)
{
	const struct sriov_host_opts *o = &c->host->opts;

	return sriov_iommu_busy(o->root, o->vfio, o->vfio_ctx, c->device.iommu_group);
}

static struct sriov_claim *add(struct sriov_host *host, const struct sriov_pf *pf,
			       const struct sriov_device *device, enum sriov_vf_state state)
{
	struct sriov_claim *c = calloc(1, sizeof(*c)), **last = &host->claims;

	if (c == NULL)
		return NULL;
	c->host = host;
	c->state = state;
	c->pf = *pf;
	c->device = *device;
	while (*last != NULL)
		last = &(*last)->next;
	*last = c;
	return c;
}

static void drop(struct sriov_claim *claim)
{
	struct sriov_claim **at = &claim->host->claims;

	while (*at != claim)
		at = &(*at)->next;
	*at = claim->next;
	free(claim);
}

/* As it was before: driver first, for a driver asks the PF what the VF is. */
static void undo(struct sriov_claim *c)
{
	const struct sriov_host_opts *o = &c->host->opts;
	struct err err = {0};
	unsigned n_bad = 0;
	int rc;

	if (sriov_pf_count(o->root, &c->pf) > (int)c->note.index)
		n_bad = sriov_vf_conf_restore(o->vf, o->vf_ctx, c->pf.ifindex, c->note.index,
					      &c->note.was);
	rc = sriov_bind_restore(o->root, c->device.addr, c->note.driver, c->note.driver_override,
				&err);
	if (rc != 0 && rc != -ENODEV)
		sriov_host_tell(c->host, "sriov-undo", c->pf.name, "%s", err.what);
	else if (n_bad != 0)
		sriov_host_tell(c->host, "sriov-undo", c->pf.name,
				"VF %u of %s: %u of its settings could not be put back",
				c->note.index, c->pf.name, n_bad);
}

/* The end of a claim whose VF is there. */
static void give_back(struct sriov_claim *c)
{
	struct sriov_host *host = c->host;

	undo(c);
	drop(c);
	(void)sriov_host_note(host, NULL);
}

/* ---- Taking ---- */

static bool in_range(const struct sriov_adapter *a, unsigned index)
{
	return index < a->pf.n_vfs;
}

/* A VF that could be taken, and why not the last one that could not. */
static int find_free(struct sriov_host *host, const struct sriov_adapter *a, unsigned *ret_index,
		     struct sriov_device *ret_device, struct err *err)
{
	const char *root = host->opts.root;
	struct err why = {0};
	unsigned n_used = 0;
	int rc = -ENOSPC;

	for (unsigned i = 0; in_range(a, i); i++) {
		struct sriov_device dev;
		int one;

		if (sriov_claim_of(host, &a->pf, i) != NULL)
			continue;
		one = sriov_device_find(root, &a->pf, i, &dev, &why);
		if (one == 0 && sriov_device_state(&dev) != SRIOV_VF_FREE) {
			n_used++;
			continue;
		}
		if (one == 0)
			one = sriov_iommu_check(root, &dev, &why);
		if (one == 0) {
			*ret_index = i;
			*ret_device = dev;
			return 0;
		}
		rc = one;
	}
	if (rc != -ENOSPC) {
		if (err != NULL)
			*err = why;
		return rc;
	}
	err_set(err, -ENOSPC, "no-vf-free", "none of the %u VFs of %s is free", a->pf.n_vfs,
		a->pf.name);
	if (n_used != 0)
		err_why(err,
			"%u of them %s in use by somebody else: a driver or an interface has "
			"them",
			n_used, n_used == 1 ? "is" : "are");
	err_fix(err, "vswitchctl sriov show %s; sriov vfs %s %u makes more while none is taken",
		a->pf.name, a->pf.name, a->want + 1);
	return -ENOSPC;
}

static void note_of(struct sriov_claim *c, unsigned index, const char *owner)
{
	struct sriov_journal_vf *note = &c->note;

	note->index = index;
	memcpy(note->pf, c->pf.addr, sizeof(note->pf));
	memcpy(note->addr, c->device.addr, sizeof(note->addr));
	memcpy(note->driver, c->device.driver, sizeof(note->driver));
	memcpy(note->driver_override, c->device.driver_override, sizeof(note->driver_override));
	snprintf(note->owner, sizeof(note->owner), "%s", owner);
}

/* Policy, then driver: a VF's address is read when its driver, the guest's, starts. */
static int prepare(struct sriov_claim *c, const struct sriov_vf_conf *conf, struct err *err)
{
	const struct sriov_host_opts *o = &c->host->opts;
	int rc = sriov_host_note(c->host, err);

	if (rc == 0)
		rc = sriov_vf_conf_set(o->vf, o->vf_ctx, c->pf.name, c->pf.ifindex, c->note.index,
				       conf, err);
	if (rc != 0)
		return rc;
	rc = sriov_bind_vfio(o->root, c->device.addr, err);
	if (rc != 0)
		(void)sriov_vf_conf_restore(o->vf, o->vf_ctx, c->pf.ifindex, c->note.index,
					    &c->note.was);
	return rc;
}

static int take_new(struct sriov_host *host, const struct sriov_adapter *a, const char *owner,
		    const struct sriov_vf_conf *conf, struct sriov_claim **ret_claim,
		    struct err *err)
{
	const struct sriov_host_opts *o = &host->opts;
	struct sriov_device dev;
	struct sriov_claim *c;
	unsigned index;
	int rc = find_free(host, a, &index, &dev, err);

	if (rc != 0)
		return rc;
	c = add(host, &a->pf, &dev, SRIOV_VF_TAKEN);
	if (c == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a VF");
	note_of(c, index, owner);
	rc = o->vf->get(o->vf_ctx, a->pf.ifindex, index, &c->note.was, NULL);
	if (rc != 0)
		err_set(err, rc, "vf-policy", "VF %u of %s cannot be read: %s", index, a->pf.name,
			strerror(-rc));
	else
		rc = prepare(c, conf, err);
	if (rc != 0) {
		drop(c);
		(void)sriov_host_note(host, NULL);
		return rc;
	}
	*ret_claim = c;
	return 0;
}

static struct sriov_claim *find_held(const struct sriov_host *host, const struct sriov_pf *pf,
				     const char *owner)
{
	for (struct sriov_claim *c = host->claims; c != NULL; c = c->next)
		if (c->state == SRIOV_VF_HELD && same_pf(&c->pf, pf) &&
		    strcmp(c->note.owner, owner) == 0)
			return c;
	return NULL;
}

/* One that its owner has from before us; it runs, so nothing but the policy may change. */
static int take_held(struct sriov_claim *c, const struct sriov_vf_conf *conf, struct err *err)
{
	const struct sriov_host_opts *o = &c->host->opts;
	int rc = sriov_vf_conf_set(o->vf, o->vf_ctx, c->pf.name, c->pf.ifindex, c->note.index, conf,
				   err);

	if (rc == 0)
		c->state = SRIOV_VF_TAKEN;
	return rc;
}

static int check_ready(struct sriov_adapter *a, const char *pf, struct err *err)
{
	if (a == NULL || a->want == 0) {
		err_set(err, -ENOENT, "no-vfs", "%.60s has no VFs that are ours", pf);
		err_why(err, "nobody said how many it shall have");
		err_fix(err, "vswitchctl sriov vfs %.60s N", pf);
		return -ENOENT;
	}
	if (a->reason[0] == '\0')
		return 0;
	err_set(err, -ENODEV, "no-vfs", "%s has not the VFs that it should have", a->name);
	err_why(err, "%s", a->reason);
	err_fix(err, "vswitchctl sriov list");
	return -ENODEV;
}

int sriov_claim_take(struct sriov_host *host, const char *pf, const char *owner,
		     const struct sriov_vf_conf *conf, sriov_lost_fn lost, void *ctx,
		     struct sriov_claim **ret_claim, bool *ret_held, struct err *err)
{
	struct sriov_adapter *a = sriov_host_adapter(host, pf);
	int rc = check_ready(a, pf, err);
	struct sriov_claim *c;

	if (rc != 0)
		return rc;
	c = find_held(host, &a->pf, owner);
	if (ret_held != NULL)
		*ret_held = c != NULL;
	rc = c != NULL ? take_held(c, conf, err) : take_new(host, a, owner, conf, &c, err);
	if (rc != 0)
		return rc;
	c->conf = *conf;
	c->lost = lost;
	c->ctx = ctx;
	*ret_claim = c;
	return 0;
}

int sriov_claim_open(struct sriov_claim *c, struct sriov_vfio_fds *ret_fds, struct err *err)
{
	const struct sriov_host_opts *o = &c->host->opts;

	if (c->state == SRIOV_VF_TAKEN)
		return sriov_iommu_open(o->root, o->vfio, o->vfio_ctx, &c->device, ret_fds, err);
	return err_set(err, -ENODEV, "no-vf", "VF %u of %s is gone", c->note.index, c->pf.name);
}

int sriov_claim_change(struct sriov_claim *c, const struct sriov_vf_conf *conf, struct err *err)
{
	const struct sriov_host_opts *o = &c->host->opts;
	int rc;

	if (c->state != SRIOV_VF_TAKEN)
		return err_set(err, -ENODEV, "no-vf", "VF %u of %s is gone", c->note.index,
			       c->pf.name);
	rc = sriov_vf_conf_set(o->vf, o->vf_ctx, c->pf.name, c->pf.ifindex, c->note.index, conf,
			       err);
	if (rc == 0)
		c->conf = *conf;
	c->looked_ns = 0;
	return rc;
}

void sriov_claim_release(struct sriov_claim *c)
{
	struct sriov_host *host;

	if (c == NULL)
		return;
	host = c->host;
	c->lost = NULL;
	if (c->state == SRIOV_VF_LOST) {
		drop(c);
		(void)sriov_host_note(host, NULL);
		return;
	}
	c->state = SRIOV_VF_CLOSING;
	if (!is_busy(c))
		give_back(c);
}

/* ---- Looking ---- */

static enum sriov_vf_health look(const struct sriov_claim *c)
{
	const struct sriov_host_opts *o = &c->host->opts;
	char path[SRIOV_PATH_SIZE];
	uint64_t carrier = 1;

	if (c->state != SRIOV_VF_TAKEN)
		return SRIOV_VF_GONE;
	if (!sriov_vf_conf_holds(o->vf, o->vf_ctx, c->pf.ifindex, c->note.index, &c->conf))
		return SRIOV_VF_CHANGED;
	/* Cannot be read while the interface is down. */
	sriov_path(path, o->root, "/sys/class/net/%s/carrier", c->pf.name);
	if (sriov_read_number(path, &carrier) != 0)
		carrier = 0;
	return carrier != 0 ? SRIOV_VF_WELL : SRIOV_VF_LINK_DOWN;
}

enum sriov_vf_health sriov_claim_health(struct sriov_claim *c)
{
	uint64_t now = clock_mono_ns();

	if (c->state != SRIOV_VF_TAKEN)
		return SRIOV_VF_GONE;
	if (c->looked_ns == 0 || now - c->looked_ns >= SRIOV_SECOND_NS) {
		c->health = look(c);
		c->looked_ns = now;
	}
	return c->health;
}

int sriov_claim_counts(struct sriov_claim *c, struct sriov_vf_counts *ret_counts)
{
	const struct sriov_host_opts *o = &c->host->opts;
	struct sriov_vf_conf conf;

	*ret_counts = (struct sriov_vf_counts){0};
	if (c->state != SRIOV_VF_TAKEN)
		return -ENODEV;
	return o->vf->get(o->vf_ctx, c->pf.ifindex, c->note.index, &conf, ret_counts);
}

const char *sriov_claim_pf(const struct sriov_claim *c)
{
	return c->pf.name;
}

unsigned sriov_claim_index(const struct sriov_claim *c)
{
	return c->note.index;
}

const char *sriov_claim_owner(const struct sriov_claim *c)
{
	return c->note.owner;
}

const struct sriov_device *sriov_claim_device(const struct sriov_claim *c)
{
	return &c->device;
}

/* ---- What becomes of them ---- */

static void lose(struct sriov_claim *c, const char *why)
{
	sriov_lost_fn lost = c->lost;

	if (c->state == SRIOV_VF_LOST)
		return;
	sriov_host_tell(c->host, "sriov-lost", c->pf.name, "VF %u of %s, which %s has, is gone: %s",
			c->note.index, c->pf.name, c->note.owner, why);
	if (c->state != SRIOV_VF_TAKEN) {
		drop(c);
		return;
	}
	c->state = SRIOV_VF_LOST;
	if (lost != NULL)
		lost(c->ctx, c, why);
}

void sriov_claims_lose(struct sriov_host *host, const struct sriov_pf *pf, const char *why)
{
	for (struct sriov_claim *c = host->claims, *next; c != NULL; c = next) {
		next = c->next;
		if (same_pf(&c->pf, pf))
			lose(c, why);
	}
	(void)sriov_host_note(host, NULL);
}

void sriov_claims_look(struct sriov_host *host)
{
	char path[SRIOV_PATH_SIZE];

	for (struct sriov_claim *c = host->claims, *next; c != NULL; c = next) {
		next = c->next;
		sriov_path(path, host->opts.root, "/sys/bus/pci/devices/%s", c->device.addr);
		if (!sriov_exists(path))
			lose(c, "its device is not there any more");
	}
}

void sriov_claims_settle(struct sriov_host *host, bool all)
{
	for (struct sriov_claim *c = host->claims, *next; c != NULL; c = next) {
		next = c->next;
		if ((c->state == SRIOV_VF_CLOSING || (all && c->state == SRIOV_VF_HELD)) &&
		    !is_busy(c))
			give_back(c);
	}
}

static const struct sriov_pf *pf_of(const struct sriov_host *host, const char *addr)
{
	for (unsigned i = 0; i < host->n_adapters; i++)
		if (strcmp(host->adapters[i].pf.addr, addr) == 0)
			return &host->adapters[i].pf;
	return NULL;
}

static void recover(struct sriov_host *host, const struct sriov_journal_vf *vf)
{
	const struct sriov_pf *pf = pf_of(host, vf->pf);
	struct sriov_device dev;
	struct sriov_claim *c;

	/* Another VF may be where it was: then there is nothing to undo. */
	if (pf == NULL || sriov_device_find(host->opts.root, pf, vf->index, &dev, NULL) != 0 ||
	    strcmp(dev.addr, vf->addr) != 0)
		return;
	c = add(host, pf, &dev, SRIOV_VF_HELD);
	if (c == NULL)
		return;
	c->note = *vf;
	if (is_busy(c))
		return;
	undo(c);
	drop(c);
}

void sriov_claims_recover(struct sriov_host *host, const struct sriov_journal *journal)
{
	for (unsigned i = 0; i < journal->n_vfs; i++)
		recover(host, &journal->vfs[i]);
}

void sriov_claims_hold(struct sriov_host *host)
{
	for (struct sriov_claim *c = host->claims; c != NULL; c = c->next)
		if (c->state == SRIOV_VF_TAKEN)
			c->state = SRIOV_VF_HELD;
}

void sriov_claims_forget(struct sriov_host *host)
{
	while (host->claims != NULL)
		drop(host->claims);
}
