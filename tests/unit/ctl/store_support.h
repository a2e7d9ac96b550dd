/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the store's and the configuration's tests share: a folder that goes away, random numbers
 * that can be repeated, random states.
 */
#ifndef TESTS_UNIT_CTL_STORE_SUPPORT_H
#define TESTS_UNIT_CTL_STORE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>

#include "ctl/state.h"
#include "ctl/store.h"

struct folder {
	char path[64];
	char store[96];
	char good[112];
};

static inline void folder_make(struct folder *folder)
{
	/* In memory where there is such a place: these tests sync a lot. */
	const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(folder->path, sizeof(folder->path), "%s/vswitch-test-XXXXXX", root);
	assert_non_null(mkdtemp(folder->path));
	snprintf(folder->store, sizeof(folder->store), "%s/conf.db", folder->path);
	snprintf(folder->good, sizeof(folder->good), "%s.good", folder->store);
}

/* Calls 'fn' for each file; returns how many there were. */
static inline int folder_each(const struct folder *folder, void (*fn)(const char *path, void *arg),
			      void *arg)
{
	DIR *dir = opendir(folder->path);
	struct dirent *entry;
	char path[512];
	int n = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder->path, entry->d_name);
		fn(path, arg);
		n++;
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

static inline void folder_unlink_one(const char *path, void *arg)
{
	unlink(path);
}

static inline void folder_clear(const struct folder *folder)
{
	folder_each(folder, folder_unlink_one, NULL);
}

static inline void folder_drop(const struct folder *folder)
{
	folder_clear(folder);
	rmdir(folder->path);
}

static inline void folder_copy_file(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp -p '%s' '%s'", from, to);
	assert_int_equal(system(command), 0);
}

static inline size_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

/* xorshift64*: the seed is printed by who uses it, so that a failure can be repeated. */
struct random {
	uint64_t state;
};

static inline uint64_t random_u64(struct random *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1du;
}

static inline unsigned random_below(struct random *r, unsigned n)
{
	return (unsigned)((random_u64(r) >> 16) % n);
}

/* One random edit of a state of a few kinds and names: add, replace or remove; now and then a large
 * body. */
static inline void random_edit(struct random *r, json_t *state)
{
	static const char *const kinds[] = {"switch", "port", "tenant"};
	const char *kind = kinds[random_below(r, 3)];
	char name[16], filler[2048];
	size_t n_filler = random_below(r, 16) == 0 ? 1500 : random_below(r, 20);

	snprintf(name, sizeof(name), "n%u", random_below(r, 12));
	if (state_get(state, kind, name) != NULL && random_below(r, 2) == 0) {
		assert_int_equal(state_drop(state, kind, name), 0);
		return;
	}
	memset(filler, 'a' + (int)random_below(r, 26), n_filler);
	filler[n_filler] = '\0';
	assert_int_equal(state_put(state, kind, name,
				   json_pack("{s:s, s:i, s:s}", "name", name, "vlan",
					     (int)random_below(r, 4095), "description", filler)),
			 0);
}

static inline struct store *must_open(const char *path, struct store_report *report)
{
	struct store *store = NULL;
	struct err err = {0};

	if (store_open(path, &store, report, &err) != 0)
		fail_msg("store_open: %s: %s", err.what, err.why);
	return store;
}

static inline json_t *must_load(struct store *store)
{
	json_t *state = NULL;
	struct err err = {0};

	if (store_load(store, &state, &err) != 0)
		fail_msg("store_load: %s", err.what);
	return state;
}

static inline uint64_t must_change(struct store *store, const json_t *before, const json_t *after,
				   const char *command)
{
	struct err err = {0};
	uint64_t revision = 0;

	if (store_begin(store, &err) != 0 ||
	    store_replace(store, before, after, "tester", command, &err) != 0 ||
	    store_commit(store, &revision, &err) != 0)
		fail_msg("change: %s: %s", err.what, err.why);
	return revision;
}

#endif
