/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See kvp.h.
 */
#include "vmbus/kvp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/base/wire.h"

/* Where things are in a message's data. */
#define AT_BODY	      4u /* behind operation, pool, padding */
#define EXCHANGE_SIZE (12u + KVP_KEY_SIZE + KVP_VALUE_SIZE)
#define DELETE_SIZE   (4u + KVP_KEY_SIZE)
#define AT_IP	      2u /* no padding there */
#define IP_ADAPTER    256u
#define IP_ADDRESSES  2048u
#define IP_SIZE	      (IP_ADAPTER + 2 + 2 * IP_ADDRESSES + 1024u + IP_ADDRESSES)

_Static_assert(AT_IP + IP_SIZE == KVP_REQUEST_MAX, "the longest message");

/* TYPE_U64 is Linux' number; Windows says TYPE_QWORD. */
enum value_type { TYPE_STRING = 1, TYPE_U32 = 4, TYPE_U64 = 8, TYPE_QWORD = 11 };

static void start(uint8_t *to, enum kvp_op op, enum kvp_pool pool, size_t size)
{
	memset(to, 0, size);
	to[0] = (uint8_t)op;
	to[1] = (uint8_t)pool;
}

static void put32(uint8_t *to, uint32_t value)
{
	struct wr wr = wr_over(to, 4);

	wr_le32(&wr, value);
}

/* Text and, elsewhere, its size. */
static int put_text(uint8_t *to, size_t room, uint8_t *size_at, const char *text)
{
	int n = vmbus_utf16_write(text, to, room);

	if (n > 0)
		put32(size_at, (uint32_t)n);
	return n;
}

/* Type, key size, value size, key, value. */
static int put_exchange(uint8_t *body, const char *key, const char *value)
{
	int rc;

	put32(body, TYPE_STRING);
	rc = put_text(body + 12, KVP_KEY_SIZE, body + 4, key);
	if (rc > 0 && value != NULL)
		rc = put_text(body + 12 + KVP_KEY_SIZE, KVP_VALUE_SIZE, body + 8, value);
	return rc;
}

int kvp_write_enumerate(uint8_t *to, enum kvp_pool pool, uint32_t index)
{
	start(to, KVP_ENUMERATE, pool, AT_BODY + 4 + EXCHANGE_SIZE);
	put32(to + AT_BODY, index);
	return (int)(AT_BODY + 4 + EXCHANGE_SIZE);
}

int kvp_write_get(uint8_t *to, enum kvp_pool pool, const char *key)
{
	int rc;

	start(to, KVP_GET, pool, AT_BODY + EXCHANGE_SIZE);
	rc = put_exchange(to + AT_BODY, key, NULL);
	return rc < 0 ? rc : (int)(AT_BODY + EXCHANGE_SIZE);
}

int kvp_write_set(uint8_t *to, enum kvp_pool pool, const char *key, const char *value)
{
	int rc;

	start(to, KVP_SET, pool, AT_BODY + EXCHANGE_SIZE);
	rc = put_exchange(to + AT_BODY, key, value);
	return rc < 0 ? rc : (int)(AT_BODY + EXCHANGE_SIZE);
}

int kvp_write_delete(uint8_t *to, enum kvp_pool pool, const char *key)
{
	int rc;

	start(to, KVP_DELETE, pool, AT_BODY + DELETE_SIZE);
	rc = put_text(to + AT_BODY + 4, KVP_KEY_SIZE, to + AT_BODY, key);
	return rc < 0 ? rc : (int)(AT_BODY + DELETE_SIZE);
}

/* "00:15:5D:01:02:03": so does Linux' daemon look for it. */
int kvp_write_get_ip(uint8_t *to, const uint8_t mac[6])
{
	char text[18];
	int rc;

	start(to, KVP_GET_IP, KVP_POOL_EXTERNAL, KVP_REQUEST_MAX);
	snprintf(text, sizeof(text), "%02X:%02X:%02X:%02X:%02X:%02X", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	rc = vmbus_utf16_write(text, to + AT_IP, IP_ADAPTER);
	return rc < 0 ? rc : (int)KVP_REQUEST_MAX;
}

/* ---- Answers ---- */

static int read_value(const uint8_t *bytes, uint32_t type, uint32_t size,
		      char ret_text[KVP_VALUE_TEXT])
{
	struct rd rd = rd_init(bytes, size);

	switch (type) {
	case TYPE_STRING:
		vmbus_utf16_read(bytes, size, ret_text, KVP_VALUE_TEXT);
		return 0;
	case TYPE_U32:
		snprintf(ret_text, KVP_VALUE_TEXT, "%" PRIu32, rd_le32(&rd));
		break;
	case TYPE_U64:
	case TYPE_QWORD:
		snprintf(ret_text, KVP_VALUE_TEXT, "%" PRIu64, rd_le64(&rd));
		break;
	default:
		return -EBADMSG;
	}
	return rd_ok(&rd) ? 0 : -EBADMSG;
}

int kvp_read_item(const uint8_t *data, size_t size, enum kvp_op op, struct kvp_item *ret_item)
{
	struct rd rd = rd_init(data, size);
	uint32_t type, key_size, value_size;
	const uint8_t *key, *value;

	rd_skip(&rd, AT_BODY + (op == KVP_ENUMERATE ? 4 : 0));
	type = rd_le32(&rd);
	key_size = rd_le32(&rd);
	value_size = rd_le32(&rd);
	key = rd_bytes(&rd, KVP_KEY_SIZE);
	value = rd_bytes(&rd, KVP_VALUE_SIZE);
	if (!rd_ok(&rd) || key_size > KVP_KEY_SIZE || value_size > KVP_VALUE_SIZE)
		return -EBADMSG;
	if (read_value(value, type, value_size, ret_item->value) != 0)
		return -EBADMSG;
	return vmbus_utf16_read(key, key_size, ret_item->key, KVP_KEY_TEXT) > 0 ? 0 : -EBADMSG;
}

static void add_address(struct kvp_addresses *a, const char *word, size_t size)
{
	const char *zone = memchr(word, '%', size); /* "fe80::1%eth0" */
	char text[KVP_ADDRESS_TEXT];
	uint8_t bytes[16];
	int family;

	if (zone != NULL)
		size = (size_t)(zone - word);
	if (a->n == KVP_MAX_ADDRESSES || size >= sizeof(text))
		return;
	memcpy(text, word, size);
	text[size] = '\0';
	family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	/* As we write addresses, not as the guest does. */
	if (inet_pton(family, text, bytes) == 1 &&
	    inet_ntop(family, bytes, a->text[a->n], KVP_ADDRESS_TEXT) != NULL)
		a->n++;
}

void kvp_add_addresses(struct kvp_addresses *addresses, const char *list)
{
	while (*list != '\0') {
		size_t size = strcspn(list, ";");

		if (size > 0)
			add_address(addresses, list, size);
		list += size + (list[size] == ';');
	}
}

int kvp_read_ip(const uint8_t *data, size_t size, struct kvp_addresses *ret_addresses)
{
	struct rd rd = rd_init(data, size);
	char text[UTF16_TEXT_SIZE(IP_ADDRESSES)];
	struct kvp_addresses a = {0};
	const uint8_t *addresses;

	rd_skip(&rd, AT_IP + IP_ADAPTER + 1);
	a.dhcp = rd_u8(&rd) != 0;
	addresses = rd_bytes(&rd, IP_ADDRESSES);
	if (!rd_ok(&rd))
		return -EBADMSG;
	vmbus_utf16_read(addresses, IP_ADDRESSES, text, sizeof(text));
	kvp_add_addresses(&a, text);
	*ret_addresses = a;
	return 0;
}
