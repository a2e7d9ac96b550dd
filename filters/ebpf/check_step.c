/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What single instructions do to what is known (check.c).
 */
#include "filters/ebpf/check_priv.h"
#include <stddef.h>

#include "filters/ebpf/helper.h"

#define OFFSET_UNKNOWN 1 /* offsets below the frame pointer are 0 or negative */
#define KIND_ANY       KINDS

static uint16_t stack_value(int offset)
{
	if (offset > 0 || offset < -(int)EBPF_STACK_SIZE || offset % 2 != 0)
		return KIND_STACK;
	return KIND_STACK | (1 + -offset / 2) << OFFSET_BIT;
}

static int stack_offset(uint16_t value)
{
	int code = value >> OFFSET_BIT;

	return code == 0 ? OFFSET_UNKNOWN : -(code - 1) * 2;
}

uint16_t value_join(uint16_t a, uint16_t b)
{
	uint16_t kinds = (a | b) & KINDS, at = (a | b) & ~KINDS;

	if ((a & b & KIND_STACK) != 0 && a >> OFFSET_BIT != b >> OFFSET_BIT)
		at = 0;
	return kinds | at;
}

uint16_t value_pass(uint16_t value)
{
	uint16_t kinds = value & KINDS & ~KIND_STACK;

	return kinds | (value & KIND_STACK ? KIND_FRAME : 0);
}

void check_widen(struct flow *flow, uint16_t *known, uint16_t value)
{
	if ((*known | value) == *known)
		return;
	*known |= value;
	flow->world_changed = true;
}

void check_escape(struct flow *flow, struct facts *f, uint16_t value)
{
	if (!(value & KIND_STACK) || f->escapes)
		return;
	f->escapes = true;
	f->stack = EBPF_STACK_SIZE; /* Others may go further down. */
	flow->world_changed = true;
}

static void use_stack(struct facts *f, int offset)
{
	unsigned size = offset == OFFSET_UNKNOWN || offset < -(int)EBPF_STACK_SIZE
				? EBPF_STACK_SIZE
				: (unsigned)(-offset + 7) / 8 * 8;

	if (size > f->stack)
		f->stack = size;
}

/* Arithmetic */

/* A pointer stays one when a number is added; the kind of pointer that one operand may be counts
 * when the other may be a number. */
static uint16_t add(uint16_t a, uint16_t b)
{
	uint16_t pointers =
		(b & KIND_NUMBER ? a & POINTERS : 0) | (a & KIND_NUMBER ? b & POINTERS : 0);
	uint16_t number = a & b & KIND_NUMBER;

	if ((a & KINDS) == 0 || (b & KINDS) == 0)
		return 0;
	return pointers | number | (pointers == 0 ? KIND_NUMBER : 0);
}

/* What is between two pointers is a number. */
static uint16_t subtract(uint16_t a, uint16_t b)
{
	uint16_t pointers = b & KIND_NUMBER ? a & POINTERS : 0;
	bool number = (a & KIND_NUMBER) || (b & POINTERS);

	if ((a & KINDS) == 0 || (b & KINDS) == 0)
		return 0;
	return pointers | (number ? KIND_NUMBER : 0);
}

static uint16_t add_constant(struct facts *f, uint16_t value, int64_t n)
{
	int offset = stack_offset(value);

	if (!(value & KIND_STACK) || offset == OFFSET_UNKNOWN)
		return value;
	value &= KINDS;
	if (offset + n > 0 || offset + n < -(int)EBPF_STACK_SIZE) {
		use_stack(f, OFFSET_UNKNOWN);
		return value;
	}
	use_stack(f, offset + n);
	return value | stack_value(offset + n);
}

static uint16_t alu64(struct facts *f, const struct bpf_insn *i, uint16_t dst, uint16_t src)
{
	bool is_register = BPF_SRC(i->code) == BPF_X;

	switch (BPF_OP(i->code)) {
	case BPF_MOV:
		return i->off == 0 && is_register ? src : KIND_NUMBER;
	case BPF_ADD:
		return is_register ? add(dst, src) : add_constant(f, dst, i->imm);
	case BPF_SUB:
		return is_register ? subtract(dst, src) : add_constant(f, dst, -(int64_t)i->imm);
	default:
		return KIND_NUMBER; /* The verifier lets pointers be added to, and no more. */
	}
}

/* Memory */

bool check_is_ctx_shaped(const struct bpf_insn *i)
{
	return ebpf_class(i) == BPF_LDX && ebpf_size(i) == 4 && i->off >= 0 &&
	       i->off < (int)sizeof(struct xdp_md) && i->off % 4 == 0;
}

static void does(struct flow *flow, uint32_t what)
{
	if (flow->final)
		flow->prog->does |= what;
}

/* What a pointer may point to.  0: no verified program gets here with it. */
static uint16_t target(struct flow *flow, uint16_t pointer)
{
	uint16_t kinds = pointer & POINTERS;

	if (kinds == 0 && flow->final)
		flow->lost = true;
	return kinds;
}

/* Slots that [offset, offset + size) is in: [*ret_first, *ret_last].  False: any may be. */
static bool slots_of(int pointer, int off, unsigned size, unsigned *ret_first, unsigned *ret_last)
{
	int low = pointer + off, high = low + (int)size - 1;

	if (pointer == OFFSET_UNKNOWN || low < -(int)EBPF_STACK_SIZE || high >= 0)
		return false;
	*ret_first = (unsigned)(-high - 1) / 8;
	*ret_last = (unsigned)(-low - 1) / 8;
	return true;
}

static uint16_t load_stack(struct facts *f, const struct state *s, int pointer,
			   const struct bpf_insn *i)
{
	unsigned first, last;
	uint16_t value = KIND_NUMBER;
	bool known = slots_of(pointer, i->off, ebpf_size(i), &first, &last);

	use_stack(f, known ? pointer + i->off : OFFSET_UNKNOWN);
	if (ebpf_size(i) != 8 || (known && first != last))
		return KIND_NUMBER;
	if (known)
		return s->slots[first];
	for (unsigned k = 0; k < N_SLOTS; k++)
		value = value_join(value, s->slots[k]);
	return value;
}

static uint16_t load_ctx(struct flow *flow, const struct bpf_insn *i)
{
	does(flow, EBPF_READS_CTX);
	if (!check_is_ctx_shaped(i) || BPF_MODE(i->code) != BPF_MEM)
		return KIND_NUMBER;
	switch (i->off) {
	case offsetof(struct xdp_md, data_meta):
		does(flow, EBPF_READS_META);
		return KIND_PACKET;
	case offsetof(struct xdp_md, data):
		return KIND_PACKET;
	case offsetof(struct xdp_md, data_end):
		return KIND_END;
	default:
		return KIND_NUMBER;
	}
}

/* What a load by 'pointer' gives; also of an atomic instruction. */
static uint16_t load(struct flow *flow, struct facts *f, const struct state *s, uint16_t pointer,
		     const struct bpf_insn *i)
{
	uint16_t to = target(flow, pointer), value = 0;

	if (to & KIND_CTX)
		value |= load_ctx(flow, i);
	if (to & (KIND_PACKET | KIND_END))
		does(flow, EBPF_READS_BYTES);
	if (to & ~(KIND_CTX | KIND_STACK))
		value |= KIND_NUMBER;
	if ((to & KIND_FRAME) && ebpf_size(i) == 8)
		value |= flow->frames | flow->foreign;
	if (to & KIND_STACK)
		value = value_join(value, load_stack(f, s, stack_offset(pointer), i));
	if ((to & KIND_STACK) && f->escapes && ebpf_size(i) == 8)
		value = value_join(value, flow->foreign | KIND_NUMBER);
	return value;
}

static void note_load(struct flow *flow, uint16_t pointer, uint32_t at)
{
	uint8_t *note = &flow->prog->notes[at];

	*note = EBPF_PLAIN;
	if (!check_is_ctx_shaped(&flow->prog->insns[at]) || !(pointer & KIND_CTX))
		return;
	*note = (pointer & POINTERS) == KIND_CTX ? EBPF_CTX : EBPF_MAYBE_CTX;
}

/* 'certain': the store goes there and nowhere else. */
static void store_stack(struct state *s, int pointer, const struct bpf_insn *i, uint16_t value,
			bool certain)
{
	unsigned first = 0, last = N_SLOTS - 1;
	bool known = slots_of(pointer, i->off, ebpf_size(i), &first, &last);

	if (known && first != last)
		value = KIND_NUMBER;
	for (unsigned k = first; k <= last; k++)
		s->slots[k] =
			known && certain ? value : value_join(s->slots[k], value | KIND_NUMBER);
}

static void store(struct flow *flow, struct facts *f, struct state *s, uint16_t pointer,
		  const struct bpf_insn *i, uint16_t value)
{
	uint16_t to = target(flow, pointer);
	int offset = stack_offset(pointer);

	if (ebpf_size(i) != 8)
		value = KIND_NUMBER; /* A part of a pointer is none. */
	if (to & (KIND_PACKET | KIND_END))
		does(flow, EBPF_WRITES_PACKET);
	if (to & KIND_STACK) {
		use_stack(f, offset == OFFSET_UNKNOWN ? offset : offset + i->off);
		check_widen(flow, &f->stored, value_pass(value));
		store_stack(s, offset, i, value, to == KIND_STACK);
	}
	if (to & KIND_FRAME) {
		check_widen(flow, &flow->foreign, value_pass(value));
		check_escape(flow, f, value);
	}
}

static void atomic(struct flow *flow, struct facts *f, struct state *s, const struct bpf_insn *i)
{
	uint16_t pointer = s->regs[i->dst_reg], src = s->regs[i->src_reg];
	uint16_t old = load(flow, f, s, pointer, i);

	store(flow, f, s, pointer, i, value_join(value_join(old, src), KIND_NUMBER));
	if (i->imm == BPF_CMPXCHG)
		s->regs[0] = value_join(old, KIND_NUMBER);
	else if (i->imm & BPF_FETCH)
		s->regs[i->src_reg] = value_join(old, KIND_NUMBER);
}

/* Helpers */

#define R(n) (1u << (n))

/* What helpers do with what their arguments point to (bpf-helpers(7)). */
static const struct effect {
	uint16_t id;
	uint8_t n_args;
	uint8_t writes; /* R(n): to what rn points to */
	uint8_t ret;	/* its kinds; 0: a number */
	uint32_t does;
} effects[] = {
	{BPF_FUNC_map_lookup_elem, 2, 0, KIND_MEMORY | KIND_NUMBER, 0},
	{BPF_FUNC_map_update_elem, 4, 0, 0, 0},
	{BPF_FUNC_map_delete_elem, 2, 0, 0, 0},
	{BPF_FUNC_ktime_get_ns, 0, 0, 0, 0},
	{BPF_FUNC_trace_printk, 5, 0, 0, 0},
	{BPF_FUNC_get_prandom_u32, 0, 0, 0, 0},
	{BPF_FUNC_get_smp_processor_id, 0, 0, 0, 0},
	{BPF_FUNC_tail_call, 3, 0, 0, EBPF_TAIL_CALLS},
	{BPF_FUNC_redirect, 2, 0, 0, EBPF_REDIRECTS},
	{BPF_FUNC_perf_event_output, 5, 0, 0, EBPF_OUTPUTS | EBPF_READS_BYTES},
	{BPF_FUNC_csum_diff, 5, 0, 0, 0},
	{BPF_FUNC_get_numa_node_id, 0, 0, 0, 0},
	{BPF_FUNC_xdp_adjust_head, 2, 0, 0, EBPF_MOVES_ENDS},
	{BPF_FUNC_redirect_map, 3, 0, 0, EBPF_REDIRECTS},
	{BPF_FUNC_xdp_adjust_meta, 2, 0, 0, EBPF_MOVES_ENDS | EBPF_READS_META},
	{BPF_FUNC_xdp_adjust_tail, 2, 0, 0, EBPF_MOVES_ENDS},
	{BPF_FUNC_fib_lookup, 4, R(2), 0, 0},
	{BPF_FUNC_map_push_elem, 3, 0, 0, 0},
	{BPF_FUNC_map_pop_elem, 2, R(2), 0, 0},
	{BPF_FUNC_map_peek_elem, 2, R(2), 0, 0},
	{BPF_FUNC_spin_lock, 1, 0, 0, 0},
	{BPF_FUNC_spin_unlock, 1, 0, 0, 0},
	{BPF_FUNC_strtol, 4, R(4), 0, 0},
	{BPF_FUNC_strtoul, 4, R(4), 0, 0},
	{BPF_FUNC_tcp_gen_syncookie, 5, 0, 0, 0},
	{BPF_FUNC_jiffies64, 0, 0, 0, 0},
	{BPF_FUNC_xdp_output, 5, 0, 0, EBPF_OUTPUTS | EBPF_READS_BYTES},
	{BPF_FUNC_ktime_get_boot_ns, 0, 0, 0, 0},
	{BPF_FUNC_ringbuf_output, 4, 0, 0, EBPF_OUTPUTS},
	{BPF_FUNC_ringbuf_reserve, 3, 0, KIND_MEMORY | KIND_NUMBER, EBPF_OUTPUTS},
	{BPF_FUNC_ringbuf_submit, 2, 0, 0, EBPF_OUTPUTS},
	{BPF_FUNC_ringbuf_discard, 2, 0, 0, 0},
	{BPF_FUNC_ringbuf_query, 2, 0, 0, 0},
	{BPF_FUNC_check_mtu, 5, R(3), 0, 0},
	{BPF_FUNC_ktime_get_coarse_ns, 0, 0, 0, 0},
	{BPF_FUNC_for_each_map_elem, 4, 0, 0, EBPF_CALLS_BACK},
	{BPF_FUNC_snprintf, 5, R(1), 0, 0},
	{BPF_FUNC_trace_vprintk, 4, 0, 0, 0},
	{BPF_FUNC_loop, 4, 0, 0, EBPF_CALLS_BACK},
	{BPF_FUNC_strncmp, 3, 0, 0, 0},
	{BPF_FUNC_xdp_get_buff_len, 1, 0, 0, 0},
	{BPF_FUNC_xdp_load_bytes, 4, R(3), 0, EBPF_READS_BYTES},
	{BPF_FUNC_xdp_store_bytes, 4, 0, 0, EBPF_WRITES_PACKET},
	{BPF_FUNC_map_lookup_percpu_elem, 3, 0, KIND_MEMORY | KIND_NUMBER, 0},
	{BPF_FUNC_dynptr_from_mem, 4, R(4), 0, 0},
	{BPF_FUNC_ringbuf_reserve_dynptr, 4, R(4), 0, EBPF_OUTPUTS},
	{BPF_FUNC_ringbuf_submit_dynptr, 2, R(1), 0, EBPF_OUTPUTS},
	{BPF_FUNC_ringbuf_discard_dynptr, 2, R(1), 0, 0},
	{BPF_FUNC_dynptr_read, 5, R(1), 0, 0},
	{BPF_FUNC_dynptr_write, 5, 0, 0, 0}, /* No packet's: of those the kernel's functions are. */
	{BPF_FUNC_dynptr_data, 3, 0, KIND_MEMORY | KIND_NUMBER, 0},
	{BPF_FUNC_tcp_raw_gen_syncookie_ipv4, 3, 0, 0, 0},
	{BPF_FUNC_tcp_raw_gen_syncookie_ipv6, 3, 0, 0, 0},
	{BPF_FUNC_tcp_raw_check_syncookie_ipv4, 2, 0, 0, 0},
	{BPF_FUNC_tcp_raw_check_syncookie_ipv6, 2, 0, 0, 0},
	{BPF_FUNC_ktime_get_tai_ns, 0, 0, 0, 0},
};

/* Of a helper that this table does not know anything may be. */
static const struct effect worst = {
	.n_args = 5,
	.writes = R(1) | R(2) | R(3) | R(4) | R(5),
	.ret = KIND_ANY & ~KIND_STACK,
	.does = EBPF_WRITES_PACKET | EBPF_MOVES_ENDS | EBPF_READS_CTX | EBPF_READS_META |
		EBPF_REDIRECTS | EBPF_OUTPUTS | EBPF_READS_BYTES | EBPF_CALLS_BACK,
};

static const struct effect *effect_of(uint32_t id)
{
	for (unsigned k = 0; k < sizeof(effects) / sizeof(effects[0]); k++)
		if (effects[k].id == id)
			return &effects[k];
	return &worst;
}

/* Its memory holds numbers from now on, or what it held. */
static void helper_writes(struct flow *flow, struct facts *f, struct state *s, uint16_t to)
{
	if (to & (KIND_PACKET | KIND_END))
		does(flow, EBPF_WRITES_PACKET);
	if (to & KIND_FRAME)
		check_widen(flow, &flow->foreign, KIND_NUMBER);
	if (!(to & KIND_STACK))
		return;
	check_widen(flow, &f->stored, KIND_NUMBER);
	for (unsigned k = 0; k < N_SLOTS; k++)
		s->slots[k] |= KIND_NUMBER;
}

static void call_helper(struct flow *flow, struct facts *f, struct state *s, uint32_t id)
{
	const struct effect *e = effect_of(id);
	const struct ebpf_helper *helper = ebpf_helper(id);
	uint16_t all = 0;

	for (unsigned n = 1; n <= e->n_args; n++) {
		all |= s->regs[n] & KINDS;
		if (e->writes & R(n))
			helper_writes(flow, f, s, s->regs[n]);
	}
	does(flow, e->does);
	if (all & KIND_CTX)
		does(flow, EBPF_READS_CTX);
	if (all & (KIND_PACKET | KIND_END))
		does(flow, EBPF_READS_BYTES);
	if (helper != NULL && (helper->flags & EBPF_HELPER_WRITES) && !(e->does & EBPF_MOVES_ENDS))
		does(flow, EBPF_WRITES_PACKET);
	if (e->does & EBPF_CALLS_BACK) {
		check_widen(flow, &flow->callback, value_pass(s->regs[3]));
		check_escape(flow, f, s->regs[3]);
	}
	s->regs[0] = e->ret != 0 ? e->ret : KIND_NUMBER;
	for (unsigned n = 1; n <= 5; n++)
		s->regs[n] = 0;
}

void check_step(struct flow *flow, struct facts *f, struct state *s, uint32_t at)
{
	const struct bpf_insn *i = &flow->prog->insns[at];
	uint16_t *dst = &s->regs[i->dst_reg], src = s->regs[i->src_reg];

	switch (ebpf_class(i)) {
	case BPF_ALU64:
		*dst = alu64(f, i, *dst, src);
		break;
	case BPF_ALU:
		*dst = KIND_NUMBER;
		break;
	case BPF_LD:
		*dst = i->src_reg == BPF_PSEUDO_MAP_FD || i->src_reg == BPF_PSEUDO_MAP_VALUE
			       ? KIND_MEMORY
			       : KIND_NUMBER;
		break;
	case BPF_LDX:
		if (flow->final)
			note_load(flow, src, at);
		*dst = load(flow, f, s, src, i);
		break;
	case BPF_ST:
		store(flow, f, s, *dst, i, KIND_NUMBER);
		break;
	case BPF_STX:
		if (BPF_MODE(i->code) == BPF_ATOMIC)
			atomic(flow, f, s, i);
		else
			store(flow, f, s, *dst, i, src);
		break;
	default:
		if (ebpf_is_call(i) && !ebpf_is_local_call(i))
			call_helper(flow, f, s, i->imm);
		break;
	}
}
