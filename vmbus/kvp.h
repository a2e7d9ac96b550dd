/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages of the key-value service, as bytes (codec).  Keys and values are text here and UTF-16 on
 * the wire, with lengths that count bytes and the end; a guest's are checked and made printable.
 *
 * Requests have the size of the longest answer to them: Linux answers in their buffer.
 *
 * Source: Linux include/uapi/linux/hyperv.h
 */
#ifndef VMBUS_KVP_H
#define VMBUS_KVP_H

#include "vmbus/utf16.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kvp_op { KVP_GET, KVP_SET, KVP_DELETE, KVP_ENUMERATE, KVP_GET_IP, KVP_SET_IP };
enum kvp_pool {
	KVP_POOL_EXTERNAL, /* the host writes, the guest reads */
	KVP_POOL_GUEST,	   /* the guest writes, the host reads */
	KVP_POOL_AUTO,	   /* what the guest's service knows of it */
};

#define KVP_KEY_SIZE   512u /* bytes of UTF-16 */
#define KVP_VALUE_SIZE 2048u
#define KVP_KEY_TEXT   UTF16_TEXT_SIZE(KVP_KEY_SIZE)
#define KVP_VALUE_TEXT UTF16_TEXT_SIZE(KVP_VALUE_SIZE)

#define KVP_REQUEST_MAX 7428u /* bytes */

/* Requests: their size; -EINVAL, -E2BIG: key or value are no text, or too long.  'to' has
 * KVP_REQUEST_MAX bytes. */
int kvp_write_enumerate(uint8_t *to, enum kvp_pool pool, uint32_t index);
int kvp_write_get(uint8_t *to, enum kvp_pool pool, const char *key);
int kvp_write_set(uint8_t *to, enum kvp_pool pool, const char *key, const char *value);
int kvp_write_delete(uint8_t *to, enum kvp_pool pool, const char *key);
int kvp_write_get_ip(uint8_t *to, const uint8_t mac[6]);

struct kvp_item {
	char key[KVP_KEY_TEXT];
	char value[KVP_VALUE_TEXT];
};

/* Answers to KVP_ENUMERATE and KVP_GET.  Numbers become text.  0 or -EBADMSG. */
int kvp_read_item(const uint8_t *data, size_t size, enum kvp_op op, struct kvp_item *ret_item);

#define KVP_MAX_ADDRESSES 16 /* of a NIC */
#define KVP_ADDRESS_TEXT  46 /* INET6_ADDRSTRLEN */

/* What an adapter has; other things that the answer holds (subnets, gateways, name servers) are not
 * read. */
struct kvp_addresses {
	bool dhcp;
	unsigned n;
	char text[KVP_MAX_ADDRESSES][KVP_ADDRESS_TEXT]; /* "10.0.0.1", "fe80::1" */
};

/* Adds the addresses in a list with semicolons between them.  Words that are none are left out. */
void kvp_add_addresses(struct kvp_addresses *addresses, const char *list);
/* The answer to KVP_GET_IP.  Words that are no addresses are left out.  0 or -EBADMSG. */
int kvp_read_ip(const uint8_t *data, size_t size, struct kvp_addresses *ret_addresses);

#endif
