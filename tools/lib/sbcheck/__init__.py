# SPDX-License-Identifier: BSD-3-Clause
"""What tools/check and tests/run-tests share: results, and programs that leave nothing behind."""
