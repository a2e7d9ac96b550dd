/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The switch's end of the attach socket: who comes, and what he says (docs/attach.md).  One worker
 * at a time holds a NIC; what it says is checked here for its order, and by nic.c for its sense.
 * Whoever breaks the rules is sent away with the reason.
 */
#include "vmq/nic_priv.h"

#include "dataplane/watch.h"
#include "vmq/journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages of one turn, so that a worker that floods does not keep the control thread. */
#define MESSAGES_A_TURN 64

static void close_fds(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

void nic_detach(struct vmq_nic *nic, const char *fmt, ...)
{
	va_list ap;

	if (nic->at.fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(nic->reason, sizeof(nic->reason), fmt, ap);
	va_end(ap);
	dp_watch_remove(nic->port->dp, nic->at.watch);
	nic->at.watch = NULL;
	nic_let_go(nic);
	close(nic->at.fd);
	nic->at.fd = -1;
}

void nic_say(struct vmq_nic *nic, const struct vmbus_attach_msg *msg)
{
	int rc = nic->at.fd < 0 ? 0 : vmbus_attach_send(nic->at.fd, msg, NULL, 0);

	if (rc != 0)
		nic_detach(nic, "cannot answer %s: %s", nic->at.who,
			   rc == -EAGAIN ? "it does not read" : strerror(-rc));
}

static void refuse(struct vmq_nic *nic, int fd, int code, const char *text)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_REFUSED};

	nic->n_refused++;
	msg.refused.error = (uint32_t)-code;
	snprintf(msg.refused.text, sizeof(msg.refused.text), "%.127s", text);
	(void)vmbus_attach_send(fd, &msg, NULL, 0); /* It sees the socket close, at least. */
}

/* ---- Messages ---- */

static int welcome(struct vmq_nic *nic)
{
	int state_fd = vmq_journal_fd(nic->at.journal);
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_WELCOME};

	msg.welcome.version = nic->at.version;
	msg.welcome.flags = (nic->conf.monitored ? VMBUS_ATTACH_MONITORED : 0) |
			    (nic->at.resumed ? VMBUS_ATTACH_RESUMED : 0);
	vmbus_guid_of_name(nic->port->name, &msg.welcome.instance);
	memcpy(msg.welcome.mac, nic->port->mac.addr_bytes, sizeof(msg.welcome.mac));
	return vmbus_attach_send(nic->at.fd, &msg, &state_fd, 1);
}

static int on_hello(struct vmq_nic *nic, const struct vmbus_attach_msg *msg, const int *fds)
{
	bool has_state = (msg->hello.flags & VMBUS_ATTACH_HAS_STATE) != 0;
	struct err err = {0};
	int rc;

	memcpy(nic->at.who, msg->hello.who, sizeof(nic->at.who));
	nic->at.version = msg->hello.max_version < VMBUS_ATTACH_VERSION ? msg->hello.max_version
									: VMBUS_ATTACH_VERSION;
	if (nic->at.version < msg->hello.min_version || nic->at.version < VMBUS_ATTACH_MIN_VERSION)
		rc = err_set(&err, -EPROTONOSUPPORT, "attach-version",
			     "this switch speaks versions %u to %u of the attach protocol",
			     VMBUS_ATTACH_MIN_VERSION, VMBUS_ATTACH_VERSION);
	else
		rc = nic_memory(nic, msg, fds, &err);
	if (rc == 0)
		rc = nic_state(nic, has_state ? fds[msg->hello.n_memory] : -1, &err);
	close_fds(fds, vmbus_attach_n_fds(msg));
	if (rc != 0) {
		refuse(nic, nic->at.fd, rc, err.what);
		nic_detach(nic, "%.100s", err.what);
		return 0;
	}
	nic->at.greeted = true;
	nic->n_attached++;
	nic->n_resumed += nic->at.resumed;
	return welcome(nic);
}

static void answer_channel(struct vmq_nic *nic, enum vmbus_attach_type type, uint16_t relid,
			   uint32_t status)
{
	struct vmbus_attach_msg msg = {.type = type};

	msg.channel.relid = relid;
	msg.channel.status = status;
	nic_say(nic, &msg);
}

static int on_open(struct vmq_nic *nic, const struct vmbus_attach_msg *msg, const int *fds)
{
	uint32_t status = 0;
	int rc = nic_open(nic, msg, fds, &status);

	if (rc != 0 || status != 0)
		close_fds(fds, 2);
	if (rc == 0 && !msg->open.resumed)
		answer_channel(nic, VMBUS_ATTACH_OPENED, msg->open.relid, status);
	return rc;
}

static int on_teardown(struct vmq_nic *nic, const struct vmbus_attach_msg *msg)
{
	struct vmbus_attach_msg answer = {.type = VMBUS_ATTACH_GPADL_RELEASED};
	int rc = nic_gpadl_remove(nic, msg->gpadl_ref.relid, msg->gpadl_ref.id);

	answer.gpadl_ref = msg->gpadl_ref;
	if (rc == 0)
		nic_say(nic, &answer);
	return rc;
}

static int on_close(struct vmq_nic *nic, const struct vmbus_attach_msg *msg)
{
	nic_close(nic, msg->channel.relid);
	answer_channel(nic, VMBUS_ATTACH_CLOSED, msg->channel.relid, 0);
	return 0;
}

static int on_monitor(struct vmq_nic *nic, const struct vmbus_attach_msg *msg)
{
	nic->at.parent_to_child = msg->monitor.parent_to_child;
	nic->at.child_to_parent = msg->monitor.child_to_parent;
	return 0;
}

static int on_event(struct vmq_nic *nic, const struct vmbus_attach_msg *msg, const int *fds)
{
	if (nic->at.version >= VMBUS_ATTACH_EVENT_VERSION)
		return nic_event(nic, msg, fds[0]);
	close_fds(fds, vmbus_attach_n_fds(msg));
	return -EBADMSG;
}

static int on_ready(struct vmq_nic *nic)
{
	if (nic->at.ready)
		return -EBADMSG;
	nic->at.ready = true;
	nic_ready(nic);
	return 0;
}

/* Negative: the connection ends. */
static int on_message(struct vmq_nic *nic, const struct vmbus_attach_msg *msg, const int *fds)
{
	if (nic->at.greeted == (msg->type == VMBUS_ATTACH_HELLO)) {
		close_fds(fds, vmbus_attach_n_fds(msg));
		return -EBADMSG;
	}
	switch (msg->type) {
	case VMBUS_ATTACH_HELLO:
		return on_hello(nic, msg, fds);
	case VMBUS_ATTACH_MONITOR:
		return on_monitor(nic, msg);
	case VMBUS_ATTACH_GPADL:
		return nic_gpadl_add(nic, msg);
	case VMBUS_ATTACH_GPADL_TEARDOWN:
		return on_teardown(nic, msg);
	case VMBUS_ATTACH_OPEN:
		return on_open(nic, msg, fds);
	case VMBUS_ATTACH_CLOSE:
		return on_close(nic, msg);
	case VMBUS_ATTACH_READY:
		return on_ready(nic);
	case VMBUS_ATTACH_RETARGETED:
		nic_retargeted(nic, msg->channel.relid);
		return 0;
	case VMBUS_ATTACH_EVENT:
		return on_event(nic, msg, fds);
	case VMBUS_ATTACH_WELCOME:
	case VMBUS_ATTACH_REFUSED:
	case VMBUS_ATTACH_GPADL_RELEASED:
	case VMBUS_ATTACH_OPENED:
	case VMBUS_ATTACH_CLOSED:
	case VMBUS_ATTACH_OFFER_SUBCHANNELS:
	case VMBUS_ATTACH_REMOVED:
	case VMBUS_ATTACH_N_TYPES:
		break; /* vmbus_attach_recv() lets none of these through. */
	}
	return -EBADMSG;
}

void nic_attach_read(void *arg)
{
	struct vmq_nic *nic = arg;

	for (unsigned i = 0; i < MESSAGES_A_TURN && nic->at.fd >= 0; i++) {
		int fds[VMBUS_ATTACH_MAX_FDS], rc;
		struct vmbus_attach_msg msg;

		rc = vmbus_attach_recv(nic->at.fd, true, nic->buf, &msg, fds);
		if (rc == -EAGAIN)
			return;
		if (rc == 0)
			rc = on_message(nic, &msg, fds);
		if (rc == 0)
			continue;
		if (rc == -EPIPE || rc == -ECONNRESET)
			nic_detach(nic, "%s is gone",
				   nic->at.who[0] != '\0' ? nic->at.who : "who had connected");
		else
			nic_detach(nic, "%.100s sent what it must not: %s", nic->at.who,
				   strerror(-rc));
	}
}

/* ---- The socket ---- */

static void on_connect(void *arg)
{
	struct vmq_nic *nic = arg;
	int fd = accept4(nic->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	/* A worker that was killed may be followed before its end was read. */
	if (nic->at.fd >= 0)
		nic_attach_read(nic);
	if (nic->at.fd >= 0) {
		char text[VMBUS_ATTACH_TEXT_SIZE];

		snprintf(text, sizeof(text), "the NIC is attached by %.90s", nic->at.who);
		refuse(nic, fd, -EBUSY, text);
		close(fd);
		return;
	}
	nic->at = (struct nic_attachment){.fd = fd};
	LIST_INIT(&nic->at.gpadls);
	nic->at.watch = dp_watch_add(nic->port->dp, fd, nic_attach_read, nic);
	if (nic->at.watch == NULL)
		nic_detach(nic, "no memory for a connection");
}

int nic_attach_listen(struct vmq_nic *nic, const char *path, gid_t group, struct err *err)
{
	int rc = unix_socket_listen(path, SOCK_SEQPACKET, group, &nic->socket, err);

	if (rc != 0)
		return rc;
	nic->listen_watch = dp_watch_add(nic->port->dp, nic->socket.fd, on_connect, nic);
	if (nic->listen_watch != NULL)
		return 0;
	unix_socket_remove(&nic->socket);
	close(nic->socket.fd);
	nic->socket.fd = -1;
	return err_set(err, -ENOMEM, "no-memory", "no memory to wait for connections on %s", path);
}

void nic_attach_close(struct vmq_nic *nic)
{
	nic_detach(nic, "the port was closed");
	if (nic->socket.fd < 0)
		return;
	dp_watch_remove(nic->port->dp, nic->listen_watch);
	unix_socket_remove(&nic->socket);
	close(nic->socket.fd);
	nic->socket.fd = -1;
}
