/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What of this machine's adapters was changed and how it was before, in a file: written before each
 * change, so that whoever starts after a kill -9 can undo all of it.  The file is replaced whole
 * (rename), so it is the old one or the new one; that of another boot says nothing about this one,
 * for the kernel has forgotten all of it, and is void.
 *
 * It is read as if somebody had written nonsense into it.  Control thread.
 */
#ifndef SRIOV_JOURNAL_H
#define SRIOV_JOURNAL_H

#include "ctl/base/err.h"
#include "sriov/pf.h"
#include "sriov/vf_conf.h"

#define SRIOV_JOURNAL_MAX_VFS 4096
#define SRIOV_BOOT_SIZE	      40

struct sriov_journal_pf {
	char name[IFNAMSIZ], addr[SRIOV_ADDR_SIZE];
	unsigned before, made; /* VFs that it had, and has by us */
	bool autoprobe;	       /* what that was */
};

struct sriov_journal_vf {
	char pf[SRIOV_ADDR_SIZE]; /* address of the PF */
	char addr[SRIOV_ADDR_SIZE];
	unsigned index;
	char driver[SRIOV_WORD_SIZE], driver_override[SRIOV_WORD_SIZE]; /* before */
	char owner[SRIOV_OWNER_SIZE];
	struct sriov_vf_conf was;
};

struct sriov_journal {
	char boot[SRIOV_BOOT_SIZE]; /* the kernel's boot_id */
	unsigned n_pfs, n_vfs;
	struct sriov_journal_pf *pfs; /* malloc'ed, at most SRIOV_MAX_PFS */
	struct sriov_journal_vf *vfs; /* at most SRIOV_JOURNAL_MAX_VFS */
};

/* -EBADMSG: it is none.  Of entries that make no sense the rest is taken.  sriov_journal_fini(). */
int sriov_journal_parse(const char *text, size_t size, struct sriov_journal *ret_journal);
/* malloc'ed, or NULL. */
char *sriov_journal_format(const struct sriov_journal *journal);
void sriov_journal_fini(struct sriov_journal *journal);

/* The file.  Reading: 0 also when there is none, with an empty journal; -EBADMSG: it is not one. */
int sriov_journal_read(const char *path, struct sriov_journal *ret_journal, struct err *err);
/* On the disk when it returns; an empty one is no file. */
int sriov_journal_write(const char *path, const struct sriov_journal *journal, struct err *err);

#endif
