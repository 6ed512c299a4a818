// Symbols: M rows, N columns, K inner dimension.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace RlHarness.Models.Kernels;

/// <summary>
/// oneDNN's micro-kernel of a matrix product in bfloat16, which libtorch exports for its own attention. It multiplies one tile on the calling thread at the
/// processor's peak; how tiles are cut, laid out and spread over threads is the caller's.
/// </summary>
internal static unsafe class Brgemm
{
    // at::native::cpublas::brgemm(M, N, K, ld_a, ld_b, ld_c, add_C, A, B, C, is_vnni)
    private const string Symbol = "_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb";

    private static readonly delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, ushort*, float*, byte, void> Entry = Find();

    /// <summary>True on processors with bfloat16 products (AVX512_BF16), with a libtorch that has the kernel.</summary>
    internal static bool Available => Entry != null;

    /// <summary>
    /// C fp32 [M, N] = A [M, K] B, or += with <paramref name="add"/>. B's rows lie in pairs (<see cref="PairLayout"/>): number (k, n) at [k / 2, n, k % 2]. K is even.
    /// The kernel is made once for each thread and shape, strides included: callers keep to few shapes.
    /// </summary>
    /// <param name="strideA">Numbers from one row of A to the next.</param>
    /// <param name="strideB">Pairs from one row of pairs to the next.</param>
    /// <param name="strideC">Numbers from one row of C to the next.</param>
    internal static void Multiply(long m, long n, long k, ushort* a, long strideA, uint* b, long strideB, float* c, long strideC, bool add)
        => Entry(m, n, k, strideA, strideB, strideC, add ? (byte)1 : (byte)0, a, (ushort*)b, c, 1);

    /// <summary>As <see cref="Multiply"/>, for any M: in pieces of 64 rows and then of powers of two, so that there are few shapes.</summary>
    internal static void MultiplyRows(long m, long n, long k, ushort* a, long strideA, uint* b, long strideB, float* c, long strideC, bool add)
    {
        for (long row = 0, rows; row < m; row += rows)
        {
            rows = PieceOf(m - row);
            Multiply(rows, n, k, a + row * strideA, strideA, b, strideB, c + row * strideC, strideC, add);
        }
    }

    private static long PieceOf(long rows) => rows >= 64 ? 64 : 1L << System.Numerics.BitOperations.Log2((ulong)rows);

    private static delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, ushort*, float*, byte, void> Find()
    {
        if (!Avx512F.IsSupported || !Avx512BW.IsSupported || !HasBFloat16() || IsLimited()) return null;
        var folder = Native.NativeRuntime.LibtorchFolder;
        if (folder is null || !NativeLibrary.TryLoad(Path.Combine(folder, "libtorch_cpu.so"), out var library) || !NativeLibrary.TryGetExport(library, Symbol, out var entry)) return null;
        return (delegate* unmanaged[Cdecl]<long, long, long, long, long, long, byte, ushort*, ushort*, float*, byte, void>)entry;
    }

    /// <summary>AVX512_BF16: bit 5 of EAX in leaf 7, sub-leaf 1 (Intel's Architecture Instruction Set Extensions, CPUID).</summary>
    private static bool HasBFloat16() => X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;

    /// <summary>Where somebody keeps oneDNN from AVX-512, the kernel would end the program.</summary>
    private static bool IsLimited() => new[] { "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA" }.Any(name => Environment.GetEnvironmentVariable(name) is { Length: > 0 });
}
