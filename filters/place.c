/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Accounts of attachments; see chain_priv.h.
 *
 * A chain finds its accounts by the name of the attachment, so a new view goes on counting where
 * the old one was: it is made before the old one goes.  The last chain that lets go of an account
 * was not seen by any worker for a grace period, so its counts are at their end and are added to
 * the module's.
 *
 * Control thread.
 */
#include "filters/chain_priv.h"

#include <stdlib.h>
#include <string.h>

struct filter_place *filter_place_find(const struct filter_module *m, const char *where)
{
	struct filter_place *p;

	SLIST_FOREACH(p, &m->places, link)
		if (strcmp(p->where, where) == 0)
			return p;
	return NULL;
}

struct filter_place *filter_place_ref(struct filter_module *m, const char *where)
{
	const size_t size = m->set->n_cpus * sizeof(struct filter_share);
	struct filter_place *p = filter_place_find(m, where);

	if (p != NULL) {
		p->n_refs++;
		return p;
	}
	p = calloc(1, sizeof(*p) + strlen(where) + 1);
	if (p == NULL)
		return NULL;
	p->shares = aligned_alloc(64, size);
	if (p->shares == NULL) {
		free(p);
		return NULL;
	}
	memset(p->shares, 0, size);
	memcpy(p->where, where, strlen(where) + 1);
	p->n_refs = 1;
	SLIST_INSERT_HEAD(&m->places, p, link);
	return p;
}

void filter_place_unref(struct filter_module *m, struct filter_place *p)
{
	if (p == NULL || --p->n_refs != 0)
		return;
	filter_place_sum(m->set, p, &m->past);
	SLIST_REMOVE(&m->places, p, filter_place, link);
	free(p->shares);
	free(p);
}
