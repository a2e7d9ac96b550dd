/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files that a VM is made of, looked at before somebody waits for it.  No thread of its own;
 * opening may block where the file system does.
 */
#ifndef VSWITCH_VM_FILES_H
#define VSWITCH_VM_FILES_H

#include "ctl/base/err.h"

#include <stdbool.h>

struct vs_model;
struct vs_vm;

/* Can the daemon read the file (and write it)?  'who' is "vm web1", 'what' "kernel"; a disk may be
 * a block device.  Slugs: "no-file", "not-a-file", "cannot-read", "cannot-write", "empty-file". */
int vs_vm_file_check(const char *who, const char *what, const char *path, bool disk, bool write,
		     struct err *err);
/* All of a VM's. */
int vs_vm_files_check(const struct vs_model *model, const struct vs_vm *vm, struct err *err);

#endif
