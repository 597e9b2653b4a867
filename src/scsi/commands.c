/* SPDX-License-Identifier: BSD-3-Clause */
/* All commands. Those with the same operation code stand together. */
#include "scsi/scsi_internal.h"

#define F 0xff
/* Usage maps; what is behind the CDB is not looked at. */
#define PAD6 F, F, F, F, F, F
#define U6(b0, b1, b2, b3, b4)                                                                     \
	{                                                                                          \
		b0, b1, b2, b3, b4, 0, F, F, F, F, PAD6                                            \
	}
#define U10(b0, b1, b2, b3, b4, b5, b6, b7, b8)                                                    \
	{                                                                                          \
		b0, b1, b2, b3, b4, b5, b6, b7, b8, 0, PAD6                                        \
	}
#define U12(b0, b1, b2, b3, b4, b5, b6, b7, b8, b9)                                                \
	{                                                                                          \
		b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, 0, 0, F, F, F, F                           \
	}
#define U16(b0, b1, b10, b11, b12, b13)                                                            \
	{                                                                                          \
		b0, b1, F, F, F, F, F, F, F, F, b10, b11, b12, b13, 0, 0                           \
	}

/* What a kind of command has in common. */
#define TELLS	 0
#define READS	 (SCSI_CMD_READS | SCSI_CMD_MEDIUM)
#define WRITES	 (SCSI_CMD_READS | SCSI_CMD_WRITES | SCSI_CMD_CHANGES | SCSI_CMD_MEDIUM)
#define SYNCS	 (SCSI_CMD_READS | SCSI_CMD_WRITES | SCSI_CMD_MEDIUM)
#define CONFIGS	 (SCSI_CMD_READS | SCSI_CMD_WRITES)
#define NO_SA	 SCSI_NO_SA
#define SHORT_S	 10 /* seconds */
#define MEDIUM_S 30
#define LONG_S	 120

const struct scsi_command scsi_commands[] = {
	{0x00, NO_SA, 6, SCSI_CMD_MEDIUM, SHORT_S, U6(0x00, 0, 0, 0, 0), scsi_do_test_unit_ready},
	{0x03, NO_SA, 6, SCSI_CMD_NO_UA | SCSI_CMD_ANY_LUN, SHORT_S, U6(0x03, 0x01, 0, 0, F),
	 scsi_do_request_sense},
	{0x08, NO_SA, 6, READS, MEDIUM_S, U6(0x08, 0x1f, F, F, F), scsi_do_read},
	{0x0a, NO_SA, 6, WRITES, MEDIUM_S, U6(0x0a, 0x1f, F, F, F), scsi_do_write},
	{0x12, NO_SA, 6, SCSI_CMD_NO_UA | SCSI_CMD_ANY_LUN, SHORT_S, U6(0x12, 0x01, F, F, F),
	 scsi_do_inquiry},
	{0x15, NO_SA, 6, CONFIGS, MEDIUM_S, U6(0x15, 0x11, 0, 0, F), scsi_do_mode_select},
	{0x1a, NO_SA, 6, SCSI_CMD_READS, SHORT_S, U6(0x1a, 0x08, F, F, F), scsi_do_mode_sense},
	{0x1b, NO_SA, 6, TELLS, MEDIUM_S, U6(0x1b, 0x01, 0, 0, 0xf7), scsi_do_start_stop},
	{0x25, NO_SA, 10, SCSI_CMD_MEDIUM, SHORT_S, U10(0x25, 0, F, F, F, F, 0, 0, 0x01),
	 scsi_do_read_capacity10},
	{0x28, NO_SA, 10, READS, MEDIUM_S, U10(0x28, 0x18, F, F, F, F, 0, F, F), scsi_do_read},
	{0x2a, NO_SA, 10, WRITES, MEDIUM_S, U10(0x2a, 0x18, F, F, F, F, 0, F, F), scsi_do_write},
	{0x2e, NO_SA, 10, WRITES, MEDIUM_S, U10(0x2e, 0x16, F, F, F, F, 0, F, F),
	 scsi_do_write_verify},
	{0x2f, NO_SA, 10, READS, LONG_S, U10(0x2f, 0x16, F, F, F, F, 0, F, F), scsi_do_verify},
	{0x35, NO_SA, 10, SYNCS, LONG_S, U10(0x35, 0x02, F, F, F, F, 0, F, F), scsi_do_sync_cache},
	{0x41, NO_SA, 10, WRITES, LONG_S, U10(0x41, 0x08, F, F, F, F, 0, F, F), scsi_do_write_same},
	{0x42, NO_SA, 10, WRITES | SCSI_CMD_THIN, LONG_S, U10(0x42, 0, 0, 0, 0, 0, 0, F, F),
	 scsi_do_unmap},
	{0x55, NO_SA, 10, CONFIGS, MEDIUM_S, U10(0x55, 0x11, 0, 0, 0, 0, 0, F, F),
	 scsi_do_mode_select},
	{0x5a, NO_SA, 10, SCSI_CMD_READS, SHORT_S, U10(0x5a, 0x18, F, F, 0, 0, 0, F, F),
	 scsi_do_mode_sense},
	{0x5e, SCSI_SA_PR_READ_KEYS, 10, TELLS, SHORT_S, U10(0x5e, 0x1f, 0, 0, 0, 0, 0, F, F),
	 scsi_do_pr_in},
	{0x5e, SCSI_SA_PR_READ_RESERVATION, 10, TELLS, SHORT_S,
	 U10(0x5e, 0x1f, 0, 0, 0, 0, 0, F, F), scsi_do_pr_in},
	{0x5e, SCSI_SA_PR_REPORT_CAPABILITIES, 10, TELLS, SHORT_S,
	 U10(0x5e, 0x1f, 0, 0, 0, 0, 0, F, F), scsi_do_pr_in},
	{0x5e, SCSI_SA_PR_READ_FULL_STATUS, 10, TELLS, SHORT_S,
	 U10(0x5e, 0x1f, 0, 0, 0, 0, 0, F, F), scsi_do_pr_in},
	{0x5f, SCSI_SA_PR_REGISTER, 10, TELLS, SHORT_S, U10(0x5f, 0x1f, F, 0, 0, F, F, F, F),
	 scsi_do_pr_out},
	{0x5f, SCSI_SA_PR_RESERVE, 10, TELLS, SHORT_S, U10(0x5f, 0x1f, F, 0, 0, F, F, F, F),
	 scsi_do_pr_out},
	{0x5f, SCSI_SA_PR_RELEASE, 10, TELLS, SHORT_S, U10(0x5f, 0x1f, F, 0, 0, F, F, F, F),
	 scsi_do_pr_out},
	{0x5f, SCSI_SA_PR_CLEAR, 10, TELLS, SHORT_S, U10(0x5f, 0x1f, F, 0, 0, F, F, F, F),
	 scsi_do_pr_out},
	{0x5f, SCSI_SA_PR_PREEMPT, 10, TELLS, SHORT_S, U10(0x5f, 0x1f, F, 0, 0, F, F, F, F),
	 scsi_do_pr_out},
	{0x5f, SCSI_SA_PR_PREEMPT_ABORT, 10, TELLS, LONG_S, U10(0x5f, 0x1f, F, 0, 0, F, F, F, F),
	 scsi_do_pr_out},
	{0x5f, SCSI_SA_PR_REGISTER_IGNORE, 10, TELLS, SHORT_S, U10(0x5f, 0x1f, F, 0, 0, F, F, F, F),
	 scsi_do_pr_out},
	{0x88, NO_SA, 16, READS, MEDIUM_S, U16(0x88, 0x18, F, F, F, F), scsi_do_read},
	{0x89, NO_SA, 16, WRITES, MEDIUM_S, U16(0x89, 0x18, 0, 0, 0, F), scsi_do_compare_and_write},
	{0x8a, NO_SA, 16, WRITES, MEDIUM_S, U16(0x8a, 0x18, F, F, F, F), scsi_do_write},
	{0x8e, NO_SA, 16, WRITES, MEDIUM_S, U16(0x8e, 0x16, F, F, F, F), scsi_do_write_verify},
	{0x8f, NO_SA, 16, READS, LONG_S, U16(0x8f, 0x16, F, F, F, F), scsi_do_verify},
	{0x91, NO_SA, 16, SYNCS, LONG_S, U16(0x91, 0x02, F, F, F, F), scsi_do_sync_cache},
	{0x93, NO_SA, 16, WRITES, LONG_S, U16(0x93, 0x09, F, F, F, F), scsi_do_write_same},
	{0x9e,
	 SCSI_SA_READ_CAPACITY_16,
	 16,
	 SCSI_CMD_MEDIUM,
	 SHORT_S,
	 {0x9e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, F, F, F, F, 0, 0},
	 scsi_do_read_capacity16},
	{0x9e, SCSI_SA_GET_LBA_STATUS, 16, READS, SHORT_S, U16(0x9e, 0x1f, F, F, F, F),
	 scsi_do_get_lba_status},
	{0xa0, NO_SA, 12, SCSI_CMD_NO_UA | SCSI_CMD_ANY_LUN, SHORT_S,
	 U12(0xa0, 0, F, 0, 0, 0, F, F, F, F), scsi_do_report_luns},
	{0xa3, SCSI_SA_REPORT_OPCODES, 12, SCSI_CMD_READS, SHORT_S,
	 U12(0xa3, 0x1f, 0x87, F, F, F, F, F, F, F), scsi_do_report_opcodes},
	{0xa3, SCSI_SA_REPORT_TMFS, 12, SCSI_CMD_READS, SHORT_S,
	 U12(0xa3, 0x1f, 0x80, 0, 0, 0, F, F, F, F), scsi_do_report_tmfs},
	{0xa8, NO_SA, 12, READS, MEDIUM_S, U12(0xa8, 0x18, F, F, F, F, F, F, F, F), scsi_do_read},
	{0xaa, NO_SA, 12, WRITES, MEDIUM_S, U12(0xaa, 0x18, F, F, F, F, F, F, F, F), scsi_do_write},
	{0xae, NO_SA, 12, WRITES, MEDIUM_S, U12(0xae, 0x16, F, F, F, F, F, F, F, F),
	 scsi_do_write_verify},
	{0xaf, NO_SA, 12, READS, LONG_S, U12(0xaf, 0x16, F, F, F, F, F, F, F, F), scsi_do_verify},
};

const size_t scsi_ncommands = ARRAY_SIZE(scsi_commands);

_Static_assert(ARRAY_SIZE(scsi_commands) < UINT8_MAX, "an index fits into a byte");
