/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/slow_file.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char file[PATH_MAX];

void slow_file_begin(const char *path)
{
	pthread_mutex_lock(&lock);
	snprintf(file, sizeof(file), "%s", path);
	pthread_mutex_unlock(&lock);
}

void slow_file_end(void)
{
	slow_file_begin("");
}

void slow_file_get(char *path, size_t len)
{
	pthread_mutex_lock(&lock);
	snprintf(path, len, "%s", file);
	pthread_mutex_unlock(&lock);
}
