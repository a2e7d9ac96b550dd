/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See filters.h.
 */
#include "vswitch/filters.h"

#include "ctl/base/clock.h"
#include "ctl/base/sealed.h"
#include "ctl/server.h"
#include "filters/ebpf/object.h"
#include "filters/module.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRY_AGAIN_NS UINT64_C(60000000000)
/* Copies that are kept for rollbacks. */
#define SPARE_COPIES 64
#define SPARE_SIZE   (256u << 20)

/* What a module is made of. */
struct form {
	char sha256[VS_DIGEST_SIZE], program[64];
	uint32_t budget;
	bool drops, interpret;
};

struct live {
	char name[FILTER_MODULE_NAME_LEN + 1];
	struct filter_module *module; /* NULL: missing */
	struct form form, was;
	bool swapped;		    /* by the apply under way: 'was' is what it was */
	bool was_missing;	    /* then, and 'swapped' */
	struct filter_module *gone; /* taken back: to unload when no view has it */
	char reason[600];	    /* why it is missing */
};

struct vs_filters {
	struct vs *vs;
	struct filter_modules *set;
	char dir[PATH_MAX];
	struct live live[FILTER_MAX_MODULES];
	unsigned n;
	uint64_t tried_ns; /* those that are missing, the last time */
	/* The object of the call under way. */
	struct sealed came;
	char came_digest[VS_DIGEST_SIZE];
};

static struct live *find(const struct vs *vs, const char *name)
{
	struct vs_filters *fs = vs->filters;

	for (unsigned i = 0; fs != NULL && i < fs->n; i++)
		if (strcmp(fs->live[i].name, name) == 0)
			return &fs->live[i];
	return NULL;
}

struct filter_module *vs_filter_module(const struct vs *vs, const char *name)
{
	const struct live *live = find(vs, name);

	return live != NULL ? live->module : NULL;
}

const char *vs_filter_reason(const struct vs *vs, const char *name)
{
	const struct live *live = find(vs, name);

	return live != NULL && live->module == NULL ? live->reason : "";
}

struct filter_modules *vs_filters_set(const struct vs *vs)
{
	return vs->filters != NULL ? vs->filters->set : NULL;
}

/* ---- Objects ---- */

static void came_forget(struct vs_filters *fs)
{
	if (fs->came_digest[0] != '\0')
		sealed_unmap(&fs->came);
	fs->came_digest[0] = '\0';
}

/* Who gives both FILE and --sha256 means one object. */
static int check_digest(const json_t *params, const char *is, struct err *err)
{
	const char *said = json_string_value(json_object_get(params, "sha256"));

	if (said == NULL || strcmp(said, is) == 0)
		return 0;
	err_set(err, -EINVAL, "bad-digest", "%.180s is another object than --sha256 says",
		json_string_value(json_object_get(params, "file")));
	err_why(err, "its digest is %s", is);
	err_fix(err, "leave --sha256 out to take the file as it is");
	return -EINVAL;
}

int vs_filters_take(void *ctx, struct ctl_call *call, json_t *params, struct err *err)
{
	struct vs *vs = ctx;
	const char *noun = ctl_call_spec(call)->noun;
	int fd = strcmp(noun, "filter") == 0 ? ctl_call_take_fd(call) : -1, rc;
	struct vs_filters *fs = vs->filters;
	char digest[VS_DIGEST_SIZE] = "";
	struct sealed came;

	if (fd < 0 || fs == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	rc = sealed_map(fd, EBPF_MAX_OBJECT, &came, err);
	close(fd);
	if (rc != 0)
		return rc;
	rc = vs_digest(came.text, came.size, digest);
	if (rc != 0)
		err_set(err, rc, "no-memory", "no memory");
	else
		rc = check_digest(params, digest, err);
	if (rc != 0) {
		sealed_unmap(&came);
		return rc;
	}
	came_forget(fs);
	fs->came = came;
	memcpy(fs->came_digest, digest, sizeof(digest));
	json_object_set_new(params, "sha256", json_string(digest));
	return 0;
}

int vs_filters_name_object(json_t *params, struct err *err)
{
	const char *file = json_string_value(json_object_get(params, "file"));
	char digest[VS_DIGEST_SIZE];
	struct vs_bytes b = {0};
	int rc;

	if (file == NULL || json_object_get(params, "sha256") != NULL)
		return 0;
	rc = vs_file_read(file, EBPF_MAX_OBJECT, 0004, &b, err);
	if (rc != 0)
		return rc;
	rc = vs_digest(b.bytes, b.size, digest);
	vs_bytes_free(&b);
	if (rc != 0)
		return err_set(err, rc, "no-memory", "no memory");
	json_object_set_new(params, "sha256", json_string(digest));
	return 0;
}

static int object_gone(const struct vs_filters *fs, const struct vs_filter *f,
		       const struct err *first, struct err *err)
{
	if (first->code == -EBADMSG) {
		if (err != NULL)
			*err = *first;
		err_fix(err, "vswitchctl filter swap %s FILE", f->name);
		return -EBADMSG;
	}
	err_set(err, -ENOENT, "no-object", "filter %s: its object is not here", f->name);
	err_why(err, "there is no copy %.12s.. in %.120s, and %.120s is not it either", f->sha256,
		fs->dir, f->file != NULL ? f->file : "no file");
	err_fix(err, "vswitchctl filter load %s FILE, where FILE is the object", f->name);
	return -ENOENT;
}

/* From the call, from the copy, or from the file if it is still the same. */
static int object_get(struct vs_filters *fs, const struct vs_filter *f, struct vs_bytes *ret,
		      struct err *err)
{
	char digest[VS_DIGEST_SIZE] = "";
	struct err first = {0};

	if (strcmp(fs->came_digest, f->sha256) == 0) {
		ret->bytes = malloc(fs->came.size + 1);
		if (ret->bytes == NULL)
			return err_set(err, -ENOMEM, "no-memory", "no memory for the object");
		ret->size = fs->came.size;
		if (ret->size != 0)
			memcpy(ret->bytes, fs->came.text, ret->size);
		return 0;
	}
	if (vs_copy_read(fs->dir, f->sha256, EBPF_MAX_OBJECT, ret, &first) == 0)
		return 0;
	if (f->file == NULL || vs_file_read(f->file, EBPF_MAX_OBJECT, 0, ret, NULL) != 0)
		return object_gone(fs, f, &first, err);
	if (vs_digest(ret->bytes, ret->size, digest) == 0 && strcmp(digest, f->sha256) == 0)
		return 0;
	vs_bytes_free(ret);
	return object_gone(fs, f, &first, err);
}

/* ---- Loading ---- */

static struct form form_of(const struct vs_filter *f)
{
	struct form form = {.budget = f->budget, .drops = f->drops, .interpret = f->interpret};

	snprintf(form.sha256, sizeof(form.sha256), "%s", f->sha256);
	snprintf(form.program, sizeof(form.program), "%s", f->program != NULL ? f->program : "");
	return form;
}

static bool same_form(const struct form *a, const struct form *b)
{
	return strcmp(a->sha256, b->sha256) == 0 && strcmp(a->program, b->program) == 0 &&
	       a->budget == b->budget && a->drops == b->drops && a->interpret == b->interpret;
}

static struct filter_module_opts opts_of(const char *name, const struct form *form,
					 const struct vs_bytes *object)
{
	return (struct filter_module_opts){
		.name = name,
		.elf = object->bytes,
		.size = object->size,
		.program = form->program[0] != '\0' ? form->program : NULL,
		.budget = form->budget,
		.policy = form->drops ? FILTER_DROP : FILTER_BYPASS,
		.interpret = form->interpret,
	};
}

/* Loads the module, or exchanges what it is.  On failure it is as it was. */
static int load(struct vs *vs, const struct vs_filter *f, struct live *live, struct err *err)
{
	struct vs_filters *fs = vs->filters;
	struct form form = form_of(f);
	struct vs_bytes object = {0};
	struct filter_module_opts opts;
	int rc = object_get(fs, f, &object, err), made = 0;

	if (rc == 0)
		made = vs_copy_write(fs->dir, f->sha256, object.bytes, object.size, err);
	if (made < 0)
		rc = made;
	opts = opts_of(f->name, &form, &object);
	if (rc == 0 && live->module != NULL)
		rc = filter_module_swap(live->module, &opts, err);
	else if (rc == 0)
		rc = filter_module_load(fs->set, &opts, &live->module, err);
	vs_bytes_free(&object);
	if (rc != 0 && made == 1)
		vs_copy_remove(fs->dir, f->sha256);
	if (rc != 0)
		return rc;
	live->was = live->form;
	live->form = form;
	live->reason[0] = '\0';
	return 0;
}

__attribute__((format(printf, 4, 5))) static void tell(struct vs *vs, const char *type,
						       const char *module, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (vs->opts.filter_event == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vs->opts.filter_event(vs->opts.ctx, type, module, text);
}

static void missing(struct vs *vs, struct live *live, const struct err *why)
{
	char reason[sizeof(live->reason)];

	snprintf(reason, sizeof(reason), "%.280s%s%.280s", why->what,
		 why->why[0] != '\0' ? ": " : "", why->why);
	if (strcmp(reason, live->reason) == 0)
		return;
	memcpy(live->reason, reason, sizeof(reason));
	tell(vs, "filter-missing", live->name, "filter %s cannot be loaded: %.300s", live->name,
	     live->reason);
}

static struct live *add(struct vs_filters *fs, const struct vs_filter *f)
{
	struct live *live = fs->n < FILTER_MAX_MODULES ? &fs->live[fs->n] : NULL;

	if (live == NULL)
		return NULL;
	*live = (struct live){.form = form_of(f)};
	snprintf(live->name, sizeof(live->name), "%s", f->name);
	fs->n++;
	return live;
}

/* One module as the model has it.  One that was missing already, and is asked for as before, is no
 * reason to refuse another change. */
static int need_one(struct vs *vs, const struct vs_filter *f, bool starting, struct err *err)
{
	struct live *live = find(vs, f->name);
	struct form form = form_of(f);
	bool known = live != NULL, same = known && same_form(&live->form, &form);
	bool was_missing = known && live->module == NULL;
	struct err why = {0};
	int rc;

	if (same && live->module != NULL)
		return 0;
	if (!known)
		live = add(vs->filters, f);
	if (live == NULL)
		return err_set(err, -ENOSPC, "limit", "at most %u filter modules",
			       FILTER_MAX_MODULES);
	rc = load(vs, f, live, &why);
	if (rc == 0) {
		live->swapped = known && !same;
		live->was_missing = was_missing;
		return 0;
	}
	if (starting || same) {
		missing(vs, live, &why);
		return 0;
	}
	err_about(&why, "filter", f->name);
	if (err != NULL)
		*err = why;
	return rc;
}

static int no_filters(struct err *err)
{
	err_set(err, -ENOTSUP, "no-filters", "this switch runs no filter modules");
	err_why(err, "it was started without a place for their objects");
	return -ENOTSUP;
}

/* May modules that are there hang where 'm' has them?  At start one that may not is missing: an
 * older version took it. */
static int check_places(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	for (unsigned i = 0; i < m->n_attachments; i++) {
		const struct vs_attachment *a = &m->attachments[i];
		struct live *live = find(vs, a->filter->name);
		struct err why = {0};
		int rc = live != NULL && live->module != NULL
				 ? filter_role_check(live->module, a->role, a->side, &why)
				 : 0;

		if (rc == 0)
			continue;
		if (starting) {
			missing(vs, live, &why);
			live->gone = live->module;
			live->module = NULL;
			continue;
		}
		err_about(&why, "attachment", a->name);
		if (err != NULL)
			*err = why;
		return rc;
	}
	return 0;
}

int vs_filters_need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	int rc = 0;

	if (vs->filters == NULL)
		return m->n_filters != 0 ? no_filters(err) : 0;
	for (unsigned i = 0; rc == 0 && i < m->n_filters; i++)
		rc = need_one(vs, &m->filters[i], starting, err);
	return rc == 0 ? check_places(vs, m, starting, err) : rc;
}

/* As it was: its old object is among the copies.  That fails only without memory; then the module
 * stays what it became, and says so. */
static void restore_one(struct vs *vs, struct live *live)
{
	const struct vs_filter *f = vs_model_filter(vs->model, live->name);
	struct err err = {0};

	live->swapped = false;
	if (live->was_missing) {
		live->gone = live->module;
		live->module = NULL;
		live->form = live->was;
		return;
	}
	if (f == NULL || load(vs, f, live, &err) == 0)
		return;
	tell(vs, "filter-changed", live->name, "filter %s could not be taken back: %.200s",
	     live->name, err.what);
}

void vs_filters_restore(struct vs *vs)
{
	for (unsigned i = 0; vs->filters != NULL && i < vs->filters->n; i++)
		if (vs->filters->live[i].swapped)
			restore_one(vs, &vs->filters->live[i]);
}

void vs_filters_drop(struct vs *vs, const struct vs_model *m)
{
	struct vs_filters *fs = vs->filters;
	unsigned n = 0;

	for (unsigned i = 0; fs != NULL && i < fs->n; i++) {
		struct live *live = &fs->live[i];

		if (live->gone != NULL)
			filter_module_unload(live->gone);
		live->gone = NULL;
		if (vs_model_filter(m, live->name) != NULL) {
			if (n != i)
				fs->live[n] = *live;
			n++;
			continue;
		}
		vs_copy_touch(fs->dir, live->form.sha256);
		if (live->module != NULL)
			filter_module_unload(live->module);
	}
	if (fs != NULL)
		fs->n = n;
}

void vs_filters_settle(struct vs *vs, const struct vs_model *m)
{
	struct vs_filters *fs = vs->filters;
	json_t *used;

	if (fs == NULL)
		return;
	used = json_object();
	for (unsigned i = 0; i < fs->n; i++) {
		struct live *live = &fs->live[i];

		if (live->swapped)
			vs_copy_touch(fs->dir, live->was.sha256);
		live->swapped = false;
	}
	vs_filters_drop(vs, m);
	came_forget(fs);
	for (unsigned i = 0; i < m->n_filters; i++)
		json_object_set_new(used, m->filters[i].sha256, json_true());
	if (used != NULL)
		vs_copies_tidy(fs->dir, used, SPARE_COPIES, SPARE_SIZE);
	json_decref(used);
}

/* ---- A dry run ---- */

static int probe_one(struct vs *vs, const struct vs_filter *f, struct err *err)
{
	const struct live *live = find(vs, f->name);
	struct form form = form_of(f);
	struct ebpf_object *object = NULL;
	struct vs_bytes bytes = {0};
	struct filter_module_opts opts;
	int rc;

	if (live != NULL && same_form(&live->form, &form))
		return 0;
	rc = object_get(vs->filters, f, &bytes, err);
	opts = opts_of(f->name, &form, &bytes);
	if (rc == 0)
		rc = filter_module_verify(vs->filters->set, &opts, &object, err);
	ebpf_object_destroy(object);
	vs_bytes_free(&bytes);
	if (rc != 0)
		err_about(err, "filter", f->name);
	return rc;
}

int vs_filters_probe(struct vs *vs, const struct vs_model *m, struct err *err)
{
	int rc = 0;

	if (vs->filters == NULL)
		return m->n_filters != 0 ? no_filters(err) : 0;
	for (unsigned i = 0; rc == 0 && i < m->n_filters; i++)
		rc = probe_one(vs, &m->filters[i], err);
	/* Of those that will be others, verify asked for where they hang now. */
	for (unsigned i = 0; rc == 0 && i < m->n_attachments; i++) {
		const struct vs_attachment *a = &m->attachments[i];
		const struct live *live = find(vs, a->filter->name);
		struct form form = form_of(a->filter);

		if (live != NULL && live->module != NULL && same_form(&live->form, &form))
			rc = filter_role_check(live->module, a->role, a->side, err);
	}
	return rc;
}

/* ---- Its life ---- */

/* What came with a call that was only tried, or failed. */
static void tick_missing(struct vs *vs)
{
	struct vs_filters *fs = vs->filters;
	uint64_t now = clock_mono_ns();
	bool back = false;

	if (now - fs->tried_ns < TRY_AGAIN_NS)
		return;
	fs->tried_ns = now;
	for (unsigned i = 0; i < fs->n; i++) {
		struct live *live = &fs->live[i];
		const struct vs_filter *f = vs_model_filter(vs->model, live->name);
		struct err why = {0};

		if (live->module != NULL || f == NULL)
			continue;
		if (load(vs, f, live, &why) != 0) {
			missing(vs, live, &why);
			continue;
		}
		back = true;
		tell(vs, "filter-back", live->name, "filter %s is loaded", live->name);
	}
	if (back)
		(void)vs_republish(vs);
}

void vs_filters_tick(struct vs *vs)
{
	if (vs->filters == NULL)
		return;
	came_forget(vs->filters);
	filter_modules_tick(vs->filters->set);
	tick_missing(vs);
}

void vs_filters_port_gone(struct vs *vs, uint16_t id)
{
	if (vs->filters != NULL)
		filter_modules_port_gone(vs->filters->set, (uint32_t)id + 1);
}

static void wait(void *arg)
{
	const struct vs *vs = arg;

	dp_synchronize(vs->dp);
}

static void told(void *arg, const char *module, const char *what, const char *text)
{
	struct vs *vs = arg;
	char type[48];

	snprintf(type, sizeof(type), "filter-%s", what);
	if (module[0] != '\0')
		tell(vs, type, module, "filter %s: %.300s", module, text);
	else
		tell(vs, type, module, "filter modules: %.300s", text);
}

int vs_filters_create(struct vs *vs, const char *dir, struct vs_filters **ret_filters,
		      struct err *err)
{
	const struct filter_modules_opts opts = {
		.n_cpus = EBPF_MAX_CPUS,
		.wait = wait,
		.event = told,
		.arg = vs,
	};
	struct vs_filters *fs = calloc(1, sizeof(*fs));
	int rc;

	if (fs == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	fs->vs = vs;
	fs->tried_ns = clock_mono_ns();
	snprintf(fs->dir, sizeof(fs->dir), "%s", dir);
	rc = filter_modules_create(&opts, &fs->set, err);
	if (rc != 0) {
		free(fs);
		return rc;
	}
	*ret_filters = fs;
	return 0;
}

void vs_filters_destroy(struct vs_filters *fs)
{
	if (fs == NULL)
		return;
	came_forget(fs);
	filter_modules_destroy(fs->set);
	free(fs);
}
