/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory that somebody else may take away.  A vhost or memif peer shares a file with us; if it cuts
 * the file short, our next access is a SIGBUS, and a peer could kill the switch.
 *
 * What is shared is entered here.  When an access to it faults, empty memory takes the place of
 * what is gone, the access happens again, and the region's 'lost' is set: who reads frames from it
 * looks at 'lost' after each burst, throws away what that burst brought, and lets the port go down.
 *
 * This costs nothing while nothing happens, and it holds for accesses that are not ours: those of
 * librte_vhost.
 */
#ifndef DATAPLANE_SIGBUS_H
#define DATAPLANE_SIGBUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct dp_sigbus;

/* Guards 'size' bytes from 'va' on, a mapping of our own or a library's.  *lost is borrowed until
 * dp_sigbus_remove().  NULL when there is no memory.  Any thread. */
struct dp_sigbus *dp_sigbus_add(const void *va, size_t size, atomic_bool *lost);
/* Nobody touches the memory any more, and it is not yet unmapped.  Takes NULL. */
void dp_sigbus_remove(struct dp_sigbus *guard);

/* While 'on', this thread's faults are mended wherever they are: it is in the hands of a library
 * that maps a peer's memory and looks at it before we hear of it, or without our hearing of it. */
void dp_sigbus_thread(bool on);

/* Catches SIGBUS; others go to who caught it before.  dp_sigbus_add() does it, too: to be the first
 * once more when a library has put itself before us. */
void dp_sigbus_install(void);

#endif
