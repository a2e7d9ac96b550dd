/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A connection on libevent's bufferevent; see channel.h.
 *
 * Reading stops by three brakes, each looked at by settle() after every event: the input buffer has
 * a high mark, a turn has a budget ('more' takes the rest after others had their turn), and too
 * much unsent output pauses both.  A peer is alive as long as it sends, or, while it is paused, as
 * long as it reads.
 */
#include "vswitch/channel.h"

#include "ctl/base/clock.h"
#include "vswitch/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#define IN_MAX	     (2u * (OF_MSG_MAX + 1)) /* one message, and the next while it is handled */
#define OUT_LOW	     (VS_CHANNEL_PAUSE / 4)
#define TURN_MAX     64
#define TURN_NS	     2000000u
#define HELLO_PROBES 2	  /* intervals, for a peer to say hello */
#define LINGER_MS    2000 /* for the last words of a connection that ends */
#define ERRORS_A_S   50	  /* answers to garbage, a second */
#define VERSION_BITS (1u << OF_VERSION_13)

/* The channel as only this file sees it. */
struct io {
	struct vs_channel ch; /* first */
	struct vs_channel_opts opts;
	struct bufferevent *bev;
	struct event *more;  /* the rest of what was read, or the end */
	struct event *timer; /* probes, and patience */
	uint64_t created_ns;
	uint64_t alive_ns; /* the peer's last sign of life */
	uint64_t error_window_ns;
	unsigned n_errors; /* in this window */
	size_t waiting;	   /* at the last look */
	bool paused;	   /* for what waits */
	bool pending;	   /* a budget was used up */
	bool probed;
	const char *eof; /* the peer sends no more; what it sent is still followed */
	bool ending;	 /* no more is read; ends when all is sent */
	bool dead;
	uint64_t ending_ns;
	char reason[VS_CHANNEL_REASON_MAX];
};

static struct io *io_of(struct vs_channel *ch)
{
	return (struct io *)ch;
}

void vs_channel_counts_add(struct vs_channel_counts *to, const struct vs_channel_counts *from)
{
	to->rx_messages += from->rx_messages;
	to->tx_messages += from->tx_messages;
	to->dropped += from->dropped;
	to->garbage += from->garbage;
	to->errors += from->errors;
}

size_t vs_channel_waiting(const struct vs_channel *ch)
{
	const struct io *io = (const struct io *)ch;

	return evbuffer_get_length(bufferevent_get_output(io->bev));
}

/* NULL: the reason was said before. */
static void die(struct io *io, const char *reason)
{
	if (reason != NULL && io->reason[0] == '\0')
		snprintf(io->reason, sizeof(io->reason), "%s", reason);
	io->dead = true;
	io->ch.up = false;
	bufferevent_disable(io->bev, EV_READ | EV_WRITE);
	event_active(io->more, EV_TIMEOUT, 1);
}

void vs_channel_end(struct vs_channel *ch, const char *reason)
{
	struct io *io = io_of(ch);

	if (io->dead || io->ending)
		return;
	snprintf(io->reason, sizeof(io->reason), "%s", reason);
	io->ending = true;
	io->ch.up = false;
	io->ending_ns = clock_mono_ns();
	bufferevent_disable(io->bev, EV_READ);
	if (vs_channel_waiting(ch) == 0)
		die(io, NULL);
}

/* Also before hello and after the end: for our own words. */
static void put(struct io *io, const void *msgs, size_t size)
{
	if (io->dead)
		return;
	if (vs_channel_waiting(&io->ch) + size > VS_CHANNEL_MAX_OUT) {
		die(io, "it does not read its answers");
		return;
	}
	if (bufferevent_write(io->bev, msgs, size) != 0) {
		die(io, "no memory for what is to be sent");
		return;
	}
	io->ch.counts.tx_messages++;
}

static void put_wr(struct io *io, struct wr *wr)
{
	if (wr_ok(wr))
		put(io, wr->bytes, wr->size);
	wr_fini(wr);
}

/* How many whole messages: ours, so their lengths are right. */
static unsigned count_messages(const uint8_t *msgs, size_t size)
{
	unsigned n = 0;
	struct of_header header;

	for (; of_header_decode(msgs, size, &header) == OF_OK && header.size <= size; n++) {
		msgs += header.size;
		size -= header.size;
	}
	return n;
}

void vs_channel_send(struct vs_channel *ch, const void *msgs, size_t size, bool may_drop)
{
	struct io *io = io_of(ch);
	unsigned n = count_messages(msgs, size);

	if (!ch->up || size == 0)
		return;
	if (may_drop && vs_channel_waiting(ch) + size > VS_CHANNEL_MAX_ASYNC) {
		ch->counts.dropped += n;
		return;
	}
	put(io, msgs, size);
	if (n > 1)
		ch->counts.tx_messages += n - 1;
}

/* An answer to garbage, a few a second. */
static void refuse(struct io *io, enum of_error error, const uint8_t *msg, size_t size)
{
	uint64_t now = clock_mono_ns();
	struct wr wr = wr_init(OF_MSG_MAX);

	io->ch.counts.garbage++;
	if (now - io->error_window_ns >= 1000000000u) {
		io->error_window_ns = now;
		io->n_errors = 0;
	}
	if (io->n_errors++ >= ERRORS_A_S)
		return;
	of_error_reply(&wr, error, msg, size);
	put_wr(io, &wr);
}

static void refuse_hello(struct io *io, const struct of_header *header, const char *text)
{
	struct of_error_msg msg = {.type = OFPET_HELLO_FAILED,
				   .code = 0, /* OFPHFC_INCOMPATIBLE */
				   .data = (const uint8_t *)text,
				   .data_size = strlen(text)};
	struct wr wr = wr_init(OF_MSG_MAX);

	io->ch.counts.garbage++;
	of_error_encode(&wr, header->xid, &msg);
	put_wr(io, &wr);
	vs_channel_end(&io->ch, text);
}

static void hello(struct io *io, const struct of_header *header, struct rd *rd)
{
	struct of_hello peer;
	char text[VS_CHANNEL_REASON_MAX];

	(void)of_hello_decode(header, rd, &peer);
	if ((peer.versions & VERSION_BITS) == 0) {
		snprintf(text, sizeof(text),
			 "this switch speaks OpenFlow 1.3 only; the peer offers versions 0x%x",
			 peer.versions);
		refuse_hello(io, header, text);
		return;
	}
	io->ch.up = true;
	io->ch.since_ns = clock_mono_ns();
	if (io->opts.ops->up != NULL)
		io->opts.ops->up(io->opts.ctx, &io->ch);
}

/* The peer's own words, when they are words. */
static void refused_by_peer(struct io *io, struct rd *rd)
{
	struct of_error_msg msg = {0};
	char text[VS_CHANNEL_REASON_MAX];
	char words[64] = "";

	if (of_error_decode(rd, &msg) == OF_OK && msg.type == OFPET_HELLO_FAILED)
		for (size_t i = 0; i < msg.data_size && i < sizeof(words) - 1; i++)
			words[i] = (char)(msg.data[i] >= 0x20 && msg.data[i] < 0x7f ? msg.data[i]
										    : '.');
	snprintf(text, sizeof(text), "the peer refused our hello%s%s", words[0] != '\0' ? ": " : "",
		 words);
	vs_channel_end(&io->ch, text);
}

static void first_message(struct io *io, const struct of_header *header, struct rd *rd)
{
	if (header->type == OFPT_HELLO)
		hello(io, header, rd);
	else if (header->type == OFPT_ERROR)
		refused_by_peer(io, rd);
	else
		refuse_hello(io, header, "the first message was not hello");
}

static void message(struct io *io, const struct of_header *header, const uint8_t *msg)
{
	struct rd rd = rd_init(msg + OF_HEADER_SIZE, header->size - OF_HEADER_SIZE);
	struct wr wr = wr_init(OF_MSG_MAX);

	io->ch.counts.rx_messages++;
	if (!io->ch.up) {
		first_message(io, header, &rd);
	} else if (header->type == OFPT_HELLO) {
		/* A second one says nothing new (6.3.1). */
	} else if (header->version != OF_VERSION_13) {
		refuse(io, OFPBRC_BAD_VERSION, msg, header->size);
	} else if (header->type == OFPT_ECHO_REQUEST) {
		of_echo_encode(&wr, OFPT_ECHO_REPLY, header->xid, rd.at, rd.left);
		put_wr(io, &wr);
	} else if (header->type == OFPT_ERROR) {
		io->ch.counts.errors++;
	} else if (header->type != OFPT_ECHO_REPLY) {
		io->opts.ops->message(io->opts.ctx, &io->ch, header, msg);
	}
}

/* The next whole message, or NULL: none yet, or none any more. */
static const uint8_t *next_message(struct io *io, struct of_header *ret_header)
{
	struct evbuffer *in = bufferevent_get_input(io->bev);
	size_t size = evbuffer_get_length(in);
	uint8_t start[OF_HEADER_SIZE];
	const uint8_t *msg;

	if (size < sizeof(start))
		return NULL;
	evbuffer_copyout(in, start, sizeof(start));
	if (of_header_decode(start, sizeof(start), ret_header) != OF_OK) {
		/* Where the next begins nobody knows. */
		refuse(io, OFPBRC_BAD_LEN, start, sizeof(start));
		vs_channel_end(&io->ch, "a message shorter than its header");
		return NULL;
	}
	if (size < ret_header->size)
		return NULL;
	msg = evbuffer_pullup(in, ret_header->size);
	if (msg == NULL)
		vs_channel_end(&io->ch, "no memory for a message");
	return msg;
}

/* Must the peer read first?  A long answer goes on when nearly all of it is sent. */
static bool is_full(const struct io *io)
{
	size_t waiting = vs_channel_waiting(&io->ch);

	return waiting >= VS_CHANNEL_PAUSE || (io->ch.busy && waiting > OUT_LOW);
}

/* Takes messages until there is none, or it is the others' turn. */
static void turn(struct io *io)
{
	struct evbuffer *in = bufferevent_get_input(io->bev);
	uint64_t start_ns = clock_mono_ns();
	struct of_header header;
	const uint8_t *msg;

	io->pending = false;
	for (unsigned n = 0; !io->ending && !io->dead; n++) {
		if (n == TURN_MAX || (n != 0 && clock_mono_ns() - start_ns > TURN_NS) ||
		    is_full(io)) {
			io->pending = true;
			return;
		}
		if (io->ch.busy) {
			io->opts.ops->drained(io->opts.ctx, &io->ch);
			continue;
		}
		msg = next_message(io, &header);
		if (msg == NULL)
			return;
		message(io, &header, msg);
		evbuffer_drain(in, header.size);
	}
}

/* Decides what is waited for next.  The last thing that an event does. */
static void settle(struct io *io)
{
	const struct timeval now = {0, 0};

	if (io->dead)
		return;
	if (io->ending) {
		if (vs_channel_waiting(&io->ch) == 0)
			die(io, NULL);
		else
			bufferevent_setwatermark(io->bev, EV_WRITE, 0, 0);
		return;
	}
	io->paused = is_full(io);
	if (io->eof != NULL && !io->pending) {
		vs_channel_end(&io->ch, io->eof);
		return;
	}
	if (io->paused || io->pending || io->eof != NULL)
		bufferevent_disable(io->bev, EV_READ);
	else
		bufferevent_enable(io->bev, EV_READ);
	if (io->pending && !io->paused)
		evtimer_add(io->more, &now);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct io *io = arg;

	io->alive_ns = clock_mono_ns();
	io->probed = false;
	if (!io->pending && !io->paused)
		turn(io);
	settle(io);
}

/* Little waits now: what was paused goes on. */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct io *io = arg;

	if (io->paused && !io->ending) {
		io->alive_ns = clock_mono_ns();
		io->paused = false;
		turn(io);
	}
	settle(io);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct io *io = arg;
	char text[VS_CHANNEL_REASON_MAX];

	if (what & BEV_EVENT_EOF) {
		io->eof = io->ch.up ? "the peer closed the connection"
				    : "the peer closed the connection before hello";
		settle(io);
	} else if (what & BEV_EVENT_ERROR) {
		int code = EVUTIL_SOCKET_ERROR();

		if (!vs_tls_why(bev, text, sizeof(text)))
			snprintf(text, sizeof(text), "%s",
				 code != 0 ? evutil_socket_error_to_string(code)
					   : "the connection broke");
		die(io, text);
	}
}

/* The rest of what was read; or, when it is dead, its end. */
static void on_more(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;

	if (io->dead) {
		io->opts.ops->gone(io->opts.ctx, &io->ch, io->reason);
		vs_channel_destroy(&io->ch);
		return;
	}
	turn(io);
	settle(io);
}

static void probe(struct io *io)
{
	struct wr wr = wr_init(OF_MSG_MAX);

	io->probed = true;
	of_echo_encode(&wr, OFPT_ECHO_REQUEST, 0, NULL, 0);
	put_wr(io, &wr);
}

/* While it is paused nothing is read, so then what it takes is its sign of life. */
static void look_for_life(struct io *io, uint64_t now)
{
	size_t waiting = vs_channel_waiting(&io->ch);

	if (io->paused ? waiting < io->waiting : io->pending)
		io->alive_ns = now;
	io->waiting = waiting;
}

/* Several times in each probe interval. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;
	uint64_t now = clock_mono_ns(), probe_ns = io->opts.probe_ms * 1000000ull, silent;
	char text[VS_CHANNEL_REASON_MAX];

	if (io->dead)
		return;
	look_for_life(io, now);
	silent = now - io->alive_ns;
	if (io->ending) {
		if (now - io->ending_ns > LINGER_MS * 1000000ull)
			die(io, NULL);
	} else if (!io->ch.up) {
		if (now - io->created_ns > HELLO_PROBES * probe_ns)
			die(io, "no hello came");
	} else if (silent > VS_CHANNEL_N_SILENT * probe_ns) {
		snprintf(text, sizeof(text), "%s for %u s",
			 io->paused ? "it does not read its answers" : "no answer to echo requests",
			 (unsigned)(silent / 1000000000u));
		die(io, text);
	} else if (silent > probe_ns && !io->probed && !io->paused) {
		probe(io);
	}
}

static int start(struct io *io)
{
	struct event_base *base = bufferevent_get_base(io->bev);
	unsigned ms = io->opts.probe_ms / 5 + 1;
	const struct timeval tv = {ms / 1000, (int)(ms % 1000) * 1000};
	const struct of_hello ours = {.versions = VERSION_BITS};
	struct wr wr = wr_init(OF_MSG_MAX);

	io->more = evtimer_new(base, on_more, io);
	io->timer = event_new(base, -1, EV_PERSIST, on_timer, io);
	of_hello_encode(&wr, 0, &ours);
	if (io->more == NULL || io->timer == NULL || !wr_ok(&wr) ||
	    event_add(io->timer, &tv) != 0 || bufferevent_write(io->bev, wr.bytes, wr.size) != 0) {
		wr_fini(&wr);
		return -ENOMEM;
	}
	wr_fini(&wr);
	io->ch.counts.tx_messages++;
	bufferevent_setwatermark(io->bev, EV_READ, 0, IN_MAX);
	bufferevent_setwatermark(io->bev, EV_WRITE, OUT_LOW, 0);
	bufferevent_setcb(io->bev, on_read, on_written, on_event, io);
	return bufferevent_enable(io->bev, EV_READ | EV_WRITE) == 0 ? 0 : -ENOMEM;
}

int vs_channel_create(struct bufferevent *bev, const struct vs_channel_opts *opts,
		      struct vs_channel **ret_ch)
{
	struct io *io = calloc(1, sizeof(*io));
	int rc;

	if (io == NULL) {
		bufferevent_free(bev);
		return -ENOMEM;
	}
	io->opts = *opts;
	if (io->opts.probe_ms == 0)
		io->opts.probe_ms = VS_CHANNEL_PROBE_MS;
	io->bev = bev;
	io->ch.role = OFPCR_ROLE_EQUAL;
	io->created_ns = io->alive_ns = clock_mono_ns();
	rc = start(io);
	if (rc != 0) {
		vs_channel_destroy(&io->ch);
		return rc;
	}
	*ret_ch = &io->ch;
	return 0;
}

void vs_channel_destroy(struct vs_channel *ch)
{
	struct io *io;

	if (ch == NULL)
		return;
	io = io_of(ch);
	if (io->more != NULL)
		event_free(io->more);
	if (io->timer != NULL)
		event_free(io->timer);
	bufferevent_free(io->bev);
	free(io);
}
