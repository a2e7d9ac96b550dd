/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes on an OpenFlow connection, cut anywhere: the first byte of each piece says how long it
 * is.  Every message that is handed on is whole, and the same bytes cut differently are the same
 * messages.
 */
#include "tests/fuzz/fuzz.h"

#include "vswitch/channel.h"

#include <stdbool.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

struct run {
	uint64_t sum; /* of what was handed on */
	unsigned n, n_gone;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void message(void *ctx, struct vs_channel *ch, const struct of_header *header,
		    const uint8_t *msg)
{
	struct run *run = ctx;

	require(ch->up && header->version == OF_VERSION_13 && header->size >= OF_HEADER_SIZE);
	for (unsigned i = 0; i < header->size; i++)
		run->sum = run->sum * 31 + msg[i];
	run->n++;
	vs_channel_send(ch, msg, header->size, header->xid % 2 == 0);
}

static void gone(void *ctx, struct vs_channel *ch, const char *reason)
{
	struct run *run = ctx;

	require(reason[0] != '\0');
	run->n_gone++;
}

static const struct vs_channel_ops ops = {.message = message, .gone = gone};

/* 'cut': in the pieces that the input asks for; else all at once. */
static struct run feed(struct event_base *base, const uint8_t *data, size_t size, bool cut)
{
	struct run run = {0};
	const struct vs_channel_opts opts = {.ops = &ops, .ctx = &run, .probe_ms = 3600000};
	struct bufferevent *pair[2];
	struct vs_channel *ch = NULL;

	require(bufferevent_pair_new(base, BEV_OPT_DEFER_CALLBACKS, pair) == 0);
	require(vs_channel_create(pair[0], &opts, &ch) == 0);
	bufferevent_enable(pair[1], EV_READ | EV_WRITE);
	while (size > 0 && run.n_gone == 0) {
		size_t n = cut && data[0] < size ? data[0] + 1u : size;

		require(bufferevent_write(pair[1], data, n) == 0);
		data += n;
		size -= n;
		do {
			event_base_loop(base, EVLOOP_NONBLOCK);
			evbuffer_drain(bufferevent_get_input(pair[1]), SIZE_MAX);
		} while (run.n_gone == 0 &&
			 evbuffer_get_length(bufferevent_get_output(pair[1])) > 0);
	}
	for (int i = 0; i < 64; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		evbuffer_drain(bufferevent_get_input(pair[1]), SIZE_MAX);
	}
	if (run.n_gone == 0)
		vs_channel_destroy(ch);
	bufferevent_free(pair[1]);
	event_base_loop(base, EVLOOP_NONBLOCK);
	return run;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event_base *base = event_base_new();
	struct run whole, cut;

	if (size > 16384)
		size = 16384;
	whole = feed(base, data, size, false);
	cut = feed(base, data, size, true);
	require(whole.n == cut.n && whole.sum == cut.sum);
	event_base_free(base);
	return 0;
}
