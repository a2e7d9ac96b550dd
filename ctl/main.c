/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vswitchctl: words -> command -> one call -> its answer drawn.  All it knows of commands is the
 * table (spec.h); what is more than one call stands in files of its own (watch.c, capture_start.c,
 * doctor.c).
 */
#include "ctl/base/sealed.h"
#include "ctl/render.h"
#include "ctl/spec_priv.h"
#include "ctl/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE   (3u * 1024 * 1024)	 /* What fits a message, with room for quotes. */
#define MAX_PASSED (1024u * 1024 * 1024) /* bytes of a file that is passed as a descriptor */
#define NO_FILE	   INT_MIN

static int read_all(FILE *f, const char *path, json_t **ret_text, struct err *err)
{
	char *text = malloc(MAX_FILE + 1);
	size_t n = text != NULL ? fread(text, 1, MAX_FILE + 1, f) : 0;
	int rc = 0;

	if (text == NULL)
		rc = err_set(err, -ENOMEM, "no-memory", "out of memory");
	else if (ferror(f) != 0)
		rc = err_set(err, -EIO, "cannot-read", "cannot read %s: %s", path, strerror(errno));
	else if (n > MAX_FILE)
		rc = err_set(err, -EINVAL, "too-long", "%s is longer than %u bytes", path,
			     MAX_FILE);
	else if (memchr(text, '\0', n) != NULL || (*ret_text = json_stringn(text, n)) == NULL)
		rc = err_set(err, -EINVAL, "not-text", "%s is no UTF-8 text", path);
	free(text);
	return rc;
}

static int cannot_read(const char *path, struct err *err)
{
	int rc = err_set(err, -errno, "cannot-read", "cannot read %s: %s", path, strerror(errno));

	err_why(err, "the tool reads it, as the user who runs it");
	err_fix(err, "ls -l %.280s; - reads standard input", path);
	return rc;
}

static int read_file(const char *path, json_t **ret_text, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	int rc;

	if (f == NULL)
		return cannot_read(path, err);
	rc = read_all(f, path, ret_text, err);
	if (!is_stdin)
		fclose(f);
	return rc;
}

/* The text of each file takes the place of its path. */
static int read_files(const struct ctl_spec *spec, json_t *params, struct err *err)
{
	char key[CTL_KEY_SIZE];
	json_t *text = NULL;
	int rc;

	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		const char *path =
			json_string_value(json_object_get(params, ctl_arg_key(arg, key)));

		if (arg->type != CTL_FILE || path == NULL)
			continue;
		rc = read_file(path, &text, err);
		if (rc != 0)
			return rc;
		json_object_set_new(params, key, text);
	}
	return 0;
}

/* The file that goes with the call as a descriptor; NO_FILE when the command takes none, else a
 * negative errno. */
static int pass_file(const struct ctl_spec *spec, const json_t *params, struct err *err)
{
	char key[CTL_KEY_SIZE];

	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		const char *path =
			json_string_value(json_object_get(params, ctl_arg_key(arg, key)));
		size_t max = arg->max != 0 ? (size_t)arg->max : MAX_PASSED;
		int from, rc;

		if (arg->type != CTL_FD_IN || path == NULL)
			continue;
		if (strcmp(path, "-") == 0)
			return sealed_copy(STDIN_FILENO, "standard input", max, err);
		from = open(path, O_RDONLY | O_CLOEXEC);
		/* What it was is said otherwise: the daemon has a copy, or not. */
		if (from < 0 && errno == ENOENT && json_object_get(params, "sha256") != NULL)
			return NO_FILE;
		if (from < 0)
			return cannot_read(path, err);
		rc = sealed_copy(from, path, max, err);
		close(from);
		return rc;
	}
	return NO_FILE;
}

static void print_answer(const struct ctl_tool *tool, const struct ctl_spec *spec,
			 const json_t *answer)
{
	struct ctl_render r = ctl_render_for(stdout);
	const char *text = json_string_value(json_object_get(answer, "text"));

	if (tool->json)
		ctl_tool_print_json(answer, false);
	else if (spec->flags & CTL_CHANGES)
		ctl_render_change(&r, answer, tool->check);
	else if ((spec->flags & CTL_TEXT) && text != NULL)
		fputs(text, stdout);
	else if (spec->rows != NULL && strcmp(spec->rows, "changes") == 0)
		ctl_render_changes(&r, json_object_get(answer, spec->rows));
	else
		ctl_render_answer(&r, spec, answer);
}

static bool takes_file(const struct ctl_spec *spec)
{
	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++)
		if (arg->type == CTL_FILE || arg->type == CTL_FD_IN)
			return true;
	return false;
}

static int call(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params)
{
	json_t *answer = NULL;
	struct err err;
	int fd = pass_file(spec, params, &err), rc = fd;

	if (fd >= 0 || fd == NO_FILE)
		rc = ctl_tool_call(tool, spec, params, fd >= 0 ? fd : -1, &answer, &err);
	if (fd >= 0)
		close(fd);
	if (rc != 0) {
		rc = ctl_tool_fail(tool, &err);
		/* These words were well formed: what is wrong is in the file. */
		return rc == 2 && takes_file(spec) ? 5 : rc;
	}
	print_answer(tool, spec, answer);
	/* "ok": false is a finding, such as of 'switch verify'. */
	if (json_is_false(json_object_get(answer, "ok")))
		rc = 1;
	if (tool->check && json_is_true(json_object_get(answer, "would_change")))
		rc = 8;
	json_decref(answer);
	return rc;
}

static int run(struct ctl_tool *tool, const struct ctl_spec *spec, json_t *params)
{
	if (strcmp(spec->noun, "doctor") == 0)
		return ctl_tool_doctor(tool, spec, params);
	if (strcmp(spec->noun, "capture") == 0 && strcmp(spec->verb, "start") == 0)
		return ctl_tool_capture(tool, spec, params);
	if (strcmp(spec->noun, "vm") == 0 && strcmp(spec->verb, "console") == 0)
		return ctl_tool_console(tool, spec, params);
	if (strcmp(spec->noun, "vm") == 0 && strcmp(spec->verb, "connect") == 0)
		return ctl_tool_connect(tool, spec, params);
	if (strcmp(spec->noun, "filter") == 0 && strcmp(spec->verb, "map dump") == 0)
		return ctl_tool_map_dump(tool, spec, params);
	if (strcmp(spec->noun, "disk") == 0 && (spec->flags & CTL_LOCAL))
		return ctl_tool_disk(tool, spec, params);
	if (spec->flags & CTL_STREAM)
		return ctl_tool_stream(tool, spec, params);
	if (tool->watch || ((spec->flags & CTL_ALWAYS) && !tool->json))
		return ctl_tool_watch(tool, spec, params);
	return call(tool, spec, params);
}

/* The command once more, as -w changes it: 'events -w' is 'events watch'. */
static int apply_watch(const struct ctl_tool *tool, const struct ctl_spec **spec, struct err *err)
{
	const struct ctl_spec *watch = ctl_spec_find((*spec)->noun, "watch");

	if (!tool->watch || ((*spec)->flags & (CTL_WATCH | CTL_STREAM)))
		return 0;
	if (watch == NULL) {
		err_set(err, -EINVAL, "usage", "%s %s cannot be watched", (*spec)->noun,
			(*spec)->verb);
		err_why(err, "it has no counters that change");
		err_fix(err, "vswitchctl top, or port list -w, port stats -w, drop list -w");
		return -EINVAL;
	}
	*spec = watch;
	return 0;
}

static int check_options(const struct ctl_tool *tool, const struct ctl_spec *spec, struct err *err)
{
	if ((!tool->check && tool->confirm_ms == 0) || (spec->flags & CTL_CHANGES))
		return 0;
	err_set(err, -EINVAL, "usage", "%s %s changes no configuration", spec->noun, spec->verb);
	err_why(err, "--check and --confirm are for changes");
	err_fix(err, "vswitchctl %s %s --help", spec->noun, spec->verb);
	return -EINVAL;
}

/* The file at a relative path is meant where the tool runs, not the daemon. */
static json_t *from_root(const char *path)
{
	char here[PATH_MAX];

	while (strncmp(path, "./", 2) == 0)
		path += 2;
	if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		return json_string(path);
	return json_sprintf("%s/%s", strcmp(here, "/") != 0 ? here : "", path);
}

static void make_absolute(const struct ctl_spec *spec, json_t *params)
{
	char key[CTL_KEY_SIZE];

	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		json_t *value = json_object_get(params, ctl_arg_key(arg, key)), *item;
		size_t i;

		if (arg->form != CTL_FORM_FILE && arg->form != CTL_FORM_FILE_OPTIONS)
			continue;
		if (json_is_string(value))
			json_object_set_new(params, key, from_root(json_string_value(value)));
		json_array_foreach(value, i, item)
			json_array_set_new(value, i, from_root(json_string_value(item)));
	}
}

/* Who asks for something that takes long waits for it as long as it may take. */
static void wait_longer(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params)
{
	const struct ctl_arg *arg = ctl_spec_arg(spec, "timeout");
	const json_t *ms = json_object_get(params, "timeout");
	json_int_t longest = ms != NULL ? json_integer_value(ms) : 60000;

	if (arg != NULL && arg->type == CTL_DURATION && tool->timeout_ms > 0 &&
	    longest + 15000 > tool->timeout_ms)
		tool->timeout_ms = (int)longest + 15000;
}

static int run_words(struct ctl_tool *tool, const struct ctl_spec *spec, int argc, char **argv)
{
	json_t *params = NULL;
	struct err err = {0};
	int n = ctl_tool_take_options(tool, spec, argc, argv, &err), rc;

	if (n >= 0 && tool->help) {
		ctl_help_command(stdout, spec);
		return 0;
	}
	rc = n < 0 ? n : apply_watch(tool, &spec, &err);
	if (rc == 0)
		rc = check_options(tool, spec, &err);
	if (rc == 0)
		rc = ctl_args_parse(spec, n, argv, &params, &err);
	if (rc == 0) {
		make_absolute(spec, params);
		wait_longer(tool, spec, params);
		rc = read_files(spec, params, &err);
	}
	if (rc == 0 && ctl_spec_arg(spec, "frame") != NULL)
		rc = ctl_tool_take_frame(params, &err);
	rc = rc == 0 ? run(tool, spec, params) : ctl_tool_fail(tool, &err);
	json_decref(params);
	return rc;
}

/* 'help', 'help NOUN', 'help NOUN VERB', 'help --man', 'help --markdown' */
static int help(struct ctl_tool *tool, int argc, char **argv)
{
	const struct ctl_spec *spec;
	struct err err = {0};
	int n;

	if (argc > 0 && strcmp(argv[0], "--man") == 0)
		ctl_help_man(stdout);
	else if (argc > 0 && strcmp(argv[0], "--markdown") == 0)
		ctl_help_markdown(stdout);
	else if (argc == 0)
		ctl_help_all(stdout);
	else if (argc == 1 && ctl_help_noun(stdout, argv[0]) == 0)
		return 0;
	else if (ctl_tool_find(argc, argv, &spec, &n, &err) != 0)
		return ctl_tool_fail(tool, &err);
	else
		ctl_help_command(stdout, spec);
	return 0;
}

static bool asks_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int dispatch(struct ctl_tool *tool, int argc, char **argv)
{
	const struct ctl_spec *spec;
	struct err err = {0};
	int n_words, n = ctl_tool_take_options(tool, NULL, argc, argv, &err);

	if (n < 0)
		return ctl_tool_fail(tool, &err);
	if (tool->version) {
		puts("vswitchctl " VSWITCH_VERSION);
		return 0;
	}
	if (n == 0 && !tool->help) {
		ctl_help_all(stderr);
		return 2;
	}
	if (n == 0 || strcmp(argv[0], "help") == 0 || tool->help)
		return help(tool, n == 0 || tool->help ? n : n - 1, tool->help ? argv : argv + 1);
	if (strcmp(argv[0], "complete") == 0)
		return ctl_tool_complete(tool, n > 1 ? argv[1] : "");
	if (n == 2 && asks_help(argv[1]) && ctl_help_noun(stdout, argv[0]) == 0)
		return 0;
	if (ctl_tool_find(n, argv, &spec, &n_words, &err) != 0)
		return ctl_tool_fail(tool, &err);
	return run_words(tool, spec, n - n_words, argv + n_words);
}

int main(int argc, char **argv)
{
	struct ctl_tool tool;
	int rc;

	setlocale(LC_ALL, "");
	ctl_tool_init(&tool);
	rc = dispatch(&tool, argc - 1, argv + 1);
	ctl_tool_fini(&tool);
	/* What was not written was not said. */
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		perror("vswitchctl: standard output");
		return rc != 0 ? rc : 1;
	}
	return rc;
}
