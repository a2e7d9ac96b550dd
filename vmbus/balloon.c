/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See balloon.h.
 */
#include "vmbus/balloon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl/base/wire.h"
#include "hv/gpa.h"
#include "vmbus/local.h"
#include "vmbus/page_set.h"

/* [hv_balloon.c] enum dm_message_type */
enum type {
	VERSION_REQUEST = 1,
	VERSION_RESPONSE,
	CAPABILITIES_REPORT,
	CAPABILITIES_RESPONSE,
	STATUS_REPORT,
	BALLOON_REQUEST,
	BALLOON_RESPONSE,
	UNBALLOON_REQUEST,
	UNBALLOON_RESPONSE,
	HOT_ADD_REQUEST,
	HOT_ADD_RESPONSE,
	INFO_MESSAGE,
};

#define HEADER_SIZE    8u
#define VERSION_2_0    0x00020000u
#define VERSION_1_0    0x00010000u
#define CAP_BALLOON    1u
#define INFO_MAX_PAGES 0u
#define PACKET_MAX     8192u
#define UNIT	       512u /* pages: Linux gives multiples of 2 MB */
/* Pages at a time: a guest touches all of them before it gives the first. */
#define ASK_MAX		8192u
#define RANGES_MAX	240u	  /* of a request: well below a page */
#define RANGE_COUNT_MAX 0xffffffu /* 24 bits */
#define RANGE_PFN_BITS	40
#define PAUSE_NS	10000000000ull /* after a guest gave nothing */

struct balloon {
	const struct ic_env *env;
	struct balloon_opts opts;
	struct vmbus_local *local;
	struct page_set *pages; /* that the guest has given */
	struct balloon_info info;
	uint64_t now_ns, pause_ns; /* nothing is asked for before 'pause_ns' */
	uint64_t asked;		   /* pages that may still come */
	uint64_t got;		   /* of this operation */
	enum type waits_for;	   /* an answer; 0: nothing */
	uint32_t transaction;
	uint32_t told; /* faults the log knows of */
};

static const char *const fault_slugs[] = {
#define X(name, slug, text) slug,
	BALLOON_FAULTS(X)
#undef X
};

static const char *const fault_texts[] = {
#define X(name, slug, text) text,
	BALLOON_FAULTS(X)
#undef X
};

const char *balloon_fault_slug(enum balloon_fault fault)
{
	return fault_slugs[fault];
}

const char *balloon_state_name(enum balloon_state state)
{
	static const char *const names[] = {"closed", "version", "capabilities", "ready"};

	return names[state];
}

static void tell(const struct balloon *b, const char *text)
{
	char line[160];

	if (b->env->event == NULL)
		return;
	snprintf(line, sizeof(line), "dynamic memory: %s", text);
	b->env->event(b->env->ctx, line);
}

static void count(struct balloon *b, enum balloon_fault fault)
{
	b->info.faults[fault]++;
	if ((b->told & 1u << fault) == 0)
		tell(b, fault_texts[fault]);
	b->told |= 1u << fault;
}

/* ---- To the guest ---- */

/* 'message' starts with room for the header. */
static int send(struct balloon *b, enum type type, uint32_t transaction, struct wr *message)
{
	struct wr header = wr_over(message->bytes, HEADER_SIZE);

	wr_le16(&header, (uint16_t)type);
	wr_le16(&header, (uint16_t)message->size);
	wr_le32(&header, transaction);
	return vmbus_local_send(b->local, VMBUS_PKT_INBAND, 0, 0, message->bytes, message->size);
}

static void send_accept(struct balloon *b, enum type type, uint32_t transaction, bool accepted)
{
	uint8_t bytes[HEADER_SIZE + 8];
	struct wr wr = wr_over(bytes, sizeof(bytes));

	wr_zeros(&wr, HEADER_SIZE);
	wr_le64(&wr, accepted);
	(void)send(b, type, transaction, &wr);
}

static void send_maximum(struct balloon *b)
{
	uint8_t bytes[HEADER_SIZE + 24];
	struct wr wr = wr_over(bytes, sizeof(bytes));

	wr_zeros(&wr, HEADER_SIZE + 4);
	wr_le32(&wr, 16); /* of what follows */
	wr_le32(&wr, INFO_MAX_PAGES);
	wr_le32(&wr, 8);
	wr_le64(&wr, page_set_size(b->pages));
	(void)send(b, INFO_MESSAGE, ++b->transaction, &wr);
}

static void wait_for(struct balloon *b, enum type type)
{
	b->waits_for = type;
	b->info.busy_since_ns = b->now_ns;
}

static void ask(struct balloon *b, uint64_t pages)
{
	uint8_t bytes[HEADER_SIZE + 8];
	struct wr wr = wr_over(bytes, sizeof(bytes));

	pages = pages < ASK_MAX ? pages : ASK_MAX;
	wr_zeros(&wr, HEADER_SIZE);
	wr_le32(&wr, (uint32_t)pages);
	wr_le32(&wr, 0);
	if (send(b, BALLOON_REQUEST, ++b->transaction, &wr) != 0)
		return; /* the next tick tries again */
	b->asked = pages;
	b->got = 0;
	wait_for(b, BALLOON_RESPONSE);
}

/* Pages that could not be said to the guest are in the set again. */
static void take_back(struct balloon *b, const uint8_t *ranges, unsigned n)
{
	struct rd rd = rd_init(ranges, 8ul * n);

	for (unsigned i = 0; i < n; i++) {
		uint64_t range = rd_le64(&rd);

		(void)page_set_add(b->pages, range & ((1ull << RANGE_PFN_BITS) - 1),
				   range >> RANGE_PFN_BITS);
	}
}

static void give(struct balloon *b, uint64_t pages)
{
	uint8_t bytes[HEADER_SIZE + 8 + 8 * RANGES_MAX];
	struct wr wr = wr_over(bytes, sizeof(bytes)), head;
	uint64_t given = 0;
	unsigned n = 0;

	wr_zeros(&wr, HEADER_SIZE + 8);
	while (n < RANGES_MAX && given < pages) {
		uint64_t max = pages - given, pfn, taken;

		taken = page_set_take(b->pages, max < RANGE_COUNT_MAX ? max : RANGE_COUNT_MAX,
				      &pfn);
		if (taken == 0)
			break;
		wr_le64(&wr, pfn | taken << RANGE_PFN_BITS);
		given += taken;
		n++;
	}
	head = wr_over(bytes + HEADER_SIZE, 8);
	wr_le32(&head, 0); /* no more behind this one */
	wr_le32(&head, n);
	if (send(b, UNBALLOON_REQUEST, ++b->transaction, &wr) != 0) {
		take_back(b, bytes + HEADER_SIZE + 8, n);
		return;
	}
	b->info.returned += given << GPA_PAGE_SHIFT;
	wait_for(b, UNBALLOON_RESPONSE);
}

/* One operation towards the target, if there is anything to do. */
static void approach(struct balloon *b)
{
	uint64_t held = page_set_count(b->pages), size = page_set_size(b->pages);
	uint64_t want = size - (b->info.target >> GPA_PAGE_SHIFT);

	if (b->info.state != BALLOON_READY || b->waits_for != 0)
		return;
	if (want < held)
		give(b, held - want);
	else if (want - held >= UNIT && (b->info.capabilities & CAP_BALLOON) != 0 &&
		 b->now_ns >= b->pause_ns)
		ask(b, (want - held) / UNIT * UNIT);
}

/* ---- From the guest ---- */

static void on_version(struct balloon *b, uint32_t transaction, struct rd *rd)
{
	uint32_t version = rd_le32(rd);
	bool known = version == VERSION_2_0 || version == VERSION_1_0;
	char text[64];

	if (b->info.state != BALLOON_VERSION) {
		count(b, BALLOON_FAULT_ORDER);
		return;
	}
	send_accept(b, VERSION_RESPONSE, transaction, known);
	if (!known)
		return;
	b->info.state = BALLOON_CAPS;
	b->info.version = version;
	snprintf(text, sizeof(text), "version %u.%u", version >> 16, version & 0xffff);
	tell(b, text);
}

static void on_capabilities(struct balloon *b, uint32_t transaction, struct rd *rd)
{
	if (b->info.state != BALLOON_CAPS) {
		count(b, BALLOON_FAULT_ORDER);
		return;
	}
	b->info.capabilities = rd_le64(rd);
	b->info.state = BALLOON_READY;
	send_accept(b, CAPABILITIES_RESPONSE, transaction, true);
	send_maximum(b);
}

/* Pages that the guest counts, as bytes that fit its memory. */
static uint64_t pages_to_bytes(const struct balloon *b, uint64_t pages, uint64_t max_pages)
{
	return (pages < max_pages ? pages : max_pages) << GPA_PAGE_SHIFT;
}

static void on_status(struct balloon *b, struct rd *rd)
{
	uint64_t size = page_set_size(b->pages);

	if (b->info.state != BALLOON_READY) {
		count(b, BALLOON_FAULT_ORDER);
		return;
	}
	b->info.report.at_ns = b->now_ns;
	b->info.report.available = pages_to_bytes(b, rd_le64(rd), size);
	/* Programs may be promised more than there is. */
	b->info.report.committed = pages_to_bytes(b, rd_le64(rd), 4 * size);
	if (b->opts.reported != NULL)
		b->opts.reported(b->opts.ctx, &b->info.report);
}

static void take_range(struct balloon *b, uint64_t pfn, uint64_t n)
{
	int rc;

	if (n > b->asked) {
		count(b, BALLOON_FAULT_EXCESS);
		return;
	}
	rc = page_set_add(b->pages, pfn, n);
	if (rc != 0) {
		count(b, rc == -EEXIST ? BALLOON_FAULT_TWICE : BALLOON_FAULT_RANGE);
		return;
	}
	b->asked -= n;
	b->got += n;
	b->info.given += n << GPA_PAGE_SHIFT;
	if (b->opts.discard(b->opts.ctx, pfn << GPA_PAGE_SHIFT, n << GPA_PAGE_SHIFT) != 0)
		count(b, BALLOON_FAULT_DISCARD);
}

static void on_ballooned(struct balloon *b, struct rd *rd)
{
	uint32_t bits, n;

	rd_skip(rd, 4);
	bits = rd_le32(rd);
	n = bits >> 1;
	if (b->waits_for != BALLOON_RESPONSE) {
		count(b, BALLOON_FAULT_ORDER);
		return;
	}
	if (n > rd->left / 8) {
		count(b, BALLOON_FAULT_FRAME);
		n = (uint32_t)(rd->left / 8);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t range = rd_le64(rd);

		take_range(b, range & ((1ull << RANGE_PFN_BITS) - 1), range >> RANGE_PFN_BITS);
	}
	if ((bits & 1) != 0) /* more to come */
		return;
	b->waits_for = 0;
	b->asked = 0;
	if (b->got == 0)
		b->pause_ns = b->now_ns + PAUSE_NS;
	approach(b);
}

static void on_returned(struct balloon *b)
{
	if (b->waits_for != UNBALLOON_RESPONSE) {
		count(b, BALLOON_FAULT_ORDER);
		return;
	}
	b->waits_for = 0;
	approach(b);
}

static size_t least_size(uint16_t type)
{
	switch (type) {
	case VERSION_REQUEST:
		return 16;
	case CAPABILITIES_REPORT:
		return 16;
	case STATUS_REPORT:
		return 24;
	case BALLOON_RESPONSE:
		return 16;
	default:
		return HEADER_SIZE;
	}
}

static void dispatch(struct balloon *b, uint16_t type, uint32_t transaction, struct rd *rd)
{
	switch (type) {
	case VERSION_REQUEST:
		on_version(b, transaction, rd);
		break;
	case CAPABILITIES_REPORT:
		on_capabilities(b, transaction, rd);
		break;
	case STATUS_REPORT:
		on_status(b, rd);
		break;
	case BALLOON_RESPONSE:
		on_ballooned(b, rd);
		break;
	case UNBALLOON_RESPONSE:
		on_returned(b);
		break;
	case HOT_ADD_RESPONSE: /* was never asked for */
		count(b, BALLOON_FAULT_ORDER);
		break;
	default:
		count(b, BALLOON_FAULT_TYPE);
	}
}

static void op_packet(void *ctx, const struct vmbus_desc *desc, const uint8_t *payload,
		      uint32_t size)
{
	struct balloon *b = ctx;
	struct rd rd = rd_init(payload, size);
	uint16_t type = rd_le16(&rd), length = rd_le16(&rd);
	uint32_t transaction = rd_le32(&rd);

	if (desc->type != VMBUS_PKT_INBAND || !rd_ok(&rd) || length > size ||
	    length < least_size(type)) {
		count(b, BALLOON_FAULT_FRAME);
		return;
	}
	rd.left = length - HEADER_SIZE;
	dispatch(b, type, transaction, &rd);
}

/* ---- Open and close ---- */

static void op_opened(void *ctx)
{
	((struct balloon *)ctx)->info.state = BALLOON_VERSION;
}

static void op_closed(void *ctx)
{
	struct balloon *b = ctx;
	struct vmbus_local_stats stats;

	vmbus_local_stats(b->local, &stats);
	b->info.state = BALLOON_CLOSED;
	b->info.version = 0;
	b->info.capabilities = 0;
	b->info.report = (struct balloon_report){0};
	b->waits_for = 0;
	b->asked = 0;
	b->pause_ns = 0;
	/* Whoever comes next knows nothing of these pages, and uses them. */
	page_set_clear(b->pages);
	if (stats.broken > b->info.faults[BALLOON_FAULT_RING])
		count(b, BALLOON_FAULT_RING);
}

static const struct vmbus_local_ops local_ops = {
	.opened = op_opened,
	.closed = op_closed,
	.packet = op_packet,
};

/* ---- The owner's calls ---- */

void balloon_tick(struct balloon *b, uint64_t now_ns)
{
	b->now_ns = now_ns;
	approach(b);
}

void balloon_set_target(struct balloon *b, uint64_t bytes)
{
	uint64_t size = page_set_size(b->pages) << GPA_PAGE_SHIFT;
	uint64_t target = bytes < size ? bytes & ~(uint64_t)(GPA_PAGE_SIZE - 1) : size;

	if (target != b->info.target)
		b->pause_ns = 0;
	b->info.target = target;
}

void balloon_info(const struct balloon *b, struct balloon_info *ret_info)
{
	*ret_info = b->info;
	ret_info->size = page_set_size(b->pages) << GPA_PAGE_SHIFT;
	ret_info->ballooned = page_set_count(b->pages) << GPA_PAGE_SHIFT;
	ret_info->busy = b->waits_for != 0;
}

static int offer(struct balloon *b)
{
	/* 525074dc-8985-46e2-8057-a307dc18a502 */
	const struct vmbus_guid type = {{0xdc, 0x74, 0x50, 0x52, 0x85, 0x89, 0xe2, 0x46, 0x80, 0x57,
					 0xa3, 0x07, 0xdc, 0x18, 0xa5, 0x02}};
	struct vmbus_local_opts opts = {.type = type,
					.max_packet = PACKET_MAX,
					.loop = b->env->loop,
					.ops = &local_ops,
					.ctx = b};

	vmbus_guid_of_name("dynamic memory", &opts.instance);
	return vmbus_local_create(b->env->server, &opts, &b->local);
}

int balloon_create(const struct ic_env *env, const struct balloon_opts *opts,
		   struct balloon **ret_balloon)
{
	struct balloon *b = calloc(1, sizeof(*b));
	int rc = -ENOMEM;

	if (b == NULL)
		return -ENOMEM;
	b->env = env;
	b->opts = *opts;
	b->pages = page_set_create(opts->memory);
	if (b->pages != NULL) {
		b->info.target = page_set_size(b->pages) << GPA_PAGE_SHIFT;
		rc = offer(b);
	}
	if (rc != 0) {
		page_set_destroy(b->pages);
		free(b);
		return rc;
	}
	*ret_balloon = b;
	return 0;
}

void balloon_destroy(struct balloon *b)
{
	if (b == NULL)
		return;
	vmbus_local_destroy(b->local);
	page_set_destroy(b->pages);
	free(b);
}
