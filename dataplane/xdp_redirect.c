/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xdp_redirect.h.  The program is five instructions, so it is written here and not compiled.
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

	*xr = (struct dp_xdp_redirect){-1, -1, -1};
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

void dp_xdp_redirect_detach(struct dp_xdp_redirect *xr)
{
	if (xr->link_fd >= 0)
		close(xr->link_fd);
	if (xr->program_fd >= 0)
		close(xr->program_fd);
	if (xr->map_fd >= 0)
		close(xr->map_fd);
	*xr = (struct dp_xdp_redirect){-1, -1, -1};
}
