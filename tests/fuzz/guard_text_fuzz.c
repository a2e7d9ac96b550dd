/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What people and files say of addresses that ports have: a line is one address or prefix, which is
 * refused or written as it is read; what begins with '{' or '[' is the file that keeps learned ones
 * over a restart, of which each is refused or sound.
 */
#include "tests/fuzz/fuzz.h"

#include "vswitch/guards_priv.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void prefix(const char *text)
{
	struct vs_guard_prefix p, again;
	char back[VS_GUARD_PREFIX_SIZE];

	if (vs_guard_prefix_parse("p", text, &p, NULL) != 0)
		return;
	must(p.len <= (p.ip.v6 ? 128 : 32));
	vs_guard_prefix_format(&p, back);
	must(vs_guard_prefix_parse("p", back, &again, NULL) == 0);
	must(again.len == p.len && dp_ip_equal(&again.ip, &p.ip));
}

static void file(const char *text, size_t size)
{
	json_t *json = json_loadb(text, size, 0, NULL), *item;
	size_t i;

	json_array_foreach(json_object_get(json, "bindings"), i, item) {
		struct vs_kept_binding k;

		if (!vs_binding_parse(item, &k))
			continue;
		must(k.port != NULL && k.binding.vlan < DP_VLANS);
		must(k.binding.how == DP_GUARD_DHCP4 || k.binding.how == DP_GUARD_DHCP6 ||
		     k.binding.how == DP_GUARD_BY_ND);
	}
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096];
	size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	memcpy(text, data, n);
	text[n] = '\0';
	if (text[0] == '{' || text[0] == '[')
		file(text, n);
	else
		prefix(text);
	return 0;
}
