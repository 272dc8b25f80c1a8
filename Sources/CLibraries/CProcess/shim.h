/* SPDX-License-Identifier: Apache-2.0
 * What a process gives up, and libseccomp: Linux calls that Swift's Glibc module leaves out (variadic ones,
 * and those behind _GNU_SOURCE), each under the kernel's own name behind process_. In: plain numbers.
 * Out: the call's result, errno as it left it. */
#ifndef XDPGUARD_PROCESS_H
#define XDPGUARD_PROCESS_H

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

extern int setgroups(size_t count, const gid_t *groups);
extern int setresgid(gid_t real, gid_t effective, gid_t saved);
extern int setresuid(uid_t real, uid_t effective, uid_t saved);
extern long syscall(long number, ...);
extern int signalfd(int fd, const sigset_t *mask, int flags);
extern int pipe2(int ends[2], int flags);
extern int memfd_create(const char *name, unsigned int flags);

static inline int process_prctl(int option, unsigned long argument)
{
	return prctl(option, argument, 0UL, 0UL, 0UL);
}

/* All descriptors from `first` to `last` are closed: Linux 5.9. */
static inline int process_close_range(unsigned int first, unsigned int last)
{
	return (int)syscall(SYS_close_range, first, last, 0);
}

/* No capability is permitted, effective or inheritable any more. */
static inline int process_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}, {0, 0, 0}};

	return (int)syscall(SYS_capset, &header, data);
}

/* struct landlock_ruleset_attr as of Landlock's sixth version, which older headers do not have whole. An
 * older kernel is told a smaller size. */
struct process_landlock_rules {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

/* Landlock's version; -1 where the kernel has none. */
static inline int process_landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1U);
}

static inline int process_landlock_create(const struct process_landlock_rules *rules, size_t size)
{
	return (int)syscall(SYS_landlock_create_ruleset, rules, size, 0U);
}

/* Binds the calling thread, and those that it starts, alone. */
static inline int process_landlock_restrict_self(int rules)
{
	return (int)syscall(SYS_landlock_restrict_self, rules, 0U);
}

/* A descriptor that becomes readable when the process has ended: Linux 5.3. */
static inline int process_descriptor(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0U); }

/* Any call by its number: what probes of a sandbox try. */
static inline long process_call(long number, long first, long second, long third)
{
	return syscall(number, first, second, third, 0L, 0L, 0L);
}

static inline uint32_t process_refuse_with(uint16_t error) { return SCMP_ACT_ERRNO(error); }

#endif
