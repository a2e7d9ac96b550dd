/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory that code lives in; see jit_priv.h.
 *
 * No page can ever be written and run at one address.  Code lies in memory of its own (a memfd),
 * which is mapped to be read and run; who writes maps the pages a second time, elsewhere, as long
 * as that takes.  So programs share pages, and one can be added while workers run its neighbours.
 *
 * 	region    64 KiB of addresses (more for a larger program), near our own functions if that
 * 	          can be; its pages exist as they are first used
 * 	unit      64 bytes: programs begin at lines of the cache; free units hold traps
 *
 * Addresses belong to the process, and so does this: a mutable global, with a lock.  A child
 * shares its parent's regions and must not write to them; it starts with regions of its own.
 */
#include "filters/ebpf/jit_priv.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/mman.h>

#define UNIT   64u
#define REGION (64u << 10)
#define TRAP   0xcc /* int3 */

/* A call of four bytes reaches 2 GiB; our functions and the region take some of it. */
#define REACH ((uintptr_t)1 << 30)
#define STEP  ((uintptr_t)4 << 20)

struct region {
	struct region *next;
	uint8_t *code;
	size_t size;
	int fd;
	pid_t pid;
	uint32_t n_units, n_used;
	uint8_t used[]; /* a byte a unit */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct region *regions;

static uint32_t units(size_t size)
{
	return (uint32_t)((size + UNIT - 1) / UNIT);
}

/* Maps it where nothing is, as near to our own functions as can be had. */
static uint8_t *map_near(int fd, size_t size)
{
	uintptr_t here = (uintptr_t)jit_pool_take & ~(STEP - 1);

	for (uintptr_t d = STEP; d < REACH; d += STEP) {
		uintptr_t at[] = {here - d, here + d};

		for (unsigned i = 0; i < 2; i++) {
			void *hint, *code;

			memcpy(&hint, &at[i], sizeof(hint));
			code = mmap(hint, size, PROT_READ | PROT_EXEC,
				    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
			if (code == hint)
				return code;
			if (code != MAP_FAILED) /* A kernel that does not know the flag. */
				munmap(code, size);
		}
	}
	return mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
}

static bool region_map(struct region *r)
{
	r->fd = memfd_create("ebpf-code", MFD_CLOEXEC);
	if (r->fd < 0)
		return false;
	if (ftruncate(r->fd, (off_t)r->size) == 0) {
		r->code = map_near(r->fd, r->size);
		if (r->code != MAP_FAILED)
			return true;
	}
	close(r->fd);
	return false;
}

static struct region *region_create(size_t size)
{
	size_t rounded = size <= REGION ? REGION : (size + REGION - 1) / REGION * REGION;
	struct region *r = calloc(1, sizeof(*r) + rounded / UNIT);

	if (r == NULL)
		return NULL;
	r->size = rounded;
	r->n_units = units(rounded);
	r->pid = getpid();
	if (!region_map(r)) {
		free(r);
		return NULL;
	}
	r->next = regions;
	regions = r;
	return r;
}

static void region_destroy(struct region *r)
{
	struct region **at = &regions;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	munmap(r->code, r->size);
	close(r->fd);
	free(r);
}

/* Takes 'n' units in a row, or returns NULL. */
static void *region_take(struct region *r, uint32_t n)
{
	uint32_t run = 0;

	if (r->n_units - r->n_used < n)
		return NULL;
	for (uint32_t i = 0; i < r->n_units; i++) {
		run = r->used[i] ? 0 : run + 1;
		if (run < n)
			continue;
		memset(&r->used[i + 1 - n], 1, n);
		r->n_used += n;
		return r->code + (size_t)(i + 1 - n) * UNIT;
	}
	return NULL;
}

static struct region *region_of(const uint8_t *code)
{
	for (struct region *r = regions; r != NULL; r = r->next)
		if (code >= r->code && code < r->code + r->size)
			return r;
	return NULL;
}

void *jit_pool_take(size_t size)
{
	void *code = NULL;
	struct region *r;

	pthread_mutex_lock(&lock);
	for (r = regions; r != NULL && code == NULL; r = r->next)
		if (r->pid == getpid())
			code = region_take(r, units(size));
	if (code == NULL) {
		r = region_create(size);
		if (r != NULL)
			code = region_take(r, units(size));
	}
	pthread_mutex_unlock(&lock);
	return code;
}

/* Whole pages around it. */
static size_t page_offset(const struct region *r, const uint8_t *code)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size_t)(code - r->code) / page * page;
}

uint8_t *jit_pool_open(void *code, size_t size)
{
	uint8_t *pages = MAP_FAILED;
	const struct region *r;
	size_t offset = 0;

	pthread_mutex_lock(&lock);
	r = region_of(code);
	if (r != NULL && r->pid == getpid()) {
		offset = page_offset(r, code);
		size += (size_t)((uint8_t *)code - r->code) - offset;
		pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, (off_t)offset);
	}
	pthread_mutex_unlock(&lock);
	if (pages == MAP_FAILED)
		return NULL;
	return pages + ((size_t)((uint8_t *)code - r->code) - offset);
}

void jit_pool_close(uint8_t *writable, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (uintptr_t)writable % page;
	size_t rest = (UNIT - size % UNIT) % UNIT;

	memset(writable + size, TRAP, rest); /* A unit never crosses a page. */
	munmap(writable - before, size + before);
}

static void set_traps(void *code, size_t size)
{
	uint8_t *writable = jit_pool_open(code, size);

	if (writable == NULL)
		return;
	memset(writable, TRAP, size);
	jit_pool_close(writable, size);
}

void jit_pool_give(void *code, size_t size)
{
	struct region *r;

	set_traps(code, size);
	pthread_mutex_lock(&lock);
	r = region_of(code);
	if (r != NULL) {
		memset(&r->used[((uint8_t *)code - r->code) / UNIT], 0, units(size));
		r->n_used -= units(size);
		if (r->n_used == 0 && (r->size > REGION || regions->next != NULL))
			region_destroy(r); /* But the last, which the next program wants. */
	}
	pthread_mutex_unlock(&lock);
}
