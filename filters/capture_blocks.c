/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What stands in a capture's file: a section, an interface for each port as it comes, packets,
 * and each interface's statistics at the end; the same again in each file of a ring, so that
 * every file is whole.  Writer thread.
 *
 * A block that the output cannot take now is written by the next call: each function goes on
 * where it stopped.
 */
#include "filters/capture_priv.h"

#include "filters/pcapng.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *slug, *text;
} drops[] = {
#define X(name, drop_slug, drop_text) {drop_slug, drop_text},
	DP_DROP_REASONS(X)
#undef X
};

enum filter_step filter_blocks_stopped(const struct filter_capture *c)
{
	return filter_file_error(c->file) != 0 ? FILTER_STEP_FAILED : FILTER_STEP_BLOCKED;
}

static enum filter_step write_section(struct filter_capture *c)
{
	const struct filter_pcapng_section section = {
		.hardware = c->set->hardware,
		.os = c->set->os,
		.application = c->set->application,
	};
	void *to = filter_file_reserve(c->file, FILTER_PCAPNG_BLOCK_MAX);

	if (to == NULL)
		return filter_blocks_stopped(c);
	filter_file_commit(c->file, filter_pcapng_section(to, FILTER_PCAPNG_BLOCK_MAX, &section));
	memset(c->iface_ids, 0xff, FILTER_MAX_IFACES * sizeof(c->iface_ids[0]));
	c->n_looked_at = c->n_file_ifaces = c->n_stats = 0;
	c->file_has_packets = false;
	c->section_written = true;
	return FILTER_STEP_DONE;
}

static enum filter_step write_iface(struct filter_capture *c, unsigned i)
{
	const struct filter_pcapng_interface interface = {
		.name = c->ifaces[i]->name,
		.description = c->ifaces[i]->description,
		.filter = c->expr,
		.snaplen = c->snaplen,
	};
	void *to = filter_file_reserve(c->file, FILTER_PCAPNG_BLOCK_MAX);

	if (to == NULL)
		return filter_blocks_stopped(c);
	filter_file_commit(c->file,
			   filter_pcapng_interface(to, FILTER_PCAPNG_BLOCK_MAX, &interface));
	c->iface_ids[i] = (uint16_t)c->n_file_ifaces++;
	return FILTER_STEP_DONE;
}

/* The section, and the interfaces that came since the last look. */
enum filter_step filter_blocks_head(struct filter_capture *c)
{
	unsigned n = atomic_load_explicit(&c->n_ifaces, memory_order_acquire);
	enum filter_step step = c->section_written ? FILTER_STEP_DONE : write_section(c);

	for (; step == FILTER_STEP_DONE && c->n_looked_at < n; c->n_looked_at++) {
		bool gone = atomic_load_explicit(&c->ifaces[c->n_looked_at]->gone,
						 memory_order_relaxed);

		if (gone || c->iface_ids[c->n_looked_at] != FILTER_NO_IFACE)
			continue;
		step = write_iface(c, c->n_looked_at);
		if (step != FILTER_STEP_DONE)
			break;
	}
	return step;
}

enum filter_step filter_blocks_stats(struct filter_capture *c)
{
	unsigned n = atomic_load_explicit(&c->n_ifaces, memory_order_acquire);

	for (; c->n_stats < n; c->n_stats++) {
		const struct filter_iface *iface = c->ifaces[c->n_stats];
		struct filter_capture_stats sum = {0};
		struct filter_pcapng_stats stats;
		void *to;

		if (c->iface_ids[c->n_stats] == FILTER_NO_IFACE)
			continue;
		to = filter_file_reserve(c->file, FILTER_PCAPNG_STATS_SIZE);
		if (to == NULL)
			return filter_blocks_stopped(c);
		filter_iface_sum(iface, &sum);
		stats = (struct filter_pcapng_stats){
			.interface = c->iface_ids[c->n_stats],
			.start_ns = iface->start_ns,
			.now_ns = c->set->clock.wall,
			.received = sum.seen,
			.dropped = sum.lost_ring + sum.lost_budget,
			.accepted = sum.kept + sum.lost_ring,
			.os_dropped = sum.lost_ring,
			.delivered = iface->delivered,
		};
		filter_file_commit(c->file,
				   filter_pcapng_stats(to, FILTER_PCAPNG_STATS_SIZE, &stats));
	}
	return FILTER_STEP_DONE;
}

/* Closes this file of a ring and begins the next. */
static enum filter_step rotate(struct filter_capture *c)
{
	enum filter_step step = filter_blocks_stats(c);

	if (step != FILTER_STEP_DONE)
		return step;
	if (filter_file_rotate(c->file) != 0)
		return FILTER_STEP_FAILED;
	c->section_written = false;
	return filter_blocks_head(c);
}

static uint32_t packet_flags(const struct filter_rec *rec, const uint8_t *frame)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint32_t direction = (rec->flags & FILTER_REC_OUTBOUND) != 0 ? FILTER_PCAPNG_OUTBOUND
								     : FILTER_PCAPNG_INBOUND;

	if (rec->cap_len < sizeof(broadcast))
		return direction;
	if (memcmp(frame, broadcast, sizeof(broadcast)) == 0)
		return direction | FILTER_PCAPNG_BROADCAST;
	return direction | ((frame[0] & 1) != 0 ? FILTER_PCAPNG_MULTICAST : FILTER_PCAPNG_UNICAST);
}

static size_t encode_packet(struct filter_capture *c, const struct filter_rec *rec, void *to,
			    size_t size)
{
	const uint8_t *frame = (const uint8_t *)(rec + 1);
	struct filter_pcapng_packet packet = {
		.time_ns = filter_clock_wall(&c->set->clock, rec->tsc),
		.data = frame,
		.interface = c->iface_ids[rec->iface],
		.cap_len = rec->cap_len,
		.pkt_len = rec->pkt_len,
		.flags = packet_flags(rec, frame),
	};
	char comment[FILTER_TEXT_SIZE];

	if (rec->stage == DP_STAGE_DROP && rec->reason < DP_N_DROPS) {
		snprintf(comment, sizeof(comment), "drop: %s: %s", drops[rec->reason].slug,
			 drops[rec->reason].text);
		packet.comment = comment;
		packet.verdict = drops[rec->reason].slug;
	}
	return filter_pcapng_packet(to, size, &packet);
}

enum filter_step filter_blocks_packet(struct filter_capture *c, const struct filter_rec *rec)
{
	const size_t bound = rec->cap_len + FILTER_PCAPNG_BLOCK_MAX;
	enum filter_step step = FILTER_STEP_DONE;
	size_t size;
	void *to;

	if (c->iface_ids[rec->iface] == FILTER_NO_IFACE)
		step = write_iface(c, rec->iface);
	if (step != FILTER_STEP_DONE)
		return step;
	to = filter_file_reserve(c->file, bound);
	if (to == NULL)
		return filter_blocks_stopped(c);
	size = encode_packet(c, rec, to, bound);
	if (c->file_has_packets &&
	    filter_file_is_full(c->file, size + c->n_file_ifaces * FILTER_PCAPNG_STATS_SIZE)) {
		step = rotate(c);
		return step == FILTER_STEP_DONE ? filter_blocks_packet(c, rec) : step;
	}
	filter_file_commit(c->file, size);
	c->file_has_packets = true;
	c->ifaces[rec->iface]->delivered++;
	c->written++;
	return FILTER_STEP_DONE;
}
