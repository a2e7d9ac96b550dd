/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whole flows, and files of them; see text.h.
 */
#include "vswitch/of/text_priv.h"

#include <errno.h>

#include "vswitch/of/header.h"

static const struct {
	const char *name;
	uint16_t flag;
} flag_names[] = {
	{"send_flow_rem", OFPFF_SEND_FLOW_REM},	 {"check_overlap", OFPFF_CHECK_OVERLAP},
	{"reset_counts", OFPFF_RESET_COUNTS},	 {"no_packet_counts", OFPFF_NO_PKT_COUNTS},
	{"no_byte_counts", OFPFF_NO_BYT_COUNTS},
};

/* What dumps print besides, which says nothing about a flow to add. */
static const char *const ignored[] = {"duration", "n_packets", "n_bytes", "idle_age", "hard_age",
				      "packets",  "bytes",     "age",	  "idle"};

static int parse_flag(struct of_parser *p, const struct of_pair *pair, struct of_flow_mod *mod)
{
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++)
		if (pair->sep == 0 && of_word_is(pair->key, flag_names[i].name)) {
			mod->flags |= flag_names[i].flag;
			return 1;
		}
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (pair->sep == '=' && of_word_is(pair->key, ignored[i]))
			return 1;
	return 0;
}

/* "cookie=VALUE" is what a flow gets, "cookie=VALUE/MASK" which flows are meant; for a delete there
 * is only the latter. */
static bool parse_cookie(struct of_parser *p, struct of_word word, struct of_flow_mod *mod)
{
	struct of_word value, mask;

	of_word_split(word, "/", &value, &mask);
	if (mod->command == OFPFC_ADD && mask.at != NULL)
		return of_parse_fail(p, mask.at, "a flow that is added has a cookie, not a mask");
	mod->cookie_mask = mod->command >= OFPFC_DELETE ? UINT64_MAX : 0;
	if (of_word_is(value, "-1")) {
		mod->cookie = UINT64_MAX;
		value.size = 0;
	}
	if (of_word_is(mask, "-1")) {
		mod->cookie_mask = UINT64_MAX;
		mask.at = NULL;
	}
	return (value.size == 0 || of_parse_number(p, value, UINT64_MAX, &mod->cookie)) &&
	       (mask.at == NULL || of_parse_number(p, mask, UINT64_MAX, &mod->cookie_mask));
}

static bool parse_u16(struct of_parser *p, struct of_word word, uint16_t *ret_value)
{
	uint64_t value = 0;

	if (!of_parse_number(p, word, UINT16_MAX, &value))
		return false;
	*ret_value = (uint16_t)value;
	return true;
}

static int parse_number_of(struct of_parser *p, const struct of_pair *pair, struct of_flow_mod *mod)
{
	uint64_t value = 0;

	if (of_word_is(pair->key, "priority"))
		return parse_u16(p, pair->value, &mod->priority) ? 1 : -1;
	if (of_word_is(pair->key, "idle_timeout"))
		return parse_u16(p, pair->value, &mod->idle_timeout) ? 1 : -1;
	if (of_word_is(pair->key, "hard_timeout"))
		return parse_u16(p, pair->value, &mod->hard_timeout) ? 1 : -1;
	if (of_word_is(pair->key, "cookie"))
		return parse_cookie(p, pair->value, mod) ? 1 : -1;
	if (of_word_is(pair->key, "out_port"))
		return of_parse_port(p, pair->value, &mod->out_port) ? 1 : -1;
	if (of_word_is(pair->key, "out_group")) {
		if (!of_parse_number(p, pair->value, OF_GROUP_MAX, &value))
			return -1;
		mod->out_group = (uint32_t)value;
		return 1;
	}
	if (!of_word_is(pair->key, "table"))
		return 0;
	if (!of_parse_number(p, pair->value, OF_TABLE_MAX, &value))
		return -1;
	mod->table = (uint8_t)value;
	return 1;
}

/* True at "actions=", where the match ends. */
static bool is_actions(const struct of_pair *pair)
{
	return pair->sep == '=' &&
	       (of_word_is(pair->key, "actions") || of_word_is(pair->key, "action"));
}

/* Up to "actions="; then the parser is after it. */
static bool parse_fields(struct of_parser *p, struct of_flow_mod *mod, bool *ret_actions)
{
	struct of_pair pair;
	int known;

	*ret_actions = false;
	while (of_parse_pair(p, &pair)) {
		if (is_actions(&pair)) {
			*ret_actions = true;
			p->at = pair.value.at;
			break;
		}
		known = parse_flag(p, &pair, mod);
		if (known == 0 && pair.sep == '=')
			known = parse_number_of(p, &pair, mod);
		if (known == 0)
			known = of_parse_match_pair(p, &pair, &mod->match);
		if (known == 0)
			of_parse_fail(p, pair.key.at, "unknown field '%.*s'", (int)pair.key.size,
				      pair.key.at);
	}
	return p->rc == 0;
}

static bool parse_flow(struct of_parser *p, struct of_flow_mod *mod)
{
	const char *actions_at;
	bool has_actions;
	enum of_error error;

	if (!parse_fields(p, mod, &has_actions))
		return false;
	actions_at = p->at;
	/* An "actions=" in the rest would have ended the match. */
	if (has_actions != (mod->command < OFPFC_DELETE))
		return of_parse_fail(p, actions_at,
				     has_actions ? "there are no actions here"
						 : "'actions=' is missing");
	if (!of_parse_match_end(p, &mod->match))
		return false;
	p->known = &mod->match;
	if (has_actions && !of_parse_instrs(p, &mod->instrs))
		return false;
	error = has_actions ? of_instrs_check(&mod->instrs, &mod->match, mod->table) : OF_OK;
	return error == OF_OK ||
	       of_parse_fail(p, actions_at, "%s (%s)", of_error_text(error), of_error_name(error));
}

static int flow_parse(const char *text, size_t size, unsigned line, const char *from,
		      uint8_t command, const struct of_text_ports *ports,
		      struct of_flow_mod *ret_mod, struct of_text_error *err)
{
	struct of_parser p = of_parser_init(text, size, line, ports, err);

	p.at = from;
	*ret_mod = (struct of_flow_mod){
		.table = command >= OFPFC_DELETE ? OF_TABLE_ALL : 0,
		.command = command,
		.priority = OF_PRIORITY_DEFAULT,
		.buffer_id = OF_NO_BUFFER,
		.out_port = OFPP_ANY,
		.out_group = OF_GROUP_ANY,
	};
	if (!parse_flow(&p, ret_mod))
		of_flow_mod_fini(ret_mod);
	return p.rc;
}

int of_text_flow_parse(const char *text, unsigned line, uint8_t command,
		       const struct of_text_ports *ports, struct of_flow_mod *ret_mod,
		       struct of_text_error *err)
{
	return flow_parse(text, strlen(text), line, text, command, ports, ret_mod, err);
}

static const struct {
	const char *name;
	uint8_t command;
} commands[] = {
	{"add", OFPFC_ADD},
	{"modify", OFPFC_MODIFY},
	{"modify_strict", OFPFC_MODIFY_STRICT},
	{"delete", OFPFC_DELETE},
	{"delete_strict", OFPFC_DELETE_STRICT},
};

/* Passes over the command that a line may begin with. */
static const char *skip_command(const char *text, size_t size, uint8_t *command)
{
	struct of_word word = {text, 0};

	while (word.size < size &&
	       (text[word.size] == '_' || (text[word.size] >= 'a' && text[word.size] <= 'z')))
		word.size++;
	if (word.size < size && text[word.size] != ' ' && text[word.size] != '\t')
		return text;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (of_word_is(word, commands[i].name)) {
			*command = commands[i].command;
			return text + word.size;
		}
	return text;
}

static int line_parse(const char *text, size_t size, unsigned line, uint8_t command,
		      const struct of_text_ports *ports, of_text_flow_fn *fn, void *arg,
		      struct of_text_error *err)
{
	const char *comment = size > 0 ? memchr(text, '#', size) : NULL;
	struct of_flow_mod mod;
	const char *from = text;
	int rc;

	if (comment != NULL)
		size = (size_t)(comment - text);
	while (from < text + size && (*from == ' ' || *from == '\t' || *from == '\r'))
		from++;
	if (from == text + size)
		return 0;
	from = skip_command(from, size - (size_t)(from - text), &command);
	rc = flow_parse(text, size, line, from, command, ports, &mod, err);
	return rc != 0 ? rc : fn(arg, line, &mod);
}

int of_text_flows_parse(const char *text, size_t size, uint8_t command,
			const struct of_text_ports *ports, of_text_flow_fn *fn, void *arg,
			struct of_text_error *err)
{
	for (unsigned line = 1; size != 0; line++) {
		const char *newline = memchr(text, '\n', size);
		size_t n = newline != NULL ? (size_t)(newline - text) : size;
		int rc = line_parse(text, n, line, command, ports, fn, arg, err);

		if (rc != 0)
			return rc;
		n += newline != NULL;
		text += n;
		size -= n;
	}
	return 0;
}

static void print_head(struct wr *wr, const struct of_flow_mod *mod)
{
	bool filter = mod->command >= OFPFC_DELETE;

	if (mod->cookie != 0 || mod->cookie_mask != 0)
		of_put(wr, "cookie=0x%llx", (unsigned long long)mod->cookie);
	if (mod->cookie_mask == UINT64_MAX)
		of_put(wr, "/-1");
	else if (mod->cookie_mask != 0 || (filter && mod->cookie != 0))
		of_put(wr, "/0x%llx", (unsigned long long)mod->cookie_mask);
	if (mod->cookie != 0 || mod->cookie_mask != 0)
		of_put(wr, ",");
	if (mod->table != (filter ? OF_TABLE_ALL : 0))
		of_put(wr, "table=%u,", mod->table);
	if (mod->idle_timeout != 0)
		of_put(wr, "idle_timeout=%u,", mod->idle_timeout);
	if (mod->hard_timeout != 0)
		of_put(wr, "hard_timeout=%u,", mod->hard_timeout);
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++)
		if (mod->flags & flag_names[i].flag)
			of_put(wr, "%s,", flag_names[i].name);
	if (mod->priority != OF_PRIORITY_DEFAULT)
		of_put(wr, "priority=%u,", mod->priority);
}

void of_text_flow_print(struct wr *wr, const struct of_flow_mod *mod,
			const struct of_text_ports *ports)
{
	size_t from = wr->size;

	print_head(wr, mod);
	if (mod->out_port != OFPP_ANY) {
		of_put(wr, "out_port=");
		of_put_port(wr, mod->out_port, ports);
		of_put(wr, ",");
	}
	if (mod->out_group != OF_GROUP_ANY)
		of_put(wr, "out_group=%u,", mod->out_group);
	of_text_match_print(wr, &mod->match, ports);
	if (mod->match.n == 0 && wr->size > from)
		wr_cut(wr, wr->size - 1); /* the comma */
	if (mod->command >= OFPFC_DELETE)
		return;
	of_put(wr, wr->size > from ? " actions=" : "actions=");
	of_text_instrs_print(wr, &mod->instrs, ports);
}
