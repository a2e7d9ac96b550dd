/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who listens to which connection id, where KVM does not keep that list: a table of event
 * descriptors, sorted by id.
 *
 * Threads: any; a lock.  Signals that matter for speed do not come here (KVM_IOEVENTFD).
 */
#ifndef HV_PORTS_H
#define HV_PORTS_H

#include <pthread.h>
#include <stdint.h>

/* As many as VMBus has channels, and some. */
#define HV_MAX_PORTS 4096

struct hv_ports {
	pthread_mutex_t lock;
	unsigned n, room;
	struct hv_port {
		uint32_t id;
		int fd;
	} * port; /* by id */
};

void hv_ports_init(struct hv_ports *ports);
void hv_ports_fini(struct hv_ports *ports);
/* From now on 'fd' (borrowed) is written when 'id' is signalled; -1: nobody.  The one before it is
 * in *ret_old, -1: none; it is not written any more when this returns.  0; -ENOMEM; -ENOSPC: too
 * many. */
int hv_ports_set(struct hv_ports *ports, uint32_t id, int fd, int *ret_old);
/* 0, or -ENOENT. */
int hv_ports_signal(struct hv_ports *ports, uint32_t id);

#endif
