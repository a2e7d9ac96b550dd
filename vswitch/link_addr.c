/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses of interfaces, as rtnetlink has them and as JSON; see link.h.
 */
#include "vswitch/link_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>

#include "dataplane/netdev.h"

#define FOREVER	  UINT32_MAX
#define TEXT_SIZE 64

/* Flags that describe an address rather than what the kernel is doing with it. */
#define KEPT_FLAGS (IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MCAUTOJOIN)

static bool is_link_local6(const struct nl_addr *addr)
{
	const uint8_t *bytes = nl_addr_get_binary_addr(addr);

	return nl_addr_get_family(addr) == AF_INET6 && bytes[0] == 0xfe &&
	       (bytes[1] & 0xc0) == 0x80;
}

static void set_addr(json_t *object, const char *key, const struct nl_addr *addr)
{
	char text[TEXT_SIZE];

	if (addr != NULL)
		json_object_set_new(object, key,
				    json_string(nl_addr2str(addr, text, sizeof(text))));
}

static json_t *to_json(struct rtnl_addr *addr, const char *ifname)
{
	struct nl_addr *local = rtnl_addr_get_local(addr);
	const char *label = rtnl_addr_get_label(addr);
	uint32_t valid = rtnl_addr_get_valid_lifetime(addr);
	json_t *object = json_pack("{s:s, s:i, s:I}", "family",
				   nl_addr_get_family(local) == AF_INET ? "inet" : "inet6", "scope",
				   rtnl_addr_get_scope(addr), "flags",
				   (json_int_t)rtnl_addr_get_flags(addr));

	set_addr(object, "address", local);
	set_addr(object, "peer", rtnl_addr_get_peer(addr));
	set_addr(object, "broadcast", rtnl_addr_get_broadcast(addr));
	/* Without a label the kernel takes the interface's name. */
	if (label != NULL && strcmp(label, ifname) != 0)
		json_object_set_new(object, "label", json_string(label));
	if (valid != 0 && valid != FOREVER) {
		json_object_set_new(object, "valid_s", json_integer(valid));
		json_object_set_new(object, "preferred_s",
				    json_integer(rtnl_addr_get_preferred_lifetime(addr)));
	}
	return object;
}

json_t *vs_link_addresses(struct vs_link *link, int ifindex)
{
	struct vs_link_info info;
	struct nl_cache *cache;
	json_t *list;

	if (vs_link_find_index(link, ifindex, &info, NULL) != 0 ||
	    rtnl_addr_alloc_cache(link->sk, &cache) < 0)
		return NULL;
	list = json_array();
	for (struct nl_object *o = nl_cache_get_first(cache); o != NULL; o = nl_cache_get_next(o)) {
		struct rtnl_addr *addr = (struct rtnl_addr *)o;
		struct nl_addr *local = rtnl_addr_get_local(addr);

		if (rtnl_addr_get_ifindex(addr) == ifindex && local != NULL &&
		    !is_link_local6(local))
			json_array_append_new(list, to_json(addr, info.name));
	}
	nl_cache_free(cache);
	return list;
}

/* NULL or the parsed address under 'key'; false when it is there but is none. */
static bool get_addr(const json_t *object, const char *key, int family, struct nl_addr **ret_addr)
{
	const char *text = json_string_value(json_object_get(object, key));

	*ret_addr = NULL;
	return text == NULL || nl_addr_parse(text, family, ret_addr) == 0;
}

static int set_peers(struct rtnl_addr *addr, const json_t *object, int family)
{
	struct nl_addr *peer, *broadcast = NULL;
	bool ok = get_addr(object, "peer", family, &peer) &&
		  get_addr(object, "broadcast", family, &broadcast);

	if (ok && peer != NULL)
		ok = rtnl_addr_set_peer(addr, peer) == 0;
	if (ok && broadcast != NULL)
		ok = rtnl_addr_set_broadcast(addr, broadcast) == 0;
	nl_addr_put(peer);
	nl_addr_put(broadcast);
	return ok ? 0 : -EINVAL;
}

static void set_lifetimes(struct rtnl_addr *addr, const json_t *object)
{
	json_int_t valid = json_integer_value(json_object_get(object, "valid_s"));
	json_int_t preferred = json_integer_value(json_object_get(object, "preferred_s"));

	if (valid <= 0 || valid >= FOREVER)
		return;
	rtnl_addr_set_valid_lifetime(addr, (uint32_t)valid);
	rtnl_addr_set_preferred_lifetime(addr, preferred < 0 || preferred > valid
						       ? (uint32_t)valid
						       : (uint32_t)preferred);
}

/* The address that the object describes, or NULL when it describes none. */
static struct rtnl_addr *from_json(const json_t *object, int ifindex)
{
	const char *family_name = json_string_value(json_object_get(object, "family"));
	const char *label = json_string_value(json_object_get(object, "label"));
	unsigned flags = (unsigned)json_integer_value(json_object_get(object, "flags"));
	int family = family_name != NULL && strcmp(family_name, "inet6") == 0 ? AF_INET6 : AF_INET;
	struct rtnl_addr *addr = rtnl_addr_alloc();
	struct nl_addr *local = NULL;
	bool ok = addr != NULL && get_addr(object, "address", family, &local) && local != NULL;

	if (ok) {
		rtnl_addr_set_ifindex(addr, ifindex);
		ok = rtnl_addr_set_local(addr, local) == 0 && set_peers(addr, object, family) == 0;
	}
	if (ok) {
		/* It was in use on this host a moment ago: looking for duplicates would only keep
		 * it from use. */
		rtnl_addr_set_flags(addr,
				    (flags & KEPT_FLAGS) | (family == AF_INET6 ? IFA_F_NODAD : 0));
		rtnl_addr_set_scope(addr,
				    (int)json_integer_value(json_object_get(object, "scope")));
		set_lifetimes(addr, object);
		if (label != NULL)
			ok = rtnl_addr_set_label(addr, label) == 0;
	}
	nl_addr_put(local);
	if (ok)
		return addr;
	rtnl_addr_put(addr);
	return NULL;
}

static const char *text_of(const json_t *object)
{
	const char *text = json_string_value(json_object_get(object, "address"));

	return text != NULL ? text : "";
}

int vs_link_restore_address(struct vs_link *link, int ifindex, const json_t *object,
			    struct err *err)
{
	struct rtnl_addr *addr = from_json(object, ifindex);
	int rc;

	if (addr == NULL)
		return err_set(err, -EINVAL, "bad-address", "'%.60s' is no address",
			       text_of(object));
	rc = rtnl_addr_add(link->sk, addr, 0);
	rtnl_addr_put(addr);
	if (rc < 0 && rc != -NLE_EXIST)
		return err_set(err, dp_nl_errno(rc), "netlink", "cannot add address %.60s: %s",
			       text_of(object), nl_geterror(rc));
	return 0;
}

int vs_link_delete_address(struct vs_link *link, int ifindex, const json_t *object, struct err *err)
{
	struct rtnl_addr *addr = from_json(object, ifindex);
	int rc;

	if (addr == NULL)
		return err_set(err, -EINVAL, "bad-address", "'%.60s' is no address",
			       text_of(object));
	rc = rtnl_addr_delete(link->sk, addr, 0);
	rtnl_addr_put(addr);
	/* The interface may be gone too, and the kernel removes secondary addresses with their
	 * primary one. */
	if (rc < 0 && rc != -NLE_NOADDR && rc != -NLE_NODEV && rc != -NLE_OBJ_NOTFOUND)
		return err_set(err, dp_nl_errno(rc), "netlink", "cannot remove address %.60s: %s",
			       text_of(object), nl_geterror(rc));
	return 0;
}

/* {"address": text} with its family; NULL when it is no address of a host. */
static json_t *parse(const char *text, struct err *err)
{
	struct nl_addr *addr = NULL;
	bool ok;
	int family;

	if (text == NULL || nl_addr_parse(text, AF_UNSPEC, &addr) != 0) {
		err_set(err, -EINVAL, "bad-address", "'%.60s' is no address",
			text != NULL ? text : "");
		err_fix(err, "write it like 10.0.0.5/24 or fd00::5/64");
		return NULL;
	}
	family = nl_addr_get_family(addr);
	/* libnl takes any number for a prefix length. */
	ok = (family == AF_INET || family == AF_INET6) && nl_addr_get_len(addr) != 0 &&
	     !nl_addr_iszero(addr) && nl_addr_get_prefixlen(addr) <= nl_addr_get_len(addr) * 8;
	nl_addr_put(addr);
	if (!ok) {
		err_set(err, -EINVAL, "bad-address", "'%.60s' is no IP address of a host", text);
		err_why(err, "it is zero, or longer than its prefix allows");
		err_fix(err, "write it like 10.0.0.5/24 or fd00::5/64");
		return NULL;
	}
	return json_pack("{s:s, s:s}", "family", family == AF_INET ? "inet" : "inet6", "address",
			 text);
}

int vs_link_add_address(struct vs_link *link, int ifindex, const char *address, struct err *err)
{
	json_t *object = parse(address, err);
	int rc = object != NULL ? vs_link_restore_address(link, ifindex, object, err) : -EINVAL;

	json_decref(object);
	return rc;
}

int vs_link_remove_address(struct vs_link *link, int ifindex, const char *address, struct err *err)
{
	json_t *object = parse(address, err);
	int rc = object != NULL ? vs_link_delete_address(link, ifindex, object, err) : -EINVAL;

	json_decref(object);
	return rc;
}

/* Opens a handle, finds the interface, calls 'fn', closes. */
static int with_interface(int netns_fd, const char *ifname, const char *address,
			  int (*fn)(struct vs_link *link, int ifindex, const char *address,
				    struct err *err),
			  struct err *err)
{
	struct vs_link *link = NULL;
	struct vs_link_info info;
	int rc = vs_link_open(netns_fd, &link, err);

	if (rc != 0)
		return rc;
	rc = vs_link_find(link, ifname, &info, err);
	if (rc == 0)
		rc = fn(link, info.ifindex, address, err);
	vs_link_close(link);
	return rc;
}

int vs_link_address_add(int netns_fd, const char *ifname, const char *address, struct err *err)
{
	return with_interface(netns_fd, ifname, address, vs_link_add_address, err);
}

int vs_link_address_remove(int netns_fd, const char *ifname, const char *address, struct err *err)
{
	return with_interface(netns_fd, ifname, address, vs_link_remove_address, err);
}

int vs_link_address_check(const char *address, struct err *err)
{
	json_t *object = parse(address, err);

	json_decref(object);
	return object != NULL ? 0 : -EINVAL;
}

static bool first_address(const json_t *list, char *ret_address, size_t size)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *object = json_array_get(list, i);

		if (json_integer_value(json_object_get(object, "scope")) < RT_SCOPE_LINK) {
			snprintf(ret_address, size, "%s", text_of(object));
			return true;
		}
	}
	return false;
}

bool vs_link_has_address(const char *ifname, char *ret_address, size_t size)
{
	struct vs_link *link = NULL;
	struct vs_link_info info;
	json_t *list = NULL;
	bool has;

	if (vs_link_open(-1, &link, NULL) != 0)
		return false;
	if (vs_link_find(link, ifname, &info, NULL) == 0)
		list = vs_link_addresses(link, info.ifindex);
	has = first_address(list, ret_address, size);
	json_decref(list);
	vs_link_close(link);
	return has;
}
