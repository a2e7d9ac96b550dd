/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See open.h.
 */
#include "hv/disk/open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hv/disk/disk_priv.h"
#include "hv/disk/qsd.h"

static const char *const names[DISK_N_FORMATS] = {"raw", "iso", "qcow2", "vhd", "vhdx"};

int disk_format_parse(const char *word, enum disk_format *ret_format)
{
	for (unsigned i = 0; i < DISK_N_FORMATS; i++)
		if (strcmp(word, names[i]) == 0) {
			*ret_format = (enum disk_format)i;
			return 0;
		}
	return -EINVAL;
}

const char *disk_format_name(enum disk_format format)
{
	return names[format];
}

/* O_NONBLOCK: a pipe with no other end must not hold us up; files do not mind. */
static int open_path(const struct disk_spec *spec, struct err *err)
{
	bool read_only = spec->read_only || spec->format == DISK_FORMAT_ISO;
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, fd;
	struct stat st;

	/* A device that the host has mounted is not to be had; without O_CREAT only those mind. */
	if (!read_only && stat(spec->path, &st) == 0 && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	fd = open(spec->path, flags);
	if (fd < 0)
		return err_set(err, -errno, DISK_SLUG, "disk '%s': cannot open %s: %s", spec->name,
			       spec->path, strerror(errno));
	return fd;
}

static int open_file(struct disk_engine *engine, const struct disk_spec *spec,
		     struct disk **ret_disk, struct err *err)
{
	int fd, rc;

	if (spec->path != NULL)
		fd = open_path(spec, err);
	else
		fd = fcntl(spec->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return spec->path != NULL ? fd
					  : err_set(err, -errno, DISK_SLUG,
						    "disk '%s': no descriptor is left", spec->name);
	rc = disk_file_create(engine, spec, fd, ret_disk, err);
	if (rc != 0)
		close(fd);
	return rc;
}

static int open_served(const struct disk_spec *spec, struct disk **ret_disk, struct err *err)
{
	struct qsd *daemon = NULL;
	int socket, rc;

	if (spec->path != NULL) {
		rc = qsd_start(spec, &daemon, &socket, err);
		if (rc != 0)
			return rc;
	} else {
		socket = fcntl(spec->fd, F_DUPFD_CLOEXEC, 3);
		if (socket < 0)
			return err_set(err, -errno, DISK_SLUG, "disk '%s': no descriptor is left",
				       spec->name);
	}
	rc = disk_nbd_create(spec, socket, daemon, ret_disk, err);
	if (rc != 0)
		qsd_end(daemon);
	return rc;
}

int disk_open(struct disk_engine *engine, const struct disk_spec *spec, struct disk **ret_disk,
	      struct err *err)
{
	if (spec->format == DISK_FORMAT_RAW || spec->format == DISK_FORMAT_ISO)
		return open_file(engine, spec, ret_disk, err);
	return open_served(spec, ret_disk, err);
}
