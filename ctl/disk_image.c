/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'vswitchctl disk create' and 'disk info': image files, made and looked at by the tool as the user
 * who runs it.  Formats other than raw are made by qemu-img; what a file is, is read from its own
 * first and last bytes.
 */
#include "ctl/render.h"
#include "ctl/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR	   512
#define ISO_AT	   0x8001
#define HEAD_BYTES (ISO_AT + 5)

extern char **environ;

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static const char *by_ending(const char *path)
{
	static const char *const formats[] = {"qcow2", "vhd", "vhdx", "iso"};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcasecmp(dot + 1, formats[i]) == 0)
			return formats[i];
	return "raw";
}

static uint64_t be64(const uint8_t *p)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | p[i];
	return n;
}

/* ---- Info ---- */

struct image {
	struct stat st;
	uint64_t bytes; /* of the file or device */
	uint8_t head[HEAD_BYTES], last[SECTOR];
	size_t n_head;
};

static bool starts(const struct image *i, size_t at, const char *magic)
{
	size_t n = strlen(magic);

	return i->n_head >= at + n && memcmp(i->head + at, magic, n) == 0;
}

/* Sets the size of the disk; 0: it is not in the first bytes. */
static const char *format_of(const struct image *i, uint64_t *ret_size)
{
	*ret_size = i->bytes;
	if (starts(i, 0, "QFI\xfb")) {
		*ret_size = be64(i->head + 24);
		return "qcow2";
	}
	if (starts(i, 0, "vhdxfile")) {
		*ret_size = 0;
		return "vhdx";
	}
	if (starts(i, 0, "conectix") || memcmp(i->last, "conectix", 8) == 0) {
		*ret_size = be64((starts(i, 0, "conectix") ? i->head : i->last) + 48);
		return "vhd";
	}
	return starts(i, ISO_AT, "CD001") ? "iso" : "raw";
}

static const char *partitions_of(const struct image *i, const char *format)
{
	if (strcmp(format, "raw") != 0)
		return "";
	if (starts(i, SECTOR, "EFI PART"))
		return "GPT";
	if (i->n_head >= SECTOR && i->head[510] == 0x55 && i->head[511] == 0xaa)
		return "MBR";
	return "none";
}

static int cannot(const char *what, const char *path, struct err *err)
{
	int code = errno;

	err_set(err, -code, "cannot-open", "cannot %s %.200s: %s", what, path, strerror(code));
	err_why(err, "the tool does it, as the user who runs it");
	err_fix(err, "ls -ld %.250s", path);
	return -code;
}

static int look(const char *path, struct image *i, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	*i = (struct image){0};
	if (fd < 0)
		return cannot("read", path, err);
	if (fstat(fd, &i->st) != 0 || (!S_ISREG(i->st.st_mode) && !S_ISBLK(i->st.st_mode))) {
		close(fd);
		return err_set(err, -EINVAL, "not-a-file", "%.200s is no file and no block device",
			       path);
	}
	i->bytes = (uint64_t)i->st.st_size;
	if (S_ISBLK(i->st.st_mode) && ioctl(fd, BLKGETSIZE64, &i->bytes) != 0)
		i->bytes = 0;
	n = pread(fd, i->head, sizeof(i->head), 0);
	i->n_head = n > 0 ? (size_t)n : 0;
	if (i->bytes >= SECTOR)
		(void)!pread(fd, i->last, SECTOR, (off_t)(i->bytes - SECTOR));
	close(fd);
	return 0;
}

static int info(const char *path, json_t **ret, struct err *err)
{
	struct image *i = malloc(sizeof(*i));
	const char *format;
	uint64_t size;
	int rc = i != NULL ? look(path, i, err) : -ENOMEM;

	if (rc == 0) {
		format = format_of(i, &size);
		*ret = json_pack("{ss ss so sI ss ss ss}", "path", path, "format", format, "size",
				 size != 0 ? json_integer((json_int_t)size) : json_null(), "used",
				 (json_int_t)(S_ISBLK(i->st.st_mode)
						      ? i->bytes
						      : (uint64_t)i->st.st_blocks * 512),
				 "kind", S_ISBLK(i->st.st_mode) ? "block device" : "file", "boots",
				 partitions_of(i, format), "access",
				 access(path, W_OK) == 0 ? "read and write" : "read only");
	}
	free(i);
	return rc;
}

/* ---- Create ---- */

static int exists(const char *path, struct err *err)
{
	err_set(err, -EEXIST, "exists", "%.200s exists", path);
	err_why(err, "what is in it would be lost");
	err_fix(err, "take another name, or remove it first");
	return -EEXIST;
}

static int create_raw(const char *path, int64_t size, bool full, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660), code;

	if (fd < 0)
		return errno == EEXIST ? exists(path, err) : cannot("make", path, err);
	/* posix_fallocate() returns its error. */
	code = ftruncate(fd, size) != 0 ? errno : 0;
	if (code == 0 && full)
		code = posix_fallocate(fd, 0, size);
	if (close(fd) != 0 && code == 0)
		code = errno;
	if (code == 0)
		return 0;
	unlink(path);
	errno = code;
	return cannot("make", path, err);
}

static int run_qemu_img(const char *format, const char *path, int64_t size, int *ret_status)
{
	char program[] = "qemu-img", verb[] = "create", quiet[] = "-q", option[] = "-f";
	char kind[16], file[4200], bytes[32];
	char *argv[] = {program, verb, quiet, option, kind, file, bytes, NULL};
	pid_t pid;
	int rc;

	snprintf(kind, sizeof(kind), "%s", strcmp(format, "vhd") == 0 ? "vpc" : format);
	/* A path with a ':' would be taken for a protocol. */
	snprintf(file, sizeof(file), "file:%s", path);
	snprintf(bytes, sizeof(bytes), "%lld", (long long)size);
	rc = posix_spawnp(&pid, program, NULL, NULL, argv, environ);
	if (rc == 0 && waitpid(pid, ret_status, 0) != pid)
		rc = ECHILD;
	return rc;
}

static int create_other(const char *format, const char *path, int64_t size, struct err *err)
{
	int status = 0, rc;

	if (access(path, F_OK) == 0)
		return exists(path, err);
	rc = run_qemu_img(format, path, size, &status);
	if (rc != 0) {
		err_set(err, -rc, "no-qemu-img", "cannot make an image of format %s: qemu-img: %s",
			format, strerror(rc));
		err_why(err, "qemu-img makes all formats but raw");
		err_fix(err, "apt-get install qemu-utils");
		return -rc;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, -EIO, "failed", "qemu-img did not make %.200s", path);
}

static int create(const json_t *params, struct err *err)
{
	const char *path = param(params, "path"), *format = param(params, "format");
	int64_t size = json_integer_value(json_object_get(params, "size"));
	bool full = json_is_true(json_object_get(params, "full"));

	if (format == NULL)
		format = by_ending(path);
	if (strcmp(format, "iso") == 0)
		return err_set(err, -EINVAL, "usage", "an empty iso image is of no use");
	if (size % SECTOR != 0)
		return err_set(err, -EINVAL, "usage", "a disk's size is a multiple of %d bytes",
			       SECTOR);
	return strcmp(format, "raw") == 0 ? create_raw(path, size, full, err)
					  : create_other(format, path, size, err);
}

int ctl_tool_disk(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params)
{
	struct ctl_render r = ctl_render_for(stdout);
	json_t *answer = NULL;
	struct err err = {0};
	int rc = strcmp(spec->verb, "create") == 0 ? create(params, &err) : 0;

	if (rc == 0)
		rc = info(param(params, "path"), &answer, &err);
	if (rc != 0)
		return ctl_tool_fail(tool, &err);
	if (tool->json)
		ctl_tool_print_json(answer, false);
	else
		ctl_render_answer(&r, spec, answer);
	json_decref(answer);
	return 0;
}
