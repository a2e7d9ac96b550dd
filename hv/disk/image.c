/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See image.h.
 */
#include "hv/disk/image.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hv/disk/disk_priv.h"

#define MIN_SIZE   (1u << 20)
#define MAX_OUTPUT 16384
#define ISO_MAGIC  32769

/* ---- qemu-img ---- */

/* Runs it, and keeps what it says (standard output and error), ended by a zero.  Its exit status,
 * or a negative errno. */
static int run(char *const argv[], char *output, size_t size)
{
	extern char **environ;
	posix_spawn_file_actions_t actions;
	int fds[2], status = 0, rc;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
	rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	while (rc == 0 && n < size - 1 && (got = read(fds[0], output + n, size - 1 - n)) > 0)
		n += (size_t)got;
	output[n] = 0;
	close(fds[0]);
	if (rc != 0)
		return -rc;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

static int qemu_error(int rc, const char *what, const char *path, char *output, struct err *err)
{
	output[strcspn(output, "\n")] = 0;
	err_set(err, rc < 0 ? rc : -EINVAL, DISK_SLUG, "cannot %s image %s", what, path);
	if (rc == -ENOENT) {
		err_why(err, "qemu-img is not installed");
		err_fix(err, "apt install qemu-utils");
	} else {
		err_why(err, "%s", rc < 0 ? strerror(-rc) : output);
	}
	return rc < 0 ? rc : -EINVAL;
}

/* qemu-img's name of a format. */
static char *format_word(enum disk_format format)
{
	static char qcow2[] = "qcow2", vpc[] = "vpc", vhdx[] = "vhdx", raw[] = "raw";

	switch (format) {
	case DISK_FORMAT_QCOW2:
		return qcow2;
	case DISK_FORMAT_VHD:
		return vpc;
	case DISK_FORMAT_VHDX:
		return vhdx;
	case DISK_FORMAT_RAW:
	case DISK_FORMAT_ISO:
	case DISK_N_FORMATS:
		break;
	}
	return raw;
}

/* ---- Info ---- */

static bool reads(int fd, uint64_t at, const char *magic)
{
	char bytes[8];
	size_t size = strlen(magic);

	return pread(fd, bytes, size, (off_t)at) == (ssize_t)size &&
	       memcmp(bytes, magic, size) == 0;
}

static enum disk_format recognize(int fd, uint64_t file_size)
{
	if (reads(fd, 0, "QFI\xfb"))
		return DISK_FORMAT_QCOW2;
	if (reads(fd, 0, "vhdxfile"))
		return DISK_FORMAT_VHDX;
	if (reads(fd, 0, "conectix") ||
	    (file_size >= 512 && reads(fd, file_size - 512, "conectix")))
		return DISK_FORMAT_VHD;
	return reads(fd, ISO_MAGIC, "CD001") ? DISK_FORMAT_ISO : DISK_FORMAT_RAW;
}

/* The virtual size, from qemu-img: the first of that name is the image's own. */
static int ask_size(const char *path, struct disk_image *image, struct err *err)
{
	static char program[] = "qemu-img", info[] = "info", json[] = "--output=json",
		    share[] = "-U", format[] = "-f", end[] = "--";
	char *copy = strdup(path), *output = malloc(MAX_OUTPUT);
	int rc = -ENOMEM;

	if (copy != NULL && output != NULL) {
		char *const argv[] = {program, info,   json,
				      share,   format, format_word(image->format),
				      end,     copy,   NULL};
		const char *at;

		rc = run(argv, output, MAX_OUTPUT);
		at = rc == 0 ? strstr(output, "\"virtual-size\": ") : NULL;
		if (at != NULL)
			image->size = strtoull(at + strlen("\"virtual-size\": "), NULL, 10);
		else
			rc = qemu_error(rc, "look at", path, output, err);
	}
	free(copy);
	free(output);
	return rc;
}

static int info_of(const char *path, int fd, struct disk_image *image, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
		return err_set(err, -EINVAL, DISK_SLUG, "%s is neither a file nor a block device",
			       path);
	image->block_device = S_ISBLK(st.st_mode);
	image->size = (uint64_t)st.st_size;
	image->taken = (uint64_t)st.st_blocks * 512;
	if (image->block_device && ioctl(fd, BLKGETSIZE64, &image->size) != 0)
		return err_set(err, -errno, DISK_SLUG, "cannot find the size of %s: %s", path,
			       strerror(errno));
	image->format = recognize(fd, image->size);
	if (image->format == DISK_FORMAT_RAW || image->format == DISK_FORMAT_ISO)
		return 0;
	return ask_size(path, image, err);
}

int disk_image_info(const char *path, struct disk_image *ret_image, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	struct disk_image image = {0};

	if (fd < 0)
		return err_set(err, -errno, DISK_SLUG, "cannot open %s: %s", path, strerror(errno));
	rc = info_of(path, fd, &image, err);
	close(fd);
	if (rc == 0)
		*ret_image = image;
	return rc;
}

/* ---- Create ---- */

static int create_raw(int fd, uint64_t size, bool preallocate)
{
	int rc;

	if (ftruncate(fd, (off_t)size) != 0)
		return -errno;
	rc = preallocate ? posix_fallocate(fd, 0, (off_t)size) : 0;
	return rc != 0 ? -rc : fsync(fd) != 0 ? -errno : 0;
}

static int create_by_qemu(const char *path, enum disk_format format, uint64_t size,
			  bool preallocate, struct err *err)
{
	static char program[] = "qemu-img", create[] = "create", quiet[] = "-q", f[] = "-f",
		    o[] = "-o", end[] = "--", fixed[] = "subformat=fixed,force_size=on",
		    dynamic[] = "subformat=dynamic,force_size=on", all[] = "preallocation=falloc",
		    none[] = "preallocation=off", vhdx_all[] = "subformat=fixed",
		    vhdx_none[] = "subformat=dynamic";
	char *copy = strdup(path), words[MAX_OUTPUT], bytes[32];
	char *options = format == DISK_FORMAT_VHD    ? (preallocate ? fixed : dynamic)
			: format == DISK_FORMAT_VHDX ? (preallocate ? vhdx_all : vhdx_none)
						     : (preallocate ? all : none);
	char *const argv[] = {program, create, quiet, f,   format_word(format), o, options,
			      end,     copy,   bytes, NULL};
	int rc;

	if (copy == NULL)
		return err_set(err, -ENOMEM, DISK_SLUG, "no memory to make image %s", path);
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)size);
	rc = run(argv, words, sizeof(words));
	free(copy);
	return rc == 0 ? 0 : qemu_error(rc, "make", path, words, err);
}

int disk_image_create(const char *path, enum disk_format format, uint64_t size, bool preallocate,
		      struct err *err)
{
	int fd, rc;

	if (format == DISK_FORMAT_ISO)
		return err_set(err, -EINVAL, DISK_SLUG, "an ISO cannot be made here");
	if (size < MIN_SIZE || size % 512 != 0 || size > INT64_MAX)
		return err_set(err, -EINVAL, DISK_SLUG,
			       "image %s: %llu bytes: must be a multiple of 512, and 1 MB at least",
			       path, (unsigned long long)size);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, -errno, DISK_SLUG, "cannot make image %s: %s", path,
			       strerror(errno));
	if (format == DISK_FORMAT_RAW) {
		rc = create_raw(fd, size, preallocate);
		if (rc != 0)
			err_set(err, rc, DISK_SLUG, "cannot make image %s of %llu bytes: %s", path,
				(unsigned long long)size, strerror(-rc));
	} else {
		rc = create_by_qemu(path, format, size, preallocate, err);
	}
	close(fd);
	if (rc != 0)
		(void)unlink(path);
	return rc;
}
