/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine's network adapters: devices on its VMBus whose inside is in the switch
 * (vmbus/remote.h).  The switch hands over a connected attach socket for each, now and whenever it
 * was started anew; until then the guest keeps what it has.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_NIC_H
#define HV_WORKER_NIC_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct event_base;
struct hv_memory;
struct nics;
struct vmbus_server;

struct nics_opts {
	struct event_base *base;
	struct vmbus_server *server;
	const struct hv_memory *memory;
	/* What an attachment says of itself; rate-limited. */
	void (*event)(void *ctx, const char *name, const char *text);
	void *ctx;
};

int nics_create(const struct nics_opts *opts, struct nics **ret_nics, struct err *err);
/* Takes NULL. */
void nics_destroy(struct nics *nics);
/* A NIC, which the guest sees when a socket was attached.  -EEXIST, -ENOSPC, -ENOMEM. */
int nics_add(struct nics *nics, const char *name, struct err *err);
/* Takes 'fd', a connected attach socket, also when it fails.  -ENOENT; -EINVAL: not such a socket.
 */
int nics_attach(struct nics *nics, const char *name, int fd, struct err *err);
/* Takes it from the guest.  0 or -ENOENT. */
int nics_remove(struct nics *nics, const char *name, struct err *err);
/* The guest was served: what waits for it may be able to go on. */
void nics_served(struct nics *nics);
/* The MAC address of the i-th place for a NIC; false: there is none, or it is not known yet. */
bool nics_mac(const struct nics *nics, unsigned i, uint8_t ret_mac[6]);
/* [{"name", "attached", "ips"}]; a new reference.  'ips' says what the guest has on one, as a new
 * reference. */
json_t *nics_info(const struct nics *nics, json_t *(*ips)(void *ctx, const uint8_t mac[6]),
		  void *ctx);

#endif
