namespace RlHarness.Formats.Files;

/// <summary>ggml's super-blocks of 256 values, whose sub-blocks have small integer scales (and minima) of their own.</summary>
internal static class KBlocks
{
    // scales [16]: low nibble scale, high nibble minimum; quants [64]: 2 bits; d, dmin.
    public static void Q2_K(ReadOnlySpan<byte> x, Span<float> y)
    {
        var (d, minimum) = (Dequantizer.Half16(x[80..]), Dequantizer.Half16(x[82..]));
        var quants = x.Slice(16, 64);
        for (var group = 0; group < 16; group++)
        {
            var (scale, offset) = (d * (x[group] & 15), minimum * (x[group] >> 4));
            var (from, shift) = Place(group);
            for (var l = 0; l < 16; l++)
                y[(group * 16) + l] = (scale * ((quants[from + l] >> shift) & 3)) - offset;
        }
    }

    // high bits [32], quants [64] of 2 bits, scales [12] of 6 bits packed, d.
    public static void Q3_K(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Dequantizer.Half16(x[108..]);
        var high = x[..32];
        var quants = x.Slice(32, 64);
        var scales = x.Slice(96, 12);
        for (var group = 0; group < 16; group++)
        {
            var low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
            var top = (scales[8 + (group % 4)] >> (2 * (group / 4))) & 3;
            var scale = d * ((low | (top << 4)) - 32);
            var (from, shift) = Place(group);
            for (var l = 0; l < 16; l++)
            {
                var third = (high[(from & 31) + l] >> (group / 2)) & 1;
                y[(group * 16) + l] = scale * (((quants[from + l] >> shift) & 3) - (third == 1 ? 0 : 4));
            }
        }
    }

    // d, dmin, scales [12] of 6 bits packed, quants [128] of 4 bits.
    public static void Q4_K(ReadOnlySpan<byte> x, Span<float> y)
    {
        var (d, minimum) = (Dequantizer.Half16(x), Dequantizer.Half16(x[2..]));
        var quants = x.Slice(16, 128);
        for (var group = 0; group < 8; group++)
        {
            var (s, m) = ScaleAndMinimum(x.Slice(4, 12), group);
            var (scale, offset) = (d * s, minimum * m);
            var from = group / 2 * 32;
            var shift = group % 2 * 4;
            for (var l = 0; l < 32; l++)
                y[(group * 32) + l] = (scale * ((quants[from + l] >> shift) & 15)) - offset;
        }
    }

    // d, dmin, scales [12], fifth bits [32], quants [128] of 4 bits.
    public static void Q5_K(ReadOnlySpan<byte> x, Span<float> y)
    {
        var (d, minimum) = (Dequantizer.Half16(x), Dequantizer.Half16(x[2..]));
        var fifth = x.Slice(16, 32);
        var quants = x.Slice(48, 128);
        for (var group = 0; group < 8; group++)
        {
            var (s, m) = ScaleAndMinimum(x.Slice(4, 12), group);
            var (scale, offset) = (d * s, minimum * m);
            var from = group / 2 * 32;
            var shift = group % 2 * 4;
            for (var l = 0; l < 32; l++)
            {
                var value = ((quants[from + l] >> shift) & 15) | (((fifth[l] >> group) & 1) << 4);
                y[(group * 32) + l] = (scale * value) - offset;
            }
        }
    }

    // low nibbles [128], high pairs [64], scales [16] signed, d.
    public static void Q6_K(ReadOnlySpan<byte> x, Span<float> y)
    {
        var d = Dequantizer.Half16(x[208..]);
        for (var half = 0; half < 2; half++)
        {
            var low = x.Slice(half * 64, 64);
            var high = x.Slice(128 + (half * 32), 32);
            var scales = x.Slice(192 + (half * 8), 8);
            for (var quarter = 0; quarter < 4; quarter++)
            {
                var from = quarter % 2 * 32;
                var shift = quarter / 2 * 4;
                for (var l = 0; l < 32; l++)
                {
                    var value = ((low[from + l] >> shift) & 15) | (((high[l] >> (2 * quarter)) & 3) << 4);
                    y[(half * 128) + (quarter * 32) + l] = d * (sbyte)scales[(l / 16) + (2 * quarter)] * (value - 32);
                }
            }
        }
    }

    // 2-bit quants: each half of 128 values takes 32 bytes, four values a byte, in groups of 16.
    private static (int From, int Shift) Place(int group) => ((group / 8 * 32) + (group % 2 * 16), group % 8 / 2 * 2);

    private static (int Scale, int Minimum) ScaleAndMinimum(ReadOnlySpan<byte> packed, int group) =>
        group < 4
            ? (packed[group] & 63, packed[group + 4] & 63)
            : ((packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4), (packed[group + 4] >> 4) | (packed[group] >> 6 << 4));
}
