"""The service behind the gateway, as a process that can be killed and started again where it was."""

import tempfile
import unittest
from pathlib import Path

from clients.gateway import ROOT
from clients.servers import uvicorn
from faults.support import Gateway, free_port, token


class Service:
    """What application.py answers, under uvicorn."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-fault.")
        self.deeds = Path(self.folder.name, "deeds")
        self.port = free_port()
        self.start()

    def start(self):
        environment = {"PYTHONPATH": str(ROOT / "tests"), "DEEDS": str(self.deeds)}
        self.server = uvicorn(self.folder.name, self.port, "faults.application:serve", **environment)

    def kill(self):
        self.server.process.kill()
        self.server.stop()

    def done(self):
        return self.deeds.read_text().split()

    def stop(self):
        self.kill()
        self.folder.cleanup()


class Behind(unittest.TestCase):
    """A gateway with such a service, for all tests of a class; `YAML` is its file."""

    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.addClassCleanup(cls.service.stop)
        cls.gateway = Gateway(cls.YAML.format(port=cls.service.port))
        cls.addClassCleanup(cls.gateway.stop)
        cls.alice = token(cls.gateway)
