/* SPDX-License-Identifier: BSD-2-Clause
 *
 * In a guest: the other end of streams of AF_VSOCK.
 *
 * 	vsock_peer listen PORT N     sends back what comes, of N streams, one after another
 * 	vsock_peer connect CID PORT  standard input goes there, what comes back to standard output
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static int complain(const char *what)
{
	perror(what);
	return EXIT_FAILURE;
}

static int put(int fd, const char *bytes, ssize_t size)
{
	for (ssize_t n; size > 0; bytes += n, size -= n) {
		n = write(fd, bytes, (size_t)size);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static int echo(int fd)
{
	char bytes[8192];
	long total = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		if (put(fd, bytes, n) != 0)
			return complain("write");
		total += n;
	}
	printf("echoed %ld\n", total);
	fflush(stdout);
	close(fd);
	return n < 0 ? complain("read") : 0;
}

static int serve(int sock, unsigned port, unsigned n_streams)
{
	const struct sockaddr_vm here = {.svm_family = AF_VSOCK,
					 .svm_cid = VMADDR_CID_ANY,
					 .svm_port = port};

	if (bind(sock, (const struct sockaddr *)&here, sizeof(here)) != 0 || listen(sock, 8) != 0)
		return complain("listen");
	printf("listening\n");
	fflush(stdout);
	for (unsigned i = 0; i < n_streams; i++) {
		int fd = accept(sock, NULL, NULL);

		if (fd < 0)
			return complain("accept");
		if (echo(fd) != 0)
			return EXIT_FAILURE;
	}
	return 0;
}

static int talk(int sock, unsigned cid, unsigned port)
{
	const struct sockaddr_vm there = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.fd = sock, .events = POLLIN}};
	char bytes[8192];

	if (connect(sock, (const struct sockaddr *)&there, sizeof(there)) != 0)
		return complain("connect");
	while (poll(fds, 2, -1) > 0) {
		ssize_t n;

		if (fds[1].revents != 0) {
			n = read(sock, bytes, sizeof(bytes));
			if (n <= 0)
				return n < 0 ? complain("read") : 0;
			if (put(1, bytes, n) != 0)
				return complain("write");
		}
		if (fds[0].revents != 0) {
			n = read(0, bytes, sizeof(bytes));
			if (n > 0 && put(sock, bytes, n) != 0)
				return complain("send");
			if (n <= 0) {
				fds[0].fd = -1;
				shutdown(sock, SHUT_WR);
			}
		}
	}
	return complain("poll");
}

int main(int argc, char **argv)
{
	int sock = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (argc != 4)
		return EXIT_FAILURE;
	if (sock < 0)
		return complain("socket");
	if (strcmp(argv[1], "listen") == 0)
		return serve(sock, (unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]));
	return talk(sock, (unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]));
}
