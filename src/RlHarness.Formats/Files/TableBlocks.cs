using System.Buffers.Binary;

namespace RlHarness.Formats.Files;

/// <summary>ggml's blocks of 4-bit indices into a table, and of ternary digits.</summary>
internal static class TableBlocks
{
    private static ReadOnlySpan<sbyte> Levels => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    public static void IQ4_NL(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Dequantizer.Half16(x);
        for (var j = 0; j < 16; j++)
        {
            y[j] = d * Levels[x[2 + j] & 15];
            y[j + 16] = d * Levels[x[2 + j] >> 4];
        }
    }

    // d, two high bits of the eight scales, four low bits of them [4], indices [128].
    public static void IQ4_XS(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Dequantizer.Half16(x);
        var high = BinaryPrimitives.ReadUInt16LittleEndian(x[2..]);
        for (var group = 0; group < 8; group++)
        {
            var low = (x[4 + (group / 2)] >> (group % 2 * 4)) & 15;
            var scale = d * ((low | (((high >> (2 * group)) & 3) << 4)) - 32);
            var indices = x.Slice(8 + (group * 16), 16);
            var to = y.Slice(group * 32, 32);
            for (var j = 0; j < 16; j++)
            {
                to[j] = scale * Levels[indices[j] & 15];
                to[j + 16] = scale * Levels[indices[j] >> 4];
            }
        }
    }

    // Five ternary digits a byte [48], four [4], d. A byte is a fraction of 256: times 3 to the n, the next digit is its whole part.
    public static void TQ1_0(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Dequantizer.Half16(x[52..]);
        y = Ternary(x[..32], 5, d, y);
        y = Ternary(x.Slice(32, 16), 5, d, y);
        Ternary(x.Slice(48, 4), 4, d, y);
    }

    public static void TQ2_0(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Dequantizer.Half16(x[64..]);
        for (var i = 0; i < 256; i++)
        {
            var (half, within) = (i / 128, i % 128);
            y[i] = (((x[(half * 32) + (within % 32)] >> (within / 32 * 2)) & 3) - 1) * d;
        }
    }

    private static Span<float> Ternary(ReadOnlySpan<byte> bytes, int digits, float d, Span<float> y)
    {
        for (int n = 0, power = 1; n < digits; n++, power *= 3)
        {
            for (var m = 0; m < bytes.Length; m++)
                y[(n * bytes.Length) + m] = ((((byte)(bytes[m] * power) * 3) >> 8) - 1) * d;
        }

        return y[(digits * bytes.Length)..];
    }
}
