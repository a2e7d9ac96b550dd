/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Control messages and mail; see control.h.
 */
#include "vmq/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_cycles.h>

#include "vmbus/packet.h"
#include "vmq/bufs.h"
#include "vmq/control_priv.h"

/* ---- Messages of the guest ---- */

int vmq_control_create(int kick_fd, struct vmq_control **ret_control)
{
	struct vmq_control *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->kick_fd = kick_fd;
	c->tokens = VMQ_CONTROL_BURST;
	c->status = NVSP_STATUS_SUCCESS;
	c->tokens_tsc = rte_rdtsc();
	*ret_control = c;
	return 0;
}

void vmq_control_destroy(struct vmq_control *control)
{
	free(control);
}

bool vmq_control_token(struct vmq_control *control)
{
	uint64_t now = rte_rdtsc(), each = rte_get_tsc_hz() / VMQ_CONTROL_RATE;
	uint64_t grown = (now - control->tokens_tsc) / RTE_MAX(each, UINT64_C(1));

	if (grown > 0) {
		control->tokens =
			(uint32_t)RTE_MIN(control->tokens + grown, (uint64_t)VMQ_CONTROL_BURST);
		control->tokens_tsc += grown * each;
	}
	if (control->tokens == 0)
		return false;
	control->tokens--;
	return true;
}

void vmq_control_hand(struct vmq_control *control)
{
	atomic_store_explicit(&control->step, VMQ_CONTROL_WAITING, memory_order_release);
	(void)eventfd_write(control->kick_fd, 1); /* Fails only when it is signalled already. */
}

const struct vmq_control_item *vmq_control_next(struct vmq_control *control)
{
	return vmq_control_step(control) == VMQ_CONTROL_WAITING ? &control->item : NULL;
}

void vmq_control_done(struct vmq_control *control, struct vmq_queue *q)
{
	if (vmq_control_step(control) != VMQ_CONTROL_WAITING)
		return;
	control->answers =
		q->mail != NULL ? atomic_load_explicit(&q->mail->tail, memory_order_relaxed) : 0;
	atomic_store_explicit(&control->step, VMQ_CONTROL_DONE, memory_order_release);
	vmq_mail_kick(q);
}

/* ---- Mail to the guest ---- */

int vmq_mail_create(struct vmq_mail **ret_mail)
{
	struct vmq_mail *mail = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*mail), 64));

	if (mail == NULL)
		return -ENOMEM;
	memset(mail, 0, sizeof(*mail));
	*ret_mail = mail;
	return 0;
}

void vmq_mail_destroy(struct vmq_mail *mail)
{
	free(mail);
}

static int post(struct vmq_mail *mail, enum vmq_letter_kind kind, uint64_t transaction_id,
		const void *bytes, size_t size)
{
	uint32_t tail = atomic_load_explicit(&mail->tail, memory_order_relaxed);
	struct vmq_letter *letter = &mail->letters[tail % VMQ_MAIL_SLOTS];

	if (size > sizeof(letter->bytes))
		return -EMSGSIZE;
	if (tail - atomic_load_explicit(&mail->head, memory_order_acquire) == VMQ_MAIL_SLOTS)
		return -ENOSPC;
	letter->kind = kind;
	letter->transaction_id = transaction_id;
	letter->size = (uint32_t)size;
	if (size > 0)
		memcpy(letter->bytes, bytes, size);
	atomic_store_explicit(&mail->tail, tail + 1, memory_order_release);
	return 0;
}

int vmq_mail_complete(struct vmq_mail *mail, uint64_t transaction_id, const void *payload,
		      size_t size)
{
	return post(mail, VMQ_LETTER_COMPLETION, transaction_id, payload, size);
}

int vmq_mail_nvsp(struct vmq_mail *mail, const void *msg, size_t size)
{
	return post(mail, VMQ_LETTER_NVSP, 0, msg, size);
}

int vmq_mail_rndis(struct vmq_mail *mail, const void *msg, size_t size)
{
	return post(mail, VMQ_LETTER_RNDIS, 0, msg, size);
}

void vmq_mail_kick(struct vmq_queue *q)
{
	(void)eventfd_write(q->kick_fd, 1);
}

unsigned vmq_mail_waiting(const struct vmq_mail *mail)
{
	return atomic_load(&mail->tail) - atomic_load(&mail->head);
}

/* ---- Worker: mail onto the ring ---- */

/* Bytes that a letter takes on the ring. */
static uint32_t letter_room(const struct vmq_letter *letter)
{
	if (letter->kind == VMQ_LETTER_RNDIS)
		return vmbus_packet_size(VMBUS_TRANSFER_HEADER_SIZE + 8, sizeof(struct nvsp_rndis));
	return vmbus_packet_size(0, letter->size);
}

/* An RNDIS message that no section can take, because the guest has taken its buffer back or made
 * its sections too small, is lost. */
static bool has_section(const struct vmq_rules *rules, const struct vmq_letter *letter)
{
	return rules != NULL && rules->recv != NULL && rules->bufs != NULL &&
	       letter->size <= rules->recv_section;
}

static int put_rndis(struct vmq_queue *q, const struct vmq_rules *rules,
		     const struct vmq_letter *letter)
{
	struct nvsp_rndis rndis = {NVSP_RNDIS, 1, NVSP_NO_SECTION, 0};
	uint8_t header[VMBUS_TRANSFER_HEADER_SIZE + 8];
	struct vmbus_range range = {.size = letter->size};
	size_t size;
	uint16_t section;

	if (vmq_bufs_need(rules->bufs, q, 1, true) == 0)
		return -EAGAIN;
	section = q->cached[q->cached_n - 1];
	range.offset = section * rules->recv_section;
	vmbus_pages_write(rules->recv, range.offset, letter->bytes, letter->size);
	size = vmbus_transfer_write(header, rules->recv_id, &range, 1);
	if (vmbus_out_put(&q->out, VMBUS_PKT_TRANSFER_PAGES, VMBUS_PKT_COMPLETION_REQUESTED,
			  section, header, size, &rndis, sizeof(rndis)) != 0)
		return -EAGAIN;
	vmq_bufs_lend(rules->bufs, q, 1);
	return 0;
}

static int put_letter(struct vmq_queue *q, const struct vmq_rules *rules,
		      const struct vmq_letter *letter)
{
	switch (letter->kind) {
	case VMQ_LETTER_RNDIS:
		return has_section(rules, letter) ? put_rndis(q, rules, letter) : 0;
	case VMQ_LETTER_NVSP:
		return vmbus_out_put(&q->out, VMBUS_PKT_INBAND, 0, 0, NULL, 0, letter->bytes,
				     letter->size);
	case VMQ_LETTER_COMPLETION:
		return vmbus_out_put(&q->out, VMBUS_PKT_COMPLETION, 0, letter->transaction_id, NULL,
				     0, letter->bytes, letter->size);
	}
	return 0;
}

bool vmq_mail_fits(struct vmq_queue *q, const struct vmq_rules *rules, uint32_t size)
{
	uint32_t head = atomic_load_explicit(&q->mail->head, memory_order_relaxed), sections = 0;

	for (uint32_t i = head; i != q->control->answers; i++) {
		const struct vmq_letter *letter = &q->mail->letters[i % VMQ_MAIL_SLOTS];

		size += letter_room(letter);
		if (letter->kind == VMQ_LETTER_RNDIS && has_section(rules, letter))
			sections++;
	}
	if (size > q->out.room)
		return false;
	if (sections == 0 || vmq_bufs_need(rules->bufs, q, sections, true) == sections)
		return true;
	/* The guest has them all, and may give them back behind this very message. */
	return vmq_mail_waiting(q->mail) <= VMQ_MAIL_SLOTS / 2;
}

bool vmq_mail_deliver(struct vmq_queue *q, const struct vmq_rules *rules)
{
	struct vmq_mail *mail = q->mail;
	uint32_t head = atomic_load_explicit(&mail->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&mail->tail, memory_order_acquire);

	if (vmq_control_step(q->control) == VMQ_CONTROL_DONE)
		tail = q->control->answers;
	while (head != tail && put_letter(q, rules, &mail->letters[head % VMQ_MAIL_SLOTS]) == 0)
		head++;
	atomic_store_explicit(&mail->head, head, memory_order_release);
	return head == tail;
}
