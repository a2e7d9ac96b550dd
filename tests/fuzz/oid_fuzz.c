/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the readers of OIDs' values: what one takes is written and read again, and must be the
 * same.
 *
 * Input: the value; every reader gets it.
 */
#include "vmbus/oid.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void check_offload(const uint8_t *exact, size_t size)
{
	struct oid_offload o, back;
	uint8_t bytes[OID_OFFLOAD_MAX];

	memset(&o, 0, sizeof(o));
	memset(&back, 0, sizeof(back));
	if (oid_offload_read(exact, size, &o) < 0)
		return;
	if (o.revision > 3)
		o.revision = 3;
	if (oid_offload_read(bytes, oid_offload_write(&o, bytes), &back) < 0 ||
	    memcmp(&o, &back, sizeof(o)) != 0)
		abort();
}

static void check_params(const uint8_t *exact, size_t size)
{
	uint8_t bytes[OID_PARAMS_MAX];
	struct oid_params p, back;

	if (oid_params_read(exact, size, &p) < 0)
		return;
	if (p.revision > 3)
		p.revision = 3;
	if (oid_params_read(bytes, oid_params_write(&p, bytes), &back) < 0 ||
	    memcmp(&p, &back, sizeof(p)) != 0)
		abort();
}

static void check_rss(const uint8_t *exact, size_t size)
{
	uint8_t bytes[OID_RSS_PARAMS_MAX];
	struct oid_rss_params p, back;
	struct oid_rss_caps caps;

	(void)oid_rss_caps_read(exact, size, &caps);
	memset(&p, 0, sizeof(p));
	memset(&back, 0, sizeof(back));
	if (oid_rss_params_read(exact, size, &p) < 0)
		return;
	if (p.n_entries > OID_RSS_MAX_ENTRIES || p.key_size > OID_RSS_KEY_SIZE)
		abort();
	if (oid_rss_params_read(bytes, oid_rss_params_write(&p, bytes), &back) < 0 ||
	    memcmp(&p, &back, sizeof(p)) != 0)
		abort();
}

static void check_rest(const uint8_t *exact, size_t size)
{
	uint8_t bytes[OID_MAC_CHANGE_SIZE], mac[6], back[6];
	struct oid_link_state link;
	char text[32];

	if (oid_mac_change_read(exact, size, mac) == 0 &&
	    (oid_mac_change_read(bytes, oid_mac_change_write(mac, bytes), back) < 0 ||
	     memcmp(mac, back, sizeof(mac)) != 0))
		abort();
	(void)oid_link_state_read(exact, size, &link);
	oid_text_read(exact, size, text, sizeof(text));
	if (strnlen(text, sizeof(text)) == sizeof(text))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact;

	if (size > 4096)
		return 0;
	exact = malloc(size == 0 ? 1 : size);
	if (exact == NULL)
		return 0;
	if (size > 0)
		memcpy(exact, data, size);
	check_offload(exact, size);
	check_params(exact, size);
	check_rss(exact, size);
	check_rest(exact, size);
	free(exact);
	return 0;
}
