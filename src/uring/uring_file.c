/* SPDX-License-Identifier: BSD-3-Clause */
/* The files that a ring knows by a number. */
#include "uring/uring.h"
#include "uring/uring_internal.h"

/* From 5.19 on. Without it each operation names its fd. */
void uring_make_file_table(struct uring *u)
{
	if (!io_uring_register_files_sparse(&u->ring, URING_FILES_MAX))
		u->nfiles = URING_FILES_MAX;
}

int uring_file_add(struct uring *u, int fd)
{
	unsigned int i;

	for (i = 0; i < u->nfiles && u->files[i]; i++)
		;
	if (i == u->nfiles || io_uring_register_files_update(&u->ring, i, &fd, 1) != 1)
		return -1;
	u->files[i] = true;
	return (int)i;
}

void uring_file_remove(struct uring *u, int index)
{
	int none = -1;

	if (index < 0)
		return;
	/* If that fails, the slot is not used again. */
	if (io_uring_register_files_update(&u->ring, (unsigned int)index, &none, 1) == 1)
		u->files[index] = false;
}
