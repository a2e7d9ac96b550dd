/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ctx.h.
 */
#include "filters/ebpf/ctx.h"

#include <pthread.h>
#include <stddef.h>

__thread struct ebpf_env *ebpf_env_here;

void ebpf_env_enter(struct ebpf_env *env)
{
	pthread_attr_t attr;
	void *stack;
	size_t size;

	env->stack_end = 0;
	if (env->random == 0)
		env->random = 1;
	if (pthread_getattr_np(pthread_self(), &attr) == 0) {
		if (pthread_attr_getstack(&attr, &stack, &size) == 0)
			env->stack_end = (uintptr_t)stack + size;
		pthread_attr_destroy(&attr);
	}
	ebpf_env_here = env;
}
