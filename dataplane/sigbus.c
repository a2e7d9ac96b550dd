/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See guard.h.
 *
 * The table is read by a signal handler, on any thread, at any time: entries are never freed, only
 * used again, and each has a sequence number that is odd while it changes.
 */
#include "dataplane/sigbus.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

struct dp_sigbus {
	struct dp_sigbus *next; /* set once */
	atomic_uint sequence;
	_Atomic uintptr_t start, end; /* both 0: not in use */
	atomic_bool *_Atomic lost;
};

/* Signal handlers belong to the process, so does this. */
static struct dp_sigbus *_Atomic guards;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of writers */
static struct sigaction before;
static __thread volatile bool mend_all, inside;

/* Empty memory from the page that holds 'at' to 'end', or that page alone when there is no end.  A
 * mapping of huge pages can only be replaced by whole ones. */
static bool mend(uintptr_t at, uintptr_t end)
{
	static const uintptr_t page_sizes[] = {4096, 65536, 2u << 20, 512u << 20, 1u << 30};

	for (size_t i = 0; i < sizeof(page_sizes) / sizeof(page_sizes[0]); i++) {
		uintptr_t mask = page_sizes[i] - 1, from = at & ~mask;
		uintptr_t to = ((end != 0 ? end : at + 1) + mask) & ~mask;

		if (mmap((void *)from, to - from, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			 0) != MAP_FAILED)
			return true;
	}
	return false;
}

/* Is 'at' in a guarded region?  Says where it ends. */
static atomic_bool *find(uintptr_t at, uintptr_t *ret_end)
{
	for (struct dp_sigbus *g = atomic_load(&guards); g != NULL; g = g->next) {
		unsigned sequence = atomic_load(&g->sequence);
		uintptr_t start = atomic_load(&g->start), end = atomic_load(&g->end);
		atomic_bool *lost = atomic_load(&g->lost);

		/* An entry that changes is none that anybody is in. */
		if (at >= start && at < end && (sequence & 1) == 0 &&
		    atomic_load(&g->sequence) == sequence) {
			*ret_end = end;
			return lost;
		}
	}
	return NULL;
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	/* Who was before us may call us again in the end. */
	if ((before.sa_flags & SA_SIGINFO) != 0 && !inside) {
		inside = true;
		before.sa_sigaction(number, info, context);
		inside = false;
		return;
	}
	/* As if we were not there: the access faults again. */
	signal(SIGBUS, inside || (before.sa_flags & SA_SIGINFO) != 0 ? SIG_DFL : before.sa_handler);
	if (info->si_code <= 0)
		raise(SIGBUS);
}

static void on_bus(int number, siginfo_t *info, void *context)
{
	uintptr_t at, end = 0;
	atomic_bool *lost;

	/* Sent by somebody, or broken hardware: it is no peer's doing. */
	if (inside || info->si_code != BUS_ADRERR) {
		pass_on(number, info, context);
		return;
	}
	at = (uintptr_t)info->si_addr;
	lost = find(at, &end);
	if ((lost == NULL && !mend_all) || !mend(at, end)) {
		pass_on(number, info, context);
		return;
	}
	if (lost != NULL)
		atomic_store(lost, true);
}

static void install(void)
{
	/* These flags and no other: DPDK's handler compares them when it passes a signal on. */
	const struct sigaction ours = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
	struct sigaction now;

	sigaction(SIGBUS, NULL, &now);
	if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_bus)
		return;
	before = now;
	sigaction(SIGBUS, &ours, NULL);
}

void dp_sigbus_install(void)
{
	pthread_mutex_lock(&mutex);
	install();
	pthread_mutex_unlock(&mutex);
}

void dp_sigbus_thread(bool on)
{
	mend_all = on;
}

/* An entry that nobody uses, or a new one. */
static struct dp_sigbus *entry_get(void)
{
	struct dp_sigbus *g = atomic_load(&guards);

	while (g != NULL && atomic_load(&g->end) != 0)
		g = g->next;
	if (g != NULL)
		return g;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->next = atomic_load(&guards);
	atomic_store(&guards, g);
	return g;
}

static void entry_set(struct dp_sigbus *g, uintptr_t start, uintptr_t end, atomic_bool *lost)
{
	atomic_fetch_add(&g->sequence, 1);
	atomic_store(&g->start, start);
	atomic_store(&g->end, end);
	atomic_store(&g->lost, lost);
	atomic_fetch_add(&g->sequence, 1);
}

struct dp_sigbus *dp_sigbus_add(const void *va, size_t size, atomic_bool *lost)
{
	struct dp_sigbus *g;

	pthread_mutex_lock(&mutex);
	install();
	g = entry_get();
	if (g != NULL)
		entry_set(g, (uintptr_t)va, (uintptr_t)va + size, lost);
	pthread_mutex_unlock(&mutex);
	return g;
}

void dp_sigbus_remove(struct dp_sigbus *guard)
{
	if (guard == NULL)
		return;
	pthread_mutex_lock(&mutex);
	entry_set(guard, 0, 0, NULL);
	pthread_mutex_unlock(&mutex);
}
