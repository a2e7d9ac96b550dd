/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket of memif and one message on it, with the file that goes with it. memif_priv.h.
 */
#include "dataplane/memif_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_UNREAD 300 /* more than a whole handshake */

socklen_t memif_address(const char *name, struct sockaddr_un *ret)
{
	size_t n = strlen(name);

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path, name, n);
	if (name[0] != '@')
		return sizeof(*ret);
	ret->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

int memif_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int memif_send(int fd, const struct memif_msg *msg, int pass_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (pass_fd >= 0) {
		struct cmsghdr *cmsg;

		mh.msg_control = control.bytes;
		mh.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass_fd, sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(*msg) ? 0 : -EPIPE;
}

int memif_send_type(int fd, enum memif_type type)
{
	struct memif_msg msg = {.type = (uint16_t)type};

	return memif_send(fd, &msg, -1);
}

/* 1: a message, *ret_fd its file or -1.  0: none now.  Negative: the connection is over. */
int memif_receive(int fd, struct memif_msg *ret, int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_fd = -1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c)) {
		size_t n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n_fds; i++) { /* One is meant; more are none of ours. */
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*ret_fd < 0)
				*ret_fd = got;
			else
				close(got);
		}
	}
	if (n == sizeof(*ret))
		return 1;
	if (*ret_fd >= 0)
		close(*ret_fd);
	return n == 0 ? -ECONNRESET : -EBADMSG;
}

void memif_send_end(int fd, const char *why)
{
	struct memif_msg msg = {.type = MEMIF_DISCONNECT};
	int passed;

	snprintf(msg.disconnect.text, sizeof(msg.disconnect.text), "%s", why);
	memif_send(fd, &msg, -1);
	/* What is unread when the socket is closed would reset it, and the peer not hear why. */
	for (unsigned i = 0; i < MAX_UNREAD && memif_receive(fd, &msg, &passed) == 1; i++)
		if (passed >= 0)
			close(passed);
}

/* What a peer calls itself: printable, and ended. */
void memif_copy_name(char *to, size_t size, const char *from, size_t max)
{
	size_t n = strnlen(from, max < size ? max : size - 1);

	for (size_t i = 0; i < n; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[n] = '\0';
}
