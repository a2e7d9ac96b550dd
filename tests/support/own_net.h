/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A network namespace of a test's own, so that what it does to interfaces, addresses and routes is
 * seen by nobody and ends with it.  Root is not needed where the kernel lets anybody make a user
 * namespace.
 */
#ifndef TESTS_SUPPORT_OWN_NET_H
#define TESTS_SUPPORT_OWN_NET_H

#include <stdbool.h>

#define OWN_NET_SKIPPED 77 /* the exit status that meson takes for "skipped" */

/* Moves the process there and brings loopback up.  First thing in main(): while there is one
 * thread.  False, having said why, when the kernel does not allow it. */
bool own_net_enter(void);

/* Runs a command of the shell; the test fails when the command does. */
__attribute__((format(printf, 1, 2))) void own_net_sh(const char *fmt, ...);

#endif
