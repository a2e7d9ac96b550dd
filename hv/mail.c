/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See mail.h.  A lock is good enough: messages are VMBus's control, a few hundred in a guest's
 * life.
 */
#include "hv/mail.h"
#include "hv/layout.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define N_MESSAGES 64

struct hv_mailbox {
	int fd;
	pthread_mutex_t lock;
	/* All below: the lock's. */
	bool hold;
	unsigned first, n;
	struct hv_mail messages[N_MESSAGES];
	/* Of the other types, those that wait: a bit for each processor. */
	uint64_t waiting[HV_MAIL_N_TYPES];
	char fault[sizeof(((struct hv_mail *)NULL)->text)];
};

_Static_assert(HV_MAX_VPS <= 64, "a bit for each processor");

int hv_mailbox_create(struct hv_mailbox **ret_box)
{
	struct hv_mailbox *box = calloc(1, sizeof(*box));

	if (box == NULL)
		return -ENOMEM;
	box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (box->fd < 0) {
		free(box);
		return -errno;
	}
	pthread_mutex_init(&box->lock, NULL);
	*ret_box = box;
	return 0;
}

void hv_mailbox_destroy(struct hv_mailbox *box)
{
	if (box == NULL)
		return;
	close(box->fd);
	pthread_mutex_destroy(&box->lock);
	free(box);
}

int hv_mailbox_fd(const struct hv_mailbox *box)
{
	return box->fd;
}

static int put(struct hv_mailbox *box, const struct hv_mail *mail)
{
	if (mail->type != HV_MAIL_MESSAGE) {
		if (mail->type == HV_MAIL_FAULT && box->waiting[HV_MAIL_FAULT] == 0)
			memcpy(box->fault, mail->text, sizeof(box->fault));
		box->waiting[mail->type] |= 1ull << mail->vp;
		return 0;
	}
	if (box->n == N_MESSAGES)
		return -EAGAIN;
	box->messages[(box->first + box->n++) % N_MESSAGES] = *mail;
	return 0;
}

int hv_mailbox_put(struct hv_mailbox *box, const struct hv_mail *mail)
{
	int rc;

	pthread_mutex_lock(&box->lock);
	rc = put(box, mail);
	pthread_mutex_unlock(&box->lock);
	if (rc == 0)
		(void)eventfd_write(box->fd, 1);
	return rc;
}

static bool take(struct hv_mailbox *box, struct hv_mail *ret_mail)
{
	if (box->n > 0 && !box->hold) {
		*ret_mail = box->messages[box->first];
		box->first = (box->first + 1) % N_MESSAGES;
		box->n--;
		return true;
	}
	for (int type = 0; type < HV_MAIL_N_TYPES; type++) {
		unsigned vp;

		if (box->waiting[type] == 0)
			continue;
		vp = (unsigned)__builtin_ctzll(box->waiting[type]);
		box->waiting[type] &= box->waiting[type] - 1;
		memset(ret_mail, 0, sizeof(*ret_mail));
		ret_mail->type = (enum hv_mail_type)type;
		ret_mail->vp = vp;
		if (type == HV_MAIL_FAULT)
			memcpy(ret_mail->text, box->fault, sizeof(box->fault));
		return true;
	}
	return false;
}

bool hv_mailbox_take(struct hv_mailbox *box, struct hv_mail *ret_mail)
{
	eventfd_t n;
	bool some;

	pthread_mutex_lock(&box->lock);
	some = take(box, ret_mail);
	if (!some)
		(void)eventfd_read(box->fd, &n);
	pthread_mutex_unlock(&box->lock);
	return some;
}

void hv_mailbox_hold(struct hv_mailbox *box, bool hold)
{
	pthread_mutex_lock(&box->lock);
	box->hold = hold;
	pthread_mutex_unlock(&box->lock);
	if (!hold)
		(void)eventfd_write(box->fd, 1);
}

void hv_mailbox_clear(struct hv_mailbox *box)
{
	pthread_mutex_lock(&box->lock);
	box->n = 0;
	box->hold = false;
	memset(box->waiting, 0, sizeof(box->waiting));
	pthread_mutex_unlock(&box->lock);
}
