/* SPDX-License-Identifier: MIT */
/* tcpinfo.h - when a connection was used last: struct tcp_info of linux/tcp.h, which does
 * not go together with netinet/tcp.h, which libnl includes.
 *
 * Layer: kernel. */
#ifndef MPSUP_KERNEL_TCPINFO_H
#define MPSUP_KERNEL_TCPINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_traffic {
	bool owed;	  /* the last bytes were the other side's: it waits for an answer */
	bool doubtful;	  /* or may have been: nothing tells which of the two were the last */
	uint32_t rest_ms; /* since the last bytes of either side, or since it was opened */
};

/* info: of getsockopt(TCP_INFO) or sock_diag's INET_DIAG_INFO, n bytes of it. */
void tcp_traffic_read(const void *info, size_t n, struct tcp_traffic *ret);

#endif
