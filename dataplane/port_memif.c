/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports to other processes over memif: packet rings in shared memory, as VPP, containers and other
 * switches speak them.  Rings are memif_ring.h, the control socket memif_ctl.c.
 *
 * Queues: receive queue i of the port polls the peer's rings i, i + n_rxq, ...; transmit queues
 * (one for each possible worker) share the rings the other way.  A ring's lock is held for one
 * burst; a connection that ends takes every lock once, so no worker is inside when its memory goes.
 */
#include "dataplane/memif_priv.h"

#include "ctl/base/clock.h"
#include "dataplane/dp.h"
#include "dataplane/drop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#define DEFAULT_MTU  1500
#define MAX_MTU	     65500
#define DEFAULT_LOG2 10
#define MIN_BUFFER   2048u

struct memif_rxq {
	_Atomic uint16_t n;
	uint16_t next;
	struct dp_memif_ring *_Atomic rings[MEMIF_MAX_RINGS];
};

struct memif_txq {
	struct dp_memif_ring *_Atomic ring;
};

struct memif_port {
	struct dp_port *port;
	struct memif_ctl ctl;
	struct memif_rxq **rxq;
	struct memif_txq *txq;
	uint32_t n_faults; /* connections that ended because the peer broke its rings */
};

/* ---- Workers ---- */

static uint16_t ring_rx(struct dp_rxq *q, struct dp_memif_ring *r, struct rte_mbuf **pkts,
			uint16_t n)
{
	uint16_t malformed = 0, got = 0;

	/* Somebody else holds it: it comes or goes. */
	if (rte_spinlock_trylock(&r->lock) == 0)
		return 0;
	if (likely(r->live))
		got = dp_memif_rx(r, q->pool, pkts, n, &malformed);
	rte_spinlock_unlock(&r->lock);
	if (unlikely(malformed > 0))
		dp_rx_malformed(q, malformed);
	return got;
}

static uint16_t memif_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct memif_rxq *mq = q->priv;
	uint16_t got = 0, n_rings = atomic_load_explicit(&mq->n, memory_order_acquire);

	for (uint16_t i = 0; i < n_rings && got < n; i++) {
		uint16_t k = (uint16_t)((mq->next + i) % n_rings);

		got += ring_rx(q, atomic_load_explicit(&mq->rings[k], memory_order_relaxed),
			       pkts + got, n - got);
	}
	if (n_rings > 1)
		mq->next = (uint16_t)((mq->next + 1) % n_rings);
	return got;
}

static uint16_t memif_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct memif_txq *mq = q->priv;
	struct dp_memif_ring *r = atomic_load_explicit(&mq->ring, memory_order_relaxed);
	uint16_t sent = 0, too_big = 0;

	if (unlikely(r == NULL))
		return 0;
	rte_spinlock_lock(&r->lock);
	if (likely(r->live))
		sent = dp_memif_tx(r, pkts, n, &too_big);
	rte_spinlock_unlock(&r->lock);
	rte_pktmbuf_free_bulk(pkts, sent);
	if (unlikely(too_big > 0) && sent + too_big == n)
		q->refused = DP_DROP_TX_TOO_BIG;
	return sent;
}

/* ---- Control thread ---- */

/* Which rings we receive from and send to. */
static struct dp_memif_ring **incoming(struct memif_ctl *c, uint16_t *ret_n)
{
	*ret_n = c->conf.server ? c->n_c2s : c->n_s2c;
	return c->conf.server ? c->c2s : c->s2c;
}

static struct dp_memif_ring **outgoing(struct memif_ctl *c, uint16_t *ret_n)
{
	*ret_n = c->conf.server ? c->n_s2c : c->n_c2s;
	return c->conf.server ? c->s2c : c->c2s;
}

static void set_live(struct dp_memif_ring **rings, uint16_t n, bool live)
{
	for (uint16_t i = 0; i < n; i++) {
		if (rings[i] == NULL)
			continue;
		rte_spinlock_lock(&rings[i]->lock);
		rings[i]->live = live;
		rte_spinlock_unlock(&rings[i]->lock);
	}
}

static void map_queues(struct memif_port *mp)
{
	uint16_t n_in, n_out;
	struct dp_memif_ring **in = incoming(&mp->ctl, &n_in), **out = outgoing(&mp->ctl, &n_out);

	for (uint16_t i = 0; i < mp->port->n_rxq; i++) {
		uint16_t n = 0;

		for (uint16_t k = i; k < n_in; k += mp->port->n_rxq)
			atomic_store(&mp->rxq[i]->rings[n++], in[k]);
		atomic_store(&mp->rxq[i]->n, n);
	}
	for (uint16_t i = 0; i < mp->port->n_txq; i++)
		atomic_store(&mp->txq[i].ring, n_out > 0 ? out[i % n_out] : NULL);
}

static void connection_stands(void *arg)
{
	struct memif_port *mp = arg;

	set_live(mp->ctl.c2s, MEMIF_MAX_RINGS, false);
	set_live(mp->ctl.s2c, MEMIF_MAX_RINGS, false);
	set_live(mp->ctl.c2s, mp->ctl.n_c2s, true);
	set_live(mp->ctl.s2c, mp->ctl.n_s2c, true);
	map_queues(mp);
	atomic_store(&mp->port->link_up, true);
}

static void connection_ended(void *arg)
{
	struct memif_port *mp = arg;

	atomic_store(&mp->port->link_up, false);
	set_live(mp->ctl.c2s, MEMIF_MAX_RINGS, false);
	set_live(mp->ctl.s2c, MEMIF_MAX_RINGS, false);
}

/* "id=7,secret=abc", in any order. */
static int parse_args(const char *text, struct memif_conf *conf, struct err *err)
{
	char copy[320], *save = NULL, *end;

	if (text == NULL)
		return 0;
	if (strlen(text) >= sizeof(copy))
		return err_set(err, -EINVAL, "memif-arguments", "memif arguments are too long");
	strcpy(copy, text);
	for (char *w = strtok_r(copy, ",", &save); w != NULL; w = strtok_r(NULL, ",", &save)) {
		if (strncmp(w, "id=", 3) == 0) {
			unsigned long id = strtoul(w + 3, &end, 10);

			if (end == w + 3 || *end != '\0' || id > UINT32_MAX || w[3] == '-')
				return err_set(err, -EINVAL, "memif-arguments",
					       "memif id '%s' is no number", w + 3);
			conf->id = (uint32_t)id;
		} else if (strncmp(w, "secret=", 7) == 0) {
			if (w[7] == '\0' || strlen(w + 7) > MEMIF_SECRET_SIZE)
				return err_set(err, -EINVAL, "memif-arguments",
					       "a memif secret is 1 to %d bytes",
					       MEMIF_SECRET_SIZE);
			strcpy(conf->secret, w + 7);
		} else {
			return err_set(err, -EINVAL, "memif-arguments",
				       "unknown memif argument '%s'", w);
		}
	}
	return 0;
}

static void apply_mtu(struct dp_port *port, uint16_t mtu)
{
	struct memif_port *mp = port->priv;
	uint32_t frame = RTE_ALIGN_CEIL((uint32_t)mtu + RTE_ETHER_HDR_LEN + 2 * 4, 64);

	mp->ctl.conf.buffer_size = RTE_MAX(frame, MIN_BUFFER);
	/* Frames that are longer than a buffer are too much for some servers. */
	if (!mp->ctl.conf.server && mp->ctl.connected &&
	    mp->ctl.conf.buffer_size > mp->ctl.buffer_size)
		memif_ctl_end(&mp->ctl, "the MTU has changed");
	port->mtu = mtu;
	atomic_store(&port->max_frame, (uint16_t)(mtu + RTE_ETHER_HDR_LEN));
}

static int check_socket(const char *socket, struct err *err)
{
	struct memif_conf conf;

	if (socket == NULL || (socket[0] != '/' && socket[0] != '@') || socket[1] == '\0')
		return err_set(err, -EINVAL, "memif-socket",
			       "a memif port needs a socket ('/path' or '@name')");
	if (strlen(socket) >= sizeof(conf.socket))
		return err_set(err, -ENAMETOOLONG, "memif-socket",
			       "memif socket of %zu bytes: at most %zu", strlen(socket),
			       sizeof(conf.socket) - 1);
	return 0;
}

/* What of the configuration was asked for. */
static int read_opts(const struct dp_port_opts *opts, struct memif_conf *conf, struct err *err)
{
	int rc = check_socket(opts->socket, err);

	if (rc == 0)
		rc = parse_args(opts->devargs, conf, err);
	if (rc == 0 && opts->mtu != 0)
		rc = dp_mtu_check(opts->mtu, MAX_MTU, err);
	if (rc != 0)
		return rc;
	strcpy(conf->socket, opts->socket);
	snprintf(conf->name, sizeof(conf->name), "%.31s", opts->name);
	conf->server = opts->server;
	return 0;
}

static int memif_check(const struct dp_port_opts *opts, struct err *err)
{
	struct memif_conf conf = {0};
	int rc = read_opts(opts, &conf, err);

	return rc != 0 ? rc : memif_ctl_check(&conf, err);
}

static int configure(struct memif_port *mp, const struct dp_port_opts *opts, struct err *err)
{
	struct memif_conf *conf = &mp->ctl.conf;
	uint32_t n_desc = opts->n_desc != 0 ? opts->n_desc : 1u << DEFAULT_LOG2;
	uint32_t n = opts->n_queues != 0 ? opts->n_queues : RTE_MAX(1u, dp_n_workers(mp->port->dp));
	int rc = read_opts(opts, conf, err);

	if (rc != 0)
		return rc;
	conf->n_rings = (uint16_t)RTE_MIN(n, (uint32_t)MEMIF_MAX_RINGS);
	n_desc = RTE_MIN(n_desc, 1u << MEMIF_MAX_LOG2_RING);
	for (conf->log2_ring_size = 5; (1u << conf->log2_ring_size) < n_desc;)
		conf->log2_ring_size++;
	return 0;
}

static int make_queues(struct memif_port *mp)
{
	struct dp_port *port = mp->port;
	struct rte_mempool *pool = dp_pool(port->dp, 0, false);
	uint16_t n = mp->ctl.conf.n_rings;

	if (pool == NULL || dp_port_alloc_queues(port, n, DP_MAX_QUEUES) != 0)
		return -ENOMEM;
	mp->rxq = calloc(n, sizeof(struct memif_rxq *));
	mp->txq = calloc(DP_MAX_QUEUES, sizeof(*mp->txq));
	if (mp->rxq == NULL || mp->txq == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < n; i++) {
		mp->rxq[i] = calloc(1, sizeof(*mp->rxq[i]));
		if (mp->rxq[i] == NULL)
			return -ENOMEM;
		port->rxq[i].priv = mp->rxq[i];
		port->rxq[i].pool = pool;
	}
	for (uint16_t i = 0; i < DP_MAX_QUEUES; i++)
		port->txq[i].priv = &mp->txq[i];
	return 0;
}

static void port_free(struct memif_port *mp)
{
	for (uint16_t i = 0; mp->rxq != NULL && i < mp->ctl.conf.n_rings; i++)
		free(mp->rxq[i]);
	free(mp->rxq);
	free(mp->txq);
	mp->port->priv = NULL;
	free(mp);
}

static int memif_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	struct memif_port *mp = calloc(1, sizeof(*mp));
	int rc;

	if (mp == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	mp->port = port;
	mp->ctl.fd = -1;
	mp->ctl.stands = connection_stands;
	mp->ctl.ended = connection_ended;
	mp->ctl.arg = mp;
	port->priv = mp;
	rc = configure(mp, opts, err);
	if (rc == 0 && make_queues(mp) != 0)
		rc = err_set(err, -ENOMEM, "no-memory", "no memory for %u queues",
			     mp->ctl.conf.n_rings);
	if (rc == 0)
		rc = memif_ctl_open(&mp->ctl, err);
	if (rc != 0) {
		port_free(mp);
		return rc;
	}
	apply_mtu(port, opts->mtu != 0 ? opts->mtu : DEFAULT_MTU);
	port->mac = opts->has_mac ? opts->mac : (struct rte_ether_addr){{0}};
	port->tx_caps = DP_TX_CHAIN;
	snprintf(port->driver, sizeof(port->driver), "memif");
	return 0;
}

static void memif_close(struct dp_port *port)
{
	struct memif_port *mp = port->priv;

	if (mp == NULL)
		return;
	memif_ctl_close(&mp->ctl);
	port_free(mp);
}

static int memif_set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	int rc = dp_mtu_check(mtu, MAX_MTU, err);

	if (rc == 0)
		apply_mtu(port, mtu);
	return rc;
}

static int memif_set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	port->mac = *mac;
	return 0;
}

static enum dp_memif_fault fault_of(struct dp_memif_ring *const *rings, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (rings[i]->fault != DP_MEMIF_NONE)
			return (enum dp_memif_fault)rings[i]->fault;
	return DP_MEMIF_NONE;
}

/* Empty pages look like all kinds of faults: what made them is the reason. */
static enum dp_memif_fault find_fault(const struct memif_ctl *c)
{
	enum dp_memif_fault fault = fault_of(c->c2s, c->n_c2s);

	if (atomic_load(&c->regions.lost))
		return DP_MEMIF_LOST;
	return fault != DP_MEMIF_NONE ? fault : fault_of(c->s2c, c->n_s2c);
}

static void memif_link(struct dp_port *port, struct dp_link *ret_link)
{
	struct memif_port *mp = port->priv;
	struct memif_ctl *c = &mp->ctl;

	enum dp_memif_fault fault = c->connected ? find_fault(c) : DP_MEMIF_NONE;

	if (fault != DP_MEMIF_NONE) {
		mp->n_faults++;
		memif_ctl_end(c, dp_memif_fault_text(fault));
		c->tried_ns = clock_mono_ns(); /* Somebody may want to read why. */
	}
	memif_ctl_poll(c, clock_mono_ns());
	*ret_link = (struct dp_link){.up = c->connected, .full_duplex = true};
	if (c->connected)
		return;
	if (c->reason[0] != '\0')
		snprintf(ret_link->reason, sizeof(ret_link->reason), "%.95s", c->reason);
	else
		snprintf(ret_link->reason, sizeof(ret_link->reason), "%s",
			 c->fd >= 0	  ? "the peer has not finished connecting"
			 : c->conf.server ? "no peer has connected yet"
					  : "no peer yet");
}

static void show_rings(json_t *list, const struct memif_ctl *c, bool c2s)
{
	uint16_t n = c2s ? c->n_c2s : c->n_s2c;

	for (uint16_t i = 0; i < n; i++) {
		const struct dp_memif_ring *r = c2s ? c->c2s[i] : c->s2c[i];

		json_array_append_new(list,
				      json_pack("{si ss si sI sI}", "ring", i, "direction",
						c2s == c->conf.server ? "from-peer" : "to-peer",
						"size", r->mask + 1, "signals",
						(json_int_t)r->signals, "malformed",
						(json_int_t)r->malformed));
	}
}

static json_t *memif_show(struct dp_port *port)
{
	const struct memif_port *mp = port->priv;
	const struct memif_ctl *c = &mp->ctl;
	json_t *rings = json_array();

	if (c->connected) {
		show_rings(rings, c, true);
		show_rings(rings, c, false);
	}
	return json_pack("{ss ss ss sI sb ss si si so}", "driver", "memif", "socket",
			 c->conf.socket, "mode", c->conf.server ? "server" : "client", "id",
			 (json_int_t)c->conf.id, "connected", c->connected, "peer",
			 c->connected ? c->peer : "", "connections", (int)c->n_connects, "faults",
			 (int)mp->n_faults, "rings", rings);
}

const struct dp_port_ops dp_port_memif_ops = {
	.kind = "memif",
	.check = memif_check,
	.open = memif_open,
	.close = memif_close,
	.set_mtu = memif_set_mtu,
	.set_mac = memif_set_mac,
	.link = memif_link,
	.show = memif_show,
	.rx = memif_rx,
	.tx = memif_tx,
};
