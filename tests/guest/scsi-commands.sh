# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The same commands to the LUN and to QEMU's scsi-hd; what each answers goes to /share.
modprobe -a virtio_scsi sg

head -c 512 /dev/zero > /tmp/zeroes
tr '\0' a < /tmp/zeroes > /tmp/a
tr '\0' b < /tmp/zeroes > /tmp/b
cat /tmp/zeroes /tmp/a > /tmp/zeroes-a

# run_on DEVICE: each command of the list. sg_raw wants the device before the CDB, the others at the end.
run_on() {
	local -a words

	while read -ra words; do
		[[ "${words[0]:-#}" != "#" ]] || continue
		if [[ "${words[0]}" == sg_raw ]]; then
			words=("${words[0]}" -r 512 -o /dev/null "$1" "${words[@]:1}")
		else
			words+=("$1")
		fi
		echo "\$ ${words[*]}"
		timeout 60 "${words[@]}" 2>&1 < /dev/null
		echo "status $?"
	done < /share/commands
}

for dir in /sys/bus/scsi/devices/*/scsi_generic/*; do
	case "$(< "$dir/device/vendor")" in
	QEMU*) run_on "/dev/${dir##*/}" > /share/scsi-hd & ;;
	*) run_on "/dev/${dir##*/}" > /share/here & ;;
	esac
done
wait
