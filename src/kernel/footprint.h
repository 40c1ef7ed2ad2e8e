/* SPDX-License-Identifier: MIT */
/* footprint.h - what a process that waits for years holds in memory of its start.
 *
 * Layer: kernel. Never fails: what is not given back stays. */
#ifndef MPSUP_KERNEL_FOOTPRINT_H
#define MPSUP_KERNEL_FOOTPRINT_H

/* Give back free heap, and the mapped pages of code: a file's, which the kernel maps again
 * when they are run (proc_pid_maps(5), MADV_DONTNEED in madvise(2)). The readers of files, the
 * compiler of filters and most of five libraries were for the start alone. Some 0.1 ms. */
void footprint_trim(void);

#endif
