/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers that write texts: into the program's memory, or as lines to whoever runs programs (the
 * module's events; in the kernel it would be the trace pipe).
 */
#include "filters/ebpf/helper_priv.h"

#include <errno.h>
#include <string.h>

#define MAX_LINE   512u
#define MAX_ARGS   12u /* of bpf_trace_vprintk(), bpf_snprintf() */
#define PRINT_ARGS 3u

/* A line for people: one line, and nothing that moves their cursor. */
static void print(char *line, size_t size)
{
	const struct ebpf_env *env = ebpf_env_here;

	if (env->ops == NULL || env->ops->print == NULL)
		return;
	while (size > 0 && line[size - 1] == '\n')
		size--;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
			line[i] = line[i] == '\n' || line[i] == '\t' ? ' ' : '?';
	env->ops->print(env, line, (uint32_t)size);
}

static uint64_t format_and_print(const char *format, uint32_t format_size, const uint64_t *args,
				 uint32_t n_args)
{
	char line[MAX_LINE];
	long n = ebpf_format(line, sizeof(line), format, format_size, args, n_args);

	if (n >= 0)
		print(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
	return (uint64_t)n;
}

EBPF_HELPER(trace_printk)
{
	const uint64_t args[PRINT_ARGS] = {r3, r4, r5};

	return format_and_print(ebpf_ptr(r1), (uint32_t)r2, args, PRINT_ARGS);
}

static bool args_are_right(uint64_t args, uint32_t size)
{
	return size % 8 == 0 && size <= MAX_ARGS * 8 && (size == 0 || args != 0);
}

EBPF_HELPER(trace_vprintk)
{
	if (!args_are_right(r3, (uint32_t)r4))
		return (uint64_t)-EINVAL;
	return format_and_print(ebpf_ptr(r1), (uint32_t)r2, ebpf_ptr(r3), (uint32_t)r4 / 8);
}

/* The format lies in a read-only map and has an end: the verifier has looked. */
EBPF_HELPER(snprintf)
{
	const char *format = ebpf_ptr(r3);
	long n;

	if (!args_are_right(r4, (uint32_t)r5))
		return (uint64_t)-EINVAL;
	n = ebpf_format(ebpf_ptr(r1), (uint32_t)r2, format, (uint32_t)strlen(format) + 1,
			ebpf_ptr(r4), (uint32_t)r5 / 8);
	return (uint64_t)(n < 0 ? n : n + 1);
}
