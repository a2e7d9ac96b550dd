/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See hostile.h.  Command line: 'seed=N' (1), 'rounds=N' (2000), 'cpus=N' (those that there are),
 * 'crash' (tells of a crash at the end, with a text, before it goes), 'reset' (starts anew once, by
 * Hyper-V's MSR), 'clock' (looks first whether reference time is right), 'surface' or 'bus' (only
 * that).  Words that it does not know are somebody else's.
 *
 * Its last line on the serial port is 'hostile: survived ...'.
 */
#include "tests/guest/hostile/hostile.h"

/* [Xen] hvm_start_info: where the command line is. */
struct start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, cmdline;
};

static struct {
	uint32_t seed, rounds, cpus;
	bool crash, reset, clock, surface, bus;
} wanted = {.seed = 1, .rounds = 2000, .cpus = N_CPUS, .surface = true, .bus = true};

#define MARK_AT 0x1c00000ull /* below 32 MB, behind us */
#define MARK	0x657265682073617full

static uint32_t n_ended;

void hostile_main(const struct start_info *info);

/* The rest of 'word' behind 'name', or NULL. */
static const char *after(const char *word, const char *name)
{
	while (*name != '\0')
		if (*word++ != *name++)
			return NULL;
	return word;
}

static void number(const char *word, const char *name, uint32_t *value)
{
	const char *at = after(word, name);

	if (at == NULL)
		return;
	for (*value = 0; *at >= '0' && *at <= '9'; at++)
		*value = *value * 10 + (uint32_t)(*at - '0');
}

static void read_word(const char *word)
{
	number(word, "seed=", &wanted.seed);
	number(word, "rounds=", &wanted.rounds);
	number(word, "cpus=", &wanted.cpus);
	if (after(word, "crash") != NULL)
		wanted.crash = true;
	if (after(word, "clock") != NULL)
		wanted.clock = true;
	if (after(word, "reset") != NULL)
		wanted.reset = true;
	if (after(word, "surface") != NULL)
		wanted.bus = false;
	if (after(word, "bus") != NULL)
		wanted.surface = false;
}

static void read_words(const char *line)
{
	while (*line != '\0') {
		read_word(line);
		while (*line != '\0' && *line != ' ')
			line++;
		while (*line == ' ')
			line++;
	}
}

static void surface(uint32_t cpu)
{
	seed(wanted.seed * 64 + cpu);
	for (uint32_t i = 0; i < wanted.rounds; i++)
		surface_round();
	__atomic_fetch_add(&n_ended, 1, __ATOMIC_SEQ_CST);
}

/* All processors at once, then this one waits for the others. */
static void surface_everywhere(void)
{
	extern uint32_t n_started;
	uint32_t others = 0;
	uint64_t start;

	bus_on();
	if (wanted.cpus > 1) {
		cpus_start(surface);
		others = __atomic_load_n(&n_started, __ATOMIC_SEQ_CST);
		others = others > N_CPUS - 1 ? N_CPUS - 1 : others;
	}
	surface(0);
	start = rdtsc();
	while (__atomic_load_n(&n_ended, __ATOMIC_SEQ_CST) <= others &&
	       rdtsc() - start < 20000 * MS)
		__asm__ volatile("pause");
	say("hostile: surface done by %u processors\n", n_ended);
}

static void disturb_bus(void)
{
	seed(wanted.seed);
	bus_on();
	(void)bus_connect(0x50003);
	say("hostile: %u channels offered\n", bus.n);
	for (uint32_t i = 0; i < wanted.rounds; i++)
		chaos_round();
	say("hostile: %u messages came, %u channels were opened, %u answers on rings\n",
	    bus.messages, bus.seen[6], bus.answers);
	bus_on();
	bus_unload();
}

static void say_crash(void)
{
	static const char text[] = "hostile: this is the \x1b[1mend\x1b[0m\n";
	static char page[PAGE] __attribute__((aligned(4096)));

	memcpy(page, text, sizeof(text));
	for (uint32_t i = 0; i < 3; i++)
		(void)msr_write(0x40000100 + i, 0xdead0000 + i);
	(void)msr_write(0x40000103, (uint64_t)(uintptr_t)page);
	(void)msr_write(0x40000104, sizeof(text));
	(void)msr_write(0x40000105, 3ull << 62);
}

/* Memory that nobody loads keeps its bytes over a reset. */
static void start_anew(void)
{
	volatile uint64_t *mark = (volatile uint64_t *)MARK_AT;

	if (*mark == MARK)
		return;
	*mark = MARK;
	say("hostile: starts anew\n");
	(void)msr_write(0x40000003, 1);
	for (;;)
		__asm__ volatile("pause");
}

void hostile_main(const struct start_info *info)
{
	faults_init();
	read_words((const char *)(uintptr_t)info->cmdline);
	say("hostile: seed %u, %u rounds\n", wanted.seed, wanted.rounds);
	if (wanted.clock)
		say("hostile: reference time %s\n", clock_agrees() ? "agrees" : "DIFFERS");
	if (wanted.bus)
		disturb_bus();
	if (wanted.surface)
		surface_everywhere();
	if (wanted.reset)
		start_anew();
	if (wanted.crash)
		say_crash();
	say("hostile: survived seed %u\n", wanted.seed);
	power_off();
}
