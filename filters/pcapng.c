/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Blocks of a pcapng file; see pcapng.h.
 */
#include "filters/pcapng.h"

#include <stdbool.h>
#include <string.h>

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATS = 5,
	BLOCK_PACKET = FILTER_PCAPNG_PACKET,
};

enum { OPT_END = 0, OPT_COMMENT = 1 };
enum { SHB_HARDWARE = 2, SHB_OS = 3, SHB_USERAPPL = 4 };
enum { IF_NAME = 2, IF_DESCRIPTION = 3, IF_TSRESOL = 9, IF_FILTER = 11 };
enum { EPB_FLAGS = 2, EPB_VERDICT = 7 };
enum {
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	ISB_FILTERACCEPT = 6,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
};

#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define LINKTYPE_ETHERNET 1u
#define TEXT_MAX	  255u

/* A cursor that turns bad at the first write that does not fit and ignores all after it. */
struct cursor {
	uint8_t *buf;
	size_t size, at;
	bool bad;
};

static void put(struct cursor *c, const void *data, size_t size)
{
	if (c->bad || size > c->size - c->at) {
		c->bad = true;
		return;
	}
	/* A packet's bytes may be in place already. */
	if (size != 0 && c->buf + c->at != data)
		memcpy(c->buf + c->at, data, size);
	c->at += size;
}

static void put_u16(struct cursor *c, uint16_t v)
{
	put(c, &v, sizeof(v));
}

static void put_u32(struct cursor *c, uint32_t v)
{
	put(c, &v, sizeof(v));
}

/* Times are two words, the high one first, whatever the byte order. */
static void put_time(struct cursor *c, uint64_t ns)
{
	put_u32(c, (uint32_t)(ns >> 32));
	put_u32(c, (uint32_t)ns);
}

static void pad(struct cursor *c)
{
	static const uint8_t zeros[4];

	put(c, zeros, -c->at & 3);
}

static void put_option(struct cursor *c, uint16_t code, const void *data, size_t size)
{
	put_u16(c, code);
	put_u16(c, (uint16_t)size);
	put(c, data, size);
	pad(c);
}

static void put_text(struct cursor *c, uint16_t code, const char *text)
{
	if (text != NULL && text[0] != '\0')
		put_option(c, code, text, strnlen(text, TEXT_MAX));
}

/* Options of one leading byte, which says how to read the text. */
static void put_typed_text(struct cursor *c, uint16_t code, uint8_t type, const char *text)
{
	uint8_t value[1 + TEXT_MAX];
	size_t n;

	if (text == NULL || text[0] == '\0')
		return;
	n = strnlen(text, TEXT_MAX);
	value[0] = type;
	memcpy(value + 1, text, n);
	put_option(c, code, value, 1 + n);
}

static void put_time_option(struct cursor *c, uint16_t code, uint64_t ns)
{
	put_u16(c, code);
	put_u16(c, 8);
	put_time(c, ns);
}

static struct cursor begin(void *buf, size_t size, uint32_t type)
{
	struct cursor c = {.buf = buf, .size = size};

	put_u32(&c, type);
	put_u32(&c, 0); /* The length, by end(). */
	return c;
}

/* The length stands before and after a block, so that a reader can walk both ways. */
static size_t end(struct cursor *c)
{
	uint32_t total = (uint32_t)c->at + 4;

	put_u32(c, total);
	if (c->bad)
		return 0;
	memcpy(c->buf + 4, &total, sizeof(total));
	return c->at;
}

size_t filter_pcapng_section(void *buf, size_t size, const struct filter_pcapng_section *section)
{
	const uint64_t open_length = UINT64_MAX;
	struct cursor c = begin(buf, size, BLOCK_SECTION);

	put_u32(&c, BYTE_ORDER_MAGIC);
	put_u16(&c, 1); /* version 1.0 */
	put_u16(&c, 0);
	put(&c, &open_length, sizeof(open_length));
	put_text(&c, SHB_HARDWARE, section->hardware);
	put_text(&c, SHB_OS, section->os);
	put_text(&c, SHB_USERAPPL, section->application);
	put_option(&c, OPT_END, NULL, 0);
	return end(&c);
}

size_t filter_pcapng_interface(void *buf, size_t size,
			       const struct filter_pcapng_interface *interface)
{
	const uint8_t nanoseconds = 9; /* 10^-9 */
	struct cursor c = begin(buf, size, BLOCK_INTERFACE);

	put_u16(&c, LINKTYPE_ETHERNET);
	put_u16(&c, 0);
	put_u32(&c, interface->snaplen);
	put_text(&c, IF_NAME, interface->name);
	put_text(&c, IF_DESCRIPTION, interface->description);
	put_option(&c, IF_TSRESOL, &nanoseconds, 1);
	put_typed_text(&c, IF_FILTER, 0, interface->filter); /* type 0: an expression of libpcap */
	put_option(&c, OPT_END, NULL, 0);
	return end(&c);
}

size_t filter_pcapng_packet(void *buf, size_t size, const struct filter_pcapng_packet *packet)
{
	struct cursor c = begin(buf, size, BLOCK_PACKET);

	put_u32(&c, packet->interface);
	put_time(&c, packet->time_ns);
	put_u32(&c, packet->cap_len);
	put_u32(&c, packet->pkt_len);
	put(&c, packet->data, packet->cap_len);
	pad(&c);
	if (packet->flags != 0)
		put_option(&c, EPB_FLAGS, &packet->flags, sizeof(packet->flags));
	put_text(&c, OPT_COMMENT, packet->comment);
	put_typed_text(&c, EPB_VERDICT, 0, packet->verdict);
	put_option(&c, OPT_END, NULL, 0);
	return end(&c);
}

size_t filter_pcapng_stats(void *buf, size_t size, const struct filter_pcapng_stats *stats)
{
	struct cursor c = begin(buf, size, BLOCK_STATS);

	put_u32(&c, stats->interface);
	put_time(&c, stats->now_ns);
	put_time_option(&c, ISB_STARTTIME, stats->start_ns);
	put_time_option(&c, ISB_ENDTIME, stats->now_ns);
	put_option(&c, ISB_IFRECV, &stats->received, 8);
	put_option(&c, ISB_IFDROP, &stats->dropped, 8);
	put_option(&c, ISB_FILTERACCEPT, &stats->accepted, 8);
	put_option(&c, ISB_OSDROP, &stats->os_dropped, 8);
	put_option(&c, ISB_USRDELIV, &stats->delivered, 8);
	put_option(&c, OPT_END, NULL, 0);
	return end(&c);
}

size_t filter_pcapng_whole_blocks(const void *buf, size_t size, uint64_t *ret_packets)
{
	const uint8_t *p = buf;
	uint64_t packets = 0;
	size_t at = 0;

	while (size - at >= 12) {
		uint32_t type, total;

		memcpy(&type, p + at, sizeof(type));
		memcpy(&total, p + at + 4, sizeof(total));
		if (total < 12 || total > size - at)
			break;
		packets += type == BLOCK_PACKET;
		at += total;
	}
	*ret_packets = packets;
	return at;
}
