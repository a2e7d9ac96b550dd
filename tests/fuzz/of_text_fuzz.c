/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any text as flows, a group or a meter (the first byte says which): it is refused with a place
 * inside the text, or printed, read and printed again as the same.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "vswitch/of/text.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int print_flow(void *arg, unsigned line, struct of_flow_mod *mod)
{
	static const char *const commands[] = {"add", "modify", "modify_strict", "delete",
					       "delete_strict"};
	struct wr *wr = arg;

	wr_bytes(wr, commands[mod->command], strlen(commands[mod->command]));
	wr_u8(wr, ' ');
	of_text_flow_print(wr, mod, NULL);
	wr_u8(wr, '\n');
	of_flow_mod_fini(mod);
	return 0;
}

static int group(const char *text, struct wr *wr, struct of_text_error *err)
{
	struct of_group_mod mod;
	int rc = of_text_group_parse(text, 1, OFPGC_ADD, NULL, &mod, err);

	if (rc == 0) {
		of_text_group_print(wr, &mod.group, NULL);
		of_group_fini(&mod.group);
	}
	return rc;
}

static int meter(const char *text, struct wr *wr, struct of_text_error *err)
{
	struct of_meter_mod mod;
	int rc = of_text_meter_parse(text, 1, OFPMC_ADD, &mod, err);

	if (rc == 0) {
		of_text_meter_print(wr, &mod.meter);
		of_meter_fini(&mod.meter);
	}
	return rc;
}

static int again(char what, const char *text, struct wr *wr, struct of_text_error *err)
{
	int rc = what == 'g'   ? group(text, wr, err)
		 : what == 'm' ? meter(text, wr, err)
			       : of_text_flows_parse(text, strlen(text), OFPFC_ADD, NULL,
						     print_flow, wr, err);

	wr_u8(wr, 0);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wr first = wr_init(1 << 24), second = wr_init(1 << 24);
	struct of_text_error err = {0};
	char *text;

	if (size == 0)
		return 0;
	text = calloc(1, size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	if (again((char)data[0], text, &first, &err) == 0) {
		if (wr_ok(&first)) {
			must(again((char)data[0], (char *)first.bytes, &second, &err) == 0);
			must(first.size == second.size);
			must(memcmp(first.bytes, second.bytes, first.size) == 0);
		}
	} else {
		must(err.line > 0 && err.column > 0 && err.column <= size && *err.what != '\0');
	}
	free(text);
	wr_fini(&first);
	wr_fini(&second);
	return 0;
}
