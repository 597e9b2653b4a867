/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPORTER_MESSAGE_H
#define EXPORTER_MESSAGE_H

/* "shadowbell-exporter: ..." on stderr. Returns -1, which functions of this program return then. */
int exporter_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
