/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See oid.h.
 */
#include "vmbus/oid.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "ctl/base/wire.h"

#define ENCAP_802_3    2u
#define MAC_NAME       "NetworkAddress"
#define MAC_NAME_SIZE  (2 * (sizeof(MAC_NAME) - 1))
#define MAC_VALUE_SIZE 24u
#define MAC_HEAD_SIZE  20u
#define TYPE_STRING    2u

int oid_header_read(const void *bytes, size_t size, struct oid_header *ret_header)
{
	struct rd rd = rd_init(bytes, size);
	struct oid_header h = {.type = rd_u8(&rd)};

	h.revision = rd_u8(&rd);
	h.size = rd_le16(&rd);
	if (!rd_ok(&rd))
		return -EBADMSG;
	*ret_header = h;
	return 0;
}

static void put_header(struct wr *wr, uint8_t type, uint8_t revision, uint16_t size)
{
	wr_u8(wr, type);
	wr_u8(wr, revision);
	wr_le16(wr, size);
}

size_t oid_header_write(const struct oid_header *header, void *to)
{
	struct wr wr = wr_over(to, OID_HEADER_SIZE);

	put_header(&wr, header->type, header->revision, header->size);
	return wr.size;
}

/* A reader of an object of that type with at least 'least' bytes, behind its header; bad if it is
 * none. */
static struct rd object(const void *bytes, size_t size, uint8_t type, uint16_t least,
			struct oid_header *ret_header)
{
	struct rd rd = rd_init(bytes, size);

	*ret_header = (struct oid_header){0};
	if (oid_header_read(bytes, size, ret_header) < 0 || ret_header->type != type ||
	    ret_header->revision == 0 || ret_header->size < least || ret_header->size > size) {
		rd = rd_init(NULL, 0);
		rd.bad = true;
		return rd;
	}
	rd = rd_init(bytes, ret_header->size);
	rd_skip(&rd, OID_HEADER_SIZE);
	return rd;
}

static uint16_t offload_size(uint8_t revision)
{
	if (revision <= 1)
		return OID_OFFLOAD_SIZE_1;
	return revision == 2 ? OID_OFFLOAD_SIZE_2 : OID_OFFLOAD_SIZE_3;
}

int oid_offload_read(const void *bytes, size_t size, struct oid_offload *ret_offload)
{
	struct oid_header h;
	struct rd rd = object(bytes, size, OID_TYPE_OFFLOAD, OID_OFFLOAD_SIZE_1, &h);
	struct oid_offload o = {.revision = h.revision};

	rd_skip(&rd, 4);
	o.tx_csum4 = rd_le32(&rd);
	rd_skip(&rd, 4);
	o.rx_csum4 = rd_le32(&rd);
	rd_skip(&rd, 4);
	o.tx_csum6 = rd_le32(&rd);
	rd_skip(&rd, 4);
	o.rx_csum6 = rd_le32(&rd);
	rd_skip(&rd, 16 + 28 + 4); /* LSO v1, IPsec v1 */
	o.lso4_max = rd_le32(&rd);
	o.lso4_min_segments = rd_le32(&rd);
	rd_skip(&rd, 4);
	o.lso6_max = rd_le32(&rd);
	o.lso6_min_segments = rd_le32(&rd);
	o.lso6_options = rd_le32(&rd);
	rd_skip(&rd, 4); /* flags */
	if (!rd_ok(&rd))
		return -EBADMSG;
	if (h.revision >= 3 && h.size >= OID_OFFLOAD_SIZE_3) {
		rd_skip(&rd, 32); /* IPsec v2 */
		o.rsc4 = rd_u8(&rd) == 1;
		o.rsc6 = rd_u8(&rd) == 1;
	}
	*ret_offload = o;
	return 0;
}

static void put_two(struct wr *wr, uint32_t first, uint32_t second)
{
	wr_le32(wr, first);
	wr_le32(wr, second);
}

static uint32_t encap(uint32_t any)
{
	return any == 0 ? 0 : ENCAP_802_3;
}

static void put_csums(struct wr *wr, const struct oid_offload *o)
{
	put_two(wr, encap(o->tx_csum4), o->tx_csum4);
	put_two(wr, encap(o->rx_csum4), o->rx_csum4);
	put_two(wr, encap(o->tx_csum6), o->tx_csum6);
	put_two(wr, encap(o->rx_csum6), o->rx_csum6);
}

size_t oid_offload_write(const struct oid_offload *o, void *to)
{
	uint8_t revision = o->revision == 0 ? 1 : o->revision > 3 ? 3 : o->revision;
	uint16_t size = offload_size(revision);
	struct wr wr = wr_over(to, OID_OFFLOAD_MAX);

	put_header(&wr, OID_TYPE_OFFLOAD, revision, size);
	put_csums(&wr, o);
	wr_zeros(&wr, 16 + 28);
	put_two(&wr, encap(o->lso4_max), o->lso4_max);
	wr_le32(&wr, o->lso4_min_segments);
	put_two(&wr, encap(o->lso6_max), o->lso6_max);
	put_two(&wr, o->lso6_min_segments, o->lso6_options);
	wr_zeros(&wr, 4 + 32);
	wr_u8(&wr, o->rsc4);
	wr_u8(&wr, o->rsc6);
	wr_zeros(&wr, OID_OFFLOAD_MAX - wr.size);
	return size;
}

int oid_params_read(const void *bytes, size_t size, struct oid_params *ret_params)
{
	struct oid_header h;
	struct rd rd = object(bytes, size, OID_TYPE_DEFAULT, OID_PARAMS_SIZE_1, &h);
	struct oid_params p = {.revision = h.revision};

	p.ip4 = rd_u8(&rd);
	p.tcp4 = rd_u8(&rd);
	p.udp4 = rd_u8(&rd);
	p.tcp6 = rd_u8(&rd);
	p.udp6 = rd_u8(&rd);
	p.lso1 = rd_u8(&rd);
	rd_skip(&rd, 1); /* IPsec v1 */
	p.lso4 = rd_u8(&rd);
	p.lso6 = rd_u8(&rd);
	rd_skip(&rd, 2 + 1 + 4); /* connections, padding, flags */
	if (!rd_ok(&rd))
		return -EBADMSG;
	if (h.revision >= 3 && h.size >= OID_PARAMS_SIZE_2 + 2) {
		rd_skip(&rd, 2); /* IPsec v2 */
		p.rsc4 = rd_u8(&rd);
		p.rsc6 = rd_u8(&rd);
	}
	*ret_params = p;
	return 0;
}

static uint16_t params_size(uint8_t revision)
{
	if (revision == 1)
		return OID_PARAMS_SIZE_1;
	return revision == 2 ? OID_PARAMS_SIZE_2 : OID_PARAMS_SIZE_3;
}

size_t oid_params_write(const struct oid_params *p, void *to)
{
	uint8_t revision = p->revision == 0 || p->revision > 3 ? 3 : p->revision;
	const uint8_t bytes[] = {p->ip4,  p->tcp4, p->udp4, p->tcp6, p->udp6,
				 p->lso1, 0,	   p->lso4, p->lso6};
	struct wr wr = wr_over(to, OID_PARAMS_MAX);

	put_header(&wr, OID_TYPE_DEFAULT, revision, params_size(revision));
	wr_bytes(&wr, bytes, sizeof(bytes));
	wr_zeros(&wr, 2 + 1 + 4 + 2);
	wr_u8(&wr, p->rsc4);
	wr_u8(&wr, p->rsc6);
	wr_zeros(&wr, OID_PARAMS_MAX - wr.size);
	return params_size(revision);
}

int oid_rss_caps_read(const void *bytes, size_t size, struct oid_rss_caps *ret_caps)
{
	struct oid_header h;
	struct rd rd = object(bytes, size, OID_TYPE_RSS_CAPS, OID_RSS_CAPS_SIZE_1, &h);
	struct oid_rss_caps c = {.flags = rd_le32(&rd)};

	c.n_messages = rd_le32(&rd);
	c.n_queues = rd_le32(&rd);
	if (!rd_ok(&rd))
		return -EBADMSG;
	if (h.size >= OID_RSS_CAPS_SIZE_2)
		c.n_entries = rd_le16(&rd);
	*ret_caps = c;
	return 0;
}

size_t oid_rss_caps_write(const struct oid_rss_caps *caps, void *to)
{
	struct wr wr = wr_over(to, OID_RSS_CAPS_SIZE_2);

	put_header(&wr, OID_TYPE_RSS_CAPS, 2, OID_RSS_CAPS_SIZE_2);
	wr_le32(&wr, caps->flags);
	put_two(&wr, caps->n_messages, caps->n_queues);
	wr_le16(&wr, caps->n_entries);
	return wr.size;
}

/* The 'part_size' bytes at 'offset' of a structure. */
static struct rd part(const void *bytes, size_t size, uint32_t offset, uint32_t part_size)
{
	struct rd rd = rd_init(bytes, size);

	rd_skip(&rd, offset);
	return rd_sub(&rd, part_size);
}

static int read_table(const void *bytes, size_t size, uint32_t offset, uint32_t table_size,
		      struct oid_rss_params *p)
{
	struct rd rd = part(bytes, size, offset, table_size);

	if (table_size % 4 != 0 || table_size > sizeof(p->table) || !rd_ok(&rd))
		return -EBADMSG;
	p->n_entries = (uint16_t)(table_size / 4);
	for (unsigned i = 0; i < p->n_entries; i++)
		p->table[i] = rd_le32(&rd);
	return 0;
}

static int read_key(const void *bytes, size_t size, uint32_t offset, uint32_t key_size,
		    struct oid_rss_params *p)
{
	struct rd rd = part(bytes, size, offset, key_size);

	if ((key_size != 0 && key_size != OID_RSS_KEY_SIZE) || !rd_ok(&rd))
		return -EBADMSG;
	p->key_size = (uint16_t)key_size;
	rd_copy(&rd, p->key, key_size);
	return 0;
}

int oid_rss_params_read(const void *bytes, size_t size, struct oid_rss_params *ret_params)
{
	struct oid_header h;
	struct rd rd = object(bytes, size, OID_TYPE_RSS_PARAMS, OID_RSS_PARAMS_LEAST, &h);
	struct oid_rss_params p = {.flags = rd_le16(&rd)};
	uint32_t table_size, table_offset, key_size, key_offset;

	p.base_cpu = rd_le16(&rd);
	p.hash_info = rd_le32(&rd);
	table_size = rd_le16(&rd);
	rd_skip(&rd, 2);
	table_offset = rd_le32(&rd);
	key_size = rd_le16(&rd);
	rd_skip(&rd, 2);
	key_offset = rd_le32(&rd);
	if (!rd_ok(&rd))
		return -EBADMSG;
	/* Both lie behind the structure, whose size may be said without them. */
	if (!(p.flags & (OID_RSS_DISABLE | OID_RSS_SAME_TABLE)) &&
	    read_table(bytes, size, table_offset, table_size, &p) < 0)
		return -EBADMSG;
	if (!(p.flags & (OID_RSS_DISABLE | OID_RSS_SAME_KEY)) &&
	    read_key(bytes, size, key_offset, key_size, &p) < 0)
		return -EBADMSG;
	*ret_params = p;
	return 0;
}

size_t oid_rss_params_write(const struct oid_rss_params *p, void *to)
{
	uint32_t n = p->n_entries < OID_RSS_MAX_ENTRIES ? p->n_entries : OID_RSS_MAX_ENTRIES;
	uint32_t key_size = p->key_size < sizeof(p->key) ? p->key_size : sizeof(p->key);
	struct wr wr = wr_over(to, OID_RSS_PARAMS_MAX);

	put_header(&wr, OID_TYPE_RSS_PARAMS, 2, OID_RSS_PARAMS_SIZE);
	wr_le16(&wr, p->flags);
	wr_le16(&wr, p->base_cpu);
	wr_le32(&wr, p->hash_info);
	put_two(&wr, 4 * n, OID_RSS_PARAMS_SIZE);
	put_two(&wr, key_size, OID_RSS_PARAMS_SIZE + 4 * n);
	wr_zeros(&wr, 12); /* masks of processors */
	for (uint32_t i = 0; i < n; i++)
		wr_le32(&wr, p->table[i]);
	wr_bytes(&wr, p->key, key_size);
	return wr.size;
}

static int hex(uint16_t c)
{
	if (c > 127 || !isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower(c) - 'a' + 10;
}

static int read_mac(struct rd *rd, uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++) {
		int high = hex(rd_le16(rd)), low = hex(rd_le16(rd));

		if (high < 0 || low < 0)
			return -EINVAL;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

int oid_mac_change_read(const void *bytes, size_t size, uint8_t ret_mac[6])
{
	struct rd rd = rd_init(bytes, size), name, value;
	uint32_t name_offset = rd_le32(&rd), name_size = rd_le32(&rd);
	uint32_t type = rd_le32(&rd);
	uint32_t value_offset = rd_le32(&rd), value_size = rd_le32(&rd);
	uint8_t expected[MAC_NAME_SIZE], mac[6];

	if (!rd_ok(&rd))
		return -EBADMSG;
	name = part(bytes, size, name_offset, name_size);
	value = part(bytes, size, value_offset, value_size);
	if (!rd_ok(&name) || !rd_ok(&value))
		return -EBADMSG;
	oid_text_write(MAC_NAME, expected, sizeof(expected));
	if (name_size != MAC_NAME_SIZE || memcmp(name.at, expected, MAC_NAME_SIZE) != 0)
		return -EOPNOTSUPP;
	if (type != TYPE_STRING || value_size != MAC_VALUE_SIZE || read_mac(&value, mac) < 0)
		return -EINVAL;
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

size_t oid_mac_change_write(const uint8_t mac[6], void *to)
{
	static const char digits[] = "0123456789abcdef";
	struct wr wr = wr_over(to, OID_MAC_CHANGE_SIZE);

	put_two(&wr, MAC_HEAD_SIZE, MAC_NAME_SIZE);
	wr_le32(&wr, TYPE_STRING);
	put_two(&wr, MAC_HEAD_SIZE + MAC_NAME_SIZE, MAC_VALUE_SIZE);
	for (const char *c = MAC_NAME; *c != '\0'; c++)
		wr_le16(&wr, (uint8_t)*c);
	for (unsigned i = 0; i < 6; i++) {
		wr_le16(&wr, (uint8_t)digits[mac[i] >> 4]);
		wr_le16(&wr, (uint8_t)digits[mac[i] & 15]);
	}
	return wr.size;
}

#define LINK_UP	    1u
#define LINK_DOWN   2u
#define LINK_DUPLEX 2u

int oid_link_state_read(const void *bytes, size_t size, struct oid_link_state *ret_link)
{
	struct oid_header h;
	struct rd rd = object(bytes, size, OID_TYPE_DEFAULT, OID_LINK_STATE_SIZE, &h);
	struct oid_link_state link = {.up = rd_le32(&rd) == LINK_UP};

	rd_skip(&rd, 4 + 4); /* duplex, padding */
	link.bps = rd_le64(&rd);
	if (!rd_ok(&rd))
		return -EBADMSG;
	*ret_link = link;
	return 0;
}

size_t oid_link_state_write(const struct oid_link_state *link, void *to)
{
	struct wr wr = wr_over(to, OID_LINK_STATE_SIZE);

	put_header(&wr, OID_TYPE_DEFAULT, 1, OID_LINK_STATE_SIZE);
	put_two(&wr, link->up ? LINK_UP : LINK_DOWN, LINK_DUPLEX);
	wr_zeros(&wr, 4);
	wr_le64(&wr, link->bps);
	wr_le64(&wr, link->bps);
	wr_zeros(&wr, 8); /* pauses, what was negotiated */
	return wr.size;
}

size_t oid_link_speed_write(uint64_t bps, void *to)
{
	struct wr wr = wr_over(to, OID_LINK_SPEED_SIZE);

	wr_le64(&wr, bps);
	wr_le64(&wr, bps);
	return wr.size;
}

size_t oid_text_write(const char *text, void *to, size_t max)
{
	struct wr wr = wr_over(to, max);

	for (; *text != '\0' && max - wr.size >= 2; text++)
		wr_le16(&wr, (uint8_t)*text < 128 ? (uint8_t)*text : '?');
	return wr.size;
}

void oid_text_read(const void *bytes, size_t size, char *to, size_t max)
{
	struct rd rd = rd_init(bytes, size);
	size_t n = 0;

	while (rd.left >= 2 && n + 1 < max) {
		uint16_t c = rd_le16(&rd);

		if (c == 0)
			break;
		to[n++] = c >= ' ' && c < 127 ? (char)c : '?';
	}
	if (max > 0)
		to[n] = '\0';
}
