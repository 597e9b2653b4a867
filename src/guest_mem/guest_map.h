/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_MAP_H
#define GUEST_MAP_H

/* A part of a file that a VMM shares, mapped. */

#include <stddef.h>
#include <stdint.h>

struct guest_map {
	void *addr; /* NULL: none */
	size_t len;
};

/*
 * Maps `size` bytes from `offset` on, and in *host is where they are. Huge pages are mapped as a
 * whole: what begins or ends inside one has the rest of it mapped as well. The descriptor is not
 * needed any more afterwards. Returns 0 or -errno.
 */
int guest_map_file(int fd, uint64_t offset, uint64_t size, struct guest_map *map, uint8_t **host);
/* How many bytes that takes. 0: the file can't be looked at. */
uint64_t guest_map_bytes(int fd, uint64_t offset, uint64_t size);
/* Nobody uses it any more. A large one is unmapped a moment later, by a thread of its own: that
 * takes long, and the control thread has others to serve. */
void guest_map_drop(struct guest_map *map);

#endif
