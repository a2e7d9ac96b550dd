/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An object file: what 'clang -target bpf' makes of a source written for the kernel's XDP hook.
 * libbpf opens and relocates it, the kernel's verifier judges its programs (they are loaded, and
 * attached to nothing), and what it accepted becomes our maps and programs.
 *
 * 	ELF ─ libbpf ─► maps made in the kernel, small where the verifier does not care
 * 	                programs ─ bpf(BPF_PROG_LOAD) ─► accepted, or the verifier's reason
 * 	             ─► our maps, our programs
 *
 * Plain arrays (global data among them) are the kernel's own, mapped into this process; so
 * bpftool sees them.  All other maps are ours.
 *
 * Control thread.
 */
#ifndef FILTERS_EBPF_OBJECT_H
#define FILTERS_EBPF_OBJECT_H

#include "ctl/base/err.h"
#include "filters/ebpf/map.h"
#include "filters/ebpf/prog.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;
struct ebpf_object;

#define EBPF_MAX_OBJECT	     (64u << 20) /* bytes */
#define EBPF_MAX_OBJECT_MAPS 256u

struct ebpf_object_opts {
	const char *name;	 /* of the module, for messages */
	uint32_t n_cpus;	 /* copies of per-CPU maps */
	uint64_t max_map_memory; /* bytes of all its maps; 0: 1 GiB */
	bool interpret;
	/* A map of this name that outlives objects, or NULL: taken when ebpf_map_same(), else the
	 * load is refused.  May be NULL. */
	struct ebpf_map *(*find_map)(void *arg, const char *name);
	void *arg;
};

/* 'elf' is borrowed during the call.  -EINVAL (slugs "bad-object", "refused": the verifier's last
 * lines, with the source line where the object has it, in the reason), -EPERM (slug "no-bpf": may
 * not load programs, and how to get that), -ENOTSUP (what we do not serve: a map type, a helper, a
 * kernel function, by name), -E2BIG, -ENOMEM. */
int ebpf_object_load(const void *elf, size_t size, const struct ebpf_object_opts *opts,
		     struct ebpf_object **ret_object, struct err *err);
/* Takes NULL.  Gives its references to programs and maps back: no worker may be inside. */
void ebpf_object_destroy(struct ebpf_object *object);

/* May objects be loaded here?  0, or -EPERM (slug "no-bpf") with the reason and how to get it;
 * 'name' is of the module, for the message. */
int ebpf_permission_check(const char *name, struct err *err);

/* Programs and maps in the order of the object; borrowed while it lives. */
uint32_t ebpf_object_n_progs(const struct ebpf_object *object);
struct ebpf_prog *ebpf_object_prog(const struct ebpf_object *object, uint32_t i);
struct ebpf_prog *ebpf_object_find_prog(const struct ebpf_object *object, const char *name);
uint32_t ebpf_object_n_maps(const struct ebpf_object *object);
struct ebpf_map *ebpf_object_map(const struct ebpf_object *object, uint32_t i);
/* The object's types, for who prints maps' contents; NULL: it has none.  Type ids of a map's key
 * and value, 0: unknown. */
const struct btf *ebpf_object_btf(const struct ebpf_object *object);
void ebpf_object_map_types(const struct ebpf_object *object, uint32_t map, uint32_t *ret_key,
			   uint32_t *ret_value);
/* What its author asks for in SEC(".vswitch") (docs/filters.md), a text like "role=capture meta";
 * "" when nothing. */
const char *ebpf_object_wishes(const struct ebpf_object *object);
/* What the verifier said of a program that it accepted (instructions processed, stack). */
const char *ebpf_object_verdict(const struct ebpf_object *object, const char *prog);

#endif
