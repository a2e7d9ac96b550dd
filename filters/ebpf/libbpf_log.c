/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libbpf writes to standard error unless told where to.  It asks one function for the whole
 * process; ours keeps what is said on a thread that listens, and passes on the rest.
 */
#include <bpf/libbpf.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "filters/ebpf/object_priv.h"

static __thread struct ebpf_libbpf_log *here;
static libbpf_print_fn_t before;

__attribute__((format(printf, 2, 0))) static int take(enum libbpf_print_level level,
						      const char *format, va_list args)
{
	size_t room;
	int n;

	if (here == NULL)
		return before != NULL ? before(level, format, args) : 0;
	if (level != LIBBPF_WARN)
		return 0;
	room = sizeof(here->text) - here->size;
	n = vsnprintf(here->text + here->size, room, format, args);
	if (n > 0)
		here->size += (size_t)n < room ? (size_t)n : room - 1;
	return n;
}

void ebpf_libbpf_log_begin(struct ebpf_libbpf_log *log)
{
	libbpf_print_fn_t old = libbpf_set_print(take);

	if (old != take)
		before = old;
	log->size = 0;
	log->text[0] = '\0';
	here = log;
	ebpf_object_rehearse_mark(true);
}

void ebpf_libbpf_log_end(void)
{
	here = NULL;
	ebpf_object_rehearse_mark(false);
	libbpf_set_print(before);
}

/* Lines that come before or after the cause. */
static bool says_nothing(const char *line)
{
	static const char *const empty[] = {"Retrying without BTF", "failed to load object",
					    "BTF is optional", "-- BEGIN", "-- END"};

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		if (strstr(line, empty[i]) != NULL)
			return true;
	return line[0] == '\0';
}

const char *ebpf_libbpf_log_why(const struct ebpf_libbpf_log *log, char *buf, size_t size)
{
	buf[0] = '\0';
	for (const char *line = log->text; *line != '\0'; line += strcspn(line, "\n")) {
		line += *line == '\n';
		if (strncmp(line, "libbpf: ", 8) == 0)
			line += 8;
		snprintf(buf, size, "%.*s", (int)strcspn(line, "\n"), line);
		if (!says_nothing(buf))
			return buf;
		buf[0] = '\0';
	}
	return buf;
}

const char *ebpf_libbpf_log_prog(const struct ebpf_libbpf_log *log, char *buf, size_t size)
{
	const char *end = strstr(log->text, "': BPF program load failed"), *start = end;

	buf[0] = '\0';
	while (start != NULL && start > log->text && start[-1] != '\'')
		start--;
	if (start != NULL)
		snprintf(buf, size, "%.*s", (int)(end - start), start);
	return buf;
}
