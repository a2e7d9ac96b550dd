/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any packets on a worker's control socket: each is answered or ends its client, never the worker,
 * and no descriptor stays.  The input is packets, each behind two bytes of size, little endian; the
 * highest bit: with a descriptor.
 */
#include "tests/fuzz/fuzz.h"

#include "hv/worker/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void call_echo(void *ctx, struct control_call *call)
{
	json_t *packet = json_deep_copy(control_params(call));

	control_reply(call, json_pack("{so}", "packet", packet));
}

static void call_take(void *ctx, struct control_call *call)
{
	int fd = control_take_fd(call, 0);

	require(fd >= 0 && control_take_fd(call, 0) == -1);
	close(fd);
	control_reply(call, NULL);
}

static const struct control_method methods[] = {
	{.name = "e", .call = call_echo},
	{.name = "f", .n_fds = 1, .call = call_take},
	{.name = NULL},
};

static void send_one(int fd, const uint8_t *bytes, size_t size, bool with_fd)
{
	char space[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (with_fd) {
		msg.msg_control = space;
		msg.msg_controllen = sizeof(space);
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof(int));
	}
	(void)!sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void talk(struct event_base *base, int fd, const uint8_t *data, size_t size)
{
	char answer[65536];

	while (size >= 2) {
		size_t n = (size_t)data[0] | (size_t)(data[1] & 0x7f) << 8;

		if (n > size - 2)
			n = size - 2;
		send_one(fd, data + 2, n, (data[1] & 0x80) != 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
		while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
			continue;
		data += 2 + n;
		size -= 2 + n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	socklen_t addr_size = sizeof(addr.sun_family);
	struct control_opts opts = {.base = event_base_new(), .uid = getuid(), .methods = methods};
	struct control *control;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	/* A name without a file, which the kernel chooses. */
	opts.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	require(bind(opts.listen_fd, (struct sockaddr *)&addr, addr_size) == 0);
	addr_size = sizeof(addr);
	require(getsockname(opts.listen_fd, (struct sockaddr *)&addr, &addr_size) == 0);
	require(listen(opts.listen_fd, 1) == 0);
	require(control_create(&opts, &control, NULL) == 0);
	require(connect(fd, (struct sockaddr *)&addr, addr_size) == 0);
	event_base_loop(opts.base, EVLOOP_NONBLOCK);
	talk(opts.base, fd, data, size);
	close(fd);
	event_base_loop(opts.base, EVLOOP_NONBLOCK);
	control_destroy(control);
	event_base_free(opts.base);
	/* What came with packets is gone, or the descriptors would run out soon. */
	fd = dup(0);
	require(fd < 64);
	close(fd);
	return 0;
}
