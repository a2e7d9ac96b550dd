/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Byte cursors for codecs: 'struct rd' walks a message that somebody else wrote, 'struct wr' grows
 * one of ours.  Both turn bad at the first thing that does not fit and stay so: a reader then
 * yields zeros, a writer then drops what it is given.  So a codec reads straight down and asks
 * once.  No thread owns them: they live on the stack of whoever decodes or encodes.
 */
#ifndef CTL_BASE_WIRE_H
#define CTL_BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrows the bytes for as long as it is used. */
struct rd {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static inline struct rd rd_init(const void *bytes, size_t size)
{
	return (struct rd){.at = bytes, .left = size};
}

static inline bool rd_ok(const struct rd *rd)
{
	return !rd->bad;
}

/* The next 'size' bytes, or NULL: then the reader is bad and at its end. */
static inline const uint8_t *rd_bytes(struct rd *rd, size_t size)
{
	const uint8_t *bytes = rd->at;

	if (rd->bad || size > rd->left) {
		rd->bad = true;
		rd->left = 0;
		return NULL;
	}
	if (size > 0) /* 'at' may be NULL when there is nothing */
		rd->at += size;
	rd->left -= size;
	return bytes;
}

static inline void rd_skip(struct rd *rd, size_t size)
{
	(void)rd_bytes(rd, size);
}

/* Copies 'size' bytes, or zeros. */
static inline void rd_copy(struct rd *rd, void *to, size_t size)
{
	const uint8_t *bytes = rd_bytes(rd, size);

	if (bytes != NULL)
		memcpy(to, bytes, size);
	else
		memset(to, 0, size);
}

/* A reader of the next 'size' bytes alone, which this one passes; bad if there are fewer. */
static inline struct rd rd_sub(struct rd *rd, size_t size)
{
	const uint8_t *bytes = rd_bytes(rd, size);

	return (struct rd){.at = bytes, .left = rd->bad ? 0 : size, .bad = rd->bad};
}

static inline uint64_t rd_be(struct rd *rd, size_t size)
{
	const uint8_t *bytes = rd_bytes(rd, size);
	uint64_t value = 0;

	for (size_t i = 0; bytes != NULL && i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

static inline uint8_t rd_u8(struct rd *rd)
{
	return (uint8_t)rd_be(rd, 1);
}

static inline uint16_t rd_be16(struct rd *rd)
{
	return (uint16_t)rd_be(rd, 2);
}

static inline uint32_t rd_be32(struct rd *rd)
{
	return (uint32_t)rd_be(rd, 4);
}

static inline uint64_t rd_be64(struct rd *rd)
{
	return rd_be(rd, 8);
}

static inline uint64_t rd_le(struct rd *rd, size_t size)
{
	const uint8_t *bytes = rd_bytes(rd, size);
	uint64_t value = 0;

	for (size_t i = size; bytes != NULL && i > 0; i--)
		value = value << 8 | bytes[i - 1];
	return value;
}

static inline uint16_t rd_le16(struct rd *rd)
{
	return (uint16_t)rd_le(rd, 2);
}

static inline uint32_t rd_le32(struct rd *rd)
{
	return (uint32_t)rd_le(rd, 4);
}

static inline uint64_t rd_le64(struct rd *rd)
{
	return rd_le(rd, 8);
}

/* Owns 'bytes', which is NULL until the first byte.  Bad when 'limit' would be passed or memory
 * runs out; what was written before stays. */
struct wr {
	uint8_t *bytes;
	size_t size;
	size_t capacity;
	size_t limit;
	bool bad;
};

static inline struct wr wr_init(size_t limit)
{
	return (struct wr){.limit = limit};
}

/* A writer over 'size' bytes of the caller's (not NULL), which it neither grows nor frees: no
 * wr_fini(). */
static inline struct wr wr_over(void *bytes, size_t size)
{
	return (struct wr){.bytes = bytes, .capacity = size, .limit = size};
}

void wr_fini(struct wr *wr);

static inline bool wr_ok(const struct wr *wr)
{
	return !wr->bad;
}

/* Room for 'size' more bytes, counted as written and zero; NULL when bad.  Valid until the next
 * write. */
uint8_t *wr_room(struct wr *wr, size_t size);
void wr_bytes(struct wr *wr, const void *bytes, size_t size);
void wr_be(struct wr *wr, uint64_t value, size_t size);
/* Over what was written; nothing happens outside it. */
void wr_set_be16(struct wr *wr, size_t at, uint16_t value);
void wr_set_be32(struct wr *wr, size_t at, uint32_t value);
/* Back to an earlier size; a bad writer stays bad. */
void wr_cut(struct wr *wr, size_t size);

static inline void wr_zeros(struct wr *wr, size_t size)
{
	(void)wr_room(wr, size);
}

/* Zeros until the bytes since 'from' are a multiple of 'align'. */
static inline void wr_pad(struct wr *wr, size_t from, size_t align)
{
	wr_zeros(wr, (align - (wr->size - from) % align) % align);
}

static inline void wr_u8(struct wr *wr, uint8_t value)
{
	wr_be(wr, value, 1);
}

static inline void wr_be16(struct wr *wr, uint16_t value)
{
	wr_be(wr, value, 2);
}

static inline void wr_be32(struct wr *wr, uint32_t value)
{
	wr_be(wr, value, 4);
}

static inline void wr_be64(struct wr *wr, uint64_t value)
{
	wr_be(wr, value, 8);
}

static inline void wr_le16(struct wr *wr, uint16_t value)
{
	wr_be(wr, __builtin_bswap16(value), 2);
}

static inline void wr_le32(struct wr *wr, uint32_t value)
{
	wr_be(wr, __builtin_bswap32(value), 4);
}

static inline void wr_le64(struct wr *wr, uint64_t value)
{
	wr_be(wr, __builtin_bswap64(value), 8);
}

#endif
