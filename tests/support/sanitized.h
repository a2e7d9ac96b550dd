/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is this program built with AddressSanitizer?  Then tests of chance try fewer cases: each is many
 * times dearer, and what the sanitizer looks for is not what the last of a hundred thousand finds.
 */
#ifndef TESTS_SUPPORT_SANITIZED_H
#define TESTS_SUPPORT_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
