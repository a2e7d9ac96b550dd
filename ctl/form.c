/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Strings of a form: names, MAC addresses, VLAN sets, addresses with a prefix, endpoints, capture
 * rings.
 */
#include "ctl/spec_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define MAX_VLAN 4094

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool ctl_is_name(const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n > 63 || !is_alnum(text[0]))
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!is_alnum(text[i]) && strchr("._:/@-", text[i]) == NULL)
			return false;
	}
	return true;
}

/* Decimal digits only, at most 'max'.  Returns the byte behind, or NULL. */
static const char *take_number(const char *text, unsigned max, unsigned *ret)
{
	unsigned value = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (unsigned)(*p - '0');
		if (value > max)
			return NULL;
	}
	*ret = value;
	return p == text ? NULL : p;
}

static bool is_vlan(const char *text)
{
	unsigned vlan;
	const char *end = take_number(text, MAX_VLAN, &vlan);

	return end != NULL && *end == '\0' && vlan > 0;
}

/* "5" or "5-9", up to a comma or the end. */
static const char *take_vlan_range(const char *p, unsigned *ret_first, unsigned *ret_last)
{
	p = take_number(p, MAX_VLAN, ret_first);
	if (p == NULL)
		return NULL;
	*ret_last = *ret_first;
	if (*p == '-')
		p = take_number(p + 1, MAX_VLAN, ret_last);
	if (p == NULL || *ret_first == 0 || *ret_last < *ret_first)
		return NULL;
	return *p == ',' || *p == '\0' ? p : NULL;
}

int ctl_vlans_parse(const char *text, uint64_t ret_set[CTL_VLAN_WORDS], struct err *err)
{
	uint64_t set[CTL_VLAN_WORDS] = {0};
	const char *p = strcmp(text, "all") == 0 ? "1-4094" : text;
	unsigned first, last;

	for (;;) {
		p = take_vlan_range(p, &first, &last);
		if (p == NULL)
			return err_set(
				err, -EINVAL, "usage",
				"'%.64s' is no set of VLANs: say \"1,5-9\" (1 to 4094) or \"all\"",
				text);
		for (unsigned v = first; v <= last; v++)
			set[v / 64] |= UINT64_C(1) << (v % 64);
		if (*p == '\0')
			break;
		p++;
	}
	memcpy(ret_set, set, sizeof(set));
	return 0;
}

static bool has_vlan(const uint64_t set[CTL_VLAN_WORDS], unsigned vlan)
{
	return vlan <= MAX_VLAN && (set[vlan / 64] >> (vlan % 64) & 1) != 0;
}

char *ctl_vlans_format(const uint64_t set[CTL_VLAN_WORDS])
{
	size_t size = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	for (unsigned v = 1, first; v <= MAX_VLAN; v++) {
		if (!has_vlan(set, v))
			continue;
		for (first = v; has_vlan(set, v + 1); v++)
			;
		fprintf(f, "%s%u", ftell(f) > 0 ? "," : "", first);
		if (v > first)
			fprintf(f, "-%u", v);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	if (strcmp(text, "1-4094") == 0)
		strcpy(text, "all");
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int ctl_mac_parse(const char *text, uint8_t ret_mac[6], struct err *err)
{
	uint8_t mac[6];
	const char *p = text;

	for (unsigned i = 0; i < 6; i++, p += 3) {
		int high = hex_digit(p[0]);
		int low = high < 0 ? -1 : hex_digit(p[1]);
		bool ends = low >= 0 && (i == 5 ? p[2] == '\0' : p[2] == ':' || p[2] == '-');

		if (!ends)
			return err_set(err, -EINVAL, "usage",
				       "'%.64s' is no MAC address: say \"02:00:00:00:00:01\"",
				       text);
		mac[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return 0;
}

int ctl_ring_parse(const char *text, unsigned *ret_n_files, uint64_t *ret_size, struct err *err)
{
	unsigned n_files;
	int64_t size;
	const char *p = take_number(text, CTL_MAX_RING, &n_files);

	if (p == NULL || *p != 'x' || ctl_size_parse(p + 1, &size) != 0 || n_files < 2 ||
	    size < 65536)
		return err_set(err, -EINVAL, "usage",
			       "'%.64s' is no ring of files: say \"10x100M\" (2 to 64 files of at "
			       "least 4 KiB)",
			       text);
	*ret_n_files = n_files;
	*ret_size = (uint64_t)size;
	return 0;
}

static bool is_cidr(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	uint8_t buf[16];
	unsigned length;
	const char *slash = strchr(text, '/');
	const char *end = slash == NULL ? NULL : take_number(slash + 1, 128, &length);
	size_t n = end == NULL ? 0 : (size_t)(slash - text);

	if (end == NULL || *end != '\0' || n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (inet_pton(AF_INET, address, buf) == 1)
		return length <= 32;
	return inet_pton(AF_INET6, address, buf) == 1;
}

static bool is_prefix(const char *text)
{
	uint8_t buf[16];

	return is_cidr(text) || inet_pton(AF_INET, text, buf) == 1 ||
	       inet_pton(AF_INET6, text, buf) == 1;
}

static bool is_endpoint(const char *text)
{
	char host[INET6_ADDRSTRLEN];
	uint8_t buf[16];
	unsigned port;
	const char *colon = strrchr(text, ':');
	const char *end = colon == NULL ? NULL : take_number(colon + 1, 65535, &port);
	bool bracketed = *text == '[';
	size_t n;

	if (end == NULL || *end != '\0' || port == 0)
		return false;
	n = (size_t)(colon - text);
	if (bracketed && (n < 2 || colon[-1] != ']'))
		return false;
	n -= bracketed ? 2 : 0;
	if (n >= sizeof(host))
		return false;
	memcpy(host, text + (bracketed ? 1 : 0), n);
	host[n] = '\0';
	return inet_pton(bracketed ? AF_INET6 : AF_INET, host, buf) == 1;
}

static bool is_tenant_vlan(const char *text)
{
	char tenant[64];
	const char *equals = strchr(text, '=');
	size_t n = equals == NULL ? 0 : (size_t)(equals - text);

	if (n == 0 || n >= sizeof(tenant))
		return false;
	memcpy(tenant, text, n);
	tenant[n] = '\0';
	return ctl_is_name(tenant) && is_vlan(equals + 1);
}

static bool is_ifname(const char *text)
{
	return strlen(text) < 16 && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
	       text[strcspn(text, "/ \t\n\r\f\v:")] == '\0';
}

static bool is_path(const char *text)
{
	struct sockaddr_un addr;

	return text[0] == '/' && strlen(text) < sizeof(addr.sun_path);
}

/* Whether it has the form, and the words that say what the form is. */
static bool has_form(enum ctl_form form, const char *text, const char **ret_form)
{
	switch (form) {
	case CTL_FORM_ANY:
		return true;
	case CTL_FORM_NAME:
		*ret_form =
			"a name: letters, digits and ._:/@-, at most 63, a letter or digit first";
		return ctl_is_name(text);
	case CTL_FORM_IFNAME:
		*ret_form = "an interface name: at most 15 bytes, no '/', ':' or space";
		return is_ifname(text);
	case CTL_FORM_PATH:
		*ret_form = "an absolute path of at most 107 bytes";
		return is_path(text);
	case CTL_FORM_FILE:
	case CTL_FORM_FILE_OPTIONS:
		*ret_form = "a path";
		return text[0] != '\0' && text[0] != ',';
	case CTL_FORM_CIDR:
		*ret_form = "an address with a prefix length, such as 10.0.0.1/24";
		return is_cidr(text);
	case CTL_FORM_PREFIX:
		*ret_form = "an address or a prefix, such as 10.0.0.5 or fd00::/64";
		return is_prefix(text);
	case CTL_FORM_MAC:
		*ret_form = "a MAC address, such as 02:00:00:00:00:01";
		return ctl_mac_parse(text, (uint8_t[6]){0}, NULL) == 0;
	case CTL_FORM_VLAN:
		*ret_form = "a VLAN, 1 to 4094";
		return is_vlan(text);
	case CTL_FORM_TENANT_VLAN:
		*ret_form = "TENANT=VLAN, such as blue=100";
		return is_tenant_vlan(text);
	case CTL_FORM_ENDPOINT:
		*ret_form = "ADDRESS:PORT, such as 127.0.0.1:9464 or [::1]:9464, or off";
		return strcmp(text, "off") == 0 || is_endpoint(text);
	case CTL_FORM_RING:
		*ret_form = "NxSIZE, such as 10x100M (2 to 10000 files of at least 64 KiB)";
		return ctl_ring_parse(text, &(unsigned){0}, &(uint64_t){0}, NULL) == 0;
	}
	return false;
}

int ctl_form_check(enum ctl_form form, const char *label, const char *text, struct err *err)
{
	const char *what = "of a known form";

	if (has_form(form, text, &what))
		return 0;
	return err_set(err, -EINVAL, "usage", "%s: '%.64s' is not %s", label, text, what);
}
