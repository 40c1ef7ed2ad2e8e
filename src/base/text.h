/* SPDX-License-Identifier: MIT */
/* text.h - the one function that every byte of a worker passes before it
 * reaches a terminal, the journal, a table or our own log (traps 38). */
#ifndef MPSUP_BASE_TEXT_H
#define MPSUP_BASE_TEXT_H

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_SHORT_BYTES 200 /* status texts, messages, argv in tables */

/* Copy in[0..in_len) to out as valid UTF-8: control characters (tab excepted),
 * bidirectional controls and bytes that are not UTF-8 become \xNN. Stops at
 * out_size - 1 without splitting a character; always terminates out.
 * Returns the length of out. */
size_t text_safe(const char *in, size_t in_len, char *out, size_t out_size);

/* Append text as the inside of a JSON string (no quotes), out always
 * terminated; in must be valid UTF-8. Returns the length of out. */
size_t text_json(const char *in, char *out, size_t out_size);

/* RFC 3339 UTC with milliseconds of CLOCK_REALTIME, "2026-11-23T12:00:00.123Z". */
#define TEXT_TIME_BYTES 32
void text_time(int64_t realtime_ms, char out[TEXT_TIME_BYTES]);

/* "4h12m", "190 ms", "2.1 s": a duration for people. */
#define TEXT_DURATION_BYTES 24
void text_duration(uint64_t ms, char out[TEXT_DURATION_BYTES]);

/* "512K", "64M", "1.5G": a size for people (1024). */
#define TEXT_SIZE_BYTES 16
void text_size(uint64_t bytes, char out[TEXT_SIZE_BYTES]);

/* "0-3,6": a set of CPUs, as parse_cpus() reads it; "..." where out is too short;
 * "" for none. */
#define TEXT_CPUS_BYTES 128
void text_cpus(const cpu_set_t *cpus, char out[TEXT_CPUS_BYTES]);

#endif
