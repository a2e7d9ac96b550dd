/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See sys.h.
 */
#include "sriov/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void sriov_path(char path[SRIOV_PATH_SIZE], const char *root, const char *fmt, ...)
{
	int n = snprintf(path, SRIOV_PATH_SIZE, "%s", root), m = -1;
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && n < SRIOV_PATH_SIZE)
		m = vsnprintf(path + n, (size_t)(SRIOV_PATH_SIZE - n), fmt, ap);
	va_end(ap);
	if (m < 0 || m >= SRIOV_PATH_SIZE - n)
		path[0] = '\0';
}

int sriov_read(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ret[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, ret, size - 1);
	close(fd);
	if (n < 0) {
		ret[0] = '\0';
		return -EIO;
	}
	ret[n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	return 0;
}

int sriov_read_number(const char *path, uint64_t *ret)
{
	char text[32], *end;
	int rc = sriov_read(path, text, sizeof(text));
	unsigned long long value;

	if (rc != 0)
		return rc;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (end == text || *end != '\0' || errno != 0)
		return -EBADMSG;
	*ret = value;
	return 0;
}

int sriov_write(const char *path, const char *text)
{
	size_t size = strlen(text);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != (ssize_t)size)
		rc = errno != 0 ? -errno : -EIO;
	close(fd);
	return rc;
}

void sriov_link_name(const char *path, char *ret, size_t size)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	ret[0] = '\0';
	if (n <= 0)
		return;
	target[n] = '\0';
	slash = strrchr(target, '/');
	slash = slash != NULL ? slash + 1 : target;
	if (strlen(slash) < size)
		memcpy(ret, slash, strlen(slash) + 1);
}

bool sriov_exists(const char *path)
{
	return path[0] != '\0' && access(path, F_OK) == 0;
}

void sriov_first_in(const char *path, char *ret, size_t size)
{
	struct dirent *e;
	DIR *d = opendir(path);

	ret[0] = '\0';
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= size)
			continue;
		memcpy(ret, e->d_name, strlen(e->d_name) + 1);
		break;
	}
	if (d != NULL)
		closedir(d);
}
