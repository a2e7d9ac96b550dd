/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Capture filters; see capture_filter.h.
 */
#include "filters/capture_filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include <rte_mbuf.h>

#include "filters/capture_jit.h"

/* The program's answer to "how much to keep" means only yes or no here: captures have their own
 * length. */
#define COMPILE_SNAPLEN 262144

/* Offsets from here up name what Linux knows about a packet, not its bytes (SKF_AD_OFF,
 * linux/filter.h). */
#define LINUX_METADATA 0xfffff000u

struct filter_match {
	struct filter_jit jit;
	enum filter_engine engine;
	uint32_t reach; /* the program reads no byte from here on */
	struct bpf_program classic;
};

static const char *const engine_names[] = {
	[FILTER_ENGINE_NONE] = "none",
	[FILTER_ENGINE_JIT] = "jit",
	[FILTER_ENGINE_INTERPRETER] = "interpreter",
};

const char *filter_engine_name(enum filter_engine engine)
{
	return engine_names[engine];
}

enum filter_engine filter_match_engine(const struct filter_match *match)
{
	return match->engine;
}

bool filter_match_needs_scratch(const struct filter_match *match)
{
	return match->engine != FILTER_ENGINE_NONE;
}

static bool compiles(const char *expr)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, COMPILE_SNAPLEN);
	struct bpf_program program;
	bool ok;

	if (pcap == NULL)
		return false;
	ok = pcap_compile(pcap, &program, expr, 0, PCAP_NETMASK_UNKNOWN) == 0;
	if (ok)
		pcap_freecode(&program);
	pcap_close(pcap);
	return ok;
}

/* Could the first 'size' bytes of 'expr' be the start of something right?  Tries what may come
 * next. */
static bool viable(const char *expr, size_t size)
{
	static const char *const next[] = {"",	       " tcp",	  " 1",		  " host 1.1.1.1",
					   " 1.1.1.1", " = 1",	  " & 1 = 1",	  "0] = 1",
					   "] = 1",    " port 5", " 02:0:0:0:0:1"};
	char text[FILTER_EXPR_MAX + 64 + 32];
	unsigned open = 0;

	for (size_t i = 0; i < size; i++)
		open = expr[i] == '(' ? open + 1 : expr[i] == ')' && open != 0 ? open - 1 : open;
	if (open > 32)
		return true;
	for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		int n = snprintf(text, sizeof(text), "%.*s%s", (int)size, expr, next[i]);

		for (unsigned k = 0; k < open; k++)
			text[n++] = ')';
		text[n] = '\0';
		if (compiles(text))
			return true;
	}
	return false;
}

/* libpcap says "syntax error" and not where.  Column (from 1) of the first word with which
 * nothing right can begin; one past the end when only the end is wrong; 0 when not found. */
static unsigned find_syntax_error(const char *expr)
{
	size_t size = strlen(expr), at = 0;

	if (size > 256) /* Each word costs a few compilations. */
		return 0;
	while (at < size) {
		size_t start = at + strspn(expr + at, " \t\n");

		at = start + strcspn(expr + start, " \t\n()");
		if (at == start && at < size) /* A parenthesis is a word of its own. */
			at++;
		if (at > start && !viable(expr, at))
			return (unsigned)start + 1;
	}
	return (unsigned)size + 1;
}

/* The column of the word that libpcap's message quotes, or of the syntax error; 0: unknown. */
static unsigned find_column(const char *expr, const char *message)
{
	const char *open = strchr(message, '\''),
		   *close = open == NULL ? NULL : strchr(open + 1, '\'');
	char word[64];

	if (close != NULL && close > open + 1 && (size_t)(close - open) <= sizeof(word)) {
		const char *found;

		snprintf(word, sizeof(word), "%.*s", (int)(close - open - 1), open + 1);
		found = strstr(expr, word);
		if (found != NULL)
			return (unsigned)(found - expr) + 1;
	}
	return strstr(message, "syntax error") != NULL ? find_syntax_error(expr) : 0;
}

static int refuse(const char *expr, const char *message, struct err *err)
{
	unsigned column = find_column(expr, message);

	if (column == 0)
		err_set(err, -EINVAL, "bad-filter", "bad capture filter: %s", message);
	else if (column > strlen(expr))
		err_set(err, -EINVAL, "bad-filter", "bad capture filter: %s: it ends too early",
			message);
	else
		err_set(err, -EINVAL, "bad-filter", "bad capture filter: %s at column %u: '%.40s'",
			message, column, expr + column - 1);
	err_why(err, "libpcap cannot compile '%.240s'", expr);
	err_fix(err, "see 'man pcap-filter'; for example --filter 'tcp port 80 and host 10.0.0.1'");
	return -EINVAL;
}

static int refuse_name(const char *expr, int at, unsigned size, struct err *err)
{
	err_set(err, -EINVAL, "bad-filter", "bad capture filter: unknown word '%.*s' at column %d",
		size > 60 ? 60 : (int)size, expr + at, at + 1);
	err_why(err, "it is no keyword; as a name of a host it would have to be asked from a name "
		     "server, "
		     "and the switch does not wait for one");
	err_fix(err, "write the address: getent hosts '%.*s'", size > 60 ? 60 : (int)size,
		expr + at);
	return -EINVAL;
}

static int refuse_protocol(const char *expr, int at, unsigned size, struct err *err)
{
	err_set(err, -EINVAL, "bad-filter",
		"bad capture filter: protocol '%.*s' at column %d cannot be looked up",
		size > 60 ? 60 : (int)size, expr + at, at + 1);
	err_why(err, "names of protocols are in /etc/protocols, and this host has none");
	err_fix(err, "install it (Debian: apt install netbase), or write the number: ip proto 6");
	return -EINVAL;
}

/* "inbound" and such compile to look-ups that no frame here can answer. */
static bool reads_metadata(const struct bpf_program *program)
{
	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];
		unsigned class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);

		if ((class == BPF_LD || class == BPF_LDX) && mode == BPF_ABS &&
		    insn->k >= LINUX_METADATA)
			return true;
	}
	return false;
}

static int compile_classic(const char *expr, struct bpf_program *ret_program, struct err *err)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, COMPILE_SNAPLEN);
	int rc = 0;

	if (pcap == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a capture filter");
	if (pcap_compile(pcap, ret_program, expr, 1, PCAP_NETMASK_UNKNOWN) != 0)
		rc = refuse(expr, pcap_geterr(pcap), err);
	pcap_close(pcap);
	if (rc == 0 && reads_metadata(ret_program)) {
		pcap_freecode(ret_program);
		rc = err_set(err, -EINVAL, "bad-filter",
			     "bad capture filter: it asks for what is not in the frame");
		err_why(err, "'inbound', 'outbound' and 'ifindex' are known to Linux's packet "
			     "sockets only");
		err_fix(err, "choose the direction with --stage ingress or --stage egress");
	}
	return rc;
}

/* What X may hold after an instruction; most leave it as it was. */
static uint64_t x_after(const struct bpf_insn *insn, uint64_t x)
{
	if (BPF_CLASS(insn->code) == BPF_LDX && BPF_MODE(insn->code) == BPF_MSH)
		return 60; /* An IPv4 header's length. */
	if (BPF_CLASS(insn->code) == BPF_LDX && BPF_MODE(insn->code) == BPF_IMM)
		return insn->k;
	if (BPF_CLASS(insn->code) == BPF_LDX ||
	    (BPF_CLASS(insn->code) == BPF_MISC && BPF_MISCOP(insn->code) == BPF_TAX))
		return UINT32_MAX;
	return x;
}

/* The end of the last byte that the program may read, whatever way it takes. */
static uint32_t find_reach(const struct bpf_program *program)
{
	uint64_t reach = 0, x = 0;

	for (unsigned i = 0; i < program->bf_len; i++) {
		uint64_t after = x_after(&program->bf_insns[i], 0);

		x = after > x ? after : x;
	}
	for (unsigned i = 0; i < program->bf_len; i++) {
		const struct bpf_insn *insn = &program->bf_insns[i];
		unsigned class = BPF_CLASS(insn->code), mode = BPF_MODE(insn->code);
		uint64_t end = (uint64_t)insn->k + 4;

		if ((class != BPF_LD && class != BPF_LDX) ||
		    (mode != BPF_ABS && mode != BPF_IND && mode != BPF_MSH))
			continue;
		end += mode == BPF_IND ? x : 0;
		reach = end > reach ? end : reach;
	}
	return reach > UINT32_MAX ? UINT32_MAX : (uint32_t)reach;
}

int filter_match_create(const char *expr, enum filter_engine best, struct filter_match **ret_match,
			struct err *err)
{
	struct filter_match *match;
	unsigned size = 0;
	int at, rc;

	if (strlen(expr) > FILTER_EXPR_MAX)
		return err_set(err, -EINVAL, "bad-filter",
			       "bad capture filter: longer than %u characters", FILTER_EXPR_MAX);
	at = filter_words_find_name(expr, &size);
	if (at >= 0)
		return refuse_name(expr, at, size, err);
	at = filter_words_find_lost_protocol(expr, &size);
	if (at >= 0)
		return refuse_protocol(expr, at, size, err);
	match = calloc(1, sizeof(*match));
	if (match == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a capture filter");
	if (expr[strspn(expr, " \t\n")] != '\0') {
		rc = compile_classic(expr, &match->classic, err);
		if (rc != 0) {
			free(match);
			return rc;
		}
		match->reach = find_reach(&match->classic);
		match->engine = FILTER_ENGINE_INTERPRETER;
		if (best == FILTER_ENGINE_JIT &&
		    filter_jit_create(&match->classic, &match->jit) == 0)
			match->engine = FILTER_ENGINE_JIT;
	}
	*ret_match = match;
	return 0;
}

void filter_match_destroy(struct filter_match *match)
{
	if (match == NULL)
		return;
	filter_jit_destroy(&match->jit);
	pcap_freecode(&match->classic);
	free(match);
}

bool filter_match_run(const struct filter_match *match, const struct rte_mbuf *m, uint8_t *scratch)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t size = rte_pktmbuf_data_len(m), pkt_len = rte_pktmbuf_pkt_len(m);

	if (match->engine == FILTER_ENGINE_NONE)
		return true;
	if (size < pkt_len && size < match->reach) {
		size = RTE_MIN(RTE_MIN(pkt_len, match->reach), FILTER_SCRATCH_SIZE);
		data = rte_pktmbuf_read(m, 0, size, scratch);
		if (data == NULL)
			return false;
	}
	if (match->engine == FILTER_ENGINE_JIT)
		return match->jit.fn(data, size, pkt_len) != 0;
	return bpf_filter(match->classic.bf_insns, data, pkt_len, size) != 0;
}
