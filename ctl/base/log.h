/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's log: one line an entry, to stderr (systemd's journal takes its priority from the
 * "<N>" prefix when JOURNAL_STREAM is set).  Control threads only; workers count, they do not log.
 * Any thread may call, lines do not mix.
 */
#ifndef CTL_BASE_LOG_H
#define CTL_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *module, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Each file that logs defines LOG_MODULE (a short name) before its first use. */
#define log_error(...) log_line(LOG_LEVEL_ERROR, LOG_MODULE, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, LOG_MODULE, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, LOG_MODULE, __VA_ARGS__)

/* For lines that a guest, a peer or a packet can trigger: true at most 'burst' times in each
 * 'interval_s' seconds. The state is static at the call site.  Not exact under concurrent use,
 * never a flood. */
struct log_limit {
	uint64_t window_start_s;
	uint32_t n;
};
bool log_allow(struct log_limit *limit, uint32_t burst, uint32_t interval_s);

#endif
