/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The frame of an integration service's message; see ic.h.
 */
#include <errno.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "vmbus/ic.h"

#define PIPE_HEADER 8u
#define PIPE_DATA   1u /* kind of a pipe's message */
#define IC_HEADER   (IC_HEADER_SIZE - PIPE_HEADER)

static void put_version(struct wr *wr, struct ic_version v)
{
	wr_le16(wr, v.major);
	wr_le16(wr, v.minor);
}

static struct ic_version get_version(struct rd *rd)
{
	struct ic_version v;

	v.major = rd_le16(rd);
	v.minor = rd_le16(rd);
	return v;
}

size_t ic_write(void *to, const struct ic_message *m)
{
	struct wr wr = wr_over(to, IC_HEADER_SIZE + m->data_size);

	wr_le32(&wr, PIPE_DATA);
	wr_le32(&wr, IC_HEADER + m->data_size);
	put_version(&wr, m->framework);
	wr_le16(&wr, m->type);
	put_version(&wr, m->version);
	wr_le16(&wr, m->data_size);
	wr_le32(&wr, m->status);
	wr_u8(&wr, m->transaction);
	wr_u8(&wr, m->flags);
	wr_le16(&wr, 0);
	if (m->data_size > 0)
		wr_bytes(&wr, m->data, m->data_size);
	return wr.size;
}

int ic_read(const void *bytes, size_t size, struct ic_message *ret_m)
{
	struct rd rd = rd_init(bytes, size);
	struct ic_message m;
	uint32_t pipe_type = rd_le32(&rd), pipe_size = rd_le32(&rd);

	m.framework = get_version(&rd);
	m.type = rd_le16(&rd);
	m.version = get_version(&rd);
	m.data_size = rd_le16(&rd);
	m.status = rd_le32(&rd);
	m.transaction = rd_u8(&rd);
	m.flags = rd_u8(&rd);
	rd_skip(&rd, 2);
	if (!rd_ok(&rd) || pipe_type != PIPE_DATA || pipe_size < IC_HEADER ||
	    pipe_size > size - PIPE_HEADER || m.data_size > pipe_size - IC_HEADER)
		return -EBADMSG;
	m.data = rd_bytes(&rd, m.data_size);
	*ret_m = m;
	return 0;
}

size_t ic_write_versions(void *to, const struct ic_version *frameworks, unsigned n_frameworks,
			 const struct ic_version *versions, unsigned n_versions)
{
	struct wr wr = wr_over(to, IC_NEGOTIATE_MAX);

	wr_le16(&wr, (uint16_t)n_frameworks);
	wr_le16(&wr, (uint16_t)n_versions);
	wr_le32(&wr, 0);
	for (unsigned i = 0; i < n_frameworks; i++)
		put_version(&wr, frameworks[i]);
	for (unsigned i = 0; i < n_versions; i++)
		put_version(&wr, versions[i]);
	return wr.size;
}

int ic_read_choice(const void *data, size_t size, struct ic_version *ret_framework,
		   struct ic_version *ret_version)
{
	struct rd rd = rd_init(data, size);
	uint16_t n_frameworks = rd_le16(&rd), n_versions = rd_le16(&rd);
	struct ic_version framework, version;

	rd_skip(&rd, 4);
	if (rd_ok(&rd) && n_frameworks == 0 && n_versions == 0)
		return -EPROTONOSUPPORT;
	framework = get_version(&rd);
	version = get_version(&rd);
	if (!rd_ok(&rd) || n_frameworks != 1 || n_versions != 1)
		return -EBADMSG;
	*ret_framework = framework;
	*ret_version = version;
	return 0;
}
