"""The demo succeeds by itself, and from a clone that its pages' own user may not read, as below root's home."""
import os
import shutil
import subprocess
import tempfile
import unittest

E2E = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Demo(unittest.TestCase):
    def test_once_from_a_clone_that_only_its_owner_reads(self):
        with tempfile.TemporaryDirectory() as clone:
            self.assertEqual(os.stat(clone).st_mode & 0o777, 0o700)
            shutil.copytree(os.path.join(E2E, "demo-site"), os.path.join(clone, "e2e", "demo-site"))
            for name in ("demo", "setup"):
                shutil.copy(os.path.join(E2E, name), os.path.join(clone, "e2e", name))
            done = subprocess.run([os.path.join(clone, "e2e", "demo"), "--once"], text=True, check=False, timeout=500,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
