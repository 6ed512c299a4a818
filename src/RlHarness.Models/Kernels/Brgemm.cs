using System.Numerics;
using System.Runtime.Intrinsics.X86;
using RlHarness.Models.Native;
using unsafe Kernel = delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, void*, void*, float*, byte, void>;

// Symbols: M rows, N columns, K inner dimension.
namespace RlHarness.Models.Kernels;

/// <summary>
/// oneDNN's micro-kernel of a matrix product (brgemm), which libtorch exports as it uses it for its own attention. It multiplies one tile on the calling thread
/// at the processor's peak; how tiles are cut, laid out and spread over threads is the caller's. A kernel is made once for each thread and shape, strides
/// included (about a millisecond): callers keep to few shapes.
/// </summary>
internal static unsafe class Brgemm
{
    // at::native::cpublas, https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/CPUBlas.h:
    // brgemm(M, N, K, ld_a, ld_b, ld_c, add_C, A, B, C, is_vnni) and brgemm_release(is_vnni).
    private static readonly Kernel OfFloat32 = (Kernel)Find("_ZN2at6native7cpublas6brgemmEllllllbPKfS3_Pfb", Avx512F.IsSupported),
        OfBFloat16 = (Kernel)Find("_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb", Avx512BW.IsSupported && MultipliesBFloat16());

    private static readonly delegate* unmanaged[Cdecl]<byte, void> ReleaseUnit = (delegate* unmanaged[Cdecl]<byte, void>)Find(
        "_ZN2at6native7cpublas14brgemm_releaseEb",
        OfBFloat16 != null
    );

    /// <summary>True on processors with AVX-512, with a libtorch that has the kernel.</summary>
    internal static bool HasFloat32 => OfFloat32 != null;

    /// <summary>True on processors with bfloat16 products (AVX512_BF16), with a libtorch that has the kernel.</summary>
    internal static bool HasBFloat16 => ReleaseUnit != null;

    /// <summary>
    /// C fp32 [M, N] = A [M, K] B [K, N], or += with <paramref name="add"/>. In bfloat16 two rows of B lie beside each other, number (k, n) at [k /
    /// 2, n, k % 2], and K is even.
    /// </summary>
    /// <param name="strideA">Numbers from one row of A to the next.</param>
    /// <param name="strideB">Units of 32 bits from one row of B, or pair of rows, to the next: 16, 32, 48 or 64.</param>
    /// <param name="strideC">Numbers from one row of C to the next.</param>
    internal static void Multiply<T>(long m, long n, long k, byte* a, long strideA, uint* b, long strideB, float* c, long strideC, bool add)
        where T : ITileElement
    {
        if (T.Pairs)
            OfBFloat16(m, n, k, strideA, strideB, strideC, add ? (byte)1 : (byte)0, a, b, c, 1);
        else
            OfFloat32(m, n, k, strideA, strideB, strideC, add ? (byte)1 : (byte)0, a, b, c, 0);
    }

    /// <summary>Like <see cref="Multiply"/>, for any M: in pieces of 64 rows and then of powers of two, so that there are few shapes.</summary>
    internal static void MultiplyRows<T>(long m, long n, long k, byte* a, long strideA, uint* b, long strideB, float* c, long strideC, bool add)
        where T : ITileElement
    {
        for (long row = 0, rows; row < m; row += rows)
        {
            rows = m - row >= 64 ? 64 : 1L << BitOperations.Log2((ulong)(m - row));
            Multiply<T>(rows, n, k, a + row * strideA * T.Size, strideA, b, strideB, c + row * strideC, strideC, add);
        }
    }

    /// <summary>
    /// Ends a thread's series of products: processors with a matrix unit (AMX) are set to the last shape, and others that set it anew would not be noticed.
    /// </summary>
    internal static void Release<T>()
        where T : ITileElement
    {
        if (T.Pairs)
            ReleaseUnit(1);
    }

    private static void* Find(string symbol, bool supported) =>
        supported && OperatingSystem.IsLinux() && !IsLimited() && KernelPolicy.TrustsMicroKernel ? NativeRuntime.FindInLibtorch(symbol) : null;

    /// <summary>AVX512_BF16: bit 5 of EAX in leaf 7, sub-leaf 1 (Intel's Architecture Instruction Set Extensions, CPUID).</summary>
    private static bool MultipliesBFloat16() => X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;

    /// <summary>Whether an environment variable limits oneDNN's instruction set: without AVX-512, libtorch would end the program.</summary>
    private static bool IsLimited() =>
        new[] { "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA" }.Any(name => Environment.GetEnvironmentVariable(name) is { Length: > 0 });
}
