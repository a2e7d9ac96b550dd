/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Entries of access lists and addresses of sets, from any bytes: what is taken has a normal form
 * that is taken, too, and is its own.
 */
#include "tests/fuzz/fuzz.h"

#include "vswitch/acl_words.h"

#include <stdlib.h>
#include <string.h>

static void must(int holds)
{
	if (!holds)
		abort();
}

static void entries(const struct vs_acl_conf *conf, const char *text, size_t size)
{
	struct vs_acl_entry *v = NULL, *again = NULL;
	struct err err = {0};
	uint32_t n = 0, n_again = 0;
	char *normal, *twice;
	int rc = vs_acl_lines_read("fuzz", text, size, conf, 1000, &v, &n, &err);

	if (rc != 0) {
		must(rc == err.code && err.what[0] != '\0');
		return;
	}
	normal = vs_acl_lines_format(v, n);
	must(normal != NULL);
	must(vs_acl_lines_read("fuzz", normal, strlen(normal), conf, 1000, &again, &n_again,
			       &err) == 0 &&
	     n == n_again);
	twice = vs_acl_lines_format(again, n_again);
	must(twice != NULL && strcmp(normal, twice) == 0);
	for (uint32_t i = 0; i < n; i++) {
		must(vs_acl_entry_covers(&v[i], &v[i]) || v[i].src.except || v[i].dst.except);
		must(i == 0 || v[i - 1].order < v[i].order);
	}
	free(normal);
	free(twice);
	vs_acl_entries_free(v, n);
	vs_acl_entries_free(again, n_again);
}

static void addresses(const char *text, size_t size)
{
	struct vs_acl_prefix *v = NULL, *again = NULL;
	struct err err = {0};
	uint32_t n = 0, n_again = 0;
	char *normal;

	if (vs_acl_set_read("fuzz", text, size, 1000, &v, &n, &err) != 0) {
		must(err.code < 0 && err.what[0] != '\0');
		return;
	}
	normal = vs_acl_set_format(v, n);
	must(normal != NULL &&
	     vs_acl_set_read("fuzz", normal, strlen(normal), 1000, &again, &n_again, &err) == 0);
	must(n == n_again);
	for (uint32_t i = 0; i < n; i++) {
		struct vs_acl_set set = {.n = n, .prefixes = v};

		must(vs_acl_prefix_compare(&v[i], &again[i]) == 0);
		must(vs_acl_set_find(&set, &v[i].ip) == &v[i]);
	}
	free(normal);
	free(v);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vs_acl_prefix member = {.ip = {.b = {10}}, .len = 8};
	struct vs_acl_set sets[] = {{.name = "a"}, {.name = "office", .n = 1, .prefixes = &member}};
	const struct vs_acl_conf conf = {.n_sets = 2, .sets = sets};
	char *text = malloc(size + 1); /* Of just that size: a read behind it is found. */

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	entries(&conf, text, size);
	addresses(text, size);
	free(text);
	return 0;
}
