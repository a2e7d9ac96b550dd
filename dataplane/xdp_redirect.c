/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xdp_redirect.h.  The programs are few instructions, so they are written here and not
 * compiled.
 */
#include "dataplane/xdp_redirect.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include <rte_common.h>

/* return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_DROP); */
static int load(int map_fd)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W,
		 .dst_reg = BPF_REG_2,
		 .src_reg = BPF_REG_1,
		 .off = offsetof(struct xdp_md, rx_queue_index)},
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = map_fd},
		{.code = 0}, /* its second half */
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_DROP},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd =
		bpf_prog_load(BPF_PROG_TYPE_XDP, "vswitch_xsk", "BSD", insns, RTE_DIM(insns), NULL);

	return fd < 0 ? -errno : fd;
}

static int attach(int program_fd, int ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int fd = bpf_link_create(program_fd, ifindex, BPF_XDP, &opts);

	return fd < 0 ? -errno : fd;
}

int dp_xdp_redirect_attach(struct dp_xdp_redirect *xr, int ifindex, uint32_t n_queues)
{
	int rc = 0;

	*xr = (struct dp_xdp_redirect){-1, -1, -1, -1, -1};
	xr->map_fd = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "vswitch_xsk", sizeof(uint32_t),
				    sizeof(uint32_t), n_queues, NULL);
	if (xr->map_fd < 0)
		rc = -errno;
	if (rc == 0) {
		xr->program_fd = load(xr->map_fd);
		rc = RTE_MIN(xr->program_fd, 0);
	}
	if (rc == 0) {
		xr->link_fd = attach(xr->program_fd, ifindex);
		rc = RTE_MIN(xr->link_fd, 0);
	}
	if (rc != 0)
		dp_xdp_redirect_detach(xr);
	return rc;
}

int dp_xdp_redirect_set(const struct dp_xdp_redirect *xr, uint32_t queue, int socket)
{
	return bpf_map_update_elem(xr->map_fd, &queue, &socket, BPF_ANY) != 0 ? -errno : 0;
}

static void close_steering(struct dp_xdp_redirect *xr)
{
	if (xr->steer_fd >= 0)
		close(xr->steer_fd);
	if (xr->rules_fd >= 0)
		close(xr->rules_fd);
	xr->steer_fd = xr->rules_fd = -1;
}

void dp_xdp_redirect_detach(struct dp_xdp_redirect *xr)
{
	close_steering(xr);
	if (xr->link_fd >= 0)
		close(xr->link_fd);
	if (xr->program_fd >= 0)
		close(xr->program_fd);
	if (xr->map_fd >= 0)
		close(xr->map_fd);
	*xr = (struct dp_xdp_redirect){-1, -1, -1, -1, -1};
}

/* ---- Steering ---- */

#define MAX_RULES 1024

/* How the program looks a frame up; the VLAN in host order. */
struct key {
	struct rte_ether_addr mac;
	uint16_t vlan;
};

#define INSN(c, d, s, o, i)                                                                        \
	{                                                                                          \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                \
	}
#define LOAD(size, d, s, o)  INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, s, o) INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define COPY(d, s)	     INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i)	     INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, i)	     INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define CALL(f)		     INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define LOAD_MAP	     (BPF_LD | BPF_IMM | BPF_DW)
#define MAP(d, fd)	     INSN(LOAD_MAP, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define TAG		     ((int)RTE_BE16(RTE_ETHER_TYPE_VLAN))

/* r6 the context, r2 and r3 the frame's ends, r7 the slot; the key at r10 - 8. */
static int load_steering(int rules_fd, int map_fd, uint32_t n_queues)
{
	const struct bpf_insn insns[] = {
		/*  0 */ COPY(6, 1),
		/*  1 */ LOAD(BPF_W, 2, 6, offsetof(struct xdp_md, data)),
		/*  2 */ LOAD(BPF_W, 3, 6, offsetof(struct xdp_md, data_end)),
		/*  3 */ SET(7, 0),
		/*  4 */ COPY(1, 2),
		/*  5 */ ADD(1, RTE_ETHER_HDR_LEN),
		/*  6 */ INSN(BPF_JMP | BPF_JGT | BPF_X, 1, 3, 29, 0), /* to 36 */
		/*  7 */ LOAD(BPF_W, 4, 2, 0),
		/*  8 */ STORE(BPF_W, 10, 4, -8),
		/*  9 */ LOAD(BPF_H, 4, 2, 4),
		/* 10 */ STORE(BPF_H, 10, 4, -4),
		/* 11 */ LOAD(BPF_H, 4, 2, 12),
		/* 12 */ SET(5, 0),
		/* 13 */ INSN(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 6, TAG), /* to 20 */
		/* 14 */ COPY(1, 2),
		/* 15 */ ADD(1, RTE_ETHER_HDR_LEN + 4),
		/* 16 */ INSN(BPF_JMP | BPF_JGT | BPF_X, 1, 3, 19, 0), /* to 36 */
		/* 17 */ LOAD(BPF_H, 5, 2, RTE_ETHER_HDR_LEN),
		/* 18 */ INSN(BPF_ALU | BPF_END | BPF_TO_BE, 5, 0, 0, 16),
		/* 19 */ INSN(BPF_ALU64 | BPF_AND | BPF_K, 5, 0, 0, 0xfff),
		/* 20 */ STORE(BPF_H, 10, 5, -2),
		/* 21 */ MAP(1, rules_fd),
		/* 23 */ COPY(2, 10),
		/* 24 */ ADD(2, -8),
		/* 25 */ CALL(BPF_FUNC_map_lookup_elem),
		/* 26 */ INSN(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 7, 0), /* to 34 */
		/* 27 */ INSN(BPF_ST | BPF_MEM | BPF_H, 10, 0, -2, -1),
		/* 28 */ MAP(1, rules_fd),
		/* 30 */ COPY(2, 10),
		/* 31 */ ADD(2, -8),
		/* 32 */ CALL(BPF_FUNC_map_lookup_elem),
		/* 33 */ INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0), /* to 36 */
		/* 34 */ LOAD(BPF_W, 7, 0, 0),
		/* 35 */ INSN(BPF_ALU64 | BPF_MUL | BPF_K, 7, 0, 0, (int)n_queues),
		/* 36 */ LOAD(BPF_W, 2, 6, offsetof(struct xdp_md, rx_queue_index)),
		/* 37 */ INSN(BPF_ALU64 | BPF_ADD | BPF_X, 2, 7, 0, 0),
		/* 38 */ MAP(1, map_fd),
		/* 40 */ SET(3, XDP_DROP),
		/* 41 */ CALL(BPF_FUNC_redirect_map),
		/* 42 */ {.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "vswitch_steer", "BSD", insns, RTE_DIM(insns),
			       NULL);

	return fd < 0 ? -errno : fd;
}

int dp_xdp_redirect_steer(struct dp_xdp_redirect *xr, uint32_t n_queues)
{
	int rc = 0;

	xr->rules_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "vswitch_steer", sizeof(struct key),
				      sizeof(uint32_t), MAX_RULES, NULL);
	if (xr->rules_fd < 0)
		return -errno;
	xr->steer_fd = load_steering(xr->rules_fd, xr->map_fd, n_queues);
	if (xr->steer_fd < 0)
		rc = xr->steer_fd;
	else if (bpf_link_update(xr->link_fd, xr->steer_fd, NULL) != 0)
		rc = -errno;
	if (rc != 0)
		close_steering(xr);
	return rc;
}

void dp_xdp_redirect_unsteer(struct dp_xdp_redirect *xr)
{
	(void)bpf_link_update(xr->link_fd, xr->program_fd, NULL);
	close_steering(xr);
}

int dp_xdp_redirect_rule(const struct dp_xdp_redirect *xr, const struct rte_ether_addr *mac,
			 uint16_t vlan, uint32_t slot)
{
	const struct key key = {*mac, vlan};
	int rc;

	if (slot != 0)
		rc = bpf_map_update_elem(xr->rules_fd, &key, &slot, BPF_NOEXIST);
	else
		rc = bpf_map_delete_elem(xr->rules_fd, &key);
	return rc != 0 ? -errno : 0;
}
