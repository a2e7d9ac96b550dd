/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Answers that take time: the handler returns, the control thread goes on, and whoever knows the
 * end of it answers.  A client that closes its sending half still gets its answer; one that is gone
 * is found when the answer is written.
 */
#include "ctl/server_priv.h"

#include <stdlib.h>

#include <event2/event.h>

struct ctl_late *ctl_call_defer(struct ctl_call *call, void (*on_gone)(void *arg), void *arg)
{
	struct ctl_conn *conn = call->conn;
	struct ctl_late *late;

	if (conn->n_lates == CTL_MAX_LATES || call->late != NULL)
		return NULL;
	late = calloc(1, sizeof(*late));
	if (late == NULL)
		return NULL;
	*late = (struct ctl_late){.conn = conn,
				  .id = json_deep_copy(call->request->id),
				  .on_gone = on_gone,
				  .arg = arg};
	if (late->id == NULL) {
		free(late);
		return NULL;
	}
	call->late = late;
	TAILQ_INSERT_TAIL(&conn->lates, late, link);
	conn->n_lates++;
	return late;
}

static void forget(struct ctl_late *late)
{
	TAILQ_REMOVE(&late->conn->lates, late, link);
	late->conn->n_lates--;
	json_decref(late->id);
	free(late);
}

void ctl_late_forget(struct ctl_call *call)
{
	if (call->late != NULL)
		forget(call->late);
	call->late = NULL;
}

/* The connection's own events settle what follows: it may be at its end. */
static void put(struct ctl_late *late, json_t *message)
{
	struct ctl_conn *conn = late->conn;

	forget(late);
	if (conn->dead || conn->closing) {
		json_decref(message);
		return;
	}
	ctl_output_put(conn, message);
	event_add(conn->writable, NULL);
}

void ctl_late_answer(struct ctl_late *late, json_t *result)
{
	if (late != NULL)
		put(late, jsonrpc_answer(late->id, result != NULL ? result : json_object()));
	else
		json_decref(result);
}

void ctl_late_fail(struct ctl_late *late, const struct err *err)
{
	if (late == NULL)
		return;
	late->conn->server->counters.errors++;
	put(late, jsonrpc_error(late->id, JSONRPC_FAILED, err));
}

void ctl_late_drop(struct ctl_conn *conn)
{
	struct ctl_late *late;

	while ((late = TAILQ_FIRST(&conn->lates)) != NULL) {
		void (*on_gone)(void *arg) = late->on_gone;
		void *arg = late->arg;

		forget(late);
		if (on_gone != NULL)
			on_gone(arg);
	}
}
