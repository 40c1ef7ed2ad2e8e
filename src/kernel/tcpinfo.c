/* SPDX-License-Identifier: MIT */
#include "kernel/tcpinfo.h"

#include <linux/tcp.h>
#include <string.h>

#define ACK_DELAY_MS 250 /* the longest that one of ours or theirs waits for data to go along */

/* Both within one tick of the kernel's clock (4 ms where HZ is 250), as with a client that asks
 * the next thing as soon as it has an answer. What else the kernel counts may still tell. */
static bool is_doubtful(const struct tcp_info *t)
{
	uint32_t alone = t->tcpi_segs_out - t->tcpi_data_segs_out; /* ACKs without data */
	uint32_t since = t->tcpi_last_data_recv - t->tcpi_last_ack_recv;

	if (t->tcpi_last_data_sent < ACK_DELAY_MS)
		return true;
	if (t->tcpi_data_segs_in <= 1)
		return false; /* it has asked once */
	/* It has acknowledged our bytes after it had sent its own. */
	if (t->tcpi_last_ack_recv < t->tcpi_last_data_recv && since <= ACK_DELAY_MS)
		return false;
	/* A request that was not answered at once is acknowledged alone. One ACK may be that of
	 * the first request or of the handshake. */
	return alone > 1;
}

void tcp_traffic_read(const void *info, size_t n, struct tcp_traffic *ret)
{
	struct tcp_info t = { 0 };
	bool received, sent;

	memcpy(&t, info, n < sizeof(t) ? n : sizeof(t));
	received = t.tcpi_bytes_received > 0;
	sent = t.tcpi_bytes_sent > 0;
	*ret = (struct tcp_traffic){
		.owed = received && (!sent || t.tcpi_last_data_recv < t.tcpi_last_data_sent),
		.doubtful = received && sent && t.tcpi_last_data_recv == t.tcpi_last_data_sent &&
			    is_doubtful(&t),
		.rest_ms = t.tcpi_last_data_sent < t.tcpi_last_data_recv ? t.tcpi_last_data_sent :
									   t.tcpi_last_data_recv,
	};
}
