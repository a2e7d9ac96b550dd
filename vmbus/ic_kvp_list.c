/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of pairs; see ic_kvp_priv.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/ic_kvp_priv.h"

int kvp_list_add(struct kvp_list *list, const char *key, const char *value)
{
	size_t bytes = strlen(key) + strlen(value);
	struct kvp_pair pair;

	if (list->n == IC_KVP_MAX_ITEMS || bytes > IC_KVP_MAX_BYTES - list->bytes)
		return -ENOSPC;
	pair = (struct kvp_pair){.key = strdup(key), .value = strdup(value)};
	if (pair.key == NULL || pair.value == NULL) {
		free(pair.key);
		free(pair.value);
		return -ENOMEM;
	}
	list->pair[list->n++] = pair;
	list->bytes += bytes;
	return 0;
}

void kvp_list_clear(struct kvp_list *list)
{
	for (unsigned i = 0; i < list->n; i++) {
		free(list->pair[i].key);
		free(list->pair[i].value);
	}
	*list = (struct kvp_list){0};
}

bool kvp_list_equal(const struct kvp_list *a, const struct kvp_list *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		if (strcmp(a->pair[i].key, b->pair[i].key) != 0 ||
		    strcmp(a->pair[i].value, b->pair[i].value) != 0)
			return false;
	}
	return true;
}

const char *kvp_list_find(const struct kvp_list *list, const char *key)
{
	for (unsigned i = 0; i < list->n; i++) {
		if (strcmp(list->pair[i].key, key) == 0)
			return list->pair[i].value;
	}
	return NULL;
}
