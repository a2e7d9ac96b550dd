/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An object on its way in:
 *
 * 	object_elf.c    is it one, and what does its author wish
 * 	object_open.c   libbpf reads it; what is in it, and do we serve that     (no bpf(2) up to
 * here) object_maps.c   our maps' definitions; what the kernel is given in their place
 * 	object_load.c   the kernel judges; with its reason when it refuses
 * 	object_rehearse.c   all of this first in a child process, since libbpf may crash
 * 	object_make.c   our maps and programs, and what they hold from the start
 *
 * Control thread.
 */
#ifndef FILTERS_EBPF_OBJECT_PRIV_H
#define FILTERS_EBPF_OBJECT_PRIV_H

#include "filters/ebpf/object.h"

#define EBPF_OBJECT_VERDICT 160u

struct bpf_map;
struct bpf_object;
struct bpf_program;

/* What an object says before libbpf sees it. */
struct ebpf_elf {
	uint32_t n_maps;
	char open[64];	  /* a symbol that it leaves to the kernel; "": none */
	char wishes[256]; /* SEC(".vswitch"), printable; "": none */
};

struct ebpf_object_map {
	struct bpf_map *bpf; /* libbpf's; its descriptor is the kernel's map */
	struct ebpf_map
		*map; /* ours; NULL: of a type that we do not serve, and no program has it */
	struct ebpf_map_def def, inner;
	uint32_t key_type, value_type; /* of the object's BTF; 0: unknown */
	uint32_t id;		       /* the kernel's */
	bool internal;		       /* global data */
	bool frozen;		       /* of that, what nobody writes */
	bool kept;		       /* it was there before: find_map() */
};

struct ebpf_object_prog {
	struct bpf_program *bpf;
	struct ebpf_prog *prog;
	uint32_t id;
	char log[1024];			   /* what the kernel said of it: statistics */
	char verdict[EBPF_OBJECT_VERDICT]; /* the same in a line */
};

struct ebpf_object {
	char name[64];
	struct bpf_object *bpf;
	struct ebpf_object_map *maps;
	uint32_t n_maps;
	struct ebpf_object_prog *progs; /* those of XDP */
	uint32_t n_progs;
	struct ebpf_elf elf;
};

/* object_elf.c.  -EINVAL (slug "bad-object"): no object of BPF.  -E2BIG (slug "too-many-maps"),
 * -ENOTSUP (slug "kernel-symbol"). */
int ebpf_elf_check(const char *name, const void *elf, size_t size, struct ebpf_elf *ret,
		   struct err *err);

/* object_open.c.  'log' of 'log_size' bytes takes what the verifier says when it refuses, or NULL:
 * each program's statistics are taken. */
int ebpf_object_open(const void *elf, size_t size, const struct ebpf_object_opts *opts, char *log,
		     size_t log_size, struct ebpf_object **ret_object, struct err *err);

/* object_maps.c.  Definitions of all, their limits, and those that are there already; -E2BIG (slugs
 * "too-many-maps", "map-memory"), -EEXIST (slug "map-differs"). */
int ebpf_object_maps_read(struct ebpf_object *object, const struct ebpf_object_opts *opts,
			  struct err *err);
/* Tells libbpf what to make of them in the kernel. */
int ebpf_object_maps_prepare(struct ebpf_object *object, struct err *err);

/* object_load.c.  Asks the kernel.  -EAGAIN: a program was refused, and 'log' was NULL. */
int ebpf_object_kernel(struct ebpf_object *object, char *log, struct err *err);

/* object_rehearse.c.  Calls 'fn' in a child process: its answer and error, or -EINVAL (slug
 * "bad-object") when it dies of it. */
typedef int (*ebpf_rehearse_fn)(void *arg, struct err *err);
int ebpf_object_rehearse(const char *name, ebpf_rehearse_fn fn, void *arg, struct err *err);
/* Whose fault it would be now. */
void ebpf_object_rehearse_mark(bool in_libbpf);

/* object_make.c */
int ebpf_object_make(struct ebpf_object *object, const struct ebpf_object_opts *opts,
		     struct err *err);

/* libbpf_log.c.  What libbpf says on this thread from begin to end goes into 'buf', lines of
 * warnings alone; other threads' goes where it went. */
struct ebpf_libbpf_log {
	char text[2048];
	size_t size;
};
void ebpf_libbpf_log_begin(struct ebpf_libbpf_log *log);
void ebpf_libbpf_log_end(void);
/* The first line that says something, into 'buf'; "" when there is none. */
const char *ebpf_libbpf_log_why(const struct ebpf_libbpf_log *log, char *buf, size_t size);
/* The program that libbpf says was refused; "" when it named none. */
const char *ebpf_libbpf_log_prog(const struct ebpf_libbpf_log *log, char *buf, size_t size);

/* verdict.c: the verifier's log, in few words.  Its last complaint, with the line of source. */
void ebpf_verdict_refused(const char *log, char *ret, size_t size);
/* "12 instructions processed, 16 bytes of stack"; "" when the log does not say. */
void ebpf_verdict_accepted(const char *log, char *ret, size_t size);

#endif
