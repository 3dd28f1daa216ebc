#!/usr/bin/env python3
"""The checker itself: each kind of fault is found in a made-up tree, and a sound tree has none."""
import pathlib
import tempfile
import unittest

import check_includes

SOUND = {
    "kernels/base/error.h": "#include <string>\n",
    "kernels/prim/prim.cuh": '#include "kernels/emulator/api.h"\n',
    "kernels/emulator/api.h": "// plain declarations\n",
    "kernels/emulator/emulator.cpp": '#include <vector>\n#include "kernels/runtime/plan.h"\n',
    "kernels/runtime/plan.h": "#include <vector>\n",
    "kernels/family.h": '#include "kernels/runtime/plan.h"\n',
    "kernels/gemm/mma/kernel.cuh": '#include "kernels/prim/prim.cuh"\n',
    "kernels/families.cpp": '#include "kernels/family.h"\n',
    "roofline/gpu/gpu.cpp": '#include "kernels/base/error.h"\n',
    "autotune/job/job.h": '#include "kernels/family.h"\n',
    "autotune/store/store.h": "\n",
    "autotune/tune/tune.cpp": '#include "autotune/job/job.h"\n#include "autotune/store/store.h"\n',
}


class CheckIncludes(unittest.TestCase):
    def faults(self, **changes):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {**SOUND, **changes.get("files", {})}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            return check_includes.check(root)[1]

    def fault(self, path, text):
        found = self.faults(files={path: text})
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_sound_tree(self):
        self.assertEqual(self.faults(), [])

    def test_upwards(self):
        self.assertEqual(
            self.fault("roofline/gpu/gpu.h", '\n#include "autotune/store/store.h"\n'),
            'roofline/gpu/gpu.h:2: includes "autotune/store/store.h" of a higher layer',
        )
        self.assertIn("higher layer", self.fault("kernels/family.h", '#  include "kernels/families.cpp"\n'))

    def test_sideways(self):
        self.assertEqual(
            self.fault("autotune/job/job.cpp", '#include "autotune/store/store.h"\n'),
            'autotune/job/job.cpp:1: includes "autotune/store/store.h" of another room of its own layer',
        )

    def test_unknown_folder_and_path(self):
        self.assertIn("in no layer", self.fault("kernels/extra/x.h", ""))
        self.assertIn("no path from the root", self.fault("autotune/job/job.cpp", '#include "job.h"\n'))

    def test_kernel_text(self):
        self.assertIn("kernel text includes <cstdint>", self.fault("kernels/gemm/mma/kernel.cuh", "#include <cstdint>\n"))
        self.assertIn("kernels/emulator/api.h:1: kernel text", self.fault("kernels/emulator/api.h", "#include <vector>\n"))
        self.assertEqual(len(self.faults(files={"kernels/gemm/x.cuh": '#include "roofline/gpu/gpu.cpp"\n'})), 2)


if __name__ == "__main__":
    unittest.main()
