/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vswitchctl's own options, finding the command, and the call; see tool.h.
 */
#include "ctl/tool.h"

#include "ctl/client.h"
#include "ctl/render.h"
#include "ctl/spec_priv.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CONFIRM_MS 86400000

static const struct ctl_arg options[] = {
	{.name = "json", .type = CTL_FLAG, .help = "print the daemon's answer as JSON"},
	{.name = "watch",
	 .type = CTL_STR,
	 .letter = 'w',
	 .metavar = "SECONDS",
	 .help = "repeat it, with rates in place of counters"},
	{.name = "check", .type = CTL_FLAG, .help = "say what would change, change nothing"},
	{.name = "confirm",
	 .type = CTL_DURATION,
	 .min = 1000,
	 .max = MAX_CONFIRM_MS,
	 .help = "undo the change after this time unless 'config confirm' comes first"},
	{.name = "socket",
	 .type = CTL_STR,
	 .metavar = "PATH",
	 .complete = "file",
	 .help = "control socket of the daemon",
	 .def = CTL_SOCKET_PATH ", or VSWITCH_SOCKET in the environment"},
	{.name = "timeout",
	 .type = CTL_DURATION,
	 .min = 1,
	 .max = 86400000,
	 .help = "wait at most so long for an answer",
	 .def = "30s"},
	{.name = "help",
	 .type = CTL_FLAG,
	 .letter = 'h',
	 .help = "show help, of a noun or command too"},
	{.name = "version", .type = CTL_FLAG, .help = "show the version"},
	{0},
};

const struct ctl_arg *ctl_tool_options(void)
{
	return options;
}

void ctl_tool_init(struct ctl_tool *tool)
{
	const char *socket = getenv("VSWITCH_SOCKET");

	*tool = (struct ctl_tool){
		.socket = socket != NULL && *socket != '\0' ? socket : CTL_SOCKET_PATH,
		.timeout_ms = 30000,
		.interval_ms = 1000,
	};
}

void ctl_tool_fini(struct ctl_tool *tool)
{
	ctl_client_close(tool->client);
	tool->client = NULL;
}

/* Options */

static int parse_interval(struct ctl_tool *tool, const char *text, struct err *err)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0.1 && seconds <= 86400))
		return err_set(err, -EINVAL, "usage",
			       "--watch: '%.32s' is not 0.1 to 86400 seconds", text);
	tool->interval_ms = (unsigned)lround(seconds * 1000);
	return 0;
}

static int parse_duration(const struct ctl_arg *arg, const char *text, int64_t *ret,
			  struct err *err)
{
	json_t *raw, *value;
	int rc = ctl_value_parse(arg, text, &raw, err);

	if (rc != 0)
		return rc;
	rc = ctl_value_check(arg, raw, &value, err);
	json_decref(raw);
	if (rc != 0)
		return rc;
	*ret = json_integer_value(value);
	json_decref(value);
	return 0;
}

/* The lines that all wrong options share, where nobody said more. */
static int explain(const struct ctl_arg *arg, int rc, struct err *err)
{
	if (rc == 0 || err == NULL)
		return rc;
	if (err->why[0] == '\0' && arg != NULL)
		err_why(err, "it is: %s", arg->help);
	else if (err->why[0] == '\0')
		err_why(err, "before the noun stand options of the tool itself");
	if (err->fix[0] == '\0')
		err_fix(err, "vswitchctl --help");
	return rc;
}

static int set_option(struct ctl_tool *tool, const struct ctl_arg *arg, const char *value,
		      struct err *err)
{
	int64_t ms = 0;
	int rc;

	if (arg->type == CTL_FLAG) {
		if (value != NULL)
			return err_set(err, -EINVAL, "usage", "--%s takes no value", arg->name);
		tool->json |= strcmp(arg->name, "json") == 0;
		tool->check |= strcmp(arg->name, "check") == 0;
		tool->help |= strcmp(arg->name, "help") == 0;
		tool->version |= strcmp(arg->name, "version") == 0;
		return 0;
	}
	if (strcmp(arg->name, "watch") == 0) {
		tool->watch = true;
		return value != NULL ? parse_interval(tool, value, err) : 0;
	}
	if (strcmp(arg->name, "socket") == 0) {
		tool->socket = value;
		return 0;
	}
	rc = parse_duration(arg, value, &ms, err);
	if (rc == 0 && strcmp(arg->name, "timeout") == 0)
		tool->timeout_ms = (int)ms;
	else if (rc == 0)
		tool->confirm_ms = (uint64_t)ms;
	return rc;
}

/* The argument that an option word means, in a table; '*ret_value' behind its '=', or the rest of
 * "-w5". */
static const struct ctl_arg *match(const struct ctl_arg *args, const char *word,
				   const char **ret_value)
{
	size_t n = strncmp(word, "--", 2) == 0 ? strcspn(word + 2, "=") : 0;

	*ret_value = NULL;
	for (; args->name != NULL; args++) {
		if (n > 0 && strlen(args->name) == n && memcmp(args->name, word + 2, n) == 0) {
			*ret_value = word[2 + n] == '=' ? word + 2 + n + 1 : NULL;
			return args;
		}
		if (n == 0 && args->letter != '\0' && word[0] == '-' && word[1] == args->letter) {
			*ret_value = word[2] != '\0' ? word + 2 : NULL;
			return args;
		}
	}
	return NULL;
}

static bool takes_next(const struct ctl_arg *arg, const char *value)
{
	return value == NULL && arg->type != CTL_FLAG && strcmp(arg->name, "watch") != 0;
}

/* Steps over one of the command's own words and its value. */
static bool is_own(const struct ctl_spec *spec, char *const argv[], int argc, int *at, int *n,
		   char **out)
{
	const char *value;
	const struct ctl_arg *own = match(spec->args, argv[*at], &value);

	if (own == NULL)
		return false;
	out[(*n)++] = argv[(*at)++];
	if (own->type != CTL_FLAG && value == NULL && *at < argc)
		out[(*n)++] = argv[(*at)++];
	return true;
}

int ctl_tool_take_options(struct ctl_tool *tool, const struct ctl_spec *spec, int argc, char **argv,
			  struct err *err)
{
	int n = 0, at = 0;

	while (at < argc) {
		char *word = argv[at];
		const char *value;
		const struct ctl_arg *arg;
		int rc;

		if (strcmp(word, "--") == 0 || (spec == NULL && word[0] != '-'))
			break;
		if (spec != NULL && is_own(spec, argv, argc, &at, &n, argv))
			continue;
		arg = match(options, word, &value);
		at++;
		if (arg == NULL && spec == NULL)
			return explain(NULL,
				       err_set(err, -EINVAL, "usage", "unknown option '%.64s'",
					       word),
				       err);
		if (arg == NULL) {
			argv[n++] = word;
			continue;
		}
		if (takes_next(arg, value)) {
			if (at == argc)
				return explain(arg,
					       err_set(err, -EINVAL, "usage", "no value after '%s'",
						       word),
					       err);
			value = argv[at++];
		}
		rc = explain(arg, set_option(tool, arg, value, err), err);
		if (rc != 0)
			return rc;
	}
	while (at < argc)
		argv[n++] = argv[at++];
	return n;
}

/* The command */

static int refuse_noun(const char *noun, struct err *err)
{
	const char *names[64], *near;
	size_t n = 0;

	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL && n < 62; spec++) {
		if (n == 0 || strcmp(names[n - 1], spec->noun) != 0)
			names[n++] = spec->noun;
	}
	names[n++] = "help";
	names[n] = NULL;
	near = ctl_did_you_mean(noun, names);
	err_set(err, -EINVAL, "usage", "there is no '%.64s'", noun);
	if (near != NULL)
		err_why(err, "did you mean '%s'?", near);
	else
		err_why(err, "a command begins with a noun: switch, port, vlan, tenant, ..");
	err_fix(err, "vswitchctl --help");
	return -EINVAL;
}

static int refuse_verb(const char *noun, const char *verb, struct err *err)
{
	const char *names[64], *near;
	char verbs[300] = "";
	size_t n = 0, used = 0;

	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL && n < 63; spec++) {
		if (strcmp(spec->noun, noun) != 0)
			continue;
		names[n++] = spec->verb;
		used += (size_t)snprintf(verbs + used,
					 used < sizeof(verbs) ? sizeof(verbs) - used : 0, "%s%s",
					 n > 1 ? ", " : "", spec->verb);
	}
	names[n] = NULL;
	if (verb == NULL) {
		err_set(err, -EINVAL, "usage", "what about %s? It takes %s", noun, verbs);
		err_why(err, "a command is a noun and a verb");
	} else {
		near = ctl_did_you_mean(verb, names);
		err_set(err, -EINVAL, "usage", "%s has no '%.64s': it takes %s", noun, verb, verbs);
		if (near != NULL)
			err_why(err, "did you mean '%s'?", near);
		else
			err_why(err, "none of its verbs is called so, or nearly");
	}
	err_fix(err, "vswitchctl %s --help", noun);
	return -EINVAL;
}

static bool is_noun(const char *word)
{
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (strcmp(spec->noun, word) == 0)
			return true;
	}
	return false;
}

int ctl_tool_find(int argc, char *const argv[], const struct ctl_spec **ret_spec, int *ret_n_words,
		  struct err *err)
{
	const char *verb = argc > 1 ? argv[1] : NULL;
	const struct ctl_spec *spec;
	char both[2 * CTL_KEY_SIZE];

	if (!is_noun(argv[0]))
		return refuse_noun(argv[0], err);
	/* An option or nothing behind the noun: what the noun means by itself. */
	if (verb == NULL || verb[0] == '-' ||
	    (ctl_spec_is_alone(argv[0]) && ctl_spec_find(argv[0], verb) == NULL)) {
		spec = ctl_spec_default(argv[0]);
		if (spec == NULL)
			return refuse_verb(argv[0], NULL, err);
		*ret_n_words = 1;
	} else {
		spec = ctl_spec_of_words(argc, argv, ret_n_words);
		if (spec == NULL && argc > 2 && ctl_verb_opens(argv[0], verb)) {
			snprintf(both, sizeof(both), "%.40s %.40s", verb, argv[2]);
			verb = both;
		}
		if (spec == NULL)
			return refuse_verb(argv[0], verb, err);
	}
	*ret_spec = spec;
	return 0;
}

/* The call */

int ctl_tool_call(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params, int fd,
		  json_t **ret_answer, struct err *err)
{
	struct ctl_client_opts opts = {
		.check = tool->check,
		.confirm_ms = tool->confirm_ms,
		.fds = &fd,
		.n_fds = fd >= 0 ? 1 : 0,
	};
	char method[CTL_METHOD_SIZE];
	int rc = 0;

	if (tool->client == NULL)
		rc = ctl_client_open(tool->socket, tool->timeout_ms, &tool->client, err);
	if (rc != 0)
		return rc;
	return ctl_client_call(tool->client, ctl_spec_method(spec->noun, spec->verb, method),
			       params, &opts, ret_answer, err);
}

void ctl_tool_print_json(const json_t *json, bool one_line)
{
	json_dumpf(json, stdout, (one_line ? JSON_COMPACT : JSON_INDENT(2)) | JSON_ENCODE_ANY);
	putchar('\n');
	fflush(stdout);
}

int ctl_tool_fail(const struct ctl_tool *tool, const struct err *err)
{
	struct ctl_render r = ctl_render_for(stderr);
	json_t *json;

	fflush(stdout);
	if (!tool->json) {
		ctl_render_error(&r, err);
	} else {
		json = ctl_error_json(err);
		ctl_tool_print_json(json, false);
		json_decref(json);
	}
	/* A dry run that fails has said what it was run for. */
	if (tool->check && ctl_exit_code(err) != 2 && ctl_exit_code(err) != 6 &&
	    ctl_exit_code(err) != 9)
		return 8;
	return ctl_exit_code(err);
}

/* ^C */

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
	/* A second one kills. */
	stopped = 1;
	signal(sig, SIG_DFL);
}

void ctl_tool_catch_stop(void)
{
	struct sigaction action = {.sa_handler = on_stop};

	/* No SA_RESTART: it is to wake whatever waits. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool ctl_tool_stopped(void)
{
	return stopped != 0;
}
