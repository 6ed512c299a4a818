using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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
}

/// <summary>IEEE single precision.</summary>
internal readonly unsafe struct Float32Element : IElement
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
}

/// <summary>bfloat16: the upper half of a single, rounded to nearest even. Not-a-number stays one as long as its payload does not round away, which activations never do.</summary>
internal readonly unsafe struct BFloat16Element : IElement
{
    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* at)
    {
        var (low, high) = Vector256.Widen(Vector256.Load((ushort*)at));
        return (Vector512.Create(low, high) << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(byte* at, Vector512<float> value)
    {
        var bits = value.AsUInt32();
        var rounded = (bits + Vector512.Create(0x7fffu) + ((bits >>> 16) & Vector512.Create(1u))) >>> 16;
        Vector256.Store(Vector256.Narrow(rounded.GetLower(), rounded.GetUpper()), (ushort*)at);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Get(byte* at) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)at << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Set(byte* at, float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        *(ushort*)at = (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
