/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A synthetic NIC of a test: a device on a vmbus_server whose control half is the real one
 * (vmbus/netvsp.h) and whose packet path is the plainest that works: it polls, copies, and keeps
 * what came.  For tests of the guest's half without a dataplane.
 *
 * Thread: the server's.
 */
#ifndef TESTS_SUPPORT_FAKE_VSP_H
#define TESTS_SUPPORT_FAKE_VSP_H

#include "vmbus/channel.h"
#include "vmbus/netvsp.h"
#include "vmbus/nvsp.h"
#include "vmbus/ring.h"
#include "vmbus/rndis.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_MAX_FRAMES	  512
#define FAKE_MAX_SECTIONS 20000
#define FAKE_MAX_RANGES	  64
#define FAKE_MAX_STREAM	  (1u << 20)

struct gpa_map;

/* A frame that came from the guest. */
struct fake_frame {
	uint8_t *data; /* ours until fake_vsp_forget() */
	struct rndis_packet packet;
	unsigned channel;
	unsigned n_in_packet; /* RNDIS messages of its ring packet so far, from 1 */
	bool by_pages;
};

struct fake_channel {
	struct vmbus_channel *channel;
	struct vmbus_in in;
	struct vmbus_out out;
	uint64_t n_signals; /* to the guest */
};

struct fake_vsp {
	struct vmbus_server *server;
	const struct gpa_map *map;
	struct vmbus_device *device;
	struct netvsp_conf conf;
	struct netvsp *netvsp;
	struct fake_channel channels[NETVSP_MAX_CHANNELS];
	struct vmbus_pages *recv, *send;
	uint32_t n_free;
	uint16_t free[FAKE_MAX_SECTIONS];
	uint16_t n_lent[FAKE_MAX_SECTIONS]; /* sections of the transaction with that number */
	uint16_t lent[FAKE_MAX_SECTIONS][FAKE_MAX_RANGES];
	unsigned n_frames;
	struct fake_frame frames[FAKE_MAX_FRAMES];
	uint64_t n_from_guest, n_bad, n_completed, n_bad_completions;
	bool mute;   /* takes nothing from the rings */
	bool silent; /* answers nothing */
	bool gone;
	uint8_t stream[FAKE_MAX_STREAM];
};

/* Offers it.  'vsp' is the caller's; large. */
int fake_vsp_init(struct fake_vsp *vsp, struct vmbus_server *server, const struct gpa_map *map,
		  const struct netvsp_conf *conf, bool monitored);
void fake_vsp_fini(struct fake_vsp *vsp);
/* Does what there is to do. */
void fake_vsp_work(struct fake_vsp *vsp);
/* Sends frames as one ring packet on a channel; 'packets' say what is said about each.  False: no
 * sections or no room. */
bool fake_vsp_send(struct fake_vsp *vsp, unsigned channel, unsigned n, const uint8_t *const *frames,
		   const struct rndis_packet *packets);
void fake_vsp_forget(struct fake_vsp *vsp);
void fake_vsp_indicate(struct fake_vsp *vsp, uint32_t status);

#endif
