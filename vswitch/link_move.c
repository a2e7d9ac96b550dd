/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moving addresses and routes between interfaces without cutting anything off; see link.h.
 *
 * 	     'from'   'to'
 * 	1    A  r R   A  r      add every address there too: with it comes its subnet's route r
 * 	2    A  r     A  r R    replace each route, one atomic request each; the connected ones
 * 	                        first, since a gateway is only accepted where it can be reached
 * 	3    A        A  r R    remove what is left by the old way: now all leaves by 'to'
 * 	4             A  r R    remove the addresses, the last one first: the kernel takes the
 * 	                        secondary ones of a subnet along with the primary
 *
 * The address is local at every moment, so sockets and routes that prefer it as a source stay.
 * Going back is the same with the roles swapped; that is also how a failure half-way is undone,
 * because every step may be repeated.
 */
#include "vswitch/link_priv.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define RECORD_VERSION 1

/* A direction: from.ifindex == 0 means that it is gone, and its addresses with it. */
struct move {
	struct vs_link *link;
	int from, to;
	const json_t *addresses, *routes;
};

static bool same_slot(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"family", "dst", "table", "priority", "tos", "src"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *va = json_object_get(a, keys[i]), *vb = json_object_get(b, keys[i]);

		if (va != vb && (va == NULL || vb == NULL || !json_equal(va, vb)))
			return false;
	}
	return true;
}

static bool has_slot(const json_t *list, const json_t *route)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (same_slot(json_array_get(list, i), route))
			return true;
	return false;
}

static bool has_gateway(const json_t *route)
{
	const json_t *hop = json_array_get(json_object_get(route, "nexthops"), 0);

	return json_object_get(hop, "gateway") != NULL || json_object_get(hop, "via") != NULL;
}

static int add_addresses(const struct move *m, struct err *err)
{
	for (size_t i = 0; i < json_array_size(m->addresses); i++) {
		int rc = vs_link_restore_address(m->link, m->to, json_array_get(m->addresses, i),
						 err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Those with or without a gateway.  'present' are the routes that 'to' has: its addresses brought
 * some. */
static int replace_routes(const struct move *m, bool gateway, const json_t *present,
			  struct err *err)
{
	for (size_t i = 0; i < json_array_size(m->routes); i++) {
		const json_t *route = json_array_get(m->routes, i);
		int rc = 0;

		if (has_gateway(route) != gateway)
			continue;
		if (!has_slot(present, route))
			rc = vs_link_add_route(m->link, m->to, route, true, err);
		if (rc == 0 && m->from != 0)
			rc = vs_link_remove_route(m->link, m->from, route, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int remove_addresses(const struct move *m, struct err *err)
{
	int first = 0;

	for (size_t i = json_array_size(m->addresses); i-- != 0 && m->from != 0;) {
		int rc = vs_link_delete_address(m->link, m->from, json_array_get(m->addresses, i),
						err);

		if (rc != 0 && first == 0)
			first = rc;
	}
	return first;
}

static int run(const struct move *m, struct err *err)
{
	json_t *present;
	int rc = add_addresses(m, err);

	if (rc != 0)
		return rc;
	present = vs_link_routes(m->link, m->to);
	if (present == NULL)
		return err_set(err, -EIO, "netlink", "cannot read the routes");
	rc = replace_routes(m, false, present, err);
	if (rc == 0)
		rc = replace_routes(m, true, present, err);
	json_decref(present);
	return rc != 0 ? rc : remove_addresses(m, err);
}

static struct move reverse(const struct move *m)
{
	struct move back = *m;

	back.from = m->to;
	back.to = m->from;
	return back;
}

static json_t *record(const char *from, const char *to, json_t *addresses, json_t *routes)
{
	return json_pack("{s:i, s:s, s:s, s:O, s:O}", "version", RECORD_VERSION, "from", from, "to",
			 to, "addresses", addresses, "routes", routes);
}

static int find_both(struct vs_link *link, const char *from, const char *to, struct move *ret_move,
		     struct err *err)
{
	struct vs_link_info a, b;
	int rc = vs_link_find(link, from, &a, err);

	if (rc == 0)
		rc = vs_link_find(link, to, &b, err);
	if (rc == 0 && a.ifindex == b.ifindex)
		rc = err_set(err, -EINVAL, "same-interface", "'%s' and '%s' are one interface",
			     from, to);
	if (rc == 0)
		*ret_move = (struct move){.link = link, .from = a.ifindex, .to = b.ifindex};
	return rc;
}

int vs_link_move(struct vs_link *link, const char *from, const char *to, json_t **ret_undo,
		 struct err *err)
{
	json_t *addresses = NULL, *routes = NULL;
	struct move m, back;
	int rc = find_both(link, from, to, &m, err);

	if (rc != 0)
		return rc;
	rc = vs_link_set_up(link, m.to, true, err);
	if (rc != 0)
		return rc;
	m.addresses = addresses = vs_link_addresses(link, m.from);
	m.routes = routes = vs_link_routes(link, m.from);
	if (addresses == NULL || routes == NULL)
		rc = err_set(err, -EIO, "netlink", "cannot read the addresses of '%s'", from);
	else
		rc = run(&m, err);
	if (rc == 0) {
		*ret_undo = record(from, to, addresses, routes);
	} else if (addresses != NULL && routes != NULL) {
		back = reverse(&m);
		(void)run(&back, NULL); /* The first failure is the one to tell. */
	}
	json_decref(addresses);
	json_decref(routes);
	return rc;
}

int vs_link_move_back(struct vs_link *link, const json_t *undo, struct err *err)
{
	const char *from = json_string_value(json_object_get(undo, "from"));
	const char *to = json_string_value(json_object_get(undo, "to"));
	struct move back = {.link = link};
	struct vs_link_info info;
	int rc;

	back.addresses = json_object_get(undo, "addresses");
	back.routes = json_object_get(undo, "routes");
	if (json_integer_value(json_object_get(undo, "version")) != RECORD_VERSION ||
	    from == NULL || to == NULL || !json_is_array(back.addresses) ||
	    !json_is_array(back.routes))
		return err_set(err, -EINVAL, "bad-record",
			       "this does not say what was moved between interfaces");
	if (vs_link_find(link, to, &info, NULL) == 0)
		back.from = info.ifindex;
	rc = vs_link_find(link, from, &info, err);
	if (rc != 0)
		return rc;
	back.to = info.ifindex;
	rc = vs_link_set_up(link, back.to, true, err);
	return rc != 0 ? rc : run(&back, err);
}
