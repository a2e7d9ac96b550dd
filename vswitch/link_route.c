/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Routes of interfaces, as rtnetlink has them and as JSON; see link.h.
 */
#include "vswitch/link_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include "dataplane/netdev.h"

#define TEXT_SIZE 64

static bool is_ip(int family)
{
	return family == AF_INET || family == AF_INET6;
}

/* Link-local and multicast prefixes: the kernel makes them for each interface. */
static bool is_kernels_own(const struct nl_addr *dst)
{
	const uint8_t *bytes = nl_addr_get_binary_addr(dst);

	if (nl_addr_get_family(dst) != AF_INET6 || nl_addr_get_len(dst) == 0)
		return false;
	return bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

static bool uses(struct rtnl_route *route, int ifindex)
{
	for (int i = 0; i < rtnl_route_get_nnexthops(route); i++)
		if (rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, i)) == ifindex)
			return true;
	return false;
}

static bool is_wanted(struct rtnl_route *route, int ifindex)
{
	return is_ip(rtnl_route_get_family(route)) && rtnl_route_get_type(route) == RTN_UNICAST &&
	       rtnl_route_get_table(route) != RT_TABLE_LOCAL &&
	       (rtnl_route_get_flags(route) & RTM_F_CLONED) == 0 &&
	       rtnl_route_get_dst(route) != NULL && !is_kernels_own(rtnl_route_get_dst(route)) &&
	       uses(route, ifindex);
}

static void set_addr(json_t *object, const char *key, const struct nl_addr *addr)
{
	char text[TEXT_SIZE];

	if (addr != NULL)
		json_object_set_new(object, key,
				    json_string(nl_addr2str(addr, text, sizeof(text))));
}

static void set_number(json_t *object, const char *key, json_int_t number)
{
	if (number != 0)
		json_object_set_new(object, key, json_integer(number));
}

static json_t *hop_to_json(struct rtnl_nexthop *hop, int ifindex)
{
	json_t *object = json_object();
	int dev = rtnl_route_nh_get_ifindex(hop);

	set_addr(object, "gateway", rtnl_route_nh_get_gateway(hop));
	set_addr(object, "via", rtnl_route_nh_get_via(hop));
	set_number(object, "weight", rtnl_route_nh_get_weight(hop));
	if (rtnl_route_nh_get_flags(hop) & RTNH_F_ONLINK)
		json_object_set_new(object, "onlink", json_true());
	set_number(object, "dev", dev == ifindex ? 0 : dev);
	return object;
}

static json_t *metrics_to_json(struct rtnl_route *route)
{
	json_t *object = json_object();

	for (int i = 1; i <= RTAX_MAX; i++) {
		char key[16];
		uint32_t value;

		snprintf(key, sizeof(key), "%d", i);
		if (rtnl_route_get_metric(route, i, &value) == 0)
			json_object_set_new(object, key, json_integer(value));
	}
	return object;
}

static json_t *to_json(struct rtnl_route *route, int ifindex)
{
	json_t *hops = json_array(), *metrics = metrics_to_json(route), *object;
	struct nl_addr *dst = rtnl_route_get_dst(route);

	for (int i = 0; i < rtnl_route_get_nnexthops(route); i++)
		json_array_append_new(hops, hop_to_json(rtnl_route_nexthop_n(route, i), ifindex));
	object =
		json_pack("{s:s, s:I, s:i, s:i, s:I, s:o}", "family",
			  rtnl_route_get_family(route) == AF_INET ? "inet" : "inet6", "table",
			  (json_int_t)rtnl_route_get_table(route), "protocol",
			  rtnl_route_get_protocol(route), "scope", rtnl_route_get_scope(route),
			  "priority", (json_int_t)rtnl_route_get_priority(route), "nexthops", hops);
	if (nl_addr_get_prefixlen(dst) == 0)
		json_object_set_new(object, "dst", json_string("default"));
	else
		set_addr(object, "dst", dst);
	set_addr(object, "src", rtnl_route_get_src(route));
	set_addr(object, "prefsrc", rtnl_route_get_pref_src(route));
	set_number(object, "tos", rtnl_route_get_tos(route));
	if (json_object_size(metrics) != 0)
		json_object_set(object, "metrics", metrics);
	json_decref(metrics);
	return object;
}

struct listing {
	json_t *list;
	int ifindex;
};

static int on_route(struct nl_msg *msg, void *arg)
{
	struct listing *listing = arg;
	struct rtnl_route *route;

	if (rtnl_route_parse(nlmsg_hdr(msg), &route) < 0)
		return NL_SKIP;
	if (is_wanted(route, listing->ifindex))
		json_array_append_new(listing->list, to_json(route, listing->ifindex));
	rtnl_route_put(route);
	return NL_OK;
}

/* Not by rtnl_route_alloc_cache(): a cache has room for one IPv4 route of a destination and
 * priority, the kernel for one by each interface. */
static int list_family(struct vs_link *link, int family, struct listing *listing)
{
	struct rtmsg request = {.rtm_family = (unsigned char)family};
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rc;

	if (cb == NULL)
		return -NLE_NOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_route, listing);
	rc = nl_send_simple(link->sk, RTM_GETROUTE, NLM_F_DUMP, &request, sizeof(request));
	if (rc >= 0)
		rc = nl_recvmsgs(link->sk, cb);
	nl_cb_put(cb);
	return rc;
}

json_t *vs_link_routes(struct vs_link *link, int ifindex)
{
	struct listing listing = {json_array(), ifindex};

	if (list_family(link, AF_INET, &listing) >= 0 && list_family(link, AF_INET6, &listing) >= 0)
		return listing.list;
	json_decref(listing.list);
	return NULL;
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Calls 'set' with the address under 'key', if there is one; false when it is there but is none. */
static bool apply_addr(const json_t *object, const char *key, int family,
		       int (*set)(struct rtnl_route *route, struct nl_addr *addr),
		       struct rtnl_route *route)
{
	const char *text = json_string_value(json_object_get(object, key));
	struct nl_addr *addr = NULL;
	bool ok;

	if (text == NULL)
		return true;
	ok = nl_addr_parse(text, family, &addr) == 0 && set(route, addr) == 0;
	nl_addr_put(addr);
	return ok;
}

static bool set_hop_addr(const json_t *object, const char *key, int family,
			 struct rtnl_nexthop *hop)
{
	const char *text = json_string_value(json_object_get(object, key));
	struct nl_addr *addr = NULL;

	if (text == NULL)
		return true;
	if (nl_addr_parse(text, family, &addr) != 0)
		return false;
	if (strcmp(key, "via") == 0)
		rtnl_route_nh_set_via(hop, addr);
	else
		rtnl_route_nh_set_gateway(hop, addr);
	nl_addr_put(addr);
	return true;
}

static bool add_hop(struct rtnl_route *route, const json_t *object, int family, int ifindex)
{
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	json_int_t dev = number(object, "dev");

	if (hop == NULL)
		return false;
	rtnl_route_nh_set_ifindex(hop, dev != 0 ? (int)dev : ifindex);
	if (number(object, "weight") != 0)
		rtnl_route_nh_set_weight(hop, (uint8_t)number(object, "weight"));
	if (json_is_true(json_object_get(object, "onlink"))) {
		rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK);
		/* A route of one hop says it in its own flags. */
		rtnl_route_set_flags(route, RTNH_F_ONLINK);
	}
	if (!set_hop_addr(object, "gateway", family, hop) ||
	    !set_hop_addr(object, "via", AF_UNSPEC, hop)) {
		rtnl_route_nh_free(hop);
		return false;
	}
	rtnl_route_add_nexthop(route, hop); /* takes it */
	return true;
}

static bool add_hops(struct rtnl_route *route, const json_t *object, int family, int ifindex)
{
	const json_t *hops = json_object_get(object, "nexthops");
	size_t n = json_array_size(hops);

	for (size_t i = 0; i < n; i++)
		if (!add_hop(route, json_array_get(hops, i), family, ifindex))
			return false;
	if (n > 1)
		rtnl_route_unset_flags(route, RTNH_F_ONLINK);
	return n != 0;
}

static bool set_metrics(struct rtnl_route *route, const json_t *metrics)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)metrics, key, value)
		if (rtnl_route_set_metric(route, atoi(key), (unsigned)json_integer_value(value)) <
		    0)
			return false;
	return true;
}

static bool fill_route(struct rtnl_route *route, const json_t *object, int ifindex)
{
	const char *name = json_string_value(json_object_get(object, "family"));
	int family = name != NULL && strcmp(name, "inet6") == 0 ? AF_INET6 : AF_INET;

	rtnl_route_set_family(route, (uint8_t)family);
	rtnl_route_set_table(route, (uint32_t)number(object, "table"));
	rtnl_route_set_protocol(route, (uint8_t)number(object, "protocol"));
	rtnl_route_set_scope(route, (uint8_t)number(object, "scope"));
	rtnl_route_set_type(route, RTN_UNICAST);
	rtnl_route_set_tos(route, (uint8_t)number(object, "tos"));
	if (number(object, "priority") != 0)
		rtnl_route_set_priority(route, (uint32_t)number(object, "priority"));
	return json_is_string(json_object_get(object, "dst")) &&
	       apply_addr(object, "dst", family, rtnl_route_set_dst, route) &&
	       apply_addr(object, "src", family, rtnl_route_set_src, route) &&
	       apply_addr(object, "prefsrc", family, rtnl_route_set_pref_src, route) &&
	       set_metrics(route, json_object_get(object, "metrics")) &&
	       add_hops(route, object, family, ifindex);
}

/* The route that the object describes, or NULL when it describes none. */
static struct rtnl_route *from_json(const json_t *object, int ifindex)
{
	struct rtnl_route *route = rtnl_route_alloc();

	if (route == NULL || fill_route(route, object, ifindex))
		return route;
	rtnl_route_put(route);
	return NULL;
}

static const char *text_of(const json_t *object)
{
	const char *text = json_string_value(json_object_get(object, "dst"));

	return text != NULL ? text : "";
}

int vs_link_add_route(struct vs_link *link, int ifindex, const json_t *object, bool replace,
		      struct err *err)
{
	struct rtnl_route *route = from_json(object, ifindex);
	int rc;

	if (route == NULL)
		return err_set(err, -EINVAL, "bad-route", "'%.60s' is no route", text_of(object));
	rc = rtnl_route_add(link->sk, route, replace ? NLM_F_REPLACE : NLM_F_EXCL);
	rtnl_route_put(route);
	if (rc < 0)
		return err_set(err, dp_nl_errno(rc), "netlink", "cannot add route %.60s: %s",
			       text_of(object), nl_geterror(rc));
	return 0;
}

int vs_link_remove_route(struct vs_link *link, int ifindex, const json_t *object, struct err *err)
{
	struct rtnl_route *route = from_json(object, ifindex);
	int rc;

	if (route == NULL)
		return err_set(err, -EINVAL, "bad-route", "'%.60s' is no route", text_of(object));
	rc = rtnl_route_delete(link->sk, route, 0);
	rtnl_route_put(route);
	if (rc < 0 && dp_nl_errno(rc) != -ENODEV)
		return err_set(err, dp_nl_errno(rc), "netlink", "cannot remove route %.60s: %s",
			       text_of(object), nl_geterror(rc));
	return 0;
}
