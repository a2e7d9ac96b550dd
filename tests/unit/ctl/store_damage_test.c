/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A store file that is damaged in every way a disk, a file system or a person can: with a good copy
 * beside it, opening must give a state that was committed, never another one, never nothing.
 */
#include "tests/unit/ctl/store_support.h"

#include <errno.h>

static struct folder folder;
static char pristine[128], pristine_good[128];
static json_t *final_state;
static uint64_t final_revision;
static char *final_history;

static char *dump_history(struct store *store)
{
	json_t *history = NULL;
	char *text;

	assert_int_equal(store_history(store, 0, &history, NULL), 0);
	text = json_dumps(history, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(history);
	return text;
}

/* A store with some history, closed, and copies of its files outside of the folder's listing. */
static int setup(void **unused)
{
	struct random r = {0xda3a9e};
	struct store *store;

	folder_make(&folder);
	store = must_open(folder.store, NULL);
	final_state = json_object();
	for (int i = 0; i < 60; i++) {
		json_t *next = json_deep_copy(final_state);

		random_edit(&r, next);
		final_revision = must_change(store, final_state, next, "edit");
		json_decref(final_state);
		final_state = next;
	}
	assert_int_equal(store_note_set(store, "pending", final_state, NULL), 0);
	final_history = dump_history(store);
	store_close(store);
	snprintf(pristine, sizeof(pristine), "%s/.pristine", folder.path);
	snprintf(pristine_good, sizeof(pristine_good), "%s/.pristine-good", folder.path);
	folder_copy_file(folder.store, pristine);
	folder_copy_file(folder.good, pristine_good);
	return 0;
}

static int teardown(void **unused)
{
	unlink(pristine);
	unlink(pristine_good);
	folder_drop(&folder);
	json_decref(final_state);
	free(final_history);
	return 0;
}

static void restore(bool good)
{
	folder_clear(&folder);
	folder_copy_file(pristine, folder.store);
	if (good)
		folder_copy_file(pristine_good, folder.good);
}

static void find_damaged(const char *path, void *arg)
{
	int *n = arg;

	*n += strstr(path, ".damaged-") != NULL;
}

static int n_damaged_files(void)
{
	int n = 0;

	folder_each(&folder, find_damaged, &n);
	return n;
}

static void write_at(const char *path, size_t offset, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
	close(fd);
}

static uint8_t read_at(const char *path, size_t offset)
{
	uint8_t byte = 0;
	int fd = open(path, O_RDONLY);

	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
	return byte;
}

/* Opens what was damaged and expects the last state, history and all. Returns whether the copy was
 * taken. */
static bool assert_nothing_lost(const char *how, size_t where)
{
	struct store_report report;
	struct store *store = must_open(folder.store, &report);
	json_t *state = must_load(store), *note = store_note_get(store, "pending");
	char *history = dump_history(store);

	if (!json_equal(state, final_state) || store_revision(store) != final_revision ||
	    !json_equal(note, final_state) || strcmp(history, final_history) != 0)
		fail_msg("%s at %zu: another state (%s)", how, where, report.text);
	if (report.recovered != (n_damaged_files() > 0))
		fail_msg("%s at %zu: recovered %d, but %d files aside", how, where,
			 report.recovered, n_damaged_files());
	if (report.recovered && strstr(report.text, "damaged") == NULL &&
	    strstr(report.text, "missing") == NULL)
		fail_msg("%s at %zu: says '%s'", how, where, report.text);
	free(history);
	json_decref(note);
	json_decref(state);
	store_close(store);
	return report.recovered;
}

static void flipped_byte_anywhere_loses_nothing(void **unused)
{
	struct random r = {0xf11b};
	size_t size = file_size(pristine);
	unsigned n_recovered = 0;

	for (unsigned i = 0; i < 700; i++) {
		/* All of the header, then anywhere. */
		size_t offset = i < 100 ? i : random_below(&r, (unsigned)size);
		uint8_t byte;

		restore(true);
		byte = read_at(folder.store, offset);
		byte ^= i % 2 == 0 ? (uint8_t)(1u << random_below(&r, 8))
				   : (uint8_t)(1 + random_below(&r, 255));
		write_at(folder.store, offset, &byte, 1);
		n_recovered += assert_nothing_lost("flip", offset);
	}
	/* Some bytes do not matter (free pages, unused header fields); most do. */
	assert_in_range(n_recovered, 100, 699);
}

static void flipped_bytes_in_the_copy_harm_nobody(void **unused)
{
	struct random r = {0xf11c};
	size_t size = file_size(pristine_good);

	for (unsigned i = 0; i < 100; i++) {
		size_t offset = i < 30 ? i : random_below(&r, (unsigned)size);
		uint8_t byte;

		restore(true);
		byte = (uint8_t)(read_at(folder.good, offset) ^ (1 + random_below(&r, 255)));
		write_at(folder.good, offset, &byte, 1);
		assert_false(assert_nothing_lost("flip in copy", offset));
	}
}

static void truncated_file_loses_nothing(void **unused)
{
	size_t size = file_size(pristine);
	const size_t sizes[] = {0,    1,    15,	  16,	99,	  100,	       101,	512,
				4095, 4096, 4097, 8192, size / 2, size - 4096, size - 1};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		restore(true);
		assert_int_equal(truncate(folder.store, (off_t)sizes[i]), 0);
		/* The last pages may be free ones, which nobody misses. */
		if (!assert_nothing_lost("truncate", sizes[i]) && sizes[i] <= size / 2)
			fail_msg("truncated to %zu and not noticed", sizes[i]);
	}
}

static void zeroed_or_overwritten_page_loses_nothing(void **unused)
{
	size_t size = file_size(pristine);
	char zeros[4096] = {0}, noise[4096];
	struct random r = {0xba5e};

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)random_u64(&r);
	for (size_t offset = 0; offset < size; offset += 4096) {
		restore(true);
		write_at(folder.store, offset, zeros, sizeof(zeros));
		assert_nothing_lost("zeroed page", offset);
		restore(true);
		write_at(folder.store, offset, noise, sizeof(noise));
		assert_nothing_lost("noise", offset);
	}
}

static void file_of_zeros_or_of_text_loses_nothing(void **unused)
{
	char *zeros = calloc(1, file_size(pristine));

	restore(true);
	write_at(folder.store, 0, zeros, file_size(pristine));
	assert_true(assert_nothing_lost("zeros", 0));
	free(zeros);
	restore(true);
	assert_int_equal(truncate(folder.store, 0), 0);
	write_at(folder.store, 0, "port add lan0 p1\n", 17);
	assert_true(assert_nothing_lost("text", 0));
}

static void missing_file_is_taken_from_the_copy(void **unused)
{
	struct store_report report;
	struct store *store;

	restore(true);
	assert_int_equal(unlink(folder.store), 0);
	store = must_open(folder.store, &report);
	assert_true(report.recovered);
	assert_false(report.created);
	assert_int_equal(store_revision(store), final_revision);
	store_close(store);
}

static void stale_journal_does_not_touch_the_copy_that_is_taken(void **unused)
{
	struct store_report report;
	struct store *store;
	char journal[128];

	/* A journal that SQLite believes, over a file that is damaged: it must go aside with its
	 * file. */
	snprintf(journal, sizeof(journal), "%s-journal", folder.store);
	restore(true);
	folder_copy_file(pristine, journal);
	write_at(journal, 0, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\xff\xff\xff\xff", 12);
	assert_int_equal(truncate(folder.store, 5000), 0);
	assert_nothing_lost("stale journal", 0);
	store = must_open(folder.store, &report);
	assert_false(report.recovered);
	assert_int_equal(store_revision(store), final_revision);
	store_close(store);
}

static void damage_without_a_copy_is_refused_untouched(void **unused)
{
	struct store *store = NULL;
	struct err err = {0};

	restore(false);
	write_at(folder.store, 4096, "damage", 6);
	assert_int_equal(store_open(folder.store, &store, NULL, &err), -EBADMSG);
	assert_null(store);
	assert_string_equal(err.slug, "store-damaged");
	assert_non_null(strstr(err.what, folder.store));
	assert_non_null(strstr(err.fix, "config load"));
	assert_int_equal(file_size(folder.store), file_size(pristine));
	assert_int_equal(n_damaged_files(), 0);
	/* The same with a copy that is no better. */
	restore(true);
	write_at(folder.store, 4096, "damage", 6);
	write_at(folder.good, 4096, "damage", 6);
	assert_int_equal(store_open(folder.store, &store, NULL, &err), -EBADMSG);
	assert_int_equal(n_damaged_files(), 0);
}

static void copy_follows_and_is_remade_when_it_cannot(void **unused)
{
	json_t *a = json_object(), *b = json_object(), *state;
	struct store_report report;
	struct store *store;

	folder_clear(&folder);
	store = must_open(folder.store, &report);
	random_edit(&(struct random){1}, a);
	must_change(store, b, a, "one");
	assert_true(store_copy_due(store));
	assert_int_equal(store_copy(store, NULL), 0);
	assert_false(store_copy_due(store));
	random_edit(&(struct random){2}, b);
	random_edit(&(struct random){9}, b);
	must_change(store, a, b, "two");
	assert_int_equal(store_copy(store, NULL), 0);
	/* Somebody's hand: the copy is gone, then it is another store's. */
	assert_int_equal(unlink(folder.good), 0);
	must_change(store, b, a, "three");
	assert_int_equal(store_copy(store, NULL), 0);
	folder_copy_file(pristine_good, folder.good);
	must_change(store, a, b, "four");
	assert_int_equal(store_copy(store, NULL), 0);
	store_close(store);

	assert_int_equal(truncate(folder.store, 10), 0);
	store = must_open(folder.store, &report);
	assert_true(report.recovered);
	assert_non_null(strstr(report.text, "revision 4"));
	state = must_load(store);
	assert_true(json_equal(state, b));
	json_decref(state);
	assert_int_equal(store_state_at(store, 3, &state, NULL), 0);
	assert_true(json_equal(state, a));
	json_decref(state);
	store_close(store);
	json_decref(a);
	json_decref(b);
}

static void copy_forgets_the_history_that_the_store_forgets(void **unused)
{
	struct random r = {0x9a11};
	struct store *store;
	char *history, *again;

	restore(true);
	store = must_open(folder.store, NULL);
	store_set_history_limit(store, 10, 1u << 30);
	for (int i = 0; i < 25; i++) {
		json_t *next = json_deep_copy(final_state);

		random_edit(&r, next);
		must_change(store, final_state, next, "edit");
		must_change(store, next, final_state, "back");
		if (i % 3 == 0)
			assert_int_equal(store_copy(store, NULL), 0);
		json_decref(next);
	}
	history = dump_history(store);
	store_close(store);
	assert_int_equal(unlink(folder.store), 0);
	store = must_open(folder.store, NULL);
	again = dump_history(store);
	assert_string_equal(history, again);
	free(history);
	free(again);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flipped_byte_anywhere_loses_nothing),
		cmocka_unit_test(flipped_bytes_in_the_copy_harm_nobody),
		cmocka_unit_test(truncated_file_loses_nothing),
		cmocka_unit_test(zeroed_or_overwritten_page_loses_nothing),
		cmocka_unit_test(file_of_zeros_or_of_text_loses_nothing),
		cmocka_unit_test(missing_file_is_taken_from_the_copy),
		cmocka_unit_test(stale_journal_does_not_touch_the_copy_that_is_taken),
		cmocka_unit_test(damage_without_a_copy_is_refused_untouched),
		cmocka_unit_test(copy_follows_and_is_remade_when_it_cannot),
		cmocka_unit_test(copy_forgets_the_history_that_the_store_forgets),
	};

	return cmocka_run_group_tests_name("store damage", tests, setup, teardown);
}
