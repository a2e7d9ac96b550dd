/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The blocking client.  While it sends it also reads: a daemon that has much to say to us takes no
 * call before we have taken some of it.  Notifications that come while an answer is awaited are
 * kept for ctl_client_next().
 */
#include "ctl/client.h"

#include "ctl/base/clock.h"
#include "ctl/jsonrpc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_SIZE   (64 * 1024)
#define MAX_MESSAGE (256u * 1024 * 1024) /* More than any daemon of ours sends. */

struct ctl_client {
	int fd;
	int timeout_ms;
	json_int_t id; /* Of the last call. */
	char *in;
	size_t size, scanned, capacity;
	json_t *notifications; /* Array, oldest first. */
};

/* Until when something may take; negative: for ever. */
struct deadline {
	int timeout_ms;
	uint64_t end_ns;
};

static struct deadline deadline_in(int timeout_ms)
{
	struct deadline deadline = {.timeout_ms = timeout_ms};

	if (timeout_ms > 0)
		deadline.end_ns = clock_mono_ns() + (uint64_t)timeout_ms * 1000000u;
	return deadline;
}

static int left_ms(const struct deadline *deadline)
{
	uint64_t now = clock_mono_ns();

	if (deadline->timeout_ms <= 0)
		return deadline->timeout_ms;
	return now >= deadline->end_ns ? 0 : (int)((deadline->end_ns - now + 999999) / 1000000);
}

static int gone(struct err *err)
{
	err_set(err, -ECONNRESET, "daemon-gone", "the daemon closed the connection");
	err_why(err, "it stopped or restarted; whether it did what was asked is not known");
	err_fix(err, "systemctl status vswitchd; vswitchctl config history shows what was changed");
	return -ECONNRESET;
}

static int timed_out(int timeout_ms, struct err *err)
{
	err_set(err, -ETIMEDOUT, "timeout", "no answer from the daemon within %d ms", timeout_ms);
	err_why(err, "it is busy or hangs; whether it did what was asked is not known");
	err_fix(err, "systemctl status vswitchd");
	return -ETIMEDOUT;
}

/* Opening */

static int unreachable(const char *path, int code, struct err *err)
{
	if (code == EACCES || code == EPERM) {
		err_set(err, -EACCES, "not-permitted", "you may not use the control socket %s",
			path);
		err_why(err, "only root and members of its group may");
		err_fix(err, "use sudo, or: sudo usermod -aG vswitch $USER, and log in again");
		return -EACCES;
	}
	if (code == EAGAIN) {
		err_set(err, -ETIMEDOUT, "timeout", "the daemon does not take connections on %s",
			path);
		err_why(err, "its queue of new clients stayed full");
		err_fix(err, "systemctl status vswitchd");
		return -ETIMEDOUT;
	}
	err_set(err, -code, "daemon-unreachable", "cannot reach the daemon at %s: %s", path,
		strerror(code));
	if (code == ENOENT || code == ECONNREFUSED) {
		err_why(err, "vswitchd is not running%s",
			code == ECONNREFUSED ? ", it left its socket behind" : "");
		err_fix(err, "systemctl start vswitchd");
	}
	return -code;
}

static int connect_to(const char *path, int timeout_ms, int *ret_fd, struct err *err)
{
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd;

	if (n >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "bad-path",
			       "socket path '%.64s..' is longer than %zu bytes", path,
			       sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return unreachable(path, errno, err);
	/* Bounds the wait for a place in the daemon's queue. */
	if (timeout_ms > 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
		int rc = unreachable(path, errno, err);

		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

int ctl_client_open(const char *path, int timeout_ms, struct ctl_client **ret_client,
		    struct err *err)
{
	struct ctl_client *client = calloc(1, sizeof(*client));
	int rc;

	if (client == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	client->fd = -1;
	client->timeout_ms = timeout_ms;
	client->notifications = json_array();
	rc = connect_to(path, timeout_ms, &client->fd, err);
	if (rc != 0) {
		ctl_client_close(client);
		return rc;
	}
	*ret_client = client;
	return 0;
}

void ctl_client_close(struct ctl_client *client)
{
	if (client == NULL)
		return;
	if (client->fd >= 0)
		close(client->fd);
	json_decref(client->notifications);
	free(client->in);
	free(client);
}

int ctl_client_fd(const struct ctl_client *client)
{
	return client->fd;
}

/* Reading */

static int reserve(struct ctl_client *client)
{
	size_t capacity = client->capacity != 0 ? client->capacity : READ_SIZE;
	char *in;

	while (capacity - client->size < READ_SIZE)
		capacity *= 2;
	if (capacity == client->capacity)
		return 0;
	in = capacity <= MAX_MESSAGE ? realloc(client->in, capacity) : NULL;
	if (in == NULL)
		return -ENOMEM;
	client->in = in;
	client->capacity = capacity;
	return 0;
}

/* Whatever is there.  0, or -ECONNRESET, -ENOMEM. */
static int read_some(struct ctl_client *client)
{
	ssize_t n;

	if (reserve(client) != 0)
		return -ENOMEM;
	n = recv(client->fd, client->in + client->size, client->capacity - client->size,
		 MSG_DONTWAIT);
	if (n > 0)
		client->size += (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		return -ECONNRESET;
	return 0;
}

/* The next message that is here, or NULL.  Its text is a daemon's, so its size and depth are not
 * our worry. */
static json_t *next_message(struct ctl_client *client)
{
	char *newline = client->size > client->scanned ? memchr(client->in + client->scanned, '\n',
								client->size - client->scanned)
						       : NULL;
	json_t *message;
	size_t n;

	if (newline == NULL) {
		client->scanned = client->size;
		return NULL;
	}
	n = (size_t)(newline - client->in);
	message = json_loadb(client->in, n, 0, NULL);
	client->size -= n + 1;
	memmove(client->in, newline + 1, client->size);
	client->scanned = 0;
	/* A line that is no JSON becomes one that is no answer: the caller says so. */
	return message != NULL ? message : json_object();
}

/* Waits for the next message. */
static int receive(struct ctl_client *client, const struct deadline *deadline, json_t **ret_message,
		   struct err *err)
{
	struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
	int n, rc;

	for (;;) {
		*ret_message = next_message(client);
		if (*ret_message != NULL)
			return 0;
		n = poll(&poll_fd, 1, left_ms(deadline));
		if (n == 0)
			return timed_out(deadline->timeout_ms, err);
		rc = n > 0 ? read_some(client) : 0;
		if (rc == -ENOMEM)
			return err_set(err, rc, "no-memory",
				       "out of memory for the daemon's answer");
		if (rc != 0)
			return gone(err);
	}
}

/* Calling */

static char *request_text(struct ctl_client *client, const char *method, const json_t *params,
			  const struct ctl_client_opts *opts, size_t *ret_size)
{
	json_t *options = json_object(), *request;
	char *text;

	if (opts != NULL && opts->check)
		json_object_set_new(options, "check", json_true());
	if (opts != NULL && opts->confirm_ms > 0)
		json_object_set_new(options, "confirm_ms",
				    json_integer((json_int_t)opts->confirm_ms));
	if (opts != NULL && opts->n_fds > 0)
		json_object_set_new(options, "fds", json_integer(opts->n_fds));
	request = json_pack("{s:s, s:I, s:s, s:O*, s:o}", "jsonrpc", "2.0", "id", ++client->id,
			    "method", method, "params", params, "vswitch", options);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text == NULL)
		return NULL;
	/* No text ends with NUL on the wire: its place takes the newline. */
	*ret_size = strlen(text) + 1;
	text[*ret_size - 1] = '\n';
	return text;
}

/* Sends some of the bytes; the descriptors go with the first. */
static ssize_t send_some(int fd, const char *bytes, size_t n, const struct ctl_client_opts *opts)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(JSONRPC_MAX_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (char *)(uintptr_t)bytes, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (opts != NULL && opts->n_fds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(opts->n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(opts->n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), opts->fds, opts->n_fds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A daemon that closed may have said why before: then reading finds it, so a broken pipe is no
 * error here. */
static int send_all(struct ctl_client *client, const char *bytes, size_t size,
		    const struct ctl_client_opts *opts, const struct deadline *deadline,
		    struct err *err)
{
	struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN | POLLOUT};
	size_t sent = 0;

	while (sent < size) {
		ssize_t n =
			send_some(client->fd, bytes + sent, size - sent, sent == 0 ? opts : NULL);

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return err_set(err, -errno, "send-failed", "cannot send to the daemon: %s",
				       strerror(errno));
		if (poll(&poll_fd, 1, left_ms(deadline)) == 0)
			return timed_out(deadline->timeout_ms, err);
		if ((poll_fd.revents & POLLIN) && read_some(client) != 0)
			return 0;
	}
	return 0;
}

/* 1: 'message' is the answer; 0: it is something else and was dealt with. */
static int is_answer(struct ctl_client *client, json_t *message)
{
	const json_t *id = json_object_get(message, "id");

	if (json_object_get(message, "method") != NULL) {
		json_array_append(client->notifications, message);
		return 0;
	}
	/* An error without an id is about the connection: the last thing the daemon says. */
	if (json_object_get(message, "error") != NULL && !json_is_integer(id))
		return 1;
	return json_is_integer(id) && json_integer_value(id) == client->id;
}

static int take_answer(const json_t *message, json_t **ret_result, struct err *err)
{
	const json_t *error = json_object_get(message, "error");

	if (error != NULL)
		return jsonrpc_error_read(error, err);
	if (ret_result != NULL)
		*ret_result = json_incref(json_object_get(message, "result"));
	return 0;
}

static int await_answer(struct ctl_client *client, const struct deadline *deadline,
			json_t **ret_result, struct err *err)
{
	json_t *message;
	int rc, done = 0;

	do {
		rc = receive(client, deadline, &message, err);
		if (rc != 0)
			return rc;
		done = is_answer(client, message);
		if (done)
			rc = take_answer(message, ret_result, err);
		json_decref(message);
	} while (!done);
	return rc;
}

int ctl_client_call(struct ctl_client *client, const char *method, const json_t *params,
		    const struct ctl_client_opts *opts, json_t **ret_result, struct err *err)
{
	struct deadline deadline = deadline_in(client->timeout_ms);
	size_t size = 0;
	char *text;
	int rc;

	if (opts != NULL && opts->n_fds > JSONRPC_MAX_FDS)
		return err_set(err, -EINVAL, "too-many-descriptors",
			       "at most %d descriptors go with a call", JSONRPC_MAX_FDS);
	text = request_text(client, method, params, opts, &size);
	if (text == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	rc = send_all(client, text, size, opts, &deadline, err);
	free(text);
	/* What follows half a message would be read as its rest. */
	if (rc != 0)
		shutdown(client->fd, SHUT_RDWR);
	return rc == 0 ? await_answer(client, &deadline, ret_result, err) : rc;
}

/* Streams */

/* The next notification, or an error about the connection; late answers to calls that timed out are
 * passed over. */
static int receive_notification(struct ctl_client *client, int timeout_ms, json_t **ret_message,
				struct err *err)
{
	struct deadline deadline = deadline_in(timeout_ms);
	int rc;

	for (;;) {
		rc = receive(client, &deadline, ret_message, err);
		if (rc != 0 || json_object_get(*ret_message, "method") != NULL)
			return rc;
		if (json_object_get(*ret_message, "error") != NULL &&
		    !json_is_integer(json_object_get(*ret_message, "id")))
			return 0;
		json_decref(*ret_message);
	}
}

int ctl_client_next(struct ctl_client *client, int timeout_ms, json_t **ret_notification,
		    struct err *err)
{
	json_t *message = json_incref(json_array_get(client->notifications, 0));
	const json_t *error;
	int rc = 0;

	if (message != NULL)
		json_array_remove(client->notifications, 0);
	else
		rc = receive_notification(client, timeout_ms, &message, err);
	if (rc != 0)
		return rc;
	error = json_object_get(message, "error");
	if (error != NULL)
		rc = jsonrpc_error_read(error, err);
	else if (json_is_true(json_object_get(json_object_get(message, "vswitch"), "end")))
		rc = err_set(err, -ENODATA, "stream-end", "the daemon ended the stream");
	if (rc == 0)
		*ret_notification = message;
	else
		json_decref(message);
	return rc;
}
