# SPDX-License-Identifier: Apache-2.0
# What the measurements stand on: the machine in words, a network namespace of our own, commands with their
# cost. In: a command. Out: its seconds and memory.
import os, re, signal, subprocess, sys, tempfile, time

NAMESPACES = "xgb"      # all of ours are called so, with the process number and what they are for behind it


class Failed(Exception):
    """A command that did not do what it should; says which and why."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def describe():
    """What figures can be compared with: processor, number of CPUs, kernel, memory."""
    with open("/proc/cpuinfo") as f:
        cpuinfo = f.read()
    with open("/proc/meminfo") as f:
        kib = int(re.search(r"MemTotal:\s+(\d+)", f.read())[1])
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    numbers = [re.search(rf"^{key}\s*:\s*(\d+)$", cpuinfo, re.M) for key in ("cpu family", "model")]
    name = model[1].strip() if model else os.uname().machine
    if all(numbers):
        name += f" (family {numbers[0][1]}, model {numbers[1][1]})"
    flags = re.search(r"^flags\s*:.*$", cpuinfo, re.M)
    return {"cpu": name, "cpus": os.cpu_count(), "arch": os.uname().machine, "kernel": os.uname().release,
            "memory_gib": round(kib / 2**20), "virtual": bool(flags and " hypervisor" in flags[0])}


def in_words(machine):
    kind = "virtual machine" if machine["virtual"] else "machine"
    return (f"{machine['cpu']}, {machine['cpus']} CPUs of a {kind}, {machine['memory_gib']} GiB, "
            f"Linux {machine['kernel']}, {machine['arch']}")


def leave_on_signals():
    """The first signal ends the run by way of every clean-up; more of them do not disturb that."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def leave(number, _):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)
    for number in numbers:
        signal.signal(number, leave)


def namespace(purpose):
    return f"{NAMESPACES}{os.getpid()}-{purpose}"


def remove_namespaces(pattern):
    listing = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for line in listing.splitlines():
        if re.match(pattern, line):
            subprocess.run(["ip", "netns", "delete", line.split()[0]])


def sweep():
    """Removes what runs that were killed left behind."""
    listing = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for number in set(re.findall(rf"^{NAMESPACES}(\d+)-", listing, re.M)):
        if not os.path.exists(f"/proc/{number}"):
            remove_namespaces(rf"{NAMESPACES}{number}-")


class Namespace:
    """A veth pair d0, d1 in a network namespace of its own."""

    def __enter__(self):
        self.name = namespace("apply")
        for command in (f"ip netns add {self.name}", f"ip -n {self.name} link add d0 type veth peer name d1",
                        f"ip -n {self.name} link set d0 up", f"ip -n {self.name} link set d1 up"):
            subprocess.run(command.split(), check=True)
        return self

    def run(self, *command, timeout=180):
        """Runs a command inside. Seconds and the most memory that it had resident, in MiB."""
        return timed(["nsenter", f"--net=/run/netns/{self.name}", *command], timeout)

    def read(self, *command):
        inside = ["nsenter", f"--net=/run/netns/{self.name}", *command]
        return subprocess.run(inside, capture_output=True, text=True, check=True).stdout

    def __exit__(self, *_):
        remove_namespaces(rf"{self.name}\b")


def timed(command, timeout):
    """Seconds, CPU seconds and peak resident MiB of a command. The kernel counts what the child had of this
    process before it became the command: some 20 MiB are the least that is seen."""
    with tempfile.TemporaryFile() as output:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output)
        signal.signal(signal.SIGALRM, lambda *_: process.kill())
        signal.alarm(timeout)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            signal.alarm(0)
        spent = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            text = " ".join(output.read().decode(errors="replace").split())
            raise Failed(text[:300] or f"{command[0]} ended with {process.returncode}")
    return {"seconds": spent, "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "rss_mib": usage.ru_maxrss / 1024}
