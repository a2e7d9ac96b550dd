/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bundles: messages that are kept and then done all together, or not at all (ONF extension 230; the
 * text is OpenFlow 1.4's, 6.8).
 *
 * 	open ─► add ... ─► close ─► commit: all of it in one transaction of the rules
 * 	  └───────┴──────────┴─────► discard, or the connection ends: nothing was changed
 *
 * A message is looked at when it is added, so that most errors are answered at once and for that
 * message; what depends on other rules shows at the commit.  There an error names its message
 * first, and then the bundle.
 *
 * Rules, groups and meters change under one version, ports in the same breath before it: all
 * bundles are ordered, and all are atomic.
 */
#include "vswitch/agent_priv.h"

#include "vswitch/flows.h"
#include "vswitch/of/bundle.h"

#include <stdlib.h>

#define MAX_BUNDLES  16u
#define MAX_SIZE     (256u << 20) /* messages of all bundles of a connection */
#define CHUNK_SIZE   (256u << 10) /* room for three messages at least */
#define ANSWER_LIMIT 1024u

/* Messages one behind the other; none lies in two chunks. */
struct chunk {
	struct chunk *next;
	size_t size;
	uint8_t bytes[CHUNK_SIZE];
};

struct bundle {
	struct bundle *next;
	uint32_t id;
	uint16_t flags;
	bool closed;
	struct chunk *first, *last;
};

struct vs_bundles {
	struct bundle *first;
	unsigned n;
	size_t size; /* of chunks */
};

/* ---- The list ---- */

static struct bundle *find(const struct vs_channel *ch, uint32_t id)
{
	struct bundle *b = ch->bundles != NULL ? ch->bundles->first : NULL;

	while (b != NULL && b->id != id)
		b = b->next;
	return b;
}

static enum of_error open_bundle(struct vs_channel *ch, uint32_t id, uint16_t flags,
				 struct bundle **ret)
{
	struct bundle *b;

	if (ch->bundles == NULL)
		ch->bundles = calloc(1, sizeof(*ch->bundles));
	if (ch->bundles == NULL)
		return OF_ERROR_NO_MEMORY;
	if (ch->bundles->n == MAX_BUNDLES)
		return OFPBFC_OUT_OF_BUNDLES;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return OF_ERROR_NO_MEMORY;
	*b = (struct bundle){.next = ch->bundles->first, .id = id, .flags = flags};
	ch->bundles->first = b;
	ch->bundles->n++;
	*ret = b;
	return OF_OK;
}

static void drop(struct vs_channel *ch, struct bundle *b)
{
	struct bundle **at = &ch->bundles->first;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	ch->bundles->n--;
	while (b->first != NULL) {
		struct chunk *c = b->first;

		b->first = c->next;
		ch->bundles->size -= sizeof(*c);
		free(c);
	}
	free(b);
}

void vs_bundles_drop(struct vs_channel *ch)
{
	if (ch->bundles == NULL)
		return;
	while (ch->bundles->first != NULL)
		drop(ch, ch->bundles->first);
	free(ch->bundles);
	ch->bundles = NULL;
}

/* ---- Adding ---- */

static enum of_error keep(struct vs_bundles *bundles, struct bundle *b, const uint8_t *msg,
			  size_t size)
{
	struct chunk *c = b->last;

	if (c == NULL || sizeof(c->bytes) - c->size < size) {
		if (bundles->size >= MAX_SIZE)
			return OFPBFC_MSG_TOO_MANY;
		c = malloc(sizeof(*c));
		if (c == NULL)
			return OF_ERROR_NO_MEMORY;
		c->next = NULL;
		c->size = 0;
		bundles->size += sizeof(*c);
		if (b->last != NULL)
			b->last->next = c;
		else
			b->first = c;
		b->last = c;
	}
	memcpy(c->bytes + c->size, msg, size);
	c->size += size;
	return OF_OK;
}

/* A request around a message of a bundle. */
static struct vs_request inner(const struct vs_request *req, const struct of_header *header,
			       const uint8_t *msg, struct rd *ret_body)
{
	*ret_body = rd_init(msg, header->size);
	rd_skip(ret_body, OF_HEADER_SIZE);
	return (struct vs_request){.agent = req->agent,
				   .ch = req->ch,
				   .header = *header,
				   .msg = msg};
}

/* What is wrong with a message whatever else is in the bundle. */
static enum of_error look_at(const struct vs_request *req, const struct of_bundle_add *add)
{
	struct vs_port_mods mods = {0};
	enum of_error error = OF_OK;
	struct vs_request in;
	struct rd rd;

	in = inner(req, &add->header, add->msg, &rd);
	if (add->header.type == OFPT_PORT_MOD)
		error = vs_port_mods_add(&in, &rd, &mods);
	else if (add->header.type == OFPT_FLOW_MOD)
		error = vs_flow_mod_look_at(&rd);
	else if (vs_agent_change(add->header.type) == NULL)
		error = OFPBFC_MSG_UNSUP;
	vs_port_mods_fini(&mods);
	return error;
}

/* A bundle that is not there is opened (6.8.2). */
enum of_error vs_agent_bundle_add(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct of_bundle_add add;
	enum of_error error = of_bundle_add_decode(rd, req->header.xid, &add);
	struct bundle *b;

	if (error != OF_OK)
		return error;
	if (vs_channel_main(req->ch)->role == OFPCR_ROLE_SLAVE)
		return OFPBRC_IS_SLAVE;
	b = find(req->ch, add.id);
	if (b != NULL && b->closed)
		return OFPBFC_BUNDLE_CLOSED;
	if (b != NULL && b->flags != add.flags)
		return OFPBFC_BAD_FLAGS;
	error = look_at(req, &add);
	if (error == OF_OK && b == NULL)
		error = open_bundle(req->ch, add.id, add.flags, &b);
	return error != OF_OK ? error : keep(req->ch->bundles, b, add.msg, add.header.size);
}

/* ---- Commit ---- */

/* Tells of the message that makes the commit fail; the bundle's own error follows. */
static void blame(const struct vs_request *req, enum of_error error)
{
	struct wr wr = wr_init(ANSWER_LIMIT);

	of_error_reply(&wr, error, req->msg, req->header.size);
	if (wr_ok(&wr))
		vs_channel_send(req->ch, wr.bytes, wr.size, false);
	wr_fini(&wr);
}

static enum of_error do_one(const struct vs_request *in, struct rd *rd, struct vs_port_mods *mods)
{
	if (in->header.type == OFPT_PORT_MOD)
		return vs_port_mods_add(in, rd, mods);
	return vs_agent_change(in->header.type)(in, rd);
}

static enum of_error do_all(const struct vs_request *req, const struct bundle *b,
			    struct vs_port_mods *mods)
{
	for (const struct chunk *c = b->first; c != NULL; c = c->next)
		for (size_t at = 0; at < c->size;) {
			struct of_header header;
			struct vs_request in;
			enum of_error error;
			struct rd rd;

			if (of_header_decode(c->bytes + at, c->size - at, &header) != OF_OK)
				return OFPBFC_UNKNOWN;
			in = inner(req, &header, c->bytes + at, &rd);
			error = do_one(&in, &rd, mods);
			if (error != OF_OK) {
				blame(&in, error);
				return OFPBFC_MSG_FAILED;
			}
			at += header.size;
		}
	return OF_OK;
}

static enum of_error commit(const struct vs_request *req, struct bundle *b)
{
	struct vs_flows *flows = req->agent->flows;
	struct vs_port_mods mods = {0};
	enum of_error error;

	req->agent->unseen = true;
	vs_flows_begin(flows);
	error = do_all(req, b, &mods);
	if (error == OF_OK)
		error = vs_port_mods_do(req->agent, &mods);
	if (error == OF_OK)
		vs_flows_commit(flows);
	else
		vs_flows_abort(flows);
	vs_port_mods_fini(&mods);
	return error;
}

/* ---- Control ---- */

static enum of_error close_bundle(struct bundle *b, const struct of_bundle_control *control)
{
	if (b->closed)
		return OFPBFC_BUNDLE_CLOSED;
	if (b->flags != control->flags)
		return OFPBFC_BAD_FLAGS;
	b->closed = true;
	return OF_OK;
}

static enum of_error control_one(const struct vs_request *req,
				 const struct of_bundle_control *control)
{
	struct bundle *b = find(req->ch, control->id);
	enum of_error error = OF_OK;

	if (control->type == OFPBCT_OPEN_REQUEST)
		return b != NULL ? OFPBFC_BUNDLE_EXIST
				 : open_bundle(req->ch, control->id, control->flags, &b);
	if (control->type > OFPBCT_DISCARD_REQUEST || control->type % 2 != 0)
		return OFPBFC_BAD_TYPE;
	if (b == NULL)
		return OFPBFC_BAD_ID;
	if (control->type == OFPBCT_CLOSE_REQUEST)
		return close_bundle(b, control);
	if (control->type == OFPBCT_COMMIT_REQUEST) {
		if (b->flags != control->flags)
			return OFPBFC_BAD_FLAGS;
		error = commit(req, b);
	}
	drop(req->ch, b); /* Also one that could not be committed (6.8.1.3). */
	return error;
}

enum of_error vs_agent_bundle_control(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct of_bundle_control control;
	enum of_error error = of_bundle_control_decode(rd, &control);

	if (error == OF_OK && vs_channel_main(req->ch)->role == OFPCR_ROLE_SLAVE)
		error = OFPBRC_IS_SLAVE;
	if (error == OF_OK)
		error = control_one(req, &control);
	if (error != OF_OK)
		return error;
	control.type++; /* A reply's number is its request's and one. */
	of_bundle_control_encode(wr, req->header.xid, &control);
	return OF_OK;
}
