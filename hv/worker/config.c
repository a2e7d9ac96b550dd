/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See config.h.  A reader of objects that remembers the first thing wrong: members are asked for
 * one after another, and whoever asked checks once at the end.  Members that nobody asked for are
 * refused.
 */
#include "hv/worker/config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLUG	    "bad-config"
#define MEMORY_STEP (2ull << 20)
#define MEMORY_MIN  (32ull << 20)
#define MEMORY_MAX  (16ull << 40)
#define MAX_KEYS    24
#define PATH_SIZE   4096
#define DEPTH_TEXT  80

/* An object being read, and what was wrong with it first. */
struct reader {
	const json_t *object;
	const char *where; /* "memory", "disks[2]" */
	struct err *err;
	int rc;
	unsigned n_known; /* members asked for */
	const char *known[MAX_KEYS];
};

__attribute__((format(printf, 3, 4))) static void wrong(struct reader *r, const char *key,
							const char *fmt, ...)
{
	char text[240];
	va_list ap;

	if (r->rc != 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->rc = err_set(r->err, -EINVAL, SLUG, "%s%s%s: %s", r->where,
			r->where[0] != '\0' && key[0] != '\0' ? "." : "", key, text);
}

static struct reader reader(const json_t *object, const char *where, struct err *err)
{
	struct reader r = {.object = object, .where = where, .err = err};

	if (!json_is_object(object))
		wrong(&r, "", "must be an object");
	return r;
}

static const json_t *member(struct reader *r, const char *key)
{
	r->known[r->n_known++] = key;
	return json_object_get(r->object, key);
}

static bool known(const struct reader *r, const char *key)
{
	for (unsigned i = 0; i < r->n_known; i++) {
		if (strcmp(r->known[i], key) == 0)
			return true;
	}
	return false;
}

/* All members were asked for? */
static int finish(struct reader *r)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)r->object, key, value) {
		if (!known(r, key))
			wrong(r, "", "'%.60s' is not a setting of it", key);
	}
	return r->rc;
}

static uint64_t get_number(struct reader *r, const char *key, uint64_t absent, uint64_t min,
			   uint64_t max)
{
	const json_t *value = member(r, key);
	json_int_t n = json_integer_value(value);

	if (value == NULL)
		return absent;
	if (!json_is_integer(value) || n < 0 || (uint64_t)n < min || (uint64_t)n > max) {
		wrong(r, key, "must be a number from %" PRIu64 " to %" PRIu64, min, max);
		return absent;
	}
	return (uint64_t)n;
}

static bool get_bool(struct reader *r, const char *key)
{
	const json_t *value = member(r, key);

	if (value != NULL && !json_is_boolean(value))
		wrong(r, key, "must be true or false");
	return json_is_true(value);
}

/* The member's text, or NULL when there is none; shorter than 'size', without zeros. */
static const char *get_text(struct reader *r, const char *key, size_t size)
{
	const json_t *value = member(r, key);
	const char *text = json_string_value(value);

	if (value == NULL)
		return NULL;
	if (text == NULL || strlen(text) != json_string_length(value) || strlen(text) >= size) {
		wrong(r, key, "must be a text of at most %zu bytes", size - 1);
		return NULL;
	}
	return text;
}

/* A copy on the heap. */
static char *get_copy(struct reader *r, const char *key, size_t size)
{
	const char *text = get_text(r, key, size);
	char *copy = text != NULL ? strdup(text) : NULL;

	if (text != NULL && copy == NULL && r->rc == 0)
		r->rc = err_set(r->err, -ENOMEM, SLUG, "not enough memory");
	return copy;
}

static char *get_path(struct reader *r, const char *key)
{
	char *path = get_copy(r, key, PATH_SIZE);

	if (path != NULL && path[0] != '/')
		wrong(r, key, "must be a path from '/' on");
	return path;
}

static void get_name(struct reader *r, const char *key, char name[WORKER_NAME_SIZE])
{
	const char *text = get_text(r, key, WORKER_NAME_SIZE);

	if (text == NULL)
		wrong(r, key, "is missing");
	else if (!worker_name_valid(text))
		wrong(r, key, "'%s' cannot be a name", text);
	else
		snprintf(name, WORKER_NAME_SIZE, "%s", text);
}

/* One of 'words', which end with NULL; the first when there is no such member. */
static unsigned get_choice(struct reader *r, const char *key, const char *const *words)
{
	const char *text = get_text(r, key, 32);
	char list[120] = "";

	if (text == NULL)
		return 0;
	for (unsigned i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			 i == 0 ? "" : ", ", words[i]);
	}
	wrong(r, key, "'%s' is none of %s", text, list);
	return 0;
}

bool worker_name_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				"._-:@+");

	return n > 0 && n < WORKER_NAME_SIZE && name[n] == '\0' && name[0] != '.' && name[0] != '-';
}

/* ---- Disks ---- */

static const char *const format_words[] = {"raw", "iso", "qcow2", "vhd", "vhdx", NULL};
static const char *const cache_words[] = {"safe", "direct", "unsafe", NULL};

const char *worker_disk_format_name(enum worker_disk_format format)
{
	return format_words[format];
}

void worker_disk_fini(struct worker_disk_config *disk)
{
	free(disk->path);
	disk->path = NULL;
}

int worker_disk_parse(const json_t *object, const char *where, struct worker_disk_config *ret_disk,
		      struct err *err)
{
	struct reader r = reader(object, where, err);
	struct worker_disk_config disk = {0};

	get_name(&r, "name", disk.name);
	disk.path = get_path(&r, "path");
	disk.format = (enum worker_disk_format)get_choice(&r, "format", format_words);
	disk.cache = (enum worker_disk_cache)get_choice(&r, "cache", cache_words);
	disk.readonly = get_bool(&r, "readonly") || disk.format == WORKER_DISK_ISO;
	disk.lun = (unsigned)get_number(&r, "lun", 0, 0, WORKER_MAX_DISKS - 1);
	if (finish(&r) != 0) {
		worker_disk_fini(&disk);
		return r.rc;
	}
	*ret_disk = disk;
	return 0;
}

static bool disk_clashes(struct worker_config *config, struct reader *r)
{
	const struct worker_disk_config *new = &config->disks[config->n_disks - 1];

	for (const struct worker_disk_config *d = config->disks; d < new; d++) {
		if (strcmp(d->name, new->name) != 0 && d->lun != new->lun)
			continue;
		wrong(r, "disks", "'%s' and '%s' have one name or lun", d->name, new->name);
		return true;
	}
	return false;
}

static void get_disks(struct reader *r, struct worker_config *config)
{
	const json_t *list = member(r, "disks"), *object;
	char where[DEPTH_TEXT];
	size_t i;

	if (list != NULL && (!json_is_array(list) || json_array_size(list) > WORKER_MAX_DISKS))
		wrong(r, "disks", "must be a list of at most %d", WORKER_MAX_DISKS);
	if (r->rc != 0)
		return;
	json_array_foreach(list, i, object) {
		struct worker_disk_config *disk = &config->disks[config->n_disks];

		snprintf(where, sizeof(where), "disks[%zu]", i);
		r->rc = worker_disk_parse(object, where, disk, r->err);
		if (r->rc != 0)
			return;
		config->n_disks++;
		if (disk->path == NULL)
			wrong(r, where, "has no path");
		if (r->rc != 0 || disk_clashes(config, r))
			return;
	}
}

/* ---- NICs ---- */

static void get_nic(struct reader *outer, struct worker_config *config, const json_t *object,
		    size_t at)
{
	char where[DEPTH_TEXT];
	struct reader r;

	snprintf(where, sizeof(where), "nics[%zu]", at);
	r = reader(object, where, outer->err);
	get_name(&r, "name", config->nics[config->n_nics]);
	outer->rc = finish(&r);
	for (unsigned i = 0; outer->rc == 0 && i < config->n_nics; i++) {
		if (strcmp(config->nics[i], config->nics[config->n_nics]) == 0)
			wrong(outer, "nics", "'%s' is there twice", config->nics[i]);
	}
	config->n_nics++;
}

static void get_nics(struct reader *r, struct worker_config *config)
{
	const json_t *list = member(r, "nics"), *object;
	size_t i;

	if (list != NULL && (!json_is_array(list) || json_array_size(list) > WORKER_MAX_NICS))
		wrong(r, "nics", "must be a list of at most %d", WORKER_MAX_NICS);
	for (i = 0; r->rc == 0 && i < json_array_size(list); i++) {
		object = json_array_get(list, i);
		get_nic(r, config, object, i);
	}
}

/* ---- The rest ---- */

static uint64_t get_bytes(struct reader *r, const char *key, uint64_t absent)
{
	uint64_t n = get_number(r, key, absent, MEMORY_MIN, MEMORY_MAX);

	if (n % MEMORY_STEP != 0)
		wrong(r, key, "must be a multiple of 2 MB");
	return n;
}

static void get_memory(struct reader *outer, struct worker_config *config)
{
	static const char *const pages[] = {"auto", "small", "huge", NULL};
	struct reader r = reader(member(outer, "memory"), "memory", outer->err);

	config->memory_size = get_bytes(&r, "size", 0);
	config->memory_minimum = get_bytes(&r, "minimum", config->memory_size);
	config->memory_maximum = get_bytes(&r, "maximum", config->memory_size);
	config->memory_buffer = (unsigned)get_number(&r, "buffer", 20, 0, 2000);
	config->memory_priority = (unsigned)get_number(&r, "priority", 50, 0, 100);
	config->memory_pages = (enum hv_memory_pages)get_choice(&r, "pages", pages);
	if (config->memory_size == 0)
		wrong(&r, "size", "is missing");
	if (config->memory_minimum > config->memory_size ||
	    config->memory_size > config->memory_maximum)
		wrong(&r, "", "minimum, size and maximum must not fall");
	if (outer->rc == 0)
		outer->rc = finish(&r);
}

static void get_who(struct reader *r, struct worker_config *config)
{
	get_name(r, "name", config->name);
	config->id = (uint32_t)get_number(r, "id", 0, 0, UINT32_MAX);
	config->uid = (uid_t)get_number(r, "uid", geteuid(), 0, INT32_MAX);
	config->gid = (gid_t)get_number(r, "gid", config->uid, 0, INT32_MAX);
	config->has_group = json_object_get(r->object, "group") != NULL;
	config->group = (gid_t)get_number(r, "group", 0, 0, INT32_MAX);
	config->dir = get_path(r, "dir");
	if (config->dir == NULL)
		wrong(r, "dir", "is missing");
}

static void get_machine(struct reader *r, struct worker_config *config)
{
	static const char *const faces[] = {"auto", "kvm", "user", NULL};
	const char *cpu;

	config->processors = (unsigned)get_number(r, "processors", 1, 1, HV_MAX_VPS);
	cpu = get_text(r, "cpu", sizeof(config->cpu));
	snprintf(config->cpu, sizeof(config->cpu), "%s", cpu != NULL ? cpu : "host");
	config->nested = get_bool(r, "nested");
	config->vsock = get_bool(r, "vsock");
	config->face = (enum hv_face)get_choice(r, "face", faces);
	config->kernel = get_path(r, "kernel");
	config->initrd = get_path(r, "initrd");
	config->cmdline = get_copy(r, "cmdline", WORKER_CMDLINE_MAX + 1);
	if (config->kernel == NULL)
		wrong(r, "kernel", "is missing");
}

static int parse(const json_t *root, struct worker_config *config, struct err *err)
{
	static const char *const crash[] = {"stop", "keep", "reset", NULL};
	struct reader r = reader(root, "", err);

	get_who(&r, config);
	get_memory(&r, config);
	get_machine(&r, config);
	get_nics(&r, config);
	get_disks(&r, config);
	config->on_crash = (enum worker_on_crash)get_choice(&r, "on_crash", crash);
	return finish(&r);
}

int worker_config_parse(const char *text, size_t size, struct worker_config **ret_config,
			struct err *err)
{
	json_error_t error;
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	struct worker_config *config;
	int rc;

	if (root == NULL)
		return err_set(err, -EINVAL, SLUG, "the configuration is not JSON: line %d: %.100s",
			       error.line, error.text);
	config = calloc(1, sizeof(*config));
	rc = config != NULL ? parse(root, config, err)
			    : err_set(err, -ENOMEM, SLUG, "not enough memory");
	json_decref(root);
	if (rc != 0) {
		worker_config_destroy(config);
		return rc;
	}
	*ret_config = config;
	return 0;
}

int worker_config_read(int fd, struct worker_config **ret_config, struct err *err)
{
	char *text = malloc(WORKER_CONFIG_MAX + 1);
	size_t size = 0;
	ssize_t n = 1;
	int rc;

	if (text == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	while (n > 0 && size <= WORKER_CONFIG_MAX) {
		n = read(fd, text + size, WORKER_CONFIG_MAX + 1 - size);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			size += (size_t)n;
	}
	if (n < 0)
		rc = err_set(err, -errno, SLUG, "cannot read the configuration: %s",
			     strerror(errno));
	else if (size > WORKER_CONFIG_MAX)
		rc = err_set(err, -EFBIG, SLUG, "the configuration is longer than %d bytes",
			     WORKER_CONFIG_MAX);
	else
		rc = worker_config_parse(text, size, ret_config, err);
	free(text);
	return rc;
}

void worker_config_destroy(struct worker_config *config)
{
	if (config == NULL)
		return;
	for (unsigned i = 0; i < config->n_disks; i++)
		worker_disk_fini(&config->disks[i]);
	free(config->dir);
	free(config->kernel);
	free(config->initrd);
	free(config->cmdline);
	free(config);
}
