/* SPDX-License-Identifier: MIT */
#include "kernel/tcpinfo.h"

#include <linux/tcp.h>
#include <string.h>

void tcp_traffic_read(const void *info, size_t n, struct tcp_traffic *ret)
{
	struct tcp_info t = { 0 };

	memcpy(&t, info, n < sizeof(t) ? n : sizeof(t));
	*ret = (struct tcp_traffic){ .received = t.tcpi_bytes_received > 0,
				     .sent = t.tcpi_bytes_sent > 0,
				     .sent_ms = t.tcpi_last_data_sent,
				     .received_ms = t.tcpi_last_data_recv };
}
