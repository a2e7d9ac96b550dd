/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a VM's worker says: packets of its control socket, the line with which it starts, the file
 * it leaves (docs/vmworker.md).  The worker runs a stranger's guest, so nothing of it is believed:
 * sizes are bounded, names are looked at, and what people will read has no control characters.  No
 * state, any thread.
 */
#ifndef VSWITCH_VM_MSG_H
#define VSWITCH_VM_MSG_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define VS_VM_MAX_PACKET 65536
#define VS_VM_MAX_LINE	 4096

enum vs_vm_msg_type { VS_VM_ANSWER, VS_VM_REFUSAL, VS_VM_EVENT };

struct vs_vm_msg {
	enum vs_vm_msg_type type;
	uint64_t id;	/* of the request; not of an event */
	char event[32]; /* its name */
	json_t *body;	/* the result, or the event; an object */
	struct err err; /* of a refusal */
};

/* 'text' need not end in a zero.  0, or -EBADMSG: the packet is none of the protocol's. */
int vs_vm_msg_parse(const char *text, size_t size, struct vs_vm_msg *ret_msg);
void vs_vm_msg_fini(struct vs_vm_msg *msg);

/* The worker's first line: 0 for "ready", else -EINVAL with its reason. */
int vs_vm_line_parse(const char *text, size_t size, struct err *err);

/* How a worker ended, as exit.json says. */
struct vs_vm_outcome {
	int status;
	char why[32];	/* "power-off", "asked", "fault", "crash" */
	char text[320]; /* may be empty */
};
int vs_vm_outcome_parse(const char *text, size_t size, struct vs_vm_outcome *ret_outcome);

/* A copy that is fit to be shown: strings without control characters but ends of lines, of 16 KB at
 * most, 8 levels, 512 members each; what is more is left out.  New reference; NULL: no memory. */
json_t *vs_vm_clean(const json_t *value);

/* The same of one text, in place: control characters and what is no UTF-8 become '?'. */
void vs_vm_mend(char *text);

/* The line of a panicking kernel's last words that says why; the last one when none does. */
void vs_vm_panic_line(const char *text, char *line, size_t size);

/* What an 'info' or 'stats' says, for who needs one number or text of it.  'path' is "guest.os".
 */
const char *vs_vm_text(const json_t *value, const char *path);
int64_t vs_vm_number(const json_t *value, const char *path);

#endif
