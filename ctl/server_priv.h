/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the control server share.  The server owns its connections, a connection its
 * streams and its two buffers.  Only a connection's own events destroy it (and the server's end),
 * so that a handler, which runs inside one, may do to any stream whatever server.h allows.
 *
 * 	server.c         start and end, bindings, counters, accepting
 * 	server_path.c    the socket in the file system: one daemon a path
 * 	server_access.c  who may connect
 * 	server_conn.c    a connection: when it reads, works, writes and ends
 * 	server_input.c   bytes and descriptors into messages
 * 	server_output.c  messages into bytes
 * 	server_call.c    one message: parse, find, check, run, answer
 * 	server_stream.c  notifications
 * 	server_late.c    answers that take time
 */
#ifndef CTL_SERVER_PRIV_H
#define CTL_SERVER_PRIV_H

#include "ctl/base/unix_socket.h"
#include "ctl/jsonrpc.h"
#include "ctl/server.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define CTL_SCRATCH_SIZE   (64 * 1024)	 /* One read. */
#define CTL_OUT_PAUSE	   (256 * 1024)	 /* With so much unsent, a client's next call waits. */
#define CTL_STREAM_BOUND   (1024 * 1024) /* With so much unsent, notifications are lost. */
#define CTL_FLUSH_BURST	   (1024 * 1024) /* Written to one client before others have their turn. */
#define CTL_CALLS_PER_TURN 16
#define CTL_MAX_STREAMS	   16 /* Of one client. */
#define CTL_MAX_LATES	   16 /* Of one client. */
#define CTL_MAX_HELD_FDS   64 /* Received and not yet taken, all clients together. */
#define CTL_MAX_IN	   (64u * 1024 * 1024)	/* Unfinished messages, all clients together. */
#define CTL_MAX_OUT	   (128u * 1024 * 1024) /* Unsent answers, all clients together. */

struct event;
struct evbuffer;

struct ctl_counters {
	uint64_t accepted, refused, evicted; /* connections */
	uint64_t calls, errors;		     /* of those, answered with an error */
	uint64_t garbage, invalid, oversized, timeouts, stalled,
		busy;		      /* messages and clients that were turned away */
	uint64_t notifications, lost; /* of streams */
	uint64_t fds_closed;	      /* descriptors nobody took */
};

struct ctl_bound {
	const struct ctl_spec *spec;
	ctl_handler_fn fn;
	void *ctx;
};

struct ctl_conn;
TAILQ_HEAD(ctl_conns, ctl_conn);
TAILQ_HEAD(ctl_streams, ctl_stream);
TAILQ_HEAD(ctl_lates, ctl_late);

struct ctl_server {
	struct event_base *base;
	struct ctl_server_opts opts; /* Without 0s.  'path' is ours, 'group' is not kept. */
	char *path;
	int lock_fd;
	struct unix_socket socket;
	gid_t gid;
	bool has_group;
	struct event *accept, *accept_again;

	struct ctl_bound *bounds;
	size_t n_bounds;
	struct ctl_conns conns; /* The one that was idle longest first. */
	unsigned n_conns, n_streams, n_held_fds;
	size_t n_in, n_out; /* Bytes, all clients together. */
	struct ctl_counters counters;
	char scratch[CTL_SCRATCH_SIZE];
};

struct ctl_conn {
	TAILQ_ENTRY(ctl_conn) link;
	struct ctl_server *server;
	int fd;
	struct ucred cred;
	uint64_t active_ns; /* When it last did something. */
	struct event *readable, *writable;
	struct event *more;  /* Takes the rest of what was read, after others had their turn. */
	struct event *late;  /* A message was begun and is not here. */
	struct event *stall; /* An answer is not being read. */

	/* [start,size): not yet handled, of which [start,scanned) has no newline. */
	char *in;
	size_t start, scanned, size, capacity;
	int fds[JSONRPC_MAX_FDS];
	unsigned n_fds;

	struct evbuffer *out;
	struct ctl_streams streams;
	unsigned n_streams;
	struct ctl_lates lates;
	unsigned n_lates;
	bool pending; /* 'in' may hold whole messages that wait for their turn. */
	bool eof;     /* The client sends no more. */
	bool closing; /* Ends as soon as 'out' is sent. */
	bool dead;    /* Ends now. */
};

struct ctl_call {
	struct ctl_conn *conn;
	const struct ctl_spec *spec;
	const struct jsonrpc_request *request;
	int fds[JSONRPC_MAX_FDS]; /* -1: taken */
	unsigned n_fds;
	struct evbuffer *early; /* What its streams say before the answer. */
	struct ctl_late *late;	/* It will be answered by this. */
};

struct ctl_stream {
	TAILQ_ENTRY(ctl_stream) link;
	struct ctl_conn *conn;
	const struct ctl_spec *spec;
	struct ctl_call *call; /* Until it is answered. */
	json_t *id;
	uint64_t lost; /* Not yet told. */
	void (*on_close)(void *arg);
	void *arg;
};

struct ctl_late {
	TAILQ_ENTRY(ctl_late) link;
	struct ctl_conn *conn;
	json_t *id;
	void (*on_gone)(void *arg);
	void *arg;
};

/* server_path.c */
int ctl_path_listen(struct ctl_server *server, struct err *err);
void ctl_path_close(struct ctl_server *server);

/* server_access.c */
int ctl_group_find(const char *group, gid_t *ret_gid, struct err *err);
/* May the process at the other end of 'fd' use the socket? */
bool ctl_access_allowed(const struct ctl_server *server, int fd, const struct ucred *cred);

/* server_conn.c */
int ctl_conn_create(struct ctl_server *server, int fd, const struct ucred *cred);
void ctl_conn_destroy(struct ctl_conn *conn);
/* Makes room by closing the client that was idle longest.  False: none idles. */
bool ctl_conn_evict(struct ctl_server *server);

/* server_input.c */
/* Reads once.  Sets 'eof', 'dead', or answers what is over a limit and sets 'closing'. */
void ctl_input_read(struct ctl_conn *conn);
/* The next whole message without its newline, valid until the next read; NULL: none. */
char *ctl_input_line(struct ctl_conn *conn, size_t *ret_size);
/* After lines were taken: forgets them, checks the rest against the limits. */
void ctl_input_compact(struct ctl_conn *conn);
void ctl_input_drop(struct ctl_conn *conn);

/* server_output.c */
size_t ctl_output_size(const struct ctl_conn *conn);
/* Sends some.  Sets 'dead' when the client is gone. */
void ctl_output_flush(struct ctl_conn *conn);
/* Takes 'message' (NULL: out of memory, then the client is closed). */
void ctl_output_put(struct ctl_conn *conn, json_t *message);
void ctl_output_put_text(struct ctl_conn *conn, char *text /* takes */);
void ctl_output_move(struct ctl_conn *conn, struct evbuffer *from);
/* An error that belongs to no call; the connection ends after it. */
void ctl_output_end(struct ctl_conn *conn, enum jsonrpc_code code, const struct err *err);
void ctl_output_drop(struct ctl_conn *conn);

/* server_call.c */
void ctl_call_run(struct ctl_conn *conn, const char *text, size_t size);
void ctl_fds_close(struct ctl_server *server, int *fds, unsigned n_fds);

/* server_stream.c */
/* The call is answered: its streams may speak.  'keep' false: they end. */
void ctl_stream_answered(struct ctl_call *call, bool keep);
/* There is room again: tells what was lost. */
void ctl_stream_drained(struct ctl_conn *conn);
/* Ends all, silently. */
void ctl_stream_drop(struct ctl_conn *conn);

/* server_late.c */
/* The call is answered after all. */
void ctl_late_forget(struct ctl_call *call);
/* Nobody is there any more. */
void ctl_late_drop(struct ctl_conn *conn);

#endif
