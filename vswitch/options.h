/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's command line.  Main thread, once.
 */
#ifndef VSWITCH_OPTIONS_H
#define VSWITCH_OPTIONS_H

#include <stdbool.h>

#define VS_MAX_EAL 32

struct vs_options {
	const char *socket, *store, *group, *initial;
	const char *vmworker; /* NULL: beside this program */
	bool no_huge;
	unsigned huge_mb, mbufs, control_cpu;
	bool control_cpu_given;
	char *eal[VS_MAX_EAL];
	int n_eal;
};

/* Reads; prints help, version or what is wrong.  Returns -1 to go on, else the exit code.  Strings
 * are argv's, but for 'eal'. */
int vs_options_read(struct vs_options *o, int argc, char **argv);
void vs_options_free(struct vs_options *o);

#endif
