# SPDX-License-Identifier: Apache-2.0
# Suricata as a peer of payload inspection: the same captures under the same rules, on one worker. In: a
# capture and a folder of rules. Out: CPU seconds, without those of loading the rules. It is whatever version
# is installed; where none is, the peer is left out.
import glob, os, re, shutil, subprocess, time

from machine import Failed

# As the policy that everything is compared with has it: no network of one's own, connections are picked up in
# their middle, every flow is read to its end, and alerts are all that is written.
CONFIG = """%YAML 1.1
---
vars:
  address-groups:
    HOME_NET: any
    EXTERNAL_NET: any
    HTTP_SERVERS: any
    SMTP_SERVERS: any
    SQL_SERVERS: any
    DNS_SERVERS: any
    TELNET_SERVERS: any
    AIM_SERVERS: any
    DC_SERVERS: any
    DNP3_SERVER: any
    DNP3_CLIENT: any
    MODBUS_CLIENT: any
    MODBUS_SERVER: any
    ENIP_CLIENT: any
    ENIP_SERVER: any
  port-groups:
    HTTP_PORTS: "80"
    SHELLCODE_PORTS: "!80"
    ORACLE_PORTS: 1521
    SSH_PORTS: 22
    DNP3_PORTS: 20000
    MODBUS_PORTS: 502
    FILE_DATA_PORTS: "[$HTTP_PORTS,110,143]"
    FTP_PORTS: 21
outputs:
  - fast: { enabled: yes, filename: fast.log }
stats: { enabled: no }
stream:
  midstream: true
  reassembly: { depth: 0 }
logging:
  default-log-level: warning
  outputs:
    - console: { enabled: yes }
"""


def version():
    """Nil where it is not installed."""
    if not shutil.which("suricata"):
        return None
    text = subprocess.run(["suricata", "-V"], capture_output=True, text=True).stdout
    return (re.findall(r"version (\S+)", text) or ["?"])[0]


def seconds(capture, rules, folder):
    """CPU seconds of every thread but the first, which loads the rules and then waits for the others."""
    home = f"{folder}/suricata"
    os.makedirs(home, exist_ok=True)
    with open(f"{home}/suricata.yaml", "w") as f:
        f.write(CONFIG)
    process = subprocess.Popen(
        ["suricata", "-c", f"{home}/suricata.yaml", "-S", f"{rules}/*.rules", "-l", home,
         "--runmode", "single", "-k", "none", "-r", capture],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    spent = {}
    while process.poll() is None:
        for path in glob.glob(f"/proc/{process.pid}/task/*/schedstat"):
            thread = path.split("/")[4]
            try:
                with open(path) as f:
                    spent[thread] = int(f.read().split()[0]) / 1e9
            except (OSError, IndexError, ValueError):
                pass                                    # it has ended
        time.sleep(0.01)
    if process.returncode:
        raise Failed(f"suricata ended with {process.returncode}")
    return sum(cost for thread, cost in spent.items() if thread != str(process.pid))
