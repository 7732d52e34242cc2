"""A real IMAP server (Debian's dovecot) on loopback, in a folder that is gone afterwards.

Every user name is let in with `PASSWORD`, `ODD_USER` with `ODD_PASSWORD`, and finds an empty mailbox of its own.
"""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BINARY = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
PASSWORD = "secret"
ODD_USER, ODD_PASSWORD = "odd@shop.example", 'pa ss"\\wörd'
TOKEN = "token-1"
DRAFTS, DRAFTS_ON_THE_WIRE = "Entwürfe", "Entw&APw-rfe"
_START_S = 20.0

_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain xoauth2
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{home}/mail/%u
passdb {{
  driver = passwd-file
  mechanisms = plain
  args = {home}/users
}}
passdb {{
  driver = static
  mechanisms = plain
  args = password={password}
}}
passdb {{
  driver = static
  mechanisms = xoauth2
  args = password={token}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={home}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox {drafts} {{
    auto = create
    special_use = \\Drafts
  }}
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """One mail in a folder."""

    uid: int
    flags: str
    data: bytes


class Dovecot:
    """The server; it may be stopped and started again, and keeps its mail."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.port, self.tls_port = _free_ports(2)
        owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        for folder in ("run", "state", "mail"):
            (self.home / folder).mkdir()
        (self.home / "users").write_text(f"{ODD_USER}:{{PLAIN}}{ODD_PASSWORD}\n", encoding="utf-8")
        certify = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        certify += ["-keyout", str(self.home / "key.pem"), "-out", str(self.home / "cert.pem")]
        subprocess.run([*certify, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        config = _CONFIG.format(
            home=self.home, user=owner.pw_name, group=grp.getgrgid(owner.pw_gid).gr_name, port=self.port,
            tls_port=self.tls_port, password=PASSWORD, token=TOKEN, drafts=DRAFTS,
        )  # fmt: skip
        (self.home / "conf").write_text(config, encoding="utf-8")
        self.home.chmod(0o755)
        if os.getuid() == 0:  # dovecot reads no mail as root
            for path in (self.home, *self.home.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is not None:
            return
        assert BINARY is not None
        command = [BINARY, "-c", str(self.home / "conf"), "-F"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + _START_S
        while True:
            try:
                self.client("probe@shop.example").logout()
                return
            except (OSError, imaplib.IMAP4.error):
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError((self.home / "log").read_text(errors="replace")[-2000:]) from None
                time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)  # its sessions end with it
            self._process.wait(timeout=10)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def client(self, user: str) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port, timeout=10)
        client.login(user, PASSWORD)
        return client

    def deliver(self, user: str, *mails: bytes, folder: str = "INBOX", at: Any = None) -> None:
        """Put mails into a folder as the server would; `at` is when they came."""
        client = self.client(user)
        for mail in mails:
            status, answer = client.append(folder, "", at, mail.replace(b"\n", b"\r\n"))
            assert status == "OK", answer
        client.logout()

    def folder(self, user: str, name: str) -> list[Stored]:
        """What lies in a folder; looking changes nothing."""
        client = self.client(user)
        status, _ = client.select(name, readonly=True)
        assert status == "OK", name
        _, found = client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")
        client.logout()
        return [Stored(_uid(part[0]), part[0].decode(), part[1]) for part in found if isinstance(part, tuple)]


def _uid(head: bytes) -> int:
    return int(head.partition(b"UID ")[2].split()[0])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
