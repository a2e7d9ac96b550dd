/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A memif port between its two halves: port_memif.c (frames, link) and the control socket
 * (memif_ctl.c, memif_client.c, memif_server.c, memif_listen.c, memif_msg.c).
 */
#ifndef DATAPLANE_MEMIF_PRIV_H
#define DATAPLANE_MEMIF_PRIV_H

#include "dataplane/memif_ring.h"
#include "dataplane/port.h"

#include <stdatomic.h>
#include <sys/socket.h>

#define MEMIF_MAX_RINGS 64 /* each way */

struct memif_listener;
struct sockaddr_un;

/* What is asked for. */
struct memif_conf {
	char socket[108]; /* "/path" or "@name" */
	bool server;
	uint32_t id;
	char secret[MEMIF_SECRET_SIZE + 1];
	uint16_t n_rings; /* client: each way */
	uint8_t log2_ring_size;
	/* Client: a frame of the MTU fits, for DPDK's server overruns its buffers with chains. */
	uint32_t buffer_size;
	char name[32];
};

/* One end of a connection.  Control thread. */
struct memif_ctl {
	struct memif_conf conf;
	int fd;	      /* -1: no connection */
	bool greeted; /* client: HELLO came; server: INIT was accepted */
	bool connected;
	uint64_t tried_ns;
	struct memif_listener *listener; /* server */
	char peer[33];			 /* its name */
	char reason[100];		 /* why the last connection ended, or none came */
	uint32_t n_connects;
	uint32_t buffer_size;		 /* client: of this connection */
	uint8_t log2_ring_size;		 /* client: of this connection */
	struct dp_memif_regions regions; /* client: our own, one */
	uint16_t n_c2s, n_s2c;
	struct dp_memif_ring *c2s[MEMIF_MAX_RINGS], *s2c[MEMIF_MAX_RINGS]; /* kept till the end */
	struct memif_add_ring offered[2][MEMIF_MAX_RINGS]; /* server: [is C2S][index] */
	/* The owner's: a connection stands or ends.  Rings are ready; no worker may be left in one
	 * when 'ended' returns. */
	void (*stands)(void *arg);
	void (*ended)(void *arg);
	void *arg;
};

/* Would memif_ctl_open() refuse this, as far as can be told without touching anything? */
int memif_ctl_check(const struct memif_conf *conf, struct err *err);
/* Starts listening, or trying.  0 or negative errno. */
int memif_ctl_open(struct memif_ctl *c, struct err *err);
void memif_ctl_close(struct memif_ctl *c);
/* Does what there is to do; never blocks. */
void memif_ctl_poll(struct memif_ctl *c, uint64_t now_ns);
/* Ends the connection, telling the peer why. */
void memif_ctl_end(struct memif_ctl *c, const char *why);
/* One message of the peer, with its file or -1.  Takes the file.  May end the connection. */
void memif_ctl_message(struct memif_ctl *c, const struct memif_msg *msg, int passed_fd);

/* ---- Between the files of the control socket ---- */

/* Why there is no connection. */
__attribute__((format(printf, 2, 3))) void memif_say(struct memif_ctl *c, const char *fmt, ...);
/* Ends what there is of a connection. */
void memif_ctl_drop(struct memif_ctl *c);
void memif_ctl_connected(struct memif_ctl *c);
/* Maps 'size' bytes of 'fd' as the next region.  Takes the file if it is to be kept, and nothing on
 * failure: negative errno. */
int memif_region_add(struct memif_ctl *c, int fd, uint64_t size, bool keep_fd);
/* The ring at *slot, made if there is none.  NULL: no memory. */
struct dp_memif_ring *memif_ring_get(struct dp_memif_ring **slot);

/* The address of "/path" or "@name"; its size. */
socklen_t memif_address(const char *name, struct sockaddr_un *ret);
int memif_socket(void);
/* 0 or -EPIPE.  Never blocks.  'pass_fd' -1: none. */
int memif_send(int fd, const struct memif_msg *msg, int pass_fd);
int memif_send_type(int fd, enum memif_type type);
/* DISCONNECT, to be followed by close(). */
void memif_send_end(int fd, const char *why);
/* 1: a message, *ret_fd its file or -1.  0: none now.  Negative: the connection is over. */
int memif_receive(int fd, struct memif_msg *ret, int *ret_fd);
/* What a peer calls itself: printable, and ended. */
void memif_copy_name(char *to, size_t size, const char *from, size_t max);

/* Answers of client and server: 0; negative errno ends the connection.  The server takes *fd when
 * it keeps it, and leaves -1. */
int memif_client_message(struct memif_ctl *c, const struct memif_msg *msg);
int memif_server_message(struct memif_ctl *c, const struct memif_msg *msg, int *fd);
void memif_client_try(struct memif_ctl *c, uint64_t now_ns);

int memif_listen_check(const struct memif_conf *conf, struct err *err);
int memif_listen(struct memif_ctl *c, struct err *err);
void memif_unlisten(struct memif_ctl *c);
void memif_listener_poll(struct memif_listener *l, uint64_t now_ns);

#endif
