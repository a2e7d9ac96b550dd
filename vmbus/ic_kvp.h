/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Key-value pairs: what the guest says of itself (operating system, name, addresses of each NIC),
 * and keys that its host writes for it and its people write for the host.
 *
 * 	round, every 30 s (5 s until it has an address):
 * 	    enumerate pool AUTO ─► enumerate pool GUEST ─► addresses of each NIC ─► changed()?
 * 	between its steps: keys that were set or deleted, and such as somebody asks for
 *
 * A guest may say anything: it is text without control characters, no more of it than the limits
 * below, and nobody should believe it.  A round that fails changes nothing.
 *
 * In Linux hv_kvp_daemon does the work; without it there is no service.
 *
 * Thread: the server's.  Source: Linux drivers/hv/hv_kvp.c, tools/hv/hv_kvp_daemon.c
 */
#ifndef VMBUS_IC_KVP_H
#define VMBUS_IC_KVP_H

#include "vmbus/ic.h"
#include "vmbus/kvp.h"

#define IC_KVP_MAX_ITEMS 64	/* of a pool */
#define IC_KVP_MAX_BYTES 32768u /* of all keys and values of a pool */
#define IC_KVP_MAX_NICS	 8
#define IC_KVP_MAX_SET	 64 /* keys written by the host */
#define IC_KVP_MAX_GETS	 8  /* outstanding */

struct ic_kvp_opts {
	uint64_t interval_ns;	    /* of rounds; 0: 30 s */
	uint64_t early_interval_ns; /* of rounds until the guest has an address; 0: 5 s */
	/* A round found something else than the one before, or the service has gone (then there is
	 * nothing).  May be NULL. */
	void (*changed)(void *ctx);
	void *ctx;
};

struct ic_kvp;

/* 'opts' is copied; 'env' borrowed for life.  0 or negative errno. */
int ic_kvp_create(const struct ic_env *env, const struct ic_kvp_opts *opts,
		  struct ic_kvp **ret_kvp);
/* Takes NULL; not from a callback. */
void ic_kvp_destroy(struct ic_kvp *kvp);
void ic_kvp_tick(struct ic_kvp *kvp, uint64_t now_ns);
void ic_kvp_resumed(struct ic_kvp *kvp, uint64_t now_ns);
void ic_kvp_info(const struct ic_kvp *kvp, struct ic_info *ret_info);

/* What the last round found.  Texts are valid until the next callback or tick. */

/* A value by its key; NULL: there is none.  Keys of KVP_POOL_AUTO: "OSName", "OSVersion" (of the
 * kernel), "OSBuildNumber", "FullyQualifiedDomainName", "IntegrationServicesVersion",
 * "NetworkAddressIPv4", "NetworkAddressIPv6", "ProcessorArchitecture". */
const char *ic_kvp_find(const struct ic_kvp *kvp, enum kvp_pool pool, const char *key);
/* The 'i'-th item of KVP_POOL_AUTO or KVP_POOL_GUEST; false: there are not so many. */
bool ic_kvp_item(const struct ic_kvp *kvp, enum kvp_pool pool, unsigned i, const char **ret_key,
		 const char **ret_value);

/* NICs whose addresses are asked for, by their MAC addresses: the protocol's text has room for any
 * name, and this is the one that Linux' daemon looks for.  0; -EEXIST; -ENOSPC. */
int ic_kvp_nic_add(struct ic_kvp *kvp, const uint8_t mac[6]);
void ic_kvp_nic_remove(struct ic_kvp *kvp, const uint8_t mac[6]);
/* NULL: nothing is known. */
const struct kvp_addresses *ic_kvp_nic(const struct ic_kvp *kvp, const uint8_t mac[6]);

/* Writes a key to KVP_POOL_EXTERNAL, where the guest reads it (Linux: /var/lib/hyperv/.kvp_pool_0);
 * 'value' NULL deletes it.  It is kept here, and written again when the guest was started anew.
 * 0; -EINVAL: not UTF-8, or no key; -E2BIG; -ENOSPC: too many keys; -ENOMEM. */
int ic_kvp_set(struct ic_kvp *kvp, const char *key, const char *value);
/* Asks the guest for a key of a pool.  'done' is called once, unless the service is destroyed
 * before: 'value' is NULL when there is no such key (error 0), or on an error.  0; -ENOTCONN;
 * -EBUSY: too many are asked for; -EINVAL, -E2BIG. */
typedef void ic_kvp_got_fn(void *ctx, int error, const char *value);
int ic_kvp_get(struct ic_kvp *kvp, enum kvp_pool pool, const char *key, ic_kvp_got_fn *done,
	       void *ctx);

#endif
