/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Blocking the kernel's stack at tc ingress; see ingress_block.h.
 */
#include "dataplane/ingress_block.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/classifier.h>
#include <netlink/route/qdisc.h>

#define TCX_INGRESS 46 /* BPF_TCX_INGRESS, not in the headers of Linux before 6.6 */

/* Ours to find again after a crash: "vsw" and a low priority number, so that it comes first. */
#define FILTER_HANDLE	0x767377u
#define FILTER_PRIORITY 1u

/* r0 = TC_ACT_SHOT; exit */
static int load_program(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_SHOT},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "vswitch_block", "Dual BSD/GPL", insns,
			       sizeof(insns) / sizeof(insns[0]), NULL);

	return fd < 0 ? -errno : fd;
}

static struct nl_sock *route_socket(void)
{
	struct nl_sock *sk = nl_socket_alloc();

	if (sk != NULL && nl_connect(sk, NETLINK_ROUTE) < 0) {
		nl_socket_free(sk);
		sk = NULL;
	}
	return sk;
}

/* libnl rather than bpf_tc_hook_create(): libbpf prints a line to stderr when the qdisc is there
 * already. */
static int change_qdisc(int ifindex, bool add)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	struct nl_sock *sk = route_socket();
	int rc = -NLE_NOMEM;

	if (qdisc != NULL && sk != NULL) {
		rtnl_tc_set_ifindex(TC_CAST(qdisc), ifindex);
		rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_CLSACT);
		rtnl_tc_set_handle(TC_CAST(qdisc), TC_HANDLE(0xffffu, 0));
		rtnl_tc_set_kind(TC_CAST(qdisc), "clsact");
		rc = add ? rtnl_qdisc_add(sk, qdisc, NLM_F_CREATE | NLM_F_EXCL)
			 : rtnl_qdisc_delete(sk, qdisc);
	}
	if (qdisc != NULL)
		rtnl_qdisc_put(qdisc);
	nl_socket_free(sk);
	return rc;
}

static int count_filters(struct nl_sock *sk, int ifindex, uint32_t parent)
{
	struct nl_cache *cache;
	int n;

	if (rtnl_cls_alloc_cache(sk, ifindex, parent, &cache) < 0)
		return -1;
	n = nl_cache_nitems(cache);
	nl_cache_free(cache);
	return n;
}

/* May the qdisc go?  Not when anybody's filter hangs on it. */
static bool is_unused(int ifindex)
{
	struct nl_sock *sk = route_socket();
	bool unused;

	if (sk == NULL)
		return false;
	unused = count_filters(sk, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) == 0 &&
		 count_filters(sk, ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)) == 0;
	nl_socket_free(sk);
	return unused;
}

static int attach_classic(struct dp_ingress_block *block, int prog_fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = block->ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .flags = BPF_TC_F_REPLACE,
		    .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int rc = change_qdisc(block->ifindex, true);

	if (rc < 0 && rc != -NLE_EXIST)
		return -EOPNOTSUPP;
	block->made_qdisc = rc == 0;
	rc = bpf_tc_attach(&hook, &opts);
	if (rc != 0 && block->made_qdisc)
		change_qdisc(block->ifindex, false);
	return rc;
}

static int attach(struct dp_ingress_block *block, int prog_fd, bool classic)
{
	int fd = -1;

	if (!classic)
		fd = bpf_link_create(prog_fd, block->ifindex, (enum bpf_attach_type)TCX_INGRESS,
				     NULL);
	if (fd >= 0) {
		block->link_fd = fd;
		return 0;
	}
	return attach_classic(block, prog_fd);
}

int dp_ingress_block_attach(struct dp_ingress_block *block, int ifindex, bool classic,
			    struct err *err)
{
	int prog_fd = load_program(), rc;

	*block = (struct dp_ingress_block){.ifindex = ifindex, .link_fd = -1};
	rc = prog_fd < 0 ? prog_fd : attach(block, prog_fd, classic);
	if (prog_fd >= 0)
		close(prog_fd);
	if (rc != 0)
		return err_set(err, rc, "no-ingress-block",
			       "cannot keep the host's stack from the interface: %s",
			       strerror(-rc));
	block->attached = true;
	return 0;
}

static bool interface_exists(int ifindex)
{
	char name[IF_NAMESIZE];

	return if_indextoname((unsigned)ifindex, name) != NULL;
}

static void detach_classic(const struct dp_ingress_block *block)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = block->ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);

	if (!interface_exists(block->ifindex))
		return;
	bpf_tc_detach(&hook, &opts);
	if (block->made_qdisc && is_unused(block->ifindex))
		change_qdisc(block->ifindex, false);
}

void dp_ingress_block_detach(struct dp_ingress_block *block)
{
	if (!block->attached)
		return;
	if (block->link_fd >= 0)
		close(block->link_fd);
	else
		detach_classic(block);
	block->attached = false;
}
