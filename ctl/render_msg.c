/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is no table: errors in three lines, and what a change changed; see render.h.
 */
#include "ctl/render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESET  "\033[0m"
#define RED    "\033[1;31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"

/* Errors carry other people's names too. */
static char *cleaned(const char *text)
{
	json_t *value = json_string(text);
	char *clean = ctl_show_text(value, CTL_AS_IS);

	json_decref(value);
	return clean != NULL ? clean : strdup("");
}

static void put_line(struct ctl_render *r, const char *label, const char *text)
{
	char *clean = cleaned(text);

	fprintf(r->out, "%s%s\n", label, clean != NULL ? clean : "");
	free(clean);
}

void ctl_render_error(struct ctl_render *r, const struct err *err)
{
	char label[sizeof(err->slug) + 32];

	snprintf(label, sizeof(label), "%serror[%s]:%s ", r->colour ? RED : "", err->slug,
		 r->colour ? RESET : "");
	put_line(r, label, err->what);
	if (err->why[0] != '\0')
		put_line(r, "  why: ", err->why);
	if (err->fix[0] != '\0')
		put_line(r, "  fix: ", err->fix);
}

json_t *ctl_error_json(const struct err *err)
{
	const char *name = strerrorname_np(-err->code);

	return json_pack("{s:{s:s, s:s, s:s, s:s, s:s}}", "error", "errno",
			 name != NULL ? name : "", "slug", err->slug, "what", err->what, "why",
			 err->why, "fix", err->fix);
}

int ctl_exit_code(const struct err *err)
{
	if (strcmp(err->slug, "usage") == 0)
		return 2;
	if (strcmp(err->slug, "daemon-unreachable") == 0 || strcmp(err->slug, "daemon-gone") == 0)
		return 6;
	switch (-err->code) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
	case ESRCH:
		return 3;
	case EEXIST:
	case EBUSY:
	case EADDRINUSE:
	case EALREADY:
	case ENOTEMPTY:
	case ESTALE:
		return 4;
	case EINVAL:
	case ERANGE:
	case E2BIG:
	case EBADMSG:
	case EPROTO:
	case ECANCELED:
	case EMSGSIZE:
	case EAFNOSUPPORT:
		return 5;
	case EPERM:
	case EACCES:
		return 7;
	case ETIMEDOUT:
		return 9;
	case EOPNOTSUPP:
	case ENOSYS:
		return 11;
	default:
		return 1;
	}
}

/* A change of one object as the command that makes it, with the sign that diff(1) would give it. */
static void put_change(struct ctl_render *r, const json_t *change)
{
	const char *op = json_string_value(json_object_get(change, "op")) ?: "";
	const char *command = json_string_value(json_object_get(change, "command"));
	bool adds = strcmp(op, "add") == 0, removes = strcmp(op, "remove") == 0;
	char *text = command != NULL ? cleaned(command) : json_dumps(change, JSON_COMPACT);

	fprintf(r->out, "%s%c%s %s\n",
		!r->colour ? ""
		: adds	   ? GREEN
		: removes  ? RED
			   : YELLOW,
		adds	  ? '+'
		: removes ? '-'
			  : '~',
		r->colour ? RESET : "", text != NULL ? text : "");
	free(text);
}

void ctl_render_changes(struct ctl_render *r, const json_t *changes)
{
	size_t i;
	json_t *change;

	json_array_foreach(changes, i, change)
		put_change(r, change);
}

/* What a change has to say besides what all changes say. */
static void put_others(struct ctl_render *r, const json_t *answer)
{
	static const char *const known[] = {"changed", "changes", "would_change", "revision",
					    "confirm_ms"};
	json_t *others = json_copy((json_t *)(uintptr_t)answer);
	const struct ctl_spec plain = {.noun = "", .verb = ""};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		json_object_del(others, known[i]);
	if (json_object_size(others) > 0)
		ctl_render_answer(r, &plain, others);
	json_decref(others);
}

void ctl_render_change(struct ctl_render *r, const json_t *answer, bool check)
{
	const json_t *changes = json_object_get(answer, "changes"),
		     *revision = json_object_get(answer, "revision");
	const json_t *confirm = json_object_get(answer, "confirm_ms");
	char *wait;

	put_others(r, answer);
	if (check) {
		ctl_render_changes(r, changes);
		fprintf(r->out, "check: %s\n",
			json_array_size(changes) == 0 ? "nothing would change"
						      : "it would be done; nothing was");
		return;
	}
	if (json_is_false(json_object_get(answer, "changed")))
		fprintf(r->out, "ok: nothing to change\n");
	else if (json_is_integer(revision))
		fprintf(r->out, "ok: revision %" JSON_INTEGER_FORMAT "\n",
			json_integer_value(revision));
	else
		fprintf(r->out, "ok\n");
	if (json_is_integer(confirm)) {
		wait = ctl_show_text(confirm, CTL_AS_DURATION);
		fprintf(r->out, "undone in %s unless: vswitchctl config confirm\n",
			wait != NULL ? wait : "time");
		free(wait);
	}
}
