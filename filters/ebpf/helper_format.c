/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What bpf_trace_printk() and its like write: the kernel's subset of printf, read from the
 * program's memory, into a buffer of the caller.
 *
 * 	%[0+- ][width] then d i u x X, with l or ll; c; s; p, pK, px, ps, pS, pB; pks, pus;
 * 	pi4, pI4, pi6, pI6 (addresses of 4 and 16 bytes at the pointer)
 *
 * Arguments are 64 bits that the verifier has not looked at: a pointer among them may be anything.
 * The kernel copies from it and takes a fault; we look first whether it is memory that the program
 * has.  What it has not reads as empty.
 */
#include "filters/ebpf/helper_priv.h"
#include "filters/ebpf/map.h"
#include "filters/ebpf/prog.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define MAX_WIDTH      1024u
#define STACK_ABOVE    8192u /* a program's frames lie within so much above ours */
#define POINTER_DIGITS 16u

struct out {
	char *at, *end; /* the last byte is for the end */
	long total;
};

struct spec {
	bool zero, plus, left, space;
	uint32_t width;
	unsigned longs;
};

/* How many of 'size' bytes at 'addr' are in [low, high)? */
static size_t within(uint64_t addr, size_t size, uintptr_t low, uintptr_t high)
{
	if (addr < low || addr >= high)
		return 0;
	return size < high - addr ? size : high - addr;
}

static size_t within_maps(const struct ebpf_prog *prog, uint64_t addr, size_t size)
{
	for (uint32_t i = 0; prog != NULL && i < prog->n_maps; i++) {
		const struct ebpf_map *map = prog->maps[i];
		uintptr_t low = (uintptr_t)map->values;
		size_t all = (size_t)map->stride * map->max_entries, n;

		if (map->cpu_stride != 0)
			all = map->cpu_stride * map->n_cpus;
		n = low != 0 ? within(addr, size, low, low + all) : 0;
		if (n != 0)
			return n;
	}
	return 0;
}

size_t ebpf_readable(uint64_t addr, size_t size)
{
	const struct ebpf_env *env = ebpf_env_here;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0), high = here + STACK_ABOVE;
	size_t n = within_maps(env->prog, addr, size);

	if (n == 0 && env->ctx != NULL)
		n = within(addr, size, (uintptr_t)env->ctx->meta, (uintptr_t)env->ctx->data_end);
	if (n == 0 && env->stack_end != 0)
		n = within(addr, size, here, high < env->stack_end ? high : env->stack_end);
	return n;
}

static void put(struct out *out, char c)
{
	if (out->at < out->end)
		*out->at++ = c;
	out->total++;
}

static void put_padded(struct out *out, const struct spec *spec, const char *text, size_t size)
{
	size_t pad = spec->width > size ? spec->width - size : 0;

	for (size_t i = 0; i < pad && !spec->left; i++)
		put(out, ' ');
	for (size_t i = 0; i < size; i++)
		put(out, text[i]);
	for (size_t i = 0; i < pad && spec->left; i++)
		put(out, ' ');
}

/* 'sign': a character in front, or 0. */
static void put_number(struct out *out, const struct spec *spec, uint64_t value, unsigned base,
		       bool upper, char sign)
{
	char text[MAX_WIDTH + 32], *at = text + sizeof(text);
	size_t digits = 0, least = spec->zero && !spec->left ? spec->width : 1;

	if (sign != 0 && least > 1)
		least--;
	while (value != 0 || digits < least) {
		*--at = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
		value /= base;
		digits++;
	}
	if (sign != 0)
		*--at = sign;
	put_padded(out, spec, at, (size_t)(text + sizeof(text) - at));
}

/* The bytes at 'addr' up to a zero. */
static void put_string(struct out *out, const struct spec *spec, uint64_t addr)
{
	size_t size = ebpf_readable(addr, 512);
	const char *text = size > 0 ? ebpf_ptr(addr) : "";

	put_padded(out, spec, text, strnlen(text, size));
}

/* Addresses tell an attacker where things are: as the kernel, we print what is the same each time
 * and says nothing. */
static void put_hashed(struct out *out, struct spec *spec, uint64_t addr)
{
	*spec = (struct spec){.zero = true, .width = POINTER_DIGITS};
	put_number(out, spec,
		   addr != 0 ? (uint32_t)ebpf_siphash(ebpf_secret(), &addr, sizeof(addr)) : 0, 16,
		   false, 0);
}

/* i4, I4, i6, I6: "10.0.0.1", "fe80:0000:...": as %pI4 and %pI6 print them.  With 'i' there are no
 * colons, and zeros lead. */
static void put_ip(struct out *out, const struct spec *spec, const char *kind, uint64_t addr)
{
	uint8_t bytes[16] = {0};
	size_t size = kind[1] == '4' ? 4 : 16, n = 0;
	char text[48];

	if (ebpf_readable(addr, size) == size)
		memcpy(bytes, ebpf_ptr(addr), size);
	for (size_t i = 0; i < size && size == 4; i++) {
		unsigned v = bytes[i];

		if (i > 0)
			text[n++] = '.';
		if (v >= 100 || kind[0] == 'i')
			text[n++] = (char)('0' + v / 100);
		if (v >= 10 || kind[0] == 'i')
			text[n++] = (char)('0' + v / 10 % 10);
		text[n++] = (char)('0' + v % 10);
	}
	for (size_t i = 0; i < size && size == 16; i++) {
		if (i > 0 && i % 2 == 0 && kind[0] == 'I')
			text[n++] = ':';
		text[n++] = "0123456789abcdef"[bytes[i] >> 4];
		text[n++] = "0123456789abcdef"[bytes[i] & 15];
	}
	put_padded(out, spec, text, n);
}

/* 'at' is behind the p.  Returns where the conversion ends, or NULL. */
static const char *put_pointer(struct out *out, struct spec *spec, const char *at, uint64_t arg)
{
	if ((at[0] == 'k' || at[0] == 'u') && at[1] == 's') {
		put_string(out, spec, arg);
		return at + 2;
	}
	if ((at[0] == 'i' || at[0] == 'I') && (at[1] == '4' || at[1] == '6')) {
		put_ip(out, spec, at, arg);
		return at + 2;
	}
	if (at[0] == '\0' || isspace((unsigned char)at[0]) || ispunct((unsigned char)at[0]) ||
	    at[0] == 'K') {
		put_hashed(out, spec, arg);
		return at + (at[0] == 'K');
	}
	if (strchr("xsSB", at[0]) == NULL)
		return NULL;
	*spec = (struct spec){.zero = true, .width = POINTER_DIGITS};
	put_number(out, spec, arg, 16, false, 0);
	return at + 1;
}

static void put_signed(struct out *out, const struct spec *spec, uint64_t arg)
{
	int64_t value = spec->longs == 0 ? (int32_t)arg : (int64_t)arg;
	char sign = value < 0 ? '-' : spec->plus ? '+' : spec->space ? ' ' : 0;

	put_number(out, spec, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, false, sign);
}

/* Flags, width, l: up to the letter. */
static const char *spec_read(struct spec *spec, const char *at)
{
	for (;; at++) {
		if (*at == '0')
			spec->zero = true;
		else if (*at == '+')
			spec->plus = true;
		else if (*at == '-')
			spec->left = true;
		else if (*at == ' ')
			spec->space = true;
		else
			break;
	}
	for (; isdigit((unsigned char)*at); at++)
		if (spec->width < MAX_WIDTH)
			spec->width = spec->width * 10 + (uint32_t)(*at - '0');
	if (spec->width > MAX_WIDTH)
		spec->width = MAX_WIDTH;
	for (; *at == 'l' && spec->longs < 2; at++)
		spec->longs++;
	return at;
}

/* 'at' is behind the %.  Returns where the conversion ends, or NULL for what is none. */
static const char *put_spec(struct out *out, const char *at, uint64_t arg)
{
	struct spec spec = {0};

	at = spec_read(&spec, at);
	if (spec.longs > 0 && strchr("diuxX", *at) == NULL)
		return NULL;
	switch (*at++) {
	case 'd':
	case 'i':
		put_signed(out, &spec, arg);
		return at;
	case 'u':
		put_number(out, &spec, spec.longs > 0 ? arg : (uint32_t)arg, 10, false, 0);
		return at;
	case 'x':
	case 'X':
		put_number(out, &spec, spec.longs > 0 ? arg : (uint32_t)arg, 16, at[-1] == 'X', 0);
		return at;
	case 'c':
		put_padded(out, &spec, (char[]){(char)arg}, 1);
		return at;
	case 's':
		put_string(out, &spec, arg);
		return at;
	case 'p':
		return put_pointer(out, &spec, at, arg);
	default:
		return NULL;
	}
}

static bool is_text(const char *format)
{
	for (; *format != '\0'; format++)
		if (!isprint((unsigned char)*format) && !isspace((unsigned char)*format))
			return false;
	return true;
}

long ebpf_format(char *out, uint32_t size, const char *format, uint32_t format_size,
		 const uint64_t *args, uint32_t n_args)
{
	struct out to = {.at = out, .end = size > 0 ? out + size - 1 : out};
	uint32_t used = 0;
	long rc = 0;

	if (memchr(format, '\0', format_size) == NULL || !is_text(format))
		return -EINVAL;
	while (*format != '\0' && rc == 0) {
		if (*format != '%' || format[1] == '%') {
			put(&to, *format);
			format += *format == '%' ? 2 : 1;
		} else if (used == n_args ||
			   (format = put_spec(&to, format + 1, args[used++])) == NULL) {
			rc = -EINVAL;
			break;
		}
	}
	if (size > 0)
		*to.at = '\0';
	return rc != 0 ? rc : to.total;
}
