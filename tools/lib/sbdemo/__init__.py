# SPDX-License-Identifier: BSD-3-Clause
"""What tools/demo is made of."""
