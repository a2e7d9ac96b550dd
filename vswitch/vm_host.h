/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How short of memory the host is, for the balloons of VMs.  No state; reading it is two system
 * calls.
 */
#ifndef VSWITCH_VM_HOST_H
#define VSWITCH_VM_HOST_H

#include <stddef.h>
#include <stdint.h>

/* 0: it has memory; 100: it has next to none.  Nothing above a fifth of all memory, all below a
 * twentieth. */
unsigned vs_vm_shortage(uint64_t total, uint64_t available);
/* The same of the text of /proc/meminfo; 0 when that says nothing. */
unsigned vs_vm_shortage_of(const char *meminfo);
/* Of this host. */
unsigned vs_vm_host_shortage(void);

#endif
