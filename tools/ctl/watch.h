/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_WATCH_H
#define CTL_WATCH_H

#include "command.h"

/* Both go on until the connection ends or a signal comes, and return a status. */

/* Prints the events of event.subscribe, one a line. */
int ctl_watch(struct ctl *ctl);
/* Prints what a method that changes nothing answers, and again after each event. */
int ctl_watch_method(struct ctl *ctl, const json_t *method, json_t *params);

#endif
