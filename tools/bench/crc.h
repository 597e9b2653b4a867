/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_CRC_H
#define BENCH_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli) as iSCSI (RFC 3720) defines it. DPDK, which computes it, wants data on a
 * multiple of 8. */
uint32_t crc32c(const void *data, size_t len);

#endif
