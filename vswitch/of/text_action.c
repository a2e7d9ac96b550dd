/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Actions and instructions in the flow syntax: reading; see text_priv.h.
 */
#include "vswitch/of/text_priv.h"

#include <ctype.h>
#include <errno.h>

#define ETH_VLAN       0x8100
#define NX_IN_PORT     0xfff8
#define CONTROLLER_LEN 0xffff

static bool add(struct of_parser *p, struct of_actions *actions, const struct of_action *action)
{
	return of_actions_add(actions, action) || of_parse_nomem(p);
}

bool of_parse_subfield(struct of_parser *p, struct of_word word, struct of_subfield *ret_sub)
{
	struct of_word name, bits, first, last;
	uint64_t from = 0, to;
	enum of_field field;

	of_word_split(word, "[", &name, &bits);
	field = of_field_find(name);
	if (field == OF_N_FIELDS)
		return of_parse_fail(p, name.at, "unknown field '%.*s'", (int)name.size, name.at);
	to = of_field_info(field)->n_bits - 1U;
	if (bits.at != NULL && (bits.size == 0 || bits.at[bits.size - 1] != ']'))
		return of_parse_fail(p, bits.at, "']' is missing");
	if (bits.at != NULL && bits.size > 1) {
		bits.size--;
		of_word_split(bits, "..", &first, &last);
		if (!of_parse_number(p, first, to, &from) ||
		    !of_parse_number(p, last.at != NULL ? last : first, to, &to))
			return false;
		if (from > to)
			return of_parse_fail(p, bits.at, "the first bit is after the last");
	}
	*ret_sub = (struct of_subfield){(uint8_t)field, (uint8_t)from, (uint8_t)(to - from + 1)};
	return true;
}

/* "X->Y". */
static bool parse_arrow(struct of_parser *p, struct of_word word, struct of_word *ret_from,
			struct of_word *ret_to)
{
	of_word_split(word, "->", ret_from, ret_to);
	return ret_to->at != NULL || of_parse_fail(p, word.at, "'->' and a field are missing");
}

/* A whole field without a mask is the specification's set-field, anything else Nicira's. */
static bool add_set(struct of_parser *p, struct of_actions *actions, const struct of_oxm *oxm,
		    struct of_word at)
{
	const struct of_field_info *info = of_field_info((enum of_field)oxm->field);
	struct of_action action = {.type = OF_ACT_SET_FIELD, .set = *oxm};

	if (info->write == OF_WRITE_NONE)
		return of_parse_fail(p, at.at, "%s cannot be set", info->name);
	if (oxm->masked || info->write == OF_WRITE_LOAD)
		action.type = OF_ACT_NX_REG_LOAD2;
	return add(p, actions, &action);
}

static bool parse_set_field(struct of_parser *p, const struct of_pair *pair,
			    struct of_actions *actions)
{
	struct of_word value, name;
	struct of_oxm oxm;
	enum of_field field;

	if (!parse_arrow(p, pair->value, &value, &name))
		return false;
	field = of_field_find(name);
	if (field == OF_N_FIELDS)
		return of_parse_fail(p, name.at, "unknown field '%.*s'", (int)name.size, name.at);
	if (!of_parse_value(p, value, field, &oxm))
		return false;
	/* Without OFPVID_PRESENT there would be no tag to set. */
	if (field == OF_F_VLAN_VID && !oxm.masked)
		oxm = of_oxm_u64(field, of_oxm_value(&oxm) | OFPVID_PRESENT);
	return add_set(p, actions, &oxm, name);
}

static bool parse_load(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	struct of_action action = {.type = OF_ACT_NX_REG_LOAD};
	struct of_word value, name;
	uint64_t max;

	if (!parse_arrow(p, pair->value, &value, &name) ||
	    !of_parse_subfield(p, name, &action.load.to))
		return false;
	if (action.load.to.n_bits > 64)
		return of_parse_fail(p, name.at, "load writes up to 64 bits");
	max = action.load.to.n_bits == 64 ? UINT64_MAX : (1ULL << action.load.to.n_bits) - 1;
	return of_parse_number(p, value, max, &action.load.value) && add(p, actions, &action);
}

static bool parse_move(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	struct of_action action = {.type = OF_ACT_NX_REG_MOVE};
	struct of_word from, to;

	if (!parse_arrow(p, pair->value, &from, &to) ||
	    !of_parse_subfield(p, from, &action.move.from) ||
	    !of_parse_subfield(p, to, &action.move.to))
		return false;
	if (action.move.from.n_bits != action.move.to.n_bits)
		return of_parse_fail(p, from.at, "%u bits do not fit %u", action.move.from.n_bits,
				     action.move.to.n_bits);
	return add(p, actions, &action);
}

static bool add_output(struct of_parser *p, struct of_actions *actions, uint32_t port,
		       uint16_t max_len)
{
	const struct of_action action = {.type = OF_ACT_OUTPUT, .output = {port, max_len}};

	return add(p, actions, &action);
}

static bool parse_output(struct of_parser *p, const struct of_pair *pair,
			 struct of_actions *actions)
{
	struct of_action action = {.type = OF_ACT_NX_OUTPUT_REG,
				   .output_reg = {.max_len = OF_MAX_LEN_ALL}};
	struct of_word name, bits;
	uint32_t port = 0;

	of_word_split(pair->value, "[", &name, &bits);
	if (bits.at != NULL)
		return of_parse_subfield(p, pair->value, &action.output_reg.from) &&
		       add(p, actions, &action);
	return of_parse_port(p, pair->value, &port) &&
	       add_output(p, actions, port, port == OFPP_CONTROLLER ? CONTROLLER_LEN : 0);
}

static bool parse_controller(struct of_parser *p, const struct of_pair *pair,
			     struct of_actions *actions)
{
	struct of_action action = {
		.type = OF_ACT_NX_CONTROLLER,
		.controller = {.max_len = CONTROLLER_LEN, .reason = 1 /* OFPR_ACTION */},
	};
	struct of_parser args = of_parser_in(p, pair->value);
	uint64_t value = CONTROLLER_LEN;
	struct of_pair arg;

	if (pair->sep == ':' && !of_parse_number(p, pair->value, UINT16_MAX, &value))
		return false;
	if (pair->sep != '(')
		return add_output(p, actions, OFPP_CONTROLLER, (uint16_t)value);
	while (of_parse_pair(&args, &arg)) {
		if (of_word_is(arg.key, "max_len") &&
		    of_parse_number(&args, arg.value, UINT16_MAX, &value))
			action.controller.max_len = (uint16_t)value;
		else if (of_word_is(arg.key, "id") &&
			 of_parse_number(&args, arg.value, UINT16_MAX, &value))
			action.controller.controller_id = (uint16_t)value;
		else if (of_word_is(arg.key, "reason"))
			action.controller.reason = of_word_is(arg.value, "no_match")	  ? 0
						   : of_word_is(arg.value, "invalid_ttl") ? 2
											  : 1;
		else
			of_parse_fail(&args, arg.key.at, "must be max_len, id or reason");
	}
	return of_parse_done(p, &args) && add(p, actions, &action);
}

static bool parse_nx_port(struct of_parser *p, struct of_word word, uint16_t *ret_port)
{
	uint32_t port = NX_IN_PORT;

	if (word.size > 0 && !of_parse_port(p, word, &port))
		return false;
	if (port > UINT16_MAX && port < OFPP_UNSET) /* reserved ones have their names' 16 bits */
		return of_parse_fail(p, word.at, "resubmit takes ports of 16 bits");
	*ret_port = (uint16_t)port;
	return true;
}

static bool parse_resubmit(struct of_parser *p, const struct of_pair *pair,
			   struct of_actions *actions)
{
	struct of_action action = {.type = OF_ACT_NX_RESUBMIT_TABLE,
				   .resubmit = {.table = OF_NX_TABLE_ANY}};
	struct of_word port, rest, table, ct;
	uint64_t value = OF_NX_TABLE_ANY;

	if (pair->sep != '(')
		return parse_nx_port(p, pair->value, &action.resubmit.in_port) &&
		       add(p, actions, &action);
	of_word_split(pair->value, ",", &port, &rest);
	of_word_split(rest, ",", &table, &ct);
	if (!parse_nx_port(p, port, &action.resubmit.in_port) ||
	    (table.size > 0 && !of_parse_number(p, table, OF_NX_TABLE_ANY, &value)))
		return false;
	if (ct.at != NULL && !of_word_is(ct, "ct"))
		return of_parse_fail(p, ct.at, "must be 'ct'");
	if (ct.at != NULL)
		action.type = OF_ACT_NX_RESUBMIT_TABLE_CT;
	action.resubmit.table = (uint8_t)value;
	return add(p, actions, &action);
}

/* Actions of a number. */
static const struct {
	const char *name;
	uint8_t type;
	uint32_t max;
} numbered[] = {
	{"group", OF_ACT_GROUP, OF_GROUP_MAX},
	{"set_queue", OF_ACT_SET_QUEUE, OF_QUEUE_ALL - 1},
	{"push_vlan", OF_ACT_PUSH_VLAN, UINT16_MAX},
	{"push_mpls", OF_ACT_PUSH_MPLS, UINT16_MAX},
	{"pop_mpls", OF_ACT_POP_MPLS, UINT16_MAX},
	{"push_pbb", OF_ACT_PUSH_PBB, UINT16_MAX},
	{"set_mpls_ttl", OF_ACT_SET_MPLS_TTL, UINT8_MAX},
	{"mod_nw_ttl", OF_ACT_SET_NW_TTL, UINT8_MAX},
	{"set_nw_ttl", OF_ACT_SET_NW_TTL, UINT8_MAX},
};

static bool add_numbered(struct of_parser *p, struct of_actions *actions, uint8_t type,
			 uint32_t value)
{
	struct of_action action = {.type = type};

	if (type == OF_ACT_GROUP)
		action.group = value;
	else if (type == OF_ACT_SET_QUEUE)
		action.queue = value;
	else if (type == OF_ACT_SET_MPLS_TTL || type == OF_ACT_SET_NW_TTL)
		action.ttl = (uint8_t)value;
	else
		action.eth_type = (uint16_t)value;
	return add(p, actions, &action);
}

static int parse_numbered(struct of_parser *p, const struct of_pair *pair,
			  struct of_actions *actions)
{
	uint64_t value = 0;

	for (size_t i = 0; i < sizeof(numbered) / sizeof(numbered[0]); i++) {
		if (!of_word_is(pair->key, numbered[i].name))
			continue;
		if (!of_parse_number(p, pair->value, numbered[i].max, &value) ||
		    !add_numbered(p, actions, numbered[i].type, (uint32_t)value))
			return -1;
		if (numbered[i].type == OF_ACT_PUSH_VLAN)
			p->tagged = true;
		return 1;
	}
	return 0;
}

/* Actions of a name alone. */
static const struct {
	const char *name;
	uint8_t type;
} bare[] = {
	{"copy_ttl_out", OF_ACT_COPY_TTL_OUT}, {"copy_ttl_in", OF_ACT_COPY_TTL_IN},
	{"dec_mpls_ttl", OF_ACT_DEC_MPLS_TTL}, {"pop_vlan", OF_ACT_POP_VLAN},
	{"strip_vlan", OF_ACT_POP_VLAN},       {"dec_ttl", OF_ACT_DEC_NW_TTL},
	{"dec_nw_ttl", OF_ACT_DEC_NW_TTL},     {"pop_pbb", OF_ACT_POP_PBB},
	{"ct_clear", OF_ACT_NX_CT_CLEAR},
};

static int parse_bare(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
		const struct of_action action = {.type = bare[i].type};

		if (!of_word_is(pair->key, bare[i].name))
			continue;
		if (pair->sep != 0)
			return of_parse_fail(p, pair->value.at, "%s takes no argument",
					     bare[i].name)
				       ? 1
				       : -1;
		if (action.type == OF_ACT_POP_VLAN)
			p->tagged = false;
		return add(p, actions, &action) ? 1 : -1;
	}
	return 0;
}

/* Actions of OpenFlow 1.0, as set-fields. */
static const struct {
	const char *name;
	enum of_field field;
} mods[] = {
	{"mod_dl_src", OF_F_ETH_SRC},	  {"mod_dl_dst", OF_F_ETH_DST},
	{"mod_nw_src", OF_F_IPV4_SRC},	  {"mod_nw_dst", OF_F_IPV4_DST},
	{"mod_nw_ecn", OF_F_IP_ECN},	  {"mod_vlan_pcp", OF_F_VLAN_PCP},
	{"set_vlan_pcp", OF_F_VLAN_PCP},  {"mod_vlan_vid", OF_F_VLAN_VID},
	{"set_vlan_vid", OF_F_VLAN_VID},  {"set_mpls_label", OF_F_MPLS_LABEL},
	{"set_mpls_tc", OF_F_MPLS_TC},	  {"set_tunnel", OF_F_TUNNEL_ID},
	{"set_tunnel64", OF_F_TUNNEL_ID},
};

/* An untagged packet gets its tag first. */
static bool tag_first(struct of_parser *p, struct of_actions *actions, enum of_field field)
{
	if (p->tagged || (field != OF_F_VLAN_PCP && field != OF_F_VLAN_VID))
		return true;
	p->tagged = true;
	return add_numbered(p, actions, OF_ACT_PUSH_VLAN, ETH_VLAN);
}

/* The ports of whatever protocol the match is for. */
static bool mod_port(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	const struct of_oxm *proto =
		p->known != NULL ? of_match_find(p->known, OF_F_IP_PROTO) : NULL;
	bool source = of_word_is(pair->key, "mod_tp_src");
	uint64_t number = proto != NULL ? of_oxm_value(proto) : 0, value = 0;
	enum of_field field = number == 6     ? OF_F_TCP_SRC
			      : number == 17  ? OF_F_UDP_SRC
			      : number == 132 ? OF_F_SCTP_SRC
					      : OF_N_FIELDS;
	struct of_oxm oxm;

	if (field == OF_N_FIELDS)
		return of_parse_fail(p, pair->key.at, "%.*s needs a match on tcp, udp or sctp",
				     (int)pair->key.size, pair->key.at);
	if (!of_parse_number(p, pair->value, UINT16_MAX, &value))
		return false;
	oxm = of_oxm_u64((enum of_field)(field + (source ? 0U : 1U)), value);
	return add_set(p, actions, &oxm, pair->key);
}

static bool mod_tos(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	uint64_t tos = 0;
	struct of_oxm oxm;

	if (!of_parse_number(p, pair->value, 255, &tos))
		return false;
	if ((tos & 3) != 0)
		return of_parse_fail(p, pair->value.at, "the two low bits must be clear");
	oxm = of_oxm_u64(OF_F_IP_DSCP, tos >> 2);
	return add_set(p, actions, &oxm, pair->key);
}

static int parse_mod(struct of_parser *p, const struct of_pair *pair, struct of_actions *actions)
{
	struct of_oxm oxm;

	if (of_word_is(pair->key, "mod_tp_src") || of_word_is(pair->key, "mod_tp_dst"))
		return mod_port(p, pair, actions) ? 1 : -1;
	if (of_word_is(pair->key, "mod_nw_tos"))
		return mod_tos(p, pair, actions) ? 1 : -1;
	for (size_t i = 0; i < sizeof(mods) / sizeof(mods[0]); i++) {
		if (!of_word_is(pair->key, mods[i].name))
			continue;
		if (!of_parse_value(p, pair->value, mods[i].field, &oxm) ||
		    !tag_first(p, actions, mods[i].field))
			return -1;
		if (oxm.masked)
			return of_parse_fail(p, pair->value.at, "takes no mask") ? 1 : -1;
		if (mods[i].field == OF_F_VLAN_VID)
			oxm = of_oxm_u64(OF_F_VLAN_VID, of_oxm_value(&oxm) | OFPVID_PRESENT);
		return add_set(p, actions, &oxm, pair->key) ? 1 : -1;
	}
	return 0;
}

/* A port where an action could be. */
static bool parse_bare_port(struct of_parser *p, const struct of_pair *pair,
			    struct of_actions *actions)
{
	uint32_t port;
	struct of_parser try = *p;

	try.err = NULL;
	if (pair->sep != 0 || !of_parse_port(&try, pair->key, &port))
		return of_parse_fail(p, pair->key.at, "unknown action or port '%.*s'",
				     (int)pair->key.size, pair->key.at);
	return add_output(p, actions, port, port == OFPP_CONTROLLER ? CONTROLLER_LEN : 0);
}

static bool parse_action(struct of_parser *p, const struct of_pair *pair,
			 struct of_actions *actions)
{
	int known = parse_numbered(p, pair, actions);

	if (known == 0)
		known = parse_bare(p, pair, actions);
	if (known == 0)
		known = parse_mod(p, pair, actions);
	if (known != 0)
		return known > 0;
	if (of_word_is(pair->key, "set_field"))
		return parse_set_field(p, pair, actions);
	if (of_word_is(pair->key, "output") && pair->sep != '(')
		return parse_output(p, pair, actions);
	if (of_word_is(pair->key, "controller"))
		return parse_controller(p, pair, actions);
	if (of_word_is(pair->key, "load"))
		return parse_load(p, pair, actions);
	if (of_word_is(pair->key, "move"))
		return parse_move(p, pair, actions);
	if (of_word_is(pair->key, "resubmit"))
		return parse_resubmit(p, pair, actions);
	if (of_word_is(pair->key, "ct") || of_word_is(pair->key, "nat"))
		return of_parse_ct(p, pair, actions);
	return parse_bare_port(p, pair, actions);
}

bool of_parse_actions(struct of_parser *p, struct of_actions *actions)
{
	struct of_pair pair;

	while (of_parse_pair(p, &pair)) {
		if (of_word_is(pair.key, "drop") && pair.sep == 0)
			continue;
		if (!parse_action(p, &pair, actions))
			break;
	}
	return p->rc == 0;
}

static bool parse_metadata(struct of_parser *p, struct of_word word, struct of_instrs *instrs)
{
	struct of_word value, mask;

	of_word_split(word, "/", &value, &mask);
	instrs->metadata_mask = UINT64_MAX;
	return of_parse_number(p, value, UINT64_MAX, &instrs->metadata) &&
	       (mask.at == NULL || of_parse_number(p, mask, UINT64_MAX, &instrs->metadata_mask));
}

static bool parse_write_actions(struct of_parser *p, struct of_word word, struct of_instrs *instrs)
{
	struct of_parser list = of_parser_in(p, word);

	of_parse_actions(&list, &instrs->write);
	return of_parse_done(p, &list);
}

static const struct {
	const char *name;
	enum of_instr_type type;
} instr_names[] = {
	{"goto_table", OFPIT_GOTO_TABLE},
	{"write_metadata", OFPIT_WRITE_METADATA},
	{"write_actions", OFPIT_WRITE_ACTIONS},
	{"clear_actions", OFPIT_CLEAR_ACTIONS},
	{"meter", OFPIT_METER},
};

static bool parse_instr(struct of_parser *p, const struct of_pair *pair, enum of_instr_type type,
			struct of_instrs *instrs)
{
	uint64_t value = 0;

	if (of_instrs_has(instrs, type))
		return of_parse_fail(p, pair->key.at, "%.*s is there twice", (int)pair->key.size,
				     pair->key.at);
	if ((pair->sep == 0) != (type == OFPIT_CLEAR_ACTIONS))
		return of_parse_fail(p, pair->key.at, "%.*s takes %s", (int)pair->key.size,
				     pair->key.at, pair->sep != 0 ? "no value" : "a value");
	of_instrs_mark(instrs, type);
	switch (type) {
	case OFPIT_GOTO_TABLE:
		if (!of_parse_number(p, pair->value, OF_TABLE_MAX, &value))
			return false;
		instrs->goto_table = (uint8_t)value;
		return true;
	case OFPIT_METER:
		if (!of_parse_number(p, pair->value, OF_METER_MAX, &value))
			return false;
		instrs->meter = (uint32_t)value;
		return value > 0 || of_parse_fail(p, pair->value.at, "meters begin at 1");
	case OFPIT_WRITE_METADATA:
		return parse_metadata(p, pair->value, instrs);
	case OFPIT_WRITE_ACTIONS:
		return parse_write_actions(p, pair->value, instrs);
	case OFPIT_APPLY_ACTIONS:
	case OFPIT_CLEAR_ACTIONS:
	default:
		return true;
	}
}

bool of_parse_instrs(struct of_parser *p, struct of_instrs *instrs)
{
	struct of_pair pair;

	p->tagged = p->known != NULL && of_match_prereq(p->known, OF_PREREQ_VLAN);
	while (of_parse_pair(p, &pair)) {
		size_t i = 0, n = sizeof(instr_names) / sizeof(instr_names[0]);

		while (i < n && !of_word_is(pair.key, instr_names[i].name))
			i++;
		if (i < n) {
			if (!parse_instr(p, &pair, instr_names[i].type, instrs))
				break;
		} else if (!of_word_is(pair.key, "drop") || pair.sep != 0) {
			of_instrs_mark(instrs, OFPIT_APPLY_ACTIONS);
			if (!parse_action(p, &pair, &instrs->apply))
				break;
		}
	}
	return p->rc == 0;
}

int of_text_instrs_parse(const char *text, unsigned line, const struct of_text_ports *ports,
			 const struct of_match *match, struct of_instrs *ret_instrs,
			 struct of_text_error *err)
{
	struct of_parser p = of_parser_init(text, strlen(text), line, ports, err);
	struct of_match known = {0};

	if (match != NULL)
		memcpy(&known, match, of_match_size(match));
	p.known = &known;
	*ret_instrs = (struct of_instrs){0};
	if (!of_parse_instrs(&p, ret_instrs))
		of_instrs_fini(ret_instrs);
	return p.rc;
}
