/* SPDX-License-Identifier: BSD-2-Clause
 *
 * --help from the command table, for all, a noun, a command; see tool.h.
 */
#include "ctl/tool.h"

#include "ctl/spec_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MIN_WIDTH   60
#define MAX_WIDTH   110
#define LABEL_WIDTH 26

static unsigned width_of(FILE *f)
{
	struct winsize size;

	if (isatty(fileno(f)) != 1 || ioctl(fileno(f), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return size.ws_col < MIN_WIDTH	 ? MIN_WIDTH
	       : size.ws_col > MAX_WIDTH ? MAX_WIDTH
					 : size.ws_col;
}

/* Text in words of lines that are 'indent' in, the first being 'at' in already; a blank line stands
 * for "\n\n". */
static void wrap(FILE *f, const char *text, unsigned indent, unsigned at)
{
	unsigned width = width_of(f) - 1;
	bool first = true;

	while (*text != '\0') {
		unsigned n = (unsigned)strcspn(text, " \n");

		if (!first && at + 1 + n > width) {
			fprintf(f, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		fprintf(f, "%s%.*s", first ? "" : " ", (int)n, text);
		at += n + !first;
		first = false;
		text += n;
		if (text[0] == '\n' && text[1] == '\n') {
			fprintf(f, "\n\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		text += strspn(text, " \n");
	}
	fputc('\n', f);
}

/* Two columns; a label too wide for the first has its text below. */
static void put_item(FILE *f, const char *label, const char *text)
{
	int n = fprintf(f, "  %s", label);

	if (n > LABEL_WIDTH - 2)
		fprintf(f, "\n%*s", LABEL_WIDTH, "");
	else
		fprintf(f, "%*s", LABEL_WIDTH - n, "");
	wrap(f, text, LABEL_WIDTH, LABEL_WIDTH);
}

/* "a|b|c" -> "a, b, c" */
static void put_choices(FILE *f, const char *choices)
{
	for (; *choices != '\0'; choices++) {
		if (*choices == '|')
			fputs(", ", f);
		else
			fputc(*choices, f);
	}
}

static void put_range(FILE *f, const struct ctl_arg *arg)
{
	struct ctl_arg plain = *arg;
	json_t *min = json_integer(arg->min), *max = json_integer(arg->max);
	char *low = ctl_value_format(&plain, min), *high = ctl_value_format(&plain, max);

	if (arg->max == INT64_MAX)
		fprintf(f, "; at least %s", low != NULL ? low : "");
	else
		fprintf(f, "; %s to %s", low != NULL ? low : "", high != NULL ? high : "");
	free(low);
	free(high);
	json_decref(min);
	json_decref(max);
}

static void put_only(FILE *f, const char *only)
{
	size_t n = strcspn(only, "=");

	fprintf(f, "; only with --%.*s ", (int)n, only);
	put_choices(f, only + n + 1);
}

char *ctl_help_details(const struct ctl_arg *arg, bool choices)
{
	bool ranged =
		(arg->min != 0 || arg->max != 0) && arg->type != CTL_LIST && arg->type != CTL_FD_IN;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	fputs(arg->help, f);
	if (choices && arg->choices != NULL) {
		fputs(arg->type == CTL_LIST ? "; any of " : "; one of ", f);
		put_choices(f, arg->choices);
	}
	if (ranged)
		put_range(f, arg);
	if (arg->type == CTL_FD_IN && arg->max != 0)
		fprintf(f, "; at most %lld MiB", (long long)arg->max >> 20);
	if (arg->only != NULL)
		put_only(f, arg->only);
	if (arg->def != NULL)
		fprintf(f, "; default: %s", arg->def);
	return fclose(f) == 0 ? text : NULL;
}

/* What stands for an option's value; "" for a flag. */
static void put_value(FILE *f, const struct ctl_arg *arg)
{
	char metavar[CTL_LABEL_SIZE];

	if (arg->type == CTL_FLAG)
		return;
	if (strcmp(arg->name, "watch") == 0)
		fprintf(f, "[=%s]", ctl_arg_metavar(arg, metavar));
	else if (ctl_arg_words(arg) != NULL)
		fprintf(f, " %s", ctl_arg_words(arg));
	else
		fprintf(f, " %s%s", ctl_arg_metavar(arg, metavar),
			arg->type == CTL_LIST && !(arg->flags & CTL_WHOLE) ? "[,..]" : "");
}

static void put_positional(FILE *f, const struct ctl_arg *arg)
{
	char metavar[CTL_LABEL_SIZE];
	bool required = (arg->flags & CTL_REQUIRED) != 0;

	fprintf(f, " %s%s%s%s", required ? "" : "[", ctl_arg_metavar(arg, metavar),
		arg->flags & CTL_REST ? "..." : "", required ? "" : "]");
}

void ctl_help_synopsis(FILE *f, const struct ctl_spec *spec)
{
	bool optional = false;

	fputs(spec->noun, f);
	if ((spec->flags & CTL_ALONE) == 0)
		fprintf(f, " %s", spec->verb);
	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		if (arg->flags & CTL_POS) {
			put_positional(f, arg);
		} else if (arg->flags & CTL_REQUIRED) {
			fprintf(f, " --%s", arg->name);
			put_value(f, arg);
		} else {
			optional = true;
		}
	}
	if (optional)
		fputs(" [OPTION]...", f);
}

static void put_arg(FILE *f, const struct ctl_arg *arg)
{
	char *details = ctl_help_details(arg, ctl_arg_words(arg) == NULL), *label = NULL;
	char metavar[CTL_LABEL_SIZE];
	size_t size;
	FILE *l = open_memstream(&label, &size);

	if (l == NULL)
		goto out;
	if (arg->flags & CTL_POS) {
		fprintf(l, "%s", ctl_arg_metavar(arg, metavar));
	} else {
		if (arg->letter != '\0')
			fprintf(l, "-%c, ", arg->letter);
		fprintf(l, "--%s", arg->name);
		put_value(l, arg);
	}
	if (fclose(l) == 0)
		put_item(f, label, details != NULL ? details : arg->help);
	free(label);
out:
	free(details);
}

static void put_args(FILE *f, const char *heading, const struct ctl_arg *args, bool positional)
{
	bool any = false;

	for (; args->name != NULL; args++) {
		if (((args->flags & CTL_POS) != 0) != positional)
			continue;
		if (!any)
			fprintf(f, "\n%s:\n", heading);
		any = true;
		put_arg(f, args);
	}
}

/* The tool's options that mean something to this command. */
static void put_tool_options(FILE *f, const struct ctl_spec *spec)
{
	bool watches = (spec->flags & CTL_WATCH) != 0, changes = (spec->flags & CTL_CHANGES) != 0;

	fputs("\nOptions of every command", f);
	fputs(watches	? ", and of commands that can be watched"
	      : changes ? ", and of changes"
			: "",
	      f);
	fputs(":\n", f);
	for (const struct ctl_arg *arg = ctl_tool_options(); arg->name != NULL; arg++) {
		bool of_watch = strcmp(arg->name, "watch") == 0;
		bool of_change =
			strcmp(arg->name, "check") == 0 || strcmp(arg->name, "confirm") == 0;

		if ((of_watch && !watches) || (of_change && !changes) ||
		    strcmp(arg->name, "version") == 0 || ctl_spec_arg(spec, arg->name) != NULL)
			continue;
		put_arg(f, arg);
	}
}

void ctl_help_command(FILE *f, const struct ctl_spec *spec)
{
	fputs("Examples:\n", f);
	for (const char *const *line = spec->examples; line != NULL && *line != NULL; line++)
		fprintf(f, "  %s\n", *line);
	fprintf(f, "\n%s.\n\nUsage:\n  vswitchctl ", spec->summary);
	ctl_help_synopsis(f, spec);
	fputc('\n', f);
	if (spec->flags & CTL_DEFAULT)
		fprintf(f, "  vswitchctl %s\n", spec->noun);
	if (spec->description != NULL) {
		fputc('\n', f);
		wrap(f, spec->description, 0, 0);
	}
	put_args(f, "Arguments", spec->args, true);
	put_args(f, "Options", spec->args, false);
	put_tool_options(f, spec);
}

static void put_first_example(FILE *f, const struct ctl_spec *spec)
{
	if (spec != NULL && spec->examples != NULL && spec->examples[0] != NULL)
		fprintf(f, "  %s\n", spec->examples[0]);
}

static void put_examples_of(FILE *f, const char *noun)
{
	fputs("Examples:\n", f);
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++)
		if (strcmp(spec->noun, noun) == 0)
			put_first_example(f, spec);
	fputc('\n', f);
}

int ctl_help_noun(FILE *f, const char *noun)
{
	bool any = false;

	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		char *label = NULL;
		size_t size;
		FILE *l;

		if (strcmp(spec->noun, noun) != 0)
			continue;
		if (!any) {
			put_examples_of(f, noun);
			fprintf(f, "Commands of '%s':\n", noun);
		}
		any = true;
		l = open_memstream(&label, &size);
		if (l == NULL)
			return -ENOMEM;
		ctl_help_synopsis(l, spec);
		if (fclose(l) == 0)
			put_item(f, label, spec->summary);
		free(label);
	}
	if (!any)
		return -ENOENT;
	fprintf(f, "\n'vswitchctl %s VERB --help' says more, with examples.\n", noun);
	return 0;
}

void ctl_help_all(FILE *f)
{
	/* What a first hour with the switch is made of. */
	static const char *const firsts[][2] = {{"switch", "add"},    {"tenant", "add"},
						{"port", "add"},      {"port", "list"},
						{"capture", "start"}, {"drop", "list"},
						{"config", "show"}};
	const char *noun = "";

	fputs("Examples:\n", f);
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++)
		put_first_example(f, ctl_spec_find(firsts[i][0], firsts[i][1]));
	fputs("\nDrives vswitchd, the virtual switch of this host.\n\n"
	      "Usage:\n  vswitchctl [OPTION]... NOUN [VERB] [ARGUMENT]...\n\nNouns and their "
	      "verbs:",
	      f);
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (strcmp(spec->noun, noun) != 0)
			fprintf(f, "\n  %-10s", noun = spec->noun);
		if ((spec->flags & CTL_ALONE) == 0)
			fprintf(f, " %s", spec->verb);
	}
	fputs("\n\nOptions:\n", f);
	for (const struct ctl_arg *arg = ctl_tool_options(); arg->name != NULL; arg++)
		put_arg(f, arg);
	fputs("\nMore:\n"
	      "  vswitchctl NOUN --help, vswitchctl NOUN VERB --help\n"
	      "  vswitchctl help --man | man -l -     the manual page\n"
	      "  vswitchctl doctor                    what is wrong here, and how to fix it\n\n"
	      "Exit status: 0 done, 1 failed, 2 usage, 3 not found, 4 exists or conflict, 5 "
	      "invalid,\n"
	      "6 daemon unreachable, 7 not permitted, 8 --check: it would change or fail, 9 "
	      "timeout,\n"
	      "11 not supported here.\n",
	      f);
}
