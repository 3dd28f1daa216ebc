// Every fault but the races: named, with its place.
#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {
namespace {

struct Args {
  i32* data;
};

struct Fixture : testing::Test {
  Fixture() { memory.add("data", data.data(), data.size() * 4, Access::ReadWrite); }
  template <class Kernel>
  Result run(Kernel kernel, const Shape& shape = {}, const Options& options = {}) {
    return run_kernel(kernel, Args{data.data()}, shape, memory, options);
  }
  alignas(16) std::array<i32, 64> data{};
  Memory memory;
};
using Faults = Fixture;

TEST_F(Faults, NoneWhenAllIsWell) {
  const Result result = run([](const Args&) { sync_threads(); }, {.grid = {2, 3, 4}, .threads = 64});
  EXPECT_NO_FAULT(result);
  EXPECT_EQ(result.kind, FaultKind::None);
  EXPECT_EQ(result.counters.ctas, 24u);
}

TEST_F(Faults, SharedOutOfBounds) {
  const Result result = run(
      [](const Args&) {
        if (block_index_y() == 1 && thread_index() == 9) store_shared_u32(shared_base() + 64, 1);
      },
      {.grid = {1, 2, 1}, .shared_bytes = 64});
  EXPECT_EQ(result.kind, FaultKind::OutOfBounds);
  EXPECT_EQ(result.fault,
            "store_shared of 4 bytes at shared+64 by thread 9 of CTA (0,1,0) is out of bounds: shared has 64 bytes");
  EXPECT_EQ(result.cta, (Dim3{0, 1, 0}));
  EXPECT_EQ(result.thread, 9u);
  EXPECT_EQ(result.operation, "store_shared");
  EXPECT_EQ(result.buffer, "shared");
  EXPECT_EQ(result.offset, 64u);
}

TEST_F(Faults, SharedBelowTheWindow) {
  EXPECT_EQ(run([](const Args&) { store_shared_u32(0, 1); }, {.shared_bytes = 64}).kind, FaultKind::OutOfBounds);
  EXPECT_EQ(run([](const Args&) { load_shared_u32(shared_base() - 4); }, {.shared_bytes = 64}).kind,
            FaultKind::OutOfBounds);
}

TEST_F(Faults, SharedStraddlesTheEnd) {
  const auto kernel = [](const Args&) { store_shared_u32x4(shared_base() + 16, {}); };
  EXPECT_EQ(run(kernel, {.shared_bytes = 24}).kind, FaultKind::OutOfBounds);
}

TEST_F(Faults, SharedMisaligned) {
  const Shape shape{.shared_bytes = 64};
  EXPECT_EQ(run([](const Args&) { load_shared_u32(shared_base() + 2); }, shape).kind, FaultKind::Misaligned);
  EXPECT_EQ(run([](const Args&) { load_shared_u32x2(shared_base() + 4); }, shape).kind, FaultKind::Misaligned);
  EXPECT_EQ(run([](const Args&) { load_shared_u32x4(shared_base() + 8); }, shape).kind, FaultKind::Misaligned);
  EXPECT_EQ(run([](const Args& a) { cp_async_16(shared_base() + 8, a.data); }, shape).kind, FaultKind::Misaligned);
  const Result rows = run(
      [](const Args&) {
        u32 r[4];
        ldmatrix_x4(r, shared_base() + 4);
      },
      shape);
  EXPECT_EQ(rows.kind, FaultKind::Misaligned);
  EXPECT_EQ(rows.operation, "ldmatrix");
}

TEST_F(Faults, GlobalOutOfBounds) {
  const Result after = run([](const Args& a) { load_global(a.data + 64); });
  EXPECT_EQ(after.kind, FaultKind::OutOfBounds);
  EXPECT_EQ(after.buffer, "data");
  EXPECT_EQ(after.offset, 256u);
  EXPECT_EQ(run([](const Args& a) { load_global(a.data - 1); }).kind, FaultKind::OutOfBounds);
  EXPECT_EQ(run([](const Args&) { load_global(static_cast<const i32*>(nullptr)); }).kind, FaultKind::OutOfBounds);
  EXPECT_EQ(run([](const Args& a) { store_global(a.data + 64, 1); }).kind, FaultKind::OutOfBounds);
  EXPECT_EQ(run([](const Args& a) { atomic_add_relaxed(a.data + 64, 1); }).kind, FaultKind::OutOfBounds);
  EXPECT_EQ(run([](const Args& a) { cp_async_16(shared_base(), a.data + 64); }, {.shared_bytes = 16}).kind,
            FaultKind::OutOfBounds);
}

TEST_F(Faults, BelowEveryBufferIsSaidSo) {
  const Result below = run([](const Args& a) { load_global(a.data - 1024); });
  EXPECT_EQ(below.kind, FaultKind::OutOfBounds);
  EXPECT_EQ(below.buffer, "");
  EXPECT_EQ(below.fault,
            "load_global of 4 bytes at memory by thread 0 of CTA (0,0,0) is outside every registered buffer");
}

TEST_F(Faults, NothingRegistered) {
  Memory none;
  const Result result = run_kernel([](const Args& a) { load_global(a.data); }, Args{data.data()}, {}, none);
  EXPECT_EQ(result.kind, FaultKind::OutOfBounds);
}

TEST_F(Faults, GlobalMisaligned) {
  const Result result =
      run([](const Args& a) { load_global(reinterpret_cast<const u32x4*>(reinterpret_cast<const u8*>(a.data) + 8)); });
  EXPECT_EQ(result.kind, FaultKind::Misaligned);
  EXPECT_EQ(result.offset, 8u);
}

TEST_F(Faults, WriteToReadOnly) {
  Memory readonly;
  readonly.add("weights", static_cast<const void*>(data.data()), 256);
  const auto fault = [&](auto kernel) { return run_kernel(kernel, Args{data.data()}, {}, readonly); };
  const Result result = fault([](const Args& a) { store_global(a.data + 3, 1); });
  EXPECT_EQ(result.kind, FaultKind::ReadOnlyWrite);
  EXPECT_EQ(result.buffer, "weights");
  EXPECT_EQ(result.offset, 12u);
  EXPECT_EQ(fault([](const Args& a) { atomic_add_relaxed(a.data, 1); }).kind, FaultKind::ReadOnlyWrite);
  EXPECT_EQ(fault([](const Args& a) { atomic_add_acq_rel(a.data, 1); }).kind, FaultKind::ReadOnlyWrite);
  EXPECT_EQ(fault([](const Args& a) { store_release(a.data, 1); }).kind, FaultKind::ReadOnlyWrite);
  EXPECT_EQ(data[3], 0);
}

TEST_F(Faults, ReadonlyPathSeesNoWritesOfTheKernel) {
  const auto write_first = [](const Args& a) {
    store_global(a.data + thread_index(), 1);
    load_readonly(a.data + thread_index());  // its own write, even so
  };
  const auto read_first = [](const Args& a) {
    load_readonly(a.data + thread_index());
    sync_threads();
    store_global(a.data + 31 - thread_index(), 1);
  };
  EXPECT_EQ(run(write_first).kind, FaultKind::ReadOnlyWrite);
  EXPECT_EQ(run(read_first).kind, FaultKind::ReadOnlyWrite);
  EXPECT_NO_FAULT(run([](const Args& a) {
    load_readonly(a.data + 32 + thread_index());
    store_global(a.data + thread_index(), 1);
  }));
}

TEST_F(Faults, UninitialisedShared) {
  const Result result = run(
      [](const Args&) {
        store_shared_u32(shared_base() + thread_index() * 16, 1);
        load_shared_u32x4(shared_base() + thread_index() * 16);
      },
      {.shared_bytes = 512});
  EXPECT_EQ(result.kind, FaultKind::Uninitialised);
  EXPECT_EQ(result.operation, "load_shared");
}

TEST_F(Faults, SharedIsForgottenBetweenCtas) {
  const auto kernel = [](const Args&) {
    if (block_index_x() == 0) store_shared_u32(shared_base() + thread_index() * 4, 1);
    load_shared_u32(shared_base() + thread_index() * 4);
  };
  const Result result = run(kernel, {.grid = {2, 1, 1}, .shared_bytes = 128});
  EXPECT_EQ(result.kind, FaultKind::Uninitialised);
  EXPECT_EQ(result.cta, (Dim3{1, 0, 0}));
}

TEST_F(Faults, UninitialisedScratch) {
  std::array<u32x4, 4> scratch{};
  Memory with_scratch;
  with_scratch.add("scratch", scratch.data(), sizeof scratch, Access::Scratch);
  const Args args{reinterpret_cast<i32*>(scratch.data())};
  const auto read = [](const Args& a) { load_global(a.data + thread_index() % 16); };
  const auto write = [](const Args& a) {
    if (thread_index() < 15) store_global(a.data + thread_index(), 1);
  };
  EXPECT_EQ(run_kernel(read, args, {}, with_scratch).kind, FaultKind::Uninitialised);
  EXPECT_NO_FAULT(run_kernel(write, args, {}, with_scratch));
  const Result last = run_kernel(read, args, {}, with_scratch);  // the next launch sees what this one wrote
  EXPECT_EQ(last.kind, FaultKind::Uninitialised);
  EXPECT_EQ(last.offset, 60u);
}

TEST_F(Faults, DivergenceAtCollectives) {
  const Result result = run([](const Args&) {
    if (thread_index() < 8) {
      sync_warp();
    } else {
      shuffle(0, 0);
    }
  });
  EXPECT_EQ(result.kind, FaultKind::Divergence);
  EXPECT_EQ(result.operation, "shuffle");
  EXPECT_EQ(result.other_operation, "sync_warp");
  EXPECT_EQ(result.thread, 8u);
  EXPECT_EQ(result.fault,
            "divergence: lane 8 of warp 0 of CTA (0,0,0) arrives at shuffle while lanes 0x000000ff wait at sync_warp");
}

TEST_F(Faults, DivergenceInAnOperand) {
  const auto kernel = [](const Args&) {
    store_shared_u32x4(shared_base() + thread_index() * 16, {});
    sync_warp();
    u32 r[4];
    u32 half[2];
    if (thread_index() == 3) {
      ldmatrix_x2(half, shared_base());
    } else {
      ldmatrix_x4(r, shared_base());
    }
  };
  EXPECT_EQ(run(kernel, {.shared_bytes = 512}).kind, FaultKind::Divergence);
}

TEST_F(Faults, DivergenceByExit) {
  const auto early = [](const Args&) {
    if (thread_index() == 0) return;
    sync_warp();
  };
  const auto late = [](const Args&) {
    if (thread_index() == 31) return;
    sync_threads();
  };
  const Result first = run(early);
  EXPECT_EQ(first.kind, FaultKind::Divergence);
  EXPECT_EQ(first.other_operation, "exit");
  const Result last = run(late);
  EXPECT_EQ(last.kind, FaultKind::Divergence);
  EXPECT_EQ(last.operation, "exit");
}

TEST_F(Faults, DeadlockAtABarrier) {
  for (const Options& options : all_options()) {
    const Result result = run(
        [](const Args&) {
          if (thread_index() < 64) sync_threads();
        },
        {.threads = 128}, options);
    EXPECT_EQ(result.kind, FaultKind::Deadlock);
    EXPECT_EQ(result.fault, "deadlock: CTA (0,0,0): warps 0…1 wait at sync_threads; warps 2…3 exited");
    EXPECT_EQ(result.operation, "sync_threads");
  }
}

TEST_F(Faults, DeadlockOfBarriersInTheWrongOrder) {
  const auto kernel = [](const Args&) {
    sync_named(1 + thread_index() / 32, 64);
    sync_named(2 - thread_index() / 32, 64);
  };
  const Result result = run(kernel, {.threads = 64});
  EXPECT_EQ(result.kind, FaultKind::Deadlock);
  EXPECT_EQ(result.operation, "sync_named");
}

TEST_F(Faults, DeadlockOfWhoeverWaitsForACtaThatCannotStart) {
  const auto kernel = [](const Args& a) {
    if (block_index_x() == 0) {
      while (thread_index() == 0 && load_acquire(a.data + 2) == 0) {
      }
    } else if (thread_index() == 0) {
      store_release(a.data + 2, 1);
    }
  };
  const Shape shape{.grid = {3, 1, 1}};
  const Result stuck = run(kernel, shape, {.resident_ctas = 1});
  EXPECT_EQ(stuck.kind, FaultKind::Deadlock);
  EXPECT_EQ(stuck.fault,
            "deadlock: CTA (0,0,0): warp 0 lane 0 polls data+8. 2 CTAs have not started: only 1 may be resident");
  data[2] = 0;
  EXPECT_NO_FAULT(run(kernel, shape, {.resident_ctas = 2}));
  for (const Options& options : all_options()) {
    data[2] = 0;
    EXPECT_NO_FAULT(run(kernel, shape, options));
  }
}

TEST_F(Faults, PollingByAdditionOfZeroIsADeadlockToo) {
  const auto kernel = [](const Args& a) {
    while (atomic_add_acq_rel(a.data, 0) == 0) {
    }
  };
  EXPECT_EQ(run(kernel).kind, FaultKind::Deadlock);
}

TEST_F(Faults, IllegalOperands) {
  EXPECT_EQ(run([](const Args&) { sync_named(0, 32); }).kind, FaultKind::IllegalOperand);
  EXPECT_EQ(run([](const Args&) { sync_named(16, 32); }).kind, FaultKind::IllegalOperand);
  EXPECT_EQ(run([](const Args&) { sync_named(1, 31); }).kind, FaultKind::IllegalOperand);
  const Result counts = run([](const Args&) { sync_named(1, 64 + thread_index() / 32 * 32); }, {.threads = 128});
  EXPECT_EQ(counts.kind, FaultKind::IllegalOperand);
}

TEST_F(Faults, TheNextLaunchIsUnharmed) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run([](const Args&) {
                if (thread_index() > 3) sync_threads();
              }).kind,
              FaultKind::Divergence);
    EXPECT_NO_FAULT(run([](const Args&) { sync_threads(); }));
  }
}

TEST_F(Faults, ImpossibleLaunchesThrow) {
  EXPECT_ANY_THROW(run([](const Args&) {}, {.threads = 48}));
  EXPECT_ANY_THROW(run([](const Args&) {}, {.threads = 2048}));
  EXPECT_ANY_THROW(memory.add("data", &data, 16, Access::ReadWrite));
  EXPECT_ANY_THROW(memory.add("again", data.data() + 4, 16, Access::ReadWrite));
}

}  // namespace
}  // namespace qoq::tests
