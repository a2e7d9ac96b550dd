/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LACP's frames as bytes; see lacp.h.
 *
 * Source: IEEE 802.1AX-2014 6.4.2, 6.5.3.
 */
#include "vswitch/lacp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define ETHER_SLOW	0x8809
#define SUBTYPE_LACP	1
#define SUBTYPE_MARKER	2
#define TLV_MARKER	1
#define TLV_ANSWER	2
#define MARKER_SIZE	16
#define TLV_ACTOR	1
#define TLV_PARTNER	2
#define TLV_COLLECTOR	3
#define INFO_SIZE	20
#define COLLECTOR_SIZE	16
#define TERMINATOR_SIZE 50 /* and what is reserved behind it */

struct be16 {
	uint8_t b[2];
};

struct wire_info {
	uint8_t type, size;
	struct be16 system_priority;
	uint8_t system[6];
	struct be16 key, port_priority, port;
	uint8_t state, reserved[3];
};

struct wire_frame {
	uint8_t dst[6], src[6];
	struct be16 ether_type;
	uint8_t subtype, version;
	struct wire_info actor, partner;
	uint8_t collector_type, collector_size;
	struct be16 max_delay;
	uint8_t reserved[12];
	uint8_t terminator[2 + TERMINATOR_SIZE];
};
static_assert(sizeof(struct wire_info) == INFO_SIZE, "802.1AX-2014 figure 6-7");
static_assert(sizeof(struct wire_frame) == LACP_FRAME_SIZE, "802.1AX-2014 figure 6-7");

struct wire_marker {
	uint8_t dst[6], src[6];
	struct be16 ether_type;
	uint8_t subtype, version;
	uint8_t type, size;
	uint8_t requester[14]; /* its port, system and number, and padding: they come back as they
				  are */
	uint8_t terminator[2 + 90];
};
static_assert(sizeof(struct wire_marker) == LACP_FRAME_SIZE, "802.1AX-2014 figure 6-22");

static const uint8_t slow_address[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x02};

static struct be16 put16(uint16_t v)
{
	return (struct be16){{(uint8_t)(v >> 8), (uint8_t)v}};
}

static uint16_t get16(struct be16 v)
{
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

static struct wire_info put_info(uint8_t type, const struct lacp_info *info)
{
	struct wire_info w = {
		.type = type,
		.size = INFO_SIZE,
		.system_priority = put16(info->system_priority),
		.key = put16(info->key),
		.port_priority = put16(info->port_priority),
		.port = put16(info->port),
		.state = info->state,
	};

	memcpy(w.system, info->system, sizeof(w.system));
	return w;
}

static struct lacp_info get_info(const struct wire_info *w)
{
	struct lacp_info info = {
		.system_priority = get16(w->system_priority),
		.key = get16(w->key),
		.port_priority = get16(w->port_priority),
		.port = get16(w->port),
		.state = w->state,
	};

	memcpy(info.system, w->system, sizeof(info.system));
	return info;
}

void lacp_write(const struct lacp_pdu *pdu, const uint8_t source[6],
		uint8_t ret_frame[LACP_FRAME_SIZE])
{
	struct wire_frame f = {
		.ether_type = put16(ETHER_SLOW),
		.subtype = SUBTYPE_LACP,
		.version = 1,
		.actor = put_info(TLV_ACTOR, &pdu->actor),
		.partner = put_info(TLV_PARTNER, &pdu->partner),
		.collector_type = TLV_COLLECTOR,
		.collector_size = COLLECTOR_SIZE,
		.max_delay = put16(pdu->max_delay),
	};

	memcpy(f.dst, slow_address, sizeof(f.dst));
	memcpy(f.src, source, sizeof(f.src));
	memcpy(ret_frame, &f, sizeof(f));
}

int lacp_parse(const void *frame, size_t size, struct lacp_pdu *ret_pdu)
{
	struct wire_frame f;

	/* What is reserved at the end may be cut off. */
	if (size < offsetof(struct wire_frame, terminator))
		return -EBADMSG;
	memset(&f, 0, sizeof(f));
	memcpy(&f, frame, size < sizeof(f) ? size : sizeof(f));
	if (get16(f.ether_type) != ETHER_SLOW)
		return -EBADMSG;
	if (f.subtype != SUBTYPE_LACP)
		return -EPROTONOSUPPORT;
	if (f.version == 0 || f.actor.type != TLV_ACTOR || f.actor.size != INFO_SIZE ||
	    f.partner.type != TLV_PARTNER || f.partner.size != INFO_SIZE)
		return -EBADMSG;
	*ret_pdu = (struct lacp_pdu){
		.actor = get_info(&f.actor),
		.partner = get_info(&f.partner),
		.max_delay = f.collector_type == TLV_COLLECTOR ? get16(f.max_delay) : 0,
	};
	return 0;
}

int lacp_marker_answer(const void *frame, size_t size, const uint8_t source[6],
		       uint8_t ret_frame[LACP_FRAME_SIZE])
{
	struct wire_marker f;

	if (size < offsetof(struct wire_marker, terminator))
		return -EBADMSG;
	memcpy(&f, frame, offsetof(struct wire_marker, terminator));
	if (get16(f.ether_type) != ETHER_SLOW)
		return -EBADMSG;
	if (f.subtype != SUBTYPE_MARKER || f.type == TLV_ANSWER)
		return -EPROTONOSUPPORT;
	if (f.version == 0 || f.type != TLV_MARKER || f.size != MARKER_SIZE)
		return -EBADMSG;
	memcpy(f.dst, slow_address, sizeof(f.dst));
	memcpy(f.src, source, sizeof(f.src));
	f.version = 1;
	f.type = TLV_ANSWER;
	memset(f.terminator, 0, sizeof(f.terminator));
	memcpy(ret_frame, &f, sizeof(f));
	return 0;
}
