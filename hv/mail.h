/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a processor to the owner of the machine: what happened that a processor's thread does not
 * decide.  A bounded box with an event descriptor; processors put, the owner's event loop takes.
 *
 * The bound is the guest's: who posts faster than the owner works is told to try again
 * (HV_STATUS_INSUFFICIENT_BUFFERS).  What must not be lost (a crash, the end) has places of its
 * own.
 */
#ifndef HV_MAIL_H
#define HV_MAIL_H

#include <stdbool.h>
#include <stdint.h>

enum hv_mail_type {
	HV_MAIL_MESSAGE,   /* the guest posted a message to a connection */
	HV_MAIL_SLOT_FREE, /* the message slot of 'vp' that hv_face_post() found taken is free */
	HV_MAIL_SYNIC,	   /* 'vp' moved or switched its SynIC pages: event targets changed */
	HV_MAIL_CRASH,	   /* the guest says that it crashed: hv_partition_crash() has it */
	HV_MAIL_RESET,	   /* it wants to start anew */
	HV_MAIL_POWEROFF,
	HV_MAIL_FAULT, /* 'vp' cannot go on: a triple fault, or KVM's error in 'text' */
	HV_MAIL_N_TYPES,
};

struct hv_mail {
	enum hv_mail_type type;
	uint32_t vp;
	union {
		struct {
			uint32_t connection_id;
			uint32_t size;
			uint8_t bytes[240];
		} message;
		char text[240];
	};
};

struct hv_mailbox;

int hv_mailbox_create(struct hv_mailbox **ret_box);
void hv_mailbox_destroy(struct hv_mailbox *box);
/* Readable when there is mail. */
int hv_mailbox_fd(const struct hv_mailbox *box);
/* Processors' threads.  0; -EAGAIN: full (only MESSAGE: the others always find a place, for one of
 * each type and processor is kept, and says the same as many). */
int hv_mailbox_put(struct hv_mailbox *box, const struct hv_mail *mail);
/* The owner's thread.  False: empty.  Messages come in the order of each processor. */
bool hv_mailbox_take(struct hv_mailbox *box, struct hv_mail *ret_mail);
/* While it is held, messages stay in it: the owner cannot go on with the last one, but wants all
 * else. */
void hv_mailbox_hold(struct hv_mailbox *box, bool hold);
/* Throws away all that is there, and holds nothing; for a reset. */
void hv_mailbox_clear(struct hv_mailbox *box);

#endif
