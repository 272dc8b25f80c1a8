/* SPDX-License-Identifier: Apache-2.0
 * Linux calls of the C library that Swift's Glibc module leaves out, for tests. */
#ifndef XDPGUARD_TESTS_LINUX_H
#define XDPGUARD_TESTS_LINUX_H

#include <linux/if_packet.h>

/* setns(2): this thread goes to the namespace of a file descriptor. */
extern int setns(int fd, int nstype);
/* pipe2(2): both ends closed on exec from the start, as other threads start processes too. */
extern int pipe2(int pipefd[2], int flags);

/* CLONE_NEWNET of linux/sched.h. */
enum { LINUX_CLONE_NEWNET = 0x40000000 };

#endif
