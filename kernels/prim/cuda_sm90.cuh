// The vocabulary as PTX, sm_90: barriers in shared memory, bulk copies, and (sm_90a alone) warpgroup products.
// Included by cuda.cuh. Compiled for another architecture these names do not exist.
#pragma once

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900

namespace qoq::prim {

// ---- mbarriers (PTX: "mbarrier"): 8 aligned bytes of shared memory. A phase completes when `count` arrivals and all
// ---- expected bytes have come; the next one, of the other parity, begins.
// --------------------------------------------

/// mbarrier.init: once per barrier. Hazard: others may use it only behind fence_mbarrier_init and a barrier.
QOQ_DEVICE void mbarrier_init(u32 at, u32 count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(at), "r"(count) : "memory");
}
/// fence.mbarrier_init: makes this thread's inits visible to the async proxy.
QOQ_DEVICE void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
/// mbarrier.arrive (release, CTA): one arrival. Speaks for this thread alone: a warp that arrives through one lane
/// needs sync_warp before it.
QOQ_DEVICE void mbarrier_arrive(u32 at) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(at) : "memory");
}
/// mbarrier.arrive.expect_tx: one arrival, and `bytes` more to come in this phase. Hazard: too many and nobody wakes,
/// too few and readers wake too early.
QOQ_DEVICE void mbarrier_arrive_expect_tx(u32 at, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(at), "r"(bytes) : "memory");
}
/// mbarrier.try_wait.parity, until it succeeds (acquire, CTA): waits for the end of the phase of this parity, the
/// current one or the one before it. On a fresh barrier parity 1 returns at once. Hazard: who falls two phases behind
/// waits for the wrong one.
QOQ_DEVICE void mbarrier_wait(u32 at, u32 parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(at),
      "r"(parity)
      : "memory");
}

// ---- Bulk copies and the async proxy (PTX: "cp.async.bulk", "Async proxy")
// --------------------------------------------

/// cp.async.bulk, global to shared, by one thread: `bytes` and both addresses are multiples of 16. The bytes count for
/// the current phase of the mbarrier at `at`; whoever waits for that phase sees them. Hazard: what generic stores wrote
/// to these bytes of shared memory must be fenced (fence_proxy_async), what they wrote to the source is not seen at
/// all.
QOQ_DEVICE void cp_async_bulk(u32 to, const void* from, u32 bytes, u32 at) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
               "l"(from), "r"(bytes), "r"(at)
               : "memory");
}
/// fence.proxy.async of shared memory: what this thread wrote by ordinary stores (and waited-for cp.async) is seen by
/// bulk copies and wgmma. Called by the writer, before the barrier that lets the others go on.
QOQ_DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

}  // namespace qoq::prim

#endif

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace qoq::prim {

// ---- Warpgroup products (PTX: "wgmma", fragments of m64nNk32). Asynchronous: between the wgmma and the wgmma_wait
// that
// ---- covers it d and a belong to the tensor core, neither read nor written, and B stays as it is. Keep the arrays
// ---- alive until then. All four warps of the warpgroup (the first one's number a multiple of 4) run the same ones.
// -----

/// wgmma.fence: orders the registers' earlier accesses before the wgmmas that follow. Once before each commit group.
QOQ_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
/// wgmma.commit_group: closes the warp's open group.
QOQ_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// wgmma.wait_group N: waits until at most N of the warp's newest groups are unfinished. Hazard: says nothing of the
/// other three warps, which may still read B.
template <int N>
QOQ_DEVICE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
/// No instruction: keeps the compiler from moving reads and writes of these registers over this point. Behind the
/// wgmma_wait for the accumulators; without it the compiler may use them before.
template <class T, int R>
QOQ_DEVICE void pin_registers(T (&r)[R]) {
  QOQ_UNROLL
  for (int i = 0; i < R; ++i) asm volatile("" : "+r"(r[i])::"memory");
}

/// The instruction for R accumulators a thread: N = 2 · R columns, 8, 16, 24, 32, 48, 64 … 256.
template <int R>
struct Wgmma;

// An operand list cannot be computed: %0, %1 … are spelled out, eight by eight. (Macros QOQ_WGMMA_… are this file's
// own.)
#define QOQ_WGMMA_O4(i) "+r"(d[i]), "+r"(d[i + 1]), "+r"(d[i + 2]), "+r"(d[i + 3])
#define QOQ_WGMMA_O8(i) QOQ_WGMMA_O4(i), QOQ_WGMMA_O4(i + 4)
#define QOQ_WGMMA_D4 "%0,%1,%2,%3"
#define QOQ_WGMMA_D8 QOQ_WGMMA_D4 ",%4,%5,%6,%7"
#define QOQ_WGMMA_D12 QOQ_WGMMA_D8 ",%8,%9,%10,%11"
#define QOQ_WGMMA_D16 QOQ_WGMMA_D8 ",%8,%9,%10,%11,%12,%13,%14,%15"
#define QOQ_WGMMA_D24 QOQ_WGMMA_D16 ",%16,%17,%18,%19,%20,%21,%22,%23"
#define QOQ_WGMMA_D32 QOQ_WGMMA_D24 ",%24,%25,%26,%27,%28,%29,%30,%31"
#define QOQ_WGMMA_D40 QOQ_WGMMA_D32 ",%32,%33,%34,%35,%36,%37,%38,%39"
#define QOQ_WGMMA_D48 QOQ_WGMMA_D40 ",%40,%41,%42,%43,%44,%45,%46,%47"
#define QOQ_WGMMA_D56 QOQ_WGMMA_D48 ",%48,%49,%50,%51,%52,%53,%54,%55"
#define QOQ_WGMMA_D64 QOQ_WGMMA_D56 ",%56,%57,%58,%59,%60,%61,%62,%63"
#define QOQ_WGMMA_D72 QOQ_WGMMA_D64 ",%64,%65,%66,%67,%68,%69,%70,%71"
#define QOQ_WGMMA_D80 QOQ_WGMMA_D72 ",%72,%73,%74,%75,%76,%77,%78,%79"
#define QOQ_WGMMA_D88 QOQ_WGMMA_D80 ",%80,%81,%82,%83,%84,%85,%86,%87"
#define QOQ_WGMMA_D96 QOQ_WGMMA_D88 ",%88,%89,%90,%91,%92,%93,%94,%95"
#define QOQ_WGMMA_D104 QOQ_WGMMA_D96 ",%96,%97,%98,%99,%100,%101,%102,%103"
#define QOQ_WGMMA_D112 QOQ_WGMMA_D104 ",%104,%105,%106,%107,%108,%109,%110,%111"
#define QOQ_WGMMA_D120 QOQ_WGMMA_D112 ",%112,%113,%114,%115,%116,%117,%118,%119"
#define QOQ_WGMMA_D128 QOQ_WGMMA_D120 ",%120,%121,%122,%123,%124,%125,%126,%127"
#define QOQ_WGMMA_R4 QOQ_WGMMA_O4(0)
#define QOQ_WGMMA_R8 QOQ_WGMMA_O8(0)
#define QOQ_WGMMA_R12 QOQ_WGMMA_R8, QOQ_WGMMA_O4(8)
#define QOQ_WGMMA_R16 QOQ_WGMMA_R8, QOQ_WGMMA_O8(8)
#define QOQ_WGMMA_R24 QOQ_WGMMA_R16, QOQ_WGMMA_O8(16)
#define QOQ_WGMMA_R32 QOQ_WGMMA_R24, QOQ_WGMMA_O8(24)
#define QOQ_WGMMA_R40 QOQ_WGMMA_R32, QOQ_WGMMA_O8(32)
#define QOQ_WGMMA_R48 QOQ_WGMMA_R40, QOQ_WGMMA_O8(40)
#define QOQ_WGMMA_R56 QOQ_WGMMA_R48, QOQ_WGMMA_O8(48)
#define QOQ_WGMMA_R64 QOQ_WGMMA_R56, QOQ_WGMMA_O8(56)
#define QOQ_WGMMA_R72 QOQ_WGMMA_R64, QOQ_WGMMA_O8(64)
#define QOQ_WGMMA_R80 QOQ_WGMMA_R72, QOQ_WGMMA_O8(72)
#define QOQ_WGMMA_R88 QOQ_WGMMA_R80, QOQ_WGMMA_O8(80)
#define QOQ_WGMMA_R96 QOQ_WGMMA_R88, QOQ_WGMMA_O8(88)
#define QOQ_WGMMA_R104 QOQ_WGMMA_R96, QOQ_WGMMA_O8(96)
#define QOQ_WGMMA_R112 QOQ_WGMMA_R104, QOQ_WGMMA_O8(104)
#define QOQ_WGMMA_R120 QOQ_WGMMA_R112, QOQ_WGMMA_O8(112)
#define QOQ_WGMMA_R128 QOQ_WGMMA_R120, QOQ_WGMMA_O8(120)
#define QOQ_WGMMA_TYPES(NAME, A, B, N, D, AS, BS, P, ...)                                                              \
  static QOQ_DEVICE void NAME(i32(&d)[N / 2], const u32(&a)[4], u64 b, u32 accumulate) {                               \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " P ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k32.s32." A "." B \
                 " {" D "}, {" AS "}, " BS ", p;\n}"                                                                   \
                 : __VA_ARGS__                                                                                         \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate));                               \
  }
#define QOQ_WGMMA_SIZE(N, D, AS, BS, P, ...)                        \
  template <>                                                       \
  struct Wgmma<N / 2> {                                             \
    QOQ_WGMMA_TYPES(s8s8, "s8", "s8", N, D, AS, BS, P, __VA_ARGS__) \
    QOQ_WGMMA_TYPES(s8u8, "s8", "u8", N, D, AS, BS, P, __VA_ARGS__) \
    QOQ_WGMMA_TYPES(u8s8, "u8", "s8", N, D, AS, BS, P, __VA_ARGS__) \
  };
QOQ_WGMMA_SIZE(8, QOQ_WGMMA_D4, "%4,%5,%6,%7", "%8", "%9", QOQ_WGMMA_R4)
QOQ_WGMMA_SIZE(16, QOQ_WGMMA_D8, "%8,%9,%10,%11", "%12", "%13", QOQ_WGMMA_R8)
QOQ_WGMMA_SIZE(24, QOQ_WGMMA_D12, "%12,%13,%14,%15", "%16", "%17", QOQ_WGMMA_R12)
QOQ_WGMMA_SIZE(32, QOQ_WGMMA_D16, "%16,%17,%18,%19", "%20", "%21", QOQ_WGMMA_R16)
QOQ_WGMMA_SIZE(48, QOQ_WGMMA_D24, "%24,%25,%26,%27", "%28", "%29", QOQ_WGMMA_R24)
QOQ_WGMMA_SIZE(64, QOQ_WGMMA_D32, "%32,%33,%34,%35", "%36", "%37", QOQ_WGMMA_R32)
QOQ_WGMMA_SIZE(80, QOQ_WGMMA_D40, "%40,%41,%42,%43", "%44", "%45", QOQ_WGMMA_R40)
QOQ_WGMMA_SIZE(96, QOQ_WGMMA_D48, "%48,%49,%50,%51", "%52", "%53", QOQ_WGMMA_R48)
QOQ_WGMMA_SIZE(112, QOQ_WGMMA_D56, "%56,%57,%58,%59", "%60", "%61", QOQ_WGMMA_R56)
QOQ_WGMMA_SIZE(128, QOQ_WGMMA_D64, "%64,%65,%66,%67", "%68", "%69", QOQ_WGMMA_R64)
QOQ_WGMMA_SIZE(144, QOQ_WGMMA_D72, "%72,%73,%74,%75", "%76", "%77", QOQ_WGMMA_R72)
QOQ_WGMMA_SIZE(160, QOQ_WGMMA_D80, "%80,%81,%82,%83", "%84", "%85", QOQ_WGMMA_R80)
QOQ_WGMMA_SIZE(176, QOQ_WGMMA_D88, "%88,%89,%90,%91", "%92", "%93", QOQ_WGMMA_R88)
QOQ_WGMMA_SIZE(192, QOQ_WGMMA_D96, "%96,%97,%98,%99", "%100", "%101", QOQ_WGMMA_R96)
QOQ_WGMMA_SIZE(208, QOQ_WGMMA_D104, "%104,%105,%106,%107", "%108", "%109", QOQ_WGMMA_R104)
QOQ_WGMMA_SIZE(224, QOQ_WGMMA_D112, "%112,%113,%114,%115", "%116", "%117", QOQ_WGMMA_R112)
QOQ_WGMMA_SIZE(240, QOQ_WGMMA_D120, "%120,%121,%122,%123", "%124", "%125", QOQ_WGMMA_R120)
QOQ_WGMMA_SIZE(256, QOQ_WGMMA_D128, "%128,%129,%130,%131", "%132", "%133", QOQ_WGMMA_R128)

/// wgmma.mma_async m64nNk32, int8: d = a · B (+ d where `accumulate`), N = 2 · R. a: 16 rows a warp, as in mma_s8s8; B:
/// N rows of 32 bytes in shared memory, by descriptor (wgmma_descriptor.cuh); d[4 · j + e]: columns 8 · j … + 7, as
/// there.
template <int R>
QOQ_DEVICE void wgmma_s8s8(i32 (&d)[R], const u32 (&a)[4], u64 b, bool accumulate = true) {
  Wgmma<R>::s8s8(d, a, b, accumulate);
}
template <int R>
QOQ_DEVICE void wgmma_s8u8(i32 (&d)[R], const u32 (&a)[4], u64 b, bool accumulate = true) {  // B unsigned
  Wgmma<R>::s8u8(d, a, b, accumulate);
}
template <int R>
QOQ_DEVICE void wgmma_u8s8(i32 (&d)[R], const u32 (&a)[4], u64 b, bool accumulate = true) {  // a unsigned
  Wgmma<R>::u8s8(d, a, b, accumulate);
}

/// setmaxnreg: the warpgroup's threads take or give registers, up or down to N each (24 … 256, a multiple of 8).
/// Hazard: taking waits until others have given; the launch's own count is that of __launch_bounds__.
template <int N>
QOQ_DEVICE void setmaxnreg_inc() {
  static_assert(N >= 24 && N <= 256 && N % 8 == 0);
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
}
template <int N>
QOQ_DEVICE void setmaxnreg_dec() {
  static_assert(N >= 24 && N <= 256 && N % 8 == 0);
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
}

}  // namespace qoq::prim

#endif
