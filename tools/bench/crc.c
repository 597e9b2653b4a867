/* SPDX-License-Identifier: BSD-3-Clause */
#include "crc.h"

#include <rte_hash_crc.h>

uint32_t crc32c(const void *data, size_t len)
{
	const uint8_t *at = data;
	uint32_t crc = UINT32_MAX;

	/* DPDK takes lengths of 32 bits. */
	while (len) {
		uint32_t part = len > 1u << 30 ? 1u << 30 : (uint32_t)len;

		crc = rte_hash_crc(at, part, crc);
		at += part;
		len -= part;
	}
	return ~crc;
}
