/* SPDX-License-Identifier: MIT */
/* What struct tcp_info tells about who spoke last. The numbers are those of Linux 6.18, HZ 250. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/tcp.h>

#include "kernel/tcpinfo.h"

#define ROWS(rows) (sizeof(rows) / sizeof(*(rows)))

struct row {
	const char *what;
	uint32_t sent, received, ack; /* ms since */
	uint32_t segs_out, data_out, data_in;
	bool owed, doubtful;
};

static const struct row rows[] = {
	{ "nothing was said", 900, 900, 900, 0, 0, 0, false, false },
	{ "asked, no answer", 900, 500, 500, 1, 0, 1, true, false },
	{ "asked and answered", 400, 500, 400, 2, 1, 1, false, false },
	{ "answered, asked again", 500, 400, 400, 3, 1, 2, true, false },
	/* in one tick of the clock: */
	{ "asked once and answered", 1000, 1000, 1000, 2, 1, 1, false, false },
	{ "the answer was acknowledged later", 1000, 1000, 956, 21, 20, 20, false, false },
	{ "no request was ever acknowledged alone", 1000, 1000, 1000, 6, 5, 5, false, false },
	{ "the last one was, perhaps", 1000, 1000, 1000, 22, 20, 21, false, true },
	{ "a probe was acknowledged much later", 20000, 20000, 5000, 22, 20, 21, false, true },
	{ "too young for an acknowledgement", 40, 40, 40, 6, 5, 5, false, true },
};

static void who_spoke_last(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct row *r = &rows[i];
		struct tcp_info t = { .tcpi_last_data_sent = r->sent,
				      .tcpi_last_data_recv = r->received,
				      .tcpi_last_ack_recv = r->ack,
				      .tcpi_segs_out = r->segs_out,
				      .tcpi_data_segs_out = r->data_out,
				      .tcpi_data_segs_in = r->data_in,
				      .tcpi_bytes_sent = r->data_out,
				      .tcpi_bytes_received = r->data_in };
		struct tcp_traffic got;

		tcp_traffic_read(&t, sizeof(t), &got);
		if (got.owed != r->owed || got.doubtful != r->doubtful)
			fail_msg("%s: owed %d, doubtful %d", r->what, got.owed, got.doubtful);
		assert_int_equal(got.rest_ms, r->sent < r->received ? r->sent : r->received);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(who_spoke_last) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
