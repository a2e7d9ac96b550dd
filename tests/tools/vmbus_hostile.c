/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vmbus-hostile: attacks a switch from a NIC's attach socket, and looks whether it still serves who
 * is honest.  Exit status 0 when it does.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/hostile.h"

static void usage(FILE *to)
{
	const struct hostile_attack *a;

	fputs("usage: vmbus-hostile [--attack NAME|all] [--seed N] [--messages N] [--ms N] SOCKET\n"
	      "\n"
	      "Attacks the switch behind an attach socket, then sets a NIC up as honest guests "
	      "do.\n"
	      "\n",
	      to);
	for (unsigned i = 0; (a = hostile_at(i)) != NULL; i++)
		fprintf(to, "  %-18s %s\n", a->name, a->text);
}

static bool attack_one(const struct hostile_env *env, const struct hostile_attack *attack)
{
	struct err err = {0};
	int rc = hostile_run(env, attack, &err);

	printf("%s: %s%s%s\n", attack->name, rc == 0 ? "served" : "FAILED", rc == 0 ? "" : ": ",
	       rc == 0 ? "" : err.what);
	fflush(stdout);
	return rc == 0;
}

static int attack_all(const struct hostile_env *env)
{
	const struct hostile_attack *a;
	int failed = 0;

	for (unsigned i = 0; (a = hostile_at(i)) != NULL; i++)
		failed += !attack_one(env, a);
	return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"attack", required_argument, NULL, 'a'},
						{"seed", required_argument, NULL, 's'},
						{"messages", required_argument, NULL, 'n'},
						{"ms", required_argument, NULL, 't'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct hostile_env env = {0};
	const char *name = "all";
	int c;

	while ((c = getopt_long(argc, argv, "a:s:n:t:h", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			name = optarg;
			break;
		case 's':
			env.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			env.messages = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 't':
			env.ms = (unsigned)strtoul(optarg, NULL, 0);
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (optind + 1 != argc || (strcmp(name, "all") != 0 && hostile_find(name) == NULL)) {
		usage(stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	env.socket = argv[optind];
	if (strcmp(name, "all") == 0)
		return attack_all(&env);
	return attack_one(&env, hostile_find(name)) ? 0 : 1;
}
