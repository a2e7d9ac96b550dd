/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The manual page (roff, man(7) macros) and the list of methods for docs (Markdown), from the
 * command table; see tool.h.
 */
#include "ctl/tool.h"

#include "ctl/spec_priv.h"

#include <stdlib.h>
#include <string.h>

/* Text as roff wants it: no line starts with a control character, '-' is the one of the keyboard.
 */
static void roff(FILE *f, const char *text)
{
	bool line_start = true;

	for (; *text != '\0'; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", f);
		line_start = *text == '\n';
		if (text[0] == '\n' && text[1] == '\n') {
			fputs("\n.PP\n", f);
			text++;
		} else if (*text == '\\') {
			fputs("\\e", f);
		} else if (*text == '-') {
			fputs("\\-", f);
		} else {
			fputc(*text, f);
		}
	}
}

static void roff_arg(FILE *f, const struct ctl_arg *arg)
{
	char *details = ctl_help_details(arg, ctl_arg_words(arg) == NULL), metavar[CTL_LABEL_SIZE];

	fputs(".TP\n", f);
	ctl_arg_metavar(arg, metavar);
	if (arg->flags & CTL_POS) {
		fprintf(f, ".I ");
		roff(f, metavar);
	} else {
		fputs(".B ", f);
		if (arg->letter != '\0')
			fprintf(f, "\\-%c, ", arg->letter);
		fputs("\\-\\-", f);
		roff(f, arg->name);
		if (ctl_arg_words(arg) != NULL) {
			fputc(' ', f);
			roff(f, ctl_arg_words(arg));
		} else if (arg->type != CTL_FLAG) {
			fprintf(f, "%s\\fI", strcmp(arg->name, "watch") == 0 ? "=" : " ");
			roff(f, metavar);
			fputs("\\fR", f);
		}
	}
	fputc('\n', f);
	roff(f, details != NULL ? details : arg->help);
	fputs(".\n", f);
	free(details);
}

static void roff_command(FILE *f, const struct ctl_spec *spec)
{
	char *synopsis = NULL;
	size_t size;
	FILE *s = open_memstream(&synopsis, &size);

	if (s == NULL)
		return;
	ctl_help_synopsis(s, spec);
	if (fclose(s) == 0) {
		fputs(".SS ", f);
		roff(f, synopsis);
		fputc('\n', f);
	}
	free(synopsis);
	roff(f, spec->summary);
	fputs(".\n", f);
	if (spec->description != NULL) {
		fputs(".PP\n", f);
		roff(f, spec->description);
		fputc('\n', f);
	}
	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++)
		roff_arg(f, arg);
	fputs(".PP\n.nf\n.RS\n", f);
	for (const char *const *line = spec->examples; *line != NULL; line++) {
		roff(f, *line);
		fputc('\n', f);
	}
	fputs(".RE\n.fi\n", f);
}

void ctl_help_man(FILE *f)
{
	fputs(".TH VSWITCHCTL 1 \"\" \"vswitch " VSWITCH_VERSION "\" \"User Commands\"\n"
	      ".SH NAME\nvswitchctl \\- drive the virtual switch of this host\n"
	      ".SH SYNOPSIS\n.B vswitchctl\n.RI [ OPTION ]...\n.I NOUN\n.RI [ VERB ]\n.RI [ "
	      "ARGUMENT ]...\n"
	      ".SH DESCRIPTION\n"
	      "Configures and shows the switch that\n.BR vswitchd (8)\nruns. A change is one "
	      "transaction: it "
	      "is done whole or not at all, and\n.B config history\nknows it afterwards. A noun "
	      "alone means "
	      "its most usual verb.\n"
	      ".PP\nAn option's value follows it as a word of its own or behind an equals sign; "
	      "lists are "
	      "separated by commas. Sizes take k, M, G, Ki, Mi, Gi; rates are bits a second; "
	      "durations "
	      "take ms, s, m, h, d.\n"
	      ".SH OPTIONS\n",
	      f);
	for (const struct ctl_arg *arg = ctl_tool_options(); arg->name != NULL; arg++)
		roff_arg(f, arg);
	fputs(".SH COMMANDS\n", f);
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++)
		roff_command(f, spec);
	fputs(".SH EXIT STATUS\n"
	      "0 done; 1 failed; 2 wrong usage; 3 not found; 4 exists, or in conflict; 5 invalid, "
	      "or vetoed; "
	      "6 the daemon cannot be reached; 7 not permitted; 8 with\n.BR \\-\\-check :\nit "
	      "would change "
	      "something, or fail; 9 timeout; 11 not supported here.\n"
	      ".SH ENVIRONMENT\n.TP\n.B VSWITCH_SOCKET\nThe control socket, when\n.B "
	      "\\-\\-socket\nis not "
	      "given.\n.TP\n.B NO_COLOR\nNo colours when set.\n"
	      ".SH FILES\n.TP\n.I /run/vswitch/control.sock\nThe daemon's control socket; root and "
	      "members of "
	      "the group vswitch may use it.\n"
	      ".SH SEE ALSO\n.BR vswitchd (8),\n.BR tcpdump (8),\n.BR pcap\\-filter (7)\n",
	      f);
}

/* Markdown */

static const char *param_type(const struct ctl_arg *arg)
{
	if (arg->flags & CTL_REST)
		return "array of strings";
	switch (arg->type) {
	case CTL_FLAG:
	case CTL_ONOFF:
		return "boolean";
	case CTL_UINT:
		return "integer";
	case CTL_SIZE:
		return "integer, bytes";
	case CTL_RATE:
		return "integer, bits a second";
	case CTL_DURATION:
		return "integer, milliseconds";
	case CTL_MICROS:
		return "integer, microseconds";
	case CTL_LIST:
		return "array of strings";
	case CTL_FILE:
		return "string, the file's text";
	case CTL_FD_IN:
		return "string, the file's name; the file itself is a descriptor, sealed memory";
	case CTL_FD_OUT:
		return "string, a name to show; the file itself is a descriptor";
	case CTL_VLANS:
		return "string such as \"1,5-9\" or \"all\"";
	case CTL_MAC:
		return "string such as \"02:00:00:00:00:01\"";
	case CTL_STR:
	case CTL_NAME:
	case CTL_CHOICE:
		break;
	}
	return "string";
}

/* A cell may hold no '|'. */
static void cell(FILE *f, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|')
			fputc('\\', f);
		fputc(*text, f);
	}
}

static void markdown_args(FILE *f, const struct ctl_spec *spec)
{
	char key[CTL_KEY_SIZE];

	if (spec->args->name == NULL) {
		fputs("No parameters.\n\n", f);
		return;
	}
	fputs("| parameter | type | |\n|---|---|---|\n", f);
	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		char *details = ctl_help_details(arg, true);

		fprintf(f, "| `%s`%s | %s | ", ctl_arg_key(arg, key),
			arg->flags & CTL_REQUIRED ? " (required)" : "", param_type(arg));
		cell(f, details != NULL ? details : arg->help);
		fputs(" |\n", f);
		free(details);
	}
	fputc('\n', f);
}

void ctl_help_markdown(FILE *f)
{
	fputs("# Methods of the control socket\n\n"
	      "Written by `vswitchctl help --markdown` from the command table; a test holds it to "
	      "that. "
	      "How to call them: [control.md](control.md).\n",
	      f);
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		char method[CTL_METHOD_SIZE];

		fprintf(f, "\n## %s\n\n%s.", ctl_spec_method(spec->noun, spec->verb, method),
			spec->summary);
		if (spec->flags & CTL_CHANGES)
			fputs(" A change: takes `check` and `confirm_ms`.", f);
		if (spec->flags & CTL_STREAM)
			fputs(" Opens a stream.", f);
		if (spec->description != NULL)
			fprintf(f, "\n\n%s", spec->description);
		fputs("\n\n", f);
		markdown_args(f, spec);
		if (spec->answer != NULL)
			fprintf(f, "Answer: `%s`\n", spec->answer);
		else if (spec->flags & CTL_CHANGES)
			fputs("Answer: `{\"changed\", \"revision\", \"changes\": [{\"op\", "
			      "\"kind\", \"name\", "
			      "\"before\", \"after\", \"command\"}], \"confirm_ms\": if it waits "
			      "for "
			      "confirmation, \"would_change\": with check}`\n",
			      f);
		else
			fputs("Answer: `{}`\n", f);
	}
}
