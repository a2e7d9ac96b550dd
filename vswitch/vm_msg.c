/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets of VMs' workers; see vm_msg.h.
 */
#include "vswitch/vm_msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEVELS  8
#define MAX_MEMBERS 512
#define MAX_STRING  16384 /* what a kernel says when it panics */

/* Bytes of the character at 'p'; 0: there is none, or half of one. */
static size_t character(const unsigned char *p)
{
	size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

	if (*p >= 0xf5 || (*p >= 0x80 && *p < 0xc2))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, halves of pairs, beyond the last. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return n;
}

/* 'lines': ends of lines stay. */
static void mend(char *text, bool lines)
{
	unsigned char *p = (unsigned char *)text;

	while (*p != '\0') {
		size_t n = character(p);
		/* U+0080 to U+009F are c2 80 to c2 9f. */
		bool control = *p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && n == 2 && p[1] < 0xa0);

		if ((control && !(lines && *p == '\n')) || n == 0)
			memset(p, '?', n > 0 ? n : 1);
		p += n > 0 ? n : 1;
	}
}

void vs_vm_mend(char *text)
{
	mend(text, false);
}

/* Cuts in front of a character, not in it. */
static json_t *clean_string(const json_t *value)
{
	char *copy = malloc(MAX_STRING + 1);
	json_t *good;
	size_t n = json_string_length(value);

	if (copy == NULL)
		return NULL;
	n = n < MAX_STRING ? n : MAX_STRING;
	memcpy(copy, json_string_value(value), n);
	while (n > 0 && n == MAX_STRING &&
	       ((unsigned char)json_string_value(value)[n] & 0xc0) == 0x80)
		n--;
	copy[n] = '\0';
	mend(copy, true);
	good = json_string(copy);
	free(copy);
	return good;
}

static bool good_key(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			       "_-. :/");

	return n > 0 && n < 64 && key[n] == '\0';
}

static json_t *clean(const json_t *value, unsigned level);

static json_t *clean_object(const json_t *value, unsigned level)
{
	json_t *copy = json_object(), *item;
	unsigned n = 0;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)value, key, item) {
		if (!good_key(key) || n++ == MAX_MEMBERS)
			continue;
		json_object_set_new(copy, key, clean(item, level + 1));
	}
	return copy;
}

static json_t *clean_array(const json_t *value, unsigned level)
{
	json_t *copy = json_array(), *item;
	size_t i;

	json_array_foreach(value, i, item) {
		if (i == MAX_MEMBERS)
			break;
		json_array_append_new(copy, clean(item, level + 1));
	}
	return copy;
}

static json_t *clean(const json_t *value, unsigned level)
{
	if (level > MAX_LEVELS)
		return json_null();
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return clean_object(value, level);
	case JSON_ARRAY:
		return clean_array(value, level);
	case JSON_STRING:
		return clean_string(value);
	case JSON_INTEGER:
		return json_integer(json_integer_value(value));
	case JSON_REAL:
		return json_real(json_real_value(value));
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return json_incref((json_t *)(uintptr_t)value);
}

json_t *vs_vm_clean(const json_t *value)
{
	return value != NULL ? clean(value, 0) : NULL;
}

/* One object and nothing else. */
static json_t *load(const char *text, size_t size, size_t max)
{
	json_t *value = NULL;

	if (size > 0 && size <= max)
		value = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (value != NULL && !json_is_object(value)) {
		json_decref(value);
		value = NULL;
	}
	return value;
}

static void copy_text(const json_t *object, const char *key, char *to, size_t size)
{
	json_t *value = json_object_get(object, key), *good;

	to[0] = '\0';
	if (!json_is_string(value))
		return;
	good = clean_string(value);
	if (good != NULL)
		snprintf(to, size, "%s", json_string_value(good));
	json_decref(good);
	vs_vm_mend(to); /* it may have been cut in a character */
}

/* {"code": slug, "what", "why", "fix"} */
static int error_read(const json_t *object, struct err *ret_err)
{
	char code[sizeof(ret_err->slug)], what[sizeof(ret_err->what)];
	char why[sizeof(ret_err->why)], fix[sizeof(ret_err->fix)];

	if (!json_is_object(object))
		return -EBADMSG;
	copy_text(object, "code", code, sizeof(code));
	copy_text(object, "what", what, sizeof(what));
	copy_text(object, "why", why, sizeof(why));
	copy_text(object, "fix", fix, sizeof(fix));
	err_set(ret_err, -EINVAL, code[0] != '\0' ? code : "failed", "%s",
		what[0] != '\0' ? what : "its process refused, and did not say why");
	if (why[0] != '\0')
		err_why(ret_err, "%s", why);
	if (fix[0] != '\0')
		err_fix(ret_err, "%s", fix);
	return 0;
}

static int event_read(const json_t *packet, struct vs_vm_msg *msg)
{
	msg->type = VS_VM_EVENT;
	copy_text(packet, "event", msg->event, sizeof(msg->event));
	msg->body = vs_vm_clean(packet);
	return msg->event[0] != '\0' && msg->body != NULL ? 0 : -EBADMSG;
}

static int answer_read(const json_t *packet, struct vs_vm_msg *msg)
{
	const json_t *id = json_object_get(packet, "id");
	const json_t *error = json_object_get(packet, "error");
	const json_t *result = json_object_get(packet, "result");

	if (!json_is_integer(id) || json_integer_value(id) < 0 ||
	    (error != NULL) == (result != NULL))
		return -EBADMSG;
	msg->id = (uint64_t)json_integer_value(id);
	if (error != NULL) {
		msg->type = VS_VM_REFUSAL;
		return error_read(error, &msg->err);
	}
	msg->type = VS_VM_ANSWER;
	msg->body = json_is_object(result) ? vs_vm_clean(result) : NULL;
	return msg->body != NULL ? 0 : -EBADMSG;
}

int vs_vm_msg_parse(const char *text, size_t size, struct vs_vm_msg *ret_msg)
{
	json_t *packet = load(text, size, VS_VM_MAX_PACKET);
	struct vs_vm_msg msg = {0};
	int rc = -EBADMSG;

	if (packet != NULL && json_object_get(packet, "event") != NULL)
		rc = event_read(packet, &msg);
	else if (packet != NULL)
		rc = answer_read(packet, &msg);
	json_decref(packet);
	if (rc != 0)
		vs_vm_msg_fini(&msg);
	else
		*ret_msg = msg;
	return rc;
}

void vs_vm_msg_fini(struct vs_vm_msg *msg)
{
	json_decref(msg->body);
	msg->body = NULL;
}

int vs_vm_line_parse(const char *text, size_t size, struct err *err)
{
	struct err said = {0};
	json_t *line;
	int rc = -EBADMSG;

	while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
		size--;
	if (size == 5 && memcmp(text, "ready", 5) == 0)
		return 0;
	line = load(text, size, VS_VM_MAX_LINE);
	if (line != NULL)
		rc = error_read(json_object_get(line, "error"), &said);
	json_decref(line);
	if (rc != 0)
		return err_set(err, -EINVAL, "bad-worker",
			       "its process began with a line that is none");
	if (err != NULL)
		*err = said;
	return -EINVAL;
}

int vs_vm_outcome_parse(const char *text, size_t size, struct vs_vm_outcome *ret_outcome)
{
	json_t *o = load(text, size, VS_VM_MAX_PACKET);
	const json_t *status = json_object_get(o, "status");
	json_int_t n = json_integer_value(status);

	if (!json_is_integer(status) || n < 0 || n > 255) {
		json_decref(o);
		return -EBADMSG;
	}
	*ret_outcome = (struct vs_vm_outcome){.status = (int)n};
	copy_text(o, "why", ret_outcome->why, sizeof(ret_outcome->why));
	copy_text(o, "text", ret_outcome->text, sizeof(ret_outcome->text));
	json_decref(o);
	return 0;
}

static const json_t *find(const json_t *value, const char *path)
{
	char key[64];

	while (value != NULL && *path != '\0') {
		size_t n = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		value = json_object_get(value, key);
		path += path[n] == '.' ? n + 1 : n;
	}
	return value;
}

const char *vs_vm_text(const json_t *value, const char *path)
{
	const char *text = json_string_value(find(value, path));

	return text != NULL ? text : "";
}

int64_t vs_vm_number(const json_t *value, const char *path)
{
	const json_t *n = find(value, path);

	if (json_is_real(n) && json_real_value(n) > -9e18 && json_real_value(n) < 9e18)
		return (int64_t)json_real_value(n);
	return json_integer_value(n);
}

void vs_vm_panic_line(const char *text, char *line, size_t size)
{
	const char *at = strstr(text, "Kernel panic"), *end;
	size_t n;

	if (at == NULL) {
		/* The last line that has something in it. */
		n = strlen(text);
		while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
			n--;
		at = text + n;
		while (at > text && at[-1] != '\n')
			at--;
	}
	end = strchr(at, '\n');
	n = end != NULL ? (size_t)(end - at) : strlen(at);
	snprintf(line, size, "%.*s", n < size ? (int)n : (int)size - 1, at);
	vs_vm_mend(line);
}
