# SPDX-License-Identifier: BSD-3-Clause
"""tools/compare-modes: how fast each way of giving a disk to a guest is, and what it costs."""
