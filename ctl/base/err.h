/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Why something was refused, in words for the person who asked.
 *
 * A control entry point returns 0 or a negative errno and fills a 'struct err' if it was given one.
 * The tool draws it as three lines (what, why, fix); see docs/control.md.  No thread owns it: it
 * lives on the caller's stack.
 */
#ifndef CTL_BASE_ERR_H
#define CTL_BASE_ERR_H

#include <stdarg.h>

struct err {
	int code;	/* negative errno, 0 when nothing was refused */
	char slug[32];	/* stable machine-readable name, such as "port-busy" */
	char what[320]; /* "cannot add port eth1: the interface has address 10.0.0.5/24" */
	char why[320];	/* may be empty */
	char fix[320];	/* a command to type, may be empty */
	/* The configured objects it is about, for who knows where they were written. */
	struct {
		char kind[16], name[112]; /* "port", "web1"; "": none */
	} about[2];
};

/* Sets slug and 'what', clears the rest.  'code' is a negative errno; returns it.  'err' may
 * be NULL. */
int err_set(struct err *err, int code, const char *slug, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Add the second and third line to an error that is set.  'err' may be NULL. */
void err_why(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_fix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds an object that the error is about; a third is not kept.  'err' may be NULL. */
void err_about(struct err *err, const char *kind, const char *name);

#endif
