/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the key-value service share:
 *
 * 	ic_kvp.c       requests and answers, rounds
 * 	ic_kvp_list.c  what was found: lists of pairs within their limits
 */
#ifndef VMBUS_IC_KVP_PRIV_H
#define VMBUS_IC_KVP_PRIV_H

#include "vmbus/ic_kvp.h"

struct kvp_pair {
	char *key, *value;
};

struct kvp_list {
	unsigned n;
	size_t bytes;
	struct kvp_pair pair[IC_KVP_MAX_ITEMS];
};

/* Copies; -ENOSPC: one of the limits; -ENOMEM. */
int kvp_list_add(struct kvp_list *list, const char *key, const char *value);
void kvp_list_clear(struct kvp_list *list);
bool kvp_list_equal(const struct kvp_list *a, const struct kvp_list *b);
const char *kvp_list_find(const struct kvp_list *list, const char *key);

#endif
