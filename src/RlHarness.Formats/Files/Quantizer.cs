using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace RlHarness.Formats.Files;

/// <summary>
/// From fp32 to stored bytes: F32, F16, BF16 (to the nearest, ties to even) and Q8_0 (as ggml: scale = largest magnitude / 127, rounded half away
/// from zero).
/// </summary>
public static class Quantizer
{
    public static byte[] FromFloat(WeightType type, ReadOnlySpan<float> source)
    {
        var block = Dequantizer.BlockSize(type);
        if (source.Length % block != 0)
            throw new ArgumentException($"{type}: {source.Length} values are not whole blocks of {block}", nameof(source));
        var bytes = new byte[(long)source.Length / block * Dequantizer.TypeSize(type)];
        switch (type)
        {
            case WeightType.F32:
                MemoryMarshal.AsBytes(source).CopyTo(bytes);
                break;
            case WeightType.F16:
                for (var i = 0; i < source.Length; i++)
                    BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(i * 2), (Half)source[i]);
                break;
            case WeightType.BF16:
                for (var i = 0; i < source.Length; i++)
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * 2), BFloat16(source[i]));
                break;
            case WeightType.Q8_0:
                for (var i = 0; i < source.Length / 32; i++)
                    Block(source.Slice(i * 32, 32), bytes.AsSpan(i * 34, 34));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "F32, F16, BF16 and Q8_0 can be written");
        }

        return bytes;
    }

    private static ushort BFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private static void Block(ReadOnlySpan<float> values, Span<byte> bytes)
    {
        var largest = 0f;
        foreach (var value in values)
            largest = Math.Max(largest, Math.Abs(value));
        var scale = largest / 127;
        var inverse = scale == 0 ? 0 : 1 / scale;
        BinaryPrimitives.WriteHalfLittleEndian(bytes, (Half)scale);
        for (var i = 0; i < 32; i++)
            bytes[2 + i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
    }
}
