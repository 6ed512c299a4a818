using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace RlHarness.Formats.Files;

/// <summary>
/// From stored bytes to fp32. The block formats are those of ggml (ggml-quants.h); each product and sum is rounded to fp32 in the order in which ggml
/// computes it, so that values are equal bit by bit. The hot ones are compiled with full optimisation at once: a model is read once, before the
/// runtime would find them hot.
/// </summary>
public static class Dequantizer
{
    /// <summary>Elements in a block; 1 for plain numbers.</summary>
    public static int BlockSize(WeightType type) => WeightTypes.Block(type);

    /// <summary>Bytes of a block.</summary>
    public static int TypeSize(WeightType type) => WeightTypes.Bytes(type);

    /// <summary>Whole blocks only: <c>source.Length / TypeSize · BlockSize</c> must be <c>destination.Length</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToFloat(WeightType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        var (block, bytes) = (BlockSize(type), TypeSize(type));
        if (source.Length % bytes != 0 || source.Length / bytes != destination.Length / block || destination.Length % block != 0)
        {
            throw new ArgumentException(
                $"{type}: {source.Length} bytes do not hold {destination.Length} values ({bytes} bytes for {block})",
                nameof(destination)
            );
        }

        switch (type)
        {
            case WeightType.F32:
                MemoryMarshal.Cast<byte, float>(source).CopyTo(destination);
                return;
            case WeightType.BF16:
                FromBFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
                return;
            case WeightType.F16:
                Each<Half>(source, destination, static x => (float)x);
                return;
            case WeightType.F64:
                Each<double>(source, destination, static x => (float)x);
                return;
            case WeightType.I64:
                Each<long>(source, destination, static x => x);
                return;
            case WeightType.I32:
                Each<int>(source, destination, static x => x);
                return;
            case WeightType.I16:
                Each<short>(source, destination, static x => x);
                return;
            case WeightType.I8:
                Each<sbyte>(source, destination, static x => x);
                return;
            case WeightType.U64:
                Each<ulong>(source, destination, static x => x);
                return;
            case WeightType.U32:
                Each<uint>(source, destination, static x => x);
                return;
            case WeightType.U16:
                Each<ushort>(source, destination, static x => x);
                return;
            case WeightType.U8:
                Each<byte>(source, destination, static x => x);
                return;
            case WeightType.Bool:
                Each<byte>(source, destination, static x => x == 0 ? 0 : 1);
                return;
            case WeightType.F8_E4M3:
                Each<byte>(source, destination, Float8E4M3);
                return;
            case WeightType.F8_E5M2:
                Each<byte>(source, destination, static x => (float)BitConverter.UInt16BitsToHalf((ushort)(x << 8)));
                return;
        }

        BlockDecoder decode = type switch
        {
            WeightType.Q4_0 => Q4_0,
            WeightType.Q4_1 => Q4_1,
            WeightType.Q5_0 => Q5_0,
            WeightType.Q5_1 => Q5_1,
            WeightType.Q8_0 => Q8_0,
            WeightType.Q2_K => KBlocks.Q2_K,
            WeightType.Q3_K => KBlocks.Q3_K,
            WeightType.Q4_K => KBlocks.Q4_K,
            WeightType.Q5_K => KBlocks.Q5_K,
            WeightType.Q6_K => KBlocks.Q6_K,
            WeightType.IQ4_NL => TableBlocks.IQ4_NL,
            WeightType.IQ4_XS => TableBlocks.IQ4_XS,
            WeightType.TQ1_0 => TableBlocks.TQ1_0,
            WeightType.TQ2_0 => TableBlocks.TQ2_0,
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no such type"),
        };
        for (int from = 0, to = 0; from < source.Length; from += bytes, to += block)
            decode(source.Slice(from, bytes), destination.Slice(to, block));
    }

    internal delegate void BlockDecoder(ReadOnlySpan<byte> source, Span<float> destination);

    internal static float Half16(ReadOnlySpan<byte> at) => (float)BinaryPrimitives.ReadHalfLittleEndian(at);

    private static void Each<T>(ReadOnlySpan<byte> source, Span<float> destination, Func<T, float> convert)
        where T : unmanaged
    {
        var values = MemoryMarshal.Cast<byte, T>(source);
        for (var i = 0; i < values.Length; i++)
            destination[i] = convert(values[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FromBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        var i = 0;
        for (; i <= source.Length - 8; i += 8)
        {
            var (low, high) = Vector128.Widen(Vector128.Create(source.Slice(i, 8)));
            (low << 16).AsSingle().CopyTo(destination[i..]);
            (high << 16).AsSingle().CopyTo(destination[(i + 4)..]);
        }

        for (; i < source.Length; i++)
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
    }

    // OCP 8-bit floating point, E4M3: no infinity, NaN is S.1111.111.
    private static float Float8E4M3(byte x)
    {
        int exponent = (x >> 3) & 15,
            mantissa = x & 7;
        var magnitude =
            exponent == 15 && mantissa == 7 ? float.NaN
            : exponent == 0 ? MathF.ScaleB(mantissa, -9)
            : MathF.ScaleB(8 + mantissa, exponent - 10);
        return (x & 0x80) != 0 ? -magnitude : magnitude;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scaled(Vector128<byte> whole, float scale, float offset, Span<float> to)
    {
        var (low, high) = Vector128.Widen(whole);
        var (a, b) = Vector128.Widen(low);
        var (c, d) = Vector128.Widen(high);
        var (s, o) = (Vector128.Create(scale), Vector128.Create(offset));
        ((Vector128.ConvertToSingle(a.AsInt32()) * s) + o).CopyTo(to);
        ((Vector128.ConvertToSingle(b.AsInt32()) * s) + o).CopyTo(to[4..]);
        ((Vector128.ConvertToSingle(c.AsInt32()) * s) + o).CopyTo(to[8..]);
        ((Vector128.ConvertToSingle(d.AsInt32()) * s) + o).CopyTo(to[12..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scaled(Vector128<sbyte> whole, float scale, Span<float> to)
    {
        var (low, high) = Vector128.Widen(whole);
        var (a, b) = Vector128.Widen(low);
        var (c, d) = Vector128.Widen(high);
        var s = Vector128.Create(scale);
        (Vector128.ConvertToSingle(a) * s).CopyTo(to);
        (Vector128.ConvertToSingle(b) * s).CopyTo(to[4..]);
        (Vector128.ConvertToSingle(c) * s).CopyTo(to[8..]);
        (Vector128.ConvertToSingle(d) * s).CopyTo(to[12..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Q4_0(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Half16(x);
        var packed = Vector128.Create(x.Slice(2, 16));
        var eight = Vector128.Create((sbyte)8);
        Scaled((packed & Vector128.Create((byte)15)).AsSByte() - eight, d, y);
        Scaled((packed >> 4).AsSByte() - eight, d, y[16..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Q4_1(ReadOnlySpan<byte> x, Span<float> y)
    {
        var (d, m) = (Half16(x), Half16(x[2..]));
        var packed = Vector128.Create(x.Slice(4, 16));
        Scaled(packed & Vector128.Create((byte)15), d, m, y);
        Scaled(packed >> 4, d, m, y[16..]);
    }

    private static void Q5_0(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Half16(x);
        var fifth = BinaryPrimitives.ReadUInt32LittleEndian(x[2..]);
        for (var j = 0; j < 16; j++)
        {
            var low = (x[6 + j] & 15) | (int)(((fifth >> j) & 1) << 4);
            var high = (x[6 + j] >> 4) | (int)(((fifth >> (j + 16)) & 1) << 4);
            y[j] = (low - 16) * d;
            y[j + 16] = (high - 16) * d;
        }
    }

    private static void Q5_1(ReadOnlySpan<byte> x, Span<float> y)
    {
        var (d, m) = (Half16(x), Half16(x[2..]));
        var fifth = BinaryPrimitives.ReadUInt32LittleEndian(x[4..]);
        for (var j = 0; j < 16; j++)
        {
            var low = (x[8 + j] & 15) | (int)(((fifth >> j) & 1) << 4);
            var high = (x[8 + j] >> 4) | (int)(((fifth >> (j + 16)) & 1) << 4);
            y[j] = (low * d) + m;
            y[j + 16] = (high * d) + m;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Q8_0(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Half16(x);
        Scaled(Vector128.Create(x.Slice(2, 16)).AsSByte(), d, y);
        Scaled(Vector128.Create(x.Slice(18, 16)).AsSByte(), d, y[16..]);
    }
}
