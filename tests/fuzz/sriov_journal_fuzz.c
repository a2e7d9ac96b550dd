/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal of VFs: what is taken of it fits into paths of sysfs, and comes back from its own
 * text.
 */
#include "tests/fuzz/fuzz.h"

#include "sriov/journal.h"

#include <stdlib.h>
#include <string.h>

static void must(int holds)
{
	if (!holds)
		abort();
}

static void check(const struct sriov_journal *j)
{
	must(j->n_pfs <= SRIOV_MAX_PFS && j->n_vfs <= SRIOV_JOURNAL_MAX_VFS);
	for (unsigned i = 0; i < j->n_pfs; i++) {
		must(strchr(j->pfs[i].name, '/') == NULL && j->pfs[i].made <= SRIOV_MAX_VFS);
		must(j->pfs[i].before <= SRIOV_MAX_VFS);
	}
	for (unsigned i = 0; i < j->n_vfs; i++) {
		must(strchr(j->vfs[i].addr, '/') == NULL && j->vfs[i].index < SRIOV_MAX_VFS);
		must(strchr(j->vfs[i].driver, '/') == NULL && j->vfs[i].was.link < SRIOV_N_LINKS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sriov_journal j, again;
	char *text;

	if (sriov_journal_parse((const char *)data, size, &j) != 0)
		return 0;
	check(&j);
	text = sriov_journal_format(&j);
	must(text != NULL);
	must(sriov_journal_parse(text, strlen(text), &again) == 0);
	must(again.n_pfs == j.n_pfs && again.n_vfs == j.n_vfs);
	for (unsigned i = 0; i < j.n_vfs; i++)
		must(again.vfs[i].was.vlan == j.vfs[i].was.vlan &&
		     memcmp(again.vfs[i].was.mac, j.vfs[i].was.mac, 6) == 0);
	sriov_journal_fini(&again);
	sriov_journal_fini(&j);
	free(text);
	return 0;
}
