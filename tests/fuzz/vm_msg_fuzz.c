/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes what a VM's process may say to the switch: packets of its control socket, its first line,
 * the file it leaves.  What is taken must be fit for a terminal.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vswitch/vm_msg.h"

static void check_text(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
		if ((*p < 0x20 && *p != '\n') || *p == 0x7f ||
		    (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
			abort();
}

static void check_value(const json_t *value, unsigned level)
{
	const char *key;
	json_t *item;
	size_t i;

	if (level > 9)
		abort();
	if (json_is_string(value))
		check_text(json_string_value(value));
	json_object_foreach((json_t *)(uintptr_t)value, key, item) {
		check_text(key);
		check_value(item, level + 1);
	}
	json_array_foreach(value, i, item)
		check_value(item, level + 1);
}

static void check_err(const struct err *err)
{
	check_text(err->slug);
	check_text(err->what);
	check_text(err->why);
	check_text(err->fix);
	if (err->what[0] == '\0')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct vs_vm_outcome outcome;
	char copy[4096], line[64];
	struct vs_vm_msg msg;
	struct err err = {0};

	if (vs_vm_msg_parse(text, size, &msg) == 0) {
		check_text(msg.event);
		if (msg.type == VS_VM_REFUSAL)
			check_err(&msg.err);
		else
			check_value(msg.body, 0);
		(void)vs_vm_number(msg.body, "memory.size");
		check_text(vs_vm_text(msg.body, "guest.os"));
		vs_vm_msg_fini(&msg);
	}
	if (memchr(text, '\0', size) == NULL && size < sizeof(copy)) {
		memcpy(copy, text, size);
		copy[size] = '\0';
		vs_vm_panic_line(copy, line, sizeof(line));
		check_text(line);
	}
	if (vs_vm_line_parse(text, size, &err) != 0)
		check_err(&err);
	if (vs_vm_outcome_parse(text, size, &outcome) == 0) {
		check_text(outcome.why);
		check_text(outcome.text);
	}
	return 0;
}
