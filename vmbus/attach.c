/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See attach.h.  All numbers are little endian; a message starts with its type and its size.
 */
#include "vmbus/attach.h"
#include "ctl/base/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_SIZE 8

static bool sent_by_worker(uint32_t type)
{
	switch (type) {
	case VMBUS_ATTACH_HELLO:
	case VMBUS_ATTACH_MONITOR:
	case VMBUS_ATTACH_GPADL:
	case VMBUS_ATTACH_GPADL_TEARDOWN:
	case VMBUS_ATTACH_OPEN:
	case VMBUS_ATTACH_CLOSE:
	case VMBUS_ATTACH_READY:
	case VMBUS_ATTACH_RETARGETED:
	case VMBUS_ATTACH_EVENT:
		return true;
	default:
		return false;
	}
}

static void read_text(struct rd *rd, char text[VMBUS_ATTACH_TEXT_SIZE])
{
	rd_copy(rd, text, VMBUS_ATTACH_TEXT_SIZE);
	text[VMBUS_ATTACH_TEXT_SIZE - 1] = '\0';
	/* It ends up before people's eyes. */
	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void read_hello(struct rd *rd, struct vmbus_attach_msg *msg)
{
	msg->hello.min_version = rd_le32(rd);
	msg->hello.max_version = rd_le32(rd);
	msg->hello.flags = rd_le32(rd);
	msg->hello.n_memory = rd_le32(rd);
	read_text(rd, msg->hello.who);
	if (msg->hello.n_memory == 0 || msg->hello.n_memory > VMBUS_ATTACH_MAX_MEMORY)
		rd->bad = true;
	for (uint32_t i = 0; !rd->bad && i < msg->hello.n_memory; i++)
		msg->hello.memory[i] = (struct vmbus_attach_memory){.gpa = rd_le64(rd),
								    .size = rd_le64(rd),
								    .offset = rd_le64(rd)};
}

static void read_gpadl(struct rd *rd, struct vmbus_attach_msg *msg)
{
	msg->gpadl.id = rd_le32(rd);
	msg->gpadl.byte_count = rd_le32(rd);
	msg->gpadl.byte_offset = rd_le32(rd);
	msg->gpadl.n_pfns = rd_le32(rd);
	msg->gpadl.relid = rd_le16(rd);
	rd_skip(rd, 6);
	if (msg->gpadl.n_pfns == 0 || msg->gpadl.n_pfns > VMBUS_GPADL_MAX_PFNS)
		rd->bad = true;
	msg->gpadl.pfns = rd_bytes(rd, rd->bad ? 0 : 8ul * msg->gpadl.n_pfns);
}

static void read_open(struct rd *rd, struct vmbus_attach_msg *msg)
{
	msg->open.relid = rd_le16(rd);
	msg->open.sub_index = rd_le16(rd);
	msg->open.ring_gpadl = rd_le32(rd);
	msg->open.ring_offset = rd_le32(rd);
	msg->open.monitor_id = rd_u8(rd);
	msg->open.resumed = rd_u8(rd) != 0;
	rd_skip(rd, 2);
}

static void read_body(struct rd *rd, struct vmbus_attach_msg *msg)
{
	switch (msg->type) {
	case VMBUS_ATTACH_HELLO:
		read_hello(rd, msg);
		break;
	case VMBUS_ATTACH_WELCOME:
		msg->welcome.version = rd_le32(rd);
		msg->welcome.flags = rd_le32(rd);
		rd_copy(rd, msg->welcome.instance.bytes, sizeof(msg->welcome.instance.bytes));
		if (msg->welcome.version < VMBUS_ATTACH_EVENT_VERSION)
			break;
		rd_copy(rd, msg->welcome.mac, sizeof(msg->welcome.mac));
		rd_skip(rd, 2);
		break;
	case VMBUS_ATTACH_REFUSED:
		msg->refused.error = rd_le32(rd);
		read_text(rd, msg->refused.text);
		break;
	case VMBUS_ATTACH_MONITOR:
		msg->monitor.parent_to_child = rd_le64(rd);
		msg->monitor.child_to_parent = rd_le64(rd);
		break;
	case VMBUS_ATTACH_GPADL:
		read_gpadl(rd, msg);
		break;
	case VMBUS_ATTACH_GPADL_TEARDOWN:
	case VMBUS_ATTACH_GPADL_RELEASED:
		msg->gpadl_ref.id = rd_le32(rd);
		msg->gpadl_ref.relid = rd_le16(rd);
		rd_skip(rd, 2);
		break;
	case VMBUS_ATTACH_OPEN:
		read_open(rd, msg);
		break;
	case VMBUS_ATTACH_OPENED:
	case VMBUS_ATTACH_CLOSE:
	case VMBUS_ATTACH_CLOSED:
	case VMBUS_ATTACH_RETARGETED:
		msg->channel.relid = rd_le16(rd);
		rd_skip(rd, 2);
		msg->channel.status = rd_le32(rd);
		break;
	case VMBUS_ATTACH_EVENT:
		msg->event.relid = rd_le16(rd);
		msg->event.bit = rd_le16(rd);
		rd_skip(rd, 4);
		msg->event.gpa = rd_le64(rd);
		break;
	case VMBUS_ATTACH_OFFER_SUBCHANNELS:
		msg->subchannels.n = rd_le32(rd);
		break;
	case VMBUS_ATTACH_REMOVED:
		msg->removed.again = rd_le32(rd) != 0;
		break;
	case VMBUS_ATTACH_READY:
	case VMBUS_ATTACH_N_TYPES:
		break;
	}
}

int vmbus_attach_read(const void *bytes, size_t size, bool from_worker,
		      struct vmbus_attach_msg *ret_msg)
{
	struct rd rd = rd_init(bytes, size);
	uint32_t type = rd_le32(&rd), said = rd_le32(&rd);
	struct vmbus_attach_msg msg = {0};

	if (!rd_ok(&rd) || said != size)
		return -EBADMSG;
	if (type < VMBUS_ATTACH_HELLO || type >= VMBUS_ATTACH_N_TYPES ||
	    sent_by_worker(type) != from_worker)
		return -EOPNOTSUPP;
	msg.type = (enum vmbus_attach_type)type;
	read_body(&rd, &msg);
	if (!rd_ok(&rd) || rd.left != 0)
		return -EBADMSG;
	*ret_msg = msg;
	return 0;
}

unsigned vmbus_attach_n_fds(const struct vmbus_attach_msg *msg)
{
	if (msg->type == VMBUS_ATTACH_HELLO)
		return msg->hello.n_memory +
		       ((msg->hello.flags & VMBUS_ATTACH_HAS_STATE) != 0 ? 1 : 0);
	if (msg->type == VMBUS_ATTACH_OPEN)
		return 2;
	if (msg->type == VMBUS_ATTACH_EVENT)
		return msg->event.gpa != 0;
	return msg->type == VMBUS_ATTACH_WELCOME ? 1 : 0;
}

static void write_hello(struct wr *wr, const struct vmbus_attach_msg *msg)
{
	wr_le32(wr, msg->hello.min_version);
	wr_le32(wr, msg->hello.max_version);
	wr_le32(wr, msg->hello.flags);
	wr_le32(wr, msg->hello.n_memory);
	wr_bytes(wr, msg->hello.who, sizeof(msg->hello.who));
	for (uint32_t i = 0; i < msg->hello.n_memory; i++) {
		wr_le64(wr, msg->hello.memory[i].gpa);
		wr_le64(wr, msg->hello.memory[i].size);
		wr_le64(wr, msg->hello.memory[i].offset);
	}
}

static void write_gpadl(struct wr *wr, const struct vmbus_attach_msg *msg)
{
	wr_le32(wr, msg->gpadl.id);
	wr_le32(wr, msg->gpadl.byte_count);
	wr_le32(wr, msg->gpadl.byte_offset);
	wr_le32(wr, msg->gpadl.n_pfns);
	wr_le16(wr, msg->gpadl.relid);
	wr_zeros(wr, 6);
	wr_bytes(wr, msg->gpadl.pfns, 8ul * msg->gpadl.n_pfns);
}

static void write_open(struct wr *wr, const struct vmbus_attach_msg *msg)
{
	wr_le16(wr, msg->open.relid);
	wr_le16(wr, msg->open.sub_index);
	wr_le32(wr, msg->open.ring_gpadl);
	wr_le32(wr, msg->open.ring_offset);
	wr_u8(wr, msg->open.monitor_id);
	wr_u8(wr, msg->open.resumed);
	wr_zeros(wr, 2);
}

static void write_body(struct wr *wr, const struct vmbus_attach_msg *msg)
{
	switch (msg->type) {
	case VMBUS_ATTACH_HELLO:
		write_hello(wr, msg);
		break;
	case VMBUS_ATTACH_WELCOME:
		wr_le32(wr, msg->welcome.version);
		wr_le32(wr, msg->welcome.flags);
		wr_bytes(wr, msg->welcome.instance.bytes, sizeof(msg->welcome.instance.bytes));
		if (msg->welcome.version < VMBUS_ATTACH_EVENT_VERSION)
			break;
		wr_bytes(wr, msg->welcome.mac, sizeof(msg->welcome.mac));
		wr_zeros(wr, 2);
		break;
	case VMBUS_ATTACH_REFUSED:
		wr_le32(wr, msg->refused.error);
		wr_bytes(wr, msg->refused.text, sizeof(msg->refused.text));
		break;
	case VMBUS_ATTACH_MONITOR:
		wr_le64(wr, msg->monitor.parent_to_child);
		wr_le64(wr, msg->monitor.child_to_parent);
		break;
	case VMBUS_ATTACH_GPADL:
		write_gpadl(wr, msg);
		break;
	case VMBUS_ATTACH_GPADL_TEARDOWN:
	case VMBUS_ATTACH_GPADL_RELEASED:
		wr_le32(wr, msg->gpadl_ref.id);
		wr_le16(wr, msg->gpadl_ref.relid);
		wr_zeros(wr, 2);
		break;
	case VMBUS_ATTACH_OPEN:
		write_open(wr, msg);
		break;
	case VMBUS_ATTACH_OPENED:
	case VMBUS_ATTACH_CLOSE:
	case VMBUS_ATTACH_CLOSED:
	case VMBUS_ATTACH_RETARGETED:
		wr_le16(wr, msg->channel.relid);
		wr_zeros(wr, 2);
		wr_le32(wr, msg->channel.status);
		break;
	case VMBUS_ATTACH_EVENT:
		wr_le16(wr, msg->event.relid);
		wr_le16(wr, msg->event.bit);
		wr_zeros(wr, 4);
		wr_le64(wr, msg->event.gpa);
		break;
	case VMBUS_ATTACH_OFFER_SUBCHANNELS:
		wr_le32(wr, msg->subchannels.n);
		break;
	case VMBUS_ATTACH_REMOVED:
		wr_le32(wr, msg->removed.again);
		break;
	case VMBUS_ATTACH_READY:
	case VMBUS_ATTACH_N_TYPES:
		break;
	}
}

size_t vmbus_attach_write(const struct vmbus_attach_msg *msg, void *to)
{
	struct wr wr = wr_over(to, VMBUS_ATTACH_MAX_SIZE);

	wr_le32(&wr, msg->type);
	wr_le32(&wr, 0);
	write_body(&wr, msg);
	if (!wr_ok(&wr))
		return 0;
	wr_set_be32(&wr, 4, __builtin_bswap32((uint32_t)wr.size));
	return wr.size;
}

int vmbus_attach_send(int fd, const struct vmbus_attach_msg *msg, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(VMBUS_ATTACH_MAX_FDS * sizeof(int))];
	} control = {0};
	uint8_t *bytes = malloc(VMBUS_ATTACH_MAX_SIZE);
	struct iovec iov = {.iov_base = bytes};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (bytes == NULL)
		return -ENOMEM;
	iov.iov_len = vmbus_attach_write(msg, bytes);
	if (n_fds != 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.hdr = (struct cmsghdr){.cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
					       .cmsg_level = SOL_SOCKET,
					       .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.hdr), fds, n_fds * sizeof(int));
	}
	n = iov.iov_len == 0 ? -1 : sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(bytes);
	if (n >= 0)
		return 0;
	if (iov.iov_len == 0)
		return -ENOMEM;
	return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -errno;
}

/* All descriptors that came with a message; those beyond VMBUS_ATTACH_MAX_FDS the kernel closed,
 * and said so by MSG_CTRUNC. */
static unsigned take_fds(struct msghdr *mh, int *ret_fds)
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(ret_fds + n, CMSG_DATA(c), size);
		n += (unsigned)(size / sizeof(int));
	}
	return n;
}

int vmbus_attach_recv(int fd, bool from_worker, void *buf, struct vmbus_attach_msg *ret_msg,
		      int *ret_fds)
{
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(VMBUS_ATTACH_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = VMBUS_ATTACH_MAX_SIZE};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    /* Not CMSG_SPACE: in its padding there is room for one more. */
			    .msg_controllen = CMSG_LEN(VMBUS_ATTACH_MAX_FDS * sizeof(int))};
	ssize_t n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	unsigned n_fds;
	int rc;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	n_fds = take_fds(&mh, ret_fds);
	if (n == 0 && n_fds == 0)
		return -EPIPE;
	rc = (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
		     ? -EBADMSG
		     : vmbus_attach_read(buf, (size_t)n, from_worker, ret_msg);
	if (rc == 0 && n_fds != vmbus_attach_n_fds(ret_msg))
		rc = -EBADMSG;
	for (unsigned i = 0; rc != 0 && i < n_fds; i++)
		close(ret_fds[i]);
	return rc == 0 ? 0 : -EBADMSG;
}
