/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers that look at no packet and no map: clocks, chance, where we run, numbers in texts.
 */
#include "filters/ebpf/helper_priv.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts); /* The vDSO's: no call of the kernel. */
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t ebpf_now(void)
{
	const struct ebpf_env *env = ebpf_env_here;

	if (env != NULL && env->ops != NULL && env->ops->now_ns != NULL)
		return env->ops->now_ns(env);
	return clock_ns(CLOCK_MONOTONIC);
}

EBPF_HELPER(ktime_get_ns)
{
	return ebpf_now();
}

EBPF_HELPER(ktime_get_boot_ns)
{
	return clock_ns(CLOCK_BOOTTIME);
}

EBPF_HELPER(ktime_get_coarse_ns)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE);
}

EBPF_HELPER(ktime_get_tai_ns)
{
	return clock_ns(CLOCK_TAI);
}

/* The kernel's tick is what its coarse clock moves by; its count starts five minutes before it
 * wraps 32 bits. */
EBPF_HELPER(jiffies64)
{
	static __thread uint64_t tick_ns;
	struct timespec ts;

	if (tick_ns == 0) {
		clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
		tick_ns = ts.tv_nsec > 0 ? (uint64_t)ts.tv_nsec : 1000000;
	}
	return (uint32_t)(0u - 300u * (uint32_t)(1000000000u / tick_ns)) +
	       clock_ns(CLOCK_MONOTONIC_COARSE) / tick_ns;
}

/* xorshift64* (Vigna, 2016): good enough for sampling, and not for secrets, as the kernel's. */
EBPF_HELPER(get_prandom_u32)
{
	uint64_t x = ebpf_env_here->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	ebpf_env_here->random = x;
	return (uint32_t)((x * 0x2545f4914f6cdd1du) >> 32);
}

EBPF_HELPER(get_smp_processor_id)
{
	return ebpf_env_here->cpu;
}

EBPF_HELPER(get_numa_node_id)
{
	unsigned node;

	return getcpu(NULL, &node) == 0 ? node : 0;
}

static unsigned digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (unsigned)((c | 0x20) - 'a' + 10);
	return 16;
}

/* Where the digits start: past a prefix that the base has, or that says which it is. */
static size_t base_find(const char *text, size_t size, size_t at, unsigned *base)
{
	bool zero = at < size && text[at] == '0';
	bool hex = zero && at + 1 < size && (text[at + 1] | 0x20) == 'x';

	if (*base == 0 && hex && at + 2 < size && digit_of(text[at + 2]) < 16)
		*base = 16;
	else if (*base == 0)
		*base = zero ? 8 : 10;
	return *base == 16 && hex ? at + 2 : at;
}

/* A number in at most 'size' bytes: its sign and absolute value.  Returns bytes consumed, -EINVAL
 * when there is none, -ERANGE. */
static long number_parse(const char *text, size_t size, uint64_t flags, bool *ret_negative,
			 uint64_t *ret)
{
	unsigned base = flags & 0x1f;
	uint64_t value = 0;
	size_t at = 0, first;

	if ((base != 0 && base != 8 && base != 10 && base != 16) || flags > 0x1f)
		return -EINVAL;
	while (at < size && isspace((unsigned char)text[at]))
		at++;
	*ret_negative = at < size && text[at] == '-';
	at = base_find(text, size, at + *ret_negative, &base);
	for (first = at; at < size && digit_of(text[at]) < base; at++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit_of(text[at]), &value))
			return -ERANGE;
	*ret = value;
	return at > first ? (long)at : -EINVAL;
}

EBPF_HELPER(strtol)
{
	bool negative;
	uint64_t value;
	int64_t *result = ebpf_ptr(r4);
	long n = number_parse(ebpf_ptr(r1), r2, r3, &negative, &value);

	*result = 0;
	if (n < 0)
		return (uint64_t)n;
	if (value > (uint64_t)INT64_MAX + negative)
		return (uint64_t)-ERANGE;
	*result = (int64_t)(negative ? 0 - value : value);
	return (uint64_t)n;
}

EBPF_HELPER(strtoul)
{
	bool negative;
	uint64_t value, *result = ebpf_ptr(r4);
	long n = number_parse(ebpf_ptr(r1), r2, r3, &negative, &value);

	*result = 0;
	if (n < 0)
		return (uint64_t)n;
	if (negative)
		return (uint64_t)-EINVAL;
	*result = value;
	return (uint64_t)n;
}

EBPF_HELPER(strncmp)
{
	int difference = strncmp(ebpf_ptr(r1), ebpf_ptr(r3), (uint32_t)r2);

	return (uint64_t)(int64_t)((difference > 0) - (difference < 0));
}
