using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace RlHarness.Models.Kernels;

/// <summary>How numbers of one type lie in memory; arithmetic is always fp32.</summary>
internal unsafe interface IElement
{
    /// <summary>Bytes a number.</summary>
    static abstract int Size { get; }

    static abstract Vector512<float> Load(byte* at);

    static abstract void Store(byte* at, Vector512<float> value);

    static abstract float Get(byte* at);

    static abstract void Set(byte* at, float value);

    /// <summary>e^x as exactly as numbers of this type can tell: to the last bit or two of fp32, or far below bfloat16's last.</summary>
    static abstract Vector512<float> Exp(Vector512<float> x);
}

/// <summary>IEEE single precision.</summary>
internal readonly unsafe partial struct Float32Element : IElement
{
    public static int Size => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* at) => Vector512.Load((float*)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* at, Vector512<float> value) => Vector512.Store(value, (float*)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Get(byte* at) => *(float*)at;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Set(byte* at, float value) => *(float*)at = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x) => Vector512.Exp(x);
}

/// <summary>
/// bfloat16: the upper half of a single, rounded to nearest even. Not-a-number stays one as long as its payload does not round away, which
/// activations never do.
/// </summary>
internal readonly unsafe partial struct BFloat16Element : IElement
{
    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* at)
    {
        var bits = Vector256.Load((ushort*)at);
        if (Avx512F.IsSupported)
            return (Avx512F.ConvertToVector512UInt32(bits) << 16).AsSingle();
        var (low, high) = Vector256.Widen(bits);
        return (Vector512.Create(low, high) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* at, Vector512<float> value)
    {
        var bits = value.AsUInt32();
        var rounded = (bits + Vector512.Create(0x7fffu) + ((bits >>> 16) & Vector512.Create(1u))) >>> 16;
        Vector256.Store(
            Avx512F.IsSupported ? Avx512F.ConvertToVector256UInt16(rounded) : Vector256.Narrow(rounded.GetLower(), rounded.GetUpper()),
            (ushort*)at
        );
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Get(byte* at) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)at << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Set(byte* at, float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        *(ushort*)at = (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>
    /// 2^n · e^r with n whole and |r| ≤ ln 2 / 2, e^r by its Taylor polynomial of degree 6: relative error below 1e-6, a tenth of the time of the exact one.
    /// Flushes to 0 below −87 and saturates at 88.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        // The second operand is what comes out where one is not a number.
        var bounded = Vector512.MaxNative(Vector512.Create(-87.3f), Vector512.MinNative(Vector512.Create(88f), x));
        var n = Vector512.Round(bounded * 1.44269504f);
        // ln 2 in two parts, the first with so few bits that n times it is exact.
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), bounded);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
        var p = Vector512.FusedMultiplyAdd(r, Vector512.Create(1 / 720f), Vector512.Create(1 / 120f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 24f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 6f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(0.5f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        var power = ((Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23).AsSingle();
        return Vector512.AndNot(p * power, Vector512.LessThan(x, Vector512.Create(-87.3f)));
    }
}

/// <summary>fp32 accumulators of bfloat16 products; exp needs no more than bfloat16 precision.</summary>
internal readonly unsafe struct SummedElement : IElement
{
    public static int Size => Float32Element.Size;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* at) => Float32Element.Load(at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* at, Vector512<float> value) => Float32Element.Store(at, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Get(byte* at) => Float32Element.Get(at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Set(byte* at, float value) => Float32Element.Set(at, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x) => BFloat16Element.Exp(x);
}
