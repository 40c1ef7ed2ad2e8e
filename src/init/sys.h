/* SPDX-License-Identifier: MIT */
/* sys.h - system calls without a C library. A static glibc needs 0.2 ms before main(),
 * most of it in CPUID, which every hypervisor traps; and pages that are nobody's.
 *
 * Like the kernel, each sys_*() returns -errno. syscall(2) names the registers. */
#ifndef MPSUP_INIT_SYS_H
#define MPSUP_INIT_SYS_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

#if defined(__x86_64__)
static inline long sys_call(long n, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return r;
}

#define SYS_START                                                                                  \
	__asm__(".globl _start\n"                                                                  \
		"_start:\n"                                                                        \
		"	xor %ebp, %ebp\n"                                                                \
		"	mov %rsp, %rdi\n"                                                                \
		"	and $-16, %rsp\n"                                                                \
		"	call start\n")
#elif defined(__aarch64__)
static inline long sys_call(long n, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}

#define SYS_START                                                                                  \
	__asm__(".globl _start\n"                                                                  \
		"_start:\n"                                                                        \
		"	mov x29, #0\n"                                                                   \
		"	mov x30, #0\n"                                                                   \
		"	mov x0, sp\n"                                                                    \
		"	bl start\n")
#else
#error "mpsup-init knows x86_64 and aarch64"
#endif

_Noreturn static inline void sys_exit(int code)
{
	for (;;)
		(void)sys_call(SYS_exit_group, code, 0, 0, 0, 0);
}

static inline long sys_prctl(int what, unsigned long a, unsigned long b)
{
	return sys_call(SYS_prctl, what, (long)a, (long)b, 0, 0);
}

static inline long sys_read(int fd, void *buf, size_t size)
{
	return sys_call(SYS_read, fd, (long)buf, (long)size, 0, 0);
}

static inline long sys_write(int fd, const void *buf, size_t size)
{
	return sys_call(SYS_write, fd, (long)buf, (long)size, 0, 0);
}

static inline long sys_openat(int dir, const char *path, int flags)
{
	return sys_call(SYS_openat, dir, (long)path, flags, 0, 0);
}

static inline long sys_close(int fd)
{
	return sys_call(SYS_close, fd, 0, 0, 0, 0);
}

static inline long sys_kill(pid_t pid, int sig)
{
	return sys_call(SYS_kill, pid, sig, 0, 0, 0);
}

static inline long sys_wait4(pid_t pid, int *ret_status, int options, struct rusage *ret_usage)
{
	return sys_call(SYS_wait4, pid, (long)ret_status, options, (long)ret_usage, 0);
}

/* Masks: bit 0 is signal 1, as the kernel counts; 64 signals. */
#define SYS_ALL_SIGNALS (~UINT64_C(0))
#define SYS_SIGNAL(n)	(UINT64_C(1) << ((n)-1))
#define SYS_MASK_BYTES	sizeof(uint64_t)

static inline long sys_block_signals(uint64_t mask)
{
	return sys_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, SYS_MASK_BYTES, 0);
}

/* Waits without end, with these signals blocked meanwhile. */
static inline long sys_poll(struct pollfd *p, unsigned long n, uint64_t blocked)
{
	return sys_call(SYS_ppoll, (long)p, (long)n, 0, (long)&blocked, SYS_MASK_BYTES);
}

/* As rt_sigaction(2) has it. The C library's job otherwise: on x86_64 a handler returns
 * to code of the program's own, elsewhere to the vdso's. */
struct sys_action {
	void (*handler)(int sig);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

#if defined(__x86_64__)
#define SYS_RESTORER_FLAG 0x04000000ul /* SA_RESTORER, asm/signal.h */
#define SYS_RESTORER                                                                               \
	__asm__(".globl sys_restore\n"                                                             \
		"sys_restore:\n"                                                                   \
		"	mov $15, %eax\n" /* rt_sigreturn */                                        \
		"	syscall\n")
void sys_restore(void);
#else
#define SYS_RESTORER_FLAG 0ul
#define SYS_RESTORER	  __asm__("")
#define sys_restore	  NULL
#endif

static inline long sys_handle(int sig, void (*handler)(int sig))
{
	const struct sys_action a = { .handler = handler,
				      .flags = SYS_RESTORER_FLAG,
				      .restorer = sys_restore };

	return sys_call(SYS_rt_sigaction, sig, (long)&a, 0, SYS_MASK_BYTES, 0);
}

#endif
