/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See object.h; object_priv.h has the way of an object through the files here.
 */
#include "filters/ebpf/object.h"

#include <bpf/libbpf.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "filters/ebpf/helper_priv.h"
#include "filters/ebpf/object_priv.h"

#define LOG_SIZE                                                                                   \
	(16u << 20) /* kernels before 6.4 keep a log's beginning, and refuse when it is full */

/* An object on its way, and what came out of it. */
struct loading {
	const void *elf;
	size_t size;
	const struct ebpf_object_opts *opts;
	struct ebpf_object *object;
};

/* Up to the kernel's answer.  -EAGAIN: refused, and with 'log' it will say why. */
static int ask(struct loading *loading, char *log, struct err *err)
{
	struct ebpf_object *object;
	int rc = ebpf_object_open(loading->elf, loading->size, loading->opts, log,
				  log != NULL ? LOG_SIZE : 0, &object, err);

	if (rc != 0)
		return rc;
	rc = ebpf_object_kernel(object, log, err);
	if (rc != 0)
		ebpf_object_destroy(object);
	else
		loading->object = object;
	return rc;
}

static int ask_for_reasons(void *arg, struct err *err)
{
	struct loading *loading = arg;
	char *log;
	int rc = ask(loading, NULL, err);

	if (rc != -EAGAIN)
		return rc;
	/* Touched as far as the log goes. */
	log = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (log == MAP_FAILED)
		return err_set(err, -ENOMEM, "no-memory", "cannot load module %s: no memory",
			       loading->opts->name);
	rc = ask(loading, log, err);
	munmap(log, LOG_SIZE);
	return rc;
}

int ebpf_object_load(const void *elf, size_t size, const struct ebpf_object_opts *opts,
		     struct ebpf_object **ret_object, struct err *err)
{
	/* Maps do not go with a child: it is as if there were none. */
	struct ebpf_object_opts alone = *opts;
	struct loading loading = {.elf = elf, .size = size, .opts = &alone};
	int rc;

	alone.find_map = NULL;
	rc = ebpf_object_rehearse(opts->name, ask_for_reasons, &loading, err);
	loading.opts = opts;
	ebpf_secret(); /* For the helpers, which run where nobody waits. */
	if (rc == 0)
		rc = ask_for_reasons(&loading, err);
	if (rc == 0)
		rc = ebpf_object_make(loading.object, opts, err);
	if (rc == 0)
		*ret_object = loading.object;
	else if (loading.object != NULL)
		ebpf_object_destroy(loading.object);
	return rc;
}

void ebpf_object_destroy(struct ebpf_object *object)
{
	struct ebpf_libbpf_log said;

	if (object == NULL)
		return;
	for (uint32_t i = 0; i < object->n_progs; i++)
		ebpf_prog_unref(object->progs[i].prog);
	for (uint32_t i = 0; i < object->n_maps; i++)
		ebpf_map_unref(object->maps[i].map);
	ebpf_libbpf_log_begin(&said);
	bpf_object__close(object->bpf);
	ebpf_libbpf_log_end();
	free(object->progs);
	free(object->maps);
	free(object);
}

uint32_t ebpf_object_n_progs(const struct ebpf_object *object)
{
	return object->n_progs;
}

struct ebpf_prog *ebpf_object_prog(const struct ebpf_object *object, uint32_t i)
{
	return object->progs[i].prog;
}

struct ebpf_prog *ebpf_object_find_prog(const struct ebpf_object *object, const char *name)
{
	for (uint32_t i = 0; i < object->n_progs; i++)
		if (strcmp(bpf_program__name(object->progs[i].bpf), name) == 0)
			return object->progs[i].prog;
	return NULL;
}

uint32_t ebpf_object_n_maps(const struct ebpf_object *object)
{
	return object->n_maps;
}

struct ebpf_map *ebpf_object_map(const struct ebpf_object *object, uint32_t i)
{
	return object->maps[i].map;
}

const struct btf *ebpf_object_btf(const struct ebpf_object *object)
{
	return bpf_object__btf(object->bpf);
}

void ebpf_object_map_types(const struct ebpf_object *object, uint32_t map, uint32_t *ret_key,
			   uint32_t *ret_value)
{
	*ret_key = object->maps[map].key_type;
	*ret_value = object->maps[map].value_type;
}

const char *ebpf_object_wishes(const struct ebpf_object *object)
{
	return object->elf.wishes;
}

const char *ebpf_object_verdict(const struct ebpf_object *object, const char *prog)
{
	for (uint32_t i = 0; i < object->n_progs; i++)
		if (strcmp(bpf_program__name(object->progs[i].bpf), prog) == 0)
			return object->progs[i].verdict;
	return "";
}
