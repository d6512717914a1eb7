"""The systemd unit, by systemd's own judgement."""

import tempfile
import unittest
from pathlib import Path

from clients.gateway import BINARY
from shipped.support import DEPLOY, run

# In tenths, of 100: what systemd 252 makes of it. What is left are the network, which it is there for,
# ports below 1024, and the machine's own root directory.
EXPOSURE = 16


class Unit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="portcullis-unit.")
        self.addCleanup(folder.cleanup)
        # The binary that it names is not installed here.
        text = (DEPLOY / "portcullis.service").read_text()
        self.assertIn("/usr/local/bin/portcullis", text)
        self.file = Path(folder.name, "portcullis.service")
        self.file.write_text(text.replace("/usr/local/bin/portcullis", str(Path(BINARY).resolve())))

    def test_it_is_valid(self):
        self.assertEqual(run("systemd-analyze", "verify", "--man=no", self.file), (0, ""))

    def test_verify_would_notice(self):
        self.file.write_text(self.file.read_text().replace("ProtectSystem=", "ProtectSytem="))
        self.assertIn("ProtectSytem", run("systemd-analyze", "verify", "--man=no", self.file)[1])

    def test_little_is_left_to_take_away(self):
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", self.file]
        status, said = run(*command, f"--threshold={EXPOSURE}")
        self.assertEqual(status, 0, said)

    def test_it_waits_for_open_requests(self):
        """`limits.drain` is 30 s where nothing is said."""
        self.assertRegex(self.file.read_text(), r"(?m)^TimeoutStopSec=3[5-9]$")
