/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal as a file: what is written is read again, what is half written or foreign is not
 * believed.  That it holds at every instruction is kill_test.c's.
 */
#include "vmq/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmq/bufs.h"
#include "vmq/queue.h"

static struct vmq_journal *make(void)
{
	struct vmq_journal *j;

	assert_int_equal(vmq_journal_create(&j, NULL), 0);
	return j;
}

/* What the next switch sees; the old one is gone. */
static struct vmq_journal *reopen(struct vmq_journal *j)
{
	struct vmq_journal *next;

	assert_int_equal(vmq_journal_open(vmq_journal_fd(j), &next, NULL), 0);
	vmq_journal_destroy(j);
	return next;
}

static void the_last_state_that_is_whole_is_read(void **state)
{
	struct vmq_journal *j = make();
	struct netvsp_state s = {.nvsp_version = 1}, got;

	assert_int_equal(vmq_journal_state_read(j, &got), -ENOENT);
	for (uint32_t i = 1; i < 6; i++) {
		s.recv_gpadl = i;
		vmq_journal_state_write(j, &s);
		j = reopen(j);
		assert_int_equal(vmq_journal_state_read(j, &got), 0);
		assert_int_equal(got.recv_gpadl, i);
	}
	vmq_journal_clear(j);
	assert_int_equal(vmq_journal_state_read(j, &got), -ENOENT);
	vmq_journal_destroy(j);
}

/* Killed at any byte of the second state: the first one holds. */
static void a_state_that_is_half_written_is_not_believed(void **state)
{
	struct netvsp_state a = {.recv_gpadl = 1}, b = {.recv_gpadl = 2}, got;
	struct vmq_journal *j = make();
	uint8_t *before, *after;
	struct stat st;
	size_t n;

	memset(b.key, 0x77, sizeof(b.key));
	assert_int_equal(fstat(vmq_journal_fd(j), &st), 0);
	n = (size_t)st.st_size - VMQ_JOURNAL_SECTIONS * 8;
	before = malloc(n);
	after = malloc(n);
	vmq_journal_state_write(j, &a);
	memcpy(before, j->area, n);
	vmq_journal_state_write(j, &b);
	memcpy(after, j->area, n);
	for (size_t cut = 0; cut < 2048; cut += 4) {
		memcpy(j->area, before, n);
		memcpy(j->area, after, cut);
		j = reopen(j);
		assert_int_equal(vmq_journal_state_read(j, &got), 0);
		assert_true(memcmp(&got, &a, sizeof(a)) == 0 || memcmp(&got, &b, sizeof(b)) == 0);
	}
	free(before);
	free(after);
	vmq_journal_destroy(j);
}

static void foreign_files_are_refused(void **state)
{
	struct vmq_journal *j = make(), *other;
	struct err err = {0};
	int fd = memfd_create("x", MFD_ALLOW_SEALING);
	struct stat st;

	assert_int_equal(fstat(vmq_journal_fd(j), &st), 0);
	assert_int_equal(vmq_journal_open(fd, &other, &err), -EINVAL);
	assert_int_equal(ftruncate(fd, st.st_size), 0);
	/* The right size, but somebody can cut it short. */
	assert_int_equal(vmq_journal_open(fd, &other, &err), -EINVAL);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	/* No magic. */
	assert_int_equal(vmq_journal_open(fd, &other, &err), -EINVAL);
	close(fd);
	assert_int_equal(vmq_journal_open(0, &other, &err), -EINVAL);
	assert_int_equal(vmq_journal_open(-1, &other, &err), -EINVAL);
	/* Ours cannot be cut. */
	assert_int_equal(ftruncate(vmq_journal_fd(j), 0), -1);
	vmq_journal_destroy(j);
}

static void positions_that_are_none_of_the_rings_are_refused(void **state)
{
	static const struct {
		uint32_t in, out;
		int rc;
	} cases[] = {
		{0, 0, 0},
		{4088, 8184, 0},
		{4096, 0, -EBADMSG},
		{0, 8192, -EBADMSG},
		{4, 0, -EBADMSG},
		{0, UINT32_MAX, -EBADMSG},
		{UINT32_MAX - 7, 0, -EBADMSG},
	};
	struct vmbus_ring in = {.size = 4096}, out = {.size = 8192};
	struct vmq_journal *j = make();
	uint32_t read, write;

	assert_int_equal(vmq_journal_queue_resume(j, 3, &in, &out, &read, &write), -ENOENT);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vmq_journal_queue_start(j, 3, cases[i].in, cases[i].out);
		assert_int_equal(vmq_journal_queue_batch(j, 3), i + 1);
		assert_int_equal(vmq_journal_queue_resume(j, 3, &in, &out, &read, &write),
				 cases[i].rc);
		if (cases[i].rc == 0) {
			assert_int_equal(read, cases[i].in);
			assert_int_equal(write, cases[i].out);
		}
	}
	vmq_journal_destroy(j);
}

/* Whatever the records say, no section is free twice, or both free and lent, and what is lent comes
 * back by its transaction id. */
static void records_that_contradict_each_other_harm_nobody(void **state)
{
	struct vmq_journal *j = make();
	uint16_t cached[VMQ_CACHE_ROOM];
	uint64_t seed = 1;

	vmq_journal_queue_start(j, 0, 0, 0);
	for (unsigned round = 0; round < 3000; round++) {
		struct vmq_queue q = {.cached = cached, .batch = 1};
		struct vmq_bufs *b;
		uint32_t lent, back = 0;

		for (unsigned i = 0; i < 40; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			vmq_journal_note(j, (uint16_t)i,
					 vmq_record(seed >> 60 & 3, (seed >> 50 & 7) == 0,
						    seed >> 40 & 31, seed >> 30 & 3));
		}
		assert_int_equal(vmq_bufs_create(32, 1, j, &b), 0);
		lent = vmq_bufs_resume(b);
		assert_int_equal(lent + b->n_free, 32);
		for (uint64_t id = 0; id < 32; id++)
			back += vmq_bufs_complete(b, &q, id);
		assert_true(back <= lent);
		assert_true(q.cached_n + b->n_free <= 32);
		vmq_bufs_forget(b, &q);
		q.index = 1;
		vmq_bufs_forget(b, &q);
		assert_int_equal(b->n_free, 32);
		vmq_bufs_destroy(b);
	}
	vmq_journal_destroy(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_state_that_is_whole_is_read),
		cmocka_unit_test(a_state_that_is_half_written_is_not_believed),
		cmocka_unit_test(foreign_files_are_refused),
		cmocka_unit_test(positions_that_are_none_of_the_rings_are_refused),
		cmocka_unit_test(records_that_contradict_each_other_harm_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
