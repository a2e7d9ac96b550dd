/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Readiness for the service manager; see notify.h.
 */
#include "vswitch/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int vs_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t size = path != NULL ? strlen(path) : 0;
	socklen_t addr_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
	ssize_t sent;
	int fd;

	if (size == 0)
		return 0;
	if ((path[0] != '/' && path[0] != '@') || size >= sizeof(addr.sun_path))
		return -EINVAL;
	memcpy(addr.sun_path, path, size);
	if (path[0] == '@') /* A name in the abstract namespace. */
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr, addr_size);
	if (sent < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	close(fd);
	return 1;
}
