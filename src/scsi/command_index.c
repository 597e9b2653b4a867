/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands by operation code and service action. */
#include <stdlib.h>

#include "scsi/scsi_internal.h"
#include "util/log.h"

/* By operation code: the place of the first in the table, from 1 on; 0: there is none. */
static uint8_t first[256];

static bool valid(const struct scsi_command *cmd)
{
	static const uint8_t lengths[8] = {6, 10, 10, 0, 16, 12, 0, 0};

	return cmd->cdb_len == lengths[cmd->opcode >> 5] && cmd->usage[0] == cmd->opcode &&
	       cmd->execute && cmd->timeout;
}

static void index_table(void)
{
	size_t i;

	for (i = 0; i < scsi_ncommands; i++) {
		bool again = i && scsi_commands[i - 1].opcode == scsi_commands[i].opcode;

		if (!valid(&scsi_commands[i]) || (!again && first[scsi_commands[i].opcode]) ||
		    (again && scsi_commands[i].sa <= scsi_commands[i - 1].sa)) {
			log_error("scsi: the table of commands is wrong at entry %zu", i);
			abort();
		}
		if (!again)
			first[scsi_commands[i].opcode] = (uint8_t)(i + 1);
	}
}

void scsi_commands_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, index_table);
}

static __attribute__((noinline)) const struct scsi_command *find_sa(const struct scsi_command *cmd,
								    uint8_t sa)
{
	uint8_t opcode = cmd->opcode;

	for (; cmd < scsi_commands + scsi_ncommands && cmd->opcode == opcode; cmd++)
		if (cmd->sa == sa)
			return cmd;
	return NULL;
}

const struct scsi_command *scsi_command_find(const uint8_t *cdb, bool *opcode_known)
{
	uint8_t place = first[cdb[0]];

	if (unlikely(!place))
		return NULL;
	*opcode_known = true;
	if (likely(scsi_commands[place - 1].sa == SCSI_NO_SA))
		return &scsi_commands[place - 1];
	return find_sa(&scsi_commands[place - 1], cdb[1] & 0x1f);
}

bool scsi_command_supported(const struct scsi_command *cmd, const struct scsi_lu *lu)
{
	return !(cmd->flags & SCSI_CMD_THIN) || lu->bdev->limits.discard_granularity_bytes;
}
