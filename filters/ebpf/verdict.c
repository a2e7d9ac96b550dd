/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The verifier's log in few words.  It ends like this, after what may be a million lines:
 *
 * 	; return p[10]; @ guard.bpf.c:7                    the source, when the object has it
 * 	1: (71) r1 = *(u8 *)(r1 +10)                       instructions, with what is known
 * 	invalid access to packet, off=10 size=1, R1(...)   the complaint, a line or two
 * 	R1 offset is outside of the packet
 * 	processed 2 insns (limit 1000000) ...              statistics
 *
 * Kernels before 6.9 name no file and line.  The log is text for people and changes: what is not
 * recognized is taken for a complaint.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "filters/ebpf/object_priv.h"

#define MAX_COMPLAINTS 3

struct line {
	const char *text;
	int size;
};

static bool starts(struct line line, const char *with)
{
	return strncmp(line.text, with, strlen(with)) == 0;
}

/* "12: (71) r1 = ...", "from 3 to 5: R0=..." */
static bool is_insn(struct line line)
{
	int n = 0;

	while (n < line.size && isdigit((unsigned char)line.text[n]))
		n++;
	return (n > 0 && n < line.size && line.text[n] == ':') || starts(line, "from ");
}

/* "R0=scalar() R10=fp0", " R0_w=1" */
static bool is_state(struct line line)
{
	int n = 0;

	while (n < line.size && line.text[n] == ' ')
		n++;
	if (n >= line.size || line.text[n] != 'R')
		return false;
	for (n++; n < line.size && (isalnum((unsigned char)line.text[n]) || line.text[n] == '_');
	     n++)
		;
	return n < line.size && line.text[n] == '=';
}

static bool is_statistic(struct line line)
{
	static const char *const are[] = {"processed ",	  "verification time", "stack depth",
					  "cur state:",	  "old state:",	       "func#",
					  "mark_precise", "last_idx",	       "regs="};

	for (size_t i = 0; i < sizeof(are) / sizeof(are[0]); i++)
		if (starts(line, are[i]))
			return true;
	return line.size == 0;
}

/* "; text @ file:12": not one without text. */
static bool is_source(struct line line)
{
	return starts(line, "; ") && line.size > 2 && line.text[2] != ' ';
}

/* The line that ends before 'end'. */
static struct line line_before(const char *log, const char *end)
{
	const char *start;

	if (end > log && end[-1] == '\n')
		end--;
	for (start = end; start > log && start[-1] != '\n'; start--)
		;
	return (struct line){.text = start, .size = (int)(end - start)};
}

static void append(char *ret, size_t size, const char *between, struct line line)
{
	size_t n = strlen(ret);

	snprintf(ret + n, size - n, "%s%.*s", n > 0 ? between : "", line.size, line.text);
}

/* "text @ file:12" as "file:12: text". */
static void append_source(char *ret, size_t size, struct line line)
{
	struct line text = {.text = line.text + 2, .size = line.size - 2}, where;
	size_t n = strlen(ret);
	int at;

	for (at = text.size - 1; at > 1 && strncmp(text.text + at - 1, " @ ", 3) != 0; at--)
		;
	if (at <= 1) {
		append(ret, size, "; at: ", text);
		return;
	}
	where = (struct line){.text = text.text + at + 2, .size = text.size - at - 2};
	snprintf(ret + n, size - n, "%s%.*s: %.*s", n > 0 ? "; at " : "", where.size, where.text,
		 at - 1, text.text);
}

void ebpf_verdict_refused(const char *log, char *ret, size_t size)
{
	struct line complaints[MAX_COMPLAINTS], insn = {0}, line;
	const char *end = log + strlen(log);
	int n = 0;

	ret[0] = '\0';
	for (; end > log; end = line.text) {
		line = line_before(log, end);
		if (is_source(line))
			break;
		if (is_statistic(line) || is_state(line) || starts(line, ";"))
			continue;
		if (is_insn(line) && insn.size == 0)
			insn = line;
		if (insn.size == 0 && n < MAX_COMPLAINTS)
			complaints[n++] = line;
	}
	while (n > 0)
		append(ret, size, ": ", complaints[--n]);
	if (end > log)
		append_source(ret, size, line_before(log, end));
	else if (insn.size > 0)
		append(ret, size, "; at instruction ", insn);
}

static unsigned long number_after(const char *log, const char *what)
{
	const char *at = strstr(log, what);
	unsigned long n = 0;

	if (at == NULL || sscanf(at + strlen(what), "%lu", &n) != 1)
		return 0;
	return n;
}

/* "stack depth 8+0+16": the most of a chain of calls is not said; of all functions, the sum. */
static unsigned long stack_sum(const char *log)
{
	const char *at = strstr(log, "stack depth ");
	unsigned long sum = 0;

	if (at == NULL)
		return 0;
	for (at += strlen("stack depth "); isdigit((unsigned char)*at); at += *at == '+') {
		unsigned long n = 0;

		for (; isdigit((unsigned char)*at); at++)
			n = n * 10 + (unsigned long)(*at - '0');
		sum += n;
	}
	return sum;
}

void ebpf_verdict_accepted(const char *log, char *ret, size_t size)
{
	unsigned long n = number_after(log, "processed ");

	ret[0] = '\0';
	if (n > 0)
		snprintf(ret, size, "%lu instructions processed, %lu bytes of stack", n,
			 stack_sum(log));
}
