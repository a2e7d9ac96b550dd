/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See hostile.h.
 */
#include "tests/support/hostile.h"

#include <errno.h>
#include <string.h>

#include "vmbus/ring.h"

#define SLUG	   "hostile"
#define WAIT_MS	   3000
#define HONEST_MS  10000
#define ANSWER_MS  1000
#define RING_PAGES 16
#define BUFFER	   (1u << 20)

static const struct hostile_attack *const lists[] = {hostile_bus_attacks, hostile_ring_attacks,
						     hostile_net_attacks};

const struct hostile_attack *hostile_at(unsigned n)
{
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const struct hostile_attack *a = lists[i]; a->name != NULL; a++) {
			if (n-- == 0)
				return a;
		}
	}
	return NULL;
}

const struct hostile_attack *hostile_find(const char *name)
{
	const struct hostile_attack *a;

	for (unsigned i = 0; (a = hostile_at(i)) != NULL; i++) {
		if (strcmp(a->name, name) == 0)
			return a;
	}
	return NULL;
}

uint32_t hostile_length(unsigned i, uint32_t header, uint32_t size)
{
	const uint32_t lengths[HOSTILE_N_LENGTHS] = {0,		  header - 1,	 header,
						     size,	  size + 1,	 UINT32_MAX,
						     0x80000000u, UINT32_MAX - 7};

	return lengths[i % HOSTILE_N_LENGTHS];
}

uint32_t hostile_random(struct hostile *h)
{
	/* xorshift64*, Vigna 2016. */
	h->random ^= h->random >> 12;
	h->random ^= h->random << 25;
	h->random ^= h->random >> 27;
	return (uint32_t)((h->random * 0x2545f4914f6cdd1dull) >> 32);
}

void hostile_pause(struct hostile *h)
{
	for (unsigned i = 0; i < 2; i++)
		guest_bus_pump(h->bus, -1, 2);
}

void hostile_post(struct hostile *h, const void *msg, size_t size)
{
	(void)guest_bus_post(h->bus, msg, size);
}

void hostile_put(struct hostile *h, uint64_t word, uint64_t id, const void *bytes, uint32_t size,
		 uint32_t advance)
{
	struct vmbus_ring *ring = &h->channel->out.ring;
	uint32_t at = atomic_load(&ring->hdr->write) % ring->size & ~7u;
	const uint64_t head[2] = {word, id};

	for (uint32_t i = 0; i < sizeof(head) + size; i++) {
		uint8_t byte = i < sizeof(head) ? ((const uint8_t *)head)[i]
						: ((const uint8_t *)bytes)[i - sizeof(head)];

		ring->data[(at + i) % ring->size] = byte;
	}
	/* Our own end goes on from there, as if it had been a packet. */
	h->channel->out.write = h->channel->out.begun = (at + advance) % ring->size;
	atomic_store(&ring->hdr->write, h->channel->out.write);
	guest_channel_signal(h->channel);
}

/* Contact. */

static unsigned answer_ms(const struct hostile_env *env)
{
	return env->answer_ms != 0 ? env->answer_ms : ANSWER_MS;
}

static int contact(struct hostile *h, struct err *err)
{
	const struct hostile_env *env = h->env;
	struct guest_local_opts opts = {
		.socket = env->socket,
		.memory_size = 32u << 20,
		.bus = {.versions = guest_profiles[0]->bus_versions,
			.monitor = true,
			.timeout_ms = answer_ms(env)},
		.work = env->work,
		.ctx = env->ctx,
	};
	int rc = guest_local_create(&opts, &h->local, err);

	if (rc != 0)
		return rc;
	h->bus = guest_local_bus(h->local);
	if (env->start != NULL) {
		rc = env->start(env->ctx, h->local);
		h->started = true;
	}
	if (rc == 0)
		rc = guest_bus_connect(h->bus, err);
	h->channel = rc == 0 ? guest_local_nic(h->local, WAIT_MS) : NULL;
	return rc;
}

static int set_up(struct hostile *h, struct err *err)
{
	struct guest_net_conf conf = {
		.recv_size = BUFFER,
		.send_size = BUFFER,
		.ring_pages = RING_PAGES,
		.timeout_ms = answer_ms(h->env),
		.n_queues = 2,
	};

	if (h->channel == NULL)
		return err_set(err, -ENODEV, SLUG, "no NIC is offered");
	return guest_net_create(h->channel, &conf, &h->net, err);
}

static void part(struct hostile *h)
{
	if (h->net != NULL)
		guest_net_destroy(h->net);
	else if (h->channel != NULL)
		guest_channel_close(h->channel);
	h->net = NULL;
	h->channel = NULL;
	if (h->local != NULL)
		(void)guest_bus_unload(h->bus);
	if (h->started && h->env->stop != NULL)
		h->env->stop(h->env->ctx);
	h->started = false;
	guest_local_destroy(h->local);
	h->local = NULL;
}

bool hostile_renew(struct hostile *h)
{
	struct err err;

	part(h);
	return contact(h, &err) == 0 && set_up(h, &err) == 0;
}

/* Does the host serve who is honest?  An attack may have made it take its time. */
static int honest(struct hostile *h, struct err *err)
{
	unsigned tries = HONEST_MS / WAIT_MS;
	uint32_t up, size, status;
	int rc;

	do {
		rc = contact(h, err);
		if (rc == 0)
			rc = set_up(h, err);
		if (rc == 0)
			rc = guest_net_query(h->net, 0x00010114, NULL, 0, &up, sizeof(up), &size,
					     &status);
		part(h);
	} while (rc != 0 && --tries > 0);
	return rc;
}

int hostile_run(const struct hostile_env *env, const struct hostile_attack *attack, struct err *err)
{
	struct hostile h = {.env = env,
			    .random = env->seed != 0 ? env->seed : 88172645463325252ull};
	int rc = contact(&h, err);

	if (rc == 0 && attack->net)
		rc = set_up(&h, err);
	if (rc != 0) {
		part(&h);
		return rc;
	}
	attack->run(&h);
	part(&h);
	return honest(&h, err);
}
