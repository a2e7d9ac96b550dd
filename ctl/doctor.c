/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'doctor', the tool's half: whether the daemon answers and is of our version, and, when it does
 * not answer, what can be seen of the host without it.  The daemon's half is vswitch/doctor.c.
 */
#include "ctl/tool.h"

#include "ctl/render.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add(json_t *rows, const char *check, const char *state, const char *found,
		const char *why, const char *fix)
{
	json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s}", "check", check, "state",
					      state, "found", found, "why", why, "fix", fix));
}

static void check_version(struct ctl_tool *tool, json_t *rows)
{
	json_t *answer = NULL;
	const char *version;
	char found[128];

	if (ctl_tool_call(tool, ctl_spec_find("stats", "show"), NULL, -1, &answer, NULL) != 0)
		return;
	version = json_string_value(json_object_get(answer, "version")) ?: "?";
	snprintf(found, sizeof(found), "vswitchd %.40s answers on %.60s", version, tool->socket);
	if (strcmp(version, VSWITCH_VERSION) == 0)
		add(rows, "daemon", "ok", found, "", "");
	else
		add(rows, "daemon", "warn", found,
		    "vswitchctl is " VSWITCH_VERSION ": commands may not be the same",
		    "systemctl restart vswitchd");
	json_decref(answer);
}

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry = NULL;

	while (dir != NULL && (entry = readdir(dir)) != NULL && entry->d_name[0] == '.')
		;
	if (dir != NULL)
		closedir(dir);
	return entry == NULL;
}

static unsigned long huge_pages(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long n = 0;
	char line[128];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "HugePages_Total:", 16) == 0)
			n = strtoul(line + 16, NULL, 10);
	}
	if (f != NULL)
		fclose(f);
	return n;
}

/* What the daemon would say better. */
static void check_host(json_t *rows)
{
	char found[64];
	unsigned long n = huge_pages();

	snprintf(found, sizeof(found), "%lu reserved", n);
	if (n > 0)
		add(rows, "huge pages", "ok", found, "", "");
	else
		add(rows, "huge pages", "warn", found,
		    "vswitchd asks the kernel for them when it starts; without them it is slower",
		    "sysctl vm.nr_hugepages=512");
	if (is_empty("/sys/bus/pci/devices"))
		return;
	if (is_empty("/sys/kernel/iommu_groups"))
		add(rows, "iommu", "warn", "none", "a NIC given to DPDK could write to all memory",
		    "enable VT-d or AMD-Vi, and boot with intel_iommu=on iommu=pt");
	else
		add(rows, "iommu", "ok", "on", "", "");
}

static void print_row(struct ctl_render *r, const json_t *row)
{
	static const char *const details[] = {"why", "fix"};
	char *check = ctl_show_text(json_object_get(row, "check"), CTL_AS_IS);
	char *found = ctl_show_text(json_object_get(row, "found"), CTL_AS_IS);
	const char *state = json_string_value(json_object_get(row, "state")) ?: "?";
	const char *colour = strcmp(state, "ok") == 0	  ? "\033[32m"
			     : strcmp(state, "warn") == 0 ? "\033[33m"
							  : "\033[31m";

	fprintf(r->out, "%s%-4s%s  %s: %s\n", r->colour ? colour : "", state,
		r->colour ? "\033[0m" : "", check, found);
	for (size_t i = 0; i < 2; i++) {
		json_t *value = json_object_get(row, details[i]);
		char *text = ctl_show_text(value, CTL_AS_IS);

		if (json_string_length(value) > 0)
			fprintf(r->out, "        %s: %s\n", details[i], text);
		free(text);
	}
	free(check);
	free(found);
}

static bool has_failed(const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i, row) {
		if (strcmp(json_string_value(json_object_get(row, "state")) ?: "", "fail") == 0)
			return true;
	}
	return false;
}

int ctl_tool_doctor(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params)
{
	struct ctl_render r = ctl_render_for(stdout);
	json_t *rows = json_array(), *answer = NULL, *row;
	struct err err;
	size_t i;
	bool failed;

	if (ctl_tool_call(tool, spec, params, -1, &answer, &err) == 0) {
		check_version(tool, rows);
		json_array_extend(rows, json_object_get(answer, "checks"));
	} else {
		add(rows, "daemon", "fail", err.what, err.why, err.fix);
		check_host(rows);
	}
	json_decref(answer);
	failed = has_failed(rows);
	if (tool->json) {
		answer = json_pack("{s:b, s:O}", "ok", !failed, "checks", rows);
		ctl_tool_print_json(answer, false);
		json_decref(answer);
	} else {
		json_array_foreach(rows, i, row)
			print_row(&r, row);
	}
	json_decref(rows);
	return failed ? 1 : 0;
}
