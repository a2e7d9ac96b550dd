/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See profile.h.
 */
#include "vmbus/guest/profile.h"

#include <stddef.h>
#include <string.h>

#include "vmbus/nvsp.h"

#define MB (1024u * 1024u)

#define CAP_TEAMING (1u << 5)

static const uint32_t bus_5_3[] = {0x00050003, 0x00050002, 0x00050001, 0x00050000, 0x00040001,
				   0x00040000, 0x00030000, 0x00020004, 0};
static const uint32_t bus_5_2[] = {0x00050002, 0x00050001, 0x00050000, 0x00040001, 0x00040000,
				   0x00030000, 0x00020004, 0x00010001, 0x0000000d, 0};
static const uint32_t bus_4_0[] = {0x00040000, 0x00030000, 0x00020004, 0x00010001, 0x0000000d, 0};

static const uint32_t nvsp_6_1[] = {NVSP_V6_1, NVSP_V6, NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1, 0};
static const uint32_t nvsp_freebsd[] = {NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1, 0};

static const enum guest_step linux_steps[] = {
	GUEST_STEP_INITIALIZE,	GUEST_STEP_FRAME_SIZE,	 GUEST_STEP_MAC,
	GUEST_STEP_NAME,	GUEST_STEP_CAPABILITIES, GUEST_STEP_OFFLOADS,
	GUEST_STEP_LINK,	GUEST_STEP_SPEED,	 GUEST_STEP_RSS_CAPABILITIES,
	GUEST_STEP_SUBCHANNELS, GUEST_STEP_RSS_TWICE,	 GUEST_STEP_FILTER,
	GUEST_STEP_END,
};
static const enum guest_step dpdk_steps[] = {
	GUEST_STEP_INITIALIZE, GUEST_STEP_CAPABILITIES, GUEST_STEP_OFFLOADS,
	GUEST_STEP_FRAME_SIZE, GUEST_STEP_MAC,		GUEST_STEP_RSS_CAPABILITIES,
	GUEST_STEP_LINK,       GUEST_STEP_SPEED,	GUEST_STEP_SUBCHANNELS,
	GUEST_STEP_RSS,	       GUEST_STEP_FILTER,	GUEST_STEP_END,
};
static const enum guest_step freebsd_steps[] = {
	GUEST_STEP_INITIALIZE,	GUEST_STEP_CAPABILITIES,
	GUEST_STEP_OFFLOADS,	GUEST_STEP_RSS_CAPABILITIES,
	GUEST_STEP_MAC,		GUEST_STEP_LINK,
	GUEST_STEP_SUBCHANNELS, GUEST_STEP_RSS,
	GUEST_STEP_FILTER,	GUEST_STEP_END,
};
static const enum guest_step uefi_steps[] = {
	GUEST_STEP_INITIALIZE, GUEST_STEP_MAC, GUEST_STEP_LINK, GUEST_STEP_FILTER, GUEST_STEP_END,
};

static const struct guest_profile linux_6_12 = {
	.name = "linux-6.12",
	.bus_versions = bus_5_3,
	.nvsp_versions = nvsp_6_1,
	.steps = linux_steps,
	.capabilities = NVSP_CAP_8021Q | NVSP_CAP_SRIOV | CAP_TEAMING | NVSP_CAP_RSC,
	.control_id = 1,
	.first_id = 2,
	.recv_size = 16 * MB,
	.send_size = 1 * MB,
	.ring_pages = 128,
	.nvsp_size = 40,
	.max_queues = 16,
	.gpa_form = GUEST_GPA_RANGE,
	.frame_in_config = true,
	.aggregate = true,
};

static const struct guest_profile linux_6_1 = {
	.name = "linux-6.1",
	.bus_versions = bus_5_3,
	.nvsp_versions = nvsp_6_1,
	.steps = linux_steps,
	.capabilities = NVSP_CAP_8021Q | NVSP_CAP_SRIOV | CAP_TEAMING | NVSP_CAP_RSC,
	.control_id = 1,
	.first_id = 2,
	.recv_size = 16 * MB,
	.send_size = 1 * MB,
	.ring_pages = 128,
	.nvsp_size = 40,
	.max_queues = 8,
	.gpa_form = GUEST_GPA_PAGES,
	.frame_in_config = true,
	.aggregate = true,
};

/* Transaction ids are addresses of its memory. */
static const struct guest_profile linux_5_10 = {
	.name = "linux-5.10",
	.bus_versions = bus_5_2,
	.nvsp_versions = nvsp_6_1,
	.steps = linux_steps,
	.capabilities = NVSP_CAP_8021Q | NVSP_CAP_SRIOV | CAP_TEAMING | NVSP_CAP_RSC,
	.control_id = 0xffff888003a41028,
	.first_id = 0xffff888004c00000,
	.recv_size = 16 * MB,
	.send_size = 1 * MB,
	.ring_pages = 128,
	.nvsp_size = 40,
	.max_queues = 8,
	.gpa_form = GUEST_GPA_PAGES,
	.frame_in_config = true,
	.aggregate = true,
};

static const struct guest_profile dpdk = {
	.name = "dpdk",
	.bus_versions = bus_5_3,
	.nvsp_versions = nvsp_6_1,
	.steps = dpdk_steps,
	.capabilities = NVSP_CAP_8021Q | NVSP_CAP_SRIOV | CAP_TEAMING,
	.control_id = 0,
	.first_id = 0x00007f8a12400000,
	.recv_size = 31 * MB,
	.send_size = 16 * MB,
	.ring_pages = 512,
	.nvsp_size = 32,
	.max_queues = 64,
	.gpa_form = GUEST_GPA_PAGES,
	.monitor = true,
	.aggregate = true,
};

static const struct guest_profile freebsd = {
	.name = "freebsd",
	.bus_versions = bus_4_0,
	.nvsp_versions = nvsp_freebsd,
	.steps = freebsd_steps,
	.capabilities = NVSP_CAP_8021Q,
	.control_id = 0xfffff80003a5c000,
	.first_id = 0xfffff80004000000,
	.recv_size = 16 * MB,
	.send_size = 16 * MB - 4096,
	.ring_pages = 128,
	.nvsp_size = 32,
	.send_id = 0xface,
	.max_queues = 8,
	.gpa_form = GUEST_GPA_PAGES,
	.frame_in_config = true,
	.monitor = true,
	.aggregate = true,
};

static const struct guest_profile uefi = {
	.name = "uefi",
	.bus_versions = bus_4_0,
	.nvsp_versions = nvsp_freebsd,
	.steps = uefi_steps,
	.control_id = 7,
	.first_id = 100,
	.recv_size = 256 * 1024,
	.ring_pages = 16,
	.nvsp_size = 28,
	.max_queues = 1,
	.gpa_form = GUEST_GPA_PAGES,
	.complete_config = true,
};

const struct guest_profile *const guest_profiles[] = {&linux_6_12, &linux_6_1, &linux_5_10, &dpdk,
						      &freebsd,	   &uefi,      NULL};

const struct guest_profile *guest_profile_find(const char *name)
{
	const struct guest_profile *const *at = guest_profiles;

	while (*at != NULL && strcmp((*at)->name, name) != 0)
		at++;
	return *at;
}
