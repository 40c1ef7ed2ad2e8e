/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kernel/steer.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define GOLDEN 2654435761u /* 2^32 / the golden ratio: spreads neighbours (Knuth) */

struct program {
	struct sock_filter *out;
	unsigned n;
};

static void emit(struct program *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (p->n < BPF_MAXINSNS)
		p->out[p->n] = (struct sock_filter){ code, jt, jf, k };
	p->n++;
}

static void load_net(struct program *p, uint16_t size, uint32_t offset)
{
	emit(p, BPF_LD | size | BPF_ABS, 0, 0, (uint32_t)SKF_NET_OFF + offset);
}

static void give(struct program *p, uint32_t rank)
{
	emit(p, BPF_RET | BPF_K, 0, 0, rank);
}

/* A = a hash of the source address. The data begins after the TCP header; the IP
 * header is reached by its own offset. A mapped IPv4 client has an IPv4 header. An
 * IPv6 client is its /64: privacy addresses change within it (RFC 8981). */
static void hash_address(struct program *p)
{
	load_net(p, BPF_B, 0);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 0, 0, 4);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 4);
	load_net(p, BPF_W, 12);
	emit(p, BPF_JMP | BPF_JA, 0, 0, 4);
	load_net(p, BPF_W, 8);
	emit(p, BPF_MISC | BPF_TAX, 0, 0, 0);
	load_net(p, BPF_W, 12);
	emit(p, BPF_ALU | BPF_XOR | BPF_X, 0, 0, 0);
	emit(p, BPF_ALU | BPF_MUL | BPF_K, 0, 0, GOLDEN);
	emit(p, BPF_ALU | BPF_RSH | BPF_K, 0, 0, 12);
}

/* A = its remainder; then the live seat of that number among the live ones. */
static void choose_live(struct program *p, const struct steer_seat *seats, unsigned n,
			unsigned live)
{
	unsigned k = 0;

	emit(p, BPF_ALU | BPF_MOD | BPF_K, 0, 0, live);
	for (unsigned i = 0; i < n; i++) {
		if (!seats[i].live)
			continue;
		if (++k < live)
			emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k - 1);
		give(p, seats[i].rank);
	}
}

/* Each address has a seat; only while that is not live another one. */
static void choose_own(struct program *p, const struct steer_seat *seats, unsigned n, unsigned live)
{
	emit(p, BPF_ST, 0, 0, 0);
	emit(p, BPF_ALU | BPF_MOD | BPF_K, 0, 0, n);
	for (unsigned i = 0; i < n; i++) {
		if (!seats[i].live)
			continue;
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, i);
		give(p, seats[i].rank);
	}
	if (live == n)
		return;
	emit(p, BPF_LD | BPF_MEM, 0, 0, 0);
	emit(p, BPF_ALU | BPF_DIV | BPF_K, 0, 0, n);
	choose_live(p, seats, n, live);
}

int steer_program(const struct steer_seat *seats, unsigned n, bool by_address,
		  struct sock_filter out[BPF_MAXINSNS])
{
	struct program p = { .out = out };
	unsigned live = 0;

	for (unsigned i = 0; i < n; i++)
		live += seats[i].live;
	if (live == 0)
		return -ENOENT;
	if (n > STEER_SEATS_MAX)
		return -E2BIG;
	if (by_address) {
		hash_address(&p);
		choose_own(&p, seats, n, live);
		give(&p, ~0u); /* all live: not reached */
	} else {
		emit(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
		choose_live(&p, seats, n, live);
	}
	return p.n > BPF_MAXINSNS ? -E2BIG : (int)p.n;
}

int steer_attach(int fd, const struct sock_filter *insns, unsigned short len)
{
	/* The kernel only reads it; its struct has no const. */
	struct sock_fprog prog = { .len = len, .filter = (struct sock_filter *)insns };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) < 0 ?
		       -errno :
		       0;
}

/* return SK_DROP. Returns its descriptor or -errno. */
static int load_refusal(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_DROP },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr)); /* the kernel refuses bytes that it does not know */
	attr.prog_type = BPF_PROG_TYPE_SK_REUSEPORT;
	attr.insns = (uint64_t)(uintptr_t)insns;
	attr.insn_cnt = ARRAY_LEN(insns);
	attr.license = (uint64_t)(uintptr_t) "MIT";
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)); /* close-on-exec by itself */
	return fd < 0 ? -errno : (int)fd;
}

int steer_refuse(int fd)
{
	AUTO_FD int program = load_refusal();

	if (program < 0)
		return program;
	/* The group has a reference of its own. */
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program, sizeof(program)) < 0 ?
		       -errno :
		       0;
}
