/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See aml.h.
 */
#include "hv/aml.h"

enum {
	OP_ZERO = 0x00,
	OP_ONE = 0x01,
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_STRING = 0x0d,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_METHOD = 0x14,
	OP_EXT = 0x5b,
	OP_EXT_DEVICE = 0x82,
};

/* 6.4.2, 6.4.3: tags of descriptors, and flags of address spaces. */
enum {
	RES_IRQ_NO_FLAGS = 0x22,
	RES_IO = 0x47,
	RES_END = 0x79,
	RES_ADDRESS32 = 0x87,
	RES_ADDRESS64 = 0x8a,
	RES_TYPE_MEMORY = 0,
	RES_FIXED = 0x0c,  /* both ends; a producer */
	RES_MEM_RW = 0x01, /* not cached */
	RES_IO_DECODE16 = 1,
};

static void le(struct wr *wr, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		wr_u8(wr, (uint8_t)(value >> (8 * i)));
}

static void put_name(struct wr *wr, const char *name)
{
	wr_bytes(wr, name, strlen(name));
}

static void put_int(struct wr *wr, uint64_t value)
{
	if (value <= 1) {
		wr_u8(wr, value == 0 ? OP_ZERO : OP_ONE);
	} else if (value <= UINT8_MAX) {
		wr_u8(wr, OP_BYTE);
		le(wr, value, 1);
	} else if (value <= UINT16_MAX) {
		wr_u8(wr, OP_WORD);
		le(wr, value, 2);
	} else if (value <= UINT32_MAX) {
		wr_u8(wr, OP_DWORD);
		le(wr, value, 4);
	} else {
		wr_u8(wr, OP_QWORD);
		le(wr, value, 8);
	}
}

/* A package length counts itself: its first byte holds 6 bits if it is alone, else 4, and how many
 * follow.  (20.2.4) */
static size_t length_bytes(size_t body)
{
	if (body + 1 < 1u << 6)
		return 1;
	if (body + 2 < 1u << 12)
		return 2;
	return body + 3 < 1u << 20 ? 3 : 4;
}

static void put_length(uint8_t *at, size_t n, size_t length)
{
	at[0] = (uint8_t)(n == 1 ? length : (n - 1) << 6 | (length & 0xf));
	for (size_t i = 1; i < n; i++)
		at[i] = (uint8_t)(length >> (4 + 8 * (i - 1)));
}

/* The body is written first; its length moves it up. */
void aml_end(struct wr *wr, size_t start)
{
	size_t body = wr->size - start, n = length_bytes(body);

	if (wr_room(wr, n) == NULL)
		return;
	memmove(wr->bytes + start + n, wr->bytes + start, body);
	put_length(wr->bytes + start, n, body + n);
}

size_t aml_scope(struct wr *wr, const char *name)
{
	size_t start;

	wr_u8(wr, OP_SCOPE);
	start = wr->size;
	put_name(wr, name);
	return start;
}

size_t aml_device(struct wr *wr, const char *name)
{
	size_t start;

	wr_u8(wr, OP_EXT);
	wr_u8(wr, OP_EXT_DEVICE);
	start = wr->size;
	put_name(wr, name);
	return start;
}

void aml_name_int(struct wr *wr, const char *name, uint64_t value)
{
	wr_u8(wr, OP_NAME);
	put_name(wr, name);
	put_int(wr, value);
}

void aml_name_string(struct wr *wr, const char *name, const char *value)
{
	wr_u8(wr, OP_NAME);
	put_name(wr, name);
	wr_u8(wr, OP_STRING);
	wr_bytes(wr, value, strlen(value) + 1);
}

static uint32_t hex(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of 5 bits, four hexadecimal digits, the first letter in the highest bits. */
void aml_name_eisa(struct wr *wr, const char *name, const char *id)
{
	uint32_t value = (uint32_t)(id[0] & 0x1f) << 26 | (uint32_t)(id[1] & 0x1f) << 21 |
			 (uint32_t)(id[2] & 0x1f) << 16 | hex(id[3]) << 12 | hex(id[4]) << 8 |
			 hex(id[5]) << 4 | hex(id[6]);

	wr_u8(wr, OP_NAME);
	put_name(wr, name);
	wr_u8(wr, OP_DWORD);
	wr_be32(wr, value);
}

void aml_name_package(struct wr *wr, const char *name, const uint8_t *values, uint8_t n)
{
	size_t start;

	wr_u8(wr, OP_NAME);
	put_name(wr, name);
	wr_u8(wr, OP_PACKAGE);
	start = wr->size;
	wr_u8(wr, n);
	for (uint8_t i = 0; i < n; i++)
		put_int(wr, values[i]);
	aml_end(wr, start);
}

void aml_method_empty(struct wr *wr, const char *name)
{
	size_t start;

	wr_u8(wr, OP_METHOD);
	start = wr->size;
	put_name(wr, name);
	wr_u8(wr, 0); /* arguments, not serialized */
	aml_end(wr, start);
}

void aml_name_resources(struct wr *wr, const char *name, const struct wr *descriptors)
{
	size_t start;

	wr->bad |= descriptors->bad;
	wr_u8(wr, OP_NAME);
	put_name(wr, name);
	wr_u8(wr, OP_BUFFER);
	start = wr->size;
	put_int(wr, descriptors->size + 2);
	wr_bytes(wr, descriptors->bytes, descriptors->size);
	wr_u8(wr, RES_END);
	wr_u8(wr, 0); /* no checksum */
	aml_end(wr, start);
}

void aml_res_io(struct wr *res, uint16_t port, uint8_t n_ports)
{
	wr_u8(res, RES_IO);
	wr_u8(res, RES_IO_DECODE16);
	le(res, port, 2); /* from there .. */
	le(res, port, 2); /* .. to there */
	wr_u8(res, 1);	  /* alignment */
	wr_u8(res, n_ports);
}

void aml_res_irq(struct wr *res, unsigned irq)
{
	wr_u8(res, RES_IRQ_NO_FLAGS);
	le(res, 1ull << irq, 2);
}

/* Granularity, first, last, translation, length: of 4 or 8 bytes each. */
static void window(struct wr *res, uint8_t tag, size_t width, uint64_t start, uint64_t size)
{
	wr_u8(res, tag);
	le(res, 3 + 5 * width, 2);
	wr_u8(res, RES_TYPE_MEMORY);
	wr_u8(res, RES_FIXED);
	wr_u8(res, RES_MEM_RW);
	le(res, 0, width);
	le(res, start, width);
	le(res, start + size - 1, width);
	le(res, 0, width);
	le(res, size, width);
}

void aml_res_window32(struct wr *res, uint32_t start, uint32_t size)
{
	window(res, RES_ADDRESS32, 4, start, size);
}

void aml_res_window64(struct wr *res, uint64_t start, uint64_t size)
{
	window(res, RES_ADDRESS64, 8, start, size);
}
