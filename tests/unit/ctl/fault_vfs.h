/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A disk that fails when told to: a SQLite VFS around the usual one, made the default, so that the
 * store under test needs to know nothing of it.  It counts what reaches the disk (create, write,
 * truncate, sync, delete) and at the n-th of these
 *
 * 	FAULT_ERROR  fails that one
 * 	FAULT_BROKEN fails that one and all after it
 * 	FAULT_KILL   kills the process before it is done
 * 	FAULT_POWER  the same, and of what was written since each file's last sync only some
 * 	             sectors, truncations and deletions are there afterwards, chosen by 'seed'
 */
#ifndef TESTS_UNIT_CTL_FAULT_VFS_H
#define TESTS_UNIT_CTL_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum fault_mode { FAULT_NONE, FAULT_ERROR, FAULT_BROKEN, FAULT_KILL, FAULT_POWER };

/* Once, before the first database is opened. */
void fault_vfs_install(void);
/* 'rc' is the SQLite code that FAULT_ERROR and FAULT_BROKEN give. */
void fault_vfs_arm(enum fault_mode mode, unsigned nth, int rc, uint64_t seed);
/* Did the armed fault happen? */
bool fault_vfs_happened(void);

#endif
