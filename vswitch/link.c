/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses of Linux interfaces; see link.h.
 */
#include "vswitch/link.h"

#include "dataplane/netns.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct address_job {
	const char *ifname, *cidr;
	bool add;
	struct err *err;
};

static int nl_errno(int rc)
{
	switch (-rc) {
	case NLE_EXIST:
		return -EEXIST;
	case NLE_PERM:
		return -EPERM;
	case NLE_NODEV:
	case NLE_OBJ_NOTFOUND:
	case NLE_NOADDR:
		return -ENODEV;
	case NLE_NOMEM:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static struct nl_sock *route_socket(void)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (sock != NULL && nl_connect(sock, NETLINK_ROUTE) == 0)
		return sock;
	nl_socket_free(sock);
	return NULL;
}

static int job_run(struct nl_sock *sock, const struct address_job *job, struct rtnl_addr *addr,
		   struct nl_addr *local)
{
	unsigned ifindex = if_nametoindex(job->ifname);
	int rc;

	if (ifindex == 0)
		return err_set(job->err, -ENODEV, "no-interface", "there is no interface %s",
			       job->ifname);
	rtnl_addr_set_ifindex(addr, (int)ifindex);
	rtnl_addr_set_local(addr, local);
	rc = job->add ? rtnl_addr_add(sock, addr, 0) : rtnl_addr_delete(sock, addr, 0);
	if (rc == 0 || (job->add && rc == -NLE_EXIST) || (!job->add && rc == -NLE_NOADDR))
		return 0;
	return err_set(job->err, nl_errno(rc), "address", "cannot %s %s %s %s: %s",
		       job->add ? "add" : "remove", job->cidr, job->add ? "to" : "from",
		       job->ifname, nl_geterror(rc));
}

/* In the namespace of the interface. */
static int address_job(void *arg)
{
	const struct address_job *job = arg;
	struct nl_sock *sock = route_socket();
	struct rtnl_addr *addr = rtnl_addr_alloc();
	struct nl_addr *local = NULL;
	int rc;

	if (sock == NULL || addr == NULL)
		rc = err_set(job->err, -ENOMEM, "no-memory", "no memory for a netlink request");
	else if (nl_addr_parse(job->cidr, AF_UNSPEC, &local) != 0 ||
		 (nl_addr_get_family(local) != AF_INET && nl_addr_get_family(local) != AF_INET6))
		rc = err_set(job->err, -EINVAL, "bad-address",
			     "'%s' is not an address such as 10.0.0.5/24", job->cidr);
	else
		rc = job_run(sock, job, addr, local);
	nl_addr_put(local);
	rtnl_addr_put(addr);
	nl_socket_free(sock);
	return rc;
}

int vs_link_address_add(int netns_fd, const char *ifname, const char *cidr, struct err *err)
{
	struct address_job job = {ifname, cidr, true, err};

	return dp_netns_call(netns_fd, address_job, &job, err);
}

int vs_link_address_remove(int netns_fd, const char *ifname, const char *cidr, struct err *err)
{
	struct address_job job = {ifname, cidr, false, err};

	return dp_netns_call(netns_fd, address_job, &job, err);
}

struct address_search {
	int ifindex;
	char *text;
	size_t size;
	bool found;
};

static void look_at_address(struct nl_object *object, void *arg)
{
	struct rtnl_addr *addr = (struct rtnl_addr *)object;
	struct address_search *search = arg;

	if (search->found || rtnl_addr_get_ifindex(addr) != search->ifindex ||
	    rtnl_addr_get_scope(addr) == RT_SCOPE_LINK)
		return;
	search->found = true;
	nl_addr2str(rtnl_addr_get_local(addr), search->text, search->size);
}

bool vs_link_has_address(const char *ifname, char *text, size_t size)
{
	struct address_search search = {(int)if_nametoindex(ifname), text, size, false};
	struct nl_sock *sock = route_socket();
	struct nl_cache *cache = NULL;

	if (sock != NULL && search.ifindex != 0 && rtnl_addr_alloc_cache(sock, &cache) == 0) {
		nl_cache_foreach(cache, look_at_address, &search);
		nl_cache_free(cache);
	}
	nl_socket_free(sock);
	return search.found;
}
