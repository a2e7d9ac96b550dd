/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a fuzz target is: one function, called with any bytes, that must neither crash nor leak nor
 * abort.
 *
 * A target is NAME_fuzz.c and a line in meson.build.  With -Dfuzz=true (clang) libFuzzer calls it;
 * else replay.c does, once for each file under corpus/NAME/.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
