/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of the flow syntax as bytes and back: of_text_dump add|delete|group|meter < FILE
 * For each line: the message in hexadecimal, and the line as we print it; or "!" and the error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "vswitch/of/table.h"
#include "vswitch/of/text.h"

/* As the tests name them: ports "p1" to "p9". */
static bool port_number(void *arg, const char *name, size_t size, uint32_t *ret_port)
{
	if (size != 2 || name[0] != 'p' || name[1] < '1' || name[1] > '9')
		return false;
	*ret_port = (uint32_t)(name[1] - '0');
	return true;
}

static const struct of_text_ports ports = {.number = port_number};

static int flow(const char *line, uint8_t command, struct wr *bytes, struct wr *text,
		struct of_text_error *err)
{
	struct of_flow_mod mod;

	if (of_text_flow_parse(line, 1, command, &ports, &mod, err))
		return -1;
	of_flow_mod_encode(bytes, 0, &mod);
	of_text_flow_print(text, &mod, NULL);
	of_flow_mod_fini(&mod);
	return 0;
}

static int group(const char *line, struct wr *bytes, struct wr *text, struct of_text_error *err)
{
	struct of_group_mod mod;

	if (of_text_group_parse(line, 1, OFPGC_ADD, &ports, &mod, err))
		return -1;
	of_group_mod_encode(bytes, 0, &mod);
	of_text_group_print(text, &mod.group, NULL);
	of_group_fini(&mod.group);
	return 0;
}

static int meter(const char *line, struct wr *bytes, struct wr *text, struct of_text_error *err)
{
	struct of_meter_mod mod;

	if (of_text_meter_parse(line, 1, OFPMC_ADD, &mod, err))
		return -1;
	of_meter_mod_encode(bytes, 0, &mod);
	of_text_meter_print(text, &mod.meter);
	of_meter_fini(&mod.meter);
	return 0;
}

static void dump(const char *what, const char *line)
{
	struct wr bytes = wr_init(65535), text = wr_init(1 << 20);
	struct of_text_error err;
	int rc;

	if (strcmp(what, "group") == 0)
		rc = group(line, &bytes, &text, &err);
	else if (strcmp(what, "meter") == 0)
		rc = meter(line, &bytes, &text, &err);
	else
		rc = flow(line, strcmp(what, "add") == 0 ? OFPFC_ADD : OFPFC_DELETE, &bytes, &text,
			  &err);
	if (rc < 0)
		printf("! %u: %s", err.column, err.what);
	for (size_t i = 0; rc == 0 && i < bytes.size; i++)
		printf("%02x", bytes.bytes[i]);
	if (rc == 0)
		printf(" %.*s", (int)text.size, (const char *)text.bytes);
	printf("\n");
	wr_fini(&bytes);
	wr_fini(&text);
}

/* A table that can do everything, as a switch describes it. */
static void tables(void)
{
	struct of_table_features f = {
		.name = "table0",
		.metadata_match = UINT64_MAX,
		.metadata_write = UINT64_MAX,
		.max_entries = 1000000,
		.present = 0x5555, /* all properties, misses as hits */
		.hit = {.instrs = 0x7e, .write_actions = 0xfff9801, .apply_actions = 0xfff9801},
	};
	struct wr bytes = wr_init(65535);

	for (unsigned i = 1; i <= OF_TABLE_MAX; i++)
		of_bit_set(f.hit.next_tables, i);
	for (unsigned i = 0; i < OF_F_PBB_UCA; i++) {
		const struct of_field_info *info = of_field_info((enum of_field)i);

		of_bit_set(f.match, i);
		of_bit_set(f.wildcards, i);
		if (info->maskable)
			of_bit_set(f.match_mask, i);
		if (info->write == OF_WRITE_SET)
			of_bit_set(f.hit.apply_fields, i);
	}
	of_table_features_encode(&bytes, &f);
	for (size_t i = 0; i < bytes.size; i++)
		printf("%02x", bytes.bytes[i]);
	printf(" tables\n");
	wr_fini(&bytes);
}

int main(int argc, char **argv)
{
	char line[65536];

	if (argc != 2)
		return EXIT_FAILURE;
	if (strcmp(argv[1], "tables") == 0)
		tables();
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		dump(argv[1], line);
	}
	return EXIT_SUCCESS;
}
