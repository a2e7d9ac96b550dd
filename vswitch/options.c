/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's command line; see options.h.
 */
#include "vswitch/options.h"

#include "ctl/base/log.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DIR "/var/lib/vswitch"
#define DEFAULT_RUN "/run/vswitch"

static void usage(FILE *f)
{
	fprintf(f, "usage: vswitchd [OPTION]...\n"
		   "The virtual switch.  Configured with vswitchctl(1); keeps its configuration in "
		   "a store.\n\n"
		   "  --socket PATH      control socket (" DEFAULT_RUN "/control.sock)\n"
		   "  --store PATH       configuration store (" DEFAULT_DIR
		   "/config.db); :memory: keeps nothing\n"
		   "  --group NAME       group that may use the control socket besides root "
		   "(vswitch)\n"
		   "  --initial FILE     commands for an empty store, in place of the built-in "
		   "default; - for none\n"
		   "  --no-huge          use ordinary memory pages\n"
		   "  --huge MB          huge pages to ask the kernel for (192)\n"
		   "  --mbufs N          packet buffers, 2.4 KB each (32768)\n"
		   "  --control-cpu N    core of the control thread (the first that may be used)\n"
		   "  --vmworker PATH    program that runs a VM (vmworker beside this one)\n"
		   "  --driver PATH      an additional DPDK driver to load\n"
		   "  --eal ARG          an additional argument for DPDK's environment\n"
		   "  --debug            say more\n"
		   "  --version, --help\n");
}

static bool number(const char *text, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n > 1u << 30)
		return false;
	*ret = (unsigned)n;
	return true;
}

static void eal_add(struct vs_options *o, const char *first, const char *second)
{
	if (o->n_eal + 2 > VS_MAX_EAL)
		return;
	if (first != NULL)
		o->eal[o->n_eal++] = strdup(first);
	o->eal[o->n_eal++] = strdup(second);
}

int vs_options_read(struct vs_options *o, int argc, char **argv)
{
	enum {
		SOCKET = 256,
		STORE,
		GROUP,
		INITIAL,
		NO_HUGE,
		HUGE_MB,
		MBUFS,
		CPU,
		VMWORKER,
		DRIVER,
		EAL,
		DEBUG,
		VERSION,
		HELP
	};
	static const struct option longs[] = {
		{"socket", required_argument, NULL, SOCKET},
		{"store", required_argument, NULL, STORE},
		{"group", required_argument, NULL, GROUP},
		{"initial", required_argument, NULL, INITIAL},
		{"no-huge", no_argument, NULL, NO_HUGE},
		{"huge", required_argument, NULL, HUGE_MB},
		{"mbufs", required_argument, NULL, MBUFS},
		{"control-cpu", required_argument, NULL, CPU},
		{"vmworker", required_argument, NULL, VMWORKER},
		{"driver", required_argument, NULL, DRIVER},
		{"eal", required_argument, NULL, EAL},
		{"debug", no_argument, NULL, DEBUG},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, HELP},
		{NULL, 0, NULL, 0},
	};
	bool ok = true;
	int c;

	*o = (struct vs_options){.socket = DEFAULT_RUN "/control.sock",
				 .store = DEFAULT_DIR "/config.db",
				 .group = NULL};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case SOCKET:
			o->socket = optarg;
			break;
		case STORE:
			o->store = optarg;
			break;
		case GROUP:
			o->group = optarg;
			break;
		case VMWORKER:
			o->vmworker = optarg;
			break;
		case INITIAL:
			o->initial = optarg;
			break;
		case NO_HUGE:
			o->no_huge = true;
			break;
		case HUGE_MB:
			ok &= number(optarg, &o->huge_mb);
			break;
		case MBUFS:
			ok &= number(optarg, &o->mbufs);
			break;
		case CPU:
			ok &= o->control_cpu_given = number(optarg, &o->control_cpu);
			break;
		case DRIVER:
			eal_add(o, "-d", optarg);
			break;
		case EAL:
			eal_add(o, NULL, optarg);
			break;
		case DEBUG:
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case VERSION:
			printf("vswitchd " VSWITCH_VERSION "\n");
			return 0;
		case HELP:
			usage(stdout);
			return 0;
		default:
			ok = false;
			break;
		}
	}
	if (ok && optind == argc)
		return -1;
	usage(stderr);
	return 2;
}

void vs_options_free(struct vs_options *o)
{
	for (int i = 0; i < o->n_eal; i++)
		free(o->eal[i]);
	o->n_eal = 0;
}
