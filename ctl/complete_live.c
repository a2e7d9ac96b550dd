/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'vswitchctl complete': live names for completion, from the daemon and from the host; see tool.h.
 * Whatever fails, there are no candidates: an error in the middle of a line that someone is typing
 * helps nobody.
 */
#include "ctl/tool.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 700 /* Longer than this nobody waits for a TAB. */

struct live {
	struct ctl_tool *tool;
	const char *current;
};

static void put_name(struct ctl_completer *c, const char *prefix, const char *name)
{
	const struct live *live = c->ctx;
	char candidate[600];

	snprintf(candidate, sizeof(candidate), "%s%s", prefix, name);
	if (strncmp(candidate, live->current, strlen(live->current)) == 0)
		c->put(c, candidate);
}

/* The names that a command lists: what stands under 'key' in each row of its answer. */
static void put_listed(struct ctl_completer *c, const char *noun, const char *verb, const char *key,
		       const char *prefix)
{
	const struct live *live = c->ctx;
	const struct ctl_spec *spec = ctl_spec_find(noun, verb);
	json_t *answer = NULL, *rows, *row;
	struct err err;
	size_t i;

	if (ctl_tool_call(live->tool, spec, NULL, -1, &answer, &err) != 0)
		return;
	rows = json_object_get(answer, spec->rows);
	json_array_foreach(rows, i, row) {
		const json_t *name = json_object_get(row, key);
		char number[32];

		if (json_is_string(name)) {
			put_name(c, prefix, json_string_value(name));
		} else if (json_is_integer(name)) {
			snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
				 json_integer_value(name));
			put_name(c, prefix, number);
		}
	}
	json_decref(answer);
}

/* The names in a folder; those that start with 'start' only, which is left away when 'cut'. */
static void put_folder(struct ctl_completer *c, const char *path, const char *start, bool cut,
		       const char *prefix)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t n = strlen(start);

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name + (cut ? n : 0);

		if (entry->d_name[0] == '.' || strncmp(entry->d_name, start, n) != 0)
			continue;
		/* "cpu0", not "cpufreq". */
		if (!cut || (*name >= '0' && *name <= '9'))
			put_name(c, prefix, name);
	}
	if (dir != NULL)
		closedir(dir);
}

static void live_names(struct ctl_completer *c, const char *kind, const char *prefix)
{
	if (strcmp(kind, "switch") == 0)
		put_listed(c, "switch", "list", "name", prefix);
	else if (strcmp(kind, "port") == 0)
		put_listed(c, "port", "list", "name", prefix);
	else if (strcmp(kind, "nic") == 0)
		put_listed(c, "nic", "list", "name", prefix);
	else if (strcmp(kind, "vm") == 0)
		put_listed(c, "vm", "list", "name", prefix);
	else if (strcmp(kind, "disk") == 0)
		put_listed(c, "disk", "list", "name", prefix);
	else if (strcmp(kind, "tenant") == 0)
		put_listed(c, "tenant", "list", "name", prefix);
	else if (strcmp(kind, "mirror") == 0)
		put_listed(c, "mirror", "list", "name", prefix);
	else if (strcmp(kind, "ipfix") == 0 || strcmp(kind, "sflow") == 0)
		put_listed(c, kind, "list", "name", prefix);
	else if (strcmp(kind, "filter") == 0)
		put_listed(c, "filter", "list", "module", prefix);
	else if (strcmp(kind, "acl") == 0)
		put_listed(c, "acl", "stats", "acl", prefix);
	else if (strcmp(kind, "ipset") == 0)
		put_listed(c, "ipset", "list", "ipset", prefix);
	else if (strcmp(kind, "core") == 0)
		put_listed(c, "core", "list", "cpu", prefix);
	else if (strcmp(kind, "revision") == 0)
		put_listed(c, "config", "history", "revision", prefix);
	else if (strcmp(kind, "netns") == 0)
		put_folder(c, "/run/netns", "", false, prefix);
	else if (strcmp(kind, "interface") == 0)
		put_folder(c, "/sys/class/net", "", false, prefix);
	else if (strcmp(kind, "cpu") == 0)
		put_folder(c, "/sys/devices/system/cpu", "cpu", true, prefix);
	else if (strcmp(kind, "capture") == 0) {
		put_listed(c, "capture", "list", "id", prefix);
		put_name(c, prefix, "all");
	}
}

static void print(struct ctl_completer *c, const char *candidate)
{
	puts(candidate);
}

/* The words of a line up to the cursor; when it ends in a space, a new word begins.  NULL: a quote
 * is open. */
static char **split(const char *line, int *ret_n)
{
	size_t n = strlen(line);
	char **words, **more, *last;
	int n_words = ctl_words_split(line, &words, NULL);

	if (n_words < 0)
		return NULL;
	if (n_words > 0 && n > 0 && line[n - 1] != ' ' && line[n - 1] != '\t') {
		*ret_n = n_words;
		return words;
	}
	more = realloc(words, ((size_t)n_words + 2) * sizeof(*words));
	last = strdup("");
	if (more == NULL || last == NULL) {
		free(last);
		ctl_words_free(more != NULL ? more : words);
		return NULL;
	}
	more[n_words] = last;
	more[n_words + 1] = NULL;
	*ret_n = n_words + 1;
	return more;
}

int ctl_tool_complete(struct ctl_tool *tool, const char *line)
{
	struct live live = {.tool = tool};
	struct ctl_completer c = {.live = live_names, .put = print, .ctx = &live};
	int n = 0;
	char **words = split(line, &n);

	tool->timeout_ms = TIMEOUT_MS;
	/* The first word is the tool's own name. */
	if (words != NULL && n > 1) {
		live.current = words[n - 1];
		/* The line being completed may name another daemon. */
		for (int i = 1; i + 1 < n - 1; i++) {
			if (strcmp(words[i], "--socket") == 0)
				tool->socket = words[i + 1];
		}
		ctl_complete(&c, n - 1, words + 1);
	}
	fflush(stdout);
	ctl_words_free(words);
	return 0;
}
