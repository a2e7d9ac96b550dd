/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Life of a PCI bus, and its messages; see vpci.h.
 */
#include "vmbus/vpci_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/gpa.h"
#include "vmbus/local.h"

/* Of the space below and above 4 GB that the guest is told to keep: window and BARs. */
#define MMIO_MB 128u

static const char *const fault_slugs[] = {
#define X(name, slug, text) slug,
	VPCI_FAULTS(X)
#undef X
};

const char *vpci_fault_slug(enum vpci_fault fault)
{
	return fault_slugs[fault];
}

const char *vpci_state_name(enum vpci_state state)
{
	static const char *const names[] = {"closed", "new", "known", "on"};

	return names[state];
}

void vpci_count(struct vpci *v, enum vpci_fault fault)
{
	v->info.faults[fault]++;
}

struct vmbus_guid vpci_instance(const char *name, uint16_t domain)
{
	struct vmbus_guid guid;

	vmbus_guid_of_name(name, &guid);
	/* Linux makes the domain of these two. */
	guid.bytes[4] = (uint8_t)domain;
	guid.bytes[5] = (uint8_t)(domain >> 8);
	return guid;
}

uint64_t vpci_device_id(const struct vmbus_guid *instance)
{
	const uint8_t *b = instance->bytes;

	return (uint64_t)b[5] << 24 | (uint64_t)b[4] << 16 | (uint64_t)b[7] << 8 | (b[6] & 0xf8);
}

/* ---- Out ---- */

/* False: it waits. */
static bool send(struct vpci *v, const struct vpci_reply *r)
{
	/* What can never be sent is the guest's loss: its ring has no room for it. */
	return vmbus_local_send(v->local, r->type, 0, r->transaction, r->bytes, r->size) != -EAGAIN;
}

static void flush(struct vpci *v)
{
	while (v->n_replies != 0 && send(v, &v->replies[v->first_reply])) {
		v->first_reply = (v->first_reply + 1) % VPCI_MAX_REPLIES;
		v->n_replies--;
	}
}

/* Behind those that wait.  A guest that does not read what it asked for loses what is too much. */
static void say(struct vpci *v, const struct vpci_reply *r)
{
	if (v->n_replies == 0 && send(v, r))
		return;
	if (v->n_replies == VPCI_MAX_REPLIES) {
		vpci_count(v, VPCI_FAULT_FLOOD);
		return;
	}
	v->replies[(v->first_reply + v->n_replies++) % VPCI_MAX_REPLIES] = *r;
}

/* The bus and what is on it. */
static void say_relations(struct vpci *v)
{
	const struct vpci_description *d = v->told_ejected ? NULL : &v->opts.function.description;
	struct vpci_reply r = {.type = VMBUS_PKT_INBAND};

	r.size = (uint16_t)vpci_write_relations(r.bytes, v->info.version, d);
	say(v, &r);
}

static void say_eject(struct vpci *v)
{
	struct vpci_reply r = {.type = VMBUS_PKT_INBAND};

	r.size = (uint16_t)vpci_write_eject(r.bytes, 0);
	say(v, &r);
}

/* ---- States ---- */

static void window_drop(struct vpci *v)
{
	if (v->info.window != VPCI_NOWHERE)
		(void)v->opts.ops->window(v->opts.ctx, VPCI_NOWHERE);
	v->info.window = VPCI_NOWHERE;
	v->slot = 0;
}

/* As after power on: it does nothing any more, and no BAR is anywhere. */
static void function_reset(struct vpci *v)
{
	vpci_config_reset(v);
	vpci_msix_reset(v);
	v->opts.ops->reset(v->opts.ctx);
}

/* The same, and it cannot be reached. */
static void function_off(struct vpci *v)
{
	function_reset(v);
	window_drop(v);
}

static void gone(struct vpci *v)
{
	bool was = v->told_ejected;

	v->told_ejected = true;
	if (v->info.ejecting && !was)
		v->opts.ops->ejected(v->opts.ctx);
}

static void op_opened(void *ctx)
{
	struct vpci *v = ctx;

	v->info.state = VPCI_NEW;
	v->info.version = 0;
	v->n_replies = 0;
}

static void op_closed(void *ctx)
{
	struct vpci *v = ctx;
	struct vmbus_local_stats stats;

	vmbus_local_stats(v->local, &stats);
	v->info.faults[VPCI_FAULT_RING] = stats.broken;
	v->info.state = VPCI_CLOSED;
	v->n_replies = 0;
	function_off(v);
	if (v->info.ejecting)
		gone(v);
}

static void op_room(void *ctx)
{
	flush(ctx);
}

/* ---- Messages ---- */

static bool version_known(uint32_t version)
{
	return version >= VPCI_V1_1 && version <= VPCI_V1_4;
}

static uint32_t on_version(struct vpci *v, uint32_t version)
{
	if (v->info.state != VPCI_NEW && v->info.state != VPCI_KNOWN) {
		vpci_count(v, VPCI_FAULT_ORDER);
		return VPCI_STATUS_STATE;
	}
	if (!version_known(version)) {
		vpci_count(v, VPCI_FAULT_VERSION);
		return VPCI_STATUS_REVISION;
	}
	v->info.version = version;
	v->info.state = VPCI_KNOWN;
	return VPCI_OK;
}

static uint32_t on_d0_entry(struct vpci *v, uint64_t window)
{
	/* A guest that started anew finds what the one before left: the window moves. */
	if (v->info.state == VPCI_ON)
		function_off(v);
	v->info.state = VPCI_KNOWN;
	if (window % GPA_PAGE_SIZE != 0 || window > UINT64_MAX - VPCI_WINDOW_SIZE ||
	    v->opts.ops->window(v->opts.ctx, window) != 0) {
		vpci_count(v, VPCI_FAULT_WINDOW);
		return VPCI_STATUS_PARAMETER;
	}
	v->info.window = window;
	v->info.state = VPCI_ON;
	return VPCI_OK;
}

static uint32_t on_d0_exit(struct vpci *v)
{
	if (v->info.state == VPCI_ON)
		function_off(v);
	v->info.state = VPCI_KNOWN;
	return VPCI_OK;
}

/* Answers that are more than a status. */

static void answer_requirements(struct vpci *v, uint32_t status, struct vpci_reply *r)
{
	uint32_t bars[VPCI_N_BARS] = {0};

	if (status == VPCI_OK)
		vpci_config_masks(v, bars);
	r->size = (uint16_t)vpci_write_requirements(r->bytes, status, bars);
}

static void answer_interrupt(struct vpci *v, uint32_t status, const struct vpci_message *m,
			     struct vpci_reply *r)
{
	struct vpci_cookie cookie = {0};

	if (status == VPCI_OK)
		status = vpci_msix_create(v, &m->target, &cookie);
	r->size = (uint16_t)vpci_write_interrupt(r->bytes, status, &cookie);
}

/* What depends on the slot that the message names, once 'status' is OK. */
static uint32_t run_slotted(struct vpci *v, const struct vpci_message *m)
{
	switch (m->type) {
	case VPCI_ASSIGNED:
		vpci_config_assign(v, m->bars);
		return VPCI_OK;
	case VPCI_DELETE_INTERRUPT:
		if (vpci_msix_delete(v, &m->cookie))
			return VPCI_OK;
		vpci_count(v, VPCI_FAULT_COOKIE);
		return VPCI_STATUS_PARAMETER;
	case VPCI_RESET:
		function_reset(v);
		return VPCI_OK;
	case VPCI_EJECTION_COMPLETE:
		if (!v->info.ejecting)
			return VPCI_STATUS_STATE;
		function_reset(v);
		gone(v);
		return VPCI_OK;
	default: /* RELEASED, POWER, QUERY_REQUIREMENTS, CREATE_INTERRUPT: nothing more */
		return VPCI_OK;
	}
}

static bool is_slotted(uint32_t type)
{
	return type != VPCI_QUERY_VERSION && type != VPCI_QUERY_RELATIONS &&
	       type != VPCI_D0_ENTRY && type != VPCI_D0_EXIT;
}

static uint32_t check(struct vpci *v, const struct vpci_message *m)
{
	if (m->type == VPCI_QUERY_VERSION)
		return VPCI_OK;
	if (v->info.state != VPCI_KNOWN && v->info.state != VPCI_ON) {
		vpci_count(v, VPCI_FAULT_ORDER);
		return VPCI_STATUS_STATE;
	}
	if (is_slotted(m->type) && m->slot != 0) {
		vpci_count(v, VPCI_FAULT_SLOT);
		return VPCI_STATUS_PARAMETER;
	}
	/* Interrupts are for what can be reached. */
	if (m->type == VPCI_CREATE_INTERRUPT && v->info.state != VPCI_ON) {
		vpci_count(v, VPCI_FAULT_ORDER);
		return VPCI_STATUS_STATE;
	}
	return VPCI_OK;
}

static uint32_t run(struct vpci *v, const struct vpci_message *m)
{
	uint32_t status = check(v, m);

	if (status != VPCI_OK)
		return status;
	switch (m->type) {
	case VPCI_QUERY_VERSION:
		return on_version(v, m->version);
	case VPCI_QUERY_RELATIONS:
		say_relations(v);
		return VPCI_OK;
	case VPCI_D0_ENTRY:
		return on_d0_entry(v, m->window);
	case VPCI_D0_EXIT:
		return on_d0_exit(v);
	default:
		return run_slotted(v, m);
	}
}

static void answer(struct vpci *v, const struct vpci_message *m, uint32_t status,
		   struct vpci_reply *r)
{
	switch (m->type) {
	case VPCI_QUERY_VERSION:
		r->size = (uint16_t)vpci_write_version(r->bytes, status, m->version);
		break;
	case VPCI_QUERY_REQUIREMENTS:
		answer_requirements(v, status, r);
		break;
	case VPCI_CREATE_INTERRUPT:
		answer_interrupt(v, status, m, r);
		break;
	case VPCI_POWER:
		r->size = (uint16_t)vpci_write_power(r->bytes, status, m->slot, m->power);
		break;
	default:
		r->size = (uint16_t)vpci_write_status(r->bytes, status);
		break;
	}
}

static uint32_t refuse(struct vpci *v, int rc)
{
	vpci_count(v, rc == -EOPNOTSUPP ? VPCI_FAULT_TYPE : VPCI_FAULT_MESSAGE);
	return rc == -EOPNOTSUPP ? VPCI_STATUS_SUPPORT : VPCI_STATUS_MALFORMED;
}

static void op_packet(void *ctx, const struct vmbus_desc *desc, const uint8_t *payload,
		      uint32_t size)
{
	struct vpci *v = ctx;
	struct vpci_reply r = {.type = VMBUS_PKT_COMPLETION, .transaction = desc->transaction_id};
	struct vpci_message m = {0};
	uint32_t status;
	int rc;

	if (desc->type != VMBUS_PKT_INBAND) {
		vpci_count(v, VPCI_FAULT_PACKET);
		return;
	}
	rc = vpci_read(payload, size, &m);
	status = rc == 0 ? run(v, &m) : refuse(v, rc);
	if ((desc->flags & VMBUS_PKT_COMPLETION_REQUESTED) == 0)
		return;
	if (rc == 0)
		answer(v, &m, status, &r);
	else
		r.size = (uint16_t)vpci_write_status(r.bytes, status);
	say(v, &r);
}

/* ---- Life ---- */

static int offer(struct vpci *v)
{
	static const struct vmbus_local_ops ops = {.opened = op_opened,
						   .closed = op_closed,
						   .packet = op_packet,
						   .room = op_room};
	const struct vmbus_local_opts opts = {
		.type = VMBUS_GUID_VPCI,
		.instance = v->opts.instance,
		.mmio_mb = MMIO_MB,
		.max_packet = VPCI_MESSAGE_MAX,
		.loop = v->opts.loop,
		.ops = &ops,
		.ctx = v,
	};

	return vmbus_local_create(v->opts.server, &opts, &v->local);
}

int vpci_create(const struct vpci_opts *opts, struct vpci **ret_vpci)
{
	struct vpci *v = calloc(1, sizeof(*v));
	int rc;

	if (v == NULL)
		return -ENOMEM;
	v->opts = *opts;
	v->info.window = VPCI_NOWHERE;
	rc = vpci_config_init(v);
	if (rc == 0) {
		function_off(v);
		rc = offer(v);
	}
	if (rc != 0) {
		vpci_msix_fini(v);
		free(v);
		return rc;
	}
	*ret_vpci = v;
	return 0;
}

void vpci_destroy(struct vpci *v)
{
	if (v == NULL)
		return;
	vmbus_local_destroy(v->local);
	function_off(v);
	vpci_msix_fini(v);
	free(v);
}

void vpci_eject(struct vpci *v)
{
	if (v->info.ejecting)
		return;
	v->info.ejecting = true;
	/* Before it knows of the function it has nothing to let go. */
	if (v->info.state == VPCI_KNOWN || v->info.state == VPCI_ON)
		say_eject(v);
	else
		gone(v);
}

void vpci_info(const struct vpci *v, struct vpci_info *ret_info)
{
	*ret_info = v->info;
	ret_info->decoding = v->config.decoding;
	ret_info->bus_master = (v->config.command & 4) != 0;
	ret_info->n_interrupts = v->msix.n_interrupts;
	ret_info->n_vectors = v->msix.n;
}
