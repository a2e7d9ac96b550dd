/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of a VM: there, of the right kind, and ours to read; see vm_files.h.
 */
#include "vswitch/vm_files.h"

#include "vswitch/model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_open(const char *who, const char *what, const char *path, bool write,
		       struct err *err)
{
	int code = errno;

	if (code == ENOENT) {
		err_set(err, -ENOENT, "no-file", "%s: there is no %s %.160s", who, what, path);
		err_why(err, "its path is taken from / on, in the file system that vswitchd sees");
		err_fix(err, "ls -l %.280s", path);
		return -ENOENT;
	}
	err_set(err, -code, write ? "cannot-write" : "cannot-read", "%s: cannot %s its %s %.160s",
		who, write ? "write to" : "read", what, path);
	err_why(err, "%s; vswitchd opens it as its own user, in its own view of the file system",
		strerror(code));
	if (write)
		err_fix(err, "make it writable, or say --readonly; images belong below /var/lib or "
			     "/srv");
	else
		err_fix(err, "ls -l %.200s", path);
	return -code;
}

int vs_vm_file_check(const char *who, const char *what, const char *path, bool disk, bool write,
		     struct err *err)
{
	int fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return cannot_open(who, what, path, write && errno != ENOENT, err);
	if (fstat(fd, &st) != 0)
		st = (struct stat){0};
	close(fd);
	if (!S_ISREG(st.st_mode) && !(disk && S_ISBLK(st.st_mode))) {
		err_set(err, -EINVAL, "not-a-file", "%s: its %s %.160s is no file", who, what,
			path);
		err_why(err, S_ISDIR(st.st_mode) ? "it is a folder"
						 : "it is a special file of some kind");
		err_fix(err, "name the image itself");
		return -EINVAL;
	}
	if (S_ISREG(st.st_mode) && st.st_size == 0) {
		err_set(err, -EINVAL, "empty-file", "%s: its %s %.160s is empty", who, what, path);
		err_why(err, "nothing can be read from it");
		err_fix(err, disk ? "vswitchctl disk create PATH SIZE makes an empty disk"
				  : "name the image itself");
		return -EINVAL;
	}
	return 0;
}

int vs_vm_files_check(const struct vs_model *m, const struct vs_vm *vm, struct err *err)
{
	char who[80];
	int rc;

	snprintf(who, sizeof(who), "vm %s", vm->name);
	rc = vs_vm_file_check(who, "kernel", vm->kernel, false, false, err);
	if (rc == 0 && vm->initrd != NULL)
		rc = vs_vm_file_check(who, "initrd", vm->initrd, false, false, err);
	for (unsigned i = 0; rc == 0 && i < m->n_disks; i++) {
		const struct vs_disk *d = &m->disks[i];

		if (d->vm == vm)
			rc = vs_vm_file_check(who, "disk", d->path, true, !d->readonly, err);
	}
	return rc;
}
