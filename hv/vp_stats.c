/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What KVM counts of a processor: the exits that it answers itself are most of them, and never come
 * here.  Read from its statistics file, whose counters are found by name.
 *
 * Source: Linux Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD.
 */
#include "hv/vp.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NAME_MAX_SIZE 256u
#define MAX_STATS     1024u

/* Its header, if that is one we can follow. */
static bool read_head(int fd, struct kvm_stats_header *head)
{
	return pread(fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head) && head->name_size > 0 &&
	       head->name_size <= NAME_MAX_SIZE && head->num_desc <= MAX_STATS;
}

static void note(struct hv_vp *vp, const struct kvm_stats_header *head,
		 const struct kvm_stats_desc *desc)
{
	uint64_t at = head->data_offset + desc->offset;

	if (strcmp(desc->name, "exits") == 0)
		vp->stats_exits = at;
	else if (strcmp(desc->name, "halt_exits") == 0)
		vp->stats_halts = at;
}

/* Where the counters are that we want. */
static void find(struct hv_vp *vp)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	size_t size;

	if (!read_head(vp->stats_fd, &head))
		return;
	size = sizeof(*desc) + head.name_size;
	desc = calloc(1, size + 1);
	for (uint32_t i = 0; desc != NULL && i < head.num_desc; i++)
		if (pread(vp->stats_fd, desc, size, (off_t)(head.desc_offset + i * size)) ==
		    (ssize_t)size)
			note(vp, &head, desc);
	free(desc);
}

void hv_vp_stats_open(struct hv_vp *vp)
{
	vp->stats_fd = ioctl(vp->fd, KVM_GET_STATS_FD, NULL);
	if (vp->stats_fd < 0)
		return;
	(void)fcntl(vp->stats_fd, F_SETFD, FD_CLOEXEC); /* KVM leaves it open for programs. */
	find(vp);
}

void hv_vp_stats_close(struct hv_vp *vp)
{
	if (vp->stats_fd >= 0)
		close(vp->stats_fd);
	vp->stats_fd = -1;
}

static uint64_t counter(const struct hv_vp *vp, uint64_t at)
{
	uint64_t value;

	return at != 0 && pread(vp->stats_fd, &value, sizeof(value), (off_t)at) == sizeof(value)
		       ? value
		       : 0;
}

void hv_vp_stats(const struct hv_vp *vp, uint64_t *ret_exits, uint64_t *ret_halts)
{
	*ret_exits = counter(vp, vp->stats_exits);
	*ret_halts = counter(vp, vp->stats_halts);
}
