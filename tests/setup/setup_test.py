#!/usr/bin/env python3
"""The set-up's decisions, on made-up toolkits and made-up test results."""
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import summarize_tests  # noqa: E402


class FindCuda(unittest.TestCase):
    """cmake/qoq_find_cuda.cmake, in a copy of the tree that has no wheels."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "cmake").mkdir()
        script = ROOT / "cmake/qoq_find_cuda.cmake"
        (self.root / "cmake/qoq_find_cuda.cmake").write_text(
            script.read_text().replace("/usr/local/cuda", str(self.root / "local"))
        )

    def toolkit(self, name, version, libraries="lib64", nvrtc="libnvrtc.so.13"):
        folder = self.root / name
        (folder / "include").mkdir(parents=True)
        (folder / "include/cuda.h").write_text(f"#pragma once\n#define CUDA_VERSION {version}\n")
        (folder / "include/nvrtc.h").write_text("")
        (folder / libraries).mkdir()
        (folder / libraries / nvrtc).write_text("")
        return str(folder)

    def find(self, mode, home=""):
        environment = {**os.environ, "CUDA_HOME": home, "CUDA_PATH": ""}
        command = ["cmake", f"-DQOQ_CUDA={mode}", "-P", str(self.root / "cmake/qoq_find_cuda.cmake")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else "fault: " + done.stderr

    def test_none_is_an_answer(self):
        for mode in ("auto", "installed", "wheels", "none"):
            self.assertEqual(self.find(mode), "none||0")

    def test_installed_comes_before_wheels(self):
        wheels = self.toolkit(".deps/cuda", 13000, "lib")
        self.assertEqual(self.find("auto"), f"wheels|{wheels}|13000")
        self.assertEqual(self.find("installed"), "none||0")
        local = self.toolkit("local", 12080)
        self.assertEqual(self.find("auto"), f"installed|{local}|12080")
        home = self.toolkit("home", 13010)
        self.assertEqual(self.find("auto", home), f"installed|{home}|13010")
        self.assertEqual(self.find("wheels", home), f"wheels|{wheels}|13000")
        self.assertEqual(self.find("none", home), "none||0")

    def test_too_old_or_incomplete_does_not_count(self):
        old = self.toolkit("old", 12060)
        bare = self.toolkit("bare", 13000, nvrtc="libother.so")
        self.assertEqual(self.find("auto", old), "none||0")
        self.assertEqual(self.find("auto", bare), "none||0")

    def test_an_unknown_mode_is_a_fault(self):
        self.assertIn("expected auto, installed, wheels or none", self.find("some"))


class Summary(unittest.TestCase):
    def summarize(self, cases):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(f"<testsuite>{cases}</testsuite>")
            file.flush()
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                status = summarize_tests.main([file.name])
        return status, said.getvalue().splitlines()

    PASSED = '<testcase name="A.Good" status="run"><system-out>fine</system-out></testcase>'
    FAILED = '<testcase name="A.Bad" status="fail"><failure/><system-out>1 is not 2</system-out></testcase>'
    SKIPPED = (
        '<testcase name="Gpu.Runs" status="notrun"><skipped/><system-out>[ RUN      ] Gpu.Runs\n'
        "x_test.cpp:3: Skipped\nno CUDA driver\n\n[  SKIPPED ] Gpu.Runs (0 ms)</system-out></testcase>"
    )

    def test_counts_close_the_report(self):
        status, lines = self.summarize(self.PASSED * 2 + self.SKIPPED)
        self.assertEqual(status, 0)
        self.assertEqual(lines[-1], "2 passed, 0 failed, 1 skipped")
        self.assertIn("  1 × no CUDA driver", lines)

    def test_a_failure_is_shown_and_fails(self):
        status, lines = self.summarize(self.PASSED + self.FAILED)
        self.assertEqual(status, 1)
        self.assertEqual(lines[-1], "1 passed, 1 failed, 0 skipped")
        self.assertIn("  1 is not 2", lines)

    def test_a_program_that_was_not_built_is_a_failure(self):
        unbuilt = '<testcase name="x_test_NOT_BUILT" status="notrun"><skipped/></testcase>'
        self.assertEqual(self.summarize(self.PASSED + unbuilt)[0], 1)

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.summarize(self.SKIPPED)[0], 1)


if __name__ == "__main__":
    unittest.main()
